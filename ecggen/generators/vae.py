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
- Where no lead is seen, a draw deviates in the same way at all times: drawn anew at every step, each beat would be
  another heart's.
- Two draws from the prior are scored with the continuous ranked probability score (Gneiting & Raftery 2007),
  which is least when the spread is neither too wide nor too narrow; the evidence bound alone does not ask for that.
- To the decoder's answer comes a mixture of the seen leads whose weights are the record's own (and the draw's): a
  heart's leads are nearly linear in each other, with factors that differ between bodies, and a product of a feature
  and a signal is what convolutions find hardest.
- Eight leads are drawn, four follow; skips run from the seen leads to the decoder.
- Where beats are seen, each is first written by a dense network on aligned beats (``ecggen.conditioning.beat_network``); the decoder
  corrects it.
- The answer at the prior's mean can be taught to be the mean of hearts (``middle``), by its squared error: a score of
  draws asks for medians, which lie nearer to zero. ``estimate`` joins it to the mean of the draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.encoder import BEATS, Latent, LatentHead, Read, Reader
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.generators.base import Draws, Generator
from ecggen.generators.sampling import Noise
from ecggen.networks.blocks import fold
from ecggen.networks.losses import amplitude, pair_crps, squared
from ecggen.networks.unet import Down

GENERATOR = "generator"
POSTERIOR_SHARE = 4
"""One record in so many goes through the posterior in training."""


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
        middle: Weight of the squared error of what is written at the middle of what the condition leaves open: it asks
            for the mean of hearts, their ranked probability for the median.
        text: Folder of a language model that reads texts; "" for ecggen's own.
        beats: Sizes of the part that writes beat by beat (``ecggen.conditioning.beat_network``); empty for none.
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
        middle: float = 0.0,
        text: str = "",
        beats: Sequence[int] = (),
    ):
        super().__init__()
        self.weights = divergence, posterior, middle
        self.reader = Reader(widths, blocks, width, whole, along, steps, text, beats)
        self.read_truth = Down(len(INDEPENDENT_LEADS) * steps, [size // 2 for size in widths], [1] * len(widths), width)
        self.posterior = LatentHead([size + size // 2 for size in widths], width, whole, along)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        posterior = [*self.read_truth.parameters(), *self.posterior.parameters()]
        parameter_groups = self.reader.parameter_groups(GENERATOR)
        return parameter_groups | {GENERATOR: parameter_groups[GENERATOR] + posterior}

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        return self.draw_many(condition, noise).draws

    def draw_many(self, condition: Condition, noise: Noise) -> Draws:
        draws = len(noise) // len(condition)
        once = self.reader(condition)
        read, middle = once.repeat(draws), None
        if self.weights[2]:
            middle = self.reader.write(once, once.prior.mean())
        whole, along = (noise.normal(*shape).to(self.device) for shape in read.prior.shapes())
        shown = condition.lead_mask.any((1, 2)).repeat_interleave(draws)[:, None, None]
        along = torch.where(shown, along, along[..., :1])
        return Draws(self.reader.write(read, read.prior.at(whole, along)), middle)

    def loss(self, ecg: ECG, condition: Condition, group: str) -> dict[str, Tensor]:
        if group == BEATS:
            return {"error": self.reader.beat_error(ecg, condition)}
        read = self.reader(condition)
        scale = amplitude(ecg.signal)
        one, other = (project_onto_observed(self.reader.write(read, _drawn(read.prior)), condition) for _ in range(2))
        # The posterior looks at a part of the batch: it teaches the latents, the score teaches the rest.
        part = slice(0, -(-len(ecg) // POSTERIOR_SHARE))
        posterior = self._posterior(ecg[part], read[part])
        fit = project_onto_observed(self.reader.write(read[part], _drawn(posterior)), condition[part])
        divergence, weight, middle = self.weights
        losses = {}
        if middle:
            answer = project_onto_observed(self.reader.write(read, read.prior.mean()), condition)
            losses["middle"] = middle * squared(answer, ecg.signal, scale)
        return losses | {
            "score": (pair_crps(one, other, ecg.signal) / scale).mean(),
            "posterior": weight * ((fit - ecg[part].signal).abs() / scale[part]).mean(),
            "divergence": divergence * posterior.divergence(read.prior[part]).mean(),
        }

    def _posterior(self, ecg: ECG, read: Read) -> Latent:
        context = read.context
        waves = fold(ecg.signal, self.reader.steps)
        told = self.read_truth(waves, context.vector, context.tokens, context.token_mask)
        joined = [torch.cat(pair, 1) for pair in zip(read.features, told, strict=True)]
        return self.posterior(joined, context.vector)


def _drawn(latent: Latent) -> tuple[Tensor, Tensor]:
    """A draw that gradients pass through."""
    whole, along = (torch.randn_like(half) for half in latent.mean())
    return latent.at(whole, along)
