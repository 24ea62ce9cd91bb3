"""Result of a reconstruction: point estimate, prediction interval and draws."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ecggen.core.ecg import ECG
from ecggen.generators.trust.margin import Margin
from ecggen.generators.trust.widening import Trust


@dataclass(frozen=True)
class LeadInterval:
    """Width of the prediction interval of a lead.

    Attributes:
        half_width: Half of the mean width over the generated samples in mV.
        peak_to_peak: Peak-to-peak amplitude of the point estimate in mV, for comparison.
    """

    half_width: float
    peak_to_peak: float


@dataclass(frozen=True)
class Reconstruction:
    """Twelve leads with a prediction interval for each sample.

    Attributes:
        mean: Point estimate: the mean of the draws, combined with the deterministic prediction of the generator if it
            has one. Recorded leads are returned unchanged.
        lower: Lower end of the prediction interval; equal to ``mean`` in recorded and derived samples.
        upper: Upper end of the prediction interval.
        level: Nominal coverage of the interval.
        num_draws: Number of draws per record.
        draws: (records · num_draws, 12, time) draws; those of one record are consecutive. None if they were not kept.
        trust: For each record, how unlike the training data it is, and how much that widens its interval; empty if the
            generator has no measure of it, or if no lead is observed.
        margin: The margin of the user's own that the interval has; None for the shipped one alone.
        notes: Messages to the user on how the condition was interpreted.
    """

    mean: ECG
    lower: ECG
    upper: ECG
    level: float
    num_draws: int
    draws: ECG | None = None
    trust: tuple[Trust, ...] = ()
    margin: Margin | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)

    def intervals(self, record: int = 0) -> dict[str, LeadInterval]:
        """Width of the prediction interval of each generated lead.

        Args:
            record: Index of the record in the batch.
        """
        signal, width = self.mean.signal[record], (self.upper.signal - self.lower.signal)[record] / 2
        everything = torch.ones_like(signal, dtype=torch.bool)
        generated = self.mean.is_generated() if self.mean.provenance else everything
        peak_to_peak = signal.amax(-1) - signal.amin(-1)
        return {
            lead: LeadInterval(float(width[row, generated[row]].mean()), float(peak_to_peak[row]))
            for row, lead in enumerate(self.mean.leads)
            if generated[row].any()
        }
