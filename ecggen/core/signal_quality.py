"""Signal quality indices: numbers that tell waves with beats from noise and from other signals.

Each index is a pure function of a prepared wave (``prepare``) and of the beats in it. The indices follow Li et al.
(Physiol Meas 2008;29:15: kurtosis, spectral distribution, agreement of two detectors), Clifford et al. (Physiol Meas
2012;33:1419) and Orphanidou et al. (IEEE JBHI 2015;19:832: correlation of the beats). ``ecggen.io.signal_quality``
combines them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfiltfilt

from ecggen.core.ecg import resample
from ecggen.core.rhythm import beat_positions

RATE = 100.0
"""Sampling rate of a prepared wave in Hz. The indices are thus independent of the rate of the recording."""
BAND = (0.5, 40.0)
"""Pass band of a prepared wave in Hz."""
QRS_BAND = (5.0, 25.0)
"""Band in Hz that holds most of the energy of a QRS complex and little of P, T, wander and respiration."""
TOLERANCE = 0.1
"""Largest distance in s of two beats that count as the same; AAMI EC57 uses 0.15 s."""

_BEFORE, _AFTER = round(0.2 * RATE), round(0.3 * RATE)
_NEAR = round(0.16 * RATE)
_REACH = round(10 * RATE)


def prepare(waves: np.ndarray, fs: float) -> np.ndarray:
    """Waves (lead, time) at ``RATE`` in ``BAND``, in mV and without missing samples, which are interpolated.

    Args:
        waves: (lead, time) in mV at ``fs`` Hz; NaN where a sample is missing.
        fs: Sampling rate in Hz.
    """
    import torch

    waves = np.array(waves, np.float64)
    for wave in waves:
        known = np.isfinite(wave)
        wave[:] = np.interp(np.arange(len(wave)), np.flatnonzero(known), wave[known]) if known.any() else 0.0
    waves -= np.median(waves, -1, keepdims=True)
    return _filtered(resample(torch.from_numpy(waves), fs, RATE).double().numpy(), BAND)


def qrs_band(waves: np.ndarray) -> np.ndarray:
    """Prepared waves (lead, time), restricted to ``QRS_BAND``."""
    return _filtered(waves, QRS_BAND)


def beats_by_slope(wave: np.ndarray) -> np.ndarray:
    """Beats in a prepared wave (time,) by sleepecg's Pan–Tompkins detector: positions in samples."""
    return beat_positions(wave, RATE) if np.ptp(wave) > 1e-9 else np.zeros(0, int)


def beats_by_energy(narrow: np.ndarray) -> np.ndarray:
    """Beats in a wave (time,) in the QRS band by two moving averages of its energy: positions in samples.

    A QRS is a block in which the average over 0.1 s exceeds that over 0.6 s (Elgendi et al., IEEE Access 2013 and PLoS
    ONE 2013;8:e73557). Independent of ``beats_by_slope``, so that their agreement is informative.
    """
    energy = narrow**2
    block = uniform_filter1d(energy, round(0.1 * RATE)) > uniform_filter1d(energy, round(0.6 * RATE)) + 0.08 * np.mean(
        energy
    )
    edges = np.flatnonzero(np.diff(np.r_[0, block.astype(np.int8), 0])).reshape(-1, 2)
    kept: list[int] = []
    for first, last in edges[edges[:, 1] - edges[:, 0] >= 0.08 * RATE]:
        peak = int(first + np.argmax(energy[first:last]))
        if kept and peak - kept[-1] < 0.2 * RATE:
            kept[-1] = max(kept[-1], peak, key=lambda at: energy[at])
        else:
            kept.append(peak)
    return np.array(kept, int)


def centred(beats: np.ndarray, narrow: np.ndarray) -> np.ndarray:
    """Beats (positions in samples), each moved to the largest deflection of the QRS band within 80 ms."""
    around = np.arange(-8, 9)
    at = np.clip(np.asarray(beats, int)[:, None] + around, 0, len(narrow) - 1)
    best = np.abs(narrow[at]).argmax(1)
    return np.unique(at[np.arange(len(at)), best]) if len(at) else np.zeros(0, int)


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Share of beats (positions in samples) that two detectors both found (bSQI, Li 2008); 0 without beats.

    Example:
        >>> agreement(np.array([100, 200, 300]), np.array([102, 300]))
        0.6666666666666666
    """
    if not len(one) or not len(other):
        return 0.0
    close = np.abs(one[:, None] - other) <= TOLERANCE * RATE
    both = min(int(close.any(0).sum()), int(close.any(1).sum()))
    return both / (len(one) + len(other) - both)


def similarity(wave: np.ndarray, beats: np.ndarray, before: int = _BEFORE, after: int = _AFTER) -> np.ndarray:
    """Correlation of each beat with the others of the same shape (Orphanidou 2015); NaN for a beat at an end.

    It is the mean of the upper half of its correlations with the beats within 10 s, so that one premature beat does
    not lower that of the others.

    Args:
        wave: Prepared wave (time,).
        beats: Positions in samples.
        before: Samples of a beat before its position.
        after: Samples of a beat after it.
    """
    found = np.full(len(beats), np.nan)
    inner = np.flatnonzero((beats >= before) & (beats + after < len(wave)))
    if len(inner) < 2:
        return found
    pieces = wave[beats[inner][:, None] + np.arange(-before, after)]
    pieces = pieces - pieces.mean(1, keepdims=True)
    pieces = pieces / (np.linalg.norm(pieces, axis=1, keepdims=True) + 1e-12)
    for row, place in enumerate(inner):
        near = np.abs(beats[inner] - beats[place]) <= _REACH
        near[row] = False
        others = np.sort(pieces[near] @ pieces[row])[::-1]
        found[place] = others[: (len(others) + 1) // 2].mean() if len(others) else np.nan
    return found


def sharpness(wave: np.ndarray, narrow: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Peak-to-peak value in the QRS band of each beat, relative to that of the prepared wave within 0.3 s.

    A QRS is sharp (0.5 and more), a PPG, respiration or a slow sine is not.
    """
    around = np.arange(-30, 31)
    at = np.clip(beats[:, None] + around, 0, len(wave) - 1)
    pieces = wave[at]
    slope = (pieces @ around) / (around @ around)
    whole = np.ptp(pieces - slope[:, None] * around, axis=1)
    return np.ptp(narrow[at[:, 15:-15]], axis=1) / (whole + 1e-12)


def step(wave: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Difference between the levels after and before each beat, relative to its peak-to-peak value.

    A QRS returns to about the level at which it began (0), an edge of a square wave or the rise of a PPG does not (1).
    """
    around = np.arange(-_NEAR, _NEAR + 1)
    pieces = wave[np.clip(beats[:, None] + around, 0, len(wave) - 1)]
    return np.abs(pieces[:, -6:].mean(1) - pieces[:, :6].mean(1)) / (np.ptp(pieces, axis=1) + 1e-12)


def spike(wave: np.ndarray, beats: np.ndarray) -> float:
    """Share of the energy of the mean beat that lies above 20 Hz; 0 without beats.

    A pulse of one or two samples has half of its energy there. A beat has little, also with the spike of a pacemaker,
    because QRS and T follow it.
    """
    inner = beats[(beats >= _NEAR) & (beats + _AFTER < len(wave))]
    if not len(inner):
        return 0.0
    pieces = wave[inner[:, None] + np.arange(-_NEAR, _AFTER)]
    signs = np.sign(pieces[:, _NEAR : _NEAR + 1])
    mean = (pieces * np.where(signs == 0, 1, signs)).mean(0)
    power = np.abs(np.fft.rfft((mean - mean.mean()) * np.hanning(len(mean)))) ** 2
    return float(power[np.fft.rfftfreq(len(mean), 1 / RATE) >= 20].sum() / (power.sum() + 1e-18))


def kurtosis(waves: np.ndarray) -> np.ndarray:
    """Fourth standardised moment over the last axis (kSQI, Clifford 2012): 1.5 for a sine, 3 for noise; 0 if flat."""
    waves = waves - waves.mean(-1, keepdims=True)
    variance = (waves**2).mean(-1)
    return np.where(variance > 1e-12, (waves**4).mean(-1) / np.maximum(variance, 1e-12) ** 2, 0.0)


def tone(waves: np.ndarray) -> np.ndarray:
    """Largest share of the energy of prepared waves (…, time) within three neighbouring frequencies: 1 for a sine."""
    waves = (waves - waves.mean(-1, keepdims=True)) * np.hanning(waves.shape[-1])
    power = np.abs(np.fft.rfft(waves)) ** 2
    three = power[..., :-2] + power[..., 1:-1] + power[..., 2:]
    return three.max(-1) / (power.sum(-1) + 1e-18)


def _filtered(waves: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    return sosfiltfilt(_design(band), waves, padlen=min(round(RATE), waves.shape[-1] - 1))


@lru_cache
def _design(band: tuple[float, float]) -> np.ndarray:
    return np.asarray(butter(2, band, "bandpass", fs=RATE, output="sos"))
