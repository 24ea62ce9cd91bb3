"""What a record's heartbeat looks like, without any trained network: its median beat around the R peak.

Two records of one heart differ in rate and in where they begin, not in this. So median beats are compared where a
distance between records is wanted that rests on no network: for distributions, and in the search for copies. Before,
all records are brought into one form, so that rate, wander and mains of the recorder are not compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.linalg import eigh

from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS

BEFORE, AFTER = 0.25, 0.45
"""Seconds around the R peak: from before the P wave to behind the T wave of a heart at rest."""
COMPONENTS = 24
"""Principal axes: they hold over 99 % of what median beats of patients differ in."""
LEAST_BEATS = 3
"""Beats from which a median is one."""
NAME = "median beats at 100 Hz, 0.5–40 Hz, 0.25 s before to 0.45 s behind the R peak"
"""What stands in the report where features are named."""


def plain(ecg: ECG) -> ECG:
    """The independent leads of ``ecg`` (all, where none is among I, II, V1–V6) at 100 Hz with 0.5 to 40 Hz."""
    leads = [lead for lead in INDEPENDENT_LEADS if lead in ecg.leads] or list(ecg.leads)
    chosen = ecg.pick(*leads)
    if not len(chosen):
        return ECG(torch.zeros(0, len(leads), 0), tuple(leads), Preprocessor().fs)
    return Preprocessor().ecg(chosen)


def shapes(ecg: ECG, peaks: Sequence[np.ndarray]) -> np.ndarray:
    """Median beats (record, lead, point) in mV; NaN for a record with fewer than three whole beats.

    Args:
        ecg: Records in one form, as ``plain`` gives them.
        peaks: R peaks of each in s.
    """
    around = np.arange(-round(BEFORE * ecg.fs), round(AFTER * ecg.fs) + 1)
    found = np.full((len(ecg), len(ecg.leads), len(around)), np.nan)
    for row, (wave, times) in enumerate(zip(ecg.signal.numpy(), peaks, strict=True)):
        at = np.round(np.asarray(times) * ecg.fs).astype(int)
        at = at[(at + around[0] >= 0) & (at + around[-1] < ecg.samples)]
        if len(at) >= LEAST_BEATS:
            found[row] = np.median(wave[:, at[:, None] + around], axis=1)
    return found


def principal(synthetic: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median beats of both sets on the real ones' principal axes, and what lies off them: (record, axis + 1) in mV.

    Args:
        synthetic: (record, lead, point) without NaN.
        real: The same of the real records, which set the axes.
    """
    flat, known = (one.reshape(len(one), -1) for one in (synthetic, real))
    middle, width = known.mean(0), known.shape[1]
    highest = [max(0, width - COMPONENTS), width - 1]
    _, axes = eigh(np.cov(known, rowvar=False), subset_by_index=highest)
    return _on(axes, flat - middle), _on(axes, known - middle)


def _on(axes: np.ndarray, centred: np.ndarray) -> np.ndarray:
    within = centred @ axes
    off = np.linalg.norm(centred - within @ axes.T, axis=1, keepdims=True)
    return np.concatenate([within, off], 1) / np.sqrt(centred.shape[1])
