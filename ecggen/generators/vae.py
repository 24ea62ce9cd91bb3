"""A conditional variational autoencoder, after WearECG (arXiv 2510.11442).

WearECG maps twelve channels, with the missing leads zeroed, to twelve leads. This implementation keeps this input, the
convolutional residual encoder and decoder with attention at the coarsest level, and the temporal latent with few
channels. It differs as follows:

- The mask is applied and is an input of the network; any subset of leads can be observed. (The public code does not
  apply its mask, so that the target is contained in the input.)
- A *prior* network encodes the condition; a *posterior* network, used in training only, also encodes the target (Sohn
  et al. 2015). Draws come from the prior, so that masked leads have no effect and the variance of draws represents the
  uncertainty given the condition. WearECG makes one deterministic prediction.
- In addition to the temporal latent there is a global latent: position of the heart and habitus, which determine the
  relation between leads, do not change from beat to beat.
- Without observed leads, the noise of the temporal latent is constant in time, so that morphology does not change from
  beat to beat.
- Two draws from the prior are scored by the continuous ranked probability score (Gneiting & Raftery 2007), which is
  minimal for calibrated draws; the evidence lower bound alone does not ensure this.
- The output includes a linear combination of the observed leads, with weights that depend on the record and the draw:
  leads are nearly linear in each other, with factors that differ between patients, and convolutions approximate a
  product of a feature and a signal poorly.
- Eight leads are generated, the other four derived. There are skip connections from the observed leads to the decoder.
- Observed beats are first predicted by the beat network (``ecggen.conditioning.beat_network``); the decoder corrects
  them.
- The decoded prior mean can be trained with a squared error (``middle``) to predict the conditional mean, whereas a
  score of draws leads to medians, which are smaller. ``reconstruct`` combines it with the mean of the draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.encoder import BEATS, Latent, LatentHead, Read, Reader
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.generators.base import Draws, Generator
from ecggen.generators.hearts.flow_prior import FlowPriorHearts
from ecggen.generators.hearts.model import HeartFirst, HeartSizes
from ecggen.generators.sampling import Noise, Sampling
from ecggen.networks.blocks import fold
from ecggen.networks.losses import amplitude, pair_crps, squared
from ecggen.networks.unet import Down

GENERATOR = "generator"
POSTERIOR_SHARE = 4
"""The posterior is computed for every n-th record of a batch."""


class VAE(Generator):
    """Conditional VAE with a learnt prior.

    Args:
        widths: Channels of the levels of the U-Net.
        blocks: Residual blocks of each level of the encoder.
        width: Width of the condition's vector and tokens.
        whole: Channels of the global latent.
        along: Channels of the temporal latent (4 in WearECG).
        steps: Neighbouring samples folded into channels; the window must be a multiple of steps · 2^(levels−1) samples.
        divergence: Weight of the Kullback–Leibler divergence.
        posterior: Weight of the reconstruction from the posterior.
        middle: Weight of the squared error of the decoded prior mean, the deterministic prediction; 0 for none.
        text: Folder of a language model used as text encoder; "" for ``WordEncoder``.
        beats: Sizes of the beat network (``ecggen.conditioning.beat_network``); empty for none.
        hearts: Sizes of the heart-first model, which draws records without leads and PPG; None for none.
    """

    heart_sampling = Sampling(num_steps=8, guidance_scale=1.5, stronger_scale=2.25)
    """The couplings amplify a condition less than the steps of flow and diffusion."""

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
        hearts: HeartSizes | None = None,
    ):
        super().__init__()
        self.weights = divergence, posterior, middle
        self.heart_first = None if hearts is None else HeartFirst(hearts, FlowPriorHearts)
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
        return next(self.draw_parts(condition, [noise]))

    def draw_parts(self, condition: Condition, noises: Sequence[Noise]) -> Iterator[Draws]:
        read, done = self.reader(condition), 0
        draws = sum(map(len, noises)) // len(condition)
        for noise in noises:
            part = slice(done, done := done + len(noise) // draws)
            yield self._draws(read[part], condition[part], noise)

    def _draws(self, once: Read, condition: Condition, noise: Noise) -> Draws:
        """Draws from an encoded condition."""
        draws = len(noise) // len(condition)
        prior, deterministic = once.prior.repeat(draws), None
        if self.weights[2]:
            deterministic = self.reader.write(once, once.prior.mean())
        whole, along = (noise.normal(*shape).to(self.device) for shape in prior.shapes())
        observed = condition.lead_mask.any((1, 2)).repeat_interleave(draws)[:, None, None]
        along = torch.where(observed, along, along[..., :1])
        return Draws(self.reader.write(once, prior.at(whole, along), draws), deterministic)

    def loss(self, ecg: ECG, condition: Condition, group: str) -> dict[str, Tensor]:
        if group == BEATS:
            return {"error": self.reader.beat_error(ecg, condition)}
        read = self.reader(condition)
        scale = amplitude(ecg.signal)
        one, other = (project_onto_observed(self.reader.write(read, _drawn(read.prior)), condition) for _ in range(2))
        # A part of the batch is enough for the posterior, which trains the latents; the score trains the rest.
        part = slice(0, -(-len(ecg) // POSTERIOR_SHARE))
        posterior = self._posterior(ecg[part], read[part])
        fit = project_onto_observed(self.reader.write(read[part], _drawn(posterior)), condition[part])
        divergence, weight, middle = self.weights
        losses = {}
        if middle:
            mean = project_onto_observed(self.reader.write(read, read.prior.mean()), condition)
            losses["middle"] = middle * squared(mean, ecg.signal, scale)
        return losses | {
            "score": (pair_crps(one, other, ecg.signal) / scale).mean(),
            "posterior": weight * ((fit - ecg[part].signal).abs() / scale[part]).mean(),
            "divergence": divergence * posterior.divergence(read.prior[part]).mean(),
        }

    def _posterior(self, ecg: ECG, read: Read) -> Latent:
        context = read.context
        waves = fold(ecg.signal, self.reader.steps)
        features = self.read_truth(waves, context.vector, context.tokens, context.token_mask)
        joined = [torch.cat(pair, 1) for pair in zip(read.features, features, strict=True)]
        return self.posterior(joined, context.vector)


def _drawn(latent: Latent) -> tuple[Tensor, Tensor]:
    """Draw from the distribution of the latents (reparametrised)."""
    whole, along = (torch.randn_like(half) for half in latent.mean())
    return latent.at(whole, along)
