"""Sets of feature vectors: what every score of a distribution takes, checked once, and their distances in parts.

A set is (record, feature), finite, of the same features as the set beside it. Scores of ten thousand records against
ten thousand never hold the whole table of distances, only some rows of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError

FEWEST = 50
"""Records below which a score of a distribution is not measured: its bias would exceed what it is to show."""
ROWS = 512
"""Rows of a table of distances that are held at a time."""


def feature_sets(x: ArrayLike, y: ArrayLike, fewest: int = FEWEST) -> tuple[np.ndarray, np.ndarray]:
    """Both sets in double precision.

    Raises:
        InputError: Where one is no finite (record, feature), widths differ, or a set has too few records.
    """
    first, second = feature_set(x, fewest), feature_set(y, fewest)
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"{first.shape[1]} features stand beside {second.shape[1]}",
            "the same features of both sets were expected",
            "take them from one extractor",
        )
    return first, second


def feature_set(x: ArrayLike, fewest: int = FEWEST) -> np.ndarray:
    """One set in double precision, checked alike."""
    values = np.asarray(x, np.float64)
    if values.ndim != 2 or not values.shape[1]:
        raise InputError(f"features have shape {values.shape}", "(record, feature) was expected")
    if len(values) < fewest:
        raise InputError(f"{len(values)} records", f"at least {fewest} were expected for this score")
    broken = ~np.isfinite(values).all(1)
    if broken.any():
        raise InputError(
            f"{broken.sum()} of {len(values)} records have features that are no finite numbers",
            "finite numbers were expected",
            "drop the records that could not be measured, and say how many",
        )
    return values


def squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of the table of squared Euclidean distances: which records of ``x``, and (row, record of y).

    Both sets are moved to the mean of ``y`` first, so that large common values cost no digits.
    """
    centre = y.mean(0)
    x, y = x - centre, y - centre
    lengths = (y**2).sum(1)
    for start in range(0, len(x), ROWS):
        part = slice(start, min(start + ROWS, len(x)))
        table = (x[part] ** 2).sum(1)[:, None] + lengths - 2 * (x[part] @ y.T)
        yield part, np.maximum(table, 0, out=table)
