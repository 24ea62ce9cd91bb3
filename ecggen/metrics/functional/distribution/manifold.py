"""Is what was generated realistic, and is everything real there? Four shares from balls around nearest neighbours.

Around each record lies a ball that reaches to its k-th nearest neighbour in its own set. Precision: synthetic records
inside some real ball. Recall: real records inside some synthetic ball. (Kynkäänniemi et al., NeurIPS 2019, k = 3.)
Density: in how many real balls a synthetic record lies, over k. Coverage: real balls that hold a synthetic record.
(Naeem et al., ICML 2020, k = 5.) An outlier makes one huge ball and so flatters precision and recall, not the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError
from ecggen.metrics.functional.distribution.feature_sets import FEWEST, feature_sets, squared_distances


def manifold_scores(
    real: ArrayLike, synthetic: ArrayLike, k_precision: int = 3, k_density: int = 5, fewest: int = FEWEST
) -> dict[str, float]:
    """``precision``, ``recall``, ``density`` and ``coverage`` of a synthetic set of features against a real one.

    Args:
        real: (record, feature).
        synthetic: (record, feature).
        k_precision: Neighbour that sets the balls of precision and recall.
        k_density: Neighbour that sets those of density and coverage.
        fewest: Fewest records of either set.

    Returns:
        Shares; density may exceed 1, and a set against itself has (k + 1)/k, for each record lies in its own ball.

    Raises:
        InputError: Where values are not finite, widths differ, or a set has too few records for its neighbours.
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
    """Squared distance of each record to its k-th nearest other one, for each k."""
    found = np.empty((len(neighbours), len(x)))
    for part, table in squared_distances(x, x):
        table[np.arange(len(table)), np.arange(part.start, part.stop)] = -1.0  # itself comes first, whatever rounding
        found[:, part] = np.partition(table, neighbours, axis=1)[:, list(neighbours)].T
    return list(found)
