"""Prior of the latents of median beats, the model of ``vae``: a conditional flow of affine couplings.

The codes are latents of a variational autoencoder, whose aggregate posterior is not normal and differs with text,
metadata and rhythm. Its prior is therefore learnt, by maximum likelihood of samples of the posterior: standard normal
numbers that invertible steps turn into latents (variational lossy autoencoder: Chen et al. 2017, arXiv 1611.02731; the
steps are those of RealNVP: Dinh et al. 2017, arXiv 1605.08803). A draw takes one pass.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ecggen.generators.hearts.heart_model import HeartModel
from ecggen.networks.dense import DenseNetwork

EMBEDDED = 128
"""Numbers that a condition is embedded in."""
DROPOUT = 0.2
LARGEST_SCALE = 1.5
"""Largest logarithm of the factor of one step."""


class FlowPriorHearts(HeartModel):
    """Conditional normalising flow of codes.

    Args:
        size: Size of a code.
        condition: Size of what is known.
        width: Units of a layer of each step.
        blocks: Pairs of steps.
    """

    def __init__(self, size: int, condition: int, width: int, blocks: int):
        super().__init__()
        self.size = self.noise = size
        self.embed = nn.Sequential(
            nn.Linear(condition, 2 * EMBEDDED), nn.SiLU(), nn.Dropout(DROPOUT), nn.Linear(2 * EMBEDDED, EMBEDDED)
        )
        halves = [_halves(size, pair) for pair in range(blocks)]
        steps = [step for one, other in halves for step in ((one, other), (other, one))]
        self.steps = nn.ModuleList(_Coupling(kept, moved, width) for kept, moved in steps)

    def loss(self, code: Tensor, known: Tensor, shape_of: Callable[[Tensor], Tensor]) -> Tensor:
        embedded, x, change = self.embed(known), code, code.new_zeros(len(code))
        for step in reversed(self.steps):
            x, own = step.inverse(x, embedded)  # type: ignore[operator]
            change = change + own
        return (0.5 * x.square().sum(1) - change) / self.size

    def sample(
        self, noise: Tensor, known: Tensor, plain: Tensor, guidance_scale: float = 1.0, num_steps: int = 8
    ) -> Tensor:
        x, embedded = noise, self.embed(known)
        other = self.embed(plain) if guidance_scale != 1 else None
        for step in self.steps:
            x = step(x, embedded, other, guidance_scale)
        return x


def _halves(size: int, seed: int) -> tuple[Tensor, Tensor]:
    """A random half of the numbers, and the other half."""
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    return order[: size // 2].sort().values, order[size // 2 :].sort().values


class _Coupling(nn.Module):
    """One step: half of the numbers are scaled and shifted, by amounts that depend on the others and the condition."""

    def __init__(self, kept: Tensor, moved: Tensor, width: int):
        super().__init__()
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("moved", moved, persistent=False)
        self.network = DenseNetwork(len(kept) + EMBEDDED, 2 * len(moved), width, 1, DROPOUT)

    def forward(self, x: Tensor, embedded: Tensor, plain: Tensor | None, guidance_scale: float) -> Tensor:
        """From noise towards codes."""
        scale, shift = self._amounts(x, embedded)
        if plain is not None:
            others = self._amounts(x, plain)
            scale, shift = (torch.lerp(a, b, guidance_scale) for a, b in zip(others, (scale, shift), strict=True))
        return x.index_copy(1, self.moved, x[:, self.moved] * scale.exp() + shift)

    def inverse(self, x: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """From codes towards noise, and the logarithm of the change of volume (batch,)."""
        scale, shift = self._amounts(x, embedded)
        return x.index_copy(1, self.moved, (x[:, self.moved] - shift) * (-scale).exp()), -scale.sum(1)

    def _amounts(self, x: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self.network(torch.cat([x[:, self.kept], embedded], 1)).float().chunk(2, 1)
        return LARGEST_SCALE * torch.tanh(scale / LARGEST_SCALE), shift
