"""Sample-by-sample distance between a reconstructed and a true ECG, per record and lead.

Each function takes arrays (…, time) of one shape and returns (…). Averaging over leads and records is left to the
caller, because the mean over records and the pooled value differ. Only leads that are neither given nor determined by
the given ones are to be scored; ``free_leads`` returns them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.ecg import INDEPENDENT_LEADS, determined_by
from ecggen.core.errors import InputError
from ecggen.metrics.functional.alignment import over_waves, total


def free_leads(given: Sequence[str]) -> tuple[str, ...]:
    """The independent leads that ``given`` does not determine.

    Example:
        >>> free_leads(("I", "II", "V2"))
        ('V1', 'V3', 'V4', 'V5', 'V6')
    """
    known = determined_by(given)
    return tuple(lead for lead in INDEPENDENT_LEADS if lead not in known)


def mean_squared_error(predicted: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Mean squared error (…) in mV² of arrays (…, time) in mV.

    Example:
        >>> mean_squared_error([[1.0, 2.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]])
        array([0.5, 0. ])
    """
    predicted, true = same_shape(predicted, true)
    return ((predicted - true) ** 2).mean(-1)


def root_mean_squared_error(predicted: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Root mean squared error (…) in mV of arrays (…, time) in mV.

    Example:
        >>> float(root_mean_squared_error([3.0, 4.0], [0.0, 1.0]))
        3.0
    """
    return np.sqrt(mean_squared_error(predicted, true))


def mean_absolute_error(predicted: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Mean absolute error (…) in mV of arrays (…, time) in mV.

    Example:
        >>> float(mean_absolute_error([1.0, -2.0], [0.0, 0.0]))
        1.5
    """
    predicted, true = same_shape(predicted, true)
    return np.abs(predicted - true).mean(-1)


def pearson(predicted: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Pearson's r (…) of arrays (…, time); 0 if the predicted waveform is flat, NaN if the true one is.

    Example:
        >>> pearson([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], [[0.0, 2.0, 4.0], [0.0, 2.0, 4.0]])
        array([1., 0.])
    """
    a, b = (wave - wave.mean(-1, keepdims=True) for wave in same_shape(predicted, true))
    power_a, power_b = (a**2).sum(-1), (b**2).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (a * b).sum(-1) / np.sqrt(power_a * power_b)
    return np.where(power_b == 0, np.nan, np.where(power_a == 0, 0.0, r))


def r_squared(predicted: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Coefficient of determination (…), 1 − SSE/SST, of arrays (…, time); NaN if the true waveform is flat.

    1 is perfect; predicting the mean of the true waveform gives 0. It differs from the square of Pearson's r: errors of
    gain and offset lower it.

    Example:
        >>> r_squared([[0.0, 2.0], [1.0, 1.0]], [[0.0, 2.0], [0.0, 2.0]])
        array([1., 0.])
    """
    return 1 - _unexplained(predicted, true)


def prd(predicted: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Percent root-mean-square difference (…), 100 √(SSE/SST), of arrays (…, time); NaN if the true waveform is flat.

    The mean of the true waveform is removed in SST. Otherwise an offset would lower the PRD (Zigel et al. 2000).

    Example:
        >>> float(prd([1.0, 1.0], [0.0, 2.0]))
        100.0
    """
    return 100 * np.sqrt(_unexplained(predicted, true))


def dynamic_time_warping(predicted: ArrayLike, true: ArrayLike, fs: float, reach: float = 0.1) -> np.ndarray:
    """Mean absolute difference in mV along the best warping path (Sakoe & Chiba 1978), tolerant of small time shifts.

    Args:
        predicted: (…, time) in mV.
        true: Of the same shape.
        fs: Sampling rate in Hz.
        reach: Largest time shift in s between the two waveforms.

    Returns:
        (…): the smallest sum of absolute differences over all paths, divided by the number of steps of that path. 0 for
        equal waveforms.

    Raises:
        InputError: If shapes differ, the rate is not positive or the reach is negative.

    Example:
        >>> float(dynamic_time_warping([0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0], fs=10, reach=0.1))
        0.0
    """
    first, second = same_shape(predicted, true)
    if not (fs > 0 and reach >= 0):
        raise InputError(f"{fs:g} Hz and a reach of {reach:g} s", "a positive rate and no negative reach were expected")
    width = min(round(reach * fs), first.shape[-1] - 1)
    return over_waves(lambda a, b: np.divide(*total(a, b, width)), first, second)


def same_shape(predicted: ArrayLike, true: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both arrays in double precision; raises InputError if shapes differ or there are no samples."""
    a, b = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    if a.shape != b.shape:
        raise InputError(f"shapes {a.shape} and {b.shape} are compared", "one shape was expected")
    if not a.ndim or not a.shape[-1]:
        raise InputError(f"waveforms of shape {a.shape} are compared", "at least one sample was expected")
    return a, b


def _unexplained(predicted: ArrayLike, true: ArrayLike) -> np.ndarray:
    """SSE/SST; NaN if the true waveform is flat."""
    predicted, true = same_shape(predicted, true)
    power = np.asarray(((true - true.mean(-1, keepdims=True)) ** 2).sum(-1))
    error = ((predicted - true) ** 2).sum(-1)
    return np.divide(error, power, out=np.full_like(power, np.nan), where=np.ptp(true, -1) > 0)
