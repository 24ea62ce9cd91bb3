"""Repeated records of a set: a generator of low diversity returns the same record more than once.

A repetition may be shifted in time, so median beats are compared as well as waveforms.
"""

from __future__ import annotations

import numpy as np

from ecggen.metrics.functional.distribution.feature_sets import squared_distances

SAME = 0.1
"""Two records are the same if their difference is smaller than this share of their norm."""
RULE = "difference below a tenth of the norm, r > 0.995"


def repeats(waves: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Whether each record equals an earlier one: (record,) of bool.

    Args:
        waves: (record, lead, time) in mV.
        shapes: Median beats (record, lead, point) in mV; NaN if a record has none.
    """
    found = np.zeros(len(waves), bool)
    for values in (waves, shapes):
        flat = values.reshape(len(values), -1).astype(np.float64)
        known = np.flatnonzero(np.isfinite(flat).all(1))
        found[known] |= equals_earlier(flat[known])
    return found


def equals_earlier(flat: np.ndarray) -> np.ndarray:
    """Whether an earlier row is nearer than ``SAME`` times the norm of this row: (row,) of bool.

    Example:
        >>> equals_earlier(np.array([[1.0, 0.0], [0.0, 1.0], [1.001, 0.0]]))
        array([False, False,  True])
    """
    found = np.zeros(len(flat), bool)
    if not len(flat):
        return found
    reach = SAME**2 * (flat**2).sum(1)
    for part, table in squared_distances(flat, flat):
        earlier = np.arange(len(flat)) < np.arange(part.start, part.stop)[:, None]
        found[part] = ((table <= reach[part, None]) & earlier).any(1)
    return found
