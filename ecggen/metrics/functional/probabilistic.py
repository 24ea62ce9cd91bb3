"""Probabilistic scores of draws and prediction intervals against the true value.

CRPS and interval score are proper scoring rules: they reward narrow distributions only if these are calibrated. The
CRPS of a point estimate, a single draw, is its absolute error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError
from ecggen.metrics.functional.waveform import same_shape


def crps(draws: ArrayLike, true: ArrayLike, fair: bool = True) -> np.ndarray:
    """Continuous ranked probability score: E|X − y| − ½ E|X − X′| over the draws of one condition.

    Args:
        draws: (draw, …) in mV or any unit.
        true: (…).
        fair: True uses pairs of different draws only, which is unbiased for any number of draws (Ferro 2014) and may be
            negative; False is the score of the empirical distribution of the draws (Hersbach 2000).

    Returns:
        (…), in the unit of ``true``; 0 is perfect. For one draw, its absolute error.

    Raises:
        InputError: If the draws do not have the shape of ``true``, or there are none.

    Example:
        >>> float(crps([0.0, 2.0], 1.0, fair=False)), float(crps([0.0], 1.0))
        (0.5, 1.0)
    """
    values, truth = np.asarray(draws, np.float64), np.asarray(true, np.float64)
    if not values.ndim or not len(values) or values.shape[1:] != truth.shape:
        raise InputError(
            f"draws of shape {values.shape} for true values of shape {truth.shape}", "(draw, …) was expected"
        )
    count = len(values)
    error = np.abs(values - truth).mean(0)
    weights = 2 * np.arange(count) - count + 1.0  # Σ_{i<j} |x_i − x_j| = Σ weight · sorted x
    dispersion = np.tensordot(weights, np.sort(values, 0), 1)
    pairs = max(count * (count - 1), 1) if fair else count**2
    return error - dispersion / pairs


def interval_score(lower: ArrayLike, upper: ArrayLike, true: ArrayLike, level: float) -> np.ndarray:
    """Interval score of a central prediction interval: its width plus 2/(1 − level) times the distance outside of it.

    Winkler 1972; Gneiting & Raftery 2007.

    Args:
        lower: Lower end, (…), in mV or any unit.
        upper: Upper end, (…).
        true: (…).
        level: Nominal coverage of the interval, between 0 and 1.

    Returns:
        (…), in the unit of ``true``; smaller is better.

    Raises:
        InputError: If shapes differ, a lower end exceeds its upper end, or the level is outside (0, 1).

    Example:
        >>> interval_score([0.0, 0.0], [1.0, 1.0], [0.5, 1.5], level=0.5)
        array([1., 3.])
    """
    if not 0 < level < 1:
        raise InputError(f"the level is {level}", "a number between 0 and 1 was expected")
    low, high, truth = _interval(lower, upper, true)
    outside = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return high - low + 2 / (1 - level) * outside


def coverage(lower: ArrayLike, upper: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Coverage: fraction of true samples inside the prediction interval, along the last axis.

    Args:
        lower: Lower end, (…, time), in mV or any unit.
        upper: Upper end, (…, time).
        true: (…, time).

    Returns:
        (…), between 0 and 1; the level of the interval is the target.

    Raises:
        InputError: If shapes differ or a lower end exceeds its upper end.

    Example:
        >>> float(coverage([0.0, 0.0], [1.0, 1.0], [0.5, 2.0]))
        0.5
    """
    low, high, truth = _interval(lower, upper, true)
    return ((low <= truth) & (truth <= high)).mean(-1)


def _interval(lower: ArrayLike, upper: ArrayLike, true: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low, truth = same_shape(lower, true)
    high, truth = same_shape(upper, true)
    if (low > high).any():
        raise InputError(
            f"the lower end of the interval exceeds the upper end at {(low > high).sum()} samples",
            "lower and upper, in this order, were expected",
        )
    return low, high, truth
