"""Distance of a reconstructed ECG from the true one, sample by sample, in mV, per record and lead.

Each function takes arrays (…, time) of one shape and gives (…): averaging over leads and records is the
caller's, because "mean of records" and "pooled" differ. Only leads that were neither given nor follow from the
given ones may be scored; ``free_leads`` names them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.ecg import INDEPENDENT_LEADS, determined_by
from ecggen.core.errors import InputError
from ecggen.metrics.functional.alignment import over_waves, total


def free_leads(given: Sequence[str]) -> tuple[str, ...]:
    """The drawn leads that ``given`` does not determine."""
    known = determined_by(given)
    return tuple(lead for lead in INDEPENDENT_LEADS if lead not in known)


def mean_squared_error(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Mean squared error in mV²."""
    drawn, true = same_shape(drawn, true)
    return ((drawn - true) ** 2).mean(-1)


def root_mean_squared_error(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Root mean squared error in mV."""
    return np.sqrt(mean_squared_error(drawn, true))


def mean_absolute_error(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Mean absolute error in mV."""
    drawn, true = same_shape(drawn, true)
    return np.abs(drawn - true).mean(-1)


def pearson(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Pearson's r; 0 where the drawn wave is flat (it knows nothing), NaN where the true one is."""
    a, b = (wave - wave.mean(-1, keepdims=True) for wave in same_shape(drawn, true))
    power_a, power_b = (a**2).sum(-1), (b**2).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (a * b).sum(-1) / np.sqrt(power_a * power_b)
    return np.where(power_b == 0, np.nan, np.where(power_a == 0, 0.0, r))


def r_squared(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Coefficient of determination, 1 − SSE/SST: 1 is perfect, 0 is the truth's mean; NaN where the truth is flat.

    It is no square of Pearson's r: a wave of the right shape and the wrong size loses.
    """
    return 1 - _unexplained(drawn, true)


def prd(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Percent root-mean-square difference: 100 √(SSE/SST), the truth's baseline removed; NaN where it is flat.

    Without its baseline removed the same ECG scores better the further it lies from zero (Zigel et al. 2000).
    """
    return 100 * np.sqrt(_unexplained(drawn, true))


def dynamic_time_warping(drawn: ArrayLike, true: ArrayLike, fs: float, reach: float = 0.1) -> np.ndarray:
    """Mean absolute difference in mV along the best warping (Sakoe & Chiba 1978), which forgives small shifts in time.

    Args:
        drawn: (…, time) in mV.
        true: Of the same shape.
        fs: Rate in Hz.
        reach: Most seconds by which one wave may be ahead of the other.

    Returns:
        (…): the smallest sum of differences, over the steps of the warping that has it. 0 for equal waves.
    """
    first, second = same_shape(drawn, true)
    if not (fs > 0 and reach >= 0):
        raise InputError(f"{fs:g} Hz and a reach of {reach:g} s", "a positive rate and no negative reach were expected")
    width = min(round(reach * fs), first.shape[-1] - 1)
    return over_waves(lambda a, b: np.divide(*total(a, b, width)), first, second)


def same_shape(drawn: ArrayLike, true: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both in double precision; an InputError where shapes differ or there is nothing to compare."""
    a, b = np.asarray(drawn, np.float64), np.asarray(true, np.float64)
    if a.shape != b.shape:
        raise InputError(f"shapes {a.shape} and {b.shape} are compared", "one shape was expected")
    if not a.ndim or not a.shape[-1]:
        raise InputError(f"waves of shape {a.shape} are compared", "at least one sample was expected")
    return a, b


def _unexplained(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """SSE/SST; NaN where the truth is flat."""
    drawn, true = same_shape(drawn, true)
    power = np.asarray(((true - true.mean(-1, keepdims=True)) ** 2).sum(-1))
    error = ((drawn - true) ** 2).sum(-1)
    return np.divide(error, power, out=np.full_like(power, np.nan), where=np.ptp(true, -1) > 0)
