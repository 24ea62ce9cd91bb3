"""What the beats of a PPG tell about the rhythm: rate, variability, irregularity, early and weak beats, refused parts.

The interval of the rate is that of sampled beats: each beat is real or not, and beats were missed or not, as the
probabilities say. Both are wrong for many beats of a PPG at once, where noise looks like pulses or the heart beats
without pulses; a factor that all beats of a sample share stands for that.

Variability is measured on intervals between beats that are certain and next to each other. It describes the pulse, not
the ECG: the transit time of the pulse varies from beat to beat as well.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from ecggen.core.rhythm import heart_rate, pulse_slope
from ecggen.core.simulate import PULSE_DELAY

CERTAIN = 0.7
"""Smallest probability of a beat that counts as certain."""
MISSED = 0.3
"""Largest probability of a missed beat in an interval that counts."""
FEWEST = 20
"""Fewest intervals from which irregularity is judged."""
IRREGULAR = 0.06
"""Median relative difference of successive intervals from which atrial fibrillation is suspected."""
EARLY, WEAK = 0.8, 0.6
"""Interval and steepness, relative to the surrounding ones, below which a beat is early and its pulse weak."""
LEVEL, SAMPLES = 0.9, 400
"""Level of the interval of the rate, and number of samples of the beats."""
PRESENT = 2.0
"""Log odds by which a beat is more often real than its time is right within 50 ms (fold 8)."""
RARE = 0.0015
"""Expected number of missed beats in an interval where none is expected (fold 8)."""
SHARED = (1.0, 1.4)
"""Standard deviation between samples of the log odds that a beat is real, and of the logarithm of the expected number
of missed beats (fold 8: coverage in parts of 10, 30 and 60 s)."""
ROOM = 1.3
"""Most missed beats in an interval, relative to its length in typical intervals."""
SURROUNDING = 4
"""Beats on either side with which a beat is compared."""
PART = 10.0
"""Seconds of the parts that are refused or not."""
SURE = 0.6
"""Smallest share of certain beats in a part that is not refused."""
SURE_IN_MOTION = 0.8
"""The same where the recorder was moved."""


@dataclass(frozen=True)
class Rhythm:
    """The rhythm of a PPG; None where there are too few certain beats.

    Attributes:
        rate: Beats per minute.
        rate_interval: ``rate_interval`` of the rate; None without a rate.
        sdnn_ms: Standard deviation of the intervals.
        rmssd_ms: Root mean square of differences of successive intervals.
        irregularity: Median absolute difference of successive intervals over the median interval.
        fibrillation_suspected: Whether the irregularity reaches ``IRREGULAR``.
        intervals: Number of certain intervals.
    """

    rate: float | None
    rate_interval: tuple[float, float] | None
    sdnn_ms: float | None
    rmssd_ms: float | None
    irregularity: float | None
    fibrillation_suspected: bool | None
    intervals: int

    def rounded(self) -> dict[str, float | bool | None]:
        """The values, rounded."""
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Refused:
    """A part of a PPG in which beats are not certain: start and end in s, and the reason."""

    start: float
    end: float
    reason: str


def rhythm_of(times: np.ndarray, probabilities: np.ndarray, missed: np.ndarray) -> Rhythm:
    """The rhythm of beats with their probabilities (``ecggen.conditioning.pulse_beats.PulseBeats``).

    Example:
        >>> times = np.cumsum(np.full(30, 0.8))
        >>> found = rhythm_of(times, np.ones(30), np.zeros(30))
        >>> found.rate, found.fibrillation_suspected, round(found.rmssd_ms, 3)
        (75.0, False, 0.0)
    """
    rate = heart_rate(times)
    found = (None if rate is None else round(rate, 1), rate_interval(times, probabilities, missed))
    good = probabilities >= CERTAIN
    fine = good[1:] & good[:-1] & (missed[1:] <= MISSED) if len(times) > 1 else np.zeros(0, bool)
    gaps = np.diff(times)
    steps = np.diff(gaps)[fine[1:] & fine[:-1]] if len(gaps) > 1 else np.zeros(0)
    count = int(fine.sum())
    if count < FEWEST or len(steps) < FEWEST // 2:
        return Rhythm(*found, None, None, None, None, count)
    irregularity = float(np.median(np.abs(steps)) / np.median(gaps[fine]))
    return Rhythm(
        *found,
        float(1000 * gaps[fine].std(ddof=1)),
        float(1000 * np.sqrt(np.mean(steps**2))),
        irregularity,
        irregularity >= IRREGULAR,
        count,
    )


def rate_interval(
    times: np.ndarray, probabilities: np.ndarray, missed: np.ndarray, level: float = LEVEL
) -> tuple[float, float] | None:
    """Interval of the mean rate per minute, rounded outwards to whole numbers; None for fewer than two beats.

    Args:
        times: (beat,) R peaks in s.
        probabilities: (beat,) probability that an R peak lies within 50 ms of each.
        missed: (beat,) probability that a beat was missed before each.
        level: Share of PPGs whose rate lies in the interval.

    Example:
        >>> times, none = np.cumsum(np.full(12, 0.8)), np.zeros(12)
        >>> rate_interval(times, np.ones(12), none)
        (75.0, 75.0)
        >>> rate_interval(times, np.ones(12), np.where(np.arange(12) == 5, 0.5, none))
        (75.0, 82.0)
    """
    rate = heart_rate(times)
    if rate is None:
        return None
    rng, group = np.random.default_rng(0), max(1, min(SAMPLES, 1_000_000 // len(times)))
    sizes = [min(group, SAMPLES - first) for first in range(0, SAMPLES, group)]
    rates = np.concatenate([_sampled_rates(times, probabilities, missed, size, rng) for size in sizes])
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(np.floor(round(min(low, rate), 3))), float(np.ceil(round(max(high, rate), 3)))


def _sampled_rates(
    times: np.ndarray, probabilities: np.ndarray, missed: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """(count,) rates per minute of sampled beats; 0 where fewer than two are real."""
    odds, expected = np.clip(probabilities, 0.001, 0.999), -np.log(1 - np.clip(missed, 0, 0.999)) + RARE
    odds = np.log(odds / (1 - odds)) + PRESENT
    shared = rng.standard_normal((2, count, 1)) * np.array(SHARED)[:, None, None]
    real = rng.random((count, len(times))) < 1 / (1 + np.exp(-odds - shared[0]))
    gaps = np.diff(times)
    room = np.r_[0, np.maximum(np.round(ROOM * gaps / np.median(gaps)), 1)]
    more = np.minimum(rng.poisson(expected * np.exp(shared[1])), room).cumsum(1)
    first, last, own = real.argmax(1), len(times) - 1 - real[:, ::-1].argmax(1), np.arange(count)
    between = real.sum(1) + more[own, last] - more[own, first] - 1
    seconds = times[last] - times[first]
    return np.where(seconds > 0, 60 * between / np.maximum(seconds, 1e-6), 0.0)


def early_beats(times: np.ndarray) -> np.ndarray:
    """Which beats (beat,) follow the beat before after less than ``EARLY`` of the surrounding intervals."""
    if len(times) < 4:
        return np.zeros(len(times), bool)
    gaps = np.diff(times)
    return np.r_[False, gaps < EARLY * _surrounding(gaps)]


def weak_pulses(wave: np.ndarray, fs: float, times: np.ndarray) -> np.ndarray:
    """Which beats (beat,) at R peaks ``times`` have a pulse that rises less than those around it in a PPG (time,)."""
    if len(times) < 4:
        return np.zeros(len(times), bool)
    slope = pulse_slope(wave, fs)
    lags = np.arange(round((PULSE_DELAY - 0.15) * fs), round((PULSE_DELAY + 0.15) * fs) + 1)
    at = (np.round(times * fs).astype(int)[:, None] + lags).clip(0, len(slope) - 1)
    steepness = slope[at].max(1)
    return steepness < WEAK * _surrounding(steepness)


def _surrounding(values: np.ndarray) -> np.ndarray:
    """Median of the values at most ``SURROUNDING`` places away."""
    padded = np.pad(values.astype(float), SURROUNDING, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * SURROUNDING + 1)
    return np.nanmedian(around, 1)


def refused_parts(
    seconds: float, times: np.ndarray, probabilities: np.ndarray, moved: np.ndarray | None = None
) -> list[Refused]:
    """Parts of ``PART`` seconds in which too few beats are certain; neighbours with the same reason are joined.

    Args:
        seconds: Duration of the PPG.
        times: (beat,) R peaks in s.
        probabilities: (beat,) of these.
        moved: (second,) whether the recorder was moved in each second; None if that is not known.

    Example:
        >>> times = np.arange(0.5, 30)
        >>> [(part.start, part.end) for part in refused_parts(30, times, np.where(times > 20, 0.4, 1.0))]
        [(20.0, 30.0)]
    """
    found: list[Refused] = []
    edges = [*np.arange(0, max(PART, seconds - PART / 2), PART).tolist(), float(seconds)]
    for start, end in pairwise(edges):
        inside = (times >= start) & (times < end)
        in_motion = moved is not None and bool(moved[int(start) : int(np.ceil(end))].mean() > 0.3)
        share = float((probabilities[inside] >= CERTAIN).mean()) if inside.any() else 0.0
        if share >= (SURE_IN_MOTION if in_motion else SURE):
            continue
        what = "no pulse" if not inside.any() else f"{share:.0%} of the beats are certain"
        why = "the recorder was moved" if in_motion else "motion, noise or a detached sensor"
        reason = f"{what}: {why}"
        if found and found[-1].end == start and found[-1].reason.rpartition(": ")[2] == why:
            found[-1] = Refused(found[-1].start, end, f"too few of the beats are certain: {why}")
        else:
            found.append(Refused(start, end, reason))
    return found
