"""Alignment of two waveforms: the recursion behind the Fréchet distance and dynamic time warping.

A coupling leads from the first samples of two waveforms to their last ones; each step advances one of them or both.
The best coupling follows from dynamic programming over cells (i, j). The cells of an anti-diagonal i + j depend only on
the two previous ones, so that a whole diagonal is computed at once for many pairs. Diagonals of even and of odd i − j
alternate; one array indexed by i − j holds the last two of them and is overwritten in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

WAVES_AT_ONCE = 128
"""Pairs of waveforms per batch: a diagonal of them fits into the processor's cache."""


def chunks(count: int) -> Iterator[slice]:
    """Slices of ``WAVES_AT_ONCE`` that cover ``count`` pairs."""
    return (slice(start, start + WAVES_AT_ONCE) for start in range(0, count, WAVES_AT_ONCE))


def bottleneck(a: np.ndarray, b: np.ndarray, reach: int) -> np.ndarray:
    """(pair,): minimum over couplings of the largest |a_i − b_j|.

    Args:
        a: (time, pair).
        b: Of the same shape.
        reach: Largest |i − j|.
    """
    worst = np.full((2 * reach + 3, a.shape[1]), np.inf)
    for here, cost, first in _diagonals(a, b, reach):
        if not first:
            before = np.minimum(np.minimum(worst[_moved(here, -1)], worst[_moved(here, 1)]), worst[here])
            np.maximum(cost, before, out=cost)
        worst[here] = cost
    return worst[reach + 1]


def total(a: np.ndarray, b: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """(pair,) twice: minimum over couplings of the sum of |a_i − b_j| over the steps, and the number of its steps.

    Among equal sums, the coupling that advances both waveforms is taken.

    Args:
        a: (time, pair).
        b: Of the same shape.
        reach: Largest |i − j|.
    """
    summed = np.full((2 * reach + 3, a.shape[1]), np.inf)
    steps = np.zeros_like(summed)
    for here, cost, first in _diagonals(a, b, reach):
        best, count = summed[here], steps[here]
        if first:
            best = np.zeros_like(best)
        for previous in (_moved(here, -1), _moved(here, 1)):
            nearer = summed[previous] < best
            best, count = np.where(nearer, summed[previous], best), np.where(nearer, steps[previous], count)
        summed[here], steps[here] = cost + best, count + 1
    return summed[reach + 1], steps[reach + 1]


def over_waves(measure: Callable[[np.ndarray, np.ndarray], np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Apply ``measure``, a function of (time, pair) arrays, to (…, time) arrays in batches of pairs; returns (…)."""
    time = a.shape[-1]
    first, second = (np.ascontiguousarray(wave.reshape(-1, time).T) for wave in (a, b))
    parts = [measure(first[:, part], second[:, part]) for part in chunks(first.shape[1])]
    return np.concatenate([*parts, np.zeros(0)]).reshape(a.shape[:-1])


def _diagonals(a: np.ndarray, b: np.ndarray, reach: int) -> Iterator[tuple[slice, np.ndarray, bool]]:
    """For each anti-diagonal: its slice of an array over i − j, its costs |a_i − b_j|, and whether it is the first.

    The array has a row of infinity at either end, which bounds the couplings.
    """
    last = len(a) - 1
    for k in range(2 * last + 1):
        widest = min(reach, k, 2 * last - k)
        widest -= (widest - k) % 2  # i − j is even where i + j is
        low, high = (k - widest) // 2, (k + widest) // 2
        here = slice(reach + 1 - widest, reach + 2 + widest, 2)
        yield here, np.abs(a[low : high + 1] - b[low : high + 1][::-1]), k == 0


def _moved(where: slice, step: int) -> slice:
    return slice(where.start + step, where.stop + step, where.step)
