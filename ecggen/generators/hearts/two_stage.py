"""Variational autoencoder of the codes of median beats, the model of ``vae``.

The codes are latents of a variational autoencoder whose aggregate posterior is not quite normal. A second one, of the
codes themselves, closes the gap (two-stage VAE: Dai & Wipf 2019, arXiv 1903.05789). Its networks see the condition.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ecggen.generators.hearts.heart_model import HeartModel
from ecggen.networks.dense import DenseNetwork

SMALLEST_DEVIATION, LARGEST_DEVIATION = 0.05, 1.5
"""Bounds of the standard deviation of a number of a code, given the latent."""


class TwoStageHearts(HeartModel):
    """Conditional variational autoencoder of codes.

    Args:
        size: Size of a code, and of its latent.
        condition: Size of what is known.
        width: Units of a layer.
        blocks: Residual blocks of each network.
    """

    def __init__(self, size: int, condition: int, width: int, blocks: int):
        super().__init__()
        self.size, self.noise = size, 2 * size
        self.embed = nn.Sequential(nn.Linear(condition, width), nn.SiLU(), nn.Dropout(0.05))
        self.encoder = DenseNetwork(size + width, 2 * size, width, blocks)
        self.decoder = DenseNetwork(size + width, 2 * size, width, blocks)

    def loss(self, code: Tensor, known: Tensor, shape_of: Callable[[Tensor], Tensor]) -> Tensor:
        embedded = self.embed(known)
        shift, spread = self.encoder(torch.cat([code, embedded], 1)).float().chunk(2, 1)
        mean, log_variance = code + shift, (spread - 1).clamp(-8, 2)
        latent = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        found, deviation = self._decoded(latent, embedded)
        evidence = (0.5 * ((code - found) / deviation).square() + deviation.log()).sum(1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)
        return (evidence + divergence) / self.size

    def sample(
        self, noise: Tensor, known: Tensor, plain: Tensor, guidance_scale: float = 1.0, num_steps: int = 8
    ) -> Tensor:
        latent, rest = noise.chunk(2, 1)
        found, deviation = self._decoded(latent, self.embed(known))
        if guidance_scale != 1:
            found = torch.lerp(self._decoded(latent, self.embed(plain))[0], found, guidance_scale)
        return found + deviation * rest

    def _decoded(self, latent: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the codes of latents."""
        shift, spread = self.decoder(torch.cat([latent, embedded], 1)).float().chunk(2, 1)
        return latent + shift, (spread - 1).exp().clamp(SMALLEST_DEVIATION, LARGEST_DEVIATION)
