"""Decoding of the delineator: from class probabilities to onsets, peaks and offsets.

1. Beats are maxima of the QRS probability averaged over leads. The QRS is then searched in every lead at each beat.
2. P is searched before the QRS and T after it, neither beyond a neighbouring QRS.
3. A boundary is the expected value of the boundary: from the most probable sample of the wave outwards, the running
   minimum of the wave's probability is summed.

All steps are vectorised over arrays (beat, lead, time) of all beats of many records.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

from ecggen.networks.delineation import CLASSES

RATE = 250.0
"""Hz of the probabilities."""
AGREED = 0.3
"""Threshold for a beat: QRS probability, averaged over leads and 80 ms."""
PRESENT = 0.5
"""Threshold for a wave in a lead: its largest probability."""
REFRACTORY = 0.2
"""Shortest time in s between two QRS complexes."""
REACH = {"P": (0.44, 0.02), "QRS": (0.16, 0.16), "T": (0.02, 0.72)}
"""Search window of a wave in s before and after its origin. The origin of P and T is a boundary of the QRS."""
SMALLEST = 0.02
"""Smallest height of a wave, in deviations of its lead; a lower one is absent, regardless of its probability."""
SMALLEST_R = 0.06
"""Smallest upward deflection, as a fraction of the QRS's height, that is taken as the R peak."""


def decode(probable: np.ndarray, signal: np.ndarray) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """R peaks of each record, and the nine marks (record, lead, beat) in s.

    Args:
        probable: (record, lead, class, time) probabilities at ``RATE``.
        signal: (record, lead, time) waveforms; 0 for a flat lead.
    """
    record, middle = _beats(probable[:, :, CLASSES.index("QRS")], signal)
    found = {}
    qrs = _search(probable, signal, "QRS", record, middle)
    begin, end = np.rint(_middle(qrs[0], middle)), np.rint(_middle(qrs[2], middle))
    same = record[1:] == record[:-1]
    previous = np.append(-np.inf, np.where(same, end[:-1], -np.inf))
    following = np.append(np.where(same, begin[1:], np.inf), np.inf)
    found["qrs"] = qrs
    found["p"] = _search(probable, signal, "P", record, begin, after=previous)
    found["t"] = _search(probable, signal, "T", record, end, before=following)
    place = np.arange(len(record)) - np.searchsorted(record, record)
    shape = (len(signal), signal.shape[1], int(place.max(initial=-1)) + 1)
    marks = {}
    for wave, ends in found.items():
        for part, samples in zip(("onset", "peak", "offset"), ends, strict=True):
            marks[f"{wave}_{part}"] = np.full(shape, np.nan)
            marks[f"{wave}_{part}"][record, :, place] = samples / RATE
    peaks = _r_peaks(signal, record, begin, end) / RATE
    return [peaks[record == row] for row in range(len(signal))], marks


def _beats(qrs: np.ndarray, signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Record and centre (sample) of each QRS, from the mean probability over the leads that are not flat."""
    live = (np.ptp(signal, -1) > 0)[..., None]
    agreed = (qrs * live).sum(1) / np.maximum(live.sum(1), 1)
    agreed = uniform_filter1d(agreed, round(0.08 * RATE) + 1, mode="constant")
    places = [find_peaks(row, height=AGREED, distance=round(REFRACTORY * RATE))[0] for row in agreed]
    return np.repeat(np.arange(len(places)), [len(at) for at in places]), np.concatenate([[], *places]).astype(int)


def _search(
    probable: np.ndarray,
    signal: np.ndarray,
    wave: str,
    record: np.ndarray,
    origin: np.ndarray,
    after: np.ndarray | None = None,
    before: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Onset, peak and offset (beat, lead) in samples of one wave of each beat; NaN if it is absent.

    Args:
        probable: Class probabilities.
        signal: (record, lead, time) waveforms.
        wave: Its name.
        record: (beat,) record of each beat.
        origin: (beat,) sample to which ``REACH`` refers.
        after: (beat,) lower limit of the search (sample).
        before: (beat,) upper limit of the search (sample).
    """
    early, late = (round(seconds * RATE) for seconds in REACH[wave])
    at = origin.astype(int)[:, None] + np.arange(-early, late + 1)
    inside = (at >= 0) & (at < signal.shape[-1])
    if after is not None:
        inside &= at > after[:, None]
    if before is not None:
        inside &= at < before[:, None]
    safe = np.clip(at, 0, signal.shape[-1] - 1)
    probability = probable[record[:, None], :, CLASSES.index(wave), safe] * inside[..., None]
    probability = np.ascontiguousarray(probability.swapaxes(1, 2))
    anchor = uniform_filter1d(probability, 9, mode="constant").argmax(-1)
    there = np.take_along_axis(probability, anchor[..., None], -1)[..., 0] >= PRESENT
    onset, offset = _extent(probability, anchor)
    # A wave that is cut off by the edge of the recording has no boundary there.
    start = at[:, :1]
    onset = np.where(there & (onset + start > 1), onset, np.nan)
    offset = np.where(there & (offset + start < signal.shape[-1] - 2), offset, np.nan)
    shape = signal[record[:, None], :, safe].swapaxes(1, 2)
    peak, height = _farthest(shape, onset, offset, upright=wave == "QRS")
    shift = np.where(height >= SMALLEST, start, np.nan)
    return onset + shift, peak + shift, offset + shift


def _extent(probability: np.ndarray, anchor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expected first and last sample of a wave around ``anchor``: (…, time), (…) → two of (…)."""
    at, here = np.arange(probability.shape[-1]), anchor[..., None]
    left = np.minimum.accumulate(np.where(at < here, probability, 1.0)[..., ::-1], -1)
    right = np.minimum.accumulate(np.where(at > here, probability, 1.0), -1)
    steps = [(side * beyond).sum(-1) for side, beyond in ((left, (at < here)[..., ::-1]), (right, at > here))]
    return anchor - steps[0] - 0.5, anchor + steps[1] + 0.5


def _farthest(
    shape: np.ndarray, onset: np.ndarray, offset: np.ndarray, *, upright: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Sample of (…, time) farthest from the straight line between ``onset`` and ``offset`` (…), and the wave's height.

    Args:
        shape: The waveforms.
        onset: First sample. If it or the last is NaN, the peak is NaN and the height infinite.
        offset: Last sample.
        upright: Take the highest point unless its height is below ``SMALLEST_R``; else the larger deflection.
    """
    known = np.isfinite(onset) & np.isfinite(offset)
    ends = [np.where(known, np.rint(end), 0).astype(int)[..., None] for end in (onset, offset)]
    first, last = (np.clip(end, 0, shape.shape[-1] - 1) for end in ends)
    low, high = (np.take_along_axis(shape, end, -1) for end in (first, last))
    at = np.arange(shape.shape[-1])
    off = (shape - low - (high - low) * (at - first) / np.maximum(last - first, 1)) * ((at >= first) & (at <= last))
    top, bottom = off.argmax(-1), off.argmin(-1)
    height, depth = off.max(-1), -off.min(-1)
    rises = height >= SMALLEST_R * (height + depth) if upright else height >= depth
    return np.where(known, np.where(rises, top, bottom), np.nan), np.where(known, height + depth, np.inf)


def _middle(samples: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Median over leads (beat, lead), NaN excluded; ``otherwise`` (beat,) if all are NaN."""
    known = np.where(np.isfinite(samples).any(1, keepdims=True), samples, otherwise[:, None])
    return np.nanmedian(known, 1) if len(known) else np.zeros(0)


def _r_peaks(signal: np.ndarray, record: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(beat,) samples of the maximum of the mean square over leads between ``begin`` and ``end``."""
    at = begin.astype(int)[:, None] + np.arange(round(0.25 * RATE))
    safe = np.clip(at, 0, signal.shape[-1] - 1)
    power = (signal[record[:, None], :, safe] ** 2).mean(-1) * (at <= end[:, None])
    if not len(power):
        return np.zeros(0)
    top = np.clip(power.argmax(-1), 1, power.shape[-1] - 2)[:, None]
    left, here, right = (np.take_along_axis(power, top + step, 1)[:, 0] for step in (-1, 0, 1))
    bend = left - 2 * here + right
    shift = np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    return np.clip(begin + top[:, 0] + np.clip(shift, -0.5, 0.5), 0, signal.shape[-1] - 1)
