"""Decomposition of an ECG into the median beat, the rhythm, the gain of each beat, and a residual.

``record = Σ_k (1 + gain_k) · beat_{type_k}(t − R_k) + residual``: the beats of a record are copies of one median beat
(ectopic beats: of a second one) at the times of the R peaks, each with its own gain per lead. What this does not
explain (wander, noise, fibrillatory waves) is the residual, so that the sum is exact.

A beat owns at most ``BEFORE`` seconds before its R peak and ``AFTER`` seconds after it, and at most 45 % of the RR
interval before it and 55 % of the one after it, so that neighbouring beats do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.interpolate import CubicSpline

BEFORE, AFTER = 0.40, 0.56
"""Seconds of a median beat before and after the R peak."""
OWN_BEFORE, OWN_AFTER = 0.45, 0.55
"""Largest parts of the RR intervals before and after a beat that belong to it."""
CORE = (-0.12, 0.26)
"""Seconds around the R peak in which beats are compared."""
FINE = 5
"""Samples per sample of the record when beats are aligned."""
REACH = 0.03
"""Largest shift of a beat in s when it is aligned."""
ROUNDS = 3
"""Rounds of alignment."""
ECTOPIC = 0.75
"""Correlation with the median beat below which a beat is ectopic."""
TAPER = 0.03
"""Seconds in which a beat decays beyond its part of the record."""
LARGEST_GAIN = 0.6
RIDGE = 0.03
"""Amplitude in mV that is regarded as noise when gains are estimated."""
NORMAL, ABNORMAL = 0, 1
"""Types of beats: like the median beat, or ectopic."""


@dataclass(frozen=True)
class Beats:
    """The beats of one record.

    Attributes:
        median: (lead, time) median beat in mV at the rate of the record, from ``BEFORE`` before the R peak.
        ectopic: (lead, time) median of the ectopic beats; zero if there are none.
        times: (beat,) R peaks in s from the start of the record. Beats that reach into the record from outside are
            included, at extrapolated times.
        types: (beat,) ``NORMAL`` or ``ABNORMAL``.
        gains: (beat, lead) relative difference of the amplitude from that of the median beat.
    """

    median: np.ndarray
    ectopic: np.ndarray
    times: np.ndarray
    types: np.ndarray
    gains: np.ndarray


def beat_samples(fs: float) -> int:
    """Samples of a median beat."""
    return round((BEFORE + AFTER) * fs)


def own_parts(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds before and after each R peak that belong to the beat, (beat,) each.

    Example:
        >>> [part.round(2).tolist() for part in own_parts(np.array([0.0, 0.5, 1.5]))]
        [[0.22, 0.22, 0.4], [0.28, 0.55, 0.55]]
    """
    gaps = np.diff(times) if len(times) > 1 else np.array([1.0])
    before = np.concatenate([gaps[:1], gaps])[: len(times)]
    after = np.concatenate([gaps, gaps[-1:]])[: len(times)]
    return np.minimum(BEFORE, OWN_BEFORE * before), np.minimum(AFTER, OWN_AFTER * after)


def extended(times: np.ndarray, seconds: float) -> tuple[np.ndarray, slice]:
    """R peaks continued beyond both ends of the record as far as beats reach into it, and the slice of the given ones.

    Example:
        >>> more, given = extended(np.array([0.5, 1.5]), 2.0)
        >>> more.tolist(), more[given].tolist()
        ([-0.5, 0.5, 1.5], [0.5, 1.5])
    """
    if not len(times):
        return times, slice(0, 0)
    gaps = np.diff(times) if len(times) > 1 else np.array([0.8])
    first, last = max(gaps[0], 0.25), max(gaps[-1], 0.25)
    early = times[0] - first * np.arange(int((times[0] + AFTER) / first), 0, -1)
    late = times[-1] + last * np.arange(1, int((seconds - times[-1] + BEFORE) / last) + 1)
    return np.concatenate([early, times, late]), slice(len(early), len(early) + len(times))


def rendered(beats: Beats, samples: int, fs: float) -> np.ndarray:
    """The record without its residual, (lead, samples) in mV.

    Example:
        >>> one = np.zeros((1, 96))
        >>> one[0, 40] = 1.0
        >>> times = np.array([0.5, 1.5])
        >>> wave = rendered(Beats(one, 0 * one, times, np.zeros(2, int), np.zeros((2, 1))), 200, 100.0)
        >>> np.flatnonzero(wave[0] > 0.99).tolist()
        [50, 150]
    """
    wave = np.zeros((len(beats.median), samples))
    if not len(beats.times):
        return wave
    grid = np.arange(beats.median.shape[1]) / fs - BEFORE
    curves = [CubicSpline(grid, one, axis=-1) for one in (beats.median, beats.ectopic)]
    parts = own_parts(beats.times)
    for at, kind, gain, before, after in zip(beats.times, beats.types, beats.gains, *parts, strict=True):
        first = max(0, int(np.ceil((at - min(before + TAPER, BEFORE)) * fs)))
        last = min(samples, int(np.floor((at + min(after + TAPER, grid[-1])) * fs)) + 1)
        if first < last:
            t = np.arange(first, last) / fs - at
            wave[:, first:last] += (1 + gain)[:, None] * curves[kind](t) * _window(t, before, after)
    return wave


def _window(t: np.ndarray, before: float, after: float) -> np.ndarray:
    """One within a beat's part, and a raised cosine over ``TAPER`` beyond it."""
    beyond = np.maximum(np.maximum(-before - t, t - after), 0) / TAPER
    return 0.5 + 0.5 * np.cos(np.pi * np.minimum(beyond, 1))


def decompose(signal: np.ndarray, fs: float, peaks: np.ndarray) -> tuple[Beats, np.ndarray]:
    """Decompose one record.

    Args:
        signal: (lead, time) in mV, high-pass filtered at about 0.5 Hz.
        fs: Sampling rate in Hz.
        peaks: R peaks in s; they are refined by at most ``REACH``.

    Returns:
        The beats, and the residual (lead, time) in mV: ``rendered(beats) + residual`` is the record.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> ecg = simulate(1, seconds=10, fs=100, heart_rate=60, seed=0)
        >>> beats, residual = decompose(ecg.signal[0].numpy(), 100.0, np.arange(0.5, 10, 1.0))
        >>> beats.median.shape, residual.shape
        ((12, 96), (12, 1000))
    """
    signal = np.asarray(signal, float)
    peaks = np.sort(np.asarray(peaks, float))
    samples, nothing = signal.shape[1], np.zeros((len(signal), beat_samples(fs)))
    if not len(peaks):
        return Beats(nothing, nothing, peaks, np.zeros(0, int), np.zeros((0, len(signal)))), signal
    long = _cut_out(signal, fs, peaks)
    complete = (peaks + CORE[0] >= 0) & (peaks + CORE[1] <= (samples - 1) / fs)
    chosen, is_ectopic = _aligned_by_type(long, fs, complete)
    peaks = peaks + (chosen - REACH * fs * FINE) / (fs * FINE)
    order = np.argsort(peaks)
    peaks, long, chosen = peaks[order], long[order], chosen[order]
    is_ectopic, complete = is_ectopic[order], complete[order]
    every, given = extended(peaks, samples / fs)
    before, after = (part[given] for part in own_parts(every))
    cut = cut_from(long, chosen, beat_samples(fs) * FINE)
    inside = (peaks - before >= 0) & (peaks + after <= (samples - 1) / fs)
    median = _median(cut, ~is_ectopic, inside, before, after, fs)
    ectopic = _median(cut, is_ectopic, inside, before, after, fs) if is_ectopic.any() else nothing
    types, gains = np.zeros(len(every), int), np.zeros((len(every), len(signal)))
    types[given] = np.where(is_ectopic, ABNORMAL, NORMAL)
    within = np.maximum(peaks - before, 0) - peaks, np.minimum(peaks + after, (samples - 1) / fs) - peaks
    found = _gains(cut[..., ::FINE], np.where(is_ectopic[:, None, None], ectopic, median), *within, fs)
    gains[given] = found * complete[:, None]
    beats = Beats(median, ectopic, every, types, gains)
    return beats, signal - rendered(beats, samples, fs)


def _cut_out(signal: np.ndarray, fs: float, peaks: np.ndarray) -> np.ndarray:
    """(beat, lead, time) around each R peak, ``REACH`` longer on both sides, at ``FINE`` times the rate."""
    margin = round((BEFORE + AFTER + REACH) * fs)
    padded = np.pad(signal, ((0, 0), (margin, margin)), "edge")
    curve = CubicSpline(np.arange(padded.shape[1]) / fs - margin / fs, padded, axis=-1)
    size = beat_samples(fs) * FINE + 2 * round(REACH * fs * FINE)
    return np.moveaxis(curve(peaks[:, None] + np.arange(size) / (fs * FINE) - BEFORE - REACH), 0, 1)


def _aligned_by_type(long: np.ndarray, fs: float, complete: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As ``_aligned``; ectopic beats are aligned on each other, and beats cut off by the ends are shifted alike."""
    middle = round(REACH * fs * FINE)
    chosen, is_ectopic = np.full(len(long), middle), np.zeros(len(long), bool)
    if not complete.any():
        return chosen, is_ectopic
    chosen[complete], is_ectopic[complete] = _aligned(long[complete], fs)
    if is_ectopic.any():
        chosen[is_ectopic], _ = _aligned(long[is_ectopic], fs)
    normal = complete & ~is_ectopic
    chosen[~complete] = round(np.median(chosen[normal])) if normal.any() else middle
    return chosen, is_ectopic


def _aligned(long: np.ndarray, fs: float) -> tuple[np.ndarray, np.ndarray]:
    """First sample of each beat in ``long``, and whether it is ectopic; (beat,) each."""
    rate, shifts = fs * FINE, 2 * round(REACH * fs * FINE) + 1
    first = round((BEFORE + CORE[0]) * rate)
    size = round((CORE[1] - CORE[0]) * rate)
    core = long[..., first : first + size + shifts - 1]
    chosen = np.full(len(long), shifts // 2)
    beats = cut_from(core, chosen, size)
    flat = (beats - beats.mean(-1, keepdims=True)).reshape(len(beats), -1)
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    reference = beats[np.median(flat @ flat.T, 1).argmax()]
    for _ in range(ROUNDS):
        chosen = best_shifts(core, reference, shifts)
        beats = cut_from(core, chosen, size)
        like = correlations(beats, reference) >= ECTOPIC
        reference = np.median(beats[like], 0) if like.any() else reference
    return chosen, correlations(beats, reference) < ECTOPIC


def _median(
    cut: np.ndarray, chosen: np.ndarray, inside: np.ndarray, before: np.ndarray, after: np.ndarray, fs: float
) -> np.ndarray:
    """Median (lead, time) at the rate of the record of the ``chosen`` beats (beat, lead, time), of whole ones if any.

    The mean of both ends is subtracted, and the beat decays beyond the median of the parts that belong to the beats.
    """
    usable = chosen & inside if (chosen & inside).any() else chosen
    if not usable.any():
        return np.zeros((cut.shape[1], cut.shape[2] // FINE))
    median = np.median(cut[usable][..., ::FINE], 0)
    t = np.arange(median.shape[1]) / fs - BEFORE
    start, end = np.median(before[usable]), np.median(after[usable])
    edges = [np.abs(t - edge).argmin() for edge in (-start, end)]
    level = np.mean([median[:, max(0, at - 1) : at + 2].mean(1) for at in edges], 0)
    return (median - level[:, None]) * _window(t, start, end)


def _gains(cut: np.ndarray, reference: np.ndarray, first: np.ndarray, last: np.ndarray, fs: float) -> np.ndarray:
    """(beat, lead) ridge regression of each beat (beat, lead, time) on its reference, minus one.

    Only the time from ``first`` to ``last`` (beat,), in s from the R peak, is regarded.
    """
    t = np.arange(cut.shape[-1]) / fs - BEFORE
    weight = ((t >= first[:, None]) & (t <= last[:, None]))[:, None].astype(float)
    count = weight.sum(-1, keepdims=True)
    own, ideal = (one - (one * weight).sum(-1, keepdims=True) / count for one in (cut, reference))
    energy = (weight * ideal**2).sum(-1)
    projected = (weight * (own - ideal) * ideal).sum(-1) / (energy + count[..., 0] * RIDGE**2)
    return projected.clip(-LARGEST_GAIN, LARGEST_GAIN)


def cut_from(long: np.ndarray, first: np.ndarray, size: int) -> np.ndarray:
    """(beat, lead, size): ``long`` (beat, lead, …) from ``first`` (beat,)."""
    at = first[:, None] + np.arange(size)
    return np.take_along_axis(long, at[:, None], -1)


def best_shifts(long: np.ndarray, reference: np.ndarray, shifts: int) -> np.ndarray:
    """(beat,) first sample of the part of each beat that correlates with ``reference`` (lead, time) most."""
    size = reference.shape[-1]
    centred = reference - reference.mean(-1, keepdims=True)
    products = np.einsum("blsi,li->bs", sliding_window_view(long, size, -1)[:, :, :shifts], centred)
    sums, squares = (np.cumsum(np.pad(one, ((0, 0), (0, 0), (1, 0))), -1) for one in (long, long**2))
    totals, energy = (one[..., size : size + shifts] - one[..., :shifts] for one in (sums, squares))
    norms = np.sqrt(np.maximum((energy - totals**2 / size).sum(1), 1e-18))
    return (products / norms).argmax(1)


def correlations(beats: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(beat,) correlation of (beat, lead, time) with (lead, time) over all leads, each without its mean."""
    a = (beats - beats.mean(-1, keepdims=True)).reshape(len(beats), -1)
    b = (reference - reference.mean(-1, keepdims=True)).ravel()
    return a @ b / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b), 1e-12)
