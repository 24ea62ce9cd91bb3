"""ECGNet's analysis (arXiv 2310.03753): which parts of a beat keep their correlations when leads are generated.

Within each segment (P, PQ, QRS, ST, T) leads correlate with one another, and each lead with itself some samples
later; both should be in the generated ECG what they are in the true one. Segments come as ranges of samples, so that
no delineator is presumed. Each beat's segment is freed of its mean, then the beats of a record are pooled, so that
long and large beats weigh more and a wandering baseline weighs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError
from ecggen.metrics.functional.waveform import pearson, same_shape

LAGS = 10
"""Samples up to which a segment is compared with itself."""

Segments = Mapping[str, np.ndarray]
"""By name, (record, beat, 2): the first sample and the one behind the last; −1 where a beat has no such segment."""


def segment_cross_correlation(signal: ArrayLike, segments: Segments) -> dict[str, np.ndarray]:
    """Pearson's r between leads within each segment.

    Args:
        signal: (record, lead, time) in mV.
        segments: Where they lie.

    Returns:
        (record, lead, lead) by segment; NaN where a record has no such segment or a lead is flat there.

    Raises:
        InputError: Where segments belong to another number of records or reach beyond the signal.
    """
    return _each(signal, segments, _between_leads)


def segment_autocorrelation(signal: ArrayLike, segments: Segments, lags: int = LAGS) -> dict[str, np.ndarray]:
    """Each lead's correlation with itself some samples later, within each segment.

    Args:
        signal: (record, lead, time) in mV.
        segments: Where they lie.
        lags: Largest lag in samples.

    Returns:
        (record, lead, 1 + lags) by segment, 1 at lag 0, 0 at lags that no segment reaches; NaN where a record has no
        such segment or a lead is flat there.

    Raises:
        InputError: As ``segment_cross_correlation``.
    """
    return _each(signal, segments, lambda beats: _along_time(beats, lags))


def preserved(
    drawn: ArrayLike, true: ArrayLike, segments: Segments, lags: int = LAGS
) -> dict[str, dict[str, np.ndarray]]:
    """How well generated leads keep the true ones' correlations, per segment of the true ECG.

    Args:
        drawn: (record, lead, time) in mV.
        true: Of the same shape.
        segments: Where they lie in the true ECG.
        lags: Largest lag in samples.

    Returns:
        By segment, (record,) each: ``cross_error`` and ``auto_error``, the mean absolute difference of the
        correlations between leads and along time (0 is perfect; NaN with one lead), and ``with_true``, the mean over
        leads of Pearson's r between drawn and true wave there (1 is perfect; a flat drawn lead knows nothing: 0).
        A correlation that a flat drawn lead leaves undefined counts as 0. NaN where a record has no such segment.

    Raises:
        InputError: Where shapes differ, or as ``segment_cross_correlation``.
    """
    first, second = same_shape(drawn, true)
    between = [segment_cross_correlation(one, segments) for one in (first, second)]
    along = [segment_autocorrelation(one, segments, lags) for one in (first, second)]
    both = _each(np.concatenate([first, second], 1), segments, _with_partner)
    pairs = np.triu_indices(first.shape[1], 1)
    return {
        name: {
            "cross_error": _departure(between[0][name][:, *pairs], between[1][name][:, *pairs]),
            "auto_error": _departure(along[0][name][..., 1:], along[1][name][..., 1:]),
            "with_true": _mean(both[name]),
        }
        for name in segments
    }


def _each(
    signal: ArrayLike, segments: Segments, measure: Callable[[list[np.ndarray]], np.ndarray]
) -> dict[str, np.ndarray]:
    """``measure`` of the beats' pieces of every record, by segment."""
    waves = np.asarray(signal, np.float64)
    if waves.ndim != 3 or not len(waves):
        raise InputError(f"the signal has shape {waves.shape}", "(record, lead, time) was expected")
    for name, ranges in segments.items():
        _check(name, np.asarray(ranges), waves)
    return {
        name: np.array([measure(_pieces(wave, ranges)) for wave, ranges in zip(waves, every, strict=True)])
        for name, every in segments.items()
    }


def _check(name: str, ranges: np.ndarray, waves: np.ndarray) -> None:
    if ranges.ndim != 3 or ranges.shape[0] != len(waves) or ranges.shape[2] != 2:
        raise InputError(f"segment {name} has shape {ranges.shape} for {len(waves)} records", "(record, beat, 2)")
    if ranges.size and ranges.max() > waves.shape[-1]:
        raise InputError(f"segment {name} ends at sample {ranges.max()}", f"at most {waves.shape[-1]} was expected")


def _pieces(wave: np.ndarray, ranges: np.ndarray) -> list[np.ndarray]:
    """(lead, time) of each beat that has the segment, free of its mean; an empty one where none has."""
    cut = [wave[:, first:last] for first, last in ranges if 0 <= first < last]
    return [piece - piece.mean(-1, keepdims=True) for piece in cut] or [wave[:, :0]]


def _between_leads(pieces: list[np.ndarray]) -> np.ndarray:
    joined = np.concatenate(pieces, 1)
    shared, power = joined @ joined.T, (joined**2).sum(-1)
    return _ratio(shared, np.sqrt(np.outer(power, power)))


def _along_time(pieces: list[np.ndarray], lags: int) -> np.ndarray:
    shared = np.zeros((len(pieces[0]), 1 + lags))
    for piece in pieces:
        for lag in range(min(1 + lags, piece.shape[1])):
            shared[:, lag] += (piece[:, : piece.shape[1] - lag] * piece[:, lag:]).sum(-1)
    return _ratio(shared, np.broadcast_to(shared[:, :1], shared.shape))


def _with_partner(pieces: list[np.ndarray]) -> np.ndarray:
    """(lead,): r between the first half of the leads and the second."""
    joined = np.concatenate(pieces, 1)
    if not joined.shape[1]:
        return np.full(len(joined) // 2, np.nan)
    return pearson(*np.split(joined, 2))


def _ratio(shared: np.ndarray, power: np.ndarray) -> np.ndarray:
    return np.divide(shared, power, out=np.full(power.shape, np.nan), where=power > 1e-18)


def _departure(drawn: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(record,): mean absolute difference where the true correlation is defined."""
    return _mean(np.where(np.isnan(true), np.nan, np.abs(np.nan_to_num(drawn) - true)))


def _mean(values: np.ndarray) -> np.ndarray:
    """(record,): mean of what is defined; NaN where nothing is."""
    flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
    known = ~np.isnan(flat)
    return np.divide(np.nansum(flat, 1), known.sum(1), out=np.full(len(flat), np.nan), where=known.any(1))
