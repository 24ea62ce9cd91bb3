"""Power spectra and amplitude quantiles of sets of ECGs.

Signals are (record, lead, time) in mV. Spectra follow Welch, with segments of 2 s and a resolution of 0.5 Hz.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import welch

from ecggen.core.errors import InputError
from ecggen.metrics.functional.marginals import LEVELS

SEGMENT = 2.0
"""Length of a Welch segment in s."""
COMPARED_BAND = (0.5, 40.0)
"""Frequency band in Hz in which spectra are compared: most data sets contain it."""
BANDS = {"P and T": (0.5, 5.0), "QRS": (5.0, 25.0), "muscle": (25.0, 45.0), "mains": (45.0, 65.0)}
"""Frequency bands in Hz, by their usual main component."""
PART = 4096
"""Signals per batch, which bounds the memory."""
FAINTEST = 1e-12
"""Lower limit in mV²/Hz, which keeps the logarithm of a flat signal finite."""


def power_spectrum(signal: ArrayLike, fs: float, seconds: float = SEGMENT) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz (frequency,) and power spectral density in mV²/Hz (…, frequency) of signals (…, time).

    Welch's method (1967).

    Raises:
        InputError: If the signal is shorter than a segment or not finite.

    Example:
        >>> time = np.arange(400) / 100
        >>> frequencies, power = power_spectrum(np.sin(2 * np.pi * 12 * time), fs=100)
        >>> float(frequencies[power.argmax()])
        12.0
    """
    waves = _finite(signal)
    size = round(seconds * fs)
    if waves.shape[-1] < size:
        raise InputError(f"signals last {waves.shape[-1] / fs:.2f} s", f"at least {seconds:g} s were expected")
    frequencies = np.fft.rfftfreq(size, 1 / fs)
    power = np.empty((*waves.shape[:-1], len(frequencies)))
    rows, found = waves.reshape(-1, waves.shape[-1]), power.reshape(-1, len(frequencies))
    for at in range(0, len(rows), PART):
        # In 64 bits: in 32, a signal's spectrum would depend on the size of its batch.
        found[at : at + PART] = welch(rows[at : at + PART].astype(np.float64), fs, nperseg=size, axis=-1)[1]
    return frequencies, power


def mean_log_spectrum(signal: ArrayLike, fs: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in ``COMPARED_BAND``, and the mean over records of the log spectrum in dB (lead, frequency)."""
    frequencies, power = power_spectrum(signal, fs)
    if power.ndim != 3 or not len(power):
        raise InputError(f"the signal has shape {np.shape(signal)}", "(record, lead, time) was expected")
    compared = (frequencies >= COMPARED_BAND[0]) & (frequencies <= COMPARED_BAND[1])
    return frequencies[compared], (10 * np.log10(np.maximum(power[..., compared], FAINTEST))).mean(0)


def log_spectral_distance(real: ArrayLike, synthetic: ArrayLike, fs: float) -> np.ndarray:
    """(lead,): root mean square over 0.5–40 Hz of the difference of both mean log spectra, in dB.

    Args:
        real: (record, lead, time) in mV.
        synthetic: The same leads; any number of records, any length.
        fs: Sampling rate of both in Hz.

    Raises:
        InputError: If numbers of leads differ, or signals are too short or not finite.

    Example:
        >>> signal = np.random.default_rng(0).normal(size=(2, 1, 400))
        >>> log_spectral_distance(signal, 10 * signal, fs=100).round(6)
        array([20.])
    """
    first, second = mean_log_spectrum(real, fs)[1], mean_log_spectrum(synthetic, fs)[1]
    if first.shape != second.shape:
        raise InputError(f"sets of {len(first)} and {len(second)} leads", "the same leads were expected")
    return np.sqrt(((first - second) ** 2).mean(-1))


def band_powers(
    signal: ArrayLike, fs: float, bands: Mapping[str, tuple[float, float]] = BANDS
) -> dict[str, np.ndarray]:
    """Power in mV² (…) of signals (…, time) in each frequency band, low ≤ f < high; bands above fs/2 are omitted.

    Example:
        >>> time = np.arange(400) / 100
        >>> {name: round(float(power), 3) for name, power in band_powers(np.sin(2 * np.pi * 12 * time), 100).items()}
        {'P and T': 0.0, 'QRS': 0.5, 'muscle': 0.0}
    """
    frequencies, power = power_spectrum(signal, fs)
    step = frequencies[1] - frequencies[0]
    within = {name: (frequencies >= low) & (frequencies < high) for name, (low, high) in bands.items()}
    return {name: power[..., chosen].sum(-1) * step for name, chosen in within.items() if bands[name][1] <= fs / 2}


def amplitude_quantiles(signal: ArrayLike, levels: Sequence[float] = LEVELS) -> np.ndarray:
    """(level, lead) quantiles in mV over records and time of (record, lead, time), without values that are not finite.

    Raises:
        InputError: If a lead has no finite value.

    Example:
        >>> amplitude_quantiles([[[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]]], levels=[0.5])
        array([[1., 2.]])
    """
    waves = np.asarray(signal, np.float32)
    leads = np.moveaxis(waves, 1, 0).reshape(waves.shape[1], -1)
    kept = [lead[np.isfinite(lead)] for lead in leads]
    if not all(map(len, kept)):
        raise InputError("a lead has no finite value", "amplitudes in mV were expected")
    return np.stack([np.quantile(lead, levels) for lead in kept], 1)


def _finite(signal: ArrayLike) -> np.ndarray:
    waves = np.asarray(signal)
    if not np.isfinite(waves).all():
        raise InputError("the signal has values that are not finite", do="drop those records first")
    return waves
