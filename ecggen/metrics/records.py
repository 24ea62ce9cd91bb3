"""Metrics of rhythm and of the lead laws, averaged or pooled over records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.metrics.functional import beats, lead_laws
from ecggen.metrics.functional.variability import beat_variability
from ecggen.metrics.states import Summed, as_array

VARIABILITY = ("amplitude_cv", "correlation", "p_cv", "qrs_cv", "t_cv", "ectopic_share")
"""Quantities of ``BeatVariability``."""


class RPeakF1(Summed):
    """F1 of R peaks, pooled over records; higher is better. See ``functional.beats.r_peak_f1``.

    Args:
        tolerance: Largest distance in s between matched R peaks.

    Example:
        >>> metric = RPeakF1(tolerance=0.05)
        >>> metric.update([[1.0, 2.0]], [[1.01, 3.0]])
        >>> float(metric.compute())
        0.5
    """

    higher_is_better = True

    def __init__(self, tolerance: float = beats.TOLERANCES[1], **kwargs: Any):
        super().__init__(**kwargs)
        self.tolerance = tolerance
        self._sum_states(counts=(4,))

    def update(self, predicted: Sequence[ArrayLike], true: Sequence[ArrayLike]) -> None:
        """Add the R peaks of each record in s; an empty array if none was found."""
        for a, b in zip(predicted, true, strict=True):
            self._add(counts=beats.beat_counts(as_array(a), as_array(b), self.tolerance))

    def compute(self) -> Tensor:
        """F1; 0 without any R peaks."""
        return torch.as_tensor(beats.f1_of_counts(self._known("counts")))


class HeartRateError(Summed):
    """Mean absolute error of the heart rate in beats per minute; lower is better. An undefined rate counts as 0.

    Example:
        >>> metric = HeartRateError()
        >>> metric.update([[0.0, 1.0, 2.0]], [[0.0, 0.5, 1.0]])
        >>> float(metric.compute())
        60.0
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._sum_states(total=(), count=())

    def update(self, predicted: Sequence[ArrayLike], true: Sequence[ArrayLike]) -> None:
        """Add the R peaks of each record in s."""
        errors = beats.heart_rate_errors([as_array(one) for one in predicted], [as_array(one) for one in true])
        self._add(total=errors.sum(), count=len(errors))

    def compute(self) -> Tensor:
        """Mean error in beats per minute; NaN without records."""
        return self.total / self.count  # type: ignore[operator]


class LeadLaws(Summed):
    """Largest residual of each lead law in µV, mean over records; lower is better.

    Args:
        leads: Names of the leads of the signals; at least one law must be applicable.

    Raises:
        InputError: If no law is applicable.

    Example:
        >>> metric = LeadLaws(("I", "II", "III"))
        >>> metric.update([[[1.0], [2.0], [1.25]]])
        >>> {law: float(value) for law, value in metric.compute().items()}
        {'III = II − I': 250.0}
    """

    def __init__(self, leads: Sequence[str], **kwargs: Any):
        super().__init__(**kwargs)
        self.leads = tuple(leads)
        self.laws = tuple(lead_laws.lead_law_residuals(np.zeros((1, len(self.leads), 1)), self.leads))
        if not self.laws:
            raise InputError(
                f"no lead law applies to {', '.join(leads)}", "I, II and a derived limb lead were expected"
            )
        self._sum_states(total=(len(self.laws),), count=())

    def update(self, signal: ArrayLike) -> None:
        """Add (record, lead, time) in mV."""
        found = lead_laws.lead_law_residuals(as_array(signal), self.leads)
        self._add(total=[found[law].sum() for law in self.laws], count=len(found[self.laws[0]]))

    def compute(self) -> dict[str, Tensor]:
        """Mean over records of the largest residual in µV, by law."""
        return dict(zip(self.laws, self.total / self.count, strict=True))  # type: ignore[operator]


class BeatVariability(Summed):
    """Beat-to-beat variability within records, means over records and leads; the value of real records is the target.

    See ``functional.variability.beat_variability``. Compare only sets that were filtered alike.

    Args:
        leads: Names of the leads of the signals.
        fs: Sampling rate in Hz.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> ecg = simulate(2, seconds=8, fs=100, heart_rate=60)
        >>> metric = BeatVariability(ecg.leads, ecg.fs)
        >>> metric.update(ecg.signal)
        >>> bool(metric.compute()["amplitude_cv"] < 0.02)
        True
    """

    higher_is_better = None

    def __init__(self, leads: Sequence[str], fs: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.leads, self.fs = tuple(leads), fs
        self._sum_states(total=(len(VARIABILITY),), count=(len(VARIABILITY),))

    def update(self, signal: ArrayLike, peaks: Sequence[np.ndarray] | None = None) -> None:
        """Add (record, lead, time) in mV; ``peaks`` are the R peaks of each record in s, detected if not given."""
        ecg = ECG(torch.as_tensor(as_array(signal), dtype=torch.float32), self.leads, self.fs)
        found = beat_variability(ecg, peaks)
        known = [np.isfinite(found[name]) for name in VARIABILITY]
        self._add(
            total=[found[name][finite].sum() for name, finite in zip(VARIABILITY, known, strict=True)],
            count=[finite.sum() for finite in known],
        )

    def compute(self) -> dict[str, Tensor]:
        """Mean of each quantity; NaN where no record could be measured."""
        return dict(zip(VARIABILITY, self.total / self.count, strict=True))  # type: ignore[operator]
