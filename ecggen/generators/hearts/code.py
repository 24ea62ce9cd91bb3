"""Code of a median beat: the latent of a variational autoencoder, and the amplitude.

The beat is divided by its root mean square around the QRS, whose logarithm is one number of the code. The remaining
shape is weighted per lead and instant, so that small waves count, projected on principal components, and encoded by a
dense variational autoencoder (Kingma & Welling 2014, arXiv 1312.6114). Its decoder makes beats of noisy latents; a
model of the latents may therefore be a little wrong and still draw smooth beats, while errors of a model of the
components themselves show as ripples.
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
SOFT = 3.0
"""Standard deviations above which a principal component is compressed."""
SMALLEST_ERROR = 1e-4
"""Mean squared error of a weighted shape below which a beat counts as reproduced."""
EVIDENCE = 0.1
"""Weight of the reproduction: independent numbers over all numbers of a shape."""
QUIETEST, LOUDEST = -8.0, 2.0
"""Bounds of the logarithm of the variance of a latent."""


class BeatAutoencoder(nn.Module):
    """Encodes standardised principal components (batch, components) as uncertain latents, and decodes them.

    Before training it keeps the first components as they are.

    Args:
        components: Numbers of a beat.
        latents: Numbers of a latent; not more than ``components``.
        width: Units of a layer.
        blocks: Residual blocks of each network.
    """

    def __init__(self, components: int, latents: int, width: int = 384, blocks: int = 3):
        super().__init__()
        self.encoder = _dense(components, 2 * latents, width, blocks)
        self.decoder = _dense(latents, components, width, blocks)
        self.encoder_line, self.decoder_line = nn.Linear(components, 2 * latents), nn.Linear(latents, components)
        with torch.no_grad():
            for line in (self.encoder_line, self.decoder_line):
                line.weight.copy_(torch.eye(*line.weight.shape))
                line.bias.zero_()
            self.encoder_line.weight[latents:] = 0.0
            self.encoder_line.bias[latents:] = -4.0

    def encode(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the latents, (batch, latents) each."""
        mean, spread = (self.encoder(numbers) + self.encoder_line(numbers)).float().chunk(2, 1)
        return mean, spread.clamp(QUIETEST, LOUDEST)

    def decode(self, latents: Tensor) -> Tensor:
        """Components (batch, components) of latents."""
        return (self.decoder(latents) + self.decoder_line(latents)).float()


class HeartCode(nn.Module):
    """Maps median beats (batch, 8, time) in mV to codes (batch, latents + 1) and back.

    Args:
        components: Principal components.
        latents: Latents of the autoencoder.
        width: Units of its layers.
        fs: Sampling rate in Hz.
    """

    weight: Tensor
    center: Tensor
    components: Tensor
    spread: Tensor
    amplitude: Tensor

    def __init__(self, components: int = 192, latents: int = 64, width: int = 384, fs: float = 100.0):
        super().__init__()
        samples = beat_samples(fs)
        first, last = round((BEFORE - AROUND) * fs), round((BEFORE + AROUND) * fs) + 1
        self.around = slice(first, last)
        self.size = latents + 1
        self.shape = (len(INDEPENDENT_LEADS), samples)
        self.register_buffer("weight", torch.ones(self.shape))
        self.register_buffer("center", torch.zeros(self.shape))
        self.register_buffer("components", torch.zeros(components, self.shape[0] * samples))
        self.register_buffer("spread", torch.ones(components))
        self.register_buffer("amplitude", torch.tensor([0.0, 1.0]))
        self.autoencoder = BeatAutoencoder(components, latents, width)

    def fit(self, hearts: Tensor) -> None:
        """Set weights, components and the scale of each number from the median beats of training records."""
        shape, size = self._split(hearts.double())
        deviation = shape.std(0)
        self.weight.copy_(1 / (deviation + EVEN * deviation.mean()))
        self.center.copy_(shape.mean(0))
        flat = ((shape - self.center) * self.weight).flatten(1)
        vectors = torch.linalg.eigh(flat.T @ flat / len(flat)).eigenvectors
        self.components.copy_(vectors[:, -len(self.components) :].flip(1).T)
        numbers = flat @ self.components.double().T
        low, high = torch.quantile(numbers, torch.tensor([0.1587, 0.8413], dtype=numbers.dtype), dim=0)
        self.spread.copy_((0.8 * (high - low)).clamp(min=1e-3))  # 1.6 deviations: heavy tails
        self.amplitude.copy_(torch.stack([size.mean(), size.std()]))

    def posterior(self, hearts: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the codes of median beats (batch, 8, time) in mV; (batch, size) each."""
        shape, size = self._split(hearts)
        mean, spread = self.autoencoder.encode(self._compressed(self._weighted(shape)))
        known = ((size - self.amplitude[0]) / self.amplitude[1])[:, None]
        return torch.cat([mean, known], 1), torch.cat([(spread / 2).exp(), torch.zeros_like(known)], 1)

    def encode(self, hearts: Tensor) -> Tensor:
        """Most probable codes (batch, size) of median beats (batch, 8, time) in mV."""
        return self.posterior(hearts)[0]

    def decode(self, code: Tensor) -> Tensor:
        """Median beats (batch, 8, time) in mV of codes (batch, size)."""
        size = code[:, -1] * self.amplitude[1] + self.amplitude[0]
        return (self._decoded(code[:, :-1]) / self.weight + self.center) * size.exp()[:, None, None]

    def loss(self, hearts: Tensor, noise: Tensor) -> Tensor:
        """Negative evidence bound of the autoencoder, in units of the numbers of a shape, (batch,).

        The deviation of the reproduction is that of each beat, because noisy records have noisy median beats; the slope
        counts like the shape.

        Args:
            hearts: (batch, 8, time) mV.
            noise: (batch, latents) standard normal.
        """
        shape = self._weighted(self._split(hearts)[0])
        mean, spread = self.autoencoder.encode(self._compressed(shape))
        wrong = self._decoded(mean + noise * (spread / 2).exp()) - shape
        error = wrong.square().mean((1, 2)) + wrong.diff(dim=-1).square().mean((1, 2)) + SMALLEST_ERROR
        information = 0.5 * (mean.square() + spread.exp() - spread - 1).sum(1)
        return EVIDENCE * error.log() + information / shape[0].numel()

    def shape_of(self, code: Tensor) -> Tensor:
        """Weighted shapes (batch, 8, time) of codes, as a discriminator sees them."""
        return self._decoded(code[:, :-1])

    def _split(self, hearts: Tensor) -> tuple[Tensor, Tensor]:
        """Beats of amplitude one, and the logarithm of the amplitude (batch,)."""
        size = hearts[..., self.around].square().mean((1, 2)).sqrt().clamp(min=LEAST)
        return hearts / size[:, None, None], size.log()

    def _weighted(self, shape: Tensor) -> Tensor:
        return (shape - self.center.to(shape)) * self.weight.to(shape)

    def _compressed(self, weighted: Tensor) -> Tensor:
        """Standardised components (batch, components), large ones compressed."""
        numbers = (weighted.flatten(1) @ self.components.to(weighted).T) / self.spread.to(weighted)
        return SOFT * torch.asinh(numbers / SOFT)

    def _decoded(self, latents: Tensor) -> Tensor:
        """Weighted shape (batch, 8, time)."""
        numbers = SOFT * torch.sinh((self.autoencoder.decode(latents) / SOFT).clamp(-SOFT, SOFT))
        return ((numbers * self.spread) @ self.components).unflatten(1, self.shape)


class _Residual(nn.Module):
    """A residual block of two dense layers, without effect before training."""

    def __init__(self, width: int):
        super().__init__()
        self.inner = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), _zero(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def _dense(inputs: int, outputs: int, width: int, blocks: int) -> nn.Sequential:
    middle = [_Residual(width) for _ in range(blocks)]
    return nn.Sequential(nn.Linear(inputs, width), *middle, nn.LayerNorm(width), _zero(width, outputs))


def _zero(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
