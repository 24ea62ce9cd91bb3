"""Scores that training minimises: how far draws lie from a truth."""

from __future__ import annotations

from torch import Tensor


def pair_crps(one: Tensor, other: Tensor, true: Tensor) -> Tensor:
    """Continuous ranked probability score of two independent draws, element by element.

    |x − y| averaged over the draws, less half of |x − x'|: unbiased, and least when the draws are spread as the
    truth is (Gneiting & Raftery 2007; the fair form of Ferro 2014). Two equal draws score their absolute error.
    """
    return ((one - true).abs() + (other - true).abs() - (one - other).abs()) / 2


def squared(drawn: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """Mean squared error over the square of the amplitude; it asks for the mean, an absolute error for the median."""
    return ((drawn - true) / scale).square().mean()


def amplitude(wave: Tensor) -> Tensor:
    """What an error is measured against: the root mean square of each channel, and 0.1, in equal parts.

    Between absolute errors (where loud channels rule) and correlation (where the faintest counts as much).
    """
    return (wave.square().mean(-1, keepdim=True).sqrt() + 0.1) / 2
