"""Latent rectified flow from whatever is seen, after PPGFlowECG (arXiv 2509.19774).

PPGFlowECG first brings PPG and ECG into one latent space (CardioAlign), then lets a straight flow run from noise to
the ECG's latent, told by the PPG's. Kept from it: one encoder for both sides; posteriors that are aligned (distance
of means and symmetric divergence), cross-reconstruction and InfoNCE; a rectified flow with cross-attention, few
Euler steps, a moving average of the weights. Ours, and why:

- What is seen — PPG, any leads, or both — is first written down as a guess of the eight leads, and the *guess* goes
  through the ECG's own encoder: so the shared encoder takes one, three or any leads as it takes a PPG.
- Its stages are players of one game in one folder: the space, the reader, the flow on a latent that it cannot move.
- The denoiser is a U-Net with attention: on two cores it trains several times faster than a transformer of its size.
- Beats lie where the pulses are: the guess stands beside the noisy latent at every step. (Third parties found the
  published weights right in rate and wrong in phase.) No record is left out for an irregular rhythm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG
from ecggen.generators.latent import Beginning, Known, LatentGenerator, Predict, drawn
from ecggen.networks.latent import contrast, spread_times, symmetric_divergence
from ecggen.networks.losses import amplitude, squared


class Flow(LatentGenerator):
    """Rectified flow in a latent space that PPG, leads and ECG share.

    Args:
        widths: Channels of the reader's levels.
        blocks: Residual blocks of each.
        width: Width of the condition's vector and tokens.
        whole: Channels of the reader's latent of a whole record.
        along: Channels of the reader's latent along time.
        latent: Channels of the latent (4 in PPGFlowECG, for one lead).
        space: Channels of the autoencoder's two levels.
        deep: Channels of the flow network's two levels.
        deep_blocks: Residual blocks of each.
        beside: Channels of the reader's features that the flow network sees.
        folded: Neighbouring samples folded into channels; the window must hold a multiple of folded · 2^(levels−1).
        looks: Noisy versions of each record in a training step.
        summary: Whether the text's summary steers every block of the flow network.
        shift: How much more of the time is spent where there is most noise, in training and in drawing; 1 for not at
            all (Esser et al., arXiv 2403.03206, eq. 23): beats are alike, so that much noise hides little of them.
        steps: Steps of the sampler, unless asked otherwise (10 in PPGFlowECG).
        seen_steps: Steps where leads are seen, which leave less to be drawn; 0 for as many.
        guidance: Guidance by words and facts, unless asked otherwise.
        coherence: Guidance towards draws of one piece, unless asked otherwise (``ecggen.generators.base.Sampling``).
        guided_below: Share of noise below which both act.
        heun: Whether each step is Heun's (two evaluations) instead of Euler's.
        prior: Weight of the posterior's divergence from the standard normal distribution.
        align: Weight of the distance between the posteriors of ECG and guess.
        contrast: Weight of InfoNCE between the two.
        cross: Weight of the cross-reconstruction: the ECG decoded from the guess's posterior.
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
        latent: int = 16,
        space: Sequence[int] = (64, 128),
        deep: Sequence[int] = (96, 192),
        deep_blocks: Sequence[int] = (2, 3),
        beside: int = 32,
        folded: int = 5,
        looks: int = 2,
        summary: bool = False,
        shift: float = 1.0,
        steps: int = 8,
        seen_steps: int = 0,
        guidance: float = 1.0,
        coherence: float = 0.0,
        guided_below: float = 1.0,
        heun: bool = False,
        prior: float = 1e-4,
        align: float = 1e-2,
        contrast: float = 1e-3,
        cross: float = 0.1,
        text: str = "",
        beats: Sequence[int] = (),
    ):
        super().__init__(
            widths,
            blocks,
            width,
            whole,
            along,
            latent,
            space,
            deep,
            deep_blocks,
            beside,
            folded,
            looks,
            summary,
            steps,
            seen_steps,
            guidance,
            coherence,
            guided_below,
            prior,
            text,
            beats,
        )
        self.heun, self.shift, self.weights = heun, shift, (align, contrast, cross)

    def _space_losses(self, ecg: ECG, condition: Condition) -> dict[str, Tensor]:
        with torch.no_grad():
            guess = self.reader.guess(condition, self.reader(condition))
        return super()._space_losses(ecg, condition) | self._alignment(ecg, guess)

    def _reader_losses(self, ecg: ECG, condition: Condition) -> dict[str, Tensor]:
        guess = self.reader.guess(condition, self.reader(condition))
        crossed = self.space.decode(drawn(self.space.encode(guess)))
        scale = amplitude(ecg.signal)
        return {
            "guess": squared(guess, ecg.signal, scale),
            "cross": self.weights[2] * ((crossed - ecg.signal).abs() / scale).mean(),
        } | self._alignment(ecg, guess)

    def _alignment(self, ecg: ECG, guess: Tensor) -> dict[str, Tensor]:
        """How far the posteriors of ECG and guess lie apart, and whether each finds its own."""
        ours, theirs = self.space.encode(ecg.signal), self.space.encode(guess)
        align, contrasted, _ = self.weights
        gap = (ours[0] - theirs[0]).square() + symmetric_divergence(ours, theirs)
        return {
            "align": align * gap.mean(),
            "contrast": contrasted * contrast(ours[0].mean(-1), theirs[0].mean(-1)),
        }

    def _denoiser_error(self, latent: Tensor, known: Known) -> Tensor:
        """Squared error of the velocity along straight paths from latent (time 0) to noise (time 1)."""
        noise = torch.randn_like(latent)
        time = spread_times(len(latent), latent.device)
        time = self.shift * time / (1 + (self.shift - 1) * time)
        x = torch.lerp(latent, noise, time[:, None, None])
        return (self._denoise(x, time, known) - (noise - latent)).square().mean()

    def _backwards(self, begin: Beginning, predict: Predict, steps: int) -> Tensor:
        import diffusers

        kind = "FlowMatchHeunDiscreteScheduler" if self.heun else "FlowMatchEulerDiscreteScheduler"
        scheduler: Any = getattr(diffusers, kind)(num_train_timesteps=1000, shift=self.shift)
        # Equal steps from noise (1) to latent (0), then shifted; the scheduler's own would start its last at 1/1000.
        if self.heun:
            scheduler.set_timesteps(steps)
        else:
            scheduler.set_timesteps(sigmas=[1 - i / steps for i in range(steps)])
        times, x = scheduler.timesteps, begin.noise
        if begin.latent is not None:
            first = min(int((times > 1000 * begin.share).sum()), len(times) - 1)
            first += first % 2 if self.heun else 0  # Heun's steps go in pairs after the first
            scheduler.set_begin_index(first)
            times = times[first:]
            x = torch.lerp(begin.latent, x, float(times[0]) / 1000)
        for time in times:
            velocity = predict(x, torch.full((len(x),), float(time) / 1000, device=x.device))
            x = scheduler.step(velocity, time, x).prev_sample
        return x
