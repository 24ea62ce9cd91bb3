"""Age, sex and heart rate stated in a text.

"74-year-old woman, atrial fibrillation at 130 bpm" states three values that a generator uses as numbers. The parser
covers English and German, some Swedish (PTB-XL has reports in all three), and clinical shorthand ("81F, HR 40").

It prefers precision to recall: the text itself also reaches the model, so a missed value costs little, but a misread
one ("PR 220 ms", "respiratory rate 16/min", "V2", "2 mm", "1st degree") conditions on a wrong value. Therefore:

- A number counts only with its unit or keyword.
- Negated words ("no female") and bounds ("over 100 bpm") are ignored.
- A range is replaced by its midpoint.
- If a text states two different values, neither is used.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TextMetadata:
    """Metadata found in a text; None where a value is not stated.

    Attributes:
        age: Years.
        sex: "M" or "F".
        heart_rate: Beats per minute.
        notes: Messages to the user on values that were interpreted or ignored.
    """

    age: float | None = None
    sex: str | None = None
    heart_rate: float | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)


# Possessive and atomic groups prevent backtracking into a number ("500 Hz" must not match as "50").
_NUMBER = r"\d{1,4}+(?:[.,]\d(?!\d))?"
_SPAN = rf"(?>(?P<low>{_NUMBER})(?:\s*(?:[-–—]|to\b|bis\b)\s*(?P<high>{_NUMBER}))?)(?!\d)"
_FREE = rf"(?<![\w/:])(?<!\d[.,])(?<!\d[-–—]){_SPAN}"  # not part of a name, a date or a ratio
_JOIN = r"(?:\s*(?:of|is|at|about|around|approx(?:imately|\.)?|circa|ca\.?|ungefahr|etwa|von|bei|um|[:=~≈-]))*\s*"
_OTHER_UNIT = (
    r"(?!\s*(?:%|ms\b|msec|s(?![/\w])|sec|k?hz|mm|[mμu]v\b|°|degrees?|years?\b|yrs?\b|y/?o\b|[/:]\s*\d"
    r"|months?|weeks?|days?|monate?|wochen?|tage?\b))"
)

_F = r"\b(?:woman|women|females?|lady|girl|frau|mae?dchen|weiblich\w*|patientin|kvinna|flicka)\b(?!-)"
# "man" is also a pronoun in German and Swedish ("man sieht", "man ser"), and "men" is Swedish for "but".
_M = (
    r"\b(?:males?|gentleman|boy|mann|ma?e?nnlich\w*|pojke"
    r"|man(?!\s+(?:sieht|erkennt|findet|kann|muss|sollte|darf|ser|kan|finner|bor)\b))\b(?!-)"
)
_SEX = rf"(?:{_F}|{_M})"

_OLD_THING = r"(?!\s+(?:infarct|mi\b|scar|stent|pace|device|implant|lead|e[ck]g|record|tracing))"
_PAST = r"\s+(?:of(?!\s+age)|history|ago|after|post|since|later)"
_HISTORY = rf"(?!{_PAST})"
_YEARS = r"(?:years?|yrs?\.?|y|jahre?|ar)\b"
_AGES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_FREE}[\s-]*(?:years?|yrs?\.?|y)[\s-]*old\b{_OLD_THING}",
        rf"{_FREE}\s*y\s*[./]?\s*o(?:\b|(?=[MF]\b))",
        rf"{_FREE}\s*(?:years?|yrs?)\s+of\s+age\b",
        rf"{_FREE}[\s-]*jae?hrig\w*(?!\s+(?:verlauf|hyperton|anamnes|krank|geschicht|infarkt))",
        rf"{_FREE}\s*(?:jahre\s+alt|ar\s+gammal)\b",
        rf"{_FREE}-?arig\w*",
        rf"(?<!gestational )(?<!bone )(?<!vascular )\b(?:age[ds]?|alter|alder){_JOIN}{_SPAN}"
        rf"(?!\s*(?:%|/|months?|weeks?|days?|monate?|wochen?|tage?\b))",
        rf"{_SEX}[\s,(]+{_FREE}(?=\s*(?:[,;)]|\.(?!\d)|$|{_YEARS}{_HISTORY}))",
        rf"{_FREE}\s*{_YEARS}[\s,]+{_SEX}",
    )
)
_AGE = r"(?P<low>[1-9]\d|1[01]\d)"
_LETTERS = (
    # "74F", "74 F", "74/F", but not "74 F waves" or "14 F sheath"
    re.compile(rf"(?<![\w.,/:-]){_AGE}\s?/?\s?(?P<sex>[MF])\b(?![-.]\w|/|\s*-?(?:waves?|french|catheter|sheath)\b)"),
    # "F/74", "M 74" at the start of a clause. "F74" is left out: it may be an ICD-10 code.
    re.compile(
        rf"(?:^|(?<=[,;:(.])|(?<=[,;:(.] )|(?<=\bpt )|(?<=\bpatient ))(?P<sex>[MF])(?:/| ){_AGE}(?![\w/:%°-]|[.,]\d)"
        rf"(?! ?(?:bpm|beats?|ms|msec|s|sec|k?Hz|[cm]m|m[Vg]|ml|kg|lbs?|French|gauge|waves?|to|or|percent)\b)"
        rf"(?! {_YEARS}{_PAST})"
    ),
)
_OTHER_VALUE = re.compile(  # the number after it is no age: "QRS 90 M", "temp 101 F"
    r"\b(?:hr|qt|qtc|qrs|qs|qr|pr|pq|rr|rate|temp\w*|fever|spo2|bp|t|[lr]?v?ef|foley)\.?(?:\s+(?:of|is))?[\s:=]*$",
    re.IGNORECASE,
)

_PER_MINUTE = (
    r"(?:bpm\b|(?:beats?|schlage|slag|s)?\s*(?:/|per\b|pro\b)\s*min(?:\.|ut\w*)?(?!\w)"
    r"|beats\s+a\s+minute|min\s?[-−]1\b)"
)
_RATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_FREE}\s*{_PER_MINUTE}(?!\s+(?:pvcs?|ves\b|extrasyst|ectop|premature|breath|respir|atem))",
        r"\b(?:(?:heart|ventricular|pulse|cardiac)[\s-]?(?:rate|frequency)|rate|pulse?|hr|hf"
        rf"|(?:herz|kammer|puls)?frequenz|(?:hjart)?frekvens){_JOIN}{_SPAN}{_OTHER_UNIT}",
    )
)
_OTHER_RATE = re.compile(
    r"(?:\b(?:respirat\w*|breath\w*|rr|atem\w*|atrial|vorhof\w*|flutter\s+waves?|f[\s-]waves?|flutter(?=\s+rate)|pvcs?|ves"
    r"|extrasyst\w*|ectop\w*|premature|sampl\w*|frame|data|bit|sweep|paper|target|max\w*|predicted|mortality|success"
    r"|event|error|limit)(?:\s+(?:rate|frequen\w*|beats?|complexes|contractions|waves?|heart))*"
    r"(?:\s+(?:of|is|at|with|about|around|up|to))*)[\s:=~(-]*$",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?:\b(?:over|under|above|below|than|least|most|exceed\w*|up\s+to|uber|unter|not|no|nicht|kein\w*)|[<>≤≥])"
    r"\s*(?:an?\s+|=\s*)?$",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:no|not|non|never|without|neither|nor|kein\w*|nicht|ohne)[\s-]+(?:an?\s+|the\s+|eine?\w*\s+)?$", re.IGNORECASE
)
_SEX_WORDS = {"F": re.compile(_F, re.IGNORECASE), "M": re.compile(_M, re.IGNORECASE)}
_SEX_LETTER = re.compile(
    r"(?:\b(?:sex|gender|geschlecht)[\s:=]*(?:is\s+)?|\d[\s-]*(?:years?[\s-]*old|yrs?[\s-]*old|y\s*[./]?\s*o\.?)[\s,]*"
    r"|\baged?\s*\d+[\s,]+)(?P<sex>[MFW])\b(?![-'.]\w)",
    re.IGNORECASE,
)
_BETWEEN = re.compile(rf"\b(?:between|zwischen)\s+({_NUMBER})\s+(?:and|und)\s+({_NUMBER})", re.IGNORECASE)


def metadata_in(text: str) -> TextMetadata:
    """Age, sex and heart rate stated in a text. The values are not checked against the range that a condition accepts.

    Args:
        text: A sentence in English or German, in any case, with or without accents.

    Example:
        >>> found = metadata_in("81F, sinus bradycardia, HR 40, PR 220 ms")
        >>> found.age, found.sex, found.heart_rate
        (81.0, 'F', 40.0)
    """
    plain = _plain(text)
    notes: list[str] = []
    ages = [*_numbers("age", plain, _AGES, notes), *(float(match["low"]) for match in _ages_with_letter(plain))]
    rates = list(_numbers("heart rate", plain, _RATES, notes))
    return TextMetadata(
        age=_one("ages", ages, notes),
        sex=_one("sexes", list(_sexes(plain)), notes),
        heart_rate=_one("heart rates", rates, notes),
        notes=tuple(dict.fromkeys(notes)),
    )


def _plain(text: str) -> str:
    """``text`` without accents, with single spaces, and "between a and b" written as "a-b"."""
    parts = unicodedata.normalize("NFKD", text)
    letters = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return _BETWEEN.sub(r"\1-\2", " ".join(letters.split()))


def _numbers(name: str, text: str, patterns: tuple[re.Pattern, ...], notes: list[str]) -> Iterator[float]:
    """Values that match the patterns, except bounds and rates of something else (respiration, atrium, sampling)."""
    for match in (match for pattern in patterns for match in pattern.finditer(text)):
        before = text[: match.start()]
        if name == "heart rate" and _OTHER_RATE.search(before):
            continue
        if _BOUND.search(before):
            notes.append(f"'{match[0].strip()}' in the text is a bound or negated; it is not used as {name}")
            continue
        low, high = (None if part is None else float(part.replace(",", ".")) for part in match.group("low", "high"))
        assert low is not None
        if high is None:
            yield low
        elif low <= high:
            notes.append(f"{name} {low:g} to {high:g} in the text is taken as {(low + high) / 2:g}")
            yield (low + high) / 2


def _sexes(text: str) -> Iterator[str]:
    """Sexes named by words or letters, except negated ones."""
    for sex, pattern in _SEX_WORDS.items():
        if any(not _DENIED.search(text[: match.start()]) for match in pattern.finditer(text)):
            yield sex
    for match in (*_SEX_LETTER.finditer(text), *_ages_with_letter(text)):
        yield match["sex"].upper().replace("W", "F")


def _ages_with_letter(text: str) -> Iterator[re.Match]:
    """Matches of an age with a letter for sex, as "74F" or "F/74"."""
    for pattern in _LETTERS:
        yield from (match for match in pattern.finditer(text) if not _OTHER_VALUE.search(text[: match.start()]))


def _one(what: str, values: list, notes: list[str]):
    """The value; None if there is none or if they differ."""
    different = sorted(set(values))
    if len(different) > 1:
        shown = ", ".join(f"{value:g}" if isinstance(value, float) else value for value in different)
        notes.append(f"the text names several {what} ({shown}); none of them is used")
        return None
    return different[0] if different else None
