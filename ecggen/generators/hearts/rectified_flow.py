"""Rectified flow (Liu et al. 2023, arXiv 2209.03003) and the model of median beats of ``flow``."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ecggen.generators.hearts.heart_model import HeartModel
from ecggen.networks.adaptive import AdaptiveMLP

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Velocity at (batch, …) and times (batch,), from data (0) to noise (1)."""


def velocity_error(velocity: Velocity, data: Tensor) -> Tensor:
    """Squared error of the velocity at a random time of the straight path to noise, (batch, …)."""
    noise = torch.randn_like(data)
    time = torch.sigmoid(torch.randn(len(data), device=data.device))  # logit-normal (Esser et al. 2024)
    spread = time.view(-1, *[1] * (data.ndim - 1))
    return (velocity(torch.lerp(data, noise, spread), time) - (noise - data)).square()


def integrate(velocity: Velocity, noise: Tensor, num_steps: int) -> Tensor:
    """Data from standard normal ``noise`` by Heun's method in ``num_steps`` equal steps, the last one of Euler's.

    Example:
        >>> from ecggen.networks.adaptive import normal_velocity
        >>> noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
        >>> bool((integrate(normal_velocity, noise, 50) - noise).abs().max() < 0.01)
        True
    """
    x, times = noise, torch.linspace(1, 0, num_steps + 1).tolist()
    for now, then in pairwise(times):
        first = velocity(x, x.new_full((len(x),), now))
        moved = x + (then - now) * first
        if then > 0:
            second = velocity(moved, x.new_full((len(x),), then))
            moved = x + (then - now) / 2 * (first + second)
        x = moved
    return x


class RectifiedHearts(AdaptiveMLP, HeartModel):
    """Rectified flow of codes.

    Args:
        size: Size of a code.
        condition: Size of what is known.
        width: Units of a layer.
        blocks: Residual blocks.
    """

    def __init__(self, size: int, condition: int, width: int, blocks: int):
        super().__init__(size, condition, width, blocks, dropout=0.05)
        self.noise = size

    def loss(self, code: Tensor, known: Tensor, shape_of: Callable[[Tensor], Tensor]) -> Tensor:
        return velocity_error(lambda x, time: self(x, time, known), code).mean(1)

    def sample(
        self, noise: Tensor, known: Tensor, plain: Tensor, guidance_scale: float = 1.0, num_steps: int = 8
    ) -> Tensor:
        def velocity(x: Tensor, time: Tensor) -> Tensor:
            conditional = self(x, time, known)
            return conditional if guidance_scale == 1 else torch.lerp(self(x, time, plain), conditional, guidance_scale)

        return integrate(velocity, noise, num_steps)
