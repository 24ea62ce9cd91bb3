"""What a generator understands of a request, and what it cannot: statements with polarity, numbers, unknown words.

A text reaches the models through the pretrained text encoder, which maps any words to the 71 statements of PTB-XL;
words without a counterpart there are ignored in silence. This module says which ones.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from ecggen.conditioning import negation, statements
from ecggen.conditioning.text_encoder import Reader

CERTAIN = 0.5
"""Probability from which on a statement counts as affirmed or negated."""
FEW = 30
"""Training records with a statement below which it is rare."""
RANGES = {"age": (17.0, 93.0), "heart_rate": (40.0, 171.0)}
"""Range of metadata that holds 99.5 % (age) and 99.8 % (heart rate) of the 17,418 training records."""
SHORTEST = 4
"""Letters of the shortest word that is called unknown."""
ALIKE = 0.82
"""Similarity of spelling from which on a word counts as a misspelling of a known one."""
RARE = {
    "PRC(S)": 8, "INJIL": 11, "2AVB": 12, "3AVB": 12, "INJLA": 13, "PMI": 13, "INJIN": 14, "TRIGU": 16, "PSVT": 19,
    "SVTAC": 21, "STE_": 22, "SEHYP": 24, "IPMI": 26, "TAB_": 28,
}  # fmt: skip
"""Training records with each rare statement."""
USUAL = """
a about abnormal about acute after age aged also among and another around at axis beats been being between borderline
bpm both but cardiac chronic clear complete could currently definite degree deviation diagnosis during ecg ekg
electrocardiogram elderly enlarged episode episodes evidence extensive fast female findings first following for frequent
from heart high history in increased intermittent interpretation irregular is isolated known large late lead leads left
like likely low lower male man marked mild minute moderate more multiple narrow new normal occasional of old on one
onset other over patient patients pattern per persistent possible prior probable probably prominent rapid rare rate
recent regular response resting rhythm right routine second secondary seen several severe shows significant signs slow
small some status strain suspected sustained that third this tracing typical under upper very wave waves wide with woman
year years young anterior posterior lateral inferior septal ventricular atrial sinus block branch bundle ventricle
atrium controlled uncontrolled paroxysmal permanent amplitude interval
assessment chest operative pain presurgical routine check symptoms within without year-old yo gentleman lady girl boy
jährige jähriger jahre patientin frequenz lagetyp linkstyp rechtstyp schlagfrequenz herzfrequenz weiblich männlich frau
mann årig kvinna frekvens electrode beat rapidly response conduction conducted uncertain
"""
"""Words that need no counterpart."""


@dataclass(frozen=True)
class Understanding:
    """What was read in a text.

    Attributes:
        present: Codes of affirmed statements, the most certain first.
        absent: Codes of negated statements.
        unknown: Words without a counterpart, in their order.
        beyond: Findings that no training record is known to show, with the codes that come nearest.
    """

    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    beyond: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __str__(self) -> str:
        """The statements with polarity: "atrial fibrillation present, left ventricular hypertrophy absent"."""
        named = [f"{statements.describe(code)} present" for code in self.present]
        named += [f"{statements.describe(code)} absent" for code in self.absent]
        if self.present and not {*self.present} & {*statements.RHYTHMS}:
            named.append("rhythm not named")  # it is drawn as recordings with these findings have it
        return ", ".join(named)

    @property
    def warnings(self) -> list[str]:
        """What the model cannot draw, or has hardly seen, one sentence each."""
        found = [_beyond(name, nearest) for name, nearest in self.beyond]
        if self.unknown:
            words = ", ".join(f'"{word}"' for word in self.unknown)
            found.append(f"not understood: {words}; no statement of the training records corresponds to it")
        for code in self.present:
            if code in RARE:
                found.append(f"only {RARE[code]} training records show {statements.describe(code)}")
        if not (self.present or self.absent or found):
            found.append("the text names no finding that the model knows")
        return found


def understand(texts: Sequence[str], reader: Reader) -> list[Understanding]:
    """What ``reader`` reads in each text.

    Args:
        texts: Reports or prompts.
        reader: Pretrained text encoder (``text_encoder.load``).

    Example:
        >>> from ecggen.conditioning import text_encoder
        >>> found, odd = understand(["AF, no LVH", "purple elephants"], text_encoder.load())
        >>> str(found)
        'atrial fibrillation present, left ventricular hypertrophy absent'
        >>> odd.unknown
        ('purple', 'elephants')
    """
    if not texts:
        return []
    _, said, denied = negation.read(reader, texts)
    return [
        Understanding(_certain(one), _certain(other), unknown_words(text), tuple(absent_findings(text)))
        for text, one, other in zip(texts, said, denied, strict=True)
    ]


def out_of_range(age: float | None, heart_rate: float | None) -> list[str]:
    """Warnings on values outside of those of nearly all training records.

    Example:
        >>> out_of_range(2, 80)
        ['age 2 lies outside of 17 to 93, the range of nearly all training records']
    """
    values = {"age": age, "heart_rate": heart_rate}
    return [
        f"{name.replace('_', ' ')} {value:g} lies outside of {RANGES[name][0]:g} to {RANGES[name][1]:g}, the range of "
        "nearly all training records"
        for name, value in values.items()
        if value is not None and not RANGES[name][0] <= value <= RANGES[name][1]
    ]


def unknown_words(text: str) -> tuple[str, ...]:
    """Words of a text that occur, also misspelt, in no wording of a statement, no template and no usual phrase.

    Example:
        >>> unknown_words("atrial fibrilation in a zebra")
        ('zebra',)
    """
    rest = text
    for one in _table().values():
        rest = re.sub(rf"\w*(?:{one['pattern']})\w*", " ", rest, flags=re.IGNORECASE)
    words, known = dict.fromkeys(re.findall(rf"[^\W\d_]{{{SHORTEST},}}", rest)), vocabulary()
    return tuple(word for word in words if not _is_known(word.lower(), known))


def absent_findings(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Findings in a text that have no statement, with the nearest statements.

    Example:
        >>> absent_findings("Brugada pattern")
        [('Brugada pattern', ('IRBBB',))]
    """
    low = text.lower()
    table = _table().items()
    return [(name, tuple(one["nearest"])) for name, one in table if re.search(one["pattern"], low)]


@lru_cache(1)
def vocabulary() -> frozenset[str]:
    """Lower-case words of all wordings, templates and usual phrases."""
    phrases: list[str] = [USUAL]
    for code in statements.codes():
        phrases += [word for language in statements.LANGUAGES for word in statements.wordings(code, language)]
        phrases += [statements.describe(code), statements.held_out(code)]
    for templates in (statements.SAID, statements.DENIED, statements.ABNORMAL):
        phrases += [phrase for each in templates.values() for phrase in each]
    phrases += [*statements.HELD_SAID, *statements.HELD_DENIED]
    return frozenset(re.findall(r"[^\W\d_]+", " ".join(phrases).lower()))


def _is_known(word: str, known: Iterable[str]) -> bool:
    if word in known or word.rstrip("s") in known or f"{word}s" in known:
        return True
    return bool(get_close_matches(word, known, 1, ALIKE))


def _certain(probabilities) -> tuple[str, ...]:
    order = probabilities.argsort(descending=True).tolist()
    return tuple(statements.codes()[at] for at in order if probabilities[at] >= CERTAIN)


def _beyond(name: str, nearest: tuple[str, ...]) -> str:
    near = " or ".join(statements.describe(code) for code in nearest)
    return f"no training record is known to show {name}" + (f"; nearest: {near}" if near else "")


@lru_cache(1)
def _table() -> dict[str, dict]:
    return tomllib.loads(Path(__file__).with_name("absent_findings.toml").read_text(encoding="utf-8"))
