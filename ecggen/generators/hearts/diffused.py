"""Denoising diffusion of median beats, the model of ``diffusion``.

The network predicts the velocity of a variance-preserving diffusion (Salimans & Ho 2022, arXiv 2202.00512) with the
cosine schedule (Nichol & Dhariwal 2021, arXiv 2102.09672); codes are drawn by deterministic steps (DDIM, Song et al.
2021, arXiv 2010.02502) with classifier-free guidance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ecggen.generators.hearts.heart_model import HeartModel
from ecggen.networks.adaptive import AdaptiveMLP

STEPS_PER_STEP = 3
"""Steps of DDIM, of one evaluation each, for a step of ``num_steps``."""


class DiffusedHearts(AdaptiveMLP, HeartModel):
    """Diffusion of codes.

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
        noise, time = torch.randn_like(code), torch.rand(len(code), device=code.device)
        signal, spread = schedule(time[:, None])
        velocity = signal * noise - spread * code
        return (self.network(signal * code + spread * noise, time, known) - velocity).square().mean(1)

    def sample(
        self, noise: Tensor, known: Tensor, plain: Tensor, guidance_scale: float = 1.0, num_steps: int = 8
    ) -> Tensor:
        x, times = noise, torch.linspace(1, 0, STEPS_PER_STEP * num_steps + 1).to(noise)
        for now, then in pairwise(times):
            time = now.expand(len(x))
            velocity = self.network(x, time, known)
            if guidance_scale != 1:
                velocity = torch.lerp(self.network(x, time, plain), velocity, guidance_scale)
            signal, spread = schedule(now)
            data, noise = signal * x - spread * velocity, spread * x + signal * velocity
            signal, spread = schedule(then)
            x = signal * data + spread * noise
        return x


def schedule(time: Tensor) -> tuple[Tensor, Tensor]:
    """Factors of data and noise at a time in [0, 1]; their squares add up to one.

    Example:
        >>> [round(float(one), 3) for one in schedule(torch.tensor(0.5))]
        [0.707, 0.707]
    """
    angle = 0.5 * math.pi * time
    return angle.cos(), angle.sin()
