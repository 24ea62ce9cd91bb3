"""The part of the variance of draws that lies between the draws, apart from that within them.

Given some leads, several draws of one record differ in two ways: in their mean beats (one draw has larger R waves in V3
than the other), and from beat to beat within each draw. Only the first is the uncertainty about the heart. It is right
if it equals the square of the distance of the true mean beat from the mean of the draws. Total variance may be right
with too little of it.

The R peaks are found once, in the given leads, and are shared by the truth and all draws. Means over beats are linear,
so that the scores of draws that are scaled about a center follow from a few terms without drawing again. The variance
within a record, of the beats about their mean beat, is matched apart from it (``WithinTerms``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.core import rhythm
from ecggen.core.beats import correlations
from ecggen.core.ecg import ECG

BEFORE, AFTER = 0.25, 0.40
"""Seconds of a beat before and after its R peak."""
ECTOPIC = 0.7
"""Correlation with the median beat of the given leads below which a beat is left out."""
LEAST = 3
"""Fewest beats of a record that is used."""


@dataclass(frozen=True)
class BetweenTerms:
    """What the ratio of variances between draws depends on, for each record, lead and instant of the beat, in mV².

    With e the mean beat of truth − center, and d that of draw − center, each without the variance that its few noisy
    beats leave in a mean:

    Attributes:
        spread: Variance of d between the draws.
        error: e².
        shift: e times the mean of d over the draws.
        bias: Square of the mean of d over the draws, without the variance that few draws leave in it.
        noise: The variance that few noisy beats leave in the mean beat of a draw.
    """

    spread: np.ndarray
    error: np.ndarray
    shift: np.ndarray
    bias: np.ndarray
    noise: np.ndarray

    def sums(self, at: np.ndarray | slice = slice(None), records: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(5, lead): the terms, summed over ``records`` and the instants ``at``."""
        return np.stack([term[records][..., at].sum((0, 2)) for term in self._all()])

    def ratio(self, factor: np.ndarray | float = 1.0, **part) -> np.ndarray:
        """(lead,) variance between the draws over that of the truth, if draws were scaled about the center.

        Infinite where too few records leave no variance of the truth.

        Args:
            factor: (lead,) factor on the distance of the draws from the center.
            part: Instants and records, as in ``sums``.
        """
        spread, error, shift, bias, _ = self.sums(**part)
        true = error - 2 * factor * shift + factor**2 * bias
        return np.where(true > 0, factor**2 * spread / np.where(true > 0, true, 1), np.inf)

    def factor(self, rest: np.ndarray | None = None, **part) -> np.ndarray:
        """(lead,) the factor at which ``ratio`` is 1; infinite if there is none.

        Args:
            rest: (lead,) factor on the differences of the beats from their mean beat, if the returned factor is that on
                the mean beat alone, with the noise that few beats leave in it; None if there is one for both.
            part: Instants and records, as in ``sums``.
        """
        spread, error, shift, bias, noise = self.sums(**part)
        if rest is not None:
            spread, error = spread + noise, error + rest**2 * noise
        a = spread - bias  # a · factor² + 2 · shift · factor − error = 0
        root = np.sqrt(np.maximum(shift**2 + a * error, 0))
        return np.where(a > 0, (root - shift) / np.where(a > 0, a, 1), np.inf)

    @classmethod
    def cat(cls, parts: Sequence[BetweenTerms]) -> BetweenTerms:
        """The terms of several batches of records."""
        return cls(*(np.concatenate(terms) for terms in zip(*(part._all() for part in parts), strict=True)))

    def _all(self) -> tuple[np.ndarray, ...]:
        return self.spread, self.error, self.shift, self.bias, self.noise


@dataclass(frozen=True)
class WithinTerms:
    """Sums over records and beats of what the variance within a record depends on, for each lead, in mV².

    With the differences of the beats from their mean beat, of the truth, the center and the draws − center:

    Attributes:
        true: Their squares in the truth.
        center: The same of the center.
        both: Twice the product of those of the center and of the mean of the draws.
        drawn: Squares of those of a draw, mean over the draws.
    """

    true: np.ndarray
    center: np.ndarray
    both: np.ndarray
    drawn: np.ndarray

    def factor(self) -> np.ndarray:
        """(lead,) factor on the differences of a draw at which their variance is the true one; infinite if none."""
        a, b, c = self.drawn, self.both, self.center - self.true  # a · factor² + b · factor + c = 0
        root = np.sqrt(np.maximum(b**2 - 4 * a * c, 0))
        return np.where(a > 0, np.maximum(root - b, 0) / np.where(a > 0, 2 * a, 1), np.inf)

    @classmethod
    def total(cls, parts: Sequence[WithinTerms]) -> WithinTerms:
        """The sums over several batches of records."""
        return cls(
            *(np.sum([getattr(part, name) for part in parts], 0) for name in ("true", "center", "both", "drawn"))
        )


def within_terms(
    true: np.ndarray, center: np.ndarray, draws: np.ndarray, starts: Sequence[np.ndarray], fs: float
) -> WithinTerms:
    """The sums of a batch of records, with arguments as of ``between_terms``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> true, draws = rng.normal(size=(50, 1, 500)), 0.5 * rng.normal(size=(50, 4, 1, 500))
        >>> terms = within_terms(true, np.zeros((50, 1, 500)), draws, [np.array([0, 100, 200, 300])] * 50, 100.0)
        >>> round(float(terms.factor()[0]), 1)
        2.0
    """
    sums = np.zeros((4, true.shape[1]))
    for truth, middle, drawn, at in zip(true, center, draws, starts, strict=True):
        if len(at) < LEAST:
            continue
        own, known, each = (cut(wave, at, fs) for wave in (truth, middle, drawn - middle))
        own, known, each = (beats - beats.mean(0) for beats in (own, known, each))
        both = 2 * (each.mean(1) * known).sum((0, 2))
        sums += np.stack([(own**2).sum((0, 2)), (known**2).sum((0, 2)), both, (each**2).mean(1).sum((0, 2))])
    return WithinTerms(*sums)


def shared_beats(given: ECG) -> list[np.ndarray]:
    """The first sample of each complete beat of each record that resembles its median beat in the given leads."""
    found = []
    for signal, peaks in zip(given.signal.double().numpy(), rhythm.r_peaks(given), strict=True):
        starts = np.round((np.asarray(peaks) - BEFORE) * given.fs).astype(int)
        starts = starts[(starts >= 0) & (starts + beat_length(given.fs) <= given.samples)]
        if len(starts) >= LEAST:
            beats = cut(signal, starts, given.fs)
            starts = starts[correlations(beats, np.median(beats, 0)) >= ECTOPIC]
        found.append(starts)
    return found


def beat_length(fs: float) -> int:
    """Samples of a beat."""
    return round((BEFORE + AFTER) * fs)


def cut(signal: np.ndarray, starts: np.ndarray, fs: float) -> np.ndarray:
    """The beats of (…, time) at their first samples: (beat, …, time)."""
    return np.stack([signal[..., start : start + beat_length(fs)] for start in starts])


def between_terms(
    true: np.ndarray, center: np.ndarray, draws: np.ndarray, starts: Sequence[np.ndarray], fs: float
) -> BetweenTerms:
    """The terms of a batch of records; records with fewer than ``LEAST`` beats are left out.

    Args:
        true: (record, lead, time) in mV.
        center: (record, lead, time): what the draws are scaled about.
        draws: (record, draw, lead, time), at least two draws.
        starts: First samples of the beats of each record, as ``shared_beats`` gives them.
        fs: Sampling rate in Hz.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> draws = 0.5 * rng.normal(size=(400, 4, 1, 1)) + 0.2 * rng.normal(size=(400, 4, 1, 500))
        >>> true, center = rng.normal(size=(400, 1, 1)) * np.ones(500), np.zeros((400, 1, 500))
        >>> terms = between_terms(true, center, draws, [np.array([0, 100, 200, 300])] * 400, 100.0)
        >>> round(float(terms.ratio()[0]), 1), round(float(terms.factor()[0]), 1)
        (0.2, 2.1)
    """
    parts = []
    for truth, middle, drawn, at in zip(true, center, draws, starts, strict=True):
        if len(at) < LEAST:
            continue
        own, each = cut(truth - middle, at, fs), cut(drawn - middle, at, fs)  # (beat, lead, …), (beat, draw, lead, …)
        error, deviation = own.mean(0), each.mean(0)
        mean, spread = deviation.mean(0), deviation.var(0, ddof=1)
        noise, noise_drawn = own.var(0, ddof=1) / len(at), each.var(0, ddof=1).mean(0) / len(at)
        bias = mean**2 - spread / len(drawn)
        parts.append((spread - noise_drawn, error**2 - noise, error * mean, bias, noise_drawn))
    if not parts:
        empty = np.zeros((0, true.shape[1], beat_length(fs)))
        return BetweenTerms(empty, empty, empty, empty, empty)
    return BetweenTerms(*(np.stack(term) for term in zip(*parts, strict=True)))
