"""Does a model answer with the average patient? Three looks at a feature that is known of both, record by record.

A model that minimises its error draws every heart towards the mean one: generated values vary less than true ones,
and the error (drawn − true) falls as the truth rises. Pairs in which either value is missing (NaN) are dropped and
the rest is counted, for a feature that could be measured in few records says little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError
from ecggen.metrics.functional.waveform import same_shape


def complete_pairs(drawn: ArrayLike, true: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The pairs (pair,) of one feature (record,) in which both values are finite.

    Raises:
        InputError: Where shapes differ or fewer than three pairs are complete.
    """
    a, b = same_shape(drawn, true)
    if a.ndim != 1:
        raise InputError(f"a feature has shape {a.shape}", "(record,) was expected")
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3:
        raise InputError(f"{both.sum()} of {len(a)} records have the feature in both", "at least 3 were expected")
    return a[both], b[both]


def variance_ratio(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Variance over records of drawn values over that of true ones; 1 is right, below lies regression to the mean.

    Args:
        drawn: (record, …), such as one amplitude per lead.
        true: Of the same shape.

    Returns:
        (…); NaN where fewer than three pairs are complete or the truth does not vary.

    Raises:
        InputError: Where shapes differ.
    """
    a, b = same_shape(drawn, true)
    both = np.isfinite(a) & np.isfinite(b)
    count = both.sum(0)
    spreads = [_sum_of_squares(one, both, count) for one in (a, b)]
    known = (count >= 3) & (spreads[1] > 0)
    return np.divide(spreads[0], spreads[1], out=np.full(count.shape, np.nan), where=known)


def error_slope(drawn: ArrayLike, true: ArrayLike) -> dict[str, float]:
    """Least-squares line of the error (drawn − true) on the truth, of one feature (record,).

    Returns:
        ``slope`` (0 is right; −1 where every answer is the same), ``intercept`` in the feature's unit, ``r_squared``
        (the share of the error's variance that the truth foretells; NaN where the error does not vary) and ``n``.

    Raises:
        InputError: Where shapes differ, fewer than three pairs are complete or the truth does not vary.
    """
    a, b = complete_pairs(drawn, true)
    error, centred = a - b, b - b.mean()
    if not np.ptp(b) > 0:
        raise InputError(f"all {len(b)} true values are {b[0]:g}", "a feature that varies was expected")
    slope = float(centred @ error / (centred @ centred))
    foretold, spread = slope**2 * (centred @ centred), ((error - error.mean()) ** 2).sum()
    share = float(foretold / spread) if np.ptp(error) > 0 else np.nan
    return {"slope": slope, "intercept": float(error.mean() - slope * b.mean()), "r_squared": share, "n": len(b)}


def bland_altman(drawn: ArrayLike, true: ArrayLike) -> dict[str, float]:
    """Agreement of one feature (record,) after Bland & Altman (Lancet 1986), in its unit.

    Returns:
        ``bias`` and ``sd`` of drawn − true, ``lower`` and ``upper`` 95 % limits of agreement (bias ∓ 1.96 sd), ``n``.

    Raises:
        InputError: Where shapes differ or fewer than three pairs are complete.
    """
    a, b = complete_pairs(drawn, true)
    bias, sd = float((a - b).mean()), float((a - b).std(ddof=1))
    return {"bias": bias, "sd": sd, "lower": bias - 1.96 * sd, "upper": bias + 1.96 * sd, "n": len(a)}


def _sum_of_squares(values: np.ndarray, both: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Sum over records of squared departures from the mean, of the complete pairs."""
    mean = np.where(both, values, 0).sum(0) / np.maximum(count, 1)
    return (np.where(both, values - mean, 0) ** 2).sum(0)
