"""Confidence intervals that respect patients: whole patients are drawn again, never single records.

All are percentile bootstrap intervals (Efron & Tibshirani 1993). ``patient_interval`` is the fast one, for means;
``resampled_interval`` takes any statistic; two systems on the same records are compared by the interval of their
difference, for which both see the same redraws. A redraw holds records twice, so that statistics which look for near
neighbours, and Fréchet distances, come out higher on redraws than on the set itself: there the width says more than
the place.
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
        values: (record, …), one entry a record.
        patients: The patient of each record.
        seed: Seed of the redraws.
        level: Coverage of the interval.
        repeats: Number of redraws.
        statistic: From means (repeat, …) to scores (repeat,); the mean over what is left by default.
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
    """Interval of any ``statistic(*arrays)``: a median, an AUROC, a distance.

    Args:
        statistic: From arrays of some records to one number; redraws for which it is NaN are left out.
        arrays: (record, …) each, rows of one record beside each other.
        patients: The patient of each record.
        seed: Seed of the redraws.
        level: Coverage of the interval.
        repeats: Number of redraws.

    Raises:
        InputError: Where arrays and patients differ in number, or the statistic is NaN for most redraws.
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

    An interval that does not hold 0 tells them apart, also where their own intervals overlap. The arguments are those
    of ``resampled_interval``, with the arrays of either system.

    Raises:
        InputError: As ``resampled_interval``.
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
    """Interval of ``statistic(x, y)`` of two sets of other people, such as real and synthetic; both are redrawn.

    Args:
        statistic: From two arrays to one number.
        sets: (record, …) twice.
        patients: The patients of either; a synthetic record is its own.
        seed: Seed of the redraws.
        level: Coverage of the interval.
        repeats: Number of redraws.

    Raises:
        InputError: As ``resampled_interval``.
    """
    for one, names in zip(sets, patients, strict=True):
        _check_rows([one], names)
    pairs = zip(redrawn(patients[0], seed, repeats), redrawn(patients[1], seed + 1, repeats), strict=True)
    return _percentiles([float(statistic(sets[0][a], sets[1][b])) for a, b in pairs], level)


def redrawn(patients: Sequence[str], seed: int, repeats: int) -> Iterator[np.ndarray]:
    """Rows of each redraw: all records of as many patients as there are, drawn with replacement."""
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
            raise InputError(f"{len(one)} records of {len(patients)} patients' names", "one name a record was expected")


def _percentiles(scores: list[float], level: float) -> tuple[float, float]:
    known = np.array(scores)[~np.isnan(scores)]
    if 2 * len(known) < len(scores):
        raise InputError(
            f"the statistic is undefined for {len(scores) - len(known)} of {len(scores)} redraws",
            "most were expected to have it",
            "more patients are needed",
        )
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
