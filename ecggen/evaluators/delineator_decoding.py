"""From probabilities to marks: which waves each beat has in each lead, where they begin, peak and end.

Beats are where the leads agree on a QRS; a lead that missed it is asked again at that place. P is looked for before the
QRS, T after it, neither across a neighbouring QRS. A boundary lies where the wave's probability, followed outwards from
its middle and never allowed to rise again, comes to its expected length: the mean of all boundaries that the network
holds possible. All of it is arithmetic on arrays (beat, lead, time) over every beat of many records at once.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

from ecggen.networks.delineation import CLASSES

RATE = 250.0
"""Hz of the probabilities."""
AGREED = 0.3
"""Mean over leads of the QRS's probability in 80 ms from which there is a beat."""
PRESENT = 0.5
"""Probability that a wave must reach in a lead to be there."""
REFRACTORY = 0.2
"""Shortest time in s between two QRS complexes."""
REACH = {"P": (0.44, 0.02), "QRS": (0.16, 0.16), "T": (0.02, 0.72)}
"""Seconds before and after its origin in which a wave is looked for: P ends and T begins at the QRS's boundary."""
SMALLEST = 0.02
"""Height, in deviations of its lead, below which a wave is not there, however sure the other leads make the network."""
SMALLEST_R = 0.06
"""Share of the QRS's height from which an upward deflection is its peak, as readers of ECGs have it."""


def decode(probable: np.ndarray, signal: np.ndarray) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """R peaks of each record, and the nine marks (record, lead, beat) in s.

    Args:
        probable: (record, lead, class, time) probabilities at ``RATE``.
        signal: (record, lead, time) the waves themselves; 0 where a lead is flat.
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
    """Record and middle (sample) of each QRS on which the leads that are not flat agree."""
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
    """Onset, peak and offset (beat, lead) in samples of one wave of each beat, NaN where there is none.

    Args:
        probable: Class probabilities.
        signal: (record, lead, time) the waves themselves.
        wave: Its name.
        record: (beat,) whose beat it is.
        origin: (beat,) sample from which ``REACH`` counts.
        after: (beat,) sample before which nothing is looked for.
        before: (beat,) sample after which nothing is looked for.
    """
    early, late = (round(seconds * RATE) for seconds in REACH[wave])
    at = origin.astype(int)[:, None] + np.arange(-early, late + 1)
    inside = (at >= 0) & (at < signal.shape[-1])
    if after is not None:
        inside &= at > after[:, None]
    if before is not None:
        inside &= at < before[:, None]
    safe = np.clip(at, 0, signal.shape[-1] - 1)
    chance = probable[record[:, None], :, CLASSES.index(wave), safe] * inside[..., None]
    chance = np.ascontiguousarray(chance.swapaxes(1, 2))
    anchor = uniform_filter1d(chance, 9, mode="constant").argmax(-1)
    there = np.take_along_axis(chance, anchor[..., None], -1)[..., 0] >= PRESENT
    onset, offset = _extent(chance, anchor)
    # A wave that reaches the edge of the recording has no end there that anyone could see.
    start = at[:, :1]
    onset = np.where(there & (onset + start > 1), onset, np.nan)
    offset = np.where(there & (offset + start < signal.shape[-1] - 2), offset, np.nan)
    shape = signal[record[:, None], :, safe].swapaxes(1, 2)
    peak, height = _farthest(shape, onset, offset, upright=wave == "QRS")
    seen = np.where(height >= SMALLEST, start, np.nan)
    return onset + seen, peak + seen, offset + seen


def _extent(chance: np.ndarray, anchor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expected first and last sample of a wave around ``anchor``: (…, time), (…) → two of (…)."""
    at, here = np.arange(chance.shape[-1]), anchor[..., None]
    left = np.minimum.accumulate(np.where(at < here, chance, 1.0)[..., ::-1], -1)
    right = np.minimum.accumulate(np.where(at > here, chance, 1.0), -1)
    steps = [(side * beyond).sum(-1) for side, beyond in ((left, (at < here)[..., ::-1]), (right, at > here))]
    return anchor - steps[0] - 0.5, anchor + steps[1] + 0.5


def _farthest(
    shape: np.ndarray, onset: np.ndarray, offset: np.ndarray, *, upright: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Where (…, time) is farthest from the straight line between ``onset`` and ``offset`` (…), and its height.

    Args:
        shape: The waves.
        onset: First sample; without it, or the last, there is no peak (NaN) and the height is unknown (infinite).
        offset: Last sample.
        upright: The farthest upwards, however deep the rest, unless hardly anything stands upwards.
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
    """Median over the leads (beat, lead) that know; the middle of the QRS where none does."""
    known = np.where(np.isfinite(samples).any(1, keepdims=True), samples, otherwise[:, None])
    return np.nanmedian(known, 1) if len(known) else np.zeros(0)


def _r_peaks(signal: np.ndarray, record: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(beat,) samples at which the mean square over leads is highest between ``begin`` and ``end``."""
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
