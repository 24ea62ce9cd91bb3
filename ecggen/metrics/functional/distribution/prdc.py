"""Precision, recall, density and coverage (PRDC): fidelity and diversity from nearest-neighbour balls.

The ball of a record has the radius of the distance to its k-th nearest neighbour in its own set. Precision: fraction of
synthetic records inside a real ball. Recall: fraction of real records inside a synthetic ball (Kynkäänniemi et al.,
NeurIPS 2019, k = 3). Density: mean number of real balls around a synthetic record, divided by k. Coverage: fraction of
real balls that contain a synthetic record (Naeem et al., ICML 2020, k = 5). An outlier has a large ball, which raises
precision and recall, but hardly density and coverage.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError
from ecggen.metrics.functional.distribution.feature_sets import FEWEST, feature_sets, squared_distances


def prdc(
    real: ArrayLike, synthetic: ArrayLike, k_precision: int = 3, k_density: int = 5, fewest: int = FEWEST
) -> dict[str, float]:
    """``precision``, ``recall``, ``density`` and ``coverage`` of a synthetic set of features against a real one.

    Args:
        real: (record, feature).
        synthetic: (record, feature).
        k_precision: Number k of the neighbour for precision and recall.
        k_density: Number k of the neighbour for density and coverage.
        fewest: Fewest records of either set.

    Returns:
        Values between 0 and 1, except density, which may exceed 1: a set against itself has (k + 1)/k.

    Raises:
        InputError: If k is below 1, values are not finite, widths differ, or a set has too few records.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 4))
        >>> prdc(x, x)
        {'precision': 1.0, 'recall': 1.0, 'density': 1.2, 'coverage': 1.0}
    """
    if min(k_precision, k_density) < 1:
        raise InputError(f"k is {min(k_precision, k_density)}", "1 or more was expected")
    fewest = max(fewest, k_precision + 1, k_density + 1)
    x, y = feature_sets(real, synthetic, fewest)
    radii, wide_radii = _radii(x, (k_precision, k_density))
    (synthetic_radii,) = _radii(y, (k_precision,))
    precise, dense = np.zeros(len(y), bool), np.zeros(len(y))
    recalled, covered = np.zeros(len(x), bool), np.zeros(len(x), bool)
    for part, table in squared_distances(x, y):
        precise |= (table <= radii[part, None]).any(0)
        recalled[part] = (table <= synthetic_radii).any(1)
        in_wide = table <= wide_radii[part, None]
        dense += in_wide.sum(0)
        covered[part] = in_wide.any(1)
    return {
        "precision": float(precise.mean()),
        "recall": float(recalled.mean()),
        "density": float(dense.mean() / k_density),
        "coverage": float(covered.mean()),
    }


def _radii(x: np.ndarray, neighbours: tuple[int, ...]) -> list[np.ndarray]:
    """Squared distance of each record to its k-th nearest neighbour, for each k."""
    found = np.empty((len(neighbours), len(x)))
    for part, table in squared_distances(x, x):
        table[np.arange(len(table)), np.arange(part.start, part.stop)] = -1.0  # a record is first in its own row
        found[:, part] = np.partition(table, neighbours, axis=1)[:, list(neighbours)].T
    return list(found)
