"""A latent space of waves: an autoencoder along time, and a network that finds its way back out of noise there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.networks.blocks import Residual, fold, unfold
from ecggen.networks.unet import Down, Up

MOMENTUM = 0.01
"""Weight of a training batch in the running mean and deviation of the latent."""


class Autoencoder(nn.Module):
    """Waves (batch, channels, time) ↔ a latent (batch, latent, time / (2 · steps)) of zero mean and unit deviation.

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
        # Scaled to unit deviation, as latents of diffusion are (Rombach et al. 2022), each channel by itself.
        self.register_buffer("center", torch.zeros(latent, 1))
        self.register_buffer("spread", torch.ones(latent, 1))
        self.register_buffer("met", torch.zeros(()))

    def encode(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation of the posterior, in units of the network."""
        mean, log_deviation = self.encoder(fold(waves, self.steps)).float().chunk(2, 1)
        return mean, log_deviation.clamp(-8, 2)

    def decode(self, latent: Tensor) -> Tensor:
        """Waves from a latent in units of the network."""
        return unfold(self.decoder(latent), self.steps)

    def scaled(self, latent: Tensor) -> Tensor:
        """From units of the network to zero mean and unit deviation."""
        return (latent - self.center) / self.spread

    def unscaled(self, latent: Tensor) -> Tensor:
        """The inverse of ``scaled``."""
        return latent * self.spread + self.center

    @torch.no_grad()
    def meet(self, latent: Tensor) -> None:
        """Take a training batch's latents into the running mean and deviation."""
        weight = max(MOMENTUM, 1 / (1 + float(self.met)))
        # New tensors: the graph of this step still holds the old ones.
        self.center = torch.lerp(self.center, latent.mean((0, 2))[:, None], weight)
        self.spread = torch.lerp(self.spread, latent.std((0, 2))[:, None].clamp(min=1e-3), weight)
        self.met = self.met + 1


class Denoiser(nn.Module):
    """A U-Net on a noisy latent, told how noisy it is and what is known.

    Args:
        latent: Channels of the latent.
        known: Channels that are known along the latent's time.
        widths: Channels of the two levels.
        blocks: Residual blocks of each level; attention to itself and to the tokens after every second of the last.
        width: Width of the steering vector and of the tokens.
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
        """(batch, latent, step) from the same, ``time`` (batch,) from 0 (no noise) to 1 (nothing else).

        ``apart``: no moment attends to the others.
        """
        vector = vector + self.noise(waves_of(time, vector.shape[1]))
        features = self.down(torch.cat([x, known], 1), vector, tokens, token_mask, apart=apart)
        return self.up(features, vector, [None] * (len(features) - 1)).float()


def waves_of(time: Tensor, width: int) -> Tensor:
    """(batch, width): sines and cosines of ``time`` (batch,) between 0 and 1 (Vaswani et al. 2017)."""
    rates = torch.exp(torch.linspace(0, math.log(1000), width // 2, device=time.device))
    angles = time[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


def divergence(mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Kullback–Leibler divergence from the standard normal distribution, element by element, in nats."""
    return ((2 * log_deviation).exp() + mean.square() - 1) / 2 - log_deviation


def symmetric_divergence(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    """Jeffreys divergence of two normal distributions, each a mean and a log deviation, element by element."""
    (mean, log), (other_mean, other_log) = one, other
    gap = (mean - other_mean).square()
    a, b = (2 * log).exp(), (2 * other_log).exp()
    return ((a + gap) / b + (b + gap) / a) / 4 - 0.5


def contrast(one: Tensor, other: Tensor, temperature: float = 0.07) -> Tensor:
    """InfoNCE of a batch of pairs (batch, width): each is to find its partner among all (van den Oord et al. 2018)."""
    one, other = F.normalize(one, dim=1), F.normalize(other, dim=1)
    likeness = one @ other.T / temperature
    own = torch.arange(len(one), device=one.device)
    return (F.cross_entropy(likeness, own) + F.cross_entropy(likeness.T, own)) / 2


def spread_times(n: int, device: torch.device) -> Tensor:
    """``n`` random times between 0 and 1, one from each n-th of the range, in random order (Kingma et al. 2021)."""
    return (torch.randperm(n, device=device) + torch.rand(n, device=device)) / n
