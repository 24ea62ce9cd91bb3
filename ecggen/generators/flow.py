"""Latent rectified flow, after PPGFlowECG (arXiv 2509.19774).

PPGFlowECG maps PPG and ECG to a common latent space (CardioAlign), then trains a rectified flow from noise to the
latent of the ECG, conditional on that of the PPG. This implementation keeps the shared encoder, the alignment of
posteriors (distance of means and symmetric divergence), cross-reconstruction, InfoNCE, a rectified flow with
cross-attention, few Euler steps and averaged weights. It differs as follows:

- PPG and leads are first mapped to a deterministic prediction of the eight leads (*guess*), which is encoded by the
  encoder of ECGs. Thus the shared encoder accepts any set of leads as well as a PPG.
- Autoencoder, condition encoder and denoiser are parameter groups of one model; the denoiser does not change the
  latents.
- The denoiser is a U-Net with attention, which trains several times faster on CPUs than a transformer of its size.
- The latent of the guess is an input of the denoiser at every step, so that beats are aligned with pulses. (The
  published weights were reported to reproduce the heart rate but not the phase.) Records with irregular rhythms are not
  excluded.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG
from ecggen.generators.hearts.model import HeartFirst, HeartSizes
from ecggen.generators.latent import Beginning, Known, LatentGenerator, Predict, drawn
from ecggen.networks.latent import contrast, spread_times, symmetric_divergence
from ecggen.networks.losses import amplitude, squared


class Flow(LatentGenerator):
    """Rectified flow in a latent space shared by conditions and ECGs.

    Args:
        widths: Channels of the levels of the condition encoder.
        blocks: Residual blocks of each.
        width: Width of the condition's vector and tokens.
        whole: Channels of the global latent of the condition encoder.
        along: Channels of the temporal latent of the condition encoder.
        latent: Channels of the latent (4 in PPGFlowECG, for one lead).
        space: Channels of the two levels of the autoencoder.
        deep: Channels of the two levels of the denoiser.
        deep_blocks: Residual blocks of each.
        beside: Channels of the features of the condition encoder that are inputs of the denoiser.
        folded: Neighbouring samples folded into channels; the window must be a multiple of folded · 2^(levels−1)
            samples.
        looks: Noisy versions of each record in a training step.
        summary: Whether the summary token of the text modulates every block of the denoiser.
        shift: Time shift towards high noise levels in training and sampling (Esser et al., arXiv 2403.03206, eq. 23);
            1 for none. Beats resemble each other, so that only high noise levels remove their information.
        steps: Default ``num_steps`` (``ecggen.generators.sampling.Sampling``; 10 in PPGFlowECG).
        seen_steps: Default ``num_steps_with_leads``; 0 for ``steps``.
        guidance: Default ``guidance_scale``.
        coherence: Default ``pag_scale``.
        guided_below: Default ``guidance_interval``.
        heun: Use Heun's method (two evaluations per step) instead of Euler's.
        prior: Weight of the Kullback–Leibler divergence of the autoencoder's posterior from the standard normal.
        align: Weight of the distance between the posteriors of ECG and guess.
        contrast: Weight of InfoNCE between the two.
        cross: Weight of the cross-reconstruction: the ECG decoded from the guess's posterior.
        text: Folder of a language model used as text encoder; "" for ``WordEncoder``.
        beats: Sizes of the beat network (``ecggen.conditioning.beat_network``); empty for none.
        hearts: Sizes of the heart-first model, which draws records without leads and PPG; None for none.
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
        hearts: HeartSizes | None = None,
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
        self.heart_first = None if hearts is None else HeartFirst(hearts)

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
        """Distance between the posteriors of ECG and guess, and InfoNCE between them."""
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
        time = self._shifted(time)
        x = torch.lerp(latent, noise, time[:, None, None])
        return (self._denoise(x, time, known) - (noise - latent)).square().mean()

    def _backwards(self, begin: Beginning, predict: Predict, steps: int) -> Tensor:
        times = self._times(steps)
        x, first = begin.noise, 0
        if begin.latent is not None:
            first = min(int((times[:-1] > begin.share).sum()), steps - 1)
            x = torch.lerp(begin.latent, x, float(times[first]))

        def velocity(x: Tensor, time: Tensor) -> Tensor:
            return predict(x, time.to(x).expand(len(x)))

        for time, following in pairwise(times[first:]):
            slope = velocity(x, time)
            ahead = x + (following - time) * slope
            if self.heun and following > 0:  # Euler's method for the last step
                ahead = x + (following - time) * 0.5 * (slope + velocity(ahead, following))
            x = ahead
        return x

    def _times(self, steps: int) -> Tensor:
        """Times from noise (1) to latent (0), (steps + 1,): equal steps, then shifted.

        With Heun's method the last step starts near 0, as in diffusers' scheduler, which shifts that time twice.
        """
        if self.heun:
            times = torch.linspace(
                1, self._shifted(torch.tensor(1e-3, dtype=torch.float64)), steps, dtype=torch.float64
            )
        else:
            times = torch.tensor([1 - i / steps for i in range(steps)])
        return torch.cat([self._shifted(times), times.new_zeros(1)]).float()

    def _shifted(self, time: Tensor) -> Tensor:
        """Times shifted towards high noise levels by ``shift``."""
        return self.shift * time / (1 + (self.shift - 1) * time)
