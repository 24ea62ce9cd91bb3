"""Metrics between a real and a synthetic set; ``update(values, real)`` adds a batch to one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ecggen.core.errors import InputError
from ecggen.metrics.functional import marginals, spectrum
from ecggen.metrics.functional.distribution import frechet
from ecggen.metrics.functional.distribution.feature_sets import FEWEST, feature_set
from ecggen.metrics.functional.distribution.kernel import kernel_distance
from ecggen.metrics.functional.distribution.prdc import prdc
from ecggen.metrics.states import Summed, TwoSets, as_array


class FrechetDistance(Summed):
    """Fréchet distance of feature sets (FID), in the features' unit squared; lower is better.

    Computed from sums of features and of their products, which loses precision if the mean of a feature is much larger
    than its deviation: standardise features by the training set first. See ``functional.distribution.frechet``.

    Args:
        num_features: Features per record.
        fewest: Fewest records of either set.

    Example:
        >>> metric, x = FrechetDistance(num_features=4), np.random.default_rng(0).normal(size=(100, 4))
        >>> metric.update(x, real=True)
        >>> metric.update(x + 1, real=False)
        >>> round(float(metric.compute()), 6)
        4.0
    """

    def __init__(self, num_features: int, fewest: int = FEWEST, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_features, self.fewest = num_features, fewest
        for side in ("real", "synthetic"):
            shape = (num_features,)
            self._sum_states(**{f"{side}_n": (), f"{side}_total": shape, f"{side}_outer": shape * 2})

    def update(self, features: ArrayLike, real: bool) -> None:
        """Add (record, feature) of the real or of the synthetic set."""
        x, side = feature_set(as_array(features), fewest=1), "real" if real else "synthetic"
        if x.shape[1] != self.num_features:
            raise InputError(f"{x.shape[1]} features", f"{self.num_features} were expected")
        self._add(**{f"{side}_n": len(x), f"{side}_total": x.sum(0), f"{side}_outer": x.T @ x})

    def compute(self) -> Tensor:
        """The distance, in the features' unit squared."""
        found = []
        for side in ("real", "synthetic"):
            count = float(self._known(f"{side}_n"))
            if count < max(self.fewest, 2):
                raise InputError(f"{count:.0f} {side} records", f"at least {max(self.fewest, 2)} were expected")
            found += frechet.moments_from_sums(count, self._known(f"{side}_total"), self._known(f"{side}_outer"))
        return torch.tensor(frechet.frechet_from_moments(*found), dtype=torch.float64)


class KernelDistance(TwoSets):
    """Kernel distance (KID) of feature sets (record, feature), without unit; lower is better.

    Example:
        >>> metric, x = KernelDistance(), np.random.default_rng(0).normal(size=(120, 4))
        >>> metric.update(x[:60], real=True)
        >>> metric.update(x[60:] + 1, real=False)
        >>> bool(metric.compute() > 0)
        True
    """

    def compute(self) -> Tensor:
        """The unbiased distance; its expectation is 0 for sets of one distribution."""
        return torch.tensor(kernel_distance(*self.sets()), dtype=torch.float64)


class PRDC(TwoSets):
    """Precision, recall, density and coverage of feature sets (record, feature); higher is better.

    Args:
        k_precision: Number k of the neighbour for precision and recall.
        k_density: Number k of the neighbour for density and coverage.

    Example:
        >>> metric, x = PRDC(), np.random.default_rng(0).normal(size=(60, 4))
        >>> metric.update(x, real=True)
        >>> metric.update(x, real=False)
        >>> float(metric.compute()["coverage"])
        1.0
    """

    higher_is_better = True

    def __init__(self, k_precision: int = 3, k_density: int = 5, **kwargs: Any):
        super().__init__(**kwargs)
        self.k_precision, self.k_density = k_precision, k_density

    def compute(self) -> dict[str, Tensor]:
        """Precision, recall, density and coverage."""
        found = prdc(*self.sets(), self.k_precision, self.k_density)
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()}


class Marginal(TwoSets):
    """Kolmogorov–Smirnov and Wasserstein distances of one feature per record (record,); lower is better.

    Missing values (NaN) are dropped.

    Args:
        scale: Divisor of the Wasserstein distance; None for the interquartile range of the real set.

    Example:
        >>> metric = Marginal(scale=1.0)
        >>> metric.update([60.0, 70.0, 80.0], real=True)
        >>> metric.update([62.0, 72.0, 82.0], real=False)
        >>> float(metric.compute()["wasserstein"])
        2.0
    """

    def __init__(self, scale: float | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale = scale

    def compute(self) -> dict[str, Tensor]:
        """``kolmogorov_smirnov`` and ``wasserstein``; 0 is perfect for both."""
        real, synthetic = self.sets()
        found = {
            "kolmogorov_smirnov": marginals.kolmogorov_smirnov(synthetic, real),
            "wasserstein": marginals.wasserstein(synthetic, real, self.scale),
        }
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()}


class SpectrumDistance(Summed):
    """Distance of mean log spectra in 0.5–40 Hz, mean over leads, in dB; lower is better.

    Args:
        num_leads: Number of leads.
        fs: Sampling rate in Hz.

    Example:
        >>> metric, signal = SpectrumDistance(1, fs=100), np.random.default_rng(0).normal(size=(2, 1, 400))
        >>> metric.update(signal, real=True)
        >>> metric.update(10 * signal, real=False)
        >>> round(float(metric.compute()), 6)
        20.0
    """

    def __init__(self, num_leads: int, fs: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.fs = fs
        frequencies, _ = spectrum.mean_log_spectrum(np.zeros((1, 1, round(spectrum.SEGMENT * fs))), fs)
        for side in ("real", "synthetic"):
            self._sum_states(**{f"{side}_total": (num_leads, len(frequencies)), f"{side}_n": ()})

    def update(self, signal: ArrayLike, real: bool) -> None:
        """Add (record, lead, time) in mV of the real or of the synthetic set."""
        waves, side = as_array(signal), "real" if real else "synthetic"
        _, level = spectrum.mean_log_spectrum(waves, self.fs)
        self._add(**{f"{side}_total": len(waves) * level, f"{side}_n": len(waves)})

    def compute(self) -> Tensor:
        """Mean over leads of the distance in dB; NaN if a set is empty."""
        first, second = (getattr(self, f"{side}_total") / getattr(self, f"{side}_n") for side in ("real", "synthetic"))
        return ((first - second) ** 2).mean(-1).sqrt().mean()
