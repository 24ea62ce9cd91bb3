"""What a report is made of: scores with their floors, verdicts that follow from both, sections, figures.

A *floor* is the same score between two disjoint halves of the real records, patient by patient, at the same n: no
generator can be asked to do better than reality does against itself. A verdict compares a score with its floor; it
never compares with zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

PASS, WARN, FAIL, NOT_MEASURED = "pass", "warn", "fail", "not measured"
GRAVITY = (NOT_MEASURED, PASS, WARN, FAIL)
"""Verdicts from the least to the gravest; a section's is its gravest."""


@dataclass(frozen=True)
class Score:
    """One number with everything that must be known to read it.

    Attributes:
        name: What it measures, in words.
        value: The score; None where it was not measured.
        unit: Its unit, or "".
        interval: 95 % interval.
        floor: The same score between two halves of the real records; None where there is no such thing.
        floor_high: What 95 % of such splits stay below.
        floor_low: What 95 % of them stay above, for a score of which more is better.
        n_synthetic: Synthetic records that went in.
        n_real: Real records that went in.
        definition: Name or formula of the definition, with its source.
        extractor: Name and weight hash of the network or detector that it rests on, or "".
        verdict: One of ``GRAVITY``.
        note: What else must be said, as why it was not measured.
        counts: Whether the section's verdict heeds it.
    """

    name: str
    value: float | None
    unit: str = ""
    interval: tuple[float, float] | None = None
    floor: float | None = None
    floor_high: float | None = None
    floor_low: float | None = None
    n_synthetic: int = 0
    n_real: int = 0
    definition: str = ""
    extractor: str = ""
    verdict: str = NOT_MEASURED
    note: str = ""
    counts: bool = True


@dataclass(frozen=True)
class Figure:
    """A drawing with the words that say how to read it; ``svg`` is one element, without scripts or links."""

    title: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Table:
    """Rows of text under column heads."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Section:
    """A part of the report.

    Attributes:
        key: Its name in ``report.json``, as "rhythm".
        title: Its heading.
        question: What it asks, in one sentence.
        headline: What was found, in one sentence.
        scores: Its scores.
        figures: Its drawings.
        tables: Its tables.
        notes: What else must be said.
        stated: A verdict that does not follow from scores; "" where it does.
    """

    key: str
    title: str
    question: str
    headline: str = ""
    scores: list[Score] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stated: str = ""

    @property
    def verdict(self) -> str:
        """The gravest verdict of the scores that count."""
        return self.stated or gravest([score.verdict for score in self.scores if score.counts])

    def as_json(self) -> dict[str, Any]:
        """Everything but the drawings."""
        about = asdict(self) | {"verdict": self.verdict, "figures": [figure.title for figure in self.figures]}
        del about["stated"]
        return about


def gravest(verdicts: Sequence[str]) -> str:
    """The gravest of several verdicts; "not measured" of none."""
    return max(verdicts, key=GRAVITY.index, default=NOT_MEASURED)


def beyond(value: float, floor_high: float, warn: float, fail: float) -> str:
    """Verdict on a distance: how far it lies above what 95 % of real-against-real splits stay below.

    Args:
        value: The distance, in its own unit.
        floor_high: The upper end of the floor.
        warn: Excess from which it warns.
        fail: Excess from which it fails.
    """
    excess = value - floor_high
    return FAIL if excess > fail else WARN if excess > warn else PASS


def times(value: float, floor_high: float, warn: float = 2.0, fail: float = 4.0) -> str:
    """Verdict on a distance without a natural scale: how many times the upper end of its floor it is."""
    return FAIL if value > fail * floor_high else WARN if value > warn * floor_high else PASS


def between(value: float, low: float, high: float, margin: float) -> str:
    """Verdict on a score that has a right range: it warns outside of it and fails beyond a margin."""
    return PASS if low <= value <= high else WARN if low - margin <= value <= high + margin else FAIL


def not_measured(name: str, why: str, **about: Any) -> Score:
    """A score that could not be measured, with the reason ("12 records, 50 needed")."""
    return Score(name, None, verdict=NOT_MEASURED, note=f"not measured: {why}", **about)
