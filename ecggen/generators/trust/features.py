"""Features of observed leads that say how unlike the training data they are: size, spectrum, rhythm, beats and noise.

Each feature is a number that a reader of ECGs can check. Those of a wave are measured in each lead and compared with
the same lead of training records; those of the rhythm are measured in all observed leads together. All are measured in
a window of the model: 100 Hz, 0.5–40 Hz.
"""

from __future__ import annotations

import numpy as np

from ecggen.core import signal_quality as index

LEAST = 1e-3
"""Amplitude in mV that is added before a logarithm is taken."""
BEFORE, AFTER = 0.4, 0.6
"""Largest parts of an RR interval before and after an R peak that belong to the beat when noise is measured."""

OF_A_LEAD = {
    "amplitude": ("small waves", "large waves"),
    "peakedness": ("no high peaks", "high peaks and little else"),
    "low_frequencies": ("little below 1.5 Hz", "baseline wander"),
    "middle_frequencies": ("little between 15 and 25 Hz", "much between 15 and 25 Hz"),
    "high_frequencies": ("little above 25 Hz (a low-pass filter?)", "much above 25 Hz (muscle noise?)"),
    "beat_difference": ("beats are alike to an unusual degree", "beats differ from each other"),
    "qrs_width": ("narrow QRS complexes", "wide QRS complexes"),
    "t_wave": ("small T waves", "large T waves"),
    "noise": ("little noise between the beats", "noise between the beats"),
}
"""Features of a lead; in words, what a small and what a large value means."""
OF_THE_RHYTHM = {
    "interval": ("a fast heart rate", "a slow heart rate"),
    "irregularity": ("an unusually regular rhythm", "an irregular rhythm"),
    "uncertainty": ("", "beats that two detectors disagree on"),
}
"""Features of all leads together, in the same way."""
NAMES = (*OF_A_LEAD, *OF_THE_RHYTHM)
"""All features, in the order of ``measure``."""


def measure(waves: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of observed leads of one window.

    Args:
        waves: (lead, time) in mV, at 100 Hz and band-passed as a model's preprocessing does it.

    Returns:
        Features of each lead, (lead, ``OF_A_LEAD``); features of the rhythm, (``OF_THE_RHYTHM``,); and the noise of
        each lead in mV, (lead,): the mean difference of its beats from their median beat.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> lead, rhythm, noise = measure(simulate(1, heart_rate=60).pick("I").signal[0].numpy())
        >>> lead.shape, round(float(np.exp(rhythm[0])), 2), bool(noise[0] < 0.01)
        ((1, 9), 1.0, True)
    """
    waves = np.asarray(waves, np.float64)
    narrow = index.qrs_band(waves)
    joint = waves.std(0) if len(waves) > 1 else waves[0]
    energy = np.linalg.norm(narrow, axis=0)
    beats = index.centred(index.beats_by_slope(joint), energy)
    rms = np.sqrt((waves**2).mean(-1)) + LEAST
    peaks = np.log((np.quantile(np.abs(waves), 0.995, axis=-1) + LEAST) / rms)
    difference, width, t_wave = _of_beats(waves, beats)
    noise = _noise(waves, beats)
    columns = [np.log(rms), peaks, *_bands(waves), difference, width, t_wave, np.log(noise + 3 * LEAST)]
    return np.stack(columns, 1), _rhythm(beats, energy), noise


def _bands(waves: np.ndarray) -> list[np.ndarray]:
    """Logarithms of the shares of the energy below 1.5, between 15 and 25, and above 25 Hz, (lead,) each."""
    power = np.abs(np.fft.rfft(waves * np.hanning(waves.shape[-1]))) ** 2 + 1e-12
    at = np.fft.rfftfreq(waves.shape[-1], 1 / index.RATE)
    whole = power[:, (at >= 1.5) & (at < 40)].sum(-1)
    edges = ((0.4, 1.5), (15, 25), (25, 45))
    return [np.log(power[:, (at >= low) & (at < high)].sum(-1) / whole) for low, high in edges]


def _of_beats(waves: np.ndarray, beats: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Difference of the beats from each other, width of QRS, and T wave relative to QRS, logarithms (lead,) each."""
    if len(beats) < 2:
        return np.zeros(len(waves)), np.full(len(waves), np.log(5.0)), np.zeros(len(waves))
    alike = np.array([_median(index.similarity(wave, beats)) for wave in waves])
    at = np.clip(beats[:, None] + np.arange(-30, 50), 0, waves.shape[-1] - 1)
    median = np.median(waves[:, at], 1)
    median = median - np.median(median, -1, keepdims=True)
    slope = np.gradient(median, axis=-1)[:, 15:55] ** 2 + 1e-12
    place = np.arange(slope.shape[-1])
    centre = (slope * place).sum(-1) / slope.sum(-1)
    width = np.sqrt((slope * (place - centre[:, None]) ** 2).sum(-1) / slope.sum(-1))
    largest = np.abs(median[:, 42:]).max(-1) / (np.abs(median[:, 22:38]).max(-1) + LEAST)
    return np.log(1.02 - np.clip(alike, -1, 1)), np.log(width + 0.5), np.log(largest + 0.05)


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0


def _noise(waves: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Median over beats of the mean absolute difference from the median beat, (lead,) mV; of the wave without beats."""
    if len(beats) > 2:
        step = float(np.median(np.diff(beats)))
        before, after = (int(min(0.5 * index.RATE, part * step)) for part in (BEFORE, AFTER))
        inner = beats[(beats >= before) & (beats + after < waves.shape[-1])]
        if len(inner) > 2:
            pieces = waves[:, inner[:, None] + np.arange(-before, after)]
            return np.median(np.abs(pieces - np.median(pieces, 1, keepdims=True)).mean(-1), 1)
    return np.abs(waves).mean(-1)


def _rhythm(beats: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Logarithm of the mean RR interval in s, of its irregularity, and uncertainty of the beats."""
    if len(beats) < 2:
        return np.array([np.log(0.5), np.log(0.01), 1.0])
    intervals = np.diff(beats) / index.RATE
    irregular = np.median(np.abs(np.diff(intervals))) / intervals.mean() if len(intervals) > 1 else 0.0
    disagreement = 1 - index.agreement(beats, index.beats_by_energy(energy))
    return np.array([np.log(intervals.mean()), np.log(0.01 + irregular), disagreement])
