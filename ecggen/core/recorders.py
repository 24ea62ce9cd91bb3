"""Simulated recorders: what another device, another hospital or another placement of electrodes makes of an ECG.

A recorder is a chain of random steps, each of which is left out in a part of the records: electrodes displaced
(rotation and scaling of the heart vector, chest electrodes shifted towards their neighbours), low-pass and high-pass
filters, gain, baseline wander, muscle noise, movement, and quantisation. The chain works at the rate of a model, so
that only what its pass band keeps can change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt, sosfiltfilt

from ecggen.core.errors import InputError
from ecggen.core.simulate import DOWER, rotation

STEPS = ("electrodes", "filters", "gain", "noise", "quantisation")
"""Steps of a recorder, in their order."""


@dataclass(frozen=True)
class Rerecorded:
    """One record as a simulated recorder makes it.

    Attributes:
        signal: (8, time) mV, as recorded.
        clean: (8, time) mV, the same without noise and quantisation: what a prediction from ``signal`` is to reach.
    """

    signal: np.ndarray
    clean: np.ndarray


def rerecorded(eight: np.ndarray, rng: np.random.Generator, fs: float = 100.0) -> np.ndarray:
    """The eight independent leads (8, time) in mV of one record, as a random recorder would have recorded them.

    Args:
        eight: I, II, V1–V6, in mV.
        rng: Random generator.
        fs: Sampling rate in Hz, at least 90.

    Example:
        >>> from ecggen.core.ecg import INDEPENDENT_LEADS
        >>> from ecggen.core.simulate import simulate
        >>> eight = simulate(1).pick(*INDEPENDENT_LEADS).signal[0].numpy()
        >>> other = rerecorded(eight, np.random.default_rng(1))
        >>> other.shape, bool(np.abs(other - eight).max() > 0.05)
        ((8, 1000), True)
    """
    return simulate_recorder(eight, rng, fs).signal


def simulate_recorder(
    eight: np.ndarray, rng: np.random.Generator, fs: float = 100.0, steps: Collection[str] = STEPS
) -> Rerecorded:
    """As ``rerecorded``, with the record before noise and quantisation.

    Displaced electrodes, filters and gain change what all leads of a recorder show, noise and quantisation do not.

    Args:
        eight: I, II, V1–V6, (8, time) in mV.
        rng: Random generator.
        fs: Sampling rate in Hz, at least 90.
        steps: Steps that the recorder may have, some of ``STEPS``.

    Raises:
        InputError: If a step is unknown.

    Example:
        >>> from ecggen.core.ecg import INDEPENDENT_LEADS
        >>> from ecggen.core.simulate import simulate
        >>> eight = simulate(1).pick(*INDEPENDENT_LEADS).signal[0].numpy()
        >>> made = simulate_recorder(eight, np.random.default_rng(1), steps=["noise"])
        >>> bool(np.allclose(made.clean, eight)), bool(np.abs(made.signal - eight).max() > 0.01)
        (True, True)
    """
    check_steps(steps)
    wave = eight.astype(float)
    if "electrodes" in steps:
        wave = _displaced(wave, rng)
    if "filters" in steps:
        wave = _filtered(wave, rng, fs)
    if "gain" in steps and rng.random() < 0.6:
        wave = wave * np.exp(rng.normal(0, 0.25))
    clean = wave
    if "noise" in steps:
        wave = _noisy(wave, rng, fs)
    if "quantisation" in steps and rng.random() < 0.3:
        step = rng.uniform(0.002, 0.03)
        wave = np.round(wave / step) * step
    return Rerecorded(wave.astype(np.float32), clean.astype(np.float32))


def check_steps(steps: Collection[str]) -> None:
    """Raise ``InputError`` for an unknown step of a recorder."""
    for step in steps:
        if step not in STEPS:
            raise InputError(f"a recorder has the step {step!r}", f"one of {', '.join(STEPS)} was expected")


def _displaced(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Electrodes at other places: what a dipole explains is turned and scaled, chest leads are interpolated."""
    if rng.random() < 0.5:
        vector = np.linalg.pinv(DOWER) @ wave
        turned = rotation(rng.normal(0, 0.18, 3)) * np.exp(rng.normal(0, 0.1))
        wave = wave + DOWER @ ((turned - np.eye(3)) @ vector)
    if rng.random() < 0.35:
        shifts, chest = rng.normal(0, 0.25, 6), wave[2:]
        neighbours = np.clip(np.arange(6) + np.where(shifts > 0, 1, -1), 0, 5)
        share = np.minimum(np.abs(shifts), 0.6)[:, None]
        wave = np.concatenate([wave[:2], (1 - share) * chest + share * chest[neighbours]])
    return wave


def _filtered(wave: np.ndarray, rng: np.random.Generator, fs: float) -> np.ndarray:
    """Low-pass filters of 20–40 Hz, forwards or without a phase, and high-pass filters of 0.05–0.67 Hz."""
    if rng.random() < 0.6:
        highest = rng.uniform(20, 40)
        if rng.random() < 0.5:
            wave = np.asarray(sosfilt(butter(int(rng.integers(1, 4)), highest, fs=fs, output="sos"), wave))
        else:
            wave = sosfiltfilt(butter(2, highest, fs=fs, output="sos"), wave)
    if rng.random() < 0.5:
        lowest = np.exp(rng.uniform(np.log(0.05), np.log(0.67)))
        wave = np.asarray(sosfilt(butter(1, lowest, "highpass", fs=fs, output="sos"), wave - wave[:, :1]))
    return np.asarray(wave)


def _noisy(wave: np.ndarray, rng: np.random.Generator, fs: float) -> np.ndarray:
    """Baseline wander (0–20 dB), muscle noise (3–25 dB) and one to three movements (-3–12 dB)."""
    size, samples = np.sqrt((wave**2).mean()), wave.shape[-1]
    if rng.random() < 0.4:
        level = size * 10 ** (-rng.uniform(0, 20) / 20)
        wave = wave + level * coloured(rng, wave.shape, fs, 0.1, 0.8) * np.exp(rng.normal(0, 0.4, (8, 1)))
    if rng.random() < 0.5:
        level = size * 10 ** (-rng.uniform(3, 25) / 20)
        wave = wave + level * coloured(rng, wave.shape, fs, 3, 0.49 * fs, 0.5) * np.exp(rng.normal(0, 0.5, (8, 1)))
    if rng.random() < 0.3:
        level, envelope = size * 10 ** (-rng.uniform(-3, 12) / 20), np.zeros(samples)
        for _ in range(rng.integers(1, 4)):
            centre = rng.uniform(0, samples)
            envelope += np.exp(-0.5 * ((np.arange(samples) - centre) / rng.uniform(0.3 * fs, 1.2 * fs)) ** 2)
        wave = wave + level * envelope * coloured(rng, wave.shape, fs, 0.5, 8, 1) * np.exp(rng.normal(0, 0.8, (8, 1)))
    return wave


def coloured(
    rng: np.random.Generator, shape: tuple[int, ...], fs: float, low: float, high: float, slope: float = 0.0
) -> np.ndarray:
    """Gaussian noise (…, time) of unit standard deviation from ``low`` to ``high`` Hz, its power as f^-``slope``."""
    at = np.fft.rfftfreq(shape[-1], 1 / fs)
    size = ((at >= low) & (at <= high)).astype(float)
    size[1:] *= at[1:] ** (-slope / 2)
    wave = np.fft.irfft(np.fft.rfft(rng.standard_normal(shape)) * size, shape[-1])
    return wave / (wave.std(-1, keepdims=True) + 1e-12)
