"""When the heart beats: R peaks and pulses, the rates that follow from them, and the delay between the two.

R peaks are found by sleepecg (Brunner et al.; a Pan–Tompkins detector, IEEE TBME 1985;32:230) on the deviation
across leads, which a QRS in any of them raises and which no choice of lead can hide. A pulse is timed by its
steepest rise, which neither breathing nor the height of its top moves.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt

from ecggen.core.ecg import ECG

DETECTOR = "sleepecg.detect_heartbeats on the standard deviation across leads"
"""Named in every result that rests on R peaks."""

PULSE_DETECTOR = (
    "ecggen.core.rhythm.pulse_rises: peaks of the 0.5–8 Hz band-passed PPG's slope above a moving threshold"
)
"""Named in every result that rests on pulses."""

PULSE_BAND = (0.5, 8.0)
"""Hz: below lies breathing, above nothing of a pulse."""
LAGS = (-0.5, 1.5)
"""Seconds in which the delay of a pulse is looked for; a recorder may delay either signal."""
USUAL_LAGS = (0.1, 0.75)
"""Seconds that are preferred where a regular rhythm leaves several delays, one RR interval apart, about equally good.

The way of the pulse alone takes 0.1 to 0.4 s; BIDMC's recorder comes to 0.46–0.70 s with its own delay.
"""
COMPARABLE = 0.97
"""Share of the best delay's score from which another is about equally good."""

_SHARE_OF_SLOPE = 0.35
_FASTEST = 0.22


def r_peaks(ecg: ECG, between: bool = False) -> list[np.ndarray]:
    """Times in s of the R peaks of each record of ``ecg``; empty where there are none (a flat line).

    Args:
        ecg: At least one lead.
        between: Tell them between samples, by the parabola through each peak; whole samples otherwise.
    """
    from sleepecg.heartbeats import detect_heartbeats

    waves = ecg.signal.double().numpy()
    waves = waves.std(1) if waves.shape[1] > 1 else waves[:, 0]
    found = [detect_heartbeats(wave, ecg.fs) if np.ptp(wave) > 0 else np.zeros(0, int) for wave in waves]
    if between:
        found = [_between_samples(wave, at) for wave, at in zip(waves, found, strict=True)]
    return [at / ecg.fs for at in found]


def heart_rate(peaks: np.ndarray) -> float | None:
    """Mean rate in beats per minute between the first and the last R peak (s); None for fewer than two."""
    return None if len(peaks) < 2 else float(60 * (len(peaks) - 1) / (peaks[-1] - peaks[0]))


def contradiction(told: float | None, measured: float | None) -> str:
    """What to say where a told heart rate is not the measured one (both per minute); "" where they agree.

    They contradict each other where they differ by more than 15 % and by more than 8 beats a minute. The measured one
    is then to be followed, and the told one kept from the model.
    """
    if told is None or measured is None or abs(told - measured) <= max(0.15 * measured, 8.0):
        return ""
    return (
        f"a heart rate of {told:.0f} per minute was told and {measured:.0f} is measured; the measured one is followed"
    )


def pulse_slope(wave: np.ndarray, fs: float) -> np.ndarray:
    """Slope per second of a PPG (time,) in ``PULSE_BAND``, of unit deviation; zeros for a flat line."""
    wave = np.asarray(wave, np.float64)
    low, high = PULSE_BAND
    sos = butter(3, (low, min(high, 0.45 * fs)), "bandpass", fs=fs, output="sos")
    slope = np.gradient(sosfiltfilt(sos, wave - wave.mean(), padlen=min(int(fs), len(wave) - 1)))
    spread = slope.std()
    return slope / spread if spread > 1e-9 * (np.ptp(wave) or 1) else np.zeros_like(slope)


def pulse_rises(wave: np.ndarray, fs: float) -> np.ndarray:
    """Times in s of the steepest rise of each pulse of a PPG (time,) at ``fs`` Hz; empty for a flat line.

    A rise counts where it has a share of the steepest ones of the few seconds around it, so that small pulses of a
    cold or breathing hand count and dicrotic waves do not; no rhythm is presumed.
    """
    slope = pulse_slope(wave, fs)
    steepest = maximum_filter1d(slope, max(1, round(2 * fs)))
    usual = uniform_filter1d(steepest, max(1, round(4 * fs)))
    at, _ = find_peaks(slope, height=np.maximum(_SHARE_OF_SLOPE * np.minimum(steepest, usual), 1e-6))
    return _between_samples(slope, _apart(at, slope, _FASTEST * fs)) / fs


def pulse_delay(peaks: np.ndarray, wave: np.ndarray, fs: float) -> float | None:
    """Seconds from an R peak to the steepest rise of its pulse, one number for a recording; None without beats.

    The lag in ``LAGS`` at which the PPG rises most steeply on average over all beats: the cross-correlation of the
    train of beats with the rising part of the slope. In a regular rhythm, lags an RR interval apart are about as good;
    then the one in ``USUAL_LAGS`` is taken.

    Args:
        peaks: Times of the R peaks in s.
        wave: The PPG (time,).
        fs: Its rate in Hz.
    """
    rising = np.clip(pulse_slope(wave, fs), 0, None)
    rising = np.minimum(rising, np.quantile(rising, 0.99))  # one shaken second must not outweigh the rest
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


def _apart(at: np.ndarray, height: np.ndarray, distance: float) -> np.ndarray:
    """The positions ``at`` without those that lie nearer than ``distance`` to a higher one."""
    kept: list[int] = []
    for here in at:
        if kept and here - kept[-1] < distance:
            if height[here] > height[kept[-1]]:
                kept[-1] = int(here)
        else:
            kept.append(int(here))
    return np.array(kept, int)


def _between_samples(curve: np.ndarray, tops: np.ndarray) -> np.ndarray:
    """Where the parabolas through each top of ``curve`` and its neighbours stand highest, in samples."""
    inner = np.clip(tops, 1, len(curve) - 2)
    left, top, right = curve[inner - 1], curve[inner], curve[inner + 1]
    bend = left - 2 * top + right
    step = np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    return inner + np.clip(step, -0.5, 0.5)
