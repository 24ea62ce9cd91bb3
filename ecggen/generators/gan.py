"""A conditional adversarial network with a bidirectional LSTM, after ECGNet (arXiv 2310.03753).

ECGNet draws eleven leads from any single one: a bidirectional LSTM generates, a convolutional network discriminates.
Layer sizes, losses and optimiser are not public; those here are ours, and so is the following:

- The condition is read by the convolutional reader that all families share: any leads, PPG, words, facts, each with
  its mask. Given folded raw samples, an LSTM of this size was still behind linear regression after three epochs. The
  LSTM runs along the reader's features, one step for ten samples, and adds to the reader's first guess.
- Noise enters along time and for the whole record, so that draws differ. An L1 loss on one draw would teach the
  network to ignore it; two draws are scored by the continuous ranked probability score instead.
- A record's own mixture of the seen leads is added: a heart's leads are nearly linear in each other.
- The discriminator sees the condition, and judges every stretch of the ECG (hinge loss, as in Miyato et al. 2018).
- Eight leads are drawn, four follow; what both players see agrees with the seen leads.
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
from ecggen.generators.sampling import Noise
from ecggen.networks.blocks import fold, unfold
from ecggen.networks.losses import amplitude, pair_crps, squared

READER, ARTIST, CRITIC = "reader", "generator", "discriminator"

CRITIC_SHARE = 2
"""One record in so many is judged in training: the score teaches the leads, the classifier how an ECG looks."""


class GAN(Generator):
    """Conditional GAN of three players: ``reader``, ``generator`` and ``discriminator``.

    Args:
        widths: Channels of the reader's levels.
        blocks: Residual blocks of each.
        width: Width of the condition's vector and tokens.
        whole: Channels of the reader's latent of a whole record.
        along: Channels of the reader's latent along time.
        folded: Neighbouring samples folded into channels; the window must hold a multiple of folded · 2^(levels−1).
        units: Units of the LSTM in each direction.
        layers: Layers of the LSTM.
        noise: Noise channels of a whole record, and along time.
        channels: Channels of the discriminator's first layer; each of its four layers doubles them.
        fidelity: Weight of the ranked probability score beside the adversarial loss.
        text: Folder of a language model that reads texts; "" for ecggen's own.
        beats: Sizes of the reader's part that writes beat by beat (``ecggen.conditioning.beat_network``); empty for none.
    """

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
    ):
        super().__init__()
        self.steps, self.noise, self.fidelity = 2 * folded, noise, fidelity
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
        told = read.repeat(draws), guess.repeat_interleave(draws, 0)
        return Draws(self.artist(*told, *(part.to(self.device) for part in numbers)), guess)

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
        judged = slice(0, -(-len(ecg) // CRITIC_SHARE))
        told, aligned = read.pooled()[judged], read.context.aligned[judged]
        if group == CRITIC:
            with torch.no_grad():
                drawn = self._one(condition[judged], read[judged], guess[judged])
            real, fake = (self.critic(wave, aligned, told) for wave in (ecg.signal[judged], drawn))
            return {"real": F.relu(1 - real).mean(), "fake": F.relu(1 + fake).mean()}
        one, other = self._one(condition, read, guess), self._one(condition, read, guess)
        score = (pair_crps(one, other, ecg.signal) / scale).mean()
        return {"fooled": -self.critic(one[judged], aligned, told).mean(), "score": self.fidelity * score}

    def _one(self, condition: Condition, read: Read, guess: Tensor) -> Tensor:
        """A draw for training, agreeing with what is seen."""
        whole, along = self.noise
        n, device = len(condition), condition.leads.device
        numbers = (
            torch.randn(n, whole, device=device),
            torch.randn(n, along, condition.samples // self.steps, device=device),
        )
        return project_onto_observed(self.artist(read, guess, *numbers), condition)


class Artist(nn.Module):
    """What was read, a guess and noise → eight leads: a bidirectional LSTM along folded time."""

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
        remembered, _ = self.lstm(entered)
        features = torch.cat([remembered, entered], -1)
        own = unfold(self.leave(features).transpose(1, 2), self.steps)
        mixture = self.mix(torch.cat([features.mean(1), features.amax(1), whole], 1))
        return guess + own + mixed(mixture, read.context.aligned)


class Critic(nn.Module):
    """ECG and condition → a judgement of each stretch: four strided convolutions, and what was read as a whole."""

    def __init__(self, channels: int, pooled: int):
        super().__init__()
        sizes = [len(INDEPENDENT_LEADS) + ALIGNED, *(channels * 2**i for i in range(4))]
        self.convolutions = nn.ModuleList(
            nn.utils.parametrizations.spectral_norm(nn.Conv1d(before, after, 9, stride=3, padding=4))
            for before, after in itertools.pairwise(sizes)
        )
        self.judge = nn.Conv1d(sizes[-1], 1, 1, bias=False)
        self.match = nn.Linear(pooled, sizes[-1])

    def forward(self, signal: Tensor, aligned: Tensor, told: Tensor) -> Tensor:
        """(batch, stretch): above 0 for real."""
        x = torch.cat([signal, aligned], 1)
        for convolution in self.convolutions:
            x = F.leaky_relu(convolution(x), 0.2)
        # Projection (Miyato & Koyama 2018): does the ECG fit what was said?
        return self.judge(x)[:, 0] + (x * self.match(told)[..., None]).mean(1)
