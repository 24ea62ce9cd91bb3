"""Areas under both curves, of a test set and of its redraws, at once: what every interval of a comparison is made of.

A redraw holds each patient as often as chance says (``bootstrap``), which is the same as weighing the patient's records
by that number. Sorted once by their probability, the records' weights are summed from above, and both areas of all
redraws follow: ROC (ties as half, Mann & Whitney 1947) and precision over recall (average precision, one step a
distinct probability). Systems that are measured on the same redraws can be compared pairwise in any way afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.metrics.functional.bootstrap import redrawn

LEVEL = 0.95
"""Share of the redraws inside an interval."""


@dataclass(frozen=True)
class Areas:
    """Scores of one system.

    Attributes:
        auroc: (1 + redraw, label); the first row is the test set as it is, NaN where a label lacks a side.
        auprc: Likewise, average precision.
    """

    auroc: np.ndarray
    auprc: np.ndarray


def weights(patients: Sequence[str], seed: int, repeats: int) -> np.ndarray:
    """(record, 1 + redraw): how often each record stands in the test set, first as it is, then in each redraw."""
    every = [np.bincount(rows, minlength=len(patients)) for rows in redrawn(patients, seed, repeats)]
    return np.stack([np.ones(len(patients)), *every], 1).astype(np.float32)


def areas(probabilities: np.ndarray, labels: np.ndarray, counted: np.ndarray) -> Areas:
    """Mean over training repeats of both areas.

    Args:
        probabilities: (repeat, record, label).
        labels: (record, label) of 0 and 1.
        counted: (record, 1 + redraw), as ``weights`` makes them.
    """
    found = [[_areas(one[:, at], labels[:, at], counted) for at in range(labels.shape[1])] for one in probabilities]
    roc, precision = np.array(found).mean(0).transpose(1, 2, 0)
    return Areas(roc, precision)


def macro(by_label: np.ndarray) -> np.ndarray:
    """(1 + redraw,): mean over the labels that have both sides."""
    known = np.isfinite(by_label)
    with np.errstate(invalid="ignore"):
        return np.where(known, by_label, 0).sum(1) / known.sum(1)


def summary(values: np.ndarray, level: float = LEVEL) -> tuple[float, tuple[float, float]]:
    """The score as it is (first), and the interval of its redraws (the others)."""
    low, high = np.nanquantile(values[1:], [(1 - level) / 2, (1 + level) / 2])
    return float(values[0]), (float(low), float(high))


def _areas(scores: np.ndarray, labels: np.ndarray, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(1 + redraw,) twice: areas under the ROC curve and under precision over recall."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(scores[order]) != 0, True])  # equal probabilities are one step
    with_it = labels[order] > 0
    above = np.cumsum(counted[order], 0)[last]
    right = np.cumsum(counted[order] * with_it[:, None], 0)[last]
    wrong = above - right
    steps = np.diff(right, axis=0, prepend=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        # A record with the label beats those without it that come after, and half of those beside it.
        beaten = wrong[-1] - wrong + np.diff(wrong, axis=0, prepend=0) / 2
        roc = (steps * beaten).sum(0, dtype=float) / (right[-1] * wrong[-1])
        precision = np.where(above > 0, right / above, 0)
        return roc, (steps * precision).sum(0, dtype=float) / right[-1]
