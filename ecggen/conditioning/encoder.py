"""Condition encoder: U-Net features of a condition, a prior distribution of latents, and a decoder to eight leads.

The VAE samples from the prior and decodes. Latent generators use the decoded mean as deterministic prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecggen.conditioning.beat_network import WRITTEN, Beatwise
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.condition_embedding import ALIGNED, ConditionEncoder, Context
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.networks.blocks import fold, unfold
from ecggen.networks.unet import Down, Up

LATENT_LEVEL = 1
"""Level of the U-Net at which the temporal latent enters; one step at this level is 2 · ``steps`` samples."""

BEATS = "beats"
"""Name of the parameter group of the beat network."""

MIXTURE = len(INDEPENDENT_LEADS) * len(STANDARD_LEADS)
"""Number of weights of a linear combination of the observed leads."""


@dataclass(frozen=True)
class Latent:
    """Independent normal distributions of the global and the temporal latent.

    Attributes:
        whole: Mean and log standard deviation of the global latent, (batch, 2 · channels).
        along: Mean and log standard deviation of the temporal latent, (batch, 2 · channels, step).
    """

    whole: Tensor
    along: Tensor

    def at(self, whole: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
        """Draw from standard normal numbers (reparametrisation)."""
        return _shift(self.whole, whole), _shift(self.along, along)

    def mean(self) -> tuple[Tensor, Tensor]:
        """Means of both latents."""
        return self.whole.chunk(2, 1)[0], self.along.chunk(2, 1)[0]

    def __getitem__(self, part: slice) -> Latent:
        return Latent(self.whole[part], self.along[part])

    def repeat(self, n: int) -> Latent:
        """Repeat each record ``n`` times; copies of one record are consecutive."""
        return Latent(self.whole.repeat_interleave(n, 0), self.along.repeat_interleave(n, 0))

    def shapes(self) -> tuple[torch.Size, torch.Size]:
        """Shapes of the arguments of ``at``, without the batch."""
        whole, along = self.mean()
        return whole.shape[1:], along.shape[1:]

    def divergence(self, prior: Latent) -> Tensor:
        """Kullback–Leibler divergence from a prior in nats, (batch,)."""
        return _divergence(self.whole, prior.whole).sum(1) + _divergence(self.along, prior.along).sum((1, 2))


@dataclass(frozen=True)
class Read:
    """Encoded condition.

    Attributes:
        context: Embedding of the condition.
        features: (batch, channels, step) of each level, finest first.
        prior: Distribution of the latents given the condition.
        beatwise: Output of the beat network, (batch, ``WRITTEN``, time); None without one.
    """

    context: Context
    features: list[Tensor]
    prior: Latent
    beatwise: Tensor | None = None

    def __getitem__(self, part: slice) -> Read:
        beatwise = None if self.beatwise is None else self.beatwise[part]
        return Read(self.context[part], [level[part] for level in self.features], self.prior[part], beatwise)

    def repeat(self, n: int) -> Read:
        """Repeat each record ``n`` times; copies of one record are consecutive."""
        features = [level.repeat_interleave(n, 0) for level in self.features]
        beatwise = None if self.beatwise is None else self.beatwise.repeat_interleave(n, 0)
        return Read(self.context.repeat(n), features, self.prior.repeat(n), beatwise)

    def pooled(self) -> Tensor:
        """Coarsest features pooled over time, and the vector: (batch, 2 · channels + width)."""
        return pooled(self.features, self.context.vector)


class Reader(nn.Module):
    """Encodes a condition, and decodes eight leads from the encoding and a latent.

    The output is the sum of the U-Net's output and a linear combination of the observed leads, whose weights depend on
    the record and the latent: leads of one record are nearly linear in each other, with factors that differ between
    patients, and convolutions approximate a product of a feature and a signal poorly. If there is a beat network, the
    U-Net corrects its output where beats are observed.

    Args:
        widths: Channels of the levels of the U-Net.
        blocks: Residual blocks of each level of the encoder.
        width: Width of the condition's vector and tokens.
        whole: Channels of the global latent.
        along: Channels of the temporal latent.
        steps: Neighbouring samples folded into channels; the window must be a multiple of steps · 2^(levels−1) samples.
        text: Folder of a language model used as text encoder; "" for ``WordEncoder``.
        beats: Sizes of the beat network (``Beatwise``); empty for none.
    """

    def __init__(
        self,
        widths: Sequence[int],
        blocks: Sequence[int],
        width: int,
        whole: int,
        along: int,
        steps: int,
        text: str = "",
        beats: Sequence[int] = (),
    ):
        super().__init__()
        self.steps = steps
        self.encoder = ConditionEncoder(width, text=text)
        self.beatwise = Beatwise(beats) if beats else None
        self.read = Down(ALIGNED * steps, widths, blocks, width, beside=WRITTEN * steps if beats else 0)
        self.prior = LatentHead(widths, width, whole, along)
        self.from_whole = nn.Linear(whole, width)
        extra = [along if level == LATENT_LEVEL else 0 for level in range(len(widths) - 1)]
        self.up = Up(widths, len(INDEPENDENT_LEADS) * steps, blocks[0], width, extra)
        if beats:
            self.correct = nn.Conv1d(widths[0], len(INDEPENDENT_LEADS) * steps, 3, padding=1)
            nn.init.zeros_(self.correct.weight)
            nn.init.zeros_(self.correct.bias)  # type: ignore[arg-type]
        self.mix = nn.Linear(2 * widths[-1] + width + whole, MIXTURE)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def forward(self, condition: Condition) -> Read:
        """Encode a condition at the model's rate and length."""
        multiple = self.steps * 2 ** (len(self.read.levels) - 1)
        if condition.samples % multiple:
            raise InputError(
                f"the window has {condition.samples} samples",
                f"a multiple of {multiple} was expected (steps · 2^(levels − 1))",
                "change seconds or fs under [preprocessing]",
            )
        context, written = self.encoder(condition), None
        if self.beatwise is not None:
            with torch.no_grad():  # trained in its own parameter group
                written = self.beatwise(condition, self.encoder.numbers(condition))
        return self.encode(context, written)

    def encode(self, context: Context, written: Tensor | None) -> Read:
        """Encode an embedded condition and the output of the beat network."""
        features = self.read(
            fold(context.aligned, self.steps),
            context.vector,
            context.tokens,
            context.token_mask,
            None if written is None else fold(written, self.steps),
        )
        return Read(context, features, self.prior(features, context.vector), written)

    def beat_error(self, ecg: ECG, condition: Condition) -> Tensor:
        """Loss of the beat network."""
        assert self.beatwise is not None
        return self.beatwise.error(ecg.signal, condition, self.encoder.numbers(condition))

    def parameter_groups(self, name: str) -> dict[str, list[nn.Parameter]]:
        """Parameter groups: the beat network, if there is one, and the rest under ``name``."""
        beats = [] if self.beatwise is None else list(self.beatwise.parameters())
        others = [own for own in self.parameters() if not any(own is one for one in beats)]
        return {BEATS: beats, name: others} if beats else {name: others}

    def write(self, read: Read, drawn: tuple[Tensor, Tensor], draws: int = 1) -> Tensor:
        """Decode (batch · draws, 8, time) in mV from a global and a temporal latent of each draw.

        The draws of one record are consecutive. What does not depend on the latent is computed once for all of them.
        """
        whole, along = drawn
        mixture = self.mix(torch.cat([_each(read.pooled(), draws), whole], 1))
        extra = [along if level == LATENT_LEVEL else None for level in range(len(read.features) - 1)]
        vector = _each(read.context.vector, draws) + self.from_whole(whole)
        fine = self.up.features(read.features, vector, extra, draws)
        own = mixed(mixture, _each(read.context.aligned, draws)) + unfold(self.up.leave(fine), self.steps)
        if read.beatwise is None:
            return own
        beatwise = _each(read.beatwise, draws)
        waves, weight = beatwise[:, :-1], beatwise[:, -1:]
        return torch.lerp(own, waves + unfold(self.correct(fine), self.steps), weight)

    def guess(self, condition: Condition, read: Read) -> Tensor:
        """Deterministic prediction (batch, 8, time) in mV: decoded prior mean, projected onto the observed leads."""
        return project_onto_observed(self.write(read, read.prior.mean()), condition)


class LatentHead(nn.Module):
    """Maps features of the levels of a U-Net to the distribution of both latents."""

    def __init__(self, widths: Sequence[int], width: int, whole: int, along: int):
        super().__init__()
        self.whole = nn.Sequential(
            nn.Linear(2 * widths[-1] + width, 2 * width), nn.SiLU(), nn.Linear(2 * width, 2 * whole)
        )
        self.along = nn.Conv1d(widths[LATENT_LEVEL], 2 * along, 3, padding=1)

    def forward(self, features: Sequence[Tensor], vector: Tensor) -> Latent:
        return Latent(self.whole(pooled(features, vector)).float(), self.along(features[LATENT_LEVEL]).float())


def mixed(mixture: Tensor, aligned: Tensor) -> Tensor:
    """Linear combination of the observed leads with weights (batch, ``MIXTURE``): (batch, 8, time)."""
    weights = mixture.float().unflatten(1, (len(INDEPENDENT_LEADS), -1))
    with torch.autocast(weights.device.type, enabled=False):
        return weights @ aligned[:, : len(STANDARD_LEADS)]


def pooled(features: Sequence[Tensor], vector: Tensor) -> Tensor:
    """Coarsest features pooled over time, and the vector: (batch, 2 · channels + width)."""
    return torch.cat([features[-1].mean(-1), features[-1].amax(-1), vector], 1)


def _each(tensor: Tensor, draws: int) -> Tensor:
    """Repeat each record for its draws."""
    return tensor if draws == 1 else tensor.repeat_interleave(draws, 0)


def _shift(distribution: Tensor, numbers: Tensor) -> Tensor:
    mean, log_deviation = distribution.chunk(2, 1)
    return mean + numbers * log_deviation.clamp(-8, 3).exp()


def _divergence(q: Tensor, p: Tensor) -> Tensor:
    """Elementwise KL(q ‖ p) of normal distributions."""
    (q_mean, q_log), (p_mean, p_log) = (half.chunk(2, 1) for half in (q, p))
    q_log, p_log = q_log.clamp(-8, 3), p_log.clamp(-8, 3)
    return p_log - q_log + ((2 * q_log).exp() + (q_mean - p_mean).square()) / (2 * (2 * p_log).exp()) - 0.5
