"""Beat detection: R peaks of an ECG, pulses of a PPG, heart rate, and the delay between R peak and pulse.

R peaks are detected by sleepecg (Brunner et al.; a Pan–Tompkins detector, IEEE TBME 1985;32:230) on the standard
deviation across leads, which a QRS complex in any lead raises. A pulse is timed at its steepest rise, which depends
neither on respiration nor on the height of its peak. A dicrotic wave is not a beat, however large it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt

from ecggen.core.ecg import ECG

DETECTOR = "sleepecg.detect_heartbeats on the standard deviation across leads"
"""Description of the R-peak detector, stored in every result that depends on it."""

PULSE_DETECTOR = (
    "ecggen.core.rhythm.pulse_rises: peaks of the 0.5–8 Hz band-passed PPG's slope above a moving threshold, "
    "without dicrotic waves"
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

EJECTION = (0.413, 1.7e-3)
"""Left ventricular ejection time in seconds: the first number minus the second times the heart rate per minute.

Weissler, Harris and Schoenfeld, Circulation 1968;37:149, for men; 418 and 1.6 ms for women. A dicrotic wave begins when
the aortic valve closes, at the end of ejection.
"""
DICROTIC = (0.08, 0.12)
"""Seconds after the ejection time up to which a rise is taken for a dicrotic wave, and up to which it may be one.

In windows of 10 s of CinC 2015 with recurring weaker rises, the rate of the ECG was nearer to the pulse rate without
them in 100 of 105 windows below the first, and in 13 of 61 between the two. Alternating beats of tachycardias lie
above.
"""

_SHARE_OF_SLOPE = 0.35
_FASTEST = 0.22
_CONTINUED = 15
_LEARNT = 2.0
_WEAKER = 0.9
_SURROUNDING = 5.0
_RECURRENCE = 0.4
_FEWEST = 3
_STEADY = 0.04


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
    waves = ecg.signal.double().numpy()
    waves = waves.std(1) if waves.shape[1] > 1 else waves[:, 0]
    found = [beat_positions(wave, ecg.fs) for wave in waves]
    if between:
        found = [_between_samples(wave, at) for wave, at in zip(waves, found, strict=True)]
    return [at / ecg.fs for at in found]


def beat_positions(wave: np.ndarray, fs: float) -> np.ndarray:
    """Positions in samples of the R peaks of a wave (time,) by sleepecg's detector; empty if flat or not finite.

    The detector reads beyond the end of a wave of less than 2 s, because it learns its thresholds from 2 s. It stores
    RR intervals in an array of one element per 0.2 s, and writes beyond its end if there is a peak every 0.2 s, as in a
    sine of 5 Hz. Such waves are therefore continued: first as the detector's own filter would continue them, then
    constant.
    """
    from sleepecg.heartbeats import detect_heartbeats

    wave = np.asarray(wave, np.float64)
    varying = np.flatnonzero(wave != wave[:1])
    if not np.isfinite(wave).all() or not len(varying) or len(wave) - varying[0] <= _CONTINUED:
        return np.zeros(0, int)
    wave_from = wave[varying[0] - 1 :]
    continued = 2 * wave[-1] - wave_from[-2 : -2 - _CONTINUED : -1]
    longer = np.r_[wave_from, continued, np.full(round(_LEARNT * fs), continued[-1])]
    beats = detect_heartbeats(longer, fs)
    beats = beats[beats < len(wave_from)]
    # A continued wave may have a false beat at its edge, so that it is used only where it is needed.
    room = len(wave_from) // int(0.2 * fs) - len(beats)
    if room > 3 and len(wave_from) > _LEARNT * fs + 1:
        return detect_heartbeats(wave, fs)
    return beats + varying[0] - 1


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


@dataclass(frozen=True)
class Pulses:
    """The pulses of a PPG.

    Attributes:
        rises: Times in s of the steepest rise of each pulse.
        dicrotic: Times in s of the steepest rise of each dicrotic wave that is too large to be below the threshold.
        doubt: Why dicrotic waves may be beats, or beats dicrotic waves, in one sentence; "" without a doubt.
    """

    rises: np.ndarray
    dicrotic: np.ndarray
    doubt: str = ""


def pulses(wave: np.ndarray, fs: float, heart_rate: float | None = None) -> Pulses:
    """Detect the pulses of a PPG (time,) at ``fs`` Hz, and its large dicrotic waves.

    The threshold is a fraction of the steepest rises in the surrounding seconds. Small pulses of a cold hand or under
    respiration are therefore detected and most dicrotic waves are not. No rhythm is assumed. A larger dicrotic wave is
    recognised by its time after the beat, see ``DICROTIC``. Premature beats and the weak beats of an alternating pulse
    follow later; those that do not, cannot be told from dicrotic waves by the PPG alone.

    Args:
        wave: The PPG, any unit.
        fs: Sampling rate in Hz.
        heart_rate: Beats per minute, if known. It decides whether waves are dicrotic if only one answer agrees with it.

    Example:
        >>> from ecggen.core.simulate import simulate_ppg
        >>> beats, rng = np.arange(0.5, 19), np.random.default_rng(0)
        >>> waves = [simulate_ppg(beats + late, 20, 100, rng, plain=True) for late in (0, 0.33)]
        >>> found = pulses(waves[0] + 0.7 * waves[1], 100)
        >>> len(found.rises), len(found.dicrotic)
        (19, 19)
        >>> round(float(found.dicrotic[0] - found.rises[0]), 2)
        0.33
    """
    times, steepness = _rises(pulse_slope(wave, fs), fs)
    none = np.zeros(len(times), bool)
    sure, possible = (_dicrotic(times, steepness, late) for late in DICROTIC)
    for dicrotic in (sure, none, possible):
        rate = _rate_without(times, dicrotic)
        if heart_rate is not None and rate is not None and not contradiction(heart_rate, rate):
            return Pulses(times[~dicrotic], times[dicrotic])
    return Pulses(times[~sure], times[sure], _doubt(times, sure, possible))


def pulse_rises(wave: np.ndarray, fs: float, heart_rate: float | None = None) -> np.ndarray:
    """Times in s of the steepest rise of each pulse of a PPG (time,) at ``fs`` Hz; empty for a flat signal.

    Args:
        wave: The PPG, any unit.
        fs: Sampling rate in Hz.
        heart_rate: Beats per minute, if known, see ``pulses``.
    """
    return pulses(wave, fs, heart_rate).rises


def _rises(slope: np.ndarray, fs: float) -> tuple[np.ndarray, np.ndarray]:
    """Times in s of the steepest rises of pulses and of large dicrotic waves, and their steepness."""
    steepest = maximum_filter1d(slope, max(1, round(2 * fs)))
    typical = uniform_filter1d(steepest, max(1, round(4 * fs)))
    at, _ = find_peaks(slope, height=np.maximum(_SHARE_OF_SLOPE * np.minimum(steepest, typical), 1e-6))
    at = _without_close(at, slope, _FASTEST * fs)
    return _between_samples(slope, at) / fs, slope[at]


def _dicrotic(times: np.ndarray, steepness: np.ndarray, late: float) -> np.ndarray:
    """Which rises are those of dicrotic waves, up to ``late`` seconds after the ejection time.

    They are weaker than the rises before and after, and recur: among the rises within five seconds are three such
    waves or more, two for five beats or more, at a steady interval after the beat.
    """
    if len(times) < _FEWEST + 1:
        return np.zeros(len(times), bool)
    steps = np.diff(times)
    weaker = (steepness[1:] < _WEAKER * steepness[:-1]) & (steepness[1:] < _WEAKER * np.r_[steepness[2:], np.inf])
    period = np.r_[steps[:-1] + steps[1:], np.median(steps[:-1] + steps[1:])]
    alike = np.r_[False, weaker & (steps <= EJECTION[0] - EJECTION[1] * 60 / period + late)]
    after = np.where(alike, np.r_[0.0, steps], 0.0)
    first = np.searchsorted(times, times - _SURROUNDING)
    last = np.searchsorted(times, times + _SURROUNDING, "right")
    count, total, squares = (
        (sums := np.r_[0.0, np.cumsum(each)])[last] - sums[first] for each in (alike, after, after**2)
    )
    spread = np.sqrt(np.maximum(squares / np.maximum(count, 1) - (total / np.maximum(count, 1)) ** 2, 0))
    recurring = (count >= _FEWEST) & (count >= _RECURRENCE * (last - first - count)) & (spread <= _STEADY)
    return alike & recurring


def _rate_without(times: np.ndarray, dicrotic: np.ndarray) -> float | None:
    """Pulse rate per minute if some rises are those of dicrotic waves."""
    return heart_rate(times[~dicrotic])


def _doubt(times: np.ndarray, sure: np.ndarray, possible: np.ndarray) -> str:
    """The doubt of ``Pulses``."""
    waves = sure if sure.any() else possible
    fewer, more = _rate_without(times, waves), _rate_without(times, np.zeros_like(waves))
    if not waves.any() or fewer is None or more is None:
        return ""
    delay = np.diff(times, prepend=0.0)[waves].mean()
    taken = "they are taken for dicrotic waves" if sure.any() else "they are taken for beats"
    rates = (fewer, more) if sure.any() else (more, fewer)
    return (
        f"weaker waves {delay:.2f} s after a pulse: {taken}, which gives a pulse rate of {rates[0]:.0f} per minute "
        f"instead of {rates[1]:.0f}"
    )


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
