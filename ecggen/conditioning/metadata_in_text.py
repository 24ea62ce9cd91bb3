"""What a sentence says about age, sex and heart rate, read with care: what is in doubt is no fact.

"74-year-old woman, atrial fibrillation at 130 bpm" holds three facts that a model is better told as numbers. English
and German are read, and a little Swedish (PTB-XL's reports come in all three). A fact that is missed costs little,
for the words reach the model too; one that is misread ("PR 220 ms", "respiratory rate 16/min", "V2", "2 mm", "1st
degree") draws the wrong heart. So a number counts only with its unit or its keyword, a denied word ("no female") and
a bound ("over 100 bpm") do not count, a range counts as its middle, and of two values that differ none counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TextMetadata:
    """What was read in a text; None where it does not say.

    Attributes:
        age: Years.
        sex: "M" or "F".
        heart_rate: Beats per minute.
        notes: What was decided or left out, in words for the person who wrote the text.
    """

    age: float | None = None
    sex: str | None = None
    heart_rate: float | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)


# Possessive and atomic groups: a number is never cut short to please what follows ("500 Hz" is no "50").
_NUMBER = r"\d{1,4}+(?:[.,]\d(?!\d))?"
_SPAN = rf"(?>(?P<low>{_NUMBER})(?:\s*(?:[-–—]|to\b|bis\b)\s*(?P<high>{_NUMBER}))?)(?!\d)"
_FREE = rf"(?<![\w/:])(?<!\d[.,])(?<!\d[-–—]){_SPAN}"  # a number that is no part of a name, a date or a ratio
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
_HISTORY = r"(?!\s+(?:of(?!\s+age)|history|ago|after|post|since|later))"
_YEARS = r"(?:years?|yrs?\.?|y|jahre?|ar)\b"
_AGES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_FREE}[\s-]*(?:years?|yrs?\.?|y)[\s-]*old\b{_OLD_THING}",
        rf"{_FREE}\s*y\s*[./]?\s*o\b",
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
_AGE_AND_LETTER = re.compile(  # "74F", but not "QRS 90 M" and no "74 F waves"
    r"(?<!HR )(?<!Q[TRS] )(?<!P[RQ] )(?<!RR )(?<!QRS )(?<!QTc )(?<!ate )(?<![\w.,/:-])"
    r"(?P<low>[1-9]\d|1[01]\d)\s?(?P<sex>[MF])\b(?![-.]\w|\s*-?waves?)"
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
    """Age, sex and heart rate that ``text`` states; numbers may lie outside of what a condition accepts.

    Args:
        text: A sentence in English or German, in any case, with or without accents.
    """
    plain = _plain(text)
    notes: list[str] = []
    ages = [*_numbers("age", plain, _AGES, notes), *(float(m["low"]) for m in _AGE_AND_LETTER.finditer(plain))]
    rates = list(_numbers("heart rate", plain, _RATES, notes))
    return TextMetadata(
        age=_one("ages", ages, notes),
        sex=_one("sexes", list(_sexes(plain)), notes),
        heart_rate=_one("heart rates", rates, notes),
        notes=tuple(dict.fromkeys(notes)),
    )


def _plain(text: str) -> str:
    """``text`` without accents, each run of blanks as one, "between a and b" as "a-b"."""
    parts = unicodedata.normalize("NFKD", text)
    letters = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return _BETWEEN.sub(r"\1-\2", " ".join(letters.split()))


def _numbers(name: str, text: str, patterns: tuple[re.Pattern, ...], notes: list[str]) -> Iterator[float]:
    """The values that the patterns find, without bounds and what is another thing's rate."""
    for match in (match for pattern in patterns for match in pattern.finditer(text)):
        before = text[: match.start()]
        if name == "heart rate" and _OTHER_RATE.search(before):
            continue
        if _BOUND.search(before):
            notes.append(f"'{match[0].strip()}' in the text is a bound or denied, no {name}")
            continue
        low, high = (None if part is None else float(part.replace(",", ".")) for part in match.group("low", "high"))
        assert low is not None
        if high is None:
            yield low
        elif low <= high:
            notes.append(f"{name} {low:g} to {high:g} in the text is taken as {(low + high) / 2:g}")
            yield (low + high) / 2


def _sexes(text: str) -> Iterator[str]:
    """The sexes that words and letters name, denied ones left out."""
    for sex, pattern in _SEX_WORDS.items():
        if any(not _DENIED.search(text[: match.start()]) for match in pattern.finditer(text)):
            yield sex
    for match in (*_SEX_LETTER.finditer(text), *_AGE_AND_LETTER.finditer(text)):
        yield match["sex"].upper().replace("W", "F")


def _one(what: str, values: list, notes: list[str]):
    """The value, or None where there is none or they differ."""
    different = sorted(set(values))
    if len(different) > 1:
        shown = ", ".join(f"{value:g}" if isinstance(value, float) else value for value in different)
        notes.append(f"the text names several {what} ({shown}): none of them is taken as a fact")
        return None
    return different[0] if different else None
