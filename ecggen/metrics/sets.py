"""Scores of a synthetic set against a real one; ``update(values, real)`` says which of both a batch belongs to."""

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
from ecggen.metrics.functional.distribution.manifold import manifold_scores
from ecggen.metrics.states import Summed, TwoSets, as_array


class FrechetDistance(Summed):
    """``frechet.frechet_gaussian`` from sums of features and of their products.

    Features far from zero against their spread lose digits in such sums: standardise them once, by the training set.

    Args:
        num_features: Features per record.
        fewest: Fewest records of either set.
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
    """``kernel.kernel_distance`` (KID) of features (record, feature)."""

    def compute(self) -> Tensor:
        """The unbiased distance; 0 on average for sets of one distribution."""
        return torch.tensor(kernel_distance(*self.sets()), dtype=torch.float64)


class PRDC(TwoSets):
    """``manifold.manifold_scores`` of features (record, feature).

    Args:
        k_precision: Neighbour that sets the balls of precision and recall.
        k_density: Neighbour that sets those of density and coverage.
    """

    higher_is_better = True

    def __init__(self, k_precision: int = 3, k_density: int = 5, **kwargs: Any):
        super().__init__(**kwargs)
        self.k_precision, self.k_density = k_precision, k_density

    def compute(self) -> dict[str, Tensor]:
        """Precision, recall, density and coverage."""
        found = manifold_scores(*self.sets(), self.k_precision, self.k_density)
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()}


class Marginal(TwoSets):
    """``marginals`` of one number a record (record,); missing values (NaN) are dropped.

    Args:
        scale: What the Wasserstein distance is divided by; None for the real interquartile range.
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
    """``spectrum.log_spectral_distance``, mean over leads, in dB.

    Args:
        num_leads: Leads.
        fs: Rate in Hz.
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
        """Mean over leads of the distance in dB; NaN while a set is empty."""
        first, second = (getattr(self, f"{side}_total") / getattr(self, f"{side}_n") for side in ("real", "synthetic"))
        return ((first - second) ** 2).mean(-1).sqrt().mean()
