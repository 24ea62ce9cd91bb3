"""Distance of a reconstructed ECG from the true one, sample by sample, in mV, per record and lead.

Each function takes arrays (…, time) of one shape and gives (…): averaging over leads and records is the
caller's, because "mean of records" and "pooled" differ. Only leads that were neither given nor follow from the
given ones may be scored; ``free_leads`` names them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ecggen.ecg import DRAWN_LEADS, determined_by
from ecggen.errors import InputError


def free_leads(given: Sequence[str]) -> tuple[str, ...]:
    """The drawn leads that ``given`` does not determine."""
    known = determined_by(given)
    return tuple(lead for lead in DRAWN_LEADS if lead not in known)


def mean_squared_error(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Mean squared error in mV²."""
    drawn, true = _pair(drawn, true)
    return ((drawn - true) ** 2).mean(-1)


def root_mean_squared_error(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Root mean squared error in mV."""
    return np.sqrt(mean_squared_error(drawn, true))


def mean_absolute_error(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Mean absolute error in mV."""
    drawn, true = _pair(drawn, true)
    return np.abs(drawn - true).mean(-1)


def pearson(drawn: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Pearson's r; 0 where the drawn wave is flat (it knows nothing), NaN where the true one is."""
    a, b = (wave - wave.mean(-1, keepdims=True) for wave in _pair(drawn, true))
    power_a, power_b = (a**2).sum(-1), (b**2).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (a * b).sum(-1) / np.sqrt(power_a * power_b)
    return np.where(power_b == 0, np.nan, np.where(power_a == 0, 0.0, r))


def inside(low: ArrayLike, high: ArrayLike, true: ArrayLike) -> np.ndarray:
    """Share of true samples inside the band."""
    low, true = _pair(low, true)
    high, true = _pair(high, true)
    return ((low <= true) & (true <= high)).mean(-1)


def _pair(drawn: ArrayLike, true: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(drawn, np.float64), np.asarray(true, np.float64)
    if a.shape != b.shape:
        raise InputError(f"shapes {a.shape} and {b.shape} are compared", "one shape was expected")
    return a, b
