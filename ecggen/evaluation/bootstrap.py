"""Confidence intervals that respect patients: whole patients are drawn again, never single records."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


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
