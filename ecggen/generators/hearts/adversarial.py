"""Adversarial model of median beats, the model of ``gan``: a BiLSTM generator and a convolutional discriminator.

The generator reads noise and condition along the beat and writes its code; the discriminator sees the beat that the
code stands for, and the condition. Real beats are seen through the same decoder, so that what is lost in it does not
tell them apart. The loss is the relativistic one with gradient penalties on real and drawn beats (Huang et al. 2024,
arXiv 2501.05441), which does not collapse to a few beats. So that the words count, the discriminator also learns to
tell the words of a real beat from those of another one (Reed et al. 2016, arXiv 1605.05396).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.generators.hearts.heart_model import CHANGES, HeartModel
from ecggen.generators.hearts.rhythm import NUMBERS

INSTANTS, ALONG, WHOLE = 24, 4, 64
"""Instants of a beat that the generator goes through, its noise for each of them, and its noise for the beat."""
PENALTY = 0.5
"""Weight of the gradient penalties."""
MATCHING = 0.5
"""Weight of the words of other beats."""
CHANNELS, POSITIONS = (48, 96, 128), 12
"""Channels of the discriminator, and positions along the beat at its end."""


class AdversarialHearts(HeartModel):
    """Generative adversarial network of codes.

    Args:
        size: Size of a code.
        condition: Size of what is known.
        width: Units of the generator in each direction.
        blocks: Layers of its LSTM.
    """

    def __init__(self, size: int, condition: int, width: int, blocks: int):
        super().__init__()
        self.size, self.noise = size, WHOLE + INSTANTS * ALONG
        self.words = max(0, condition - NUMBERS - CHANGES - 1 - size)  # as ``HeartFirst.heart_condition`` joins them
        self.embed = nn.Sequential(nn.Linear(condition + WHOLE, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        self.places = nn.Parameter(0.1 * torch.randn(INSTANTS, width))
        self.lstm = nn.LSTM(width + ALONG, width, blocks, batch_first=True, bidirectional=True)
        self.write = nn.Sequential(nn.Linear(INSTANTS * 2 * width, 2 * width), nn.SiLU(), nn.Linear(2 * width, size))
        self.line = nn.Linear(WHOLE, size)
        self.critic = Critic(condition)

    def loss(self, code: Tensor, known: Tensor, shape_of: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.autocast(code.device.type, enabled=False):
            drawn = self._drawn(torch.randn(len(code), self.noise, device=code.device), known)
            real, fake = _seen(code, shape_of).detach().requires_grad_(), _seen(drawn, shape_of)
            for_real, for_others = self.critic(real, known, self._other_words(known))
            frozen = {name: value.detach() for name, value in self.critic.named_parameters()}
            fooled = F.softplus(for_real.detach() - functional_call(self.critic, frozen, (fake, known))[0])
            fake = fake.detach().requires_grad_()
            (for_fake,) = self.critic(fake, known)
            told = F.softplus(for_fake - for_real) + MATCHING * F.softplus(for_others - for_real)
            return fooled + told + PENALTY * (_slope(for_real, real) + _slope(for_fake, fake))

    def sample(
        self, noise: Tensor, known: Tensor, plain: Tensor, guidance_scale: float = 1.0, num_steps: int = 8
    ) -> Tensor:
        code = self._drawn(noise, known)
        return code if guidance_scale == 1 else torch.lerp(self._drawn(noise, plain), code, guidance_scale)

    def _other_words(self, known: Tensor) -> Tensor:
        """Conditions (batch, condition) with the text and metadata of another record each."""
        other = known.roll(1, 0)
        return torch.cat([other[:, : self.words], known[:, self.words :]], 1)

    def _drawn(self, noise: Tensor, known: Tensor) -> Tensor:
        whole, along = noise[:, :WHOLE], noise[:, WHOLE:].unflatten(1, (INSTANTS, ALONG))
        embedded = self.embed(torch.cat([whole, known], 1))[:, None] + self.places
        hidden, _ = self.lstm(torch.cat([embedded, along], 2))
        return self.line(whole) + self.write(hidden.flatten(1))


class Critic(nn.Module):
    """Convolutional discriminator of beats, projected on the condition (Miyato & Koyama 2018, arXiv 1802.05637).

    Args:
        condition: Size of what is known.
    """

    def __init__(self, condition: int):
        super().__init__()
        leads = len(INDEPENDENT_LEADS) + 1
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((leads, *CHANNELS)):
            layers += [nn.Conv1d(inputs, outputs, 5, stride=2, padding=2), nn.LeakyReLU(0.2)]
        self.convolutions = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(POSITIONS), nn.Flatten())
        self.join = nn.Sequential(nn.Linear(CHANNELS[-1] * POSITIONS, 256), nn.LeakyReLU(0.2))
        self.known, self.leave = nn.Linear(condition, 256), nn.Linear(256, 1)

    def forward(self, seen: Tensor, *conditions: Tensor) -> list[Tensor]:
        """Score (batch,) of beats (batch, 9, time) with each of the conditions, the larger the more real."""
        found = self.join(self.convolutions(seen))
        own, scale = self.leave(found)[:, 0], found.shape[1] ** 0.5
        return [own + (self.known(known) * found).sum(1) / scale for known in conditions]


def _seen(code: Tensor, shape_of: Callable[[Tensor], Tensor]) -> Tensor:
    """Weighted shape and amplitude (batch, 9, time) of codes."""
    shape = shape_of(code)
    return torch.cat([shape, code[:, -1:, None].expand(-1, -1, shape.shape[-1])], 1)


def _slope(score: Tensor, seen: Tensor) -> Tensor:
    """Squared norm of the gradient of scores (batch,)."""
    (slope,) = torch.autograd.grad(score.sum(), seen, create_graph=True)
    return slope.square().sum((1, 2))
