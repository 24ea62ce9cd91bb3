"""A conditional GAN with a bidirectional LSTM, after ECGNet (arXiv 2310.03753).

ECGNet generates eleven leads from any single lead, with a bidirectional LSTM as generator and a convolutional
discriminator. Its layer sizes, losses and optimiser are not public. This implementation differs as follows:

- The condition (leads, PPG, text, metadata, with masks) is encoded by the condition encoder that all generators share.
  The LSTM runs along its features, one step per ten samples, and its output is added to the deterministic prediction.
  An LSTM of this size on raw samples was less accurate than linear regression after three epochs.
- There is temporal and global noise, so that draws differ. An L1 loss on one draw would train the network to ignore
  the noise; the continuous ranked probability score of two draws does not.
- A linear combination of the observed leads, with weights that depend on the record, is added.
- The discriminator is conditional and scores every segment of the ECG (hinge loss, as in Miyato et al. 2018).
- Eight leads are generated, the other four derived. Losses are computed after projection onto the observed leads.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.condition_embedding import ALIGNED
from ecggen.conditioning.encoder import BEATS, LATENT_LEVEL, MIXTURE, Read, Reader, mixed
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.generators.base import Draws, Generator
from ecggen.generators.hearts.adversarial import AdversarialHearts
from ecggen.generators.hearts.model import HeartFirst, HeartSizes
from ecggen.generators.sampling import Noise, Sampling
from ecggen.networks.blocks import fold, unfold
from ecggen.networks.losses import amplitude, pair_crps, squared

READER, ARTIST, CRITIC = "reader", "generator", "discriminator"

CRITIC_SHARE = 2
"""The adversarial loss uses every n-th record of a batch; the ranked probability score uses all."""


class GAN(Generator):
    """Conditional GAN with the parameter groups ``reader`` (condition encoder), ``generator`` and ``discriminator``.

    Args:
        widths: Channels of the levels of the condition encoder.
        blocks: Residual blocks of each.
        width: Width of the condition's vector and tokens.
        whole: Channels of the global latent of the condition encoder.
        along: Channels of the temporal latent of the condition encoder.
        folded: Neighbouring samples folded into channels; the window must be a multiple of folded · 2^(levels−1)
            samples.
        units: Units of the LSTM in each direction.
        layers: Layers of the LSTM.
        noise: Channels of the global and of the temporal noise.
        channels: Channels of the first layer of the discriminator; each of its four layers doubles them.
        fidelity: Weight of the ranked probability score relative to the adversarial loss.
        text: Folder of a language model used as text encoder; "" for ``WordEncoder``.
        beats: Sizes of the beat network (``ecggen.conditioning.beat_network``); empty for none.
        hearts: Sizes of the heart-first model, which draws records without leads and PPG; None for none.
    """

    heart_sampling = Sampling(num_steps=8, guidance_scale=1.0)
    """Guidance is extrapolation here: with 1.25 beats vary more between records than recorded ones."""

    def __init__(
        self,
        widths: Sequence[int] = (64, 160, 320),
        blocks: Sequence[int] = (2, 2, 4),
        width: int = 128,
        whole: int = 64,
        along: int = 4,
        folded: int = 5,
        units: int = 128,
        layers: int = 2,
        noise: Sequence[int] = (32, 4),
        channels: int = 32,
        fidelity: float = 60.0,
        text: str = "",
        beats: Sequence[int] = (),
        hearts: HeartSizes | None = None,
    ):
        super().__init__()
        self.steps, self.noise, self.fidelity = 2 * folded, noise, fidelity
        self.heart_first = None if hearts is None else HeartFirst(hearts, AdversarialHearts)
        self.reader = Reader(widths, blocks, width, whole, along, folded, text, beats)
        pooled = 2 * widths[-1] + width
        self.artist = Artist(widths[LATENT_LEVEL], pooled, units, layers, noise, self.steps)
        self.critic = Critic(channels, pooled)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        parts = {ARTIST: self.artist, CRITIC: self.critic}
        return self.reader.parameter_groups(READER) | {name: list(part.parameters()) for name, part in parts.items()}

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        return self.draw_many(condition, noise).draws

    def draw_many(self, condition: Condition, noise: Noise) -> Draws:
        whole, along = self.noise
        numbers = noise.normal(whole), noise.normal(along, condition.samples // self.steps)
        read = self.reader(condition)
        draws = len(noise) // len(condition)
        guess = self.reader.guess(condition, read)
        inputs = read.repeat(draws), guess.repeat_interleave(draws, 0)
        return Draws(self.artist(*inputs, *(part.to(self.device) for part in numbers)), guess)

    def loss(self, ecg: ECG, condition: Condition, group: str) -> dict[str, Tensor]:
        scale = amplitude(ecg.signal)
        if group == BEATS:
            return {"error": self.reader.beat_error(ecg, condition)}
        if group == READER:
            guess = self.reader.guess(condition, self.reader(condition))
            return {"guess": squared(guess, ecg.signal, scale)}
        with torch.no_grad():
            read = self.reader(condition)
            guess = self.reader.guess(condition, read)
        part = slice(0, -(-len(ecg) // CRITIC_SHARE))
        pooled, aligned = read.pooled()[part], read.context.aligned[part]
        if group == CRITIC:
            with torch.no_grad():
                drawn = self._one(condition[part], read[part], guess[part])
            real, fake = (self.critic(wave, aligned, pooled) for wave in (ecg.signal[part], drawn))
            return {"real": F.relu(1 - real).mean(), "fake": F.relu(1 + fake).mean()}
        one, other = self._one(condition, read, guess), self._one(condition, read, guess)
        score = (pair_crps(one, other, ecg.signal) / scale).mean()
        return {"fooled": -self.critic(one[part], aligned, pooled).mean(), "score": self.fidelity * score}

    def _one(self, condition: Condition, read: Read, guess: Tensor) -> Tensor:
        """A draw for training, projected onto the observed leads."""
        whole, along = self.noise
        n, device = len(condition), condition.leads.device
        numbers = (
            torch.randn(n, whole, device=device),
            torch.randn(n, along, condition.samples // self.steps, device=device),
        )
        return project_onto_observed(self.artist(read, guess, *numbers), condition)


class Artist(nn.Module):
    """Generator network: a bidirectional LSTM over folded time, from an encoded condition, a guess and noise."""

    def __init__(self, channels: int, pooled: int, units: int, layers: int, noise: Sequence[int], steps: int):
        super().__init__()
        whole, along = noise
        self.steps = steps
        self.enter = nn.Linear(channels + len(INDEPENDENT_LEADS) * steps + along, 2 * units)
        self.whole = nn.Linear(pooled + whole, 2 * units)
        self.lstm = nn.LSTM(2 * units, units, layers, batch_first=True, bidirectional=True)
        self.leave = nn.Linear(4 * units, len(INDEPENDENT_LEADS) * steps)
        self.mix = nn.Linear(8 * units + whole, MIXTURE)
        for part in (self.leave, self.mix):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)

    def forward(self, read: Read, guess: Tensor, whole: Tensor, along: Tensor) -> Tensor:
        """(batch, 8, time) mV from (batch, whole) and (batch, along, step) standard normal numbers."""
        steps = torch.cat([read.features[LATENT_LEVEL], fold(guess, self.steps), along], 1).transpose(1, 2)
        entered = torch.tanh(self.enter(steps) + self.whole(torch.cat([read.pooled(), whole], 1))[:, None])
        states, _ = self.lstm(entered)
        features = torch.cat([states, entered], -1)
        own = unfold(self.leave(features).transpose(1, 2), self.steps)
        mixture = self.mix(torch.cat([features.mean(1), features.amax(1), whole], 1))
        return guess + own + mixed(mixture, read.context.aligned)


class Critic(nn.Module):
    """Projection discriminator (Miyato & Koyama 2018): scores each segment of an ECG, given the condition."""

    def __init__(self, channels: int, pooled: int):
        super().__init__()
        sizes = [len(INDEPENDENT_LEADS) + ALIGNED, *(channels * 2**i for i in range(4))]
        self.convolutions = nn.ModuleList(
            nn.utils.parametrizations.spectral_norm(nn.Conv1d(before, after, 9, stride=3, padding=4))
            for before, after in itertools.pairwise(sizes)
        )
        self.judge = nn.Conv1d(sizes[-1], 1, 1, bias=False)
        self.match = nn.Linear(pooled, sizes[-1])

    def forward(self, signal: Tensor, aligned: Tensor, pooled: Tensor) -> Tensor:
        """Scores (batch, segment); positive for real ECGs."""
        x = torch.cat([signal, aligned], 1)
        for convolution in self.convolutions:
            x = F.leaky_relu(convolution(x), 0.2)
        # The inner product with the pooled condition scores whether the ECG matches it.
        return self.judge(x)[:, 0] + (x * self.match(pooled)[..., None]).mean(1)
