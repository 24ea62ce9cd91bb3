"""Has a model learnt its patients by heart? Distances to training records against distances to held-out ones.

A synthetic ECG may lie near a training ECG because hearts are alike; only records that the model never saw tell how
near that is. So every measure here is a comparison: with held-out records of equal number, with the second neighbour,
or with a threshold that real records of different patients do not reach. Features and signals alike are given as
(record, …); distances are Euclidean over all that a record holds.

Distances in plain mV are ruled by the quietest few records, which lie near to everyone: between three sets of 1,000
other patients each (PTB-XL) the share closer to the "training" set was 0.33, 0.55 and 0.69, and 0.49 to 0.52 after
``standardised``. Signals are to be given standardised, or as features.
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
"""Records of a set: neighbours need no more; how far the share can be trusted, its interval says."""
LEAST_OVERLAP = 0.5
"""Share of the samples that two records must still have in common when one is shifted against the other."""
FAINT = 1e-2
"""Share of its power that a record must have within the overlap: a shifted flat line correlates with nothing."""
SHIFTED_AT_ONCE = 16
"""Synthetic records that are compared with all training records at a time: 100 MB for a thousand of 10 s at 100 Hz."""


def standardised(signal: ArrayLike) -> np.ndarray:
    """(record, lead, time) with each lead of mean 0 and deviation 1, in double precision; flat leads are zero."""
    waves = np.asarray(signal, np.float64)
    centred, spread = waves - waves.mean(-1, keepdims=True), waves.std(-1, keepdims=True)
    return np.divide(centred, spread, out=np.zeros_like(waves), where=np.ptp(waves, -1, keepdims=True) > 0)


def closest(x: ArrayLike, y: ArrayLike, neighbours: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices of the nearest records of ``y`` to each of ``x``, nearest first.

    Args:
        x: (record, …).
        y: (record, …) of the same shape otherwise; never more than some rows of the distances are held.
        neighbours: How many.

    Returns:
        (record,) twice for one neighbour, else (record, neighbour) twice.

    Raises:
        InputError: Where values are not finite, shapes differ or ``y`` has too few records.
    """
    first, second = feature_sets(_flat(x), _flat(y), fewest=1)
    if not 1 <= neighbours <= len(second):
        raise InputError(
            f"{neighbours} neighbours among {len(second)} records", "at least one and no more was expected"
        )
    index = np.empty((len(first), neighbours), int)
    for part, table in squared_distances(first, second):
        near = np.argpartition(table, neighbours - 1, axis=1)[:, :neighbours]
        index[part] = np.take_along_axis(near, np.take_along_axis(table, near, 1).argsort(1, kind="stable"), 1)
    # Once more from the differences themselves, for squares that are expanded leave a copy at a small distance.
    columns = [np.sqrt(((first - second[column]) ** 2).sum(1)) for column in index.T]
    distance = np.stack(columns, 1)
    return (distance[:, 0], index[:, 0]) if neighbours == 1 else (distance, index)


def closer_to_training(synthetic: ArrayLike, training: ArrayLike, holdout: ArrayLike, seed: int = 0) -> float:
    """Share of synthetic records that lie closer to a training record than to any held-out one; 0.5 is ideal.

    Args:
        synthetic: (record, …).
        training: (record, …): what the model learnt from.
        holdout: (record, …): other patients of the same source, which it never saw.
        seed: The larger of both sets is cut to the size of the smaller one by a draw with this seed.

    Returns:
        The share; a tie counts as half.

    Raises:
        InputError: Where values are not finite, shapes differ or a set has fewer than two records.
    """
    sets = [_flat(one) for one in (training, holdout)]
    fewest = min(map(len, sets))
    if fewest < FEWEST:
        raise InputError(f"{fewest} records", f"at least {FEWEST} were expected for this score")
    rng = np.random.default_rng(seed)
    known, unknown = (
        closest(synthetic, one if len(one) == fewest else one[rng.choice(len(one), fewest, replace=False)])[0]
        for one in sets
    )
    return float(((known < unknown) + 0.5 * (known == unknown)).mean())


def neighbour_ratio(synthetic: ArrayLike, training: ArrayLike) -> np.ndarray:
    """(record,): distance to the nearest training record over that to the second nearest.

    Near 1 for a record of its own; near 0 for a copy of one patient. Two equal training records hide a copy of both
    from it, except an exact one, which has 0.

    Raises:
        InputError: Where values are not finite, shapes differ or there are fewer than two training records.
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
    """The training record that each synthetic one resembles most, however it is shifted in time or scaled.

    The search is exact: every pair at every shift, all leads together. For each frequency one product of matrices
    makes the cross-spectra of all pairs, and a Fourier transform their correlations at all shifts; each is divided by
    the root of both powers within what overlaps. Leads are freed of their means first.

    Args:
        synthetic: (record, lead, time) in mV.
        training: The same leads and length.
        fs: Rate in Hz.
        threshold: r from which a record is called a copy. Records of different patients come near to it where leads
            are few; with eight leads of 10 s, the best of 1,000 × 1,000 pairs of PTB-XL has 0.87.
        overlap: Share of the samples that must still overlap.

    Returns:
        (record,) each: ``r`` at best, ``index`` of that training record, ``lag_s``, by which the synthetic one is
        late against it, and ``copied``, whether r reaches the threshold.

    Raises:
        InputError: Where values are not finite, shapes differ or the overlap is no share.
    """
    if not 0 < overlap <= 1:
        raise InputError(f"the overlap is {overlap:g}", "a share above 0 and up to 1 was expected")
    drawn, known = _centred(synthetic), _centred(training)
    if drawn.shape[1:] != known.shape[1:]:
        raise InputError(
            f"records of {drawn.shape[1:]} stand beside {known.shape[1:]}", "one (lead, time) was expected"
        )
    farthest = drawn.shape[-1] - max(1, round(overlap * drawn.shape[-1]))
    size = cast(int, next_fast_len(drawn.shape[-1] + farthest, real=True))
    spectra = _by_frequency(known, size).conj().transpose(0, 2, 1)
    weight = _inverse_root_power(known, -farthest, farthest)
    parts = []
    for start in range(0, len(drawn), SHIFTED_AT_ONCE):
        part = drawn[start : start + SHIFTED_AT_ONCE]
        shared = np.asarray(irfft(_by_frequency(part, size) @ spectra, size, axis=0))
        shared = np.concatenate([shared[size - farthest :], shared[: farthest + 1]])
        shared *= weight[:, None, :]
        own = _inverse_root_power(part, -farthest, farthest)[::-1]
        parts.append(_best(shared, own))
    r, lag, index = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {"r": r, "index": index, "lag_s": (lag - farthest) / fs, "copied": r >= threshold}


def membership_inference(training: ArrayLike, holdout: ArrayLike, synthetic: ArrayLike) -> float:
    """AUROC of telling training records from held-out ones by how close a synthetic one lies; 0.5 is ideal.

    Args:
        training: (record, …): what the model learnt from.
        holdout: (record, …): what it never saw.
        synthetic: (record, …).

    Raises:
        InputError: Where values are not finite, shapes differ or a set is empty.
    """
    members, others = (-closest(one, synthetic)[0] for one in (training, holdout))
    is_member = np.repeat([1, 0], [len(members), len(others)])
    return float(auroc(np.concatenate([members, others])[:, None], is_member[:, None])[0])


def _flat(values: ArrayLike) -> np.ndarray:
    every = np.asarray(values, np.float64)
    return every.reshape(len(every), -1) if every.ndim and len(every) else every.reshape(0, 1)


def _centred(signal: ArrayLike) -> np.ndarray:
    """float32 (record, lead, time), each lead freed of its mean."""
    waves = np.asarray(signal, np.float32)
    if waves.ndim != 3 or not waves.size:
        raise InputError(f"the signal has shape {waves.shape}", "(record, lead, time) was expected")
    if not np.isfinite(waves).all():
        raise InputError("the signal has values that are no finite numbers", do="drop those records first")
    return waves - waves.mean(-1, keepdims=True)


def _by_frequency(waves: np.ndarray, size: int) -> np.ndarray:
    """(frequency, record, lead)."""
    return np.ascontiguousarray(np.asarray(rfft(waves, size)).transpose(2, 0, 1))


def _inverse_root_power(waves: np.ndarray, first: int, last: int) -> np.ndarray:
    """(lag, record): 1/√power of what overlaps a partner that is shifted by each lag; 0 where nearly nothing is left.

    At lag l ≥ 0 the samples up to the l-th last one overlap, at lag −l those from the l-th on.
    """
    power = (waves.astype(np.float64) ** 2).sum(1)
    summed = np.concatenate([np.zeros((len(power), 1)), power.cumsum(1)], 1)
    lags, time = np.arange(first, last + 1), power.shape[1]
    left = (summed[:, time - np.maximum(lags, 0)] - summed[:, np.maximum(-lags, 0)]).T
    loud = left > np.maximum(FAINT * summed[:, -1], 1e-12)
    return np.where(loud, 1 / np.sqrt(np.where(loud, left, 1)), 0).astype(np.float32)


def _best(shared: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """r, lag's number and index of the best of (lag, synthetic, training); ``own`` (lag, synthetic) scales it."""
    shared *= own[:, :, None]
    lag = shared.argmax(0)
    r = np.take_along_axis(shared, lag[None], 0)[0]
    index = r.argmax(1)
    rows = np.arange(len(index))
    return r[rows, index].astype(np.float64), lag[rows, index], index
