"""Artifact flags: records whose values cannot have been measured by an electrode.

Signals are (record, lead, time) in mV.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

STUCK = 2.0
"""Seconds without any change of value; noise makes so long a run impossible in a recorded lead."""
CLIPPED = 0.04
"""Seconds at the highest or lowest value in one run; longer than the peak of a wave stays within one ADC step."""


def found(signal: ArrayLike, fs: float, limit: float = 10.0) -> dict[str, np.ndarray]:
    """Artifact flags for each record.

    Args:
        signal: (record, lead, time) in mV.
        fs: Sampling rate in Hz.
        limit: Largest plausible amplitude of a surface ECG in mV.

    Returns:
        A dictionary of boolean arrays (record,): ``nan`` (a value is not finite), ``beyond`` (a value exceeds the
        limit), ``flat`` (a lead is constant), ``stuck`` (a lead that is not flat is constant for more than 2 s),
        ``clipped`` (a lead that is neither has two or more runs of 40 ms at its highest or lowest value).
    """
    waves = np.asarray(signal)
    not_finite = ~np.isfinite(waves)
    waves = np.where(not_finite, 0, waves)
    same = np.diff(waves, axis=-1) == 0
    flat = same.all(-1)
    at_extreme = (waves == waves.max(-1, keepdims=True)) | (waves == waves.min(-1, keepdims=True))
    held = same & at_extreme[..., 1:]
    stuck = _runs(same, round(STUCK * fs)) > 0
    clipped = _runs(held, max(2, round(CLIPPED * fs) - 1)) > 1
    return {
        "nan": np.asarray(not_finite.any((1, 2))),
        "beyond": np.asarray((np.abs(waves) > limit).any((1, 2))),
        "flat": np.asarray(flat.any(1)),
        "stuck": (stuck & ~flat).any(1),
        "clipped": (clipped & ~flat & ~stuck).any(1),
    }


def valid(signal: ArrayLike, fs: float, limit: float = 10.0) -> np.ndarray:
    """(record,) of bool: True if no flag of ``found`` is set."""
    return ~np.any(list(found(signal, fs, limit).values()), axis=0)


def _runs(held: np.ndarray, length: int) -> np.ndarray:
    """(…): number of runs of at least ``length`` consecutive True values in ``held`` (…, time)."""
    if held.shape[-1] < length:
        return np.zeros(held.shape[:-1], int)
    counted = np.cumsum(held, -1, dtype=np.int32)
    before = np.concatenate([np.zeros_like(counted[..., :1]), counted[..., :-length]], -1)
    full = counted[..., length - 1 :] - before == length
    return full[..., 0].astype(int) + (full[..., 1:] & ~full[..., :-1]).sum(-1)
