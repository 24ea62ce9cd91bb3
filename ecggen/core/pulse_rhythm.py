"""What the beats of a PPG tell about the rhythm: rate, variability, irregularity, early and weak beats, refused parts.

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
        sdnn_ms: Standard deviation of the intervals.
        rmssd_ms: Root mean square of differences of successive intervals.
        irregularity: Median absolute difference of successive intervals over the median interval.
        fibrillation_suspected: Whether the irregularity reaches ``IRREGULAR``.
        intervals: Number of certain intervals.
    """

    rate: float | None
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
    good = probabilities >= CERTAIN
    fine = good[1:] & good[:-1] & (missed[1:] <= MISSED) if len(times) > 1 else np.zeros(0, bool)
    gaps = np.diff(times)
    steps = np.diff(gaps)[fine[1:] & fine[:-1]] if len(gaps) > 1 else np.zeros(0)
    count = int(fine.sum())
    if count < FEWEST or len(steps) < FEWEST // 2:
        return Rhythm(None if rate is None else round(rate, 1), None, None, None, None, count)
    irregularity = float(np.median(np.abs(steps)) / np.median(gaps[fine]))
    return Rhythm(
        None if rate is None else round(rate, 1),
        float(1000 * gaps[fine].std(ddof=1)),
        float(1000 * np.sqrt(np.mean(steps**2))),
        irregularity,
        irregularity >= IRREGULAR,
        count,
    )


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
