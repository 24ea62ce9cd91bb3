"""Two waves walked along together: the one recursion behind the Fréchet distance and dynamic time warping.

A coupling goes from the first samples of two waves to their last ones; at each step one of them, or both, moves on.
The best coupling follows from dynamic programming over cells (i, j). All cells of one anti-diagonal i + j depend only
on the two before it, so that a whole diagonal is made at once, for thousands of waves side by side. Diagonals of even
and of odd i − j alternate; one array indexed by i − j holds the last two of them and is overwritten in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

WAVES_AT_ONCE = 128
"""Pairs of waves that are walked side by side: a diagonal of them stays in the processor's cache."""


def chunks(count: int) -> Iterator[slice]:
    """Slices of ``WAVES_AT_ONCE`` that cover ``count`` pairs."""
    return (slice(start, start + WAVES_AT_ONCE) for start in range(0, count, WAVES_AT_ONCE))


def bottleneck(a: np.ndarray, b: np.ndarray, reach: int) -> np.ndarray:
    """(pair,): the smallest, over couplings, of the largest |a_i − b_j| on the way.

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
    """(pair,) twice: the smallest sum of |a_i − b_j| over a coupling's steps, and how many steps that one has.

    Of equally good ways the one that moves both waves on is taken.
    """
    summed = np.full((2 * reach + 3, a.shape[1]), np.inf)
    steps = np.zeros_like(summed)
    for here, cost, first in _diagonals(a, b, reach):
        best, count = summed[here], steps[here]
        if first:
            best = np.zeros_like(best)
        for there in (_moved(here, -1), _moved(here, 1)):
            nearer = summed[there] < best
            best, count = np.where(nearer, summed[there], best), np.where(nearer, steps[there], count)
        summed[here], steps[here] = cost + best, count + 1
    return summed[reach + 1], steps[reach + 1]


def over_waves(measure: Callable[[np.ndarray, np.ndarray], np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``measure`` of (time, pair) arrays applied to (…, time) ones, some pairs at a time; (…)."""
    time = a.shape[-1]
    first, second = (np.ascontiguousarray(wave.reshape(-1, time).T) for wave in (a, b))
    parts = [measure(first[:, part], second[:, part]) for part in chunks(first.shape[1])]
    return np.concatenate([*parts, np.zeros(0)]).reshape(a.shape[:-1])


def _diagonals(a: np.ndarray, b: np.ndarray, reach: int) -> Iterator[tuple[slice, np.ndarray, bool]]:
    """Of each anti-diagonal: where its cells lie in an array over i − j, |a_i − b_j|, and whether it is the first.

    The array has a row of infinity at either end, beyond which no coupling goes.
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
