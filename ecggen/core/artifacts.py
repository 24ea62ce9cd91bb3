"""What no electrode gives: records whose values nobody could have measured.

Signals are (record, lead, time) in mV.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

STUCK = 2.0
"""Seconds: longer than any pause between waves stays without a digit of noise."""
CLIPPED = 0.04
"""Seconds on the highest or lowest value in one piece: longer than a wave's top stays within a converter's step."""


def found(signal: ArrayLike, fs: float, limit: float = 10.0) -> dict[str, np.ndarray]:
    """What no electrode gives, record by record.

    Args:
        signal: (record, lead, time) in mV.
        fs: Rate in Hz.
        limit: mV beyond which no surface ECG goes.

    Returns:
        (record,) of bool each: ``nan`` (a value that is no finite number), ``beyond`` (past the limit), ``flat`` (a
        lead is one value throughout), ``stuck`` (a lead that is not flat stays unchanged for over 2 s), ``clipped``
        (such a lead rests on its highest or lowest value twice or more, 40 ms each).
    """
    waves = np.asarray(signal)
    broken = ~np.isfinite(waves)
    waves = np.where(broken, 0, waves)
    same = np.diff(waves, axis=-1) == 0
    flat = same.all(-1)
    at_end = (waves == waves.max(-1, keepdims=True)) | (waves == waves.min(-1, keepdims=True))
    resting = same & at_end[..., 1:]
    stuck = _runs(same, round(STUCK * fs)) > 0
    clipped = _runs(resting, max(2, round(CLIPPED * fs) - 1)) > 1
    return {
        "nan": np.asarray(broken.any((1, 2))),
        "beyond": np.asarray((np.abs(waves) > limit).any((1, 2))),
        "flat": np.asarray(flat.any(1)),
        "stuck": (stuck & ~flat).any(1),
        "clipped": (clipped & ~flat & ~stuck).any(1),
    }


def valid(signal: ArrayLike, fs: float, limit: float = 10.0) -> np.ndarray:
    """(record,) of bool: none of the flags of ``found``."""
    return ~np.any(list(found(signal, fs, limit).values()), axis=0)


def _runs(held: np.ndarray, length: int) -> np.ndarray:
    """(…): how many unbroken runs of at least ``length`` Trues (…, time) has."""
    if held.shape[-1] < length:
        return np.zeros(held.shape[:-1], int)
    counted = np.cumsum(held, -1, dtype=np.int32)
    before = np.concatenate([np.zeros_like(counted[..., :1]), counted[..., :-length]], -1)
    full = counted[..., length - 1 :] - before == length
    return full[..., 0].astype(int) + (full[..., 1:] & ~full[..., :-1]).sum(-1)
