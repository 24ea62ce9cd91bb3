"""One number a record: is it distributed among the generated as among the real, and if not, by how much and where?

Heart rates, intervals, amplitudes. Missing values (NaN) are dropped here; the share that is missing is a result of
its own, to be told beside these.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Quantiles that are told where none are asked for."""


def kolmogorov_smirnov(a: ArrayLike, b: ArrayLike) -> float:
    """Largest difference of the two cumulative distributions: 0 for equal ones, 1 for ones that do not overlap.

    Args:
        a: Values of any shape.
        b: Values of any shape, in the same unit.

    Raises:
        InputError: Where a set has no finite value.
    """
    first, second = np.sort(known_values(a)), np.sort(known_values(b))
    at = np.concatenate([first, second])
    shares = [np.searchsorted(one, at, "right") / len(one) for one in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def wasserstein(a: ArrayLike, b: ArrayLike, scale: float | None = None) -> float:
    """Mean distance that values must be moved to turn one distribution into the other, over a scale.

    Args:
        a: Values of any shape.
        b: Values of any shape, in the same unit: the real ones.
        scale: What the distance is divided by; 1 gives it in the values' unit, None takes the interquartile range
            of ``b``, so that features of different units can stand in one table.

    Raises:
        InputError: Where a set has no finite value or the scale is not positive.
    """
    from scipy.stats import wasserstein_distance

    first, second = known_values(a), known_values(b)
    width = float(np.subtract(*np.quantile(second, [0.75, 0.25]))) if scale is None else float(scale)
    if not width > 0:
        raise InputError(
            f"the scale is {width:g}", "a positive one was expected", "give scale where half of the values are equal"
        )
    return float(wasserstein_distance(first, second)) / width


def quantiles(values: ArrayLike, levels: Sequence[float] = LEVELS) -> dict[float, float]:
    """The quantile at each level of values of any shape.

    Raises:
        InputError: Where there is no finite value.
    """
    found = np.quantile(known_values(values), levels)
    return {float(level): float(value) for level, value in zip(levels, found, strict=True)}


def known_values(values: ArrayLike) -> np.ndarray:
    """The finite values, (value,).

    Raises:
        InputError: Where there are none.
    """
    every = np.asarray(values, np.float64).ravel()
    kept = every[np.isfinite(every)]
    if not len(kept):
        raise InputError(f"of {len(every)} values none is a finite number", "at least one was expected")
    return kept
