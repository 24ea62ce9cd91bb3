"""Networks of latent generators: an autoencoder along time, and a denoiser of latents."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.networks.blocks import Residual, fold, unfold
from ecggen.networks.unet import Down, Up

MOMENTUM = 0.01
"""Weight of a batch in the running mean and standard deviation of the latent."""


class Autoencoder(nn.Module):
    """Autoencoder between waves (batch, channels, time) and latents (batch, latent, time / (2 · steps)).

    Args:
        channels: Channels of the waves.
        latent: Channels of the latent.
        widths: Channels of the two levels: time / steps, and half of that.
        blocks: Residual blocks of each level.
        steps: Neighbouring samples folded into channels.
    """

    center: Tensor
    spread: Tensor
    met: Tensor

    def __init__(self, channels: int, latent: int, widths: Sequence[int], blocks: int, steps: int):
        super().__init__()
        fine, coarse = widths
        self.steps = steps
        self.encoder = nn.Sequential(
            nn.Conv1d(channels * steps, fine, 3, padding=1),
            *(Residual(fine, fine) for _ in range(blocks)),
            nn.Conv1d(fine, coarse, 2, stride=2),
            *(Residual(coarse, coarse) for _ in range(blocks)),
            nn.Conv1d(coarse, 2 * latent, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.Conv1d(latent, coarse, 3, padding=1),
            *(Residual(coarse, coarse) for _ in range(blocks)),
            nn.ConvTranspose1d(coarse, fine, 2, stride=2),
            *(Residual(fine, fine) for _ in range(blocks)),
            nn.Conv1d(fine, channels * steps, 3, padding=1),
        )
        # Each channel of the latent is normalised, as in latent diffusion (Rombach et al. 2022).
        self.register_buffer("center", torch.zeros(latent, 1))
        self.register_buffer("spread", torch.ones(latent, 1))
        self.register_buffer("met", torch.zeros(()))

    def encode(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of the posterior, not normalised."""
        mean, log_deviation = self.encoder(fold(waves, self.steps)).float().chunk(2, 1)
        return mean, log_deviation.clamp(-8, 2)

    def decode(self, latent: Tensor) -> Tensor:
        """Waves from a latent that is not normalised."""
        return unfold(self.decoder(latent), self.steps)

    def scaled(self, latent: Tensor) -> Tensor:
        """Normalise a latent to zero mean and unit standard deviation."""
        return (latent - self.center) / self.spread

    def unscaled(self, latent: Tensor) -> Tensor:
        """The inverse of ``scaled``."""
        return latent * self.spread + self.center

    @torch.no_grad()
    def meet(self, latent: Tensor) -> None:
        """Update the running mean and standard deviation with a batch of latents."""
        weight = max(MOMENTUM, 1 / (1 + float(self.met)))
        # New tensors, because the old ones are part of the graph of this step.
        self.center = torch.lerp(self.center, latent.mean((0, 2))[:, None], weight)
        self.spread = torch.lerp(self.spread, latent.std((0, 2))[:, None].clamp(min=1e-3), weight)
        self.met = self.met + 1


class Denoiser(nn.Module):
    """Conditional U-Net for noisy latents.

    Args:
        latent: Channels of the latent.
        known: Channels of the condition along the time of the latent.
        widths: Channels of the two levels.
        blocks: Residual blocks of each level; the last has self- and cross-attention after every second block.
        width: Width of the modulating vector and of the tokens.
    """

    def __init__(self, latent: int, known: int, widths: Sequence[int], blocks: Sequence[int], width: int):
        super().__init__()
        self.noise = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.down = Down(latent + known, widths, blocks, width)
        self.up = Up(widths, latent, blocks[0], width, [0] * (len(widths) - 1))
        nn.init.zeros_(self.up.leave.weight)
        nn.init.zeros_(self.up.leave.bias)  # type: ignore[arg-type]

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        known: Tensor,
        vector: Tensor,
        tokens: Tensor,
        token_mask: Tensor,
        apart: bool = False,
    ) -> Tensor:
        """(batch, latent, step) → the same shape; ``time`` (batch,) is from 0 (no noise) to 1 (noise only).

        ``apart``: no self-attention along time (for perturbed-attention guidance).
        """
        vector = vector + self.noise(waves_of(time, vector.shape[1]))
        features = self.down(torch.cat([x, known], 1), vector, tokens, token_mask, apart=apart)
        return self.up(features, vector, [None] * (len(features) - 1)).float()


def waves_of(time: Tensor, width: int) -> Tensor:
    """Sinusoidal embedding (batch, width) of ``time`` (batch,) between 0 and 1 (Vaswani et al. 2017)."""
    rates = torch.exp(torch.linspace(0, math.log(1000), width // 2, device=time.device))
    angles = time[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


def divergence(mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Elementwise Kullback–Leibler divergence from the standard normal distribution in nats."""
    return ((2 * log_deviation).exp() + mean.square() - 1) / 2 - log_deviation


def symmetric_divergence(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    """Elementwise Jeffreys divergence of two normal distributions, each given by mean and log standard deviation."""
    (mean, log), (other_mean, other_log) = one, other
    gap = (mean - other_mean).square()
    a, b = (2 * log).exp(), (2 * other_log).exp()
    return ((a + gap) / b + (b + gap) / a) / 4 - 0.5


def contrast(one: Tensor, other: Tensor, temperature: float = 0.07) -> Tensor:
    """Symmetric InfoNCE of a batch of pairs, each (batch, width) (van den Oord et al. 2018)."""
    one, other = F.normalize(one, dim=1), F.normalize(other, dim=1)
    similarity = one @ other.T / temperature
    partner = torch.arange(len(one), device=one.device)
    return (F.cross_entropy(similarity, partner) + F.cross_entropy(similarity.T, partner)) / 2


def spread_times(n: int, device: torch.device) -> Tensor:
    """``n`` stratified random times in [0, 1], in random order (Kingma et al. 2021)."""
    return (torch.randperm(n, device=device) + torch.rand(n, device=device)) / n
