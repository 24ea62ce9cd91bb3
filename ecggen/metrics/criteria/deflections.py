"""Deflections of a QRS complex in a lead: Q, R, S and R′, with amplitudes and durations."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

SMALLEST = 0.04
"""Smallest amplitude in mV of a deflection; smaller ones are taken as part of their neighbours."""


@dataclass
class Deflections:
    """Amplitudes in mV (absolute values) and durations in s of the deflections of a QRS; 0 for those that are absent.

    Attributes:
        q: Amplitude of the first deflection if it is negative and a positive one follows.
        q_seconds: Its duration.
        r: Amplitude of the first positive deflection.
        r_seconds: Its duration.
        s: Amplitude of the negative deflection that follows it, or of the whole QRS if there is no positive one (QS).
        s_seconds: Its duration.
        r2: Amplitude of the second positive deflection (R′).
        r2_seconds: Its duration.
        qs: Whether the QRS has no positive deflection.
        net: Mean of the QRS times its duration: its net area in mV s.
    """

    q: float = 0.0
    q_seconds: float = 0.0
    r: float = 0.0
    r_seconds: float = 0.0
    s: float = 0.0
    s_seconds: float = 0.0
    r2: float = 0.0
    r2_seconds: float = 0.0
    qs: float = 0.0
    net: float = 0.0


NAMES = tuple(one.name for one in fields(Deflections))


def deflections(qrs: np.ndarray, fs: float) -> Deflections:
    """The deflections of a QRS.

    Args:
        qrs: (time,) from onset to offset in mV, 0 at the PQ level.
        fs: Sampling rate in Hz.

    Example:
        >>> found = deflections(np.repeat([-0.2, 1.0, -0.5], 10), fs=500)
        >>> found.q, found.r, found.s, round(found.q_seconds, 3)
        (0.2, 1.0, 0.5, 0.02)
    """
    found = Deflections(net=float(qrs.sum() / fs))
    runs = _without_slopes(_runs(qrs), qrs)
    positive = [at for at, (_, _, size) in enumerate(runs) if size > 0]
    if not positive:
        if runs:
            first, last, _ = runs[0][0], runs[-1][1], None
            found.s, found.s_seconds, found.qs = float(-qrs.min()), (last - first) / fs, 1.0
        return found
    at = positive[0]
    if at:
        found.q, found.q_seconds = -runs[0][2], (runs[at - 1][1] - runs[0][0]) / fs
    found.r, found.r_seconds = runs[at][2], (runs[at][1] - runs[at][0]) / fs
    if at + 1 < len(runs):
        found.s, found.s_seconds = -runs[at + 1][2], (runs[at + 1][1] - runs[at + 1][0]) / fs
    if at + 2 < len(runs):
        found.r2, found.r2_seconds = runs[at + 2][2], (runs[at + 2][1] - runs[at + 2][0]) / fs
    return found


def _without_slopes(runs: list[tuple[int, int, float]], qrs: np.ndarray) -> list[tuple[int, int, float]]:
    """The deflections without a last one that only rises to an elevated (or falls to a depressed) ST segment."""
    if len(runs) < 2:
        return runs
    first, last, _ = runs[-1]
    peak = first + int(np.abs(qrs[first:last]).argmax())
    return runs[:-1] if peak >= len(qrs) - 3 else runs


def _runs(qrs: np.ndarray) -> list[tuple[int, int, float]]:
    """First sample, one past the last, and signed amplitude of the deflections, with alternating signs."""
    sign = np.sign(qrs)
    edges = np.flatnonzero(np.diff(sign)) + 1
    merged: list[tuple[int, int, float]] = []
    for first, last in zip([0, *edges], [*edges, len(qrs)], strict=True):
        part = qrs[first:last]
        size = float(part[np.abs(part).argmax()]) if len(part) else 0.0
        if abs(size) < SMALLEST:
            continue
        if merged and np.sign(merged[-1][2]) == np.sign(size):
            kept = merged[-1][2] if abs(merged[-1][2]) >= abs(size) else size
            merged[-1] = (merged[-1][0], int(last), kept)
        else:
            merged.append((int(first), int(last), size))
    return merged
