"""Rank statistics of binary classification."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def auroc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve (label,) by ranks, ties counted as half (Mann & Whitney 1947).

    Args:
        scores: (record, label).
        labels: (record, label) of 0 and 1.

    Returns:
        (label,); NaN for a label that all records have, or none.

    Example:
        >>> auroc(np.array([[0.1], [0.4], [0.35], [0.8]]), np.array([[0], [0], [1], [1]]))
        array([0.75])
    """
    positive = labels.sum(0)
    negative = len(labels) - positive
    above = (rankdata(scores, axis=0) * labels).sum(0) - positive * (positive + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((positive > 0) & (negative > 0), above / (positive * negative), np.nan)
