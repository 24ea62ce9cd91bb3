"""Map of numbers to standard normal ones by their quantiles (a Gaussian copula without its correlations)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

KNOTS = 257
"""Quantiles that describe the distribution of a number."""
WIDEST = 3.2
"""Standard normal value of the outermost quantiles; numbers beyond them are clipped."""


class QuantileMap(nn.Module):
    """Maps each of some numbers to a standard normal one and back, by the quantiles of training data.

    Args:
        size: Numbers.

    Example:
        >>> skewed = torch.randn(5000, 1, generator=torch.Generator().manual_seed(0)).exp()
        >>> quantiles = QuantileMap(1)
        >>> quantiles.fit(skewed)
        >>> normal = quantiles.encode(skewed)
        >>> round(float(normal.std()), 1), bool((quantiles.decode(normal) - skewed).abs().median() < 0.01)
        (1.0, True)
    """

    quantiles: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("quantiles", torch.linspace(-WIDEST, WIDEST, KNOTS).repeat(size, 1))

    def fit(self, numbers: Tensor) -> None:
        """Set the quantiles from training data (record, size)."""
        ranks = torch.special.ndtr(self._knots(numbers.double()))
        self.quantiles.copy_(torch.quantile(numbers.double(), ranks, dim=0).T)

    def encode(self, numbers: Tensor) -> Tensor:
        """Standard normal numbers (batch, size)."""
        return _interpolate(numbers.T, self.quantiles.to(numbers), self._knots(numbers).expand_as(self.quantiles)).T

    def decode(self, normal: Tensor) -> Tensor:
        """The inverse of ``encode``."""
        return _interpolate(normal.T, self._knots(normal).expand_as(self.quantiles), self.quantiles.to(normal)).T

    @staticmethod
    def _knots(like: Tensor) -> Tensor:
        return torch.linspace(-WIDEST, WIDEST, KNOTS, dtype=like.dtype, device=like.device)


def _interpolate(x: Tensor, at: Tensor, values: Tensor) -> Tensor:
    """Piecewise linear function of ``x`` (row, n) through (``at``, ``values``), (row, knot) each; constant beyond."""
    at, x = at.contiguous(), x.contiguous().clamp(at[:, :1], at[:, -1:])
    right = torch.searchsorted(at, x).clamp(1, at.shape[1] - 1)
    x0, x1, y0, y1 = (one.gather(1, place) for one in (at, values) for place in (right - 1, right))
    return y0 + (x - x0) * (y1 - y0) / (x1 - x0).clamp(min=1e-6)
