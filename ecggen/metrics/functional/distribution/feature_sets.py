"""Sets of feature vectors: input checks of all distribution metrics, and pairwise distances in blocks.

A set is (record, feature), finite, with the same features as the set it is compared with. Distances are computed in
blocks of rows, so that ten thousand records against ten thousand need little memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError

FEWEST = 50
"""Fewest records for a distribution metric; with fewer, the bias dominates."""
ROWS = 512
"""Rows of the distance matrix per block."""


def feature_sets(x: ArrayLike, y: ArrayLike, fewest: int = FEWEST) -> tuple[np.ndarray, np.ndarray]:
    """Both sets in double precision.

    Raises:
        InputError: If a set is not a finite (record, feature) array, widths differ, or a set has too few records.
    """
    first, second = feature_set(x, fewest), feature_set(y, fewest)
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"sets of {first.shape[1]} and {second.shape[1]} features",
            "the same features of both sets were expected",
            "use one extractor for both",
        )
    return first, second


def feature_set(x: ArrayLike, fewest: int = FEWEST) -> np.ndarray:
    """One set in double precision, with the same checks."""
    values = np.asarray(x, np.float64)
    if values.ndim != 2 or not values.shape[1]:
        raise InputError(f"features have shape {values.shape}", "(record, feature) was expected")
    if len(values) < fewest:
        raise InputError(f"{len(values)} records", f"at least {fewest} were expected for this metric")
    broken = ~np.isfinite(values).all(1)
    if broken.any():
        raise InputError(
            f"{broken.sum()} of {len(values)} records have features that are not finite",
            "finite numbers were expected",
            "drop the records that could not be measured, and report their number",
        )
    return values


def squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of the matrix of squared Euclidean distances: slice of ``x``, and (row, record of ``y``).

    The mean of ``y`` is subtracted from both sets first, which avoids cancellation.
    """
    centre = y.mean(0)
    x, y = x - centre, y - centre
    lengths = (y**2).sum(1)
    for start in range(0, len(x), ROWS):
        part = slice(start, min(start + ROWS, len(x)))
        table = (x[part] ** 2).sum(1)[:, None] + lengths - 2 * (x[part] @ y.T)
        yield part, np.maximum(table, 0, out=table)
