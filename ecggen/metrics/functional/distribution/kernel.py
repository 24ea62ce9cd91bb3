"""Distances between two sets of features as unbiased squared maximum mean discrepancies (Gretton et al., JMLR 2012).

Their expectation is 0 for sets of one distribution whatever n is, which the Fréchet distance's is not: the score for
small sets. An unbiased estimate of zero is as often negative as positive.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError
from ecggen.metrics.functional.distribution.feature_sets import FEWEST, ROWS, feature_sets, squared_distances

MOST_FOR_MEDIAN = 1000
"""Records of each set, evenly spread over it, from which the median distance is taken."""


def kernel_distance(x: ArrayLike, y: ArrayLike, fewest: int = FEWEST) -> float:
    """KID (Bińkowski et al., ICLR 2018): unbiased MMD² with the kernel (x·y/d + 1)³, over all records at once.

    Args:
        x: (record, feature).
        y: (record, feature).
        fewest: Fewest records of either set.

    Raises:
        InputError: Where values are not finite, widths differ or records are too few.
    """
    first, second = feature_sets(x, y, fewest)
    return _unbiased(_cubic_sum, first, second)


def maximum_mean_discrepancy(x: ArrayLike, y: ArrayLike, bandwidth: float | None = None, fewest: int = FEWEST) -> float:
    """Unbiased MMD² with the Gaussian kernel exp(−‖x − y‖² / (2 bandwidth²)).

    Args:
        x: (record, feature).
        y: (record, feature).
        bandwidth: In the features' unit; None for the median distance between records of both sets together. Name it
            where scores are compared: the median moves with the sets.
        fewest: Fewest records of either set.

    Raises:
        InputError: As ``kernel_distance``, or where the bandwidth is not positive.
    """
    first, second = feature_sets(x, y, fewest)
    width = median_distance(first, second) if bandwidth is None else float(bandwidth)
    if not width > 0:
        raise InputError(f"the bandwidth is {width:g}", "a positive number was expected", "are all records equal?")

    def gaussian_sum(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
        total = sum(float(np.exp(table / (-2 * width**2)).sum()) for _, table in squared_distances(a, b))
        return total, float(len(a))

    return _unbiased(gaussian_sum, first, second)


def median_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Median Euclidean distance between different records of both sets together (Gretton's heuristic)."""
    spread = [one[:: -(-len(one) // MOST_FOR_MEDIAN)] for one in (x, y)]
    pooled = np.concatenate(spread)
    table = np.concatenate([rows for _, rows in squared_distances(pooled, pooled)])
    return float(np.sqrt(np.median(table[np.triu_indices(len(pooled), 1)])))


def _cubic_sum(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Sum of the cubic kernel over all pairs, and over the pairs of a record with itself where ``b`` is ``a``."""

    def summed(table: np.ndarray) -> float:
        return float((table * table * table).sum())

    width = a.shape[1]
    total = sum(summed(a[i : i + ROWS] @ b.T / width + 1) for i in range(0, len(a), ROWS))
    return total, summed((a**2).sum(1) / width + 1)


def _unbiased(
    kernel_sum: Callable[[np.ndarray, np.ndarray], tuple[float, float]], x: np.ndarray, y: np.ndarray
) -> float:
    """MMD² without the pairs of a record with itself."""
    inside = 0.0
    for one in (x, y):
        total, same = kernel_sum(one, one)
        inside += (total - same) / (len(one) * (len(one) - 1))
    return inside - 2 * kernel_sum(x, y)[0] / (len(x) * len(y))
