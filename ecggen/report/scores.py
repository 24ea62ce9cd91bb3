"""Parts of a report: scores with their floors, verdicts, figures, tables and sections.

The *floor* of a score is its real–real reference: the same score between two patient-disjoint halves of the real
records, at the same number of records. It says how good a score can be expected to be. A verdict compares a score with
its floor, not with zero. A score with another reference, such as real records with the same request, says so in its
definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

PASS, WARN, FAIL, NOT_MEASURED = "pass", "warn", "fail", "not measured"
SEVERITY = (NOT_MEASURED, PASS, WARN, FAIL)
"""Verdicts in order of severity; a section has the most severe verdict of its scores."""


@dataclass(frozen=True)
class Score:
    """A measured value with its interval, floor, definition and verdict.

    Attributes:
        name: What is measured.
        value: The score; None if it was not measured.
        unit: Unit of the value, or "". "share" is a fraction that is displayed in percent.
        interval: 95 % interval.
        floor: Real–real reference of the score; None if it has none.
        floor_high: 95 % quantile of the floor over the splits.
        floor_low: 5 % quantile of the floor over the splits, for a score of which more is better.
        n_synthetic: Number of synthetic records used.
        n_real: Number of real records used.
        definition: Name or formula, with its source.
        extractor: Name and weight hash of the network or detector used, or "".
        verdict: One of ``SEVERITY``.
        note: Further information, such as the reason why it was not measured.
        counts: Whether it counts for the verdict of the section.
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
    """A plot with a title and a caption; ``svg`` is one element without scripts or links."""

    title: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Table:
    """Rows of text under column headings."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Section:
    """A part of the report.

    Attributes:
        key: Key in ``report.json``, such as "rhythm".
        title: Heading.
        question: The question that the section answers, in one sentence.
        headline: The main result, in one sentence.
        scores: Scores.
        figures: Figures.
        tables: Tables.
        notes: Further remarks, one sentence each.
        stated: A verdict that does not follow from the scores; "" if it does.
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
        """The most severe verdict of the scores that count."""
        return self.stated or most_severe([score.verdict for score in self.scores if score.counts])

    def as_json(self) -> dict[str, Any]:
        """Everything but the plots; of figures, the titles."""
        about = asdict(self) | {"verdict": self.verdict, "figures": [figure.title for figure in self.figures]}
        del about["stated"]
        return about


def most_severe(verdicts: Sequence[str]) -> str:
    """The most severe of several verdicts; "not measured" if there are none.

    Example:
        >>> most_severe(["pass", "warn", "not measured"])
        'warn'
    """
    return max(verdicts, key=SEVERITY.index, default=NOT_MEASURED)


def beyond(value: float, floor_high: float, warn: float, fail: float) -> str:
    """Verdict on a distance by its difference from the upper end of its floor.

    Args:
        value: The distance.
        floor_high: 95 % quantile of the floor, in the same unit.
        warn: Excess above which the verdict is "warn".
        fail: Excess above which the verdict is "fail".

    Example:
        >>> beyond(0.35, floor_high=0.2, warn=0.1, fail=0.2)
        'warn'
    """
    excess = value - floor_high
    return FAIL if excess > fail else WARN if excess > warn else PASS


def times(value: float, floor_high: float, warn: float = 2.0, fail: float = 4.0) -> str:
    """Verdict on a distance without a natural scale by its ratio to the upper end of its floor."""
    return FAIL if value > fail * floor_high else WARN if value > warn * floor_high else PASS


def between(value: float, low: float, high: float, margin: float) -> str:
    """Verdict on a score with a target range: "warn" outside of it, "fail" outside of it by more than ``margin``."""
    return PASS if low <= value <= high else WARN if low - margin <= value <= high + margin else FAIL


def not_measured(name: str, why: str, **about: Any) -> Score:
    """A score that could not be measured; ``why`` is the reason, such as "12 records, 50 needed"."""
    return Score(name, None, verdict=NOT_MEASURED, note=f"not measured: {why}", **about)
