"""Confidence intervals by resampling whole patients, never single records.

All are percentile bootstrap intervals (Efron & Tibshirani 1993). ``patient_interval`` is a fast version for means;
``resampled_interval`` takes any statistic; ``paired_difference_interval`` compares two systems on the same records with
the same resamples. A resample contains duplicate records, which biases nearest-neighbour statistics and Fréchet
distances upwards: the width of their intervals is meaningful, their location is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ecggen.core.errors import InputError


def patient_interval(
    values: np.ndarray,
    patients: Sequence[str],
    seed: int = 0,
    level: float = 0.95,
    repeats: int = 1000,
    statistic: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[float, float]:
    """Percentile bootstrap interval of ``statistic(mean over records)`` (Efron & Tibshirani 1993).

    Args:
        values: (record, …).
        patients: Patient of each record.
        seed: Seed of the resampling.
        level: Confidence level.
        repeats: Number of resamples.
        statistic: From means (repeat, …) to scores (repeat,); by default the mean over the remaining axes.

    Example:
        >>> low, high = patient_interval(np.arange(100.0), [str(patient) for patient in range(100)])
        >>> low < 49.5 < high
        True
    """
    _, which = np.unique(np.asarray(patients), return_inverse=True)
    count = np.bincount(which).astype(float)
    flat = values.reshape(len(values), -1)
    sums = np.stack([np.bincount(which, column) for column in flat.T], 1)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(count), np.full(len(count), 1 / len(count)), repeats)
    means = (draws @ sums / (draws @ count)[:, None]).reshape(repeats, *values.shape[1:])
    scores = means.reshape(repeats, -1).mean(1) if statistic is None else statistic(means)
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def resampled_interval(
    statistic: Callable[..., float],
    arrays: Sequence[np.ndarray],
    patients: Sequence[str],
    seed: int = 0,
    level: float = 0.95,
    repeats: int = 1000,
) -> tuple[float, float]:
    """Percentile bootstrap interval of any ``statistic(*arrays)``, such as a median, an AUROC or a distance.

    Args:
        statistic: From arrays of resampled records to one number; resamples for which it is NaN are excluded.
        arrays: (record, …) each; row i of every array belongs to record i.
        patients: Patient of each record.
        seed: Seed of the resampling.
        level: Confidence level.
        repeats: Number of resamples.

    Raises:
        InputError: If arrays and patients differ in number, or the statistic is NaN for most resamples.

    Example:
        >>> low, high = resampled_interval(np.median, [np.arange(50.0)], [str(patient) for patient in range(50)])
        >>> low < 24.5 < high
        True
    """
    _check_rows(arrays, patients)
    rows = redrawn(patients, seed, repeats)
    return _percentiles([float(statistic(*(one[at] for one in arrays))) for at in rows], level)


def paired_difference_interval(
    statistic: Callable[..., float],
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    patients: Sequence[str],
    seed: int = 0,
    level: float = 0.95,
    repeats: int = 1000,
) -> tuple[float, float]:
    """Interval of ``statistic(*first) − statistic(*second)`` for two systems on the same records.

    An interval without 0 is a significant difference, also where the intervals of the two systems overlap. The
    arguments are those of ``resampled_interval``, with the arrays of each system.

    Raises:
        InputError: As ``resampled_interval``.

    Example:
        >>> errors = np.arange(30.0)
        >>> low, _ = paired_difference_interval(np.mean, [errors + 1], [errors], [str(i) for i in range(30)])
        >>> round(low, 6)
        1.0
    """
    count = len(first)

    def difference(*arrays: np.ndarray) -> float:
        return float(statistic(*arrays[:count])) - float(statistic(*arrays[count:]))

    return resampled_interval(difference, [*first, *second], patients, seed, level, repeats)


def two_set_interval(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    sets: tuple[np.ndarray, np.ndarray],
    patients: tuple[Sequence[str], Sequence[str]],
    seed: int = 0,
    level: float = 0.95,
    repeats: int = 200,
) -> tuple[float, float]:
    """Interval of ``statistic(x, y)`` of two patient-disjoint sets, such as real and synthetic; both are resampled.

    Args:
        statistic: From two arrays to one number.
        sets: (record, …) twice.
        patients: Patients of both sets; each synthetic record counts as one patient.
        seed: Seed of the resampling.
        level: Confidence level.
        repeats: Number of resamples.

    Raises:
        InputError: As ``resampled_interval``.

    Example:
        >>> names = [str(i) for i in range(40)]
        >>> sets = np.arange(40.0), np.arange(40.0) + 5
        >>> low, high = two_set_interval(lambda x, y: y.mean() - x.mean(), sets, (names, names))
        >>> low < 5 < high
        True
    """
    for records, names in zip(sets, patients, strict=True):
        _check_rows([records], names)
    pairs = zip(redrawn(patients[0], seed, repeats), redrawn(patients[1], seed + 1, repeats), strict=True)
    return _percentiles([float(statistic(sets[0][a], sets[1][b])) for a, b in pairs], level)


def redrawn(patients: Sequence[str], seed: int, repeats: int) -> Iterator[np.ndarray]:
    """Row indices of each resample: all records of as many patients as there are, drawn with replacement."""
    _, which = np.unique(np.asarray(list(patients)), return_inverse=True)
    order, count = np.argsort(which, kind="stable"), np.bincount(which)
    first = count.cumsum() - count
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        drawn = rng.integers(len(count), size=len(count))
        begins = count[drawn].cumsum() - count[drawn]
        yield order[np.repeat(first[drawn] - begins, count[drawn]) + np.arange(count[drawn].sum())]


def _check_rows(arrays: Sequence[np.ndarray], patients: Sequence[str]) -> None:
    for one in arrays:
        if len(one) != len(patients) or not len(one):
            raise InputError(f"{len(one)} records and {len(patients)} patients", "one patient per record was expected")


def _percentiles(scores: list[float], level: float) -> tuple[float, float]:
    known = np.array(scores)[~np.isnan(scores)]
    if 2 * len(known) < len(scores):
        raise InputError(
            f"the statistic is undefined for {len(scores) - len(known)} of {len(scores)} resamples",
            "it was expected to be defined for most of them",
            "use more patients",
        )
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
