"""Metrics per record and lead, averaged over records.

``update(predicted, true)`` takes (record, lead, time) in mV unless stated otherwise. ``compute()`` returns the mean
over leads, ``per_lead()`` the value of each lead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ecggen.core.errors import InputError
from ecggen.metrics.functional import probabilistic, waveform
from ecggen.metrics.states import Summed, as_array


class MeanOf(Summed):
    """Mean over records of any score with one value per record and lead; NaN are excluded.

    Args:
        score: A function of arrays that returns (record, lead), such as those of ``functional.waveform``; ``update``
            takes the same arguments.
        num_leads: Number of leads.
        transform: Applied to the mean of each lead, for example a square root.

    Example:
        >>> metric = MeanOf(waveform.mean_absolute_error, num_leads=1)
        >>> metric.update(np.ones((2, 1, 5)), np.zeros((2, 1, 5)))
        >>> float(metric.compute())
        1.0
    """

    def __init__(
        self,
        score: Callable[..., np.ndarray],
        num_leads: int,
        transform: Callable[[np.ndarray], np.ndarray] = np.asarray,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.score, self.num_leads, self.transform = score, num_leads, transform
        self._sum_states(total=(num_leads,), count=(num_leads,))

    def update(self, *arrays: ArrayLike) -> None:
        """Add a batch."""
        values = np.asarray(self.score(*map(as_array, arrays)))
        if values.ndim != 2 or values.shape[1] != self.num_leads:
            raise InputError(f"scores of shape {values.shape}", f"(record, {self.num_leads} leads) was expected")
        known = ~np.isnan(values)
        self._add(total=np.where(known, values, 0).sum(0), count=known.sum(0))

    def per_lead(self) -> Tensor:
        """Value of each lead, (lead,); NaN for a lead without a defined score."""
        return torch.as_tensor(
            self.transform(self._known("total") / np.where(self._known("count"), self._known("count"), np.nan))
        )

    def compute(self) -> Tensor:
        """Mean over the leads with a defined score; NaN without any."""
        return self.per_lead().nanmean()


class MeanSquaredError(MeanOf):
    """Mean squared error in mV² over records and time; lower is better.

    Example:
        >>> metric = MeanSquaredError(num_leads=1)
        >>> metric.update(np.full((2, 1, 5), 2.0), np.zeros((2, 1, 5)))
        >>> float(metric.compute())
        4.0
    """

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.mean_squared_error, num_leads, **kwargs)


class RootMeanSquaredError(MeanOf):
    """Root mean squared error in mV; lower is better. Pooled: the root of each lead's mean over records and time.

    Example:
        >>> metric = RootMeanSquaredError(num_leads=1)
        >>> metric.update(np.full((2, 1, 5), 2.0), np.zeros((2, 1, 5)))
        >>> float(metric.compute())
        2.0
    """

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.mean_squared_error, num_leads, np.sqrt, **kwargs)


class MeanAbsoluteError(MeanOf):
    """Mean absolute error in mV over records and time; lower is better.

    Example:
        >>> metric = MeanAbsoluteError(num_leads=1)
        >>> metric.update(np.full((2, 1, 5), -2.0), np.zeros((2, 1, 5)))
        >>> float(metric.compute())
        2.0
    """

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.mean_absolute_error, num_leads, **kwargs)


class Pearson(MeanOf):
    """Pearson's r, mean over records; higher is better. Records whose true lead is flat are excluded.

    Example:
        >>> metric = Pearson(num_leads=1)
        >>> metric.update([[[0.0, 1.0, 2.0]]], [[[0.0, 2.0, 4.0]]])
        >>> round(float(metric.compute()), 6)
        1.0
    """

    higher_is_better = True

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.pearson, num_leads, **kwargs)


class RSquared(MeanOf):
    """Coefficient of determination R², mean over records; higher is better. Flat true leads are excluded.

    Example:
        >>> metric = RSquared(num_leads=1)
        >>> metric.update([[[1.0, 1.0]]], [[[0.0, 2.0]]])
        >>> float(metric.compute())
        0.0
    """

    higher_is_better = True

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.r_squared, num_leads, **kwargs)


class PRD(MeanOf):
    """Percent root-mean-square difference, mean over records; lower is better. Flat true leads are excluded.

    Example:
        >>> metric = PRD(num_leads=1)
        >>> metric.update([[[1.0, 1.0]]], [[[0.0, 2.0]]])
        >>> float(metric.compute())
        100.0
    """

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.prd, num_leads, **kwargs)


class CRPS(MeanOf):
    """Fair continuous ranked probability score in mV, mean over records and time; lower is better.

    ``update(draws, true)`` takes draws (draw, record, lead, time) and true values (record, lead, time) in mV.

    Example:
        >>> metric = CRPS(num_leads=1)
        >>> metric.update(np.ones((1, 2, 1, 5)), np.zeros((2, 1, 5)))
        >>> float(metric.compute())
        1.0
    """

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(_crps, num_leads, **kwargs)


class IntervalCoverage(MeanOf):
    """Coverage: fraction of true samples inside the prediction interval; the level of the interval is the target.

    ``update(lower, upper, true)`` takes three arrays (record, lead, time) in mV.

    Example:
        >>> metric = IntervalCoverage(num_leads=1)
        >>> metric.update([[[0.0, 0.0]]], [[[1.0, 1.0]]], [[[0.5, 2.0]]])
        >>> float(metric.compute())
        0.5
    """

    higher_is_better = None

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(probabilistic.coverage, num_leads, **kwargs)


class IntervalScore(MeanOf):
    """Interval score of the prediction interval in mV, mean over records and time; lower is better.

    ``update(lower, upper, true)`` takes three arrays (record, lead, time) in mV.

    Args:
        num_leads: Number of leads.
        level: Nominal coverage of the interval.

    Example:
        >>> metric = IntervalScore(num_leads=1, level=0.5)
        >>> metric.update([[[0.0, 0.0]]], [[[1.0, 1.0]]], [[[0.5, 1.5]]])
        >>> float(metric.compute())
        2.0
    """

    def __init__(self, num_leads: int, level: float = 0.9, **kwargs: Any):
        super().__init__(partial(_interval_score, level=level), num_leads, **kwargs)


def _crps(draws: np.ndarray, true: np.ndarray) -> np.ndarray:
    return probabilistic.crps(draws, true).mean(-1)


def _interval_score(lower: np.ndarray, upper: np.ndarray, true: np.ndarray, level: float) -> np.ndarray:
    return probabilistic.interval_score(lower, upper, true, level).mean(-1)
