"""Networks of rectified flows whose blocks are modulated by a condition (adaLN, Peebles & Xie 2023).

Both predict a velocity as the sum of a network, zero at first, and of the velocity of a standard normal distribution.
An untrained network therefore draws standard normal numbers, and training only adds what the data have beyond them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

FREQUENCIES = 32


def normal_velocity(x: Tensor, time: Tensor) -> Tensor:
    """Velocity at ``x`` if the data are standard normal: paths lead from data (time 0) to noise (time 1).

    Args:
        x: (batch, …).
        time: (batch,).
    """
    time = time.view(-1, *[1] * (x.ndim - 1))
    return x * (2 * time - 1) / ((1 - time).square() + time.square())


def time_features(time: Tensor) -> Tensor:
    """Sines and cosines of a time in [0, 1], (batch, 2 · ``FREQUENCIES``)."""
    rates = torch.exp(torch.linspace(0, math.log(200.0), FREQUENCIES, device=time.device))
    angles = time[:, None] * rates * math.pi
    return torch.cat([angles.sin(), angles.cos()], 1)


class ConditionNetwork(nn.Module):
    """Embeds a condition vector and the time of the flow."""

    def __init__(self, condition: int, width: int):
        super().__init__()
        self.condition = nn.Linear(condition, width)
        self.time = nn.Linear(2 * FREQUENCIES, width)
        self.mix = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, condition: Tensor, time: Tensor) -> Tensor:
        return self.mix(self.condition(condition) + self.time(time_features(time)))


class AdaptiveMLP(nn.Module):
    """Velocity of vectors: residual blocks of two dense layers.

    All blocks share one modulation, to which each adds its own constants (Chen et al., PixArt-α, arXiv 2310.00426).

    Args:
        size: Size of the vectors.
        condition: Size of the condition.
        width: Units of a layer.
        blocks: Residual blocks.
        dropout: Dropout probability.
    """

    def __init__(self, size: int, condition: int, width: int, blocks: int = 3, dropout: float = 0.0):
        super().__init__()
        self.embed = ConditionNetwork(condition, width)
        self.enter = nn.Linear(size, width)
        self.modulation = _zero(nn.Linear(width, 3 * width))
        self.constants = nn.Parameter(torch.zeros(blocks, 3 * width))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(2 * width, width))
            for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.leave = _zero(nn.Linear(width, size))

    def forward(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """Velocity at ``x`` (batch, size)."""
        return self.network(x, time, condition) + normal_velocity(x, time)

    def network(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """Output of the network alone, (batch, size): what the data have beyond a standard normal distribution."""
        common, hidden = self.modulation(self.embed(condition, time)), self.enter(x)
        for block, own in zip(self.blocks, self.constants, strict=True):
            shift, scale, gate = (common + own).chunk(3, -1)
            hidden = hidden + (1 + gate) * block(self.norm(hidden) * (1 + scale) + shift)
        return self.leave(self.norm(hidden)).float()


class AdaptiveConvolutions(nn.Module):
    """Velocity of sequences: residual blocks of dilated convolutions.

    Args:
        channels: Channels of the sequence.
        local: Channels of the condition along time.
        condition: Size of the global condition.
        width: Channels of a layer.
        dilations: Dilation of each block.
    """

    def __init__(
        self,
        channels: int,
        local: int,
        condition: int,
        width: int = 160,
        dilations: Sequence[int] = (1, 2, 4, 8, 16, 32, 1, 2, 4, 8, 16, 32),
    ):
        super().__init__()
        self.embed = ConditionNetwork(condition, width)
        self.enter = nn.Conv1d(channels + local, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "modulation": _zero(nn.Linear(width, 3 * width)),
                    "norm": nn.GroupNorm(1, width, affine=False),
                    "along": nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation),
                    "across": nn.Conv1d(width, width, 1),
                }
            )
            for dilation in dilations
        )
        self.norm = nn.GroupNorm(1, width)
        self.leave = _zero(nn.Conv1d(width, channels, 3, padding=1))

    def forward(self, x: Tensor, time: Tensor, local: Tensor, condition: Tensor) -> Tensor:
        """Velocity at ``x`` (batch, channels, step), given ``local`` (batch, local, step)."""
        known, hidden = self.embed(condition, time), self.enter(torch.cat([x, local], 1))
        for block in self.blocks:
            shift, scale, gate = block["modulation"](known)[..., None].chunk(3, 1)  # type: ignore[index]
            inner = block["norm"](hidden) * (1 + scale) + shift  # type: ignore[index]
            inner = nn.functional.silu(block["along"](inner))  # type: ignore[index]
            hidden = hidden + (1 + gate) * block["across"](inner)  # type: ignore[index]
        return self.leave(nn.functional.silu(self.norm(hidden))).float() + normal_velocity(x, time)


def _zero(layer: nn.Linear | nn.Conv1d) -> nn.Module:
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
