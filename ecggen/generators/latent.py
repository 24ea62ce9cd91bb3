"""What the latent families share: a reader of the condition, an autoencoder, and a sampler between noise and latent.

``flow`` and ``diffusion`` differ in how noise and latent are joined and in what the latent space is taught. All
else stands here once: the condition is read once for all draws and all steps; the reader writes down a first
*guess* of the ECG, which goes through the encoder and stands beside the noisy latent at every step, so that the
sampler only adds what the condition leaves open (the residual form of CorrDiff, Mardani et al. 2023).

Three players train it, together or one after the other (``[training] parameter_groups``): the *space* learns to encode and
decode ECGs, the *reader* to guess from the condition, the *denoiser* to find its way from noise to a latent.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.encoder import BEATS, LATENT_LEVEL, Read, Reader
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.generators.base import Draws, Generator
from ecggen.generators.sampling import Noise, Sampling
from ecggen.networks.latent import Autoencoder, Denoiser, divergence
from ecggen.networks.losses import amplitude, squared

SPACE, READER, DENOISER = "space", "reader", "denoiser"


@dataclass(frozen=True)
class Known:
    """What a sampler is told at every step.

    Attributes:
        along: (batch, channels, step): the guess in the latent space, and features of the reader.
        vector: (batch, width).
        tokens: (batch, token, width).
        tokens_seen: (batch, token) bool.
    """

    along: Tensor
    vector: Tensor
    tokens: Tensor
    token_mask: Tensor

    def repeat(self, n: int) -> Known:
        """Each record ``n`` times, one copy after the other."""
        parts = (self.along, self.vector, self.tokens, self.token_mask)
        return Known(*(part.repeat_interleave(n, 0) for part in parts))


Predict = Callable[[Tensor, Tensor], Tensor]
"""The denoiser's answer to noisy latents and their time (batch,) from 0 (no noise) to 1, equal for all."""


@dataclass(frozen=True)
class Beginning:
    """Where a sampler begins.

    Attributes:
        noise: Standard normal, (batch, latent, step).
        latent: What to vary: noise is mixed with it; None to begin with noise alone.
        share: Share of the noise in that mixture, signal to noise as 1 − ``share`` to ``share``.
    """

    noise: Tensor
    latent: Tensor | None = None
    share: float = 1.0


class LatentGenerator(Generator):
    """Base of the latent families; a family writes ``_denoiser_error``, ``_backwards`` and what its space is taught.

    Args:
        widths: Channels of the reader's levels.
        blocks: Residual blocks of each.
        width: Width of the condition's vector and tokens.
        whole: Channels of the reader's latent of a whole record.
        along: Channels of the reader's latent along time.
        latent: Channels of the latent.
        space: Channels of the autoencoder's two levels.
        deep: Channels of the denoiser's two levels.
        deep_blocks: Residual blocks of each.
        beside: Channels of the reader's features that the denoiser sees.
        folded: Neighbouring samples folded into channels; the window must hold a multiple of folded · 2^(levels−1).
        looks: Noisy versions of each record in a training step: reading costs more than denoising.
        summary: Whether the text's summary steers every block of the denoiser, beside the attention to its words.
        steps: Steps of the sampler, unless asked otherwise.
        seen_steps: Steps where leads are seen, unless asked otherwise; 0 for as many.
        guidance: Guidance by words and facts, unless asked otherwise.
        coherence: Guidance towards draws of one piece, unless asked otherwise (``ecggen.generators.base.Sampling``).
        guided_below: Share of noise below which both act.
        prior: Weight of the posterior's divergence from the standard normal distribution.
        text: Folder of a language model that reads texts; "" for ecggen's own.
        beats: Sizes of the reader's part that writes beat by beat (``ecggen.conditioning.beat_network``); empty for none.
    """

    sampling: Sampling

    def __init__(
        self,
        widths: Sequence[int],
        blocks: Sequence[int],
        width: int,
        whole: int,
        along: int,
        latent: int,
        space: Sequence[int],
        deep: Sequence[int],
        deep_blocks: Sequence[int],
        beside: int,
        folded: int,
        looks: int,
        summary: bool,
        steps: int,
        seen_steps: int,
        guidance: float,
        coherence: float,
        guided_below: float,
        prior: float,
        text: str,
        beats: Sequence[int],
    ):
        super().__init__()
        self.folded, self.looks, self.prior = folded, looks, prior
        self.sampling = Sampling(steps, guidance, seen_steps or None, coherence, guided_below)
        self.reader = Reader(widths, blocks, width, whole, along, folded, text, beats)
        self.space = Autoencoder(len(INDEPENDENT_LEADS), latent, space, 2, folded)
        self.latent = latent
        self.denoiser = nn.ModuleDict(
            {
                "aside": nn.Conv1d(widths[LATENT_LEVEL], beside, 1),
                "whole": nn.Linear(2 * widths[-1] + width, width),
                "network": Denoiser(latent, latent + beside, deep, deep_blocks, width),
            }
        )
        if summary:
            self.denoiser["summary"] = nn.Linear(width, width)
            nn.init.zeros_(self.denoiser["summary"].weight)  # type: ignore[arg-type]

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            SPACE: list(self.space.parameters()),
            **self.reader.parameter_groups(READER),
            DENOISER: list(self.denoiser.parameters()),
        }

    def loss(self, ecg: ECG, condition: Condition, group: str) -> dict[str, Tensor]:
        if group == BEATS:
            return {"error": self.reader.beat_error(ecg, condition)}
        if group == SPACE:
            return self._space_losses(ecg, condition)
        if group == READER:
            return self._reader_losses(ecg, condition)
        with torch.no_grad():
            latent = self.space.scaled(drawn(self.space.encode(ecg.signal)))
            read = self.reader(condition)
            told = self._told(self.reader.guess(condition, read))
        known = self._known(read, told).repeat(self.looks)
        return {"latent": self._denoiser_error(latent.repeat_interleave(self.looks, 0), known)}

    @abstractmethod
    def _denoiser_error(self, latent: Tensor, known: Known) -> Tensor:
        """What the denoiser minimises for latents (batch, latent, step) and what is known of each."""

    @abstractmethod
    def _backwards(self, begin: Beginning, predict: Predict, steps: int) -> Tensor:
        """From noise to a latent (batch, latent, step) in ``steps`` steps."""

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        return self.draw_many(condition, noise).draws

    def draw_many(self, condition: Condition, noise: Noise) -> Draws:
        numbers, draws = self._numbers(condition, noise), len(noise) // len(condition)
        seen = condition.lead_mask.flatten(1).any(1).tolist()
        alike = self.sampling.num_steps_with_leads is None or len(set(seen)) == 1
        size, drawn, guesses = len(condition) if alike else 1, [], []
        for at in range(0, len(condition), size):
            part = condition[at : at + size]
            known, guess = self._read(part)
            begin = Beginning(numbers[at * draws : (at + size) * draws])
            way = self._backwards(begin, self._predicting(part, known, draws), self.sampling.steps(seen[at]))
            drawn.append(self._written(way))
            guesses.append(guess)
        return Draws(torch.cat(drawn), torch.cat(guesses))

    def draw_near(self, eight: Tensor, strength: float, condition: Condition, noise: Noise) -> Tensor:
        """The ECG's latent, noised up to ``strength``, finds its way back (SDEdit, Meng et al. 2022)."""
        begin = Beginning(self._numbers(condition, noise), self._told(eight), strength)
        predict = self._predicting(condition, self._read(condition)[0], 1)
        return self._written(self._backwards(begin, predict, self.sampling.num_steps))

    def _numbers(self, condition: Condition, noise: Noise) -> Tensor:
        return noise.normal(self.latent, condition.samples // (2 * self.folded)).to(self.device)

    def _written(self, latent: Tensor) -> Tensor:
        return self.space.decode(self.space.unscaled(latent))

    def _predicting(self, condition: Condition, known: Known, draws: int) -> Predict:
        """The denoiser's answer for some draws a record.

        Words and facts are followed as far as the guidance says; where they are all that is told of the waves, the
        draw is as much of one piece as the coherence says.
        """
        known, plain = known.repeat(draws), self._plain(condition, draws)
        alone = condition.has_text_or_metadata() & ~condition.lead_mask.flatten(1).any(1)
        whole = self.sampling.pag_scale * alone.repeat_interleave(draws)[:, None, None].to(known.along)
        coherent = bool(whole.any())

        def predict(x: Tensor, time: Tensor) -> Tensor:
            told = self._denoise(x, time, known)
            if float(time[0]) > self.sampling.guidance_interval:
                return told
            answer = told
            if plain is not None:
                untold = self._denoise(x, time, plain)
                answer = untold + self.sampling.guidance_scale * (told - untold)
            if coherent:
                answer = answer + whole * (told - self._denoise(x, time, known, apart=True))
            return answer

        return predict

    def _plain(self, condition: Condition, draws: int) -> Known | None:
        """What is known without words and facts; None where guidance has nothing to do."""
        silent = condition.replace(
            text_mask=torch.zeros_like(condition.text_mask),
            metadata=torch.zeros_like(condition.metadata),
            metadata_mask=torch.zeros_like(condition.metadata_mask),
        )
        if self.sampling.guidance_scale == 1 or not bool(condition.has_text_or_metadata().any()):
            return None
        return self._read(silent)[0].repeat(draws)

    def _denoise(self, x: Tensor, time: Tensor, known: Known, apart: bool = False) -> Tensor:
        return self.denoiser["network"](x, time, known.along, known.vector, known.tokens, known.token_mask, apart)

    def _read(self, condition: Condition) -> tuple[Known, Tensor]:
        """What the denoiser is told, and the reader's guess."""
        read = self.reader(condition)
        guess = self.reader.guess(condition, read)
        return self._known(read, self._told(guess)), guess

    def _told(self, guess: Tensor) -> Tensor:
        """The guess in the latent space."""
        return self.space.scaled(self.space.encode(guess)[0])

    def _known(self, read: Read, told: Tensor) -> Known:
        context, part = read.context, self.denoiser
        along = torch.cat([told, part["aside"](read.features[LATENT_LEVEL]).float()], 1)
        vector = context.vector + part["whole"](read.pooled())
        if "summary" in part:
            vector = vector + part["summary"](context.tokens[:, 0])
        return Known(along, vector, context.tokens, context.token_mask)

    def _space_losses(self, ecg: ECG, condition: Condition) -> dict[str, Tensor]:
        posterior = self.space.encode(ecg.signal)
        latent = drawn(posterior)
        if self.training:
            self.space.meet(latent.detach())
        error = (self.space.decode(latent) - ecg.signal).abs() / amplitude(ecg.signal)
        return {"signal": error.mean(), "prior": self.prior * divergence(*posterior).mean()}

    def _reader_losses(self, ecg: ECG, condition: Condition) -> dict[str, Tensor]:
        guess = self.reader.guess(condition, self.reader(condition))
        return {"guess": squared(guess, ecg.signal, amplitude(ecg.signal))}


def drawn(posterior: tuple[Tensor, Tensor]) -> Tensor:
    """A draw from a normal distribution given as mean and log deviation; gradients pass."""
    mean, log_deviation = posterior
    return mean + log_deviation.exp() * torch.randn_like(mean)
