"""Latent diffusion conditional on text, metadata, leads and PPG, after DiffuSETS (arXiv 2501.05932).

DiffuSETS encodes twelve leads to a temporal latent with few channels and denoises it with a U-Net conditional on the
embedding of a report, age, sex and heart rate. This implementation keeps the latent, the U-Net with cross-attention and
the conditions. It differs as follows:

- The text enters as *tokens* of a local text encoder. (With one vector repeated along the sequence, all keys of the
  cross-attention are equal, so that it can only add a constant.) Normalised metadata modulate every block; leads and
  PPG enter through the condition encoder.
- Condition dropout of text and metadata permits classifier-free guidance (Ho & Salimans 2022). Leads and PPG are not
  guided.
- The network predicts the velocity on a cosine schedule with zero terminal SNR (Salimans & Ho 2022; Lin et al. 2024).
  The published ε-prediction does not reach zero SNR and is not suited to few steps.
- The network can be parametrised as a rectified flow (``straight``): noisy latents are scaled to lie on the straight
  path, and the output is converted to the velocity in closed form. Both are Gaussian paths between the same
  distributions (Kingma & Gao 2023), so that each can be initialised with the weights of the other.
- DDIM or DPM-Solver with few steps instead of a thousand; averaged weights.
- Folds are disjoint in patients, and leads are addressed by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from ecggen.generators.hearts.diffused import DiffusedHearts
from ecggen.generators.hearts.model import HeartFirst, HeartSizes
from ecggen.generators.latent import Beginning, Known, LatentGenerator, Predict
from ecggen.networks.latent import spread_times

TIMES = 1000
"""Number of time steps of the noise schedule in training."""


class Diffusion(LatentGenerator):
    """Latent diffusion with classifier-free guidance by text and metadata.

    Args:
        widths: Channels of the levels of the condition encoder.
        blocks: Residual blocks of each.
        width: Width of the condition's vector and tokens.
        whole: Channels of the global latent of the condition encoder.
        along: Channels of the temporal latent of the condition encoder.
        latent: Channels of the latent (4 in DiffuSETS).
        space: Channels of the two levels of the autoencoder.
        deep: Channels of the two levels of the denoiser (seven levels in DiffuSETS).
        deep_blocks: Residual blocks of each.
        beside: Channels of the features of the condition encoder that are inputs of the denoiser.
        folded: Neighbouring samples folded into channels; the window must be a multiple of folded · 2^(levels−1)
            samples.
        looks: Noisy versions of each record in a training step.
        summary: Whether the summary token of the text modulates every block of the denoiser.
        steps: Default ``num_steps`` (``ecggen.generators.sampling.Sampling``; 1000 in DiffuSETS).
        seen_steps: Default ``num_steps_with_leads``; 0 for ``steps``.
        guidance: Default ``guidance_scale`` (no guidance in DiffuSETS).
        coherence: Default ``pag_scale``.
        guided_below: Default ``guidance_interval``.
        straight: Parametrise the denoiser as a rectified flow.
        sampler: "ddim" (Song et al. 2021) or "dpm" (DPM-Solver++, Lu et al. 2022).
        prior: Weight of the Kullback–Leibler divergence of the autoencoder's posterior from the standard normal.
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
        steps: int = 16,
        seen_steps: int = 0,
        guidance: float = 1.5,
        coherence: float = 0.0,
        guided_below: float = 1.0,
        straight: bool = False,
        sampler: Literal["ddim", "dpm"] = "ddim",
        prior: float = 1e-4,
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
        self.straight, self.sampler = straight, sampler
        self.heart_first = None if hearts is None else HeartFirst(hearts, DiffusedHearts)

    def _denoiser_error(self, latent: Tensor, known: Known) -> Tensor:
        """Squared error of the velocity at random times of the schedule."""
        noise = torch.randn_like(latent)
        time = (spread_times(len(latent), latent.device) * TIMES).long()
        x = self._schedule.add_noise(latent, noise, time)
        velocity = self._schedule.get_velocity(latent, noise, time)
        prediction = self._velocity(x, time, lambda x, share: self._denoise(x, share, known))
        return (prediction - velocity).square().mean()

    def _velocity(self, x: Tensor, time: Tensor, denoise: Predict) -> Tensor:
        """Velocity predicted by ``denoise`` for latents (batch, latent, step) at times of the schedule (batch,)."""
        if not self.straight:
            return denoise(x, (time + 1) / TIMES)
        kept = self._schedule.alphas_cumprod.to(x.device)[time].sqrt()[:, None, None]
        noisy = (1 - kept.square()).sqrt()
        path = x / (kept + noisy)  # (1 − t) latent + t noise, with t = noisy / (kept + noisy)
        along = denoise(path, (noisy / (kept + noisy))[:, 0, 0])  # noise − latent
        return (kept - noisy) * path + along / (kept + noisy)

    def _backwards(self, begin: Beginning, predict: Predict, steps: int) -> Tensor:
        scheduler = self._new_schedule()
        scheduler.set_timesteps(steps)
        times, x = scheduler.timesteps, begin.noise
        if begin.latent is not None:
            kept = scheduler.alphas_cumprod[times].sqrt()
            share = begin.share
            first = min(int((kept * share < (1 - kept.square()).sqrt() * (1 - share)).sum()), len(times) - 1)
            times = times[first:]
            x = scheduler.add_noise(begin.latent, x, times[:1])
        for time in times:
            velocity = self._velocity(x, time.to(x.device).expand(len(x)), predict)
            x = scheduler.step(velocity, time, x).prev_sample
        return x

    @cached_property
    def _schedule(self) -> Any:
        return self._new_schedule()

    def _new_schedule(self) -> Any:
        import diffusers

        shared = {
            "num_train_timesteps": TIMES,
            "beta_schedule": "squaredcos_cap_v2",
            "prediction_type": "v_prediction",
            "timestep_spacing": "trailing",
            "rescale_betas_zero_snr": True,
        }
        if self.sampler == "dpm":
            return diffusers.DPMSolverMultistepScheduler(**shared)  # type: ignore[attr-defined]
        return diffusers.DDIMScheduler(**shared, clip_sample=False)  # type: ignore[attr-defined]
