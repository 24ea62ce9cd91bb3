"""A conditional variational autoencoder, after WearECG (arXiv 2510.11442).

WearECG reads a canvas of twelve channels with the unseen leads zeroed and writes all twelve. Kept from it: the
canvas, the convolutional residual encoder and decoder with attention in the middle, the few-channel latent along
time. Ours, and why:

- The mask is applied and told to the network, and any subset of leads can be seen. (The public code never
  applies its mask, so the answer lies in the input.)
- A *prior* network reads the condition; a *posterior* network, in training only, reads the truth as well
  (Sohn et al. 2015). Draws come from the prior, so an unseen lead cannot speak, and the spread of the draws is
  what the condition leaves open. WearECG decodes one deterministic answer.
- Beside the latent along time there is one for the whole record: a heart's position and habitus, which decide
  how leads relate, do not change from beat to beat.
- Two draws from the prior are scored with the continuous ranked probability score (Gneiting & Raftery 2007),
  which is least when the spread is neither too wide nor too narrow; the evidence bound alone does not ask for that.
- To the decoder's answer comes a mixture of the seen leads whose weights are the record's own (and the draw's): a
  heart's leads are nearly linear in each other, with factors that differ between bodies, and a product of a feature
  and a signal is what convolutions find hardest.
- Eight leads are drawn, four follow; skips run from the seen leads to the decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecggen.condition import Condition, agree
from ecggen.context import ALIGNED, ConditionEncoder, Context
from ecggen.ecg import DRAWN_LEADS, ECG, STANDARD_LEADS
from ecggen.errors import InputError
from ecggen.generator import Generator, Noise
from ecggen.nn.blocks import fold, unfold
from ecggen.nn.scores import amplitude, pair_crps
from ecggen.nn.unet import Down, Up

LATENT_LEVEL = 1
"""Level of the U-Net at which the latent along time joins: one step there is 2 · ``fold`` samples."""

POSTERIOR_SHARE = 4
"""One record in so many goes through the posterior in training."""


@dataclass(frozen=True)
class Latent:
    """Independent normal distributions of the latent of a record and of the latent along time.

    Attributes:
        whole: Mean and log deviation, (batch, 2 · channels).
        along: Mean and log deviation, (batch, 2 · channels, step).
    """

    whole: Tensor
    along: Tensor

    def at(self, whole: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
        """The draw that standard normal numbers make."""
        return _shift(self.whole, whole), _shift(self.along, along)

    def __getitem__(self, part: slice) -> Latent:
        return Latent(self.whole[part], self.along[part])

    def repeat(self, n: int) -> Latent:
        """Each record ``n`` times, one copy after the other."""
        return Latent(self.whole.repeat_interleave(n, 0), self.along.repeat_interleave(n, 0))

    def shapes(self) -> tuple[torch.Size, torch.Size]:
        """Shapes of the numbers that ``at`` wants, without the batch."""
        return self.whole.chunk(2, 1)[0].shape[1:], self.along.chunk(2, 1)[0].shape[1:]

    def divergence(self, prior: Latent) -> Tensor:
        """Kullback–Leibler divergence from the prior in nats, (batch,)."""
        return _divergence(self.whole, prior.whole).sum(1) + _divergence(self.along, prior.along).sum((1, 2))


class VAE(Generator):
    """Conditional VAE with a learnt prior.

    Args:
        widths: Channels of the U-Net's levels.
        blocks: Residual blocks of each level as the condition is read; the coarsest level is read only.
        width: Width of the condition's vector and tokens.
        whole: Channels of the latent of a whole record.
        along: Channels of the latent along time (4 in WearECG).
        steps: Neighbouring samples folded into channels; the window must hold a multiple of steps · 2^(levels−1).
        divergence: Weight of the Kullback–Leibler divergence.
        posterior: Weight of the reconstruction from the posterior.
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 160, 320),
        blocks: Sequence[int] = (2, 2, 4),
        width: int = 128,
        whole: int = 64,
        along: int = 4,
        steps: int = 5,
        divergence: float = 2e-5,
        posterior: float = 0.5,
    ):
        super().__init__()
        self.steps, self.weights = steps, (divergence, posterior)
        self.encoder = ConditionEncoder(width)
        self.read = Down(ALIGNED * steps, widths, blocks, width)
        self.prior = LatentHead(widths, width, whole, along)
        self.read_truth = Down(len(DRAWN_LEADS) * steps, [size // 2 for size in widths], [1] * len(widths), width)
        self.posterior = LatentHead([size + size // 2 for size in widths], width, whole, along)
        self.from_whole = nn.Linear(whole, width)
        extra = [along if level == LATENT_LEVEL else 0 for level in range(len(widths) - 1)]
        self.write = Up(widths, len(DRAWN_LEADS) * steps, blocks[0], width, extra)
        self.mix = nn.Linear(2 * widths[-1] + width + whole, len(DRAWN_LEADS) * len(STANDARD_LEADS))
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        return self.draw_many(condition, noise)

    def draw_many(self, condition: Condition, noise: Noise) -> Tensor:
        draws = len(noise) // len(condition)
        context, features, prior = self._read(condition)
        context, prior = context.repeat(draws), prior.repeat(draws)
        features = [level.repeat_interleave(draws, 0) for level in features]
        drawn = prior.at(*(noise.normal(*shape).to(self.device) for shape in prior.shapes()))
        return self._write(context, features, drawn)

    def loss(self, ecg: ECG, condition: Condition, player: str) -> dict[str, Tensor]:
        context, features, prior = self._read(condition)
        scale = amplitude(ecg.signal)
        one, other = (agree(self._write(context, features, _drawn(prior)), condition) for _ in range(2))
        # The posterior looks at a part of the batch: it teaches the latents, the score teaches the rest.
        part = slice(0, -(-len(ecg) // POSTERIOR_SHARE))
        context, features, prior = context[part], [level[part] for level in features], prior[part]
        posterior = self._posterior(ecg[part], context, features)
        fit = agree(self._write(context, features, _drawn(posterior)), condition[part])
        divergence, weight = self.weights
        return {
            "score": (pair_crps(one, other, ecg.signal) / scale).mean(),
            "posterior": weight * ((fit - ecg[part].signal).abs() / scale[part]).mean(),
            "divergence": divergence * posterior.divergence(prior).mean(),
        }

    def _read(self, condition: Condition) -> tuple[Context, list[Tensor], Latent]:
        multiple = self.steps * 2 ** (len(self.read.levels) - 1)
        if condition.samples % multiple:
            raise InputError(
                f"the window holds {condition.samples} samples",
                f"a multiple of {multiple} was expected (steps · 2^(levels − 1))",
                "change seconds or fs under [preprocessing]",
            )
        context = self.encoder(condition)
        features = self.read(fold(context.aligned, self.steps), context.vector, context.tokens, context.tokens_seen)
        return context, features, self.prior(features, context.vector)

    def _posterior(self, ecg: ECG, context: Context, features: Sequence[Tensor]) -> Latent:
        told = self.read_truth(fold(ecg.signal, self.steps), context.vector, context.tokens, context.tokens_seen)
        joined = [torch.cat(pair, 1) for pair in zip(features, told, strict=True)]
        return self.posterior(joined, context.vector)

    def _write(self, context: Context, features: Sequence[Tensor], drawn: tuple[Tensor, Tensor]) -> Tensor:
        whole, along = drawn
        known = torch.cat([pooled(features, context.vector), whole], 1)
        mixture = self.mix(known).float().unflatten(1, (len(DRAWN_LEADS), -1))
        with torch.autocast(mixture.device.type, enabled=False):
            mixed = mixture @ context.aligned[:, : len(STANDARD_LEADS)]
        extra = [along if level == LATENT_LEVEL else None for level in range(len(features) - 1)]
        return mixed + unfold(self.write(features, context.vector + self.from_whole(whole), extra), self.steps)


class LatentHead(nn.Module):
    """Features of a U-Net's levels → the distribution of both latents."""

    def __init__(self, widths: Sequence[int], width: int, whole: int, along: int):
        super().__init__()
        self.whole = nn.Sequential(
            nn.Linear(2 * widths[-1] + width, 2 * width), nn.SiLU(), nn.Linear(2 * width, 2 * whole)
        )
        self.along = nn.Conv1d(widths[LATENT_LEVEL], 2 * along, 3, padding=1)

    def forward(self, features: Sequence[Tensor], vector: Tensor) -> Latent:
        return Latent(self.whole(pooled(features, vector)).float(), self.along(features[LATENT_LEVEL]).float())


def pooled(features: Sequence[Tensor], vector: Tensor) -> Tensor:
    """The coarsest features without their time, beside the vector: (batch, 2 · channels + width)."""
    return torch.cat([features[-1].mean(-1), features[-1].amax(-1), vector], 1)


def _shift(distribution: Tensor, numbers: Tensor) -> Tensor:
    mean, log_deviation = distribution.chunk(2, 1)
    return mean + numbers * log_deviation.clamp(-8, 3).exp()


def _drawn(latent: Latent) -> tuple[Tensor, Tensor]:
    """A draw that gradients pass through."""
    whole, along = (torch.randn_like(half.chunk(2, 1)[0]) for half in (latent.whole, latent.along))
    return latent.at(whole, along)


def _divergence(q: Tensor, p: Tensor) -> Tensor:
    """KL(q ‖ p) of normal distributions, element by element."""
    (q_mean, q_log), (p_mean, p_log) = (half.chunk(2, 1) for half in (q, p))
    q_log, p_log = q_log.clamp(-8, 3), p_log.clamp(-8, 3)
    return p_log - q_log + ((2 * q_log).exp() + (q_mean - p_mean).square()) / (2 * (2 * p_log).exp()) - 0.5
