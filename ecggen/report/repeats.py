"""Which records of a set are the same record again: a generator that has few hearts to show repeats them.

A repetition may begin elsewhere; so median beats are compared as well as waves.
"""

from __future__ import annotations

import numpy as np

from ecggen.metrics.functional.distribution.feature_sets import squared_distances

SAME = 0.1
"""Two records are one where they differ by less than this share of their size."""
SAID = "difference below a tenth of the size, r > 0.995"


def repeats(waves: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """(record,) of bool: whether an earlier record is the same.

    Args:
        waves: (record, lead, time) in mV.
        shapes: The median beats (record, lead, point) in mV; NaN where there is none.
    """
    found = np.zeros(len(waves), bool)
    for values in (waves, shapes):
        flat = values.reshape(len(values), -1).astype(np.float64)
        known = np.flatnonzero(np.isfinite(flat).all(1))
        found[known] |= equals_earlier(flat[known])
    return found


def equals_earlier(flat: np.ndarray) -> np.ndarray:
    """(row,) of bool: whether an earlier row lies nearer than ``SAME`` times this row's length."""
    found = np.zeros(len(flat), bool)
    if not len(flat):
        return found
    reach = SAME**2 * (flat**2).sum(1)
    for part, table in squared_distances(flat, flat):
        earlier = np.arange(len(flat)) < np.arange(part.start, part.stop)[:, None]
        found[part] = ((table <= reach[part, None]) & earlier).any(1)
    return found
