"""Regression to the mean: three statistics of a feature that is measured in pairs of predicted and true records.

A model that minimises its error is biased towards the population mean: predicted values vary less than true ones, and
the error (predicted − true) decreases with the true value. Pairs with a missing value (NaN) are dropped, and the number
of remaining pairs is returned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError
from ecggen.metrics.functional.waveform import same_shape


def complete_pairs(predicted: ArrayLike, true: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The pairs (pair,) of one feature (record,) in which both values are finite.

    Raises:
        InputError: If shapes differ or fewer than three pairs are complete.

    Example:
        >>> complete_pairs([1.0, 2.0, 3.0, float("nan")], [1.0, 1.0, 1.0, 1.0])
        (array([1., 2., 3.]), array([1., 1., 1.]))
    """
    a, b = same_shape(predicted, true)
    if a.ndim != 1:
        raise InputError(f"a feature has shape {a.shape}", "(record,) was expected")
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3:
        raise InputError(f"{both.sum()} of {len(a)} records have the feature in both", "at least 3 were expected")
    return a[both], b[both]


def variance_ratio(predicted: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Ratio of the variances over records of predicted and true values; below 1 is regression to the mean.

    Args:
        predicted: (record, …), such as one amplitude per lead.
        true: Of the same shape.

    Returns:
        (…), 1 is ideal; NaN if fewer than three pairs are complete or the true values do not vary.

    Raises:
        InputError: If shapes differ.

    Example:
        >>> float(variance_ratio([0.0, 1.0, 2.0], [0.0, 2.0, 4.0]))
        0.25
    """
    a, b = same_shape(predicted, true)
    both = np.isfinite(a) & np.isfinite(b)
    count = both.sum(0)
    squares = [_sum_of_squares(values, both, count) for values in (a, b)]
    known = (count >= 3) & (squares[1] > 0)
    return np.divide(squares[0], squares[1], out=np.full(count.shape, np.nan), where=known)


def error_slope(predicted: ArrayLike, true: ArrayLike) -> dict[str, float]:
    """Least-squares regression of the error (predicted − true) on the true value, of one feature (record,).

    Returns:
        ``slope`` (0 is ideal; −1 for a constant prediction), ``intercept`` in the feature's unit, ``r_squared`` (the
        fraction of the error's variance that the true value explains; NaN if the error does not vary) and ``n``.

    Raises:
        InputError: If shapes differ, fewer than three pairs are complete or the true values do not vary.

    Example:
        >>> error_slope([1.0, 1.5, 2.0], [0.0, 1.0, 2.0])
        {'slope': -0.5, 'intercept': 1.0, 'r_squared': 1.0, 'n': 3}
    """
    a, b = complete_pairs(predicted, true)
    error, centred = a - b, b - b.mean()
    if not np.ptp(b) > 0:
        raise InputError(f"all {len(b)} true values are {b[0]:g}", "a feature that varies was expected")
    slope = float(centred @ error / (centred @ centred))
    explained, total = slope**2 * (centred @ centred), ((error - error.mean()) ** 2).sum()
    r_squared = float(explained / total) if np.ptp(error) > 0 else np.nan
    return {"slope": slope, "intercept": float(error.mean() - slope * b.mean()), "r_squared": r_squared, "n": len(b)}


def bland_altman(predicted: ArrayLike, true: ArrayLike) -> dict[str, float]:
    """Agreement of one feature (record,) after Bland & Altman (Lancet 1986), in its unit.

    Returns:
        ``bias`` and ``sd`` of predicted − true, ``lower`` and ``upper`` 95 % limits of agreement (bias ∓ 1.96 sd), and
        ``n``.

    Raises:
        InputError: If shapes differ or fewer than three pairs are complete.

    Example:
        >>> found = bland_altman([1.0, 3.0, 5.0], [1.0, 2.0, 3.0])
        >>> found["bias"], found["sd"], round(found["upper"], 2), found["n"]
        (1.0, 1.0, 2.96, 3)
    """
    a, b = complete_pairs(predicted, true)
    bias, sd = float((a - b).mean()), float((a - b).std(ddof=1))
    return {"bias": bias, "sd": sd, "lower": bias - 1.96 * sd, "upper": bias + 1.96 * sd, "n": len(a)}


def _sum_of_squares(values: np.ndarray, both: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Sum over records of squared deviations from the mean, over complete pairs."""
    mean = np.where(both, values, 0).sum(0) / np.maximum(count, 1)
    return (np.where(both, values - mean, 0) ** 2).sum(0)
