"""The two distances that are both called Fréchet distance: of curves and of Gaussian distributions.

``frechet_curve`` compares two waveforms, in mV. ``frechet_gaussian`` compares two *sets* of feature vectors under the
assumption of normal distributions, in the features' unit squared; on a network's features it is known as FID. Its bias
decreases as 1/n: compare only values of equally large sets on the same features, and report the real–real reference,
the distance between two patient-disjoint real sets of that size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.errors import InputError
from ecggen.metrics.functional.alignment import bottleneck, over_waves
from ecggen.metrics.functional.distribution.feature_sets import FEWEST, feature_sets
from ecggen.metrics.functional.waveform import same_shape


def frechet_curve(a: ArrayLike, b: ArrayLike, reach: int | None = None) -> np.ndarray:
    """Discrete Fréchet distance of waveforms as curves of their values, in mV (Eiter & Mannila 1994).

    Args:
        a: (…, time) in mV.
        b: Of the same shape.
        reach: Largest time shift in samples between the waveforms; None for no limit.

    Returns:
        (…). With ``reach`` 0 it is the largest absolute difference; it never increases with ``reach``.

    Raises:
        InputError: If the shapes differ, there are no samples or the reach is negative.

    Example:
        >>> float(frechet_curve([0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]))
        0.0
    """
    first, second = same_shape(a, b)
    time = first.shape[-1]
    if reach is not None and reach < 0:
        raise InputError(f"the reach is {reach} samples", "0 or more were expected")
    width = time - 1 if reach is None else min(reach, time - 1)
    return over_waves(lambda x, y: bottleneck(x, y, width), first, second)


def frechet_gaussian(x: ArrayLike, y: ArrayLike, fewest: int = FEWEST) -> float:
    """Fréchet distance of two sets of features under the assumption of normal distributions (Dowson & Landau 1982).

    ‖μ_x − μ_y‖² + tr(Σ_x + Σ_y − 2(Σ_x Σ_y)^½), in double precision; never negative, also for singular covariances.

    Args:
        x: (record, feature).
        y: (record, feature); use equally many records if values are to be compared.
        fewest: Fewest records of either set.

    Raises:
        InputError: If values are not finite, widths differ or there are too few records.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> round(frechet_gaussian(x, x + 1), 6)
        4.0
    """
    return frechet_from_moments(*(moment for values in feature_sets(x, y, fewest) for moment in moments(values)))


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (feature,) and unbiased covariance (feature, feature) of (record, feature)."""
    mean = x.mean(0)
    centred = x - mean
    return mean, centred.T @ centred / (len(x) - 1)


def moments_from_sums(n: float, total: np.ndarray, outer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased covariance from n, Σx and Σx xᵀ, which can be summed over batches."""
    mean = total / n
    return mean, (outer - n * np.outer(mean, mean)) / (n - 1)


def frechet_from_moments(
    mean_x: np.ndarray, covariance_x: np.ndarray, mean_y: np.ndarray, covariance_y: np.ndarray
) -> float:
    """``frechet_gaussian`` of known means and covariances.

    The trace of (Σ_x Σ_y)^½ is computed as the sum of the singular values of Σ_x^½ Σ_y^½, which is always real.

    Example:
        >>> frechet_from_moments(np.zeros(2), np.eye(2), np.array([3.0, 4.0]), np.eye(2))
        25.0
    """
    product = _root(covariance_x) @ _root(covariance_y)
    shared = np.linalg.svd(product, compute_uv=False).sum()
    squared_shift = ((mean_x - mean_y) ** 2).sum()
    return float(max(0.0, squared_shift + np.trace(covariance_x) + np.trace(covariance_y) - 2 * shared))


def _root(covariance: np.ndarray) -> np.ndarray:
    """Symmetric square root of a covariance; negative eigenvalues from rounding are set to zero."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
