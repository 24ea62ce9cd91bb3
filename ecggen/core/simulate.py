"""Simulated ECGs and PPGs: a parametric dipole model with P, Q, R, S and T waves.

Beats are sums of Gaussian waves of a three-dimensional heart vector (after McSharry et al., IEEE TBME 2003;50:289),
projected by Dower's matrix (Dower et al., J Electrocardiol 1980;13:27). The four derived leads follow exactly, so
the lead laws hold to float precision. For tests, demonstrations and teaching.
"""

from __future__ import annotations

import numpy as np
import torch

from ecggen.core.ecg import ECG, LEAD_MATRIX, STANDARD_LEADS, Provenance

DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
"""(8, 3): the independent leads from the components X (left), Y (foot) and Z (back) of the heart vector."""

WAVES = {
    "P": (-0.16, 0.022, (0.05, 0.10, 0.01)),
    "Q": (-0.035, 0.009, (-0.10, -0.03, 0.10)),
    "R": (0.0, 0.011, (0.85, 0.75, 0.15)),
    "S": (0.03, 0.012, (-0.15, -0.10, 0.45)),
    "T": (0.28, 0.055, (0.22, 0.20, -0.08)),
}
"""For each wave: its centre relative to the R peak and its width, in s at 60 beats per minute, and its vector in mV."""


def simulate(n: int, seconds: float = 10.0, fs: float = 100.0, seed: int = 0, heart_rate: float | None = None) -> ECG:
    """Simulate ``n`` twelve-lead ECGs with random rate, axis and wave amplitudes.

    Args:
        n: Number of records.
        seconds: Duration in seconds.
        fs: Sampling rate in Hz.
        seed: Random seed; the same seed gives the same ECGs.
        heart_rate: Beats per minute of all records; by default random between 45 and 110.

    Example:
        >>> ecg = simulate(2, seconds=5, fs=500, heart_rate=72)
        >>> ecg.signal.shape, ecg.provenance.model
        (torch.Size([2, 12, 2500]), 'simulate')
        >>> bool(ecg.law_residual().max() < 1e-5)
        True
    """
    rng = np.random.default_rng(seed)
    eight = np.stack([DOWER @ _vector(seconds, fs, rng, heart_rate) for _ in range(n)])
    signal = torch.as_tensor(LEAD_MATRIX @ eight, dtype=torch.float32)
    return ECG(signal, STANDARD_LEADS, fs, Provenance((), STANDARD_LEADS, "simulate", seed, "nothing"))


def simulated_peaks(seconds: float, heart_rate: float) -> np.ndarray:
    """R-peak times in s of a simulated ECG with a fixed heart rate."""
    return np.arange(0.4, seconds, 60 / heart_rate)


def _vector(seconds: float, fs: float, rng: np.random.Generator, heart_rate: float | None) -> np.ndarray:
    """(3, time): the heart vector of one record in mV."""
    rate = heart_rate or rng.uniform(45, 110)
    axis = rotation(rng.normal(0, 0.35, 3))
    time = np.arange(round(seconds * fs)) / fs
    vector = np.zeros((3, len(time)))
    peaks = simulated_peaks(seconds + 1, rate) if heart_rate else _peaks(seconds + 1, rate, rng)
    # Intervals scale with the square root of the RR interval (Bazett 1920).
    stretch = np.sqrt(60 / rate)
    for center, width, direction in WAVES.values():
        size = np.array(direction) * rng.lognormal(0, 0.25)
        for peak in peaks:
            vector += size[:, None] * np.exp(-0.5 * ((time - peak - center * stretch) / width) ** 2)
    return axis @ vector


def _peaks(seconds: float, rate: float, rng: np.random.Generator) -> np.ndarray:
    """R-peak times in s with slight sinus arrhythmia."""
    steps = 60 / rate * (1 + 0.03 * rng.standard_normal(int(seconds * rate / 60) + 2))
    return 0.4 * rng.random() + np.cumsum(steps) - steps[0]


def rotation(angles: np.ndarray) -> np.ndarray:
    """(3, 3): rotation about X, then Y, then Z by ``angles`` in radians."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[[i, j], [i, j]] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


PULSE_DELAY = 0.25
"""Seconds from an R peak to the steepest rise of its pulse, in simulated PPGs and in preprocessed recorded PPGs.

The delay that a recorder adds to the pulse transit time is unknown and constant. Models are trained with this one
delay, so that the remaining difference for a recording is a single number.
"""

PLAIN = 0.07
"""Standard deviation in s of a plain Gaussian pulse; its steepest rise lies one deviation before its peak."""


def simulate_ppg(
    beats: np.ndarray, seconds: float, fs: float, rng: np.random.Generator, plain: bool = False
) -> np.ndarray:
    """Simulate a photoplethysmogram (time,) in arbitrary units.

    Each pulse is the sum of a systolic and a dicrotic wave (Gaussians, as in Liu et al. 2013, that fall more slowly
    than they rise). It is smaller after a short RR interval, because the ventricle fills less. Pulse shape,
    respiration, noise and jitter of the pulse transit time are random for each call.

    Args:
        beats: Times of the R peaks in s.
        seconds: Duration in seconds.
        fs: Sampling rate in Hz.
        rng: Random generator.
        plain: Whether to return identical Gaussian pulses without noise.

    Example:
        >>> simulate_ppg(np.array([0.5, 1.5]), seconds=3, fs=100, rng=np.random.default_rng(0)).shape
        (300,)
    """
    time = np.arange(round(seconds * fs)) / fs
    if plain:
        bumps = np.exp(-0.5 * ((time - np.asarray(beats)[:, None] - PULSE_DELAY - PLAIN) / PLAIN) ** 2)
        return bumps.sum(0)
    rise, dicrotic, depth = rng.uniform(0.06, 0.11), rng.uniform(0.22, 0.34), rng.uniform(0.1, 0.6)
    filling, fall = rng.uniform(0.15, 0.45), rng.uniform(1.6, 2.6)
    breath = 1 + rng.uniform(0, 0.15) * np.sin(2 * np.pi * (rng.uniform(0.15, 0.4) * time + rng.random()))
    wave = np.zeros_like(time)
    before = np.diff(beats, prepend=beats[0] - np.median(np.diff(beats)) if len(beats) > 1 else -1.0)
    for beat, interval in zip(beats, before, strict=True):
        size = 1 - np.exp(-max(interval - 0.2, 0.02) / filling)
        # The steepest rise of a Gaussian lies one deviation before its peak.
        top = beat + PULSE_DELAY + rise + 0.006 * rng.standard_normal()
        wave += size * np.exp(-0.5 * ((time - top) / np.where(time < top, rise, fall * rise)) ** 2)
        wave += size * depth * np.exp(-0.5 * ((time - top - dicrotic) / (1.6 * rise)) ** 2)
    drift = rng.uniform(0, 0.3) * np.sin(2 * np.pi * (rng.uniform(0.1, 0.4) * time + rng.random()))
    noise = rng.uniform(0, 0.08) * rng.standard_normal(len(time))
    return wave * breath + drift + noise
