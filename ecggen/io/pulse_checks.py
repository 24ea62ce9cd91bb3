"""Checks and corrections of the waveform of a PPG: clipping, polarity, dicrotic waves, and whether there is a pulse."""

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.signal import find_peaks

from ecggen.core.errors import InputError, argument
from ecggen.core.gaps import runs
from ecggen.core.rhythm import Pulses, pulse_slope, pulses

CLIPPED = (0.02, 0.3)
"""Fractions of samples at the highest or lowest value from which a PPG is reported as clipped, and rejected."""
PULSES = (25.0, 300.0)
"""Range of plausible pulse rates in beats per minute."""
UPSIDE_DOWN = -0.5
"""Skewness of the slope below which a PPG is inverted.

A pulse rises faster than it falls: the slope's skewness is 0.25 to 1.95 in the first four minutes of BIDMC's 43
recordings, and above 0.27 in 99 % of their windows of 10 s.
"""
SIMILAR = 0.83
"""Smallest median correlation of the rises of an irregular PPG with their mean.

98 % of BIDMC's windows of 10 s have more than 0.95, simulated atrial fibrillation of 30 s more than 0.84; band-passed
noise of 10 s has 0.63 to 0.87, with a median of 0.77.
"""
PERIODIC = 0.6
"""Autocorrelation from which a PPG counts as periodic; in atrial fibrillation it is not."""


def clipped(wave: np.ndarray) -> list[str]:
    """A note if a PPG is clipped; InputError if most of it is."""
    share = max(
        sum(last - first for first, last in runs(np.asarray(wave == end)) if last - first >= 3) / len(wave)
        for end in (wave.min(), wave.max())
    )
    if share >= CLIPPED[1]:
        found = f"the PPG is clipped: {share:.0%} of it has one value"
        do = "reduce the gain of the sensor, or choose another segment"
        raise InputError(found, f"less than {CLIPPED[1]:.0%} was expected", do)
    return [f"{share:.0%} of the PPG is clipped"] if share >= CLIPPED[0] else []


def upright(wave: np.ndarray, fs: float) -> tuple[np.ndarray, list[str]]:
    """``wave`` with upright pulses, and a note if it was inverted or its polarity is unclear."""
    skewness = lean(wave, fs)
    if skewness < UPSIDE_DOWN:
        return -wave, ["the PPG was upside down (it fell faster than it rose) and has been inverted"]
    unclear = "the polarity of the PPG is unclear (it rises as fast as it falls); it was not inverted"
    return wave, [unclear] if skewness < 0 else []


def lean(wave: np.ndarray, fs: float) -> float:
    """Skewness of the slope of a PPG (time,): positive if it rises faster than it falls, as pulses do."""
    slope = pulse_slope(wave, fs)
    return float((slope**3).mean())


def one_rise_per_beat(wave: np.ndarray, fs: float, heart_rate: float | None) -> tuple[np.ndarray, list[str]]:
    """``wave`` in which dicrotic waves that are as large as beats are levelled, and a note about them or a doubt."""
    found = pulses(wave, fs, heart_rate)
    doubt = [found.doubt] if found.doubt else []
    if not len(found.dicrotic):
        return wave, doubt
    count = f"{len(found.dicrotic)} large dicrotic wave{'s were' if len(found.dicrotic) > 1 else ' was'} levelled"
    return _levelled(wave, fs, found), [count, *doubt]


def _levelled(wave: np.ndarray, fs: float, found: Pulses) -> np.ndarray:
    """``wave`` that falls without a rise from the top of each beat with a dicrotic wave to the foot of the next beat.

    The fall is the monotonic least-squares fit, so that the level of the PPG is kept.
    """
    wave = wave.copy()
    beats, waves = (np.round(times * fs).astype(int) for times in (found.rises, found.dicrotic))
    nexts = np.searchsorted(beats, waves)
    for at, following in zip(waves, nexts, strict=True):
        beat = beats[following - 1]
        end = beats[following] if following < len(beats) else len(wave)
        top = beat + int(np.argmax(wave[beat:at]))
        falling = np.flatnonzero(np.diff(wave[at:end]) <= 0)
        foot = at + int(falling[-1]) + 2 if len(falling) else end
        wave[top:foot] = isotonic_regression(wave[top:foot], increasing=False).x
    return wave


def refuse_no_pulse(wave: np.ndarray, fs: float) -> None:
    """Raise InputError if no pulse is detected, or the pulse rate is implausible."""
    slope = pulse_slope(wave, fs)
    period, periodicity = _period(slope, fs)
    rate, counted = (60 / period if period else 0.0), 60 * fs * len(_rises(slope, fs)) / len(slope)
    # An irregular rhythm can have a long period by chance, so a low rate must be confirmed by the number of pulses.
    slow, fast = rate < PULSES[0] and counted < 1.5 * PULSES[0], rate > PULSES[1]
    if periodicity >= PERIODIC and (slow or fast):
        raise InputError(
            f"at {fs:g} Hz the pulse rate would be {rate:.0f} per minute",
            f"{PULSES[0]:g} to {PULSES[1]:g} were expected",
            f"correct the sampling rate with {argument('fs')}, or check whether this is a PPG",
        )
    if periodicity < PERIODIC and _similarity(slope, fs) < SIMILAR:
        found = "no pulse is detected: the waves are neither regular nor of similar shape"
        raise InputError(found, "a PPG was expected", "choose a segment with less noise, or another channel")


def _period(slope: np.ndarray, fs: float) -> tuple[float | None, float]:
    """Period of a wave in s, between 0.1 and 6 s, and the autocorrelation there; (None, 0) if there is none."""
    size = len(slope)
    power = np.abs(np.fft.rfft(slope, 2 * size)) ** 2
    correlation = np.fft.irfft(power)[:size] / (size - np.arange(size))  # of unit deviation
    reach = min(round(6 * fs), round(0.6 * size))
    tops, _ = find_peaks(correlation[: reach + 1])
    tops = tops[tops >= 0.1 * fs]
    if not len(tops):
        return None, 0.0
    first = next(top for top in tops if correlation[top] >= 0.9 * correlation[tops].max())
    return first / fs, float(correlation[first])


def _similarity(slope: np.ndarray, fs: float) -> float:
    """Median correlation of the steepest rises, ±0.2 s, with their mean; 0 for fewer than two rises."""
    reach = round(0.2 * fs)
    at = _rises(slope, fs)
    at = at[(at >= reach) & (at < len(slope) - reach)]
    if len(at) < 2:
        return 0.0
    rises = slope[at[:, None] + np.arange(-reach, reach + 1)]
    rises = rises - rises.mean(1, keepdims=True)
    mean = rises.mean(0)
    return float(np.median(rises @ mean / np.linalg.norm(rises, axis=1) / np.linalg.norm(mean)))


def _rises(slope: np.ndarray, fs: float) -> np.ndarray:
    """Positions of the steepest rises in samples."""
    return find_peaks(slope, height=0.35 * np.quantile(slope, 0.98), distance=max(1, round(0.22 * fs)))[0]
