"""Beat detection: R peaks of an ECG, pulses of a PPG, heart rate, and the delay between R peak and pulse.

R peaks are detected by sleepecg (Brunner et al.; a Pan–Tompkins detector, IEEE TBME 1985;32:230) on the standard
deviation across leads, which a QRS complex in any lead raises. A pulse is timed at its steepest rise, which depends
neither on respiration nor on the height of its peak.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt

from ecggen.core.ecg import ECG

DETECTOR = "sleepecg.detect_heartbeats on the standard deviation across leads"
"""Description of the R-peak detector, stored in every result that depends on it."""

PULSE_DETECTOR = (
    "ecggen.core.rhythm.pulse_rises: peaks of the 0.5–8 Hz band-passed PPG's slope above a moving threshold"
)
"""Description of the pulse detector, stored in every result that depends on it."""

PULSE_BAND = (0.5, 8.0)
"""Pass band in Hz: respiration lies below it, and a pulse has no components above it."""
LAGS = (-0.5, 1.5)
"""Range in seconds in which the delay of a pulse is searched; a recorder may delay either signal."""
USUAL_LAGS = (0.1, 0.75)
"""Preferred range in seconds; in a regular rhythm, delays one RR interval apart have almost equal scores.

The pulse transit time is 0.1 to 0.4 s; with the delay of its recorder, BIDMC has 0.46–0.70 s.
"""
COMPARABLE = 0.97
"""Fraction of the best score at which another delay counts as almost equal."""

_SHARE_OF_SLOPE = 0.35
_FASTEST = 0.22


def r_peaks(ecg: ECG, between: bool = False) -> list[np.ndarray]:
    """Detect the R peaks of each record.

    Args:
        ecg: At least one lead.
        between: Whether to interpolate between samples with a parabola through each peak.

    Returns:
        For each record, the times of its R peaks in seconds; empty for a flat signal.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> r_peaks(simulate(1, seconds=4, heart_rate=60))[0].round(1).tolist()
        [0.4, 1.4, 2.4, 3.4]
    """
    from sleepecg.heartbeats import detect_heartbeats

    waves = ecg.signal.double().numpy()
    waves = waves.std(1) if waves.shape[1] > 1 else waves[:, 0]
    found = [detect_heartbeats(wave, ecg.fs) if np.ptp(wave) > 0 else np.zeros(0, int) for wave in waves]
    if between:
        found = [_between_samples(wave, at) for wave, at in zip(waves, found, strict=True)]
    return [at / ecg.fs for at in found]


def heart_rate(peaks: np.ndarray) -> float | None:
    """Mean heart rate in beats per minute from R-peak times in seconds; None for fewer than two peaks.

    Example:
        >>> heart_rate(np.array([0.4, 1.4, 2.4]))
        60.0
    """
    return None if len(peaks) < 2 else float(60 * (len(peaks) - 1) / (peaks[-1] - peaks[0]))


def contradiction(given: float | None, measured: float | None) -> str:
    """Message for a given heart rate that contradicts the measured one (both in beats per minute); "" if they agree.

    They contradict each other if they differ by more than 15 % and by more than 8 beats per minute. The measured rate
    is then used, and the given one is not passed to the model.
    """
    if given is None or measured is None or abs(given - measured) <= max(0.15 * measured, 8.0):
        return ""
    return f"a heart rate of {given:.0f} per minute was given and {measured:.0f} is measured; the measured one is used"


def pulse_slope(wave: np.ndarray, fs: float) -> np.ndarray:
    """Slope of a PPG (time,) band-passed to ``PULSE_BAND``, with unit standard deviation; zeros for a flat signal."""
    wave = np.asarray(wave, np.float64)
    low, high = PULSE_BAND
    sos = butter(3, (low, min(high, 0.45 * fs)), "bandpass", fs=fs, output="sos")
    slope = np.gradient(sosfiltfilt(sos, wave - wave.mean(), padlen=min(int(fs), len(wave) - 1)))
    deviation = slope.std()
    return slope / deviation if deviation > 1e-9 * (np.ptp(wave) or 1) else np.zeros_like(slope)


def pulse_rises(wave: np.ndarray, fs: float) -> np.ndarray:
    """Times in s of the steepest rise of each pulse of a PPG (time,) at ``fs`` Hz; empty for a flat signal.

    The threshold is a fraction of the steepest rises in the surrounding seconds. Small pulses of a cold hand or under
    respiration are therefore detected and dicrotic waves are not. No rhythm is assumed.
    """
    slope = pulse_slope(wave, fs)
    steepest = maximum_filter1d(slope, max(1, round(2 * fs)))
    typical = uniform_filter1d(steepest, max(1, round(4 * fs)))
    at, _ = find_peaks(slope, height=np.maximum(_SHARE_OF_SLOPE * np.minimum(steepest, typical), 1e-6))
    return _between_samples(slope, _without_close(at, slope, _FASTEST * fs)) / fs


def pulse_delay(peaks: np.ndarray, wave: np.ndarray, fs: float) -> float | None:
    """Delay in seconds from the R peaks of a recording to the steepest rise of their pulses; None without beats.

    It is the lag in ``LAGS`` at which the PPG rises most steeply on average over all beats: the maximum of the
    cross-correlation of the R-peak train with the rising part of the slope. In a regular rhythm, lags one RR interval
    apart have almost equal scores; the one in ``USUAL_LAGS`` is then selected.

    Args:
        peaks: Times of the R peaks in s.
        wave: The PPG (time,).
        fs: Sampling rate of the PPG in Hz.
    """
    rising = np.clip(pulse_slope(wave, fs), 0, None)
    rising = np.minimum(rising, np.quantile(rising, 0.99))  # one second of motion artifact must not dominate
    lags = np.arange(round(LAGS[0] * fs), round(LAGS[1] * fs) + 1)
    at = np.round(np.asarray(peaks) * fs).astype(int)[:, None] + lags
    inside = (at >= 0) & (at < len(rising))
    counted = inside.sum(0)
    if len(at) < 2 or not rising.any() or counted.min() < 1:
        return None
    score = np.where(inside, rising[np.clip(at, 0, len(rising) - 1)], 0.0).sum(0) / counted
    tops, _ = find_peaks(score)
    if not len(tops):
        return None
    good = tops[score[tops] >= COMPARABLE * score[tops].max()]
    usual = good[(lags[good] >= USUAL_LAGS[0] * fs) & (lags[good] <= USUAL_LAGS[1] * fs)]
    best = max(usual if len(usual) else good, key=lambda top: score[top])
    return float(_between_samples(score, np.array([best]))[0] + lags[0]) / fs


def _without_close(at: np.ndarray, height: np.ndarray, distance: float) -> np.ndarray:
    """The positions ``at`` without those closer than ``distance`` to a higher one."""
    kept: list[int] = []
    for here in at:
        if kept and here - kept[-1] < distance:
            if height[here] > height[kept[-1]]:
                kept[-1] = int(here)
        else:
            kept.append(int(here))
    return np.array(kept, int)


def _between_samples(curve: np.ndarray, tops: np.ndarray) -> np.ndarray:
    """Positions in samples of the maxima of the parabolas through each peak of ``curve`` and its neighbours."""
    inner = np.clip(tops, 1, len(curve) - 2)
    left, top, right = curve[inner - 1], curve[inner], curve[inner + 1]
    bend = left - 2 * top + right
    step = np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    return inner + np.clip(step, -0.5, 0.5)
