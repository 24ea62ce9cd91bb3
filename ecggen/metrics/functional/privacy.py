"""Memorisation of training records: distances to training records against distances to held-out records.

A synthetic ECG can be close to a training ECG because ECGs resemble each other; only held-out records show how close
that is. So every measure is a comparison: with equally many held-out records, with the second nearest neighbour, or
with a threshold that real records of different patients do not reach. Features and signals are given as (record, …);
distances are Euclidean over all axes of a record.

Distances of signals in mV are dominated by the few records of lowest amplitude, which are close to every record:
between three sets of 1,000 different patients each (PTB-XL), the fraction closer to the "training" set was 0.33, 0.55
and 0.69, and 0.49 to 0.52 after ``standardised``. Pass standardised signals, or features.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import irfft, next_fast_len, rfft

from ecggen.core.errors import InputError
from ecggen.metrics.functional.distribution.feature_sets import feature_sets, squared_distances
from ecggen.metrics.functional.ranking import auroc

FEWEST = 2
"""Fewest records of a set; the confidence interval shows the uncertainty."""
LEAST_OVERLAP = 0.5
"""Smallest overlap of two shifted records, as a fraction of their samples."""
FAINT = 1e-2
"""Smallest fraction of a record's power within the overlap; below it the correlation counts as 0."""
SHIFTED_AT_ONCE = 16
"""Synthetic records per batch: 100 MB for a thousand training records of 10 s at 100 Hz."""


def standardised(signal: ArrayLike) -> np.ndarray:
    """(record, lead, time) with each lead scaled to mean 0 and deviation 1, in double precision; flat leads are zero.

    Example:
        >>> standardised([[[1.0, 3.0], [2.0, 2.0]]])
        array([[[-1.,  1.],
                [ 0.,  0.]]])
    """
    waves = np.asarray(signal, np.float64)
    centred, deviation = waves - waves.mean(-1, keepdims=True), waves.std(-1, keepdims=True)
    return np.divide(centred, deviation, out=np.zeros_like(waves), where=np.ptp(waves, -1, keepdims=True) > 0)


def closest(x: ArrayLike, y: ArrayLike, neighbours: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices of the nearest records of ``y`` to each of ``x``, nearest first.

    Args:
        x: (record, …).
        y: (record, …), with the same shape per record.
        neighbours: Number of neighbours.

    Returns:
        (record,) twice for one neighbour, else (record, neighbour) twice.

    Raises:
        InputError: If values are not finite, shapes differ or ``y`` has too few records.

    Example:
        >>> closest([[0.0, 0.0]], [[3.0, 4.0], [6.0, 8.0]])
        (array([5.]), array([0]))
    """
    first, second = feature_sets(_flat(x), _flat(y), fewest=1)
    if not 1 <= neighbours <= len(second):
        raise InputError(f"{neighbours} neighbours among {len(second)} records", f"1 to {len(second)} were expected")
    index = np.empty((len(first), neighbours), int)
    for part, table in squared_distances(first, second):
        near = np.argpartition(table, neighbours - 1, axis=1)[:, :neighbours]
        index[part] = np.take_along_axis(near, np.take_along_axis(table, near, 1).argsort(1, kind="stable"), 1)
    # Recomputed from the differences: the expanded square leaves a small distance for an exact copy.
    columns = [np.sqrt(((first - second[column]) ** 2).sum(1)) for column in index.T]
    distance = np.stack(columns, 1)
    return (distance[:, 0], index[:, 0]) if neighbours == 1 else (distance, index)


def closer_to_training(synthetic: ArrayLike, training: ArrayLike, holdout: ArrayLike, seed: int = 0) -> float:
    """Fraction of synthetic records that are closer to a training record than to any held-out record; 0.5 is ideal.

    Args:
        synthetic: (record, …).
        training: (record, …), the model's training records.
        holdout: (record, …), other patients of the same source, not used in training.
        seed: Seed of the subsample by which the larger set is reduced to the size of the smaller one.

    Returns:
        The fraction; a tie counts as half.

    Raises:
        InputError: If values are not finite, shapes differ or a set has fewer than two records.

    Example:
        >>> training, holdout = [[0.0], [1.0]], [[10.0], [11.0]]
        >>> closer_to_training([[0.1], [0.9], [10.4], [10.6]], training, holdout)
        0.5
    """
    sets = [_flat(records) for records in (training, holdout)]
    fewest = min(map(len, sets))
    if fewest < FEWEST:
        raise InputError(f"{fewest} records", f"at least {FEWEST} were expected for this score")
    rng = np.random.default_rng(seed)
    known, unknown = (
        closest(synthetic, records if len(records) == fewest else records[rng.choice(len(records), fewest, False)])[0]
        for records in sets
    )
    return float(((known < unknown) + 0.5 * (known == unknown)).mean())


def neighbour_ratio(synthetic: ArrayLike, training: ArrayLike) -> np.ndarray:
    """(record,): distance to the nearest training record divided by the distance to the second nearest.

    Near 1 for an independent record; near 0 for a copy of one training record. A copy of duplicated training records is
    detected only if it is exact (0).

    Raises:
        InputError: If values are not finite, shapes differ or there are fewer than two training records.

    Example:
        >>> neighbour_ratio([[0.0]], [[1.0], [-4.0]])
        array([0.25])
    """
    distance, _ = closest(synthetic, training, neighbours=2)
    return np.divide(distance[:, 0], distance[:, 1], out=np.zeros(len(distance)), where=distance[:, 1] > 0)


def shifted_copies(
    synthetic: ArrayLike,
    training: ArrayLike,
    fs: float,
    threshold: float = 0.95,
    overlap: float = LEAST_OVERLAP,
) -> dict[str, np.ndarray]:
    """Most similar training record of each synthetic record: largest correlation over all time shifts.

    The search is exact: every pair at every shift, all leads together, invariant to gain and offset. The cross-spectra
    of all pairs are one matrix product per frequency; the inverse Fourier transform yields the correlations at all
    shifts, which are normalised by the power of both records within the overlap. Lead means are subtracted first.

    Args:
        synthetic: (record, lead, time) in mV.
        training: The same leads and length.
        fs: Sampling rate in Hz.
        threshold: Correlation from which a record counts as a copy. Different patients may come close to it if there
            are few leads; with eight leads of 10 s, the maximum over 1,000 × 1,000 pairs of PTB-XL is 0.87.
        overlap: Smallest overlap, as a fraction of the samples.

    Returns:
        (record,) each: ``r``, the largest correlation, ``index`` of that training record, ``lag_s``, the delay of the
        synthetic record relative to it in s, and ``copied``, whether r reaches the threshold.

    Raises:
        InputError: If values are not finite, shapes differ or the overlap is outside (0, 1].

    Example:
        >>> training = np.random.default_rng(0).normal(size=(3, 1, 50))
        >>> found = shifted_copies(2 * np.roll(training[1:2], 5, axis=-1), training, fs=10)
        >>> found["index"], found["lag_s"], found["r"] > 0.8
        (array([1]), array([0.5]), array([ True]))
    """
    if not 0 < overlap <= 1:
        raise InputError(f"the overlap is {overlap:g}", "a number above 0 and up to 1 was expected")
    generated, known = _centred(synthetic), _centred(training)
    if generated.shape[1:] != known.shape[1:]:
        raise InputError(f"records of {generated.shape[1:]} and {known.shape[1:]}", "one (lead, time) was expected")
    farthest = generated.shape[-1] - max(1, round(overlap * generated.shape[-1]))
    size = cast(int, next_fast_len(generated.shape[-1] + farthest, real=True))
    spectra = _by_frequency(known, size).conj().transpose(0, 2, 1)
    weight = _inverse_root_power(known, -farthest, farthest)
    parts = []
    for start in range(0, len(generated), SHIFTED_AT_ONCE):
        part = generated[start : start + SHIFTED_AT_ONCE]
        shared = np.asarray(irfft(_by_frequency(part, size) @ spectra, size, axis=0))
        shared = np.concatenate([shared[size - farthest :], shared[: farthest + 1]])
        shared *= weight[:, None, :]
        own = _inverse_root_power(part, -farthest, farthest)[::-1]
        parts.append(_best(shared, own))
    r, lag, index = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {"r": r, "index": index, "lag_s": (lag - farthest) / fs, "copied": r >= threshold}


def membership_inference(training: ArrayLike, holdout: ArrayLike, synthetic: ArrayLike) -> float:
    """AUROC of a membership inference attack by the distance to the nearest synthetic record; 0.5 is ideal.

    Args:
        training: (record, …), the model's training records.
        holdout: (record, …), records not used in training.
        synthetic: (record, …).

    Raises:
        InputError: If values are not finite, shapes differ or a set is empty.

    Example:
        >>> membership_inference([[0.0], [1.0]], [[5.0], [6.0]], [[0.1], [1.1]])
        1.0
    """
    members, others = (-closest(records, synthetic)[0] for records in (training, holdout))
    is_member = np.repeat([1, 0], [len(members), len(others)])
    return float(auroc(np.concatenate([members, others])[:, None], is_member[:, None])[0])


def _flat(values: ArrayLike) -> np.ndarray:
    records = np.asarray(values, np.float64)
    return records.reshape(len(records), -1) if records.ndim and len(records) else records.reshape(0, 1)


def _centred(signal: ArrayLike) -> np.ndarray:
    """float32 (record, lead, time), with the mean of each lead subtracted."""
    waves = np.asarray(signal, np.float32)
    if waves.ndim != 3 or not waves.size:
        raise InputError(f"the signal has shape {waves.shape}", "(record, lead, time) was expected")
    if not np.isfinite(waves).all():
        raise InputError("the signal has values that are not finite", do="drop those records first")
    return waves - waves.mean(-1, keepdims=True)


def _by_frequency(waves: np.ndarray, size: int) -> np.ndarray:
    """Real Fourier transform of ``size`` samples, (frequency, record, lead)."""
    return np.ascontiguousarray(np.asarray(rfft(waves, size)).transpose(2, 0, 1))


def _inverse_root_power(waves: np.ndarray, first: int, last: int) -> np.ndarray:
    """(lag, record): 1/√power within the overlap at each lag; 0 if the overlap has less than ``FAINT`` of the power.

    At lag l ≥ 0 the overlap ends l samples before the end; at lag −l it starts at sample l.
    """
    power = (waves.astype(np.float64) ** 2).sum(1)
    summed = np.concatenate([np.zeros((len(power), 1)), power.cumsum(1)], 1)
    lags, time = np.arange(first, last + 1), power.shape[1]
    left = (summed[:, time - np.maximum(lags, 0)] - summed[:, np.maximum(-lags, 0)]).T
    loud = left > np.maximum(FAINT * summed[:, -1], 1e-12)
    return np.where(loud, 1 / np.sqrt(np.where(loud, left, 1)), 0).astype(np.float32)


def _best(shared: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maximum over (lag, synthetic, training), scaled by ``own`` (lag, synthetic): r, index of the lag and record."""
    shared *= own[:, :, None]
    lag = shared.argmax(0)
    r = np.take_along_axis(shared, lag[None], 0)[0]
    index = r.argmax(1)
    rows = np.arange(len(index))
    return r[rows, index].astype(np.float64), lag[rows, index], index
