"""Beat-to-beat variability within a record, and the split of the variance within records and between them.

The beats of one record resemble each other: in PTB-XL their amplitude varies by about 4 % within a record (median),
mostly with respiration. A generator can have the right total variance with too much of it within records and too
little between them; only the split shows it.

Beats are aligned on the R peak, to a fraction of a sample, in records that are filtered alike. Beats that hardly
correlate with the median beat of their record (ectopic ones) are counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.stats import norm

from ecggen.core import rhythm
from ecggen.core.beats import best_shifts, correlations, cut_from
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError

BEFORE, AFTER = 0.25, 0.40
"""Seconds of a beat before and after its R peak."""
WAVES = {"p": (-0.24, -0.07), "qrs": (-0.06, 0.09), "t": (0.12, 0.40)}
"""Seconds of P, QRS and T from the R peak."""
FINE = 5
"""Samples of an aligned beat per sample of the record."""
REACH = 0.03
"""Largest shift of a beat in s when it is aligned."""
ROUNDS = 2
"""Rounds of alignment on the median beat."""
ECTOPIC = 0.7
"""Correlation with the median beat, over all leads, below which a beat is ectopic."""
LEAST = 3
"""Fewest normal beats of a record that is measured."""
SMALLEST = 0.05
"""Smallest amplitude in mV of a wave in the median beat for its variation to be measured; noise dominates others."""


@dataclass(frozen=True)
class AlignedBeats:
    """The complete beats of one record.

    Attributes:
        beats: (beat, lead, time) in mV, from ``BEFORE`` to ``AFTER``, at ``FINE`` times the rate of the record.
        ectopic: (beat,) whether a beat does not resemble the median beat.
        peaks: (beat,) R peaks in s after alignment.
    """

    beats: np.ndarray
    ectopic: np.ndarray
    peaks: np.ndarray

    @property
    def normal(self) -> np.ndarray:
        """The beats that are not ectopic."""
        return self.beats[~self.ectopic]


def aligned_beats(ecg: ECG, peaks: Sequence[np.ndarray] | None = None) -> list[AlignedBeats]:
    """Cut out and align the beats of each record.

    Args:
        ecg: Records with the same filter; at 100 Hz and more.
        peaks: R peaks of each record in s; detected if not given.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> (found,) = aligned_beats(simulate(1, seconds=6, fs=100, heart_rate=60, seed=0))
        >>> found.beats.shape, bool(found.ectopic.any())
        ((6, 12, 325), False)
    """
    peaks = rhythm.r_peaks(ecg) if peaks is None else peaks
    if len(peaks) != len(ecg):
        raise InputError(f"R peaks of {len(peaks)} records for {len(ecg)} records", "one array per record was expected")
    return [_aligned(signal, ecg.fs, at) for signal, at in zip(ecg.signal.double().numpy(), peaks, strict=True)]


def _aligned(signal: np.ndarray, fs: float, peaks: np.ndarray) -> AlignedBeats:
    """The aligned beats of one record (lead, time)."""
    times = np.arange(round((BEFORE + AFTER) * fs * FINE)) / (fs * FINE) - BEFORE
    peaks = np.asarray(peaks, float)
    room = REACH + 1 / fs
    peaks = peaks[(peaks - BEFORE - room >= 0) & (peaks + AFTER + room <= (signal.shape[-1] - 1) / fs)]
    if not len(peaks):
        return AlignedBeats(np.zeros((0, len(signal), len(times))), np.zeros(0, bool), peaks)
    curve = CubicSpline(np.arange(signal.shape[-1]) / fs, signal, axis=-1)
    shifts = np.arange(-round(REACH * fs * FINE), round(REACH * fs * FINE) + 1) / (fs * FINE)
    long = curve(peaks[:, None] + np.arange(len(times) + len(shifts) - 1) / (fs * FINE) - BEFORE - REACH)
    long = np.moveaxis(long, 0, 1)  # (beat, lead, time and shifts)
    middle = len(shifts) // 2
    chosen = np.full(len(peaks), middle)
    for _ in range(ROUNDS):
        beats = cut_from(long, chosen, len(times))
        chosen = best_shifts(long, np.median(beats, 0), len(shifts))
    beats = cut_from(long, chosen, len(times))
    return AlignedBeats(beats, correlations(beats, np.median(beats, 0)) < ECTOPIC, peaks + shifts[chosen])


def beat_variability(
    ecg: ECG, peaks: Sequence[np.ndarray] | None = None, beats: Sequence[AlignedBeats] | None = None
) -> dict[str, np.ndarray]:
    """Variability of the beats within each record; NaN for records with fewer than three normal beats.

    Args:
        ecg: Records with the same filter and sampling rate; compare only sets that were filtered alike.
        peaks: R peaks of each record in s; detected if not given.
        beats: Its ``aligned_beats``, if they are known.

    Returns:
        Of shape (record, lead): ``amplitude_cv``, the coefficient of variation of the peak-to-peak amplitude over the
        normal beats; ``correlation``, the mean correlation of the normal beats with their median; ``p_cv``, ``qrs_cv``
        and ``t_cv``, the standard deviation of the amplitude of each wave relative to the median beat (the projection
        on it, which noise hardly affects), NaN below ``SMALLEST``; ``ectopic_cv``, the ``amplitude_cv`` of ectopic
        beats, from two beats. Of shape (record,): ``ectopic_share``.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> found = beat_variability(simulate(1, seconds=8, fs=100, heart_rate=60, seed=0))
        >>> found["amplitude_cv"].shape, bool(found["correlation"].min() > 0.9)
        ((1, 12), True)
    """
    beats = aligned_beats(ecg, peaks) if beats is None else beats
    names = ("amplitude_cv", "correlation", *(f"{wave}_cv" for wave in WAVES), "ectopic_cv")
    found: dict[str, np.ndarray] = {name: np.full((len(ecg), len(ecg.leads)), np.nan) for name in names}
    found["ectopic_share"] = np.full(len(ecg), np.nan)
    for row, one in enumerate(beats):
        if len(one.ectopic):
            found["ectopic_share"][row] = one.ectopic.mean()
        if one.ectopic.sum() >= 2:
            found["ectopic_cv"][row] = _amplitude_cv(one.beats[one.ectopic])
        if len(one.normal) < LEAST:
            continue
        for name, values in _of_normal(one.normal, ecg.fs).items():
            found[name][row] = values
    return found


def _amplitude_cv(beats: np.ndarray) -> np.ndarray:
    """(lead,) coefficient of variation of the peak-to-peak amplitude of (beat, lead, time)."""
    size = np.ptp(beats, -1)
    return size.std(0, ddof=1) / np.maximum(size.mean(0), 1e-9)


def _of_normal(beats: np.ndarray, fs: float) -> dict[str, np.ndarray]:
    """Variability (lead,) of normal beats (beat, lead, time)."""
    median = np.median(beats, 0)
    centred, reference = (one - one.mean(-1, keepdims=True) for one in (beats, median))
    products = (centred * reference).sum(-1)
    norms = np.linalg.norm(centred, axis=-1) * np.linalg.norm(reference, axis=-1)
    found = {"amplitude_cv": _amplitude_cv(beats), "correlation": (products / np.maximum(norms, 1e-12)).mean(0)}
    times = np.arange(beats.shape[-1]) / (fs * FINE) - BEFORE
    for wave, (first, last) in WAVES.items():
        part = (times >= first) & (times <= last)
        own, of_median = (one[..., part] - one[..., part].mean(-1, keepdims=True) for one in (beats, median))
        energy = (of_median**2).sum(-1)
        gains = (own * of_median).sum(-1) / np.maximum(energy, 1e-12)
        found[f"{wave}_cv"] = np.where(np.ptp(of_median, -1) >= SMALLEST, gains.std(0, ddof=1), np.nan)
    return found


def variance_split(
    beats: Sequence[AlignedBeats], groups: Sequence[int] | None = None, robust: bool = False
) -> dict[str, np.ndarray]:
    """Variance of the aligned beats within records, between draws from one condition and between conditions.

    A one-way (with ``groups``, nested) analysis of variance per lead and instant of the beat: normal beats within
    records, records within groups, and groups. Each level's mean square is corrected for the variance below it, so that
    the parts add up to the total variance of a beat.

    Args:
        beats: Aligned beats of each record. Records with fewer than three normal beats are left out.
        groups: Condition of each record, for several draws from one condition; None if every record has its own.
        robust: Use the median over the records of the variance within them, and the interquartile range of their means
            in place of a standard deviation, so that a few noisy records do not decide; not with ``groups``.

    Returns:
        Of shape (lead, time) in mV²: ``within`` records, ``between`` records (with ``groups``: between the draws from
        one condition), and with ``groups`` ``conditions``, between conditions. Parts can be slightly negative.

    Raises:
        InputError: If fewer than two records can be measured, or with ``groups`` no condition has two.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> hearts = rng.normal(0, 2.0, (400, 1, 1, 1))
        >>> drawn = [AlignedBeats(heart + rng.normal(0, 1.0, (6, 1, 1)), np.zeros(6, bool), np.arange(6.0))
        ...          for heart in hearts]
        >>> {name: round(float(part[0, 0]), 1) for name, part in variance_split(drawn).items()}
        {'within': 1.0, 'between': 4.0}
    """
    kept = [row for row, one in enumerate(beats) if len(one.normal) >= LEAST]
    if len(kept) < 2:
        raise InputError(f"{len(kept)} records with {LEAST} normal beats", "2 were expected at least")
    if robust:
        return _robust_split([beats[row].normal for row in kept])
    counts = np.array([len(beats[row].normal) for row in kept], float)
    means = np.stack([beats[row].normal.mean(0) for row in kept])
    squares = sum(((beats[row].normal - mean) ** 2).sum(0) for row, mean in zip(kept, means, strict=True))
    within = squares / (counts.sum() - len(kept))
    noise = within * np.mean(1 / counts)  # of the mean of a record's beats
    if groups is None:
        return {"within": within, "between": means.var(0, ddof=1) - noise}
    labels = np.asarray(groups)[kept]
    sets = [means[labels == label] for label in np.unique(labels)]
    several = [one for one in sets if len(one) >= 2]
    if not several:
        raise InputError("no condition has two records with beats", "several draws from a condition were expected")
    spread = sum(((one - one.mean(0)) ** 2).sum(0) for one in several) / sum(len(one) - 1 for one in several)
    middles = np.stack([one.mean(0) for one in sets])
    found = {"within": within, "between": spread - noise}
    if len(sets) > 1:
        found["conditions"] = middles.var(0, ddof=1) - spread * np.mean([1 / len(one) for one in sets])
    return found


def _robust_split(beats: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The split from medians and interquartile ranges, of the normal beats (beat, lead, time) of each record."""
    within = np.median([one.var(0, ddof=1) for one in beats], axis=0)
    low, high = np.quantile([one.mean(0) for one in beats], [0.25, 0.75], axis=0)
    deviation = (high - low) / (2 * norm.ppf(0.75))
    return {"within": within, "between": deviation**2 - within * np.mean([1 / len(one) for one in beats])}
