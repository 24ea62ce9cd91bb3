"""Recognition of an ECG and of a PPG by the waveform, for a channel whose name does not tell.

Both repeat with each heart beat. A QRS complex lasts about 0.1 s, and most of the power of its slope lies above 8 Hz.
The slope of a pulse has almost no power there: it rises within 0.1 to 0.2 s and falls during most of the beat. Sines
rise during half of their period, and waves of noise resemble each other less than pulses do. The thresholds were
chosen on PTB-XL (folds 1–8), BIDMC, CinC 2015, sines and noise.

Share that ``looks_like_ppg`` accepts: 98.8 % of BIDMC's PPGs of 30 s, and 91.3 % of CinC 2015's in which the pulse rate
is that of the ECG; of leads, 0.1 % of PTB-XL's fold 9, none of LUDB's, none of CinC 2011's acceptable and 0.3 % of its
unacceptable ones, 0.7 % of CinC 2015's; 5.1 % of BIDMC's respirations; no sines and no noise. Share that
``looks_like_ecg`` accepts: 98.6 %, 99.0 %, 98.4 %, 88.7 % and 92.1 % of these leads; at most 2 % of the PPGs; 6.2 % of
noise. ``evaluation/results/pulses.json`` has all figures.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, find_peaks, sosfiltfilt

from ecggen.core.rhythm import pulse_slope, pulses

SHARP = (0.15, 0.25)
"""Share of the power of the median beat's slope above 8 Hz: up to the first it may be a pulse, from the second a QRS.

It is below 0.09 in 99 % of BIDMC's PPGs of 10 s, and above 0.37 in 99 % of PTB-XL's leads.
"""
ALIKE = (0.94, 0.75)
"""Smallest median correlation of the beats with their median: of pulses, ±0.2 s, and of QRS complexes, ±0.08 s."""
PEAKED = 5.5
"""Smallest kurtosis of the slope of an ECG; QRS complexes take up a small part of a beat. Noise has 3."""
RISE = (0.066, 0.2)
"""Duration in s of the rise of a pulse: width at half height of its slope, band-passed to ``rhythm.PULSE_BAND``."""
RISE_OF_BEAT = 0.25
"""Largest duration of the rise as a fraction of the interval between pulses; a sine has 0.33."""
SLOWEST = 25.0
"""Smallest pulse rate per minute."""
BETWEEN = 0.8
"""Largest slope between two pulses as a fraction of that of a pulse; a large dicrotic wave has 0.5 to 0.7."""
REGULAR = 0.5
"""Largest sum of the variation coefficients of intervals and of steepness in a regular PPG.

It is smaller in 93 % of BIDMC's PPGs of 10 s, and in 22 % of the respirations that look like an inverted PPG.
"""

_BAND = (0.5, 40.0)
_QRS_FROM = 8.0
_MOST_BEATS = 300


def looks_like_ecg(wave: np.ndarray, fs: float) -> bool:
    """Whether the waveform (time,) at ``fs`` Hz is that of an ECG: narrow waves of similar shape.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> looks_like_ecg(simulate(1, heart_rate=72).signal[0, 1].numpy(), 100)
        True
    """
    slope = _wide_slope(wave, fs)
    beats = _qrs_slopes(slope, fs)
    around = slice(round(0.17 * fs), -round(0.17 * fs) or None)
    return (
        len(beats) > 2
        and _sharpness(beats, fs) >= SHARP[1]
        and _likeness(beats[:, around]) >= ALIKE[1]
        and float((slope**4).mean()) >= PEAKED
    )


def looks_like_ppg(wave: np.ndarray, fs: float, regular: bool = False) -> bool:
    """Whether the waveform (time,) is that of an upright PPG: smooth, steep rises of similar shape.

    Args:
        wave: Any unit.
        fs: Sampling rate in Hz.
        regular: Whether its pulses must also be of similar height and interval.

    Example:
        >>> from ecggen.core.simulate import simulate_ppg, simulated_peaks
        >>> looks_like_ppg(simulate_ppg(simulated_peaks(10, 72), 10, 125, np.random.default_rng(0)), 125)
        True
        >>> looks_like_ppg(np.sin(7.5 * np.arange(1250) / 125), 125)
        False
    """
    rises, slope = pulses(wave, fs).rises, pulse_slope(wave, fs)
    at = np.round(rises * fs).astype(int)
    narrow, wide = round(0.2 * fs), round(0.5 * fs)
    beats = _around(slope, at, wide)
    if len(beats) < 3:
        return False
    steps = np.diff(rises)
    interval, beat = float(np.median(steps)), np.median(beats, axis=0)
    rise = _width(beat) / fs
    sharp = _around(_wide_slope(wave, fs), at, round(0.25 * fs))
    return (
        RISE[0] <= rise <= min(RISE[1], RISE_OF_BEAT * interval)
        and interval <= 60 / SLOWEST
        and _steepest_between(beat, rise * fs, interval * fs) <= BETWEEN * beat[wide]
        and _likeness(beats[:, wide - narrow : wide + narrow + 1]) >= ALIKE[0]
        and (not regular or _variation(steps) + _variation(slope[at]) <= REGULAR)
        and _sharpness(sharp, fs) <= SHARP[0]
        and not looks_like_ecg(wave, fs)
    )


def _wide_slope(wave: np.ndarray, fs: float) -> np.ndarray:
    """Slope of a wave band-passed to 0.5–40 Hz, with unit deviation and its steepest part upwards; zeros if flat."""
    wave = np.asarray(wave, np.float64)
    sos = butter(3, (_BAND[0], min(_BAND[1], 0.45 * fs)), "bandpass", fs=fs, output="sos")
    slope = np.gradient(sosfiltfilt(sos, wave - wave.mean(), padlen=min(int(fs), len(wave) - 1)))
    low, high = np.quantile(slope, (0.001, 0.999))
    deviation = slope.std() * (-1 if -low > high else 1)
    return slope / deviation if abs(deviation) > 1e-9 * (np.ptp(wave) or 1) else np.zeros_like(slope)


def _qrs_slopes(slope: np.ndarray, fs: float) -> np.ndarray:
    """(beat, time): the slope ±0.25 s around its peaks, which are those of QRS complexes in an ECG."""
    at, _ = find_peaks(slope, distance=max(1, round(0.25 * fs)), height=max(1e-6, 0.4 * np.quantile(slope, 0.99)))
    return _around(slope, at, round(0.25 * fs))


def _around(slope: np.ndarray, at: np.ndarray, reach: int) -> np.ndarray:
    """(beat, time): parts of ``slope`` around positions; of many beats, every n-th."""
    at = at[(at >= reach) & (at < len(slope) - reach)]
    at = at[:: 1 + len(at) // _MOST_BEATS]
    return slope[at[:, None] + np.arange(-reach, reach + 1)]


def _sharpness(beats: np.ndarray, fs: float) -> float:
    """Share of the power of the median of some slopes (beat, time) above 8 Hz; 1 without beats."""
    if not len(beats):
        return 1.0
    power = np.abs(np.fft.rfft(np.median(beats, axis=0) * np.hanning(beats.shape[1]), 1024)) ** 2
    frequency = np.fft.rfftfreq(1024, 1 / fs)
    inside = frequency <= _BAND[1]
    return float(power[inside & (frequency > _QRS_FROM)].sum() / max(power[inside].sum(), 1e-12))


def _likeness(beats: np.ndarray) -> float:
    """Median correlation of some slopes (beat, time) with their median."""
    beats = beats - beats.mean(axis=1, keepdims=True)
    middle = np.median(beats, axis=0)
    norms = np.linalg.norm(beats, axis=1) * np.linalg.norm(middle)
    return float(np.median(beats @ middle / np.maximum(norms, 1e-12)))


def _steepest_between(slope: np.ndarray, rise: float, interval: float) -> float:
    """Largest slope after a rise in the middle of ``slope``, and well before the next one an interval later."""
    middle = len(slope) // 2
    between = slope[middle + round(1.5 * rise) : middle + round(0.6 * interval) + 1]
    return float(between.max()) if len(between) else 0.0


def _variation(values: np.ndarray) -> float:
    """Standard deviation as a fraction of the mean."""
    return float(np.std(values) / np.mean(values))


def _width(slope: np.ndarray) -> float:
    """Samples around the middle of ``slope`` in which it exceeds half of its value there, between samples linearly."""
    middle = len(slope) // 2
    half = slope[middle] / 2
    below = np.flatnonzero(slope <= half)
    before, after = below[below < middle], below[below > middle]
    if not len(before) or not len(after):
        return float(len(slope))
    last, first = int(before[-1]), int(after[0])
    begin = last + (half - slope[last]) / (slope[last + 1] - slope[last])
    return float(first - (half - slope[first]) / (slope[first - 1] - slope[first]) - begin)
