"""Marginal distributions of one feature per record (heart rate, interval, amplitude): distances between two sets.

Missing values (NaN) are dropped. Report the fraction of missing values separately.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Default quantile levels."""


def kolmogorov_smirnov(a: ArrayLike, b: ArrayLike) -> float:
    """Kolmogorov–Smirnov statistic: largest difference of the two empirical distribution functions.

    Args:
        a: Values of any shape.
        b: Values of any shape, in the same unit.

    Returns:
        0 for equal distributions, 1 for disjoint ones.

    Raises:
        InputError: If a set has no finite value.

    Example:
        >>> kolmogorov_smirnov([1, 2, 3, 4], [3, 4, 5, 6])
        0.5
    """
    first, second = np.sort(known_values(a)), np.sort(known_values(b))
    at = np.concatenate([first, second])
    shares = [np.searchsorted(one, at, "right") / len(one) for one in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def wasserstein(a: ArrayLike, b: ArrayLike, scale: float | None = None) -> float:
    """Wasserstein-1 distance of two distributions, divided by a scale.

    Args:
        a: Values of any shape.
        b: Values of any shape, in the same unit: the real ones.
        scale: Divisor of the distance; 1 returns it in the values' unit, None uses the interquartile range of ``b``,
            which makes features of different units comparable.

    Raises:
        InputError: If a set has no finite value or the scale is not positive.

    Example:
        >>> wasserstein([62, 72, 82], [60, 70, 80], scale=1)
        2.0
    """
    from scipy.stats import wasserstein_distance

    first, second = known_values(a), known_values(b)
    width = float(np.subtract(*np.quantile(second, [0.75, 0.25]))) if scale is None else float(scale)
    if not width > 0:
        raise InputError(
            f"the scale is {width:g}", "a positive one was expected", "pass scale: half of the values are equal"
        )
    return float(wasserstein_distance(first, second)) / width


def quantiles(values: ArrayLike, levels: Sequence[float] = LEVELS) -> dict[float, float]:
    """Quantiles of values of any shape, by level.

    Raises:
        InputError: If there is no finite value.

    Example:
        >>> quantiles([1.0, 2.0, 3.0, float("nan")], [0.5])
        {0.5: 2.0}
    """
    found = np.quantile(known_values(values), levels)
    return {float(level): float(value) for level, value in zip(levels, found, strict=True)}


def known_values(values: ArrayLike) -> np.ndarray:
    """The finite values, (value,).

    Raises:
        InputError: If there are none.
    """
    every = np.asarray(values, np.float64).ravel()
    kept = every[np.isfinite(every)]
    if not len(kept):
        raise InputError(f"none of {len(every)} values is finite", "at least one was expected")
    return kept
