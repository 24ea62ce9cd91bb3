"""Code of a median beat: principal components and amplitude, each mapped to a standard normal distribution.

The beat is divided by its root mean square around the QRS, whose logarithm is one number of the code. The remaining
shape is weighted per lead and instant, so that small waves count, and projected on principal components. Quantiles map
each number to a standard normal one (a Gaussian copula without its correlations).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecggen.core.beats import BEFORE, beat_samples
from ecggen.core.ecg import INDEPENDENT_LEADS

AROUND = 0.1
"""Seconds before and after the R peak in which the amplitude is measured."""
LEAST = 0.02
"""Smallest amplitude in mV."""
EVEN = 0.7
"""Share of the mean standard deviation that is added to that of each instant in the weights."""
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


class HeartCode(nn.Module):
    """Maps median beats (batch, 8, time) in mV to codes (batch, components + 1) and back.

    Args:
        components: Principal components.
        fs: Sampling rate in Hz.
    """

    weight: Tensor
    center: Tensor
    components: Tensor

    def __init__(self, components: int = 192, fs: float = 100.0):
        super().__init__()
        samples = beat_samples(fs)
        first, last = round((BEFORE - AROUND) * fs), round((BEFORE + AROUND) * fs) + 1
        self.around = slice(first, last)
        self.size = components + 1
        self.shape = (len(INDEPENDENT_LEADS), samples)
        self.register_buffer("weight", torch.ones(self.shape))
        self.register_buffer("center", torch.zeros(self.shape))
        self.register_buffer("components", torch.zeros(components, self.shape[0] * samples))
        self.normal = QuantileMap(self.size)

    def fit(self, hearts: Tensor) -> None:
        """Set weights, components and quantiles from the median beats of training records."""
        shape, _ = self._split(hearts.double())
        deviation = shape.std(0)
        self.weight.copy_(1 / (deviation + EVEN * deviation.mean()))
        self.center.copy_(shape.mean(0))
        flat = ((shape - self.center) * self.weight).flatten(1)
        vectors = torch.linalg.eigh(flat.T @ flat / len(flat)).eigenvectors
        self.components.copy_(vectors[:, -len(self.components) :].flip(1).T)
        self.normal.fit(self._numbers(hearts.double()))

    def encode(self, hearts: Tensor) -> Tensor:
        """Codes of median beats (batch, 8, time) in mV."""
        return self.normal.encode(self._numbers(hearts))

    def decode(self, code: Tensor) -> Tensor:
        """Median beats (batch, 8, time) in mV of codes."""
        numbers = self.normal.decode(code)
        flat = numbers[:, :-1] @ self.components.to(code)
        shape = flat.unflatten(1, self.shape) / self.weight + self.center
        return shape * numbers[:, -1, None, None].exp()

    def _split(self, hearts: Tensor) -> tuple[Tensor, Tensor]:
        """Beats of amplitude one, and the logarithm of the amplitude (batch,)."""
        size = hearts[..., self.around].square().mean((1, 2)).sqrt().clamp(min=LEAST)
        return hearts / size[:, None, None], size.log()

    def _numbers(self, hearts: Tensor) -> Tensor:
        shape, size = self._split(hearts)
        flat = ((shape - self.center.to(shape)) * self.weight.to(shape)).flatten(1)
        return torch.cat([flat @ self.components.to(shape).T, size[:, None]], 1)


def _interpolate(x: Tensor, at: Tensor, values: Tensor) -> Tensor:
    """Piecewise linear function of ``x`` (row, n) through (``at``, ``values``), (row, knot) each; constant beyond."""
    at, x = at.contiguous(), x.contiguous().clamp(at[:, :1], at[:, -1:])
    right = torch.searchsorted(at, x).clamp(1, at.shape[1] - 1)
    x0, x1, y0, y1 = (one.gather(1, place) for one in (at, values) for place in (right - 1, right))
    return y0 + (x - x0) * (y1 - y0) / (x1 - x0).clamp(min=1e-6)
