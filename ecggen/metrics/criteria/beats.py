"""Beats of a record: which of them resemble each other, which come early, and the median of the dominant ones.

Diagnostic criteria refer to the dominant beat, as a cardiologist measures it: premature and other deviating beats are
left out of the median, and counted on their own.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from ecggen.core.ecg import ECG
from ecggen.evaluators.delineator import MARKS, Waves

FINE = 500.0
"""Sampling rate in Hz of median beats."""
BEFORE, AFTER = 0.36, 0.64
"""Seconds of a median beat before and after its R peak."""
COMPARED = (-0.12, 0.26)
"""Seconds around the R peak over which beats are compared with the dominant beat."""
DEVIATING = 0.75
"""Correlation with the dominant beat, over all leads, below which a beat deviates from it."""
EARLY = 0.86
"""Ratio of an RR interval and the record's median RR interval below which the beat that ends it is premature."""
SPREAD = 0.25
"""Quantile over leads of the global onsets; one minus it, of the global offsets. Onsets in most leads are late and
offsets early, because the first and last vectors are small there; the extremes over leads are errors too often."""
LEAST = 2
"""Fewest beats of a median beat."""


@dataclass(frozen=True)
class RecordBeats:
    """Beats of one record.

    Attributes:
        peaks: (beat,) R peaks in s.
        marks: Global marks (beat,) in s by name: a quantile over leads (``SPREAD``), NaN where a wave is absent.
        dominant: (beat,) whether a beat resembles the dominant beat.
        early: (beat,) whether a beat is premature.
        median: (lead, time) median of the dominant beats in mV at ``FINE`` Hz, 0 at the PQ level; None without beats.
        at: Marks of the median beat in s relative to its R peak: medians over the dominant beats.
    """

    peaks: np.ndarray
    marks: dict[str, np.ndarray]
    dominant: np.ndarray
    early: np.ndarray
    median: np.ndarray | None
    at: dict[str, float]

    @property
    def rr(self) -> np.ndarray:
        """(beat − 1,) RR intervals in s."""
        return np.diff(self.peaks)

    def span(self, first: str, last: str, which: np.ndarray | None = None) -> np.ndarray:
        """(beat,) seconds between two marks, of all beats or of those selected."""
        found = self.marks[last] - self.marks[first]
        return found if which is None else found[which]

    def has_p(self) -> np.ndarray:
        """(beat,) whether a beat has a P wave."""
        return np.isfinite(self.marks["p_peak"])


def record_beats(ecg: ECG, waves: Waves) -> list[RecordBeats]:
    """Beats of every record.

    Args:
        ecg: Any leads.
        waves: Their delineation.
    """
    marks = _global_marks(waves)
    return [
        _of_record(signal, ecg.fs, peaks, {name: times[row, : len(peaks)] for name, times in marks.items()})
        for row, (signal, peaks) in enumerate(zip(ecg.signal.double().numpy(), waves.peaks, strict=True))
    ]


def _global_marks(waves: Waves) -> dict[str, np.ndarray]:
    """Global marks (record, beat) in s, where at least a third of the leads have the wave."""
    found = {}
    for name in MARKS:
        times = getattr(waves, name)
        quantile = SPREAD if name.endswith("onset") else 1 - SPREAD if name.endswith("offset") else 0.5
        known = np.isfinite(times)
        ordered = np.sort(times, 1)  # NaN last
        count = known.sum(1)
        place = quantile * np.maximum(count - 1, 0)
        low, high = np.floor(place).astype(int), np.ceil(place).astype(int)
        ends = [np.take_along_axis(ordered, end[:, None], 1)[:, 0] for end in (low, high)]
        between = ends[0] + (place - low) * (ends[1] - ends[0])
        found[name] = np.where(count >= max(1, np.ceil(len(waves.leads) / 3)), between, np.nan)
    return found


def _of_record(signal: np.ndarray, fs: float, peaks: np.ndarray, marks: dict[str, np.ndarray]) -> RecordBeats:
    none = np.zeros(len(peaks), bool)
    if len(peaks) < LEAST:
        return RecordBeats(peaks, marks, ~none, none, None, {})
    times = np.arange(-round(BEFORE * FINE), round(AFTER * FINE)) / FINE
    whole = (peaks + times[0] >= 0) & (peaks + times[-1] <= (signal.shape[-1] - 1) / fs)
    curve = CubicSpline(np.arange(signal.shape[-1]) / fs, signal, axis=-1, extrapolate=False)
    beats = np.moveaxis(curve(peaks[:, None] + times), 0, 1)  # (beat, lead, time), NaN beyond the ends
    compared = (times >= COMPARED[0]) & (times <= COMPARED[1])
    dominant = _dominant(beats[..., compared])
    used = dominant & whole if (dominant & whole).any() else dominant
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # instants that no beat covers
        at = {name: _median((values - peaks)[dominant]) for name, values in marks.items()}
        median = np.nanmedian(beats[used], 0) if used.any() else None
    if median is not None:
        onset = at["qrs_onset"] if np.isfinite(at["qrs_onset"]) else -0.05
        level = median[:, (times >= onset - 0.02) & (times <= onset)].mean(1, keepdims=True)
        median = median - level
    return RecordBeats(peaks, marks, dominant, _early(np.diff(peaks)), median, at)


def _dominant(beats: np.ndarray) -> np.ndarray:
    """(beat,) whether each of (beat, lead, time) resembles the dominant beat.

    The dominant beat is the one with the highest median correlation with the others, then the median of those that
    resemble it.
    """
    flat = np.nan_to_num(beats - np.nanmean(beats, -1, keepdims=True)).reshape(len(beats), -1)
    unit = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    alike = unit @ unit.T
    reference = unit[np.median(alike, 1).argmax()]
    found = unit @ reference >= DEVIATING
    for _ in range(2):
        reference = np.median(flat[found], 0)
        found = unit @ (reference / max(np.linalg.norm(reference), 1e-9)) >= DEVIATING
        if not found.any():
            return np.ones(len(beats), bool)
    return found


def _early(rr: np.ndarray) -> np.ndarray:
    """(beat,) whether a beat is premature: its RR interval is short and the next one is not."""
    found = np.zeros(len(rr) + 1, bool)
    if len(rr) < 3:
        return found
    usual = np.median(rr)
    short = rr < EARLY * usual
    followed = np.append(rr[1:] > 0.95 * usual, False)
    found[1:] = short & followed
    return found


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) >= max(1, 0.5 * len(values)) else np.nan
