"""Scores of rhythm and of the lead laws, summed record by record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ecggen.core.errors import InputError
from ecggen.metrics.functional import beats, lead_laws
from ecggen.metrics.states import Summed, as_array


class RPeakF1(Summed):
    """``heartbeats.f1``, pooled over records.

    Args:
        tolerance: s by which a drawn R peak may miss a true one.
    """

    higher_is_better = True

    def __init__(self, tolerance: float = beats.TOLERANCES[1], **kwargs: Any):
        super().__init__(**kwargs)
        self.tolerance = tolerance
        self._sum_states(counts=(4,))

    def update(self, drawn: Sequence[ArrayLike], true: Sequence[ArrayLike]) -> None:
        """Add each record's R peaks in s; an empty array where none was found."""
        for a, b in zip(drawn, true, strict=True):
            self._add(counts=beats.beat_counts(as_array(a), as_array(b), self.tolerance))

    def compute(self) -> Tensor:
        """F1; 0 where there was nothing to count."""
        return torch.as_tensor(beats.f1_of_counts(self._known("counts")))


class HeartRateError(Summed):
    """Mean of ``heartbeats.heart_rate_errors``: beats per minute; a missing rate costs the whole of the other."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._sum_states(total=(), count=())

    def update(self, drawn: Sequence[ArrayLike], true: Sequence[ArrayLike]) -> None:
        """Add each record's R peaks in s."""
        errors = beats.heart_rate_errors([as_array(one) for one in drawn], [as_array(one) for one in true])
        self._add(total=errors.sum(), count=len(errors))

    def compute(self) -> Tensor:
        """Mean error per minute; NaN without records."""
        return self.total / self.count  # type: ignore[operator]


class LeadLaws(Summed):
    """Mean over records of ``lead_laws.residuals``, in µV.

    Args:
        leads: The leads of the signals, by name; some law's leads must be among them.
    """

    def __init__(self, leads: Sequence[str], **kwargs: Any):
        super().__init__(**kwargs)
        self.leads = tuple(leads)
        self.laws = tuple(lead_laws.residuals(np.zeros((1, len(self.leads), 1)), self.leads))
        if not self.laws:
            raise InputError(f"no law holds among {', '.join(leads)}", "I, II and a lead that follows were expected")
        self._sum_states(total=(len(self.laws),), count=())

    def update(self, signal: ArrayLike) -> None:
        """Add (record, lead, time) in mV."""
        found = lead_laws.residuals(as_array(signal), self.leads)
        self._add(total=[found[law].sum() for law in self.laws], count=len(found[self.laws[0]]))

    def compute(self) -> dict[str, Tensor]:
        """Mean of the records' largest residuals in µV, by law."""
        return dict(zip(self.laws, self.total / self.count, strict=True))  # type: ignore[operator]
