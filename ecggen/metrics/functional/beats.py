"""Agreement of R peaks, and statistics of RR intervals.

R peaks are ascending times in s, one array per record. Name the detector together with the score. Missing and
additional beats both lower the score; a record without R peaks is counted, never dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from ecggen.core.errors import InputError
from ecggen.core.rhythm import heart_rate

TOLERANCES = (0.05, 0.15)
"""Tolerances in s between a predicted and a true R peak: for delineation, and the usual one for detectors."""
RR_STATISTICS: tuple[str, ...] = ("heart_rate", "sdnn_ms", "rmssd_ms", "irregularity")
"""Names of the values of ``rr_statistics``."""


def match_r_peaks(peaks: np.ndarray, true_peaks: np.ndarray, tolerance: float) -> np.ndarray:
    """One-to-one matching of R peaks: as many pairs within ``tolerance`` as possible, with the least total distance.

    Args:
        peaks: (peak,) in s.
        true_peaks: (peak,) in s.
        tolerance: Largest distance of a pair in s, inclusive.

    Returns:
        (pair, 2) of indices into both arrays, ascending.

    Example:
        >>> match_r_peaks([1.0, 1.04, 2.0], [1.05, 2.1], tolerance=0.15).tolist()
        [[1, 0], [2, 1]]
    """
    predicted, true = np.asarray(peaks, float), np.asarray(true_peaks, float)
    distance = np.abs(predicted[:, None] - true)
    near = distance <= tolerance + 1e-9
    cost = np.where(near, distance, (tolerance + 1) * (min(distance.shape) + 1))  # exceeds any sum of pairs
    pairs = np.stack(linear_sum_assignment(cost), 1)
    return pairs[near[pairs[:, 0], pairs[:, 1]]]


def beat_counts(
    predicted: np.ndarray, true: np.ndarray, tolerance: float, part: tuple[float, float] = (-np.inf, np.inf)
) -> np.ndarray:
    """(4,) counts within ``part`` (s): matched predicted, predicted, matched true and true R peaks.

    The partner of a matched peak may lie outside ``part``. Counts of several records can be added.

    Example:
        >>> beat_counts(np.array([1.0, 2.0]), np.array([1.02, 3.0, 4.0]), tolerance=0.05)
        array([1., 2., 1., 3.])
    """
    pairs = match_r_peaks(predicted, true, tolerance)
    counts = []
    for peaks, matched in ((predicted, pairs[:, 0]), (true, pairs[:, 1])):
        inside = (peaks >= part[0]) & (peaks <= part[1])
        counts += [inside[matched].sum(), inside.sum()]
    return np.array(counts, float)


def f1_of_counts(counts: np.ndarray) -> np.ndarray:
    """F1 (…) of (…, 4) counts from ``beat_counts``, or of their means; 0 without peaks.

    Example:
        >>> float(f1_of_counts([1, 2, 1, 2]))
        0.5
    """
    matched_predicted, predicted, matched_true, true = np.moveaxis(np.asarray(counts, float), -1, 0)
    precision, recall = matched_predicted / np.maximum(predicted, 1e-12), matched_true / np.maximum(true, 1e-12)
    return 2 * precision * recall / np.maximum(precision + recall, 1e-12)


def r_peak_f1(predicted: Sequence[np.ndarray], true: Sequence[np.ndarray], tolerance: float) -> float:
    """F1 of R peaks pooled over records: harmonic mean of positive predictive value and sensitivity.

    Args:
        predicted: R peaks of each record in s; an empty array if none was found.
        true: True R peaks of each record in s.
        tolerance: Largest distance in s of a match.

    Raises:
        InputError: If the numbers of records differ or no record has a true peak.

    Example:
        >>> r_peak_f1([np.array([1.0, 2.0])], [np.array([1.01, 3.0])], tolerance=0.05)
        0.5
    """
    _check_records(predicted, true)
    counts = sum((beat_counts(a, b, tolerance) for a, b in zip(predicted, true, strict=True)), np.zeros(4))
    if not counts[3]:
        raise InputError(f"none of {len(true)} true records has an R peak", "some were expected")
    return float(f1_of_counts(counts))


def heart_rate_errors(predicted: Sequence[np.ndarray], true: Sequence[np.ndarray]) -> np.ndarray:
    """(record,): absolute error of the mean heart rate in beats per minute; an undefined rate counts as 0.

    Raises:
        InputError: If the numbers of records differ.

    Example:
        >>> heart_rate_errors([np.array([0.0, 1.0]), np.array([])], [np.array([0.0, 0.5]), np.array([0.0, 1.0])])
        array([60., 60.])
    """
    _check_records(predicted, true)
    rates, true_rates = ([heart_rate(peaks) or 0.0 for peaks in records] for records in (predicted, true))
    return np.abs(np.subtract(rates, true_rates))


def rr_statistics(peaks: np.ndarray) -> dict[str, float]:
    """Statistics of the RR intervals of one record (Task Force, Circulation 1996).

    Values of 10 s recordings are not comparable with long-term values.

    Args:
        peaks: (peak,) in s, ascending.

    Returns:
        ``heart_rate`` in beats per minute between first and last peak (two peaks or more); and, for three peaks or
        more, ``sdnn_ms``, the standard deviation of RR, ``rmssd_ms``, the root mean square of successive differences of
        RR, and ``irregularity``, the mean absolute successive difference divided by the mean RR, which hardly depends
        on the rate. NaN if there are fewer peaks.

    Example:
        >>> {name: round(value, 2) for name, value in rr_statistics(np.array([0.0, 0.8, 1.8, 2.6])).items()}
        {'heart_rate': 69.23, 'sdnn_ms': 115.47, 'rmssd_ms': 200.0, 'irregularity': 0.23}
    """
    rr = np.diff(np.asarray(peaks, float))
    steps = np.diff(rr)
    found: dict[str, float] = dict.fromkeys(RR_STATISTICS, np.nan)
    if len(rr):
        found["heart_rate"] = float(heart_rate(peaks) or np.nan)
    if len(steps):
        found["sdnn_ms"] = float(1000 * rr.std(ddof=1))
        found["rmssd_ms"] = float(1000 * np.sqrt((steps**2).mean()))
        found["irregularity"] = float(np.abs(steps).mean() / rr.mean())
    return found


def rr_table(peaks: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """``rr_statistics`` of each record: (record,) by name.

    Example:
        >>> rr_table([np.array([0.0, 1.0]), np.array([0.0, 0.5])])["heart_rate"]
        array([ 60., 120.])
    """
    rows = [rr_statistics(record) for record in peaks]
    return {name: np.array([row[name] for row in rows]) for name in RR_STATISTICS}


def _check_records(predicted: Sequence[np.ndarray], true: Sequence[np.ndarray]) -> None:
    if len(predicted) != len(true):
        raise InputError(f"{len(predicted)} predicted and {len(true)} true records", "pairs were expected")
