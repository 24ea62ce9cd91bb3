"""Kernel distances between two sets of features: unbiased squared maximum mean discrepancy (Gretton et al., JMLR 2012).

The expectation is 0 for two sets of one distribution, for any number of records, unlike that of the Fréchet distance.
So kernel distances suit small sets. An unbiased estimate of zero can be negative.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError
from ecggen.metrics.functional.distribution.feature_sets import FEWEST, ROWS, feature_sets, squared_distances

MOST_FOR_MEDIAN = 1000
"""Largest number of records of each set, evenly spaced, for the median distance."""


def kernel_distance(x: ArrayLike, y: ArrayLike, fewest: int = FEWEST) -> float:
    """Kernel distance KID (Bińkowski et al., ICLR 2018): unbiased MMD² with the kernel (x·y/d + 1)³ of all records.

    Args:
        x: (record, feature).
        y: (record, feature).
        fewest: Fewest records of either set.

    Raises:
        InputError: If values are not finite, widths differ or there are too few records.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(120, 4))
        >>> kernel_distance(x[:60], x[60:]) < kernel_distance(x[:60], x[60:] + 1)
        True
    """
    first, second = feature_sets(x, y, fewest)
    return _unbiased(_cubic_sum, first, second)


def maximum_mean_discrepancy(x: ArrayLike, y: ArrayLike, bandwidth: float | None = None, fewest: int = FEWEST) -> float:
    """Unbiased MMD² with the Gaussian kernel exp(−‖x − y‖² / (2 bandwidth²)).

    Args:
        x: (record, feature).
        y: (record, feature).
        bandwidth: In the features' unit; None for the median distance between records of both sets together. Pass a
            fixed value if results are to be compared, because the median depends on the sets.
        fewest: Fewest records of either set.

    Raises:
        InputError: As ``kernel_distance``, or if the bandwidth is not positive.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(120, 4))
        >>> maximum_mean_discrepancy(x[:60], x[60:], 2.0) < maximum_mean_discrepancy(x[:60], x[60:] + 1, 2.0)
        True
    """
    first, second = feature_sets(x, y, fewest)
    width = median_distance(first, second) if bandwidth is None else float(bandwidth)
    if not width > 0:
        raise InputError(
            f"the bandwidth is {width:g}", "a positive number was expected", "check whether all records are equal"
        )

    def gaussian_sum(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
        total = sum(float(np.exp(table / (-2 * width**2)).sum()) for _, table in squared_distances(a, b))
        return total, float(len(a))

    return _unbiased(gaussian_sum, first, second)


def median_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Median Euclidean distance between different records of both sets together (Gretton's heuristic)."""
    pooled = np.concatenate([values[:: -(-len(values) // MOST_FOR_MEDIAN)] for values in (x, y)])
    table = np.concatenate([rows for _, rows in squared_distances(pooled, pooled)])
    return float(np.sqrt(np.median(table[np.triu_indices(len(pooled), 1)])))


def _cubic_sum(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Sum of the cubic kernel over all pairs, and over the pairs of a record with itself if ``b`` is ``a``."""

    def summed(table: np.ndarray) -> float:
        return float((table * table * table).sum())

    width = a.shape[1]
    total = sum(summed(a[i : i + ROWS] @ b.T / width + 1) for i in range(0, len(a), ROWS))
    return total, summed((a**2).sum(1) / width + 1)


def _unbiased(
    kernel_sum: Callable[[np.ndarray, np.ndarray], tuple[float, float]], x: np.ndarray, y: np.ndarray
) -> float:
    """Unbiased MMD², which excludes the pairs of a record with itself."""
    within = 0.0
    for values in (x, y):
        total, same = kernel_sum(values, values)
        within += (total - same) / (len(values) * (len(values) - 1))
    return within - 2 * kernel_sum(x, y)[0] / (len(x) * len(y))
