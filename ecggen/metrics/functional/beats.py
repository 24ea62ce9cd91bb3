"""R peaks against R peaks, and what the intervals between them say of a rhythm.

Peaks are times in s, ascending, one array a record; whoever found them is to be named beside the score. A beat that
was not drawn and a beat that was drawn too many both cost; a record without a peak is counted, never dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from ecggen.core.errors import InputError
from ecggen.core.rhythm import heart_rate

TOLERANCES = (0.05, 0.15)
"""Seconds by which a drawn R peak may miss a true one: a good delineation's, and the detectors' literature's."""
RR_STATISTICS: tuple[str, ...] = ("heart_rate", "sdnn_ms", "rmssd_ms", "irregularity")
"""What ``rr_statistics`` tells, by name."""


def match(peaks: np.ndarray, true_peaks: np.ndarray, tolerance: float) -> np.ndarray:
    """Partners, one to one: as many as lie within ``tolerance``, and of those ways the one with the least distance.

    Args:
        peaks: (peak,) in s.
        true_peaks: (peak,) in s.
        tolerance: s; a distance of just that counts.

    Returns:
        (pair, 2) of indices into either, ascending.
    """
    drawn, true = np.asarray(peaks, float), np.asarray(true_peaks, float)
    distance = np.abs(drawn[:, None] - true)
    near = distance <= tolerance + 1e-9
    cost = np.where(near, distance, (tolerance + 1) * (min(distance.shape) + 1))  # no sum of near ones comes to this
    pairs = np.stack(linear_sum_assignment(cost), 1)
    return pairs[near[pairs[:, 0], pairs[:, 1]]]


def beat_counts(
    drawn: np.ndarray, true: np.ndarray, tolerance: float, part: tuple[float, float] = (-np.inf, np.inf)
) -> np.ndarray:
    """(4,): drawn R peaks with a partner, drawn ones, true ones with a partner, true ones, all within ``part`` (s).

    Partners may lie outside of the part. Counts of several records may be added.
    """
    pairs = match(drawn, true, tolerance)
    counts = []
    for peaks, met in ((drawn, pairs[:, 0]), (true, pairs[:, 1])):
        inside = (peaks >= part[0]) & (peaks <= part[1])
        counts += [inside[met].sum(), inside.sum()]
    return np.array(counts, float)


def f1_of_counts(counts: np.ndarray) -> np.ndarray:
    """F1 of (…, 4) counts, or of their means, as ``beat_counts`` gives them; 0 where there is nothing to count."""
    found, drawn, met, true = np.moveaxis(np.asarray(counts, float), -1, 0)
    precision, recall = found / np.maximum(drawn, 1e-12), met / np.maximum(true, 1e-12)
    return 2 * precision * recall / np.maximum(precision + recall, 1e-12)


def f1(drawn: Sequence[np.ndarray], true: Sequence[np.ndarray], tolerance: float) -> float:
    """F1 of R peaks pooled over records: the harmonic mean of the shares of drawn and of true ones with a partner.

    Args:
        drawn: Each record's R peaks in s; an empty array where none was found, which counts as all missed.
        true: The true ones, record by record.
        tolerance: s.

    Raises:
        InputError: Where the numbers of records differ or no record has a true peak.
    """
    _check_records(drawn, true)
    counts = sum((beat_counts(a, b, tolerance) for a, b in zip(drawn, true, strict=True)), np.zeros(4))
    if not counts[3]:
        raise InputError(f"none of {len(true)} true records has an R peak", "some were expected")
    return float(f1_of_counts(counts))


def heart_rate_errors(drawn: Sequence[np.ndarray], true: Sequence[np.ndarray]) -> np.ndarray:
    """(record,): |drawn − true| mean rate per minute; where only one of both has a rate, the whole of that rate.

    Raises:
        InputError: Where the numbers of records differ.
    """
    _check_records(drawn, true)
    rates, true_rates = ([heart_rate(one) or 0.0 for one in every] for every in (drawn, true))
    return np.abs(np.subtract(rates, true_rates))


def rr_statistics(peaks: np.ndarray) -> dict[str, float]:
    """What the RR intervals of one record say (Task Force, Circulation 1996; on 10 s they are no long-term values).

    Args:
        peaks: (peak,) in s, ascending.

    Returns:
        ``heart_rate`` per minute between first and last peak, from two peaks on; from three on ``sdnn_ms``, the
        standard deviation of RR, ``rmssd_ms``, the root mean square of successive differences of RR, and
        ``irregularity``, the mean absolute successive difference over the mean RR, which hardly depends on the rate.
        NaN where there are fewer.
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
    """``rr_statistics`` of each record: (record,) by name."""
    rows = [rr_statistics(one) for one in peaks]
    return {name: np.array([row[name] for row in rows]) for name in RR_STATISTICS}


def _check_records(drawn: Sequence[np.ndarray], true: Sequence[np.ndarray]) -> None:
    if len(drawn) != len(true):
        raise InputError(f"{len(drawn)} drawn records stand beside {len(true)} true ones", "pairs were expected")
