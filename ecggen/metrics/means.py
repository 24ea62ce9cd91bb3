"""Scores per record and lead: each a mean that is summed batch by batch.

``update(drawn, true)`` takes (record, lead, time) in mV; what takes more says so. ``compute()`` is the mean over leads,
``per_lead()`` each lead's.
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
    """Mean over records of a score that is one number a record and lead; places where it is NaN are left out.

    Args:
        score: A function of arrays that gives (record, lead), such as those of ``pointwise``; ``update`` takes what
            it takes.
        num_leads: Leads that are scored.
        turn: What becomes of each lead's mean at the end, such as a root.
    """

    def __init__(
        self,
        score: Callable[..., np.ndarray],
        num_leads: int,
        turn: Callable[[np.ndarray], np.ndarray] = np.asarray,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.score, self.num_leads, self.turn = score, num_leads, turn
        self._sum_states(total=(num_leads,), count=(num_leads,))

    def update(self, *arrays: ArrayLike) -> None:
        """Add a batch."""
        values = np.asarray(self.score(*map(as_array, arrays)))
        if values.ndim != 2 or values.shape[1] != self.num_leads:
            raise InputError(f"scores of shape {values.shape}", f"(record, {self.num_leads} leads) was expected")
        known = ~np.isnan(values)
        self._add(total=np.where(known, values, 0).sum(0), count=known.sum(0))

    def per_lead(self) -> Tensor:
        """(lead,); NaN for a lead without a defined score."""
        return torch.as_tensor(
            self.turn(self._known("total") / np.where(self._known("count"), self._known("count"), np.nan))
        )

    def compute(self) -> Tensor:
        """Mean over leads that have a score; NaN where none has."""
        return self.per_lead().nanmean()


class MeanSquaredError(MeanOf):
    """mV², mean over records and time."""

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.mean_squared_error, num_leads, **kwargs)


class RootMeanSquaredError(MeanOf):
    """mV, the root of each lead's mean over records and time: pooled, not the mean of the records' roots."""

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.mean_squared_error, num_leads, np.sqrt, **kwargs)


class MeanAbsoluteError(MeanOf):
    """mV, mean over records and time."""

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.mean_absolute_error, num_leads, **kwargs)


class Pearson(MeanOf):
    """Mean over records of r; records whose true lead is flat are left out."""

    higher_is_better = True

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.pearson, num_leads, **kwargs)


class RSquared(MeanOf):
    """Mean over records of R²; records whose true lead is flat are left out."""

    higher_is_better = True

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.r_squared, num_leads, **kwargs)


class PRD(MeanOf):
    """Mean over records of the PRD in percent; records whose true lead is flat are left out."""

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(waveform.prd, num_leads, **kwargs)


class CRPS(MeanOf):
    """Mean over records and time of the fair CRPS in mV; ``update(draws, true)``, draws (draw, record, lead, time)."""

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(_crps, num_leads, **kwargs)


class IntervalCoverage(MeanOf):
    """Mean share of true samples inside the prediction interval; ``update(lower, upper, true)``.

    Neither high nor low is better: the level of the interval is the target.
    """

    higher_is_better = None

    def __init__(self, num_leads: int, **kwargs: Any):
        super().__init__(probabilistic.coverage, num_leads, **kwargs)


class IntervalScore(MeanOf):
    """Mean interval score of a band in mV; ``update(low, high, true)``.

    Args:
        num_leads: Leads that are scored.
        level: What share the band claims to hold.
    """

    def __init__(self, num_leads: int, level: float = 0.9, **kwargs: Any):
        super().__init__(partial(_interval_score, level=level), num_leads, **kwargs)


def _crps(draws: np.ndarray, true: np.ndarray) -> np.ndarray:
    return probabilistic.crps(draws, true).mean(-1)


def _interval_score(low: np.ndarray, high: np.ndarray, true: np.ndarray, level: float) -> np.ndarray:
    return probabilistic.interval_score(low, high, true, level).mean(-1)
