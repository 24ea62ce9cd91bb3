"""Latent diffusion told in words, facts and waves, after DiffuSETS (arXiv 2501.05932).

DiffuSETS encodes twelve leads into a few channels along time and denoises them with a U-Net that attends to a
report's embedding, beside age, sex and heart rate. Kept from it: the latent, the U-Net with cross-attention, the
conditions. Ours, and why:

- The report enters as *tokens* of an encoder that runs offline. (One vector repeated along the sequence makes all
  keys of the cross-attention equal, so that it can only add a constant.) Age, sex and heart rate are normalised and
  scale and shift every block; leads and PPG come in through the reader.
- Words and facts are hidden from a part of the records, so that guidance can follow them more closely than learnt
  (Ho & Salimans 2022). Guidance leaves what was measured alone.
- The network predicts the velocity, on a cosine schedule that ends in nothing but noise (Salimans & Ho 2022; Lin et
  al. 2024): as published, ε-prediction never quite reaches it and cannot be drawn in few steps.
- The network may be asked as that of a rectified flow is (``straight``): noise and latent are scaled to lie on the
  straight path between them, and its answer is turned into the velocity in closed form. Both are Gaussian paths between
  the same ends (Kingma & Gao 2023), so that the weights of either can begin with the other's.
- DDIM or DPM-Solver in a few steps in the place of a thousand; a moving average of the weights.
- Patients are split by fold, leads are addressed by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from ecggen.generators.latent import Beginning, Known, LatentGenerator, Predict
from ecggen.networks.latent import spread_times

TIMES = 1000
"""Steps of the schedule that training draws from."""


class Diffusion(LatentGenerator):
    """Latent diffusion with guidance by words and facts.

    Args:
        widths: Channels of the reader's levels.
        blocks: Residual blocks of each.
        width: Width of the condition's vector and tokens.
        whole: Channels of the reader's latent of a whole record.
        along: Channels of the reader's latent along time.
        latent: Channels of the latent (4 in DiffuSETS).
        space: Channels of the autoencoder's two levels.
        deep: Channels of the denoiser's two levels (seven levels in DiffuSETS).
        deep_blocks: Residual blocks of each.
        beside: Channels of the reader's features that the denoiser sees.
        folded: Neighbouring samples folded into channels; the window must hold a multiple of folded · 2^(levels−1).
        looks: Noisy versions of each record in a training step.
        summary: Whether the text's summary steers every block of the denoiser.
        steps: Steps of the sampler, unless asked otherwise (1000 in DiffuSETS).
        seen_steps: Steps where leads are seen, which leave less to be drawn; 0 for as many.
        guidance: Guidance by words and facts, unless asked otherwise (none in DiffuSETS).
        coherence: Guidance towards draws of one piece, unless asked otherwise (``ecggen.generators.base.Sampling``).
        guided_below: Share of noise below which both act.
        straight: Whether the denoiser is asked, and answers, as a rectified flow's.
        sampler: "ddim" (Song et al. 2021) or "dpm" (DPM-Solver++, Lu et al. 2022).
        prior: Weight of the posterior's divergence from the standard normal distribution.
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

    def _denoiser_error(self, latent: Tensor, known: Known) -> Tensor:
        """Squared error of the velocity at random times of the schedule."""
        noise = torch.randn_like(latent)
        time = (spread_times(len(latent), latent.device) * TIMES).long()
        x = self._schedule.add_noise(latent, noise, time)
        velocity = self._schedule.get_velocity(latent, noise, time)
        answer = self._velocity(x, time, lambda x, share: self._denoise(x, share, known))
        return (answer - velocity).square().mean()

    def _velocity(self, x: Tensor, time: Tensor, denoise: Predict) -> Tensor:
        """The velocity at noisy latents (batch, latent, step) and times of the schedule (batch,), by the denoiser."""
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
