"""Metrics of generated and reconstructed ECGs as torchmetrics classes.

The pure functions behind them are in ``ecggen.metrics.functional``.

Reconstruction, per record and lead; ``update(predicted, true)``, (record, lead, time) in mV:

- ``MeanSquaredError``: mean squared error; mV², lower is better.
- ``RootMeanSquaredError``: root mean squared error, pooled over records; mV, lower is better.
- ``MeanAbsoluteError``: mean absolute error; mV, lower is better.
- ``PRD``: percent root-mean-square difference; %, lower is better.
- ``Pearson``: Pearson's r; higher is better.
- ``RSquared``: coefficient of determination R²; higher is better.
- ``MeanOf``: mean over records of any score per record and lead.

Uncertainty, of draws or prediction intervals:

- ``CRPS``: fair continuous ranked probability score of draws; mV, lower is better.
- ``IntervalCoverage``: fraction of true samples inside the interval; the level of the interval is the target.
- ``IntervalScore``: interval score; mV, lower is better.

Rhythm, of R peaks in s:

- ``RPeakF1``: F1 of R peaks within a tolerance; higher is better.
- ``HeartRateError``: mean absolute error of the heart rate; beats per minute, lower is better.

Validity, of one set of ECGs:

- ``LeadLaws``: residuals of the laws of Einthoven and Goldberger; µV, lower is better.
- ``BeatVariability``: variation of the beats within each record; the value of real records is the target.

Distribution, of a synthetic set against a real set; ``update(values, real)``:

- ``FrechetDistance``: Fréchet distance of features (FID); the features' unit squared, lower is better.
- ``KernelDistance``: kernel distance of features (KID); lower is better.
- ``PRDC``: precision, recall, density and coverage of features; higher is better.
- ``Marginal``: Kolmogorov–Smirnov and Wasserstein distance of one feature per record; lower is better.
- ``SpectrumDistance``: distance of mean log spectra; dB, lower is better.

Metrics accumulate over batches and processes, and equal the pure function of all records. States are sums where
possible; metrics that need all records at once (neighbours, kernels, ranks) keep them. Inputs are arrays or tensors.
Sums are in double precision, which some accelerators lack: keep the metrics on the CPU.

Example:
    >>> import numpy as np
    >>> from ecggen import metrics
    >>> rmse = metrics.RootMeanSquaredError(num_leads=12)
    >>> for _ in range(2):
    ...     rmse.update(np.full((4, 12, 500), 0.1), np.zeros((4, 12, 500)))
    >>> round(float(rmse.compute()), 6)
    0.1
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
from ecggen.metrics.records import BeatVariability, HeartRateError, LeadLaws, RPeakF1
from ecggen.metrics.sets import PRDC, FrechetDistance, KernelDistance, Marginal, SpectrumDistance

__all__ = [
    "CRPS",
    "PRD",
    "PRDC",
    "BeatVariability",
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
