"""Losses of draws and predictions against a target."""

from __future__ import annotations

from torch import Tensor


def pair_crps(one: Tensor, other: Tensor, true: Tensor) -> Tensor:
    """Elementwise continuous ranked probability score estimated from two independent draws.

    It is the mean of |x − y| over the draws x minus half of |x − x'| (Gneiting & Raftery 2007; the fair estimator of
    Ferro 2014): unbiased, and minimal in expectation if draws have the distribution of the target. For two equal draws
    it is the absolute error.

    Example:
        >>> import torch
        >>> float(pair_crps(torch.tensor(0.0), torch.tensor(2.0), torch.tensor(1.0)))
        0.0
    """
    return ((one - true).abs() + (other - true).abs() - (one - other).abs()) / 2


def squared(drawn: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """Mean squared error relative to the squared amplitude; minimal for the conditional mean."""
    return ((drawn - true) / scale).square().mean()


def amplitude(wave: Tensor) -> Tensor:
    """Scale of errors in mV: the mean of the root mean square of each channel and 0.1 mV.

    It is a compromise between absolute errors, which channels of high amplitude dominate, and fully normalised errors,
    in which channels of low amplitude have the same weight.
    """
    return (wave.square().mean(-1, keepdim=True).sqrt() + 0.1) / 2
