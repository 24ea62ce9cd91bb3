"""Atrial flutter waves between the beats, and pacing spikes before them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import butter, sosfiltfilt

from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.metrics.criteria.beats import RecordBeats

FLUTTER = (220.0, 360.0)
"""Atrial rates per minute of flutter."""
SEARCHED = (2.5, 9.0)
"""Frequencies in Hz among which the flutter frequency must stand out."""
LEADS = ("II", "III", "aVF", "V1")
"""Leads in which flutter waves are best seen."""
AROUND_QRS = (-0.06, 0.08)
"""Seconds before the onset and after the offset of the QRS that are left out."""
SPIKE = (-0.08, 0.02)
"""Seconds around the onset of the QRS in which a pacing spike is searched."""
HALF_SPIKE = 0.004
"""Seconds from the top of a spike to its foot on either side; a QRS takes longer."""
SPIKE_MV = 0.18
"""Smallest height in mV of a spike above its feet. In 4 of 6 paced and 4 of 154 other records of LUDB, such a spike
precedes 40 % of the beats (``evaluation/results/delineation_by_rhythm.json``)."""


def flutter(ecg: ECG, beats: Sequence[RecordBeats]) -> dict[str, np.ndarray]:
    """Spectral share and rate of a regular atrial rhythm between the beats: ``flutter`` and ``flutter_rate``.

    A sinusoid with one harmonic is fitted by least squares to the samples outside of the QRS complexes (a Lomb–Scargle
    periodogram), over the frequencies of ``SEARCHED``. The share is the explained variance at the best frequency within
    ``FLUTTER``, in the lead with the largest one, relative to the variance of these samples; 0 if another frequency of
    ``SEARCHED`` explains more.
    """
    share, rate = np.full(len(ecg), np.nan), np.full(len(ecg), np.nan)
    rows = [STANDARD_LEADS.index(lead) for lead in LEADS]
    sos = butter(2, 2.0, "highpass", fs=ecg.fs, output="sos")
    frequencies = np.arange(SEARCHED[0], SEARCHED[1], 0.05)
    inside = (frequencies >= FLUTTER[0] / 60) & (frequencies <= FLUTTER[1] / 60)
    times = np.arange(ecg.samples) / ecg.fs
    for row, (signal, one) in enumerate(zip(ecg.signal.double().numpy(), beats, strict=True)):
        kept = _between(times, one)
        if kept.sum() < 2 * ecg.fs:
            continue
        waves = sosfiltfilt(sos, signal[rows], axis=-1)[:, kept]
        power = _explained(waves, times[kept], frequencies)
        best = power.max(1).argmax()
        top = power[best, inside].argmax()
        share[row], rate[row] = power[best, inside][top], 60 * frequencies[inside][top]
    return {"flutter": share, "flutter_rate": rate}


def _between(times: np.ndarray, beats: RecordBeats) -> np.ndarray:
    """(time,) samples outside of all QRS complexes."""
    onset = np.where(np.isfinite(beats.marks["qrs_onset"]), beats.marks["qrs_onset"], beats.peaks - 0.05)
    offset = np.where(np.isfinite(beats.marks["qrs_offset"]), beats.marks["qrs_offset"], beats.peaks + 0.06)
    within = (times >= onset[:, None] + AROUND_QRS[0]) & (times <= offset[:, None] + AROUND_QRS[1])
    inside: np.ndarray = np.any(within, axis=0)
    return ~inside


def _explained(waves: np.ndarray, times: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """(lead, frequency) share of the variance of (lead, time) that sine and cosine of each frequency explain.

    Least squares with a constant: the normal equations of the two centred regressors, for all frequencies at once.
    """
    waves = waves - waves.mean(1, keepdims=True)
    phase = 2 * np.pi * frequencies[:, None] * times
    cos, sin = (wave - wave.mean(1, keepdims=True) for wave in (np.cos(phase), np.sin(phase)))
    a, b = waves @ cos.T, waves @ sin.T
    cc, ss, cs = (cos**2).sum(1), (sin**2).sum(1), (cos * sin).sum(1)
    explained = (a**2 * ss - 2 * a * b * cs + b**2 * cc) / np.maximum(cc * ss - cs**2, 1e-12)
    return explained / np.maximum((waves**2).sum(1, keepdims=True), 1e-12)


def spikes(ecg: ECG, beats: Sequence[RecordBeats]) -> np.ndarray:
    """(record,) share of the beats that a pacing spike precedes; NaN below 250 Hz, where spikes are not recorded.

    A spike rises and falls within milliseconds: its height is the distance of a sample from the mean of the samples
    ``HALF_SPIKE`` before and after it, in the lead where this is largest.
    """
    if ecg.fs < 250:
        return np.full(len(ecg), np.nan)
    found = np.full(len(ecg), np.nan)
    half = max(1, round(HALF_SPIKE * ecg.fs))
    for row, (signal, one) in enumerate(zip(ecg.signal.double().numpy(), beats, strict=True)):
        if not len(one.peaks):
            continue
        height = np.zeros(ecg.samples)
        middle = (signal[:, 2 * half :] + signal[:, : -2 * half]) / 2
        height[half:-half] = np.abs(signal[:, half:-half] - middle).max(0)
        onset = np.where(np.isfinite(one.marks["qrs_onset"]), one.marks["qrs_onset"], one.peaks - 0.05)
        at = np.round((onset[:, None] + np.arange(SPIKE[0], SPIKE[1], 1 / ecg.fs)) * ecg.fs).astype(int)
        inside = (at >= 0) & (at < ecg.samples)
        found[row] = np.mean(np.where(inside, height[np.clip(at, 0, ecg.samples - 1)], 0).max(1) > SPIKE_MV)
    return found
