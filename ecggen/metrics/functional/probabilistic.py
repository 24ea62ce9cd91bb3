"""Scores of many draws, or of a band, against the one truth: is the stated uncertainty worth believing?

All are proper or tell a share; all reward a narrow answer only where it is right. A point estimate is one draw: its
CRPS is its absolute error.
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
        fair: True takes pairs of different draws only, which is unbiased for any number of draws (Ferro 2014) and may
            be negative; False is the score of the m draws taken as the whole distribution (Hersbach 2000).

    Returns:
        (…), in the unit of ``true``; 0 is perfect. One draw: its absolute error.

    Raises:
        InputError: Where the draws do not have the shape of the truth, or there are none.
    """
    values, truth = np.asarray(draws, np.float64), np.asarray(true, np.float64)
    if not values.ndim or not len(values) or values.shape[1:] != truth.shape:
        raise InputError(f"draws of shape {values.shape} for a truth of {truth.shape}", "(draw, …) was expected")
    count = len(values)
    error = np.abs(values - truth).mean(0)
    weights = 2 * np.arange(count) - count + 1.0  # Σ_{i<j} |x_i − x_j| = Σ weight · sorted x
    apart = np.tensordot(weights, np.sort(values, 0), 1)
    pairs = max(count * (count - 1), 1) if fair else count**2
    return error - apart / pairs


def interval_score(low: ArrayLike, high: ArrayLike, true: ArrayLike, level: float) -> np.ndarray:
    """Width of a central band plus 2/(1 − level) of each miss (Winkler 1972; Gneiting & Raftery 2007).

    Args:
        low: Lower edge, (…), in mV or any unit.
        high: Upper edge, (…).
        true: (…).
        level: What share the band claims to hold, between 0 and 1.

    Returns:
        (…), in the unit of ``true``; smaller is better.

    Raises:
        InputError: Where shapes differ, edges are crossed or the level is no share.
    """
    if not 0 < level < 1:
        raise InputError(f"the level is {level}", "a share between 0 and 1 was expected")
    below, above, truth = _band(low, high, true)
    missed = np.maximum(below - truth, 0) + np.maximum(truth - above, 0)
    return above - below + 2 / (1 - level) * missed


def coverage(low: ArrayLike, high: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Share of true samples inside the prediction interval, along the last axis.

    Args:
        low: Lower end, (…, time), in mV or any unit.
        high: Upper end, (…, time).
        true: (…, time).

    Returns:
        (…), between 0 and 1; the level of the interval is the target.

    Raises:
        InputError: Where shapes differ or edges are crossed.
    """
    below, above, truth = _band(low, high, true)
    return ((below <= truth) & (truth <= above)).mean(-1)


def _band(low: ArrayLike, high: ArrayLike, true: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    below, truth = same_shape(low, true)
    above, truth = same_shape(high, true)
    if (below > above).any():
        raise InputError(
            f"in {(below > above).sum()} places the band's lower edge lies above its upper one",
            "low and high, in this order, were expected",
        )
    return below, above, truth
