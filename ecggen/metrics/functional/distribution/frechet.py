"""The two distances that both go by "FD", kept apart by name.

``frechet_curve`` compares one wave with another: how long a leash must be for one to walk along each, never going
back. ``frechet_gaussian`` compares one *set* of feature vectors with another as if both were normal; on a trained
network's features it is what the literature calls FID. The first has the unit mV, the second the features' unit
squared, and the second's bias falls as 1/n: only sets of equal size, on the same named features, may be compared,
beside the floor of two real sets of that size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError
from ecggen.metrics.functional.alignment import bottleneck, over_waves
from ecggen.metrics.functional.distribution.feature_sets import FEWEST, feature_sets
from ecggen.metrics.functional.waveform import same_shape


def frechet_curve(a: ArrayLike, b: ArrayLike, reach: int | None = None) -> np.ndarray:
    """Discrete Fréchet distance of waves as curves of their values, in mV (Eiter & Mannila 1994).

    Args:
        a: (…, time) in mV.
        b: Of the same shape.
        reach: Most samples by which one wave may be ahead of the other; None for no limit.

    Returns:
        (…). With reach 0 it is the largest difference; it never rises as the reach grows.

    Raises:
        InputError: Where the shapes differ or there are no samples.
    """
    first, second = same_shape(a, b)
    time = first.shape[-1]
    if reach is not None and reach < 0:
        raise InputError(f"the reach is {reach} samples", "0 or more were expected")
    width = time - 1 if reach is None else min(reach, time - 1)
    return over_waves(lambda x, y: bottleneck(x, y, width), first, second)


def frechet_gaussian(x: ArrayLike, y: ArrayLike, fewest: int = FEWEST) -> float:
    """Fréchet distance of the normal distributions that two sets of features have (Dowson & Landau 1982).

    ‖μ_x − μ_y‖² + tr(Σ_x + Σ_y − 2(Σ_x Σ_y)^½), in double precision; never negative, also of singular covariances.

    Args:
        x: (record, feature).
        y: (record, feature); as many records as x where scores are to be compared.
        fewest: Fewest records of either set.

    Raises:
        InputError: Where values are not finite, widths differ or records are too few.
    """
    return frechet_from_moments(*(part for one in feature_sets(x, y, fewest) for part in moments(one)))


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (feature,) and unbiased covariance (feature, feature) of (record, feature)."""
    mean = x.mean(0)
    centred = x - mean
    return mean, centred.T @ centred / (len(x) - 1)


def moments_from_sums(n: float, total: np.ndarray, outer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same from n, Σx and Σx xᵀ, which can be summed batch by batch."""
    mean = total / n
    return mean, (outer - n * np.outer(mean, mean)) / (n - 1)


def frechet_from_moments(
    mean_x: np.ndarray, covariance_x: np.ndarray, mean_y: np.ndarray, covariance_y: np.ndarray
) -> float:
    """``frechet_gaussian`` of known means and covariances.

    The trace of (Σ_x Σ_y)^½ is the sum of the singular values of Σ_x^½ Σ_y^½; taken so, nothing complex and no
    root of a tiny negative eigenvalue can arise.
    """
    product = _root(covariance_x) @ _root(covariance_y)
    shared = np.linalg.svd(product, compute_uv=False).sum()
    apart = ((mean_x - mean_y) ** 2).sum()
    return float(max(0.0, apart + np.trace(covariance_x) + np.trace(covariance_y) - 2 * shared))


def _root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric root of a covariance; eigenvalues that rounding made negative are zero."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
