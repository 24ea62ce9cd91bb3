"""AUROC and average precision of a test set and of all its bootstrap resamples at once.

A resample of patients (``bootstrap``) is equivalent to integer weights of their records. The records are sorted once by
probability; cumulative sums of the weights then yield both areas for all resamples: ROC (ties counted as half, Mann &
Whitney 1947) and precision–recall (average precision, one step per distinct probability). Classifiers that are scored
on the same resamples can be compared pairwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.metrics.functional.bootstrap import redrawn

LEVEL = 0.95
"""Confidence level of the intervals."""


@dataclass(frozen=True)
class Areas:
    """Areas of one classifier.

    Attributes:
        auroc: (1 + resample, label); the first row is the test set itself. NaN if a label has one class only.
        auprc: Average precision, of the same shape.
    """

    auroc: np.ndarray
    auprc: np.ndarray


def weights(patients: Sequence[str], seed: int, repeats: int) -> np.ndarray:
    """(record, 1 + resample): multiplicity of each record in the test set itself and in each resample."""
    counts = [np.bincount(rows, minlength=len(patients)) for rows in redrawn(patients, seed, repeats)]
    return np.stack([np.ones(len(patients)), *counts], 1).astype(np.float32)


def areas(probabilities: np.ndarray, labels: np.ndarray, counted: np.ndarray) -> Areas:
    """Mean over training repeats of both areas.

    Args:
        probabilities: (repeat, record, label).
        labels: (record, label) of 0 and 1.
        counted: (record, 1 + resample) from ``weights``.
    """
    found = [[_areas(one[:, at], labels[:, at], counted) for at in range(labels.shape[1])] for one in probabilities]
    roc, precision = np.array(found).mean(0).transpose(1, 2, 0)
    return Areas(roc, precision)


def macro(by_label: np.ndarray) -> np.ndarray:
    """(1 + resample,): mean over the labels with both classes."""
    known = np.isfinite(by_label)
    with np.errstate(invalid="ignore"):
        return np.where(known, by_label, 0).sum(1) / known.sum(1)


def summary(values: np.ndarray, level: float = LEVEL) -> tuple[float, tuple[float, float]]:
    """The score of the test set itself (first row), and the interval over its resamples (other rows)."""
    low, high = np.nanquantile(values[1:], [(1 - level) / 2, (1 + level) / 2])
    return float(values[0]), (float(low), float(high))


def _areas(scores: np.ndarray, labels: np.ndarray, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(1 + resample,) twice: area under the ROC curve, and average precision."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(scores[order]) != 0, True])  # equal probabilities are one step
    positive = labels[order] > 0
    above = np.cumsum(counted[order], 0)[last]
    right = np.cumsum(counted[order] * positive[:, None], 0)[last]
    wrong = above - right
    steps = np.diff(right, axis=0, prepend=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        # A positive record outranks the negative ones that follow, and counts half for those with equal probability.
        beaten = wrong[-1] - wrong + np.diff(wrong, axis=0, prepend=0) / 2
        roc = (steps * beaten).sum(0, dtype=float) / (right[-1] * wrong[-1])
        precision = np.where(above > 0, right / above, 0)
        return roc, (steps * precision).sum(0, dtype=float) / right[-1]
