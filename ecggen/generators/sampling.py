"""How a generator draws: the random numbers of each record, and the options of the sampler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ecggen.core.errors import InputError


class Noise:
    """The random numbers of a batch of draws: each record has its own stream, derived from (seed, index).

    A record is therefore the same whatever the batch, the shard or the machine it is drawn in.

    Args:
        seed: The user's seed.
        indices: The index of each record.
        mirrored: Whether every odd index gets the negative of the one before it: the mean of such pairs lies much
            nearer to the mean of all draws (antithetic variates, Hammersley & Morton 1956).
    """

    def __init__(self, seed: int, indices: Sequence[int], mirrored: bool = False):
        self.indices, self.signs = indices, [-1 if mirrored and index % 2 else 1 for index in indices]
        own = [index - index % 2 if mirrored else index for index in indices]
        self._streams = [np.random.default_rng((abs(seed), int(seed < 0), index)) for index in own]

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers (batch, *shape)."""
        streams = zip(self._streams, self.signs, strict=True)
        drawn = [sign * stream.standard_normal(shape, dtype=np.float32) for stream, sign in streams]
        return torch.from_numpy(np.stack(drawn))

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class Sampling:
    """Options of a generator that draws in many small steps.

    Attributes:
        num_steps: Steps of the sampler from noise to ECG.
        guidance_scale: How strongly text and metadata are followed: 1 as learnt, above 1 to exaggerate (classifier-free
            guidance, Ho & Salimans 2022), 0 not at all. Recorded signals are never exaggerated.
        num_steps_with_leads: Steps where leads are observed, which leave less to be drawn; None for as many.
        pag_scale: Perturbed-attention guidance (Ahn et al. 2024, arXiv 2403.17377): how far each step moves away from
            the network's answer without attention between instants, which makes a draw more consistent along time.
            Only where text or metadata is given and no lead is observed.
        guidance_interval: Both guidances act from noise level 0 to this share of noise; above it, where a draw's
            outline is decided, they only make draws alike (Kynkäänniemi et al. 2024, arXiv 2404.07724). 1 for always.
    """

    num_steps: int
    guidance_scale: float = 1.0
    num_steps_with_leads: int | None = None
    pag_scale: float = 0.0
    guidance_interval: float = 1.0

    def __post_init__(self):
        for steps in (self.num_steps, self.num_steps_with_leads):
            if steps is not None and not 1 <= steps <= 1000:
                raise InputError(f"{steps} steps", "1 to 1000 were expected")
        if not 0 <= self.guidance_scale <= 20:
            raise InputError(f"guidance scale {self.guidance_scale:g}", "0 to 20 was expected; 1 draws as learnt")
        if not 0 <= self.pag_scale <= 5:
            raise InputError(f"pag_scale {self.pag_scale:g}", "0 to 5 was expected; 0 draws as learnt")
        if not 0 <= self.guidance_interval <= 1:
            found = f"guidance interval {self.guidance_interval:g}"
            raise InputError(found, "a share of noise from 0 to 1 was expected")

    def steps(self, observed: bool) -> int:
        """Number of steps where leads are observed, or are not."""
        return self.num_steps_with_leads if observed and self.num_steps_with_leads is not None else self.num_steps

    def changed(self, num_steps: int | None = None, guidance_scale: float | None = None) -> Sampling:
        """The same options with other steps (with leads or not) or another guidance scale; None keeps one."""
        how = self if num_steps is None else replace(self, num_steps=num_steps, num_steps_with_leads=None)
        return how if guidance_scale is None else replace(how, guidance_scale=guidance_scale)

    def used(self, observed: bool, text_or_metadata: bool) -> Sampling:
        """The options that have a part where leads are observed, or text or metadata given."""
        own = replace(self, num_steps=self.steps(observed), num_steps_with_leads=None)
        if not text_or_metadata:
            return Sampling(own.num_steps)
        return replace(own, pag_scale=0.0) if observed else own

    def describe(self, observed: bool, text_or_metadata: bool) -> str:
        """``used`` in words."""
        own = self.used(observed, text_or_metadata)
        guidance = f", guidance scale {own.guidance_scale:g}" if text_or_metadata else ""
        attention = f", PAG scale {own.pag_scale:g}" if own.pag_scale else ""
        below = f" below noise level {own.guidance_interval:g}" if own.guidance_interval < 1 else ""
        return f"{own.num_steps} steps{guidance}{attention}{below}"
