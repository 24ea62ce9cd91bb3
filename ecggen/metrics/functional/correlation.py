"""Correlations within the segments of a beat, in generated and true ECGs, after ECGNet (arXiv 2310.03753).

Within each segment (P, PQ, QRS, ST, T), the correlations between leads and the autocorrelation of each lead are
compared between a generated and a true ECG. Segments are given as ranges of samples, so any delineator can be used. The
mean of each beat's segment is subtracted and the beats of a record are pooled: long and large beats have more weight,
and baseline wander has no influence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError
from ecggen.metrics.functional.waveform import pearson, same_shape

LAGS = 10
"""Largest lag of the autocorrelation in samples."""

Segments = Mapping[str, np.ndarray]
"""By name, (record, beat, 2): first sample and one past the last; −1 if a beat has no such segment."""


def segment_cross_correlation(signal: ArrayLike, segments: Segments) -> dict[str, np.ndarray]:
    """Pearson's r between leads within each segment.

    Args:
        signal: (record, lead, time) in mV.
        segments: Sample ranges of the segments.

    Returns:
        (record, lead, lead) by segment; NaN if a record has no such segment or a lead is flat there.

    Raises:
        InputError: If the segments are of another number of records or reach beyond the signal.

    Example:
        >>> signal = np.array([[[0.0, 1.0, 2.0, 1.0], [0.0, -1.0, -2.0, -1.0]]])
        >>> segment_cross_correlation(signal, {"QRS": np.array([[[0, 4]]])})["QRS"][0, 0].round(6)
        array([ 1., -1.])
    """
    return _each(signal, segments, _between_leads)


def segment_autocorrelation(signal: ArrayLike, segments: Segments, lags: int = LAGS) -> dict[str, np.ndarray]:
    """Autocorrelation of each lead within each segment.

    Args:
        signal: (record, lead, time) in mV.
        segments: Sample ranges of the segments.
        lags: Largest lag in samples.

    Returns:
        (record, lead, 1 + lags) by segment: 1 at lag 0, 0 at lags beyond the length of the segments; NaN if a record
        has no such segment or a lead is flat there.

    Raises:
        InputError: As ``segment_cross_correlation``.

    Example:
        >>> signal = np.array([[[1.0, -1.0, 1.0, -1.0]]])
        >>> segment_autocorrelation(signal, {"QRS": np.array([[[0, 4]]])}, lags=2)["QRS"][0, 0]
        array([ 1.  , -0.75,  0.5 ])
    """
    return _each(signal, segments, lambda beats: _along_time(beats, lags))


def segment_correlation_errors(
    predicted: ArrayLike, true: ArrayLike, segments: Segments, lags: int = LAGS
) -> dict[str, dict[str, np.ndarray]]:
    """Errors of the correlations in generated leads, by segment of the true ECG.

    Args:
        predicted: (record, lead, time) in mV.
        true: Of the same shape.
        segments: Sample ranges of the segments in the true ECG.
        lags: Largest lag in samples.

    Returns:
        By segment, (record,) each: ``cross_error`` and ``auto_error``, the mean absolute errors of the correlations
        between leads and of the autocorrelations (0 is perfect; ``cross_error`` is NaN for one lead), and
        ``with_true``, the mean over leads of Pearson's r between predicted and true waveform in the segment (1 is
        perfect). Correlations of a flat predicted lead count as 0. NaN if a record has no such segment.

    Raises:
        InputError: If shapes differ, or as ``segment_cross_correlation``.

    Example:
        >>> signal = np.array([[[0.0, 1.0, 2.0, 1.0], [0.0, 1.0, -2.0, 1.0]]])
        >>> found = segment_correlation_errors(2 * signal, signal, {"QRS": np.array([[[0, 4]]])}, lags=2)["QRS"]
        >>> {name: round(float(value[0]), 6) for name, value in found.items()}
        {'cross_error': 0.0, 'auto_error': 0.0, 'with_true': 1.0}
    """
    first, second = same_shape(predicted, true)
    between = [segment_cross_correlation(one, segments) for one in (first, second)]
    along = [segment_autocorrelation(one, segments, lags) for one in (first, second)]
    both = _each(np.concatenate([first, second], 1), segments, _between_halves)
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
    """Apply ``measure`` to the segment's pieces of every record, by segment."""
    waves = np.asarray(signal, np.float64)
    if waves.ndim != 3 or not len(waves):
        raise InputError(f"the signal has shape {waves.shape}", "(record, lead, time) was expected")
    for name, ranges in segments.items():
        _check(name, np.asarray(ranges), waves)
    return {
        name: np.array([measure(_pieces(wave, ranges)) for wave, ranges in zip(waves, ranges_of_records, strict=True)])
        for name, ranges_of_records in segments.items()
    }


def _check(name: str, ranges: np.ndarray, waves: np.ndarray) -> None:
    if ranges.ndim != 3 or ranges.shape[0] != len(waves) or ranges.shape[2] != 2:
        raise InputError(f"segment {name} has shape {ranges.shape} for {len(waves)} records", "(record, beat, 2)")
    if ranges.size and ranges.max() > waves.shape[-1]:
        raise InputError(f"segment {name} ends at sample {ranges.max()}", f"at most {waves.shape[-1]} was expected")


def _pieces(wave: np.ndarray, ranges: np.ndarray) -> list[np.ndarray]:
    """(lead, time) of each beat with the segment, without its mean; one empty array if no beat has it."""
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


def _between_halves(pieces: list[np.ndarray]) -> np.ndarray:
    """(lead,): Pearson's r between the first half of the leads and the second."""
    joined = np.concatenate(pieces, 1)
    if not joined.shape[1]:
        return np.full(len(joined) // 2, np.nan)
    return pearson(*np.split(joined, 2))


def _ratio(shared: np.ndarray, power: np.ndarray) -> np.ndarray:
    return np.divide(shared, power, out=np.full(power.shape, np.nan), where=power > 1e-18)


def _departure(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(record,): mean absolute difference over defined true correlations."""
    return _mean(np.where(np.isnan(true), np.nan, np.abs(np.nan_to_num(predicted) - true)))


def _mean(values: np.ndarray) -> np.ndarray:
    """(record,): mean over values that are not NaN; NaN if all are."""
    flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
    known = ~np.isnan(flat)
    return np.divide(np.nansum(flat, 1), known.sum(1), out=np.full(len(flat), np.nan), where=known.any(1))
