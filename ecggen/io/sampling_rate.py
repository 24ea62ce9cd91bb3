"""Whether the durations of the waves fit the stated sampling rate.

An ECG of 500 Hz that is read with 250 Hz shows half the heart rate, and a QRS and QT twice as long, all of which occur,
but not together. Two logistic regressions on RR interval, duration of the QRS, frequency of the QRS and time from R to
the peak of T compare the stated rate with twice and half of it. They were fitted to 2,400 records of PTB-XL, folds 1–8,
as recorded and with wrong rates; ``evaluation/results/signal_quality.json`` has the detection rate on fold 9.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ecggen.core import signal_quality as index
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError

CENTRES = (0.84, 0.09, 11.8, 0.24)
"""Usual RR interval in s, duration and mean frequency of the QRS in s and Hz, and time from R to the peak of T in s."""


@dataclass(frozen=True)
class Odds:
    """Log odds that the true rate is ``factor`` times the stated one.

    Attributes:
        factor: 2 or 0.5.
        intercept: Log odds at ``CENTRES``.
        weights: Of the four features, relative to ``CENTRES``, and of their ten products.
        limit: Log odds from which the stated rate is doubted.
    """

    factor: float
    intercept: float
    weights: tuple[float, ...]
    limit: float


FEW_LEADS = (
    Odds(2.0, -4.2, (-2.06, 3.24, -6.76, 3.42, 11.4, 4.58, -2.38, -2.94, 6.47, 7.91, -0.95, -2.9, 0.56, 4.21), 4.6),
    Odds(0.5, -4.6, (2.71, -3.1, 2.24, -12.29, 4.31, 2.36, -2.8, 9.68, 0.27, 0.03, -2.64, 4.07, -0.48, -11.33), 4.3),
)
"""Models for one to five leads."""
MANY_LEADS = (
    Odds(2.0, -4.93, (-2.96, 6.6, -7.57, 3.66, 11.07, -0.91, -6.0, -3.7, 9.1, 15.91, 1.53, -1.93, 2.08, 4.49), 3.4),
    Odds(0.5, -6.89, (5.06, -6.09, 5.94, -23.25, 3.8, -5.72, -2.56, 11.21, 1.99, -1.13, 1.9, 8.85, 4.26, -20.19), 2.0),
)
"""Models for six leads and more."""
MANY = 6
"""Number of leads from which ``MANY_LEADS`` is used."""
HEART_RATES = (40.0, 240.0)
"""Range in beats per minute in which the heart rate must lie at the rate that would fit better."""
FEWEST = 3
"""Fewest complete beats."""

_QRS = round(0.25 * index.RATE)


def rate_that_fits(ecg: ECG) -> float | None:
    """A sampling rate that fits the waves of one record better than its own: twice or half of it; None if none does.

    Args:
        ecg: One record without missing samples, whose beats are certain.

    Raises:
        InputError: If a batch is given.

    Example:
        >>> from dataclasses import replace
        >>> from ecggen.core.simulate import simulate
        >>> ecg = simulate(1, fs=500, heart_rate=75)
        >>> rate_that_fits(ecg), rate_that_fits(replace(ecg, fs=1000.0))
        (None, 500.0)
    """
    if len(ecg) != 1:
        raise InputError(f"the ECG is a batch of {len(ecg)} records", "one was expected", "judge them one by one")
    features = _durations(index.prepare(ecg.signal[0].numpy(), ecg.fs))
    if features is None:
        return None
    apart = np.log(features) - np.log(CENTRES)
    terms = np.r_[apart, np.outer(apart, apart)[np.triu_indices(4)]]
    models = MANY_LEADS if len(ecg.leads) >= MANY else FEW_LEADS
    rate = 60 / features[0]
    for model in models:
        usual = HEART_RATES[0] <= rate * model.factor <= HEART_RATES[1]
        if usual and model.intercept + float(terms @ model.weights) > model.limit:
            return ecg.fs * model.factor
    return None


def _durations(waves: np.ndarray) -> tuple[float, float, float, float] | None:
    """RR interval in s, duration of the QRS in s, its mean frequency in Hz, and time from R to the peak of T in s.

    They are measured in the median beat of prepared waves (lead, time); None if there are too few beats. P and T are
    searched in shares of the RR interval, so that the search does not depend on the rate in question.
    """
    beats = index.beats_by_slope(waves.std(0) if len(waves) > 1 else waves[0])
    beats = index.centred(beats, np.linalg.norm(index.qrs_band(waves), axis=0))
    if len(beats) < FEWEST:
        return None
    interval = float(np.median(np.diff(beats)))
    before, after = max(int(0.35 * interval), 12), max(int(0.65 * interval), 12)
    beats = beats[(beats >= before + 12) & (beats + after + 12 < waves.shape[1])]
    if len(beats) < FEWEST - 1:
        return None
    beat = np.median(waves[:, beats[:, None] + np.arange(-before, after)], axis=1)
    beat -= np.median(beat, axis=1, keepdims=True)
    first, last = max(8, int(0.1 * interval)), int(0.62 * interval)
    energy = gaussian_filter1d((beat**2).sum(0), 3)[before + first : before + last]
    if len(energy) < 3:
        return None
    peak = (first + int(energy.argmax())) / index.RATE
    return interval / index.RATE, _qrs_duration(beat, before), _qrs_frequency(beat, before), peak


def _qrs_duration(beat: np.ndarray, at: int) -> float:
    """Time in s around sample ``at`` in which the energy of the slope exceeds a tenth of its maximum."""
    slope = gaussian_filter1d((np.diff(beat, axis=1) ** 2).sum(0), 1.0)
    start = max(0, at - _QRS)
    top = start + int(slope[start : at + _QRS].argmax())
    low = np.flatnonzero(slope <= 0.1 * slope[top])
    first, last = low[low < top], low[low > top]
    return float((last[0] if len(last) else len(slope) - 1) - (first[-1] if len(first) else 0)) / index.RATE


def _qrs_frequency(beat: np.ndarray, at: int) -> float:
    """Mean frequency in Hz of the QRS around sample ``at``, above 2 Hz."""
    part = beat[:, max(0, at - _QRS) : at + _QRS]
    power = (np.abs(np.fft.rfft(part * np.hanning(part.shape[1]), 256, axis=1)) ** 2).sum(0)
    hz = np.fft.rfftfreq(256, 1 / index.RATE)
    kept = hz >= 2
    return float((power * hz)[kept].sum() / (power[kept].sum() + 1e-18))
