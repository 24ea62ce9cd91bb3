"""Denied findings in a text, by words that deny and by their scope, beside what the text encoder reads.

The rules follow NegEx (Chapman et al., J Biomed Inform 2001;34:301), with a narrower scope, because reports often have
no punctuation: between the word that denies and the finding there may be nothing but words that carry no meaning. The
text encoder has learnt many forms of a denial, but may read a form that is new to it as an affirmation. Where it
affirms a finding that the rules deny, the denial is written in a form that it knows, and read again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ecggen.conditioning import statements
from ecggen.conditioning.text_encoder import Reader

CERTAIN = 0.5
"""Probability from which on a statement counts as affirmed."""
DENIES = re.compile(
    r"\b(?:no|not|without|never|neither|nor|denies|negative for|absence of|free of|lack of|"
    r"kein(?:e[nmrs]?)?|ohne|nicht|ingen|inga|inget|utan|inte|ej)\b",
    re.IGNORECASE,
)
"""Words that deny what follows them."""
EMPTY = re.compile(
    r"(?:\W+(?:show|see|have|find|evidence|signs?|hints?|indication|history|suggestive|suggestion|of|for|any|an?(?=\s)|the|acute|longer|more|"
    r"definite|clear|significant|typical|certain|hinweise?|anhalt|anzeichen|zeichen|auf|für|von|eine?[nrs]?|sichere?[nrs]?|"
    r"tecken|på|någon|några|något|säkra?)\b)*\W+",
    re.IGNORECASE,
)
"""What may stand between such a word and the finding."""
DENIED = re.compile(
    r"\W+(?:(?:is|was|are|were|has|have|had|been|be|could|can|may|ist|sind|war|wurde|wird|är|var|kan|kunde)\W+)*"
    r"(?:not|never|absent|excluded|ruled out|nicht|ausgeschlossen|inte|ej|utesluten|uteslutet)\b"
    r"(?!\W+(?:be\W+)?(?:\w+ly\W+)?(?:excluded|ruled|auszuschlie|ausgeschlossen|uteslut|sicher))"
    r"(?:\W+(?:be|been)\b)?(?:\W+(?:seen|found|present|shown|detected|evident|identified)\b)?",
    re.IGNORECASE,
)
"""What denies a finding before it; "cannot be excluded" does not."""
JOINED = re.compile(r"\W+(?:and|or|nor|und|oder|och|eller|noch)\b|\W*/\W*", re.IGNORECASE)
"""What joins findings that are denied together."""
ABNORMAL = "abnormal ECG"
"""What is written for a denied normal ECG."""


def denied_in(text: str) -> tuple[str, ...]:
    """Codes of the statements that a text denies and does not affirm elsewhere.

    Example:
        >>> denied_in("sinus rhythm without ST depression; atrial fibrillation could not be found")
        ('STD_', 'AFIB')
        >>> denied_in("inferior infarction cannot be excluded")
        ()
    """
    denied, affirmed = _read(text)
    return tuple(code for code in denied if code not in affirmed)


def rewritten(text: str) -> str:
    """A text with its denials in the form "no X".

    Example:
        >>> rewritten("LBBB, atrial fibrillation could not be found")
        'LBBB, no atrial fibrillation'
    """
    kept, codes = _split(text)
    denied = [ABNORMAL if code == "NORM" else f"no {statements.describe(code)}" for code in codes]
    rest = re.sub(r"\s+(?=[,;.]|$)", "", re.sub(r"\s+", " ", kept)).strip(" ,;")
    return ", ".join([*([rest] if rest else []), *denied])


def read(reader: Reader, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
    """What the text encoder reads in texts, with denials that it takes for affirmations read again.

    Args:
        reader: Pretrained text encoder.
        texts: Reports or prompts.

    Returns:
        As ``Reader.read``: summary (text, width), and probabilities (text, statement) of affirmed and of negated
        statements.
    """
    summary, said, denied = reader.read(list(texts))
    codes = statements.codes()
    wrong = [
        row
        for row, text in enumerate(texts)
        if any(float(said[row, codes.index(code)]) >= CERTAIN for code in denied_in(text))
    ]
    if not wrong:
        return summary, said, denied
    again = reader.read([rewritten(texts[row]) for row in wrong])
    found = [part.clone() for part in (summary, said, denied)]
    for part, other in zip(found, again, strict=True):
        part[torch.tensor(wrong)] = other
    return found[0], found[1], found[2]


def _read(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Codes of denied and of affirmed statements that a text names."""
    kept, denied = _split(text)
    return denied, tuple(dict.fromkeys(code for _, _, code in _named(kept)))


def _split(text: str) -> tuple[str, tuple[str, ...]]:
    """A text without its denials, and the codes of the denied statements in their order."""
    named = _named(text)
    spans: list[tuple[int, int]] = []
    codes: dict[str, None] = {}
    for first, last in _denials(text, named):
        codes |= dict.fromkeys(code for start, end, code in named if start >= first and end <= last)
        spans.append((first, last))
    kept, at = [], 0
    for first, last in spans:
        kept.append(text[at:first])
        at = max(at, last)
    return "".join([*kept, text[at:]]), tuple(codes)


def _denials(text: str, named: list[tuple[int, int, str]]) -> list[tuple[int, int]]:
    """Start and end of each denial with its findings."""
    starts, found = {first: at for at, (first, _, _) in enumerate(named)}, []
    for word in DENIES.finditer(text):
        last = _findings_after(text, named, starts, word.end())
        if last is not None:
            found.append((word.start(), last))
    for at, (first, last, _) in enumerate(named):
        after = DENIED.match(text, last)
        if after and not any(start <= first < end for start, end in found):
            while at > 0 and (join := JOINED.match(text, named[at - 1][1])) and text[join.end() : first].strip() == "":
                at -= 1
                first = named[at][0]
            found.append((first, after.end()))
    return sorted(found)


def _findings_after(text: str, named: list[tuple[int, int, str]], starts: dict[int, int], at: int) -> int | None:
    """End of the findings, joined by "and" or "or", that follow a word that denies; None if none does."""
    last = None
    while (gap := EMPTY.match(text, at)) and gap.end() in starts:
        last = named[starts[gap.end()]][1]
        join = JOINED.match(text, last)
        if not join:
            break
        at = join.end()
    return last


def _named(text: str) -> list[tuple[int, int, str]]:
    """Start, end and code of each statement that a text names in one of its usual wordings."""
    pattern, codes = _wordings()
    return [(found.start(), found.end(), codes[found[1].lower()]) for found in pattern.finditer(text)]


@lru_cache(1)
def _wordings() -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern of all wordings of all statements, the longest first, and the code of each in lower case."""
    codes: dict[str, str] = {}
    for code in statements.codes():
        for language in statements.LANGUAGES:
            for wording in statements.wordings(code, language):
                codes.setdefault(wording.lower(), code)
    longest_first = sorted(codes, key=len, reverse=True)
    return re.compile(rf"(?<!\w)({'|'.join(map(re.escape, longest_first))})s?(?!\w)", re.IGNORECASE), codes
