"""Base of latent generators: a condition encoder, an autoencoder, and a sampler from noise to a latent.

``flow`` and ``diffusion`` differ in the path between noise and latent and in the losses of the autoencoder; everything
else is implemented here. The condition is encoded once for all draws and all steps. The condition encoder makes a
deterministic prediction of the ECG (*guess*), whose latent is an input of the denoiser at every step, so that the
sampler only models the residual uncertainty (as in CorrDiff, Mardani et al. 2023).

There are three parameter groups, trained jointly or in stages (``groups`` under ``[training]``): *space*, the
autoencoder; *reader*, the condition encoder; and *denoiser*.
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
    """Conditional inputs of the denoiser.

    Attributes:
        along: (batch, channels, step): latent of the guess, and features of the condition encoder.
        vector: (batch, width).
        tokens: (batch, token, width).
        token_mask: (batch, token) bool.
    """

    along: Tensor
    vector: Tensor
    tokens: Tensor
    token_mask: Tensor

    def repeat(self, n: int) -> Known:
        """Repeat each record ``n`` times; copies of one record are consecutive."""
        parts = (self.along, self.vector, self.tokens, self.token_mask)
        return Known(*(part.repeat_interleave(n, 0) for part in parts))


Predict = Callable[[Tensor, Tensor], Tensor]
"""The denoiser as a function of noisy latents and their time (batch,), from 0 (no noise) to 1 and equal for all."""


@dataclass(frozen=True)
class Beginning:
    """Initial state of a sampler.

    Attributes:
        noise: Standard normal numbers, (batch, latent, step).
        latent: Latent of an ECG to be varied, to which noise is added; None to start from noise alone.
        share: Noise level at the start: the ratio of signal to noise is 1 − ``share`` to ``share``.
    """

    noise: Tensor
    latent: Tensor | None = None
    share: float = 1.0


class LatentGenerator(Generator):
    """Base of latent generators. Subclasses implement ``_denoiser_error``, ``_backwards`` and ``_space_losses``.

    Args:
        widths: Channels of the levels of the condition encoder.
        blocks: Residual blocks of each.
        width: Width of the condition's vector and tokens.
        whole: Channels of the global latent of the condition encoder.
        along: Channels of the temporal latent of the condition encoder.
        latent: Channels of the latent.
        space: Channels of the two levels of the autoencoder.
        deep: Channels of the two levels of the denoiser.
        deep_blocks: Residual blocks of each.
        beside: Channels of the features of the condition encoder that are inputs of the denoiser.
        folded: Neighbouring samples folded into channels; the window must be a multiple of folded · 2^(levels−1)
            samples.
        looks: Noisy versions of each record in a training step; encoding a condition costs more than denoising.
        summary: Whether the summary token of the text modulates every block of the denoiser, in addition to
            cross-attention.
        steps: Default ``num_steps`` (``ecggen.generators.sampling.Sampling``).
        seen_steps: Default ``num_steps_with_leads``; 0 for ``steps``.
        guidance: Default ``guidance_scale``.
        coherence: Default ``pag_scale``.
        guided_below: Default ``guidance_interval``.
        prior: Weight of the Kullback–Leibler divergence of the autoencoder's posterior from the standard normal.
        text: Folder of a language model used as text encoder; "" for ``WordEncoder``.
        beats: Sizes of the beat network (``ecggen.conditioning.beat_network``); empty for none.
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
            guess = self._latent_of(self.reader.guess(condition, read))
        known = self._known(read, guess).repeat(self.looks)
        return {"latent": self._denoiser_error(latent.repeat_interleave(self.looks, 0), known)}

    @abstractmethod
    def _denoiser_error(self, latent: Tensor, known: Known) -> Tensor:
        """Loss of the denoiser for latents (batch, latent, step)."""

    @abstractmethod
    def _backwards(self, begin: Beginning, predict: Predict, steps: int) -> Tensor:
        """Sample latents (batch, latent, step) from noise in ``steps`` steps."""

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        return self.draw_many(condition, noise).draws

    def draw_many(self, condition: Condition, noise: Noise) -> Draws:
        numbers, draws = self._numbers(condition, noise), len(noise) // len(condition)
        observed = condition.lead_mask.flatten(1).any(1).tolist()
        same_steps = self.sampling.num_steps_with_leads is None or len(set(observed)) == 1
        size, drawn, guesses = len(condition) if same_steps else 1, [], []
        for at in range(0, len(condition), size):
            part = condition[at : at + size]
            known, guess = self._read(part)
            begin = Beginning(numbers[at * draws : (at + size) * draws])
            latent = self._backwards(begin, self._predicting(part, known, draws), self.sampling.steps(observed[at]))
            drawn.append(self._decoded(latent))
            guesses.append(guess)
        return Draws(torch.cat(drawn), torch.cat(guesses))

    def draw_near(self, eight: Tensor, strength: float, condition: Condition, noise: Noise) -> Tensor:
        """Add noise of level ``strength`` to the latents of ``eight`` and denoise them (SDEdit, Meng et al. 2022)."""
        begin = Beginning(self._numbers(condition, noise), self._latent_of(eight), strength)
        predict = self._predicting(condition, self._read(condition)[0], 1)
        return self._decoded(self._backwards(begin, predict, self.sampling.num_steps))

    def _numbers(self, condition: Condition, noise: Noise) -> Tensor:
        return noise.normal(self.latent, condition.samples // (2 * self.folded)).to(self.device)

    def _decoded(self, latent: Tensor) -> Tensor:
        return self.space.decode(self.space.unscaled(latent))

    def _predicting(self, condition: Condition, known: Known, draws: int) -> Predict:
        """The denoiser for several draws per record, with guidance.

        Classifier-free guidance applies to text and metadata. Perturbed-attention guidance applies to records with
        text or metadata and without leads.
        """
        known, unconditional = known.repeat(draws), self._plain(condition, draws)
        without_leads = condition.has_text_or_metadata() & ~condition.lead_mask.flatten(1).any(1)
        pag_scale = self.sampling.pag_scale * without_leads.repeat_interleave(draws)[:, None, None].to(known.along)
        use_pag = bool(pag_scale.any())

        def predict(x: Tensor, time: Tensor) -> Tensor:
            conditional = self._denoise(x, time, known)
            if float(time[0]) > self.sampling.guidance_interval:
                return conditional
            prediction = conditional
            if unconditional is not None:
                base = self._denoise(x, time, unconditional)
                prediction = base + self.sampling.guidance_scale * (conditional - base)
            if use_pag:
                prediction = prediction + pag_scale * (conditional - self._denoise(x, time, known, apart=True))
            return prediction

        return predict

    def _plain(self, condition: Condition, draws: int) -> Known | None:
        """Inputs of the denoiser without text and metadata; None if guidance has no effect."""
        masked = condition.replace(
            text_mask=torch.zeros_like(condition.text_mask),
            metadata=torch.zeros_like(condition.metadata),
            metadata_mask=torch.zeros_like(condition.metadata_mask),
        )
        if self.sampling.guidance_scale == 1 or not bool(condition.has_text_or_metadata().any()):
            return None
        return self._read(masked)[0].repeat(draws)

    def _denoise(self, x: Tensor, time: Tensor, known: Known, apart: bool = False) -> Tensor:
        return self.denoiser["network"](x, time, known.along, known.vector, known.tokens, known.token_mask, apart)

    def _read(self, condition: Condition) -> tuple[Known, Tensor]:
        """Inputs of the denoiser, and the guess."""
        read = self.reader(condition)
        guess = self.reader.guess(condition, read)
        return self._known(read, self._latent_of(guess)), guess

    def _latent_of(self, eight: Tensor) -> Tensor:
        """Normalised latent of (batch, 8, time) in mV."""
        return self.space.scaled(self.space.encode(eight)[0])

    def _known(self, read: Read, guess: Tensor) -> Known:
        """Inputs of the denoiser from an encoded condition and the latent of the guess."""
        context, part = read.context, self.denoiser
        along = torch.cat([guess, part["aside"](read.features[LATENT_LEVEL]).float()], 1)
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
    """Draw from a normal distribution given by mean and log standard deviation (reparametrised)."""
    mean, log_deviation = posterior
    return mean + log_deviation.exp() * torch.randn_like(mean)
