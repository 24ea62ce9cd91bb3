"""The point estimate of a reconstruction with its prediction interval."""

from __future__ import annotations

from dataclasses import dataclass, field

from ecggen.core.ecg import ECG


@dataclass(frozen=True)
class LeadInterval:
    """How wide the prediction interval of a lead is.

    Attributes:
        half_width: Half of its mean width in mV.
        peak_to_peak: Peak-to-peak amplitude of the point estimate in mV, to hold the width against.
    """

    half_width: float
    peak_to_peak: float


@dataclass(frozen=True)
class Reconstruction:
    """Twelve leads with a prediction interval for each sample.

    Attributes:
        mean: Point estimate: the mean of the draws, combined with the generator's deterministic prediction where it
            has one. Recorded leads are returned unchanged.
        lower: Lower end of the prediction interval; equal to ``mean`` in recorded and derived leads.
        upper: Upper end.
        level: Share of true samples that the interval is meant to hold.
        num_draws: Number of draws that it rests on.
        draws: The draws themselves, those of each record next to each other (num_draws · records); None where they
            were not kept.
        notes: What a person should know of how the condition was used.
    """

    mean: ECG
    lower: ECG
    upper: ECG
    level: float
    num_draws: int
    draws: ECG | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)

    def intervals(self, record: int = 0) -> dict[str, LeadInterval]:
        """Width of the interval of each generated lead of one record."""
        generated = self.mean.provenance.generated if self.mean.provenance else self.mean.leads
        signal, width = self.mean.signal[record], (self.upper.signal - self.lower.signal)[record].mean(-1) / 2
        span = signal.amax(-1) - signal.amin(-1)
        return {
            lead: LeadInterval(float(width[row]), float(span[row]))
            for row, lead in enumerate(self.mean.leads)
            if lead in generated
        }
