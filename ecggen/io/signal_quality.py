"""Where a recording shows certain heartbeats: a judgement of each lead, in steps of half a second.

Windows of four seconds are scored by a logistic regression on seven indices of ``ecggen.core.signal_quality``, fitted
to real and simulated ECGs, noise, periodic waves, PPG and respiration. The score is positive where beats are certain.
A lead is judged with the beats found in it, and with the beats found in all leads together: a small lead beside others
is thus not taken for noise. The limits were chosen on one half of the data; ``evaluation/results/signal_quality.json``
has sensitivity and specificity on the other (``docs/concepts/signal-quality.md``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch

from ecggen.core import signal_quality as index
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.core.rhythm import r_peaks

WINDOW = 4.0
"""Duration of a scored window in seconds: two beats at 30 per minute."""
HOP = 2.0
"""Time between the starts of two windows in seconds; windows of a recording of more than ``LONG`` s do not overlap."""
LONG = 60.0
"""Duration in seconds from which windows do not overlap."""
CLEAR = 4.0
"""Score from which beats are clear: those of all leads are not tried, and neighbouring noise counts in full."""
THROUGHOUT = 0.9
"""Share of the time in which the beats of a lead must be certain for the lead to be used for the heart rate; if no lead
reaches it, all with certain beats are used."""
ALL_CLEAR = 3.9
"""Mean score of the certain parts below which two detectors must find the same heart rate."""
SAME_RATE = 1.1
"""Largest ratio of the two heart rates that then count as the same."""
MORE_BEATS = 1.4
"""Largest ratio of the heart rates by slope and by energy; above it, T or P waves were counted, and none is given."""
STEP = 0.5
"""Resolution of the judgement in seconds."""
BRIDGED = 0.2
"""Longest gap in seconds that is interpolated; a longer one ends a piece."""
SHORTEST = 1.5
"""Shortest piece without longer gaps in seconds that is judged."""
SMALLEST = 0.02
"""Smallest peak-to-peak value of beats in mV after the filter; an amplifier's noise or a filtered hum is smaller."""
LEAST = 3.0
"""Shortest time with certain beats in seconds, in any lead, from which a recording counts as an ECG."""
LEAST_SHARE = 0.1
"""Smallest share of certain beats in the time of all leads from which a recording counts as an ECG."""
DOUBTED = -3.0
"""Score up to which a part of a lead is reported; between it and 0, beats are neither certain nor doubted."""
REPORTED = 1.5
"""Shortest part without certain beats in seconds that is reported."""
SLOWEST = 50.0
"""Lowest sampling rate in Hz at which a QRS complex can be recognised."""

INTERCEPT = -2.1
TERMS = {
    "similarity": (0.0, 0.9, 11.2),
    "log kurtosis": (0.0, 2.3, 6.2),
    "sharpness": (0.0, 0.5, 15.2),
    "step": (0.2, 0.8, -18.8),
    "spike": (0.2, 0.45, -67.6),
    "tone": (0.35, 0.9, -14.5),
    "agreement": (0.0, 0.9, 4.3),
}
"""Lower and upper limit of each index and its weight in the score."""
NO_BEATS = -10.0
"""Score of a window without beats, or with smaller ones than ``SMALLEST``."""
UNKNOWN_SIMILARITY = 0.7
"""Similarity of a beat that is the only complete one of a recording shorter than a window."""


@dataclass(frozen=True)
class Part:
    """A segment of a lead, in seconds from the start of the recording."""

    lead: str
    first: float
    last: float

    def __str__(self) -> str:
        digits = 2 if self.last - self.first >= 0.1 else 3
        return f"{self.lead} from {self.first:.{digits}f} to {self.last:.{digits}f} s"


@dataclass(frozen=True)
class SignalQuality:
    """Where one recording shows certain beats.

    Attributes:
        leads: Names of the leads.
        score: (lead, step) log odds that beats are certain in a step of ``STEP`` seconds; NaN where samples are
            missing.
        seconds: Duration of the recording.
        heart_rate: Beats per minute over the parts with certain beats; None if there are fewer than two beats.
    """

    leads: tuple[str, ...]
    score: np.ndarray
    seconds: float
    heart_rate: float | None

    @property
    def is_ecg(self) -> bool:
        """Whether beats are certain for ``LEAST`` seconds in a lead, and in ``LEAST_SHARE`` of the time of all leads.

        Of a lead with less than six seconds of samples, half is enough.
        """
        certain, judged = (self.score > 0).sum(1), np.isfinite(self.score).sum(1)
        enough = (certain > 0) & (certain >= np.minimum(LEAST / STEP, judged / 2))
        return bool(enough.any() and certain.sum() >= LEAST_SHARE * judged.sum())

    @property
    def uncertain(self) -> tuple[Part, ...]:
        """The parts of the leads of at least ``REPORTED`` seconds without certain beats; gaps are not among them."""
        return tuple(
            Part(lead, float(first * STEP), float(min(last * STEP, self.seconds)))
            for lead, row in zip(self.leads, self.score, strict=True)
            for first, last in _runs(row <= DOUBTED)
            if (last - first) * STEP >= REPORTED
        )

    @property
    def clear_leads(self) -> tuple[str, ...]:
        """The leads whose beats are certain for at least ``THROUGHOUT`` of their time."""
        certain = (self.score > 0).sum(1) >= THROUGHOUT * np.isfinite(self.score).sum(1)
        return tuple(lead for lead, row in zip(self.leads, certain & (self.score > 0).any(1), strict=True) if row)

    @property
    def certain_share(self) -> float:
        """Share of the judged time in which at least one lead has certain beats; 0 if nothing could be judged."""
        judged = np.isfinite(self.score).any(0)
        return float((self.score > 0).any(0).sum() / max(1, judged.sum()))


def signal_quality(ecg: ECG) -> SignalQuality:
    """Judge where one recording, which may have gaps (NaN), shows certain beats.

    Args:
        ecg: One record with any leads, at any rate. Below 50 Hz, no beat is certain.

    Raises:
        InputError: If a batch is given.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> quality = signal_quality(simulate(1, heart_rate=60))
        >>> quality.is_ecg, quality.uncertain, quality.heart_rate
        (True, (), 60.0)
        >>> noise = torch.randn(1, 1, 1000, generator=torch.Generator().manual_seed(0)) * 0.1
        >>> quality = signal_quality(ECG(noise, ("I",), fs=100))
        >>> quality.is_ecg, str(quality.uncertain[0]), quality.heart_rate
        (False, 'I from 0.00 to 10.00 s', None)
    """
    if len(ecg) != 1:
        raise InputError(f"the ECG is a batch of {len(ecg)} records", "one was expected", "judge them one by one")
    score = np.full((len(ecg.leads), int(np.ceil(ecg.seconds / STEP))), np.nan)
    pieces = list(_pieces(ecg))
    for first, rows, piece in pieces:
        start = round(first / ecg.fs / STEP)
        own = _scores(piece)[:, : score.shape[1] - start]
        score[rows, start : start + own.shape[1]] = own
    quality = SignalQuality(ecg.leads, score, ecg.seconds, None)
    return replace(quality, heart_rate=_heart_rate(ecg, score, pieces)) if quality.is_ecg else quality


def _pieces(ecg: ECG) -> Iterator[tuple[int, list[int], ECG]]:
    """The parts without long gaps, most leads first: first sample, rows of the leads that have the part, the part."""
    found: dict[tuple[int, int], list[int]] = {}
    for row, wave in enumerate(ecg.signal[0].numpy()):
        missing = ~np.isfinite(wave)
        long: np.ndarray = np.zeros_like(missing)
        for first, last in _runs(missing):
            if last - first > BRIDGED * ecg.fs or first == 0 or last == len(wave):
                long[first:last] = True
        for first, last in _runs(~long):
            if last - first >= SHORTEST * ecg.fs:
                found.setdefault((first, last), []).append(row)
    for (first, last), rows in sorted(found.items(), key=lambda item: -len(item[1])):
        part = torch.stack([_bridged(ecg.signal[0, row, first:last]) for row in rows])
        yield first, rows, ECG(part, tuple(ecg.leads[row] for row in rows), ecg.fs)


def _bridged(wave: torch.Tensor) -> torch.Tensor:
    """A wave (time,) whose missing samples are interpolated."""
    known = torch.isfinite(wave).numpy()
    at = np.arange(len(wave))
    return wave if known.all() else torch.from_numpy(np.interp(at, at[known], wave.numpy()[known])).float()


def _scores(piece: ECG) -> np.ndarray:
    """(lead, step): mean score of the windows over each step of a part without gaps, each at most ``CLEAR``."""
    steps = int(np.ceil(piece.seconds / STEP))
    if piece.fs < SLOWEST:
        return np.full((len(piece.leads), steps), NO_BEATS)
    waves = index.prepare(piece.signal[0].numpy(), piece.fs)
    narrow = index.qrs_band(waves)
    starts = _starts(waves.shape[1])
    together = index.beats_by_slope(waves.std(0)) if len(waves) > 1 else None
    score = np.stack([_lead_scores(wave, part, together, starts) for wave, part in zip(waves, narrow, strict=True)])
    total, count = np.zeros((len(waves), steps)), np.zeros(steps)
    for window, start in enumerate(starts):
        first = round(start / index.RATE / STEP)
        last = first + round(WINDOW / STEP)
        total[:, first:last] += np.minimum(score[:, window, None], CLEAR)
        count[first:last] += 1
    return total / np.maximum(count, 1)


def _starts(samples: int) -> np.ndarray:
    """First samples of the windows; the last window ends with the recording."""
    latest = max(0, samples - round(WINDOW * index.RATE))
    hop = HOP if samples <= LONG * index.RATE else WINDOW
    return np.unique(np.r_[np.arange(0, latest + 1, round(hop * index.RATE)), latest])


def _lead_scores(wave: np.ndarray, narrow: np.ndarray, together: np.ndarray | None, starts: np.ndarray) -> np.ndarray:
    """Score of each window of a lead: the better of that with its own beats and that with the beats of all leads."""
    other = index.beats_by_energy(narrow)
    own = _windows(wave, narrow, index.centred(index.beats_by_slope(wave), narrow), other, starts)
    if together is None or (own > CLEAR).all():
        return own
    return np.maximum(own, _windows(wave, narrow, index.centred(together, narrow), other, starts))


def _windows(
    wave: np.ndarray, narrow: np.ndarray, beats: np.ndarray, other: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    """Score of each window, with given beats and those of another detector."""
    samples = min(len(wave), round(WINDOW * index.RATE))
    at = starts[:, None] + np.arange(samples)
    kurtosis, tone = np.log(index.kurtosis(narrow[at]) + 0.1), index.tone(wave[at])
    low, high = np.quantile(wave[at], [0.01, 0.99], axis=1)
    similarity = index.similarity(wave, beats)
    if not np.isfinite(similarity).any() and len(wave) < WINDOW * index.RATE:
        similarity[:] = UNKNOWN_SIMILARITY
    sharpness, step = index.sharpness(wave, narrow, beats), index.step(wave, beats)
    found = np.full(len(starts), NO_BEATS)
    for window, start in enumerate(starts):
        inside = (beats >= start) & (beats < start + samples)
        complete = inside & np.isfinite(similarity)
        if not complete.any() or high[window] - low[window] < SMALLEST:
            continue
        around = beats[(beats >= start - samples) & (beats < start + 2 * samples)]
        seconds = other[(other >= start) & (other < start + samples)]
        values = {
            "similarity": np.median(similarity[complete]),
            "log kurtosis": kurtosis[window],
            "sharpness": np.median(sharpness[inside]),
            "step": np.median(step[inside]),
            "spike": index.spike(wave, around),
            "tone": tone[window],
            "agreement": index.agreement(beats[inside], seconds),
        }
        found[window] = _score(values)
    return found


def _score(values: dict[str, float]) -> float:
    """Log odds that the beats of a window are certain."""
    return INTERCEPT + sum(
        weight * float(np.clip(values[name], low, high)) for name, (low, high, weight) in TERMS.items()
    )


def _heart_rate(ecg: ECG, score: np.ndarray, pieces: list[tuple[int, list[int], ECG]]) -> float | None:
    """Beats per minute over the intervals inside certain parts; None without any, or if two detectors disagree."""
    intervals: dict[str, list[float]] = {"slope": [], "energy": []}
    used = np.zeros(score.shape[1], bool)
    for first, rows, piece in pieces:
        share = (score[rows] > 0).sum(1) / np.maximum(1, np.isfinite(score[rows]).sum(1))
        kept = np.flatnonzero(share >= min(THROUGHOUT, share.max()))
        if not share.max() > 0:
            continue
        certain = (score[np.array(rows)[kept]] > 0).any(0) & ~used
        used |= np.isfinite(score[rows]).any(0)
        for name, times in _two_detectors(piece.pick(*(piece.leads[row] for row in kept))).items():
            bounds = np.minimum(((first / ecg.fs + times) / STEP).astype(int), len(certain) - 1)
            inside = [bool(certain[start : end + 1].all()) for start, end in pairwise(bounds)]
            intervals[name] += list(np.diff(times)[inside])
    rates = [float(60 * len(found) / sum(found)) if found else None for found in intervals.values()]
    slope, energy = rates
    if slope is None or energy is None or slope > MORE_BEATS * energy:
        return None
    best = np.max(score, axis=0, initial=0.0, where=score > 0)
    is_clear = best[best > 0].mean() > ALL_CLEAR
    return slope if is_clear or max(slope, energy) <= SAME_RATE * min(slope, energy) else None


def _two_detectors(piece: ECG) -> dict[str, np.ndarray]:
    """Times in s of the beats in all leads of a piece without gaps, by two detectors."""
    narrow = index.qrs_band(index.prepare(piece.signal[0].numpy(), piece.fs))
    fast = piece.resample(index.RATE) if piece.fs < index.RATE else piece
    return {"slope": r_peaks(fast)[0], "energy": index.beats_by_energy(np.linalg.norm(narrow, axis=0)) / index.RATE}


def _runs(at: np.ndarray) -> list[tuple[int, int]]:
    """First and last + 1 of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.r_[False, at, False].astype(np.int8))).reshape(-1, 2)
    return [(int(first), int(last)) for first, last in edges]
