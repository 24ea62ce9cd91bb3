"""A score of the synthetic set against the real one with its floor and its interval.

The real patients are divided in half repeatedly. In each split, as many synthetic records as a half holds are scored
against the first half; the mean over the splits is the score. The second half is scored against the first in the same
way; these values are the floor (the real–real reference). Score and floor thus use equal numbers of records, and the
bias of a small sample affects both equally. Intervals come from resampled patients. They are centred on the score,
because a resampled set, with its repeated or fewer records, has a larger distance than the set itself.
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
"""Splits of the real patients into halves."""
REDRAWS = 100
"""Bootstrap resamples of the patients for an interval."""
HALVES = 40
"""Random halves of the patients for a jackknife interval."""
MOST = 1000
"""Largest number of records on each side of a split: more take time and do not change a verdict on effect size."""
PATIENTS = 20
"""Least number of real patients: the halves of fewer do not represent other patients."""

Both = Sequence[np.ndarray]
"""Arrays (record, …) of the synthetic and of the real set."""
Statistic = Callable[[np.ndarray, np.ndarray], float]
"""A function of both arrays that returns one number."""

BOOTSTRAP = "interval: bootstrap over patients, centred on the score"
HALVED = "interval: delete-half jackknife over patients, centred on the score"


@dataclass(frozen=True)
class Comparison:
    """A statistic of the synthetic set with its floor.

    Attributes:
        value: Mean over the splits of synthetic records against the first real half.
        interval: 95 % interval.
        floor: Mean over the splits of the second real half against the first.
        low: 5 % quantile of the floor over the splits.
        high: 95 % quantile of the floor over the splits.
        n_synthetic: Number of synthetic records used.
        n_real: Number of real records used.
        n: Records on each side of a split.
    """

    value: float
    interval: tuple[float, float]
    floor: float
    low: float
    high: float
    n_synthetic: int
    n_real: int
    n: int


def compare(
    statistic: Statistic,
    sets: Both,
    patients: Sequence[str],
    seed: int = 0,
    repeated: bool = True,
    redraws: int | None = None,
    synthetic_patients: Sequence[str] | None = None,
) -> Comparison:
    """A statistic of two sets with its floor and interval; arguments and errors are those of ``compare_all``."""
    found = compare_all(lambda a, b: {"": statistic(a, b)}, sets, patients, seed, repeated, redraws, synthetic_patients)
    return found[""]


def compare_all(
    statistics: Callable[[np.ndarray, np.ndarray], Mapping[str, float]],
    sets: Both,
    patients: Sequence[str],
    seed: int = 0,
    repeated: bool = True,
    redraws: int | None = None,
    synthetic_patients: Sequence[str] | None = None,
) -> dict[str, Comparison]:
    """Several statistics of two sets that are computed together, each with its floor and interval.

    Args:
        statistics: Returns the statistics of a synthetic and a real array by name.
        sets: (record, …) of the synthetic and of the real records.
        patients: Patient of each real record.
        seed: Seed of the splits and of resampling.
        repeated: Whether resampling may repeat a record (bootstrap). Statistics on nearest neighbours or covariances
            need False: then halves of the patients are used (jackknife).
        redraws: Number of resamples for the interval; ``REDRAWS`` or ``HALVES`` by default.
        synthetic_patients: Patient of each synthetic record, for reconstructions; by default each record is a patient.

    Raises:
        InputError: If there are too few records or patients.
    """
    synthetic, real = enough(sets, patients)
    rng = np.random.default_rng(seed)
    values, floors, sizes = [], [], []
    for first, second in halves(patients, min(len(synthetic), MOST), SPLITS, seed):
        rows = rng.choice(len(synthetic), len(first), replace=False)
        values.append(statistics(synthetic[rows], real[first]))
        floors.append(statistics(real[second], real[first]))
        sizes.append(len(first))
    both = own_patients(synthetic, synthetic_patients), patients
    pairs = (_redrawn_pairs if repeated else _halved_pairs)(both, seed, redraws or (REDRAWS if repeated else HALVES))
    again = [statistics(synthetic[a], real[b]) for a, b in pairs]
    sizes_used = len(synthetic), len(real), min(sizes)
    parts = {name: [[one[name] for one in some] for some in (values, floors, again)] for name in values[0]}
    return {name: _comparison(part, sizes_used) for name, part in parts.items()}


def _comparison(part: Sequence[Sequence[float]], sizes: tuple[int, int, int]) -> Comparison:
    """A comparison from the values and the floors over the splits and the values of the resamples."""
    values, floors, again = part
    value = float(np.mean(values))
    low, high = np.quantile(floors, [0.05, 0.95])
    return Comparison(value, _centred(np.array(again), value), float(np.mean(floors)), float(low), float(high), *sizes)


def as_score(
    name: str,
    found: Comparison,
    verdict: Callable[[Comparison], str],
    definition: str,
    *,
    more_is_better: bool = False,
    note: str = "",
    within: tuple[float, float] = (0.0, np.inf),
    **about: Any,
) -> Score:
    """A comparison as a ``Score``.

    Args:
        name: Name of the score.
        found: The comparison.
        verdict: Returns the verdict on the comparison.
        definition: Definition of the score.
        more_is_better: Whether a larger score is better.
        note: Further information.
        within: Range of the score; the interval is clipped to it.
        about: Further attributes of ``Score`` (unit, extractor, counts).
    """
    size = f"{found.n} records a side in each of {SPLITS} splits"
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
        note=f"{note}; {size}" if note else size,
        **about,
    )


def attempt(name: str, measure: Callable[[], Score], **about: Any) -> Score:
    """A score; if the records do not suffice for it, the reason. Errors other than ``InputError`` are raised."""
    try:
        return measure()
    except InputError as error:
        return not_measured(name, str(error), **about)


def short_of(value: float, floor_low: float, warn: float, fail: float) -> str:
    """Verdict on a share that should be high by its difference from the lower end of its floor.

    Example:
        >>> short_of(0.75, floor_low=0.9, warn=0.1, fail=0.2)
        'warn'
    """
    deficit = floor_low - value
    return FAIL if deficit > fail else WARN if deficit > warn else PASS


def known_rows(values: np.ndarray) -> np.ndarray:
    """Rows of (record, …) in which all values are finite.

    Example:
        >>> known_rows(np.array([[1.0, 2.0], [np.nan, 3.0], [4.0, 5.0]]))
        array([0, 2])
    """
    return np.flatnonzero(np.isfinite(values).all(tuple(range(1, values.ndim))))


def largest_over_leads(of_lead: Callable[[np.ndarray, np.ndarray], float]) -> Statistic:
    """A statistic of (record, lead) arrays: the largest value over the leads."""

    def over_leads(synthetic: np.ndarray, real: np.ndarray) -> float:
        return max(of_lead(synthetic[:, lead], real[:, lead]) for lead in range(real.shape[1]))

    return over_leads


def enough(sets: Both, patients: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Both sets.

    Raises:
        InputError: If there are too few records or patients.
    """
    for one, kind in zip(sets, ("synthetic", "real"), strict=True):
        if len(one) < LEAST:
            raise InputError(f"{len(one)} {kind} records, {LEAST} needed")
    n_patients = len(set(patients))
    if n_patients < PATIENTS:
        raise InputError(f"{n_patients} real patients, {PATIENTS} needed")
    return sets[0], sets[1]


def own_patients(synthetic: np.ndarray, patients: Sequence[str] | None) -> Sequence[str]:
    """The patients of the synthetic records; if they are not known, one patient for each record."""
    return patients if patients is not None else [str(row) for row in range(len(synthetic))]


def _redrawn_pairs(both: Sequence[Sequence[str]], seed: int, redraws: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of both sets with patients resampled with replacement, at most ``MOST`` records of each."""
    pairs = zip(redrawn(both[0], seed, redraws), redrawn(both[1], seed + 1, redraws), strict=True)
    return ((a[:MOST], b[:MOST]) for a, b in pairs)


def _halved_pairs(both: Sequence[Sequence[str]], seed: int, redraws: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of a random half of the patients of each set, equally many of both."""
    size = min(MOST, *(len(one) // 2 for one in both))
    firsts = [[first for first, _ in halves(one, size, redraws, seed + at)] for at, one in enumerate(both)]
    for a, b in zip(firsts[0], firsts[1], strict=True):
        least = min(len(a), len(b))
        yield a[:least], b[:least]


def _centred(scores: np.ndarray, value: float) -> tuple[float, float]:
    """95 % interval: the spread of the resampled scores around the score itself."""
    low, high = np.quantile(scores - np.median(scores), [0.025, 0.975])
    return value + float(low), value + float(high)
