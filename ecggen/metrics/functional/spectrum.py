"""What a synthetic ECG gives away at once: its spectrum and its amplitudes.

Signals are (record, lead, time) in mV. Spectra are Welch's, over segments of two seconds: half a hertz apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import welch

from ecggen.core.errors import InputError
from ecggen.metrics.functional.marginals import LEVELS

SEGMENT = 2.0
"""Seconds of a Welch segment."""
JUDGED = (0.5, 40.0)
"""Hz between which spectra are compared: a diagnostic display's band, which most corpora still hold."""
BANDS = {"P and T": (0.5, 5.0), "QRS": (5.0, 25.0), "muscle": (25.0, 45.0), "mains": (45.0, 65.0)}
"""Hz, by what usually dominates there."""
PART = 4096
"""Signals transformed at once, for memory's sake."""
FAINTEST = 1e-12
"""mV²/Hz below which nothing is told apart: a flat line has a logarithm, too."""


def power_spectrum(signal: ArrayLike, fs: float, seconds: float = SEGMENT) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz (frequency,) and power in mV²/Hz (…, frequency) of signals (…, time), after Welch (1967).

    Raises:
        InputError: Where the signal is shorter than a segment or not finite.
    """
    waves = _finite(signal)
    size = round(seconds * fs)
    if waves.shape[-1] < size:
        raise InputError(f"signals last {waves.shape[-1] / fs:.2f} s", f"at least {seconds:g} s were expected")
    frequencies = np.fft.rfftfreq(size, 1 / fs)
    power = np.empty((*waves.shape[:-1], len(frequencies)))
    rows, found = waves.reshape(-1, waves.shape[-1]), power.reshape(-1, len(frequencies))
    for at in range(0, len(rows), PART):
        # In 64 bits: in 32, a signal's spectrum would depend on how many stand beside it.
        found[at : at + PART] = welch(rows[at : at + PART].astype(np.float64), fs, nperseg=size, axis=-1)[1]
    return frequencies, power


def mean_log_spectrum(signal: ArrayLike, fs: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies within ``JUDGED``, and the mean over records of the log spectrum per lead in dB (lead, frequency)."""
    frequencies, power = power_spectrum(signal, fs)
    if power.ndim != 3 or not len(power):
        raise InputError(f"the signal has shape {np.shape(signal)}", "(record, lead, time) was expected")
    judged = (frequencies >= JUDGED[0]) & (frequencies <= JUDGED[1])
    return frequencies[judged], (10 * np.log10(np.maximum(power[..., judged], FAINTEST))).mean(0)


def log_spectral_distance(real: ArrayLike, synthetic: ArrayLike, fs: float) -> np.ndarray:
    """(lead,): root mean square over 0.5–40 Hz of the difference of both mean log spectra, in dB.

    Args:
        real: (record, lead, time) in mV.
        synthetic: The same leads; any number of records, any length.
        fs: Rate of both in Hz.

    Raises:
        InputError: Where leads differ in number, or signals are short or not finite.
    """
    first, second = mean_log_spectrum(real, fs)[1], mean_log_spectrum(synthetic, fs)[1]
    if first.shape != second.shape:
        raise InputError(f"{len(first)} leads stand beside {len(second)}", "the same leads of both were expected")
    return np.sqrt(((first - second) ** 2).mean(-1))


def band_powers(
    signal: ArrayLike, fs: float, bands: Mapping[str, tuple[float, float]] = BANDS
) -> dict[str, np.ndarray]:
    """Power in mV² (…) of signals (…, time) in each band, low ≤ f < high; bands above fs/2 are left out."""
    frequencies, power = power_spectrum(signal, fs)
    step = frequencies[1] - frequencies[0]
    within = {name: (frequencies >= low) & (frequencies < high) for name, (low, high) in bands.items()}
    return {name: power[..., chosen].sum(-1) * step for name, chosen in within.items() if bands[name][1] <= fs / 2}


def amplitude_quantiles(signal: ArrayLike, levels: Sequence[float] = LEVELS) -> np.ndarray:
    """(level, lead) quantiles in mV over records and time of (record, lead, time); values that are not finite drop."""
    waves = np.asarray(signal, np.float32)
    leads = np.moveaxis(waves, 1, 0).reshape(waves.shape[1], -1)
    kept = [lead[np.isfinite(lead)] for lead in leads]
    if not all(map(len, kept)):
        raise InputError("a lead has no finite value", "amplitudes in mV were expected")
    return np.stack([np.quantile(lead, levels) for lead in kept], 1)


def _finite(signal: ArrayLike) -> np.ndarray:
    waves = np.asarray(signal)
    if not np.isfinite(waves).all():
        raise InputError("the signal has values that are no finite numbers", do="drop those records first")
    return waves
