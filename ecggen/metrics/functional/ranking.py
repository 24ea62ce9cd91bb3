"""How well a score tells two kinds apart."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def auroc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve (statement,) by ranks, ties as half (Mann & Whitney 1947); NaN without both kinds.

    Args:
        scores: (record, statement).
        labels: (record, statement) of 0 and 1.
    """
    positive = labels.sum(0)
    negative = len(labels) - positive
    above = (rankdata(scores, axis=0) * labels).sum(0) - positive * (positive + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((positive > 0) & (negative > 0), above / (positive * negative), np.nan)
