"""A score of a synthetic set against the real one, its floor and its interval, from the same splits.

The real patients are divided in half again and again. Each time, as many synthetic records as a half holds are scored
against the first half (the mean of these is the score), and the second half is scored against the first (these make
the floor). So value and floor rest on equal numbers, and what a small set does to a score it does to both.
Intervals come from redrawn patients and are centred on the score, for a redrawn set, with its repeated or fewer
records, lies farther off than the set itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.metrics.functional.bootstrap import redrawn
from ecggen.report.inputs.cohort import LEAST, halves
from ecggen.report.scores import FAIL, PASS, WARN, Score, not_measured

SPLITS = 24
"""Divisions of the real patients in half."""
REDRAWS = 100
"""Redraws of patients for an interval."""
HALVES = 40
"""Halves of the patients for an interval."""
MOST = 1000
"""Records of each side of a split: more only cost time, for verdicts heed the size of an effect."""
PATIENTS = 20
"""Real patients below which halves say nothing of other patients."""

Both = Sequence[np.ndarray]
"""(record, …) of the synthetic and of the real set."""
Statistic = Callable[[np.ndarray, np.ndarray], float]
"""From both of them to one number."""

BOOTSTRAP = "interval: patients redrawn with replacement, centred on the score"
HALVED = "interval: delete-half jackknife over patients, centred on the score"


@dataclass(frozen=True)
class Compared:
    """A score beside its floor.

    Attributes:
        value: Mean over the splits of synthetic against the first real half.
        interval: 95 %.
        floor: Mean over the splits of the second real half against the first.
        low: What 95 % of these stay above.
        high: What 95 % of these stay below.
        n_synthetic: Synthetic records that could be used.
        n_real: Real records that could be used.
        n: Records of each side of a split.
    """

    value: float
    interval: tuple[float, float]
    floor: float
    low: float
    high: float
    n_synthetic: int
    n_real: int
    n: int


def compared(
    statistic: Statistic,
    sets: Both,
    patients: Sequence[str],
    seed: int = 0,
    repeated: bool = True,
    redraws: int | None = None,
    drawn: Sequence[str] | None = None,
) -> Compared:
    """A statistic of two sets with its floor and its interval; arguments and errors are those of ``compared_all``."""
    every = compared_all(lambda a, b: {"": statistic(a, b)}, sets, patients, seed, repeated, redraws, drawn)
    return every[""]


def compared_all(
    statistics: Callable[[np.ndarray, np.ndarray], Mapping[str, float]],
    sets: Both,
    patients: Sequence[str],
    seed: int = 0,
    repeated: bool = True,
    redraws: int | None = None,
    drawn: Sequence[str] | None = None,
) -> dict[str, Compared]:
    """Several statistics of two sets that are found together, each with its floor and its interval.

    Args:
        statistics: What is measured, by name.
        sets: (record, …) of the synthetic and of the real records.
        patients: The patient of each real record.
        seed: Seed of splits and redraws.
        repeated: Whether a record may stand twice in a redrawn set (bootstrap); False where near neighbours or
            covariances count: then halves of the patients are drawn without repetition (jackknife).
        redraws: Redraws for the interval, ``REDRAWS`` or ``HALVES`` where left out.
        drawn: The patient of each synthetic record, as of reconstructions; each is its own where left out.

    Raises:
        InputError: Where records or patients are too few.
    """
    synthetic, real = enough(sets, patients)
    rng = np.random.default_rng(seed)
    values, floors, sizes = [], [], []
    for first, second in halves(patients, min(len(synthetic), MOST), SPLITS, seed):
        rows = rng.choice(len(synthetic), len(first), replace=False)
        values.append(statistics(synthetic[rows], real[first]))
        floors.append(statistics(real[second], real[first]))
        sizes.append(len(first))
    both = own_patients(synthetic, drawn), patients
    pairs = (_redrawn_pairs if repeated else _halved_pairs)(both, seed, redraws or (REDRAWS if repeated else HALVES))
    again = [statistics(synthetic[a], real[b]) for a, b in pairs]
    sizes_used = len(synthetic), len(real), min(sizes)
    parts = {name: [[one[name] for one in every] for every in (values, floors, again)] for name in values[0]}
    return {name: _beside(part, sizes_used) for name, part in parts.items()}


def _beside(part: Sequence[Sequence[float]], sizes: tuple[int, int, int]) -> Compared:
    """Of the values over the splits, the floors and the values of redraws."""
    values, floors, again = part
    value = float(np.mean(values))
    low, high = np.quantile(floors, [0.05, 0.95])
    return Compared(value, _centred(np.array(again), value), float(np.mean(floors)), float(low), float(high), *sizes)


def scored(
    name: str,
    found: Compared,
    verdict: Callable[[Compared], str],
    definition: str,
    *,
    more_is_better: bool = False,
    note: str = "",
    within: tuple[float, float] = (0.0, np.inf),
    **about: Any,
) -> Score:
    """What was compared as a ``Score``.

    Args:
        name: Of the score.
        found: The comparison.
        verdict: What follows from it.
        definition: How it is defined.
        more_is_better: Whether the floor is to be exceeded.
        note: What else must be said.
        within: What the score can lie between; the interval ends there.
        about: Further attributes of ``Score`` (unit, extractor, counts).
    """
    said = f"{found.n} records a side in each of {SPLITS} splits"
    return Score(
        name,
        found.value,
        interval=(max(within[0], found.interval[0]), min(within[1], found.interval[1])),
        floor=found.floor,
        floor_low=found.low if more_is_better else None,
        floor_high=None if more_is_better else found.high,
        n_synthetic=found.n_synthetic,
        n_real=found.n_real,
        definition=definition,
        verdict=verdict(found),
        note=f"{note}; {said}" if note else said,
        **about,
    )


def attempt(name: str, measure: Callable[[], Score], **about: Any) -> Score:
    """A score, or why the records do not let it be measured; errors of the program are not hidden."""
    try:
        return measure()
    except InputError as error:
        return not_measured(name, str(error), **about)


def short_of(value: float, floor_low: float, warn: float, fail: float) -> str:
    """Verdict on a share that should be high: how far it lies below what 95 % of real-against-real splits exceed."""
    lacking = floor_low - value
    return FAIL if lacking > fail else WARN if lacking > warn else PASS


def known_rows(values: np.ndarray) -> np.ndarray:
    """Rows of (record, …) in which every number is finite."""
    return np.flatnonzero(np.isfinite(values).all(tuple(range(1, values.ndim))))


def largest_over_leads(of_lead: Callable[[np.ndarray, np.ndarray], float]) -> Statistic:
    """A statistic of (record, lead) arrays: the largest of the leads'."""

    def over_leads(synthetic: np.ndarray, real: np.ndarray) -> float:
        return max(of_lead(synthetic[:, lead], real[:, lead]) for lead in range(real.shape[1]))

    return over_leads


def enough(sets: Both, patients: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Both sets, or an InputError where records or patients are too few."""
    for one, kind in zip(sets, ("synthetic", "real"), strict=True):
        if len(one) < LEAST:
            raise InputError(f"{len(one)} {kind} records, {LEAST} needed")
    people = len(set(patients))
    if people < PATIENTS:
        raise InputError(f"{people} real patients, {PATIENTS} needed")
    return sets[0], sets[1]


def own_patients(synthetic: np.ndarray, drawn: Sequence[str] | None) -> Sequence[str]:
    """The patients of synthetic records; each record's own where none are known."""
    return drawn if drawn is not None else [str(row) for row in range(len(synthetic))]


def _redrawn_pairs(both: Sequence[Sequence[str]], seed: int, redraws: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of both sets with patients drawn with replacement, cut to ``MOST`` records."""
    pairs = zip(redrawn(both[0], seed, redraws), redrawn(both[1], seed + 1, redraws), strict=True)
    return ((a[:MOST], b[:MOST]) for a, b in pairs)


def _halved_pairs(both: Sequence[Sequence[str]], seed: int, redraws: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """As many rows of half of the one's patients and of half of the other's."""
    size = min(MOST, *(len(one) // 2 for one in both))
    firsts = [[first for first, _ in halves(one, size, redraws, seed + at)] for at, one in enumerate(both)]
    for a, b in zip(firsts[0], firsts[1], strict=True):
        least = min(len(a), len(b))
        yield a[:least], b[:least]


def _centred(scores: np.ndarray, value: float) -> tuple[float, float]:
    """95 % interval with the spread of the scores of redraws around the score itself."""
    low, high = np.quantile(scores - np.median(scores), [0.025, 0.975])
    return value + float(low), value + float(high)
