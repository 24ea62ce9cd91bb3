"""The scores as torchmetrics: fed batch by batch, on any number of processes, equal to one pass over everything.

States are sums wherever a sum can do (moments, counts, totals per lead); where a score needs all records side by side
(neighbours, kernels, ranks) they are kept and joined. The mathematics stays in the pure functions of
``ecggen.evaluation``, which these classes call. Inputs are arrays or tensors; sums are in double precision, which not
every accelerator has: keep the metrics on the CPU.
"""

from ecggen.metrics.means import (
    CRPS,
    PRD,
    IntervalCoverage,
    IntervalScore,
    MeanAbsoluteError,
    MeanOf,
    MeanSquaredError,
    Pearson,
    RootMeanSquaredError,
    RSquared,
)
from ecggen.metrics.records import HeartRateError, LeadLaws, RPeakF1
from ecggen.metrics.sets import PRDC, FrechetDistance, KernelDistance, Marginal, SpectrumDistance

__all__ = [
    "CRPS",
    "PRD",
    "PRDC",
    "FrechetDistance",
    "HeartRateError",
    "IntervalCoverage",
    "IntervalScore",
    "KernelDistance",
    "LeadLaws",
    "Marginal",
    "MeanAbsoluteError",
    "MeanOf",
    "MeanSquaredError",
    "Pearson",
    "RPeakF1",
    "RSquared",
    "RootMeanSquaredError",
    "SpectrumDistance",
]
