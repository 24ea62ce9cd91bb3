"""Signals that are no ECG, for the measurement of ``ecggen.io.signal_quality``."""

from __future__ import annotations

import numpy as np

KINDS = (
    "white noise",
    "pink noise",
    "brown noise",
    "heavy-tailed noise",
    "random walk",
    "sine",
    "square wave",
    "triangle wave",
    "chirp",
    "sine and noise",
    "mains hum",
    "EMG bursts",
    "EEG",
    "steps",
    "spikes, regular",
    "spikes, irregular",
)
"""Kinds of simulated signals."""
SIZES = (0.02, 5.0)
"""Range of standard deviations in mV."""
RATES = (100, 125, 128, 250, 500, 1000)
"""Sampling rates in Hz."""


def non_ecg(kind: str, rng: np.random.Generator, seconds: float = 10.0) -> tuple[np.ndarray, int]:
    """A signal (time,) in mV of a random size and its sampling rate in Hz."""
    fs = int(rng.choice(RATES))
    wave = _wave(kind, np.arange(round(seconds * fs)) / fs, fs, rng)
    size = np.exp(rng.uniform(*np.log(SIZES)))
    return (wave * size / (wave.std() or 1)).astype(np.float32), fs


def _wave(kind: str, time: np.ndarray, fs: int, rng: np.random.Generator) -> np.ndarray:
    n, start = len(time), rng.uniform(0, 2 * np.pi)
    noise = rng.standard_normal(n)
    frequency = float(np.exp(rng.uniform(*np.log((0.5, 10)))))
    phase = 2 * np.pi * frequency * time + start
    waves = {
        "white noise": lambda: noise,
        "pink noise": lambda: _coloured(n, 1, rng),
        "brown noise": lambda: _coloured(n, 2, rng),
        "heavy-tailed noise": lambda: rng.standard_t(2, n),
        "random walk": lambda: np.cumsum(noise),
        "sine": lambda: np.sin(phase),
        "square wave": lambda: np.sign(np.sin(phase)),
        "triangle wave": lambda: np.arcsin(np.sin(phase)),
        "chirp": lambda: np.sin(2 * np.pi * (0.5 * time + 0.3 * time**2) + start),
        "sine and noise": lambda: np.sin(phase) + rng.uniform(0.05, 1) * noise,
        "mains hum": lambda: np.sin(2 * np.pi * rng.choice([50, 60]) * time + start) + rng.choice([0, 0.05]) * noise,
        "EMG bursts": lambda: np.diff(noise, prepend=0) * _bursts(time, rng),
        "EEG": lambda: 0.6 * _coloured(n, 1, rng) + np.sin(2 * np.pi * rng.uniform(8, 12) * time) * _waxing(noise, fs),
        "steps": lambda: np.repeat(rng.standard_normal(40), -(-n // 40))[:n],
        "spikes, regular": lambda: _spikes(n, np.arange(0, n, int(fs * rng.uniform(0.4, 1.5)))) + 0.003 * noise,
        "spikes, irregular": lambda: _spikes(n, rng.integers(0, n, rng.integers(4, 25))) + 0.003 * noise,
    }
    return waves[kind]()


def _coloured(n: int, power: float, rng: np.random.Generator) -> np.ndarray:
    """Noise (n,) whose power falls as 1/f^power, with unit deviation."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (power / 2)
    spectrum[0] = 0
    wave = np.fft.irfft(spectrum, n)
    return wave / wave.std()


def _bursts(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    centres, widths = rng.uniform(0, time[-1], 5), rng.uniform(0.1, 1, 5)
    return 0.02 + np.exp(-0.5 * ((time - centres[:, None]) / widths[:, None]) ** 2).sum(0)


def _waxing(noise: np.ndarray, fs: int) -> np.ndarray:
    """The slowly changing size of an alpha rhythm."""
    size = np.abs(np.convolve(noise, np.ones(fs), "same"))
    return size / size.std()


def _spikes(n: int, at: np.ndarray) -> np.ndarray:
    wave = np.zeros(n)
    wave[at] = 1.0
    return wave
