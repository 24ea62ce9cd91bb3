"""Median beats around the R peak: a feature of a record that needs no trained network.

Two records of the same patient differ in heart rate and starting point, but hardly in their median beat. Median beats
therefore serve as network-free features for distances between distributions and in the search for copies. All records
are first brought to one sampling rate and pass band, so that these and baseline wander are not compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.linalg import eigh

from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS

BEFORE, AFTER = 0.25, 0.45
"""Seconds before and after the R peak: from before the P wave to after the T wave at resting heart rates."""
COMPONENTS = 24
"""Principal axes: they explain over 99 % of the variance of the median beats of patients."""
LEAST_BEATS = 3
"""Least number of beats for a median."""
NAME = "median beats at 100 Hz, 0.5–40 Hz, 0.25 s before to 0.45 s after the R peak"
"""Name of these features in the report."""


def plain(ecg: ECG) -> ECG:
    """The independent leads of ``ecg`` (all leads if it has none of I, II, V1–V6) at 100 Hz, 0.5–40 Hz."""
    leads = [lead for lead in INDEPENDENT_LEADS if lead in ecg.leads] or list(ecg.leads)
    chosen = ecg.pick(*leads)
    if not len(chosen):
        return ECG(torch.zeros(0, len(leads), 0), tuple(leads), Preprocessor().fs)
    return Preprocessor().ecg(chosen)


def shapes(ecg: ECG, peaks: Sequence[np.ndarray]) -> np.ndarray:
    """Median beats (record, lead, point) in mV; NaN for a record with fewer than three complete beats.

    Args:
        ecg: Records as ``plain`` returns them.
        peaks: R peaks of each record in s.
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
    """Median beats of both sets on the principal axes of the real ones: (record, axis + 1) in mV.

    The last column is the norm of the remainder that lies off the axes.

    Args:
        synthetic: (record, lead, point) without NaN.
        real: The same of the real records, which determine the axes.
    """
    flat, real_flat = (one.reshape(len(one), -1) for one in (synthetic, real))
    mean, width = real_flat.mean(0), real_flat.shape[1]
    highest = [max(0, width - COMPONENTS), width - 1]
    _, axes = eigh(np.cov(real_flat, rowvar=False), subset_by_index=highest)
    return _on(axes, flat - mean), _on(axes, real_flat - mean)


def _on(axes: np.ndarray, centred: np.ndarray) -> np.ndarray:
    within = centred @ axes
    off = np.linalg.norm(centred - within @ axes.T, axis=1, keepdims=True)
    return np.concatenate([within, off], 1) / np.sqrt(centred.shape[1])
