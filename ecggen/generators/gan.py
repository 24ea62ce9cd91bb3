"""A conditional adversarial network with a bidirectional LSTM, after ECGNet (arXiv 2310.03753).

ECGNet draws eleven leads from any single one: a bidirectional LSTM generates, a convolutional network discriminates.
Layer sizes, losses and optimiser are not public; those here are ours, and so is the following:

- Which leads were given enters as mask channels, so that one model serves any lead or leads.
- Ten neighbouring samples are folded into one step: an LSTM over a thousand steps is slow and forgets.
- Noise enters along time and for the whole record, so that draws differ. An L1 loss on one draw would teach the
  network to ignore it; two draws are scored by the continuous ranked probability score instead.
- To what the LSTM draws come what a Gaussian heart with the covariance of the training records lets expect, and a
  mixture of the seen leads with the record's own weights: a heart's leads are nearly linear in each other, with
  factors that differ between bodies.
- The discriminator sees the condition, and judges every stretch of the ECG (hinge loss, as in Miyato et al. 2018).
- Eight leads are drawn, four follow; what both players see agrees with the seen leads.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.condition import Condition, agree, expected
from ecggen.context import ALIGNED, ConditionEncoder
from ecggen.ecg import DRAWN_LEADS, ECG, STANDARD_LEADS
from ecggen.generator import Generator, Noise
from ecggen.nn.blocks import fold, unfold
from ecggen.nn.scores import amplitude, pair_crps

ARTIST, CRITIC = "generator", "discriminator"

CRITIC_SHARE = 2
"""One record in so many is judged in training: the score teaches the leads, the judge how an ECG looks."""

MOMENTUM = 0.02
"""Weight of a training batch in the running covariance of the leads."""


class GAN(Generator):
    """Conditional GAN: two players, ``generator`` and ``discriminator``.

    Args:
        units: Units of the LSTM in each direction.
        layers: Layers of the LSTM.
        width: Width of the condition's vector and tokens.
        whole: Noise channels of a whole record.
        along: Noise channels along time.
        steps: Neighbouring samples folded into one step; the window must hold a multiple of it.
        channels: Channels of the discriminator's first layer; each of its four layers doubles them.
        fidelity: Weight of the ranked probability score beside the adversarial loss.
        text: Folder of a language model that reads texts; "" for ecggen's own.
    """

    covariance: Tensor
    met: Tensor

    def __init__(
        self,
        units: int = 128,
        layers: int = 2,
        width: int = 128,
        whole: int = 32,
        along: int = 4,
        steps: int = 10,
        channels: int = 32,
        fidelity: float = 60.0,
        text: str = "",
    ):
        super().__init__()
        self.steps, self.sizes, self.fidelity = steps, (whole, along), fidelity
        self.artist = Artist(units, layers, width, whole, along, steps, text)
        self.critic = Critic(channels, width, text)
        self.register_buffer("covariance", torch.eye(len(DRAWN_LEADS)))
        self.register_buffer("met", torch.zeros(()))

    def players(self) -> dict[str, list[nn.Parameter]]:
        return {ARTIST: list(self.artist.parameters()), CRITIC: list(self.critic.parameters())}

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        whole, along = self.sizes
        numbers = noise.normal(whole), noise.normal(along, condition.samples // self.steps)
        return self._made(condition, *(part.to(self.device) for part in numbers))

    def loss(self, ecg: ECG, condition: Condition, player: str) -> dict[str, Tensor]:
        judged = slice(0, -(-len(ecg) // CRITIC_SHARE))
        shown = condition[judged]
        if player == CRITIC:
            with torch.no_grad():
                drawn = self._one(shown)
            real, fake = self.critic(ecg.signal[judged], shown), self.critic(drawn, shown)
            return {"real": F.relu(1 - real).mean(), "fake": F.relu(1 + fake).mean()}
        if self.training:
            self._meet(ecg.signal)
        one, other = self._one(condition), self._one(condition)
        score = (pair_crps(one, other, ecg.signal) / amplitude(ecg.signal)).mean()
        return {"fooled": -self.critic(one[judged], shown).mean(), "score": self.fidelity * score}

    def _made(self, condition: Condition, whole: Tensor, along: Tensor) -> Tensor:
        return expected(condition, self.covariance) + self.artist(condition, whole, along)

    def _one(self, condition: Condition) -> Tensor:
        """A draw for training, agreeing with what is seen."""
        whole, along = self.sizes
        n, device = len(condition), condition.leads.device
        numbers = (
            torch.randn(n, whole, device=device),
            torch.randn(n, along, condition.samples // self.steps, device=device),
        )
        return agree(self._made(condition, *numbers), condition)

    @torch.no_grad()
    def _meet(self, signal: Tensor) -> None:
        """Take a training batch into the running covariance of the leads."""
        samples = signal.double().transpose(0, 1).flatten(1)
        found = (samples @ samples.T / samples.shape[1]).float()
        self.covariance = torch.lerp(self.covariance, found, max(MOMENTUM, 1 / (1 + float(self.met))))
        self.met = self.met + 1


class Artist(nn.Module):
    """Condition and noise → eight leads: a bidirectional LSTM along folded time."""

    def __init__(self, units: int, layers: int, width: int, whole: int, along: int, steps: int, text: str):
        super().__init__()
        self.steps = steps
        self.encoder = ConditionEncoder(width, text=text)
        self.told = Told(width)
        self.enter = nn.Linear(ALIGNED * steps + along, 2 * units)
        self.whole = nn.Linear(width + whole, 2 * units)
        self.lstm = nn.LSTM(2 * units, units, layers, batch_first=True, bidirectional=True)
        self.leave = nn.Linear(4 * units, len(DRAWN_LEADS) * steps)
        self.mix = nn.Linear(8 * units + width + whole, len(DRAWN_LEADS) * len(STANDARD_LEADS))
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def forward(self, condition: Condition, whole: Tensor, along: Tensor) -> Tensor:
        """(batch, 8, time) mV from (batch, whole) and (batch, along, step) standard normal numbers."""
        context = self.encoder(condition)
        steps = torch.cat([fold(context.aligned, self.steps), along], 1).transpose(1, 2)
        known = torch.cat([self.told(context.vector, context.tokens, context.tokens_seen), whole], 1)
        entered = torch.tanh(self.enter(steps) + self.whole(known)[:, None])
        remembered, _ = self.lstm(entered)
        features = torch.cat([remembered, entered], -1)
        own = unfold(self.leave(features).transpose(1, 2), self.steps)
        mixture = self.mix(torch.cat([features.mean(1), features.amax(1), known], 1))
        return own + mixed(mixture, context.aligned)


def mixed(mixture: Tensor, aligned: Tensor) -> Tensor:
    """The seen leads, mixed into eight by a record's own weights (batch, 8 · 12): (batch, 8, time)."""
    weights = mixture.float().unflatten(1, (len(DRAWN_LEADS), -1))
    with torch.autocast(weights.device.type, enabled=False):
        return weights @ aligned[:, : len(STANDARD_LEADS)]


class Critic(nn.Module):
    """ECG and condition → a judgement of each stretch: four strided convolutions, and what the words say."""

    def __init__(self, channels: int, width: int, text: str):
        super().__init__()
        self.encoder = ConditionEncoder(width, text=text)
        self.told = Told(width)
        sizes = [len(DRAWN_LEADS) + ALIGNED, *(channels * 2**i for i in range(4))]
        self.convolutions = nn.ModuleList(
            nn.utils.parametrizations.spectral_norm(nn.Conv1d(before, after, 9, stride=3, padding=4))
            for before, after in itertools.pairwise(sizes)
        )
        self.judge = nn.Conv1d(sizes[-1], 1, 1, bias=False)
        self.match = nn.Linear(width, sizes[-1])

    def forward(self, signal: Tensor, condition: Condition) -> Tensor:
        """(batch, stretch): above 0 for real."""
        context = self.encoder(condition)
        x = torch.cat([signal, context.aligned], 1)
        for convolution in self.convolutions:
            x = F.leaky_relu(convolution(x), 0.2)
        # Projection (Miyato & Koyama 2018): does the ECG fit what was said?
        known = self.match(self.told(context.vector, context.tokens, context.tokens_seen))
        return self.judge(x)[:, 0] + (x * known[..., None]).mean(1)


class Told(nn.Module):
    """Facts and words as one vector: the vector asks, the words answer."""

    def __init__(self, width: int):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)

    def forward(self, vector: Tensor, tokens: Tensor, tokens_seen: Tensor) -> Tensor:
        """(batch, width)."""
        answer, _ = self.attention(vector[:, None], tokens, tokens, key_padding_mask=~tokens_seen, need_weights=False)
        return vector + answer[:, 0]
