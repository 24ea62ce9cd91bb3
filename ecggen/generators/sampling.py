"""Random numbers of each record, options of the sampler, and guidance by finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ecggen.core.errors import InputError


class Noise:
    """Random numbers for a batch of draws. Each record has its own stream, derived from (seed, index).

    Therefore a record does not depend on the batch, shard or machine in which it is drawn.

    Args:
        seed: Random seed.
        indices: Index of each record.
        mirrored: Whether each odd index gets the negated numbers of the preceding index. The mean of such pairs has a
            smaller variance (antithetic variates, Hammersley & Morton 1956).

    Example:
        >>> both, second = Noise(0, [3, 4]).normal(2), Noise(0, [4]).normal(2)
        >>> bool((both[1] == second[0]).all())
        True
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
    """Sampling options of an iterative generator.

    Attributes:
        num_steps: Number of sampler steps from noise to ECG.
        guidance_scale: Scale of classifier-free guidance by text and metadata (Ho & Salimans 2022): 1 uses the
            conditional prediction, values above 1 amplify the condition, 0 ignores it. Leads and PPG are not guided.
        num_steps_with_leads: Number of steps for records with observed leads; None for ``num_steps``.
        pag_scale: Scale of perturbed-attention guidance (Ahn et al. 2024, arXiv 2403.17377). Each step moves away from
            the prediction without self-attention along time, which makes a draw more consistent along time. It is
            active only if text or metadata is given and no lead is observed; 0 disables it.
        guidance_interval: Both kinds of guidance are active at noise levels from 0 to this one, at most 1. Guidance at
            higher noise levels reduces the diversity of draws (Kynkäänniemi et al. 2024, arXiv 2404.07724).
        stronger_scale: Guidance scale of median beats for texts with findings that are drawn too rarely
            (``RARELY_DRAWN``); None for ``guidance_scale``.

    Raises:
        InputError: If a value is out of range.
    """

    num_steps: int
    guidance_scale: float = 1.0
    num_steps_with_leads: int | None = None
    pag_scale: float = 0.0
    guidance_interval: float = 1.0
    stronger_scale: float | None = None

    def __post_init__(self):
        for steps in (self.num_steps, self.num_steps_with_leads):
            if steps is not None and not 1 <= steps <= 1000:
                raise InputError(f"{steps} steps", "1 to 1000 were expected")
        for scale in (self.guidance_scale, self.stronger_scale):
            if scale is not None and not 0 <= scale <= 20:
                raise InputError(f"guidance scale {scale:g}", "0 to 20 was expected; 1 disables guidance")
        if not 0 <= self.pag_scale <= 5:
            raise InputError(f"pag_scale {self.pag_scale:g}", "0 to 5 was expected; 0 disables it")
        if not 0 <= self.guidance_interval <= 1:
            found = f"guidance interval {self.guidance_interval:g}"
            raise InputError(found, "a noise level from 0 to 1 was expected")

    def steps(self, observed: bool) -> int:
        """Number of steps with or without observed leads."""
        return self.num_steps_with_leads if observed and self.num_steps_with_leads is not None else self.num_steps

    def changed(self, num_steps: int | None = None, guidance_scale: float | None = None) -> Sampling:
        """A copy with another number of steps (with or without leads) or guidance scale of all texts; None keeps a
        value."""
        options = self if num_steps is None else replace(self, num_steps=num_steps, num_steps_with_leads=None)
        return (
            options if guidance_scale is None else replace(options, guidance_scale=guidance_scale, stronger_scale=None)
        )

    def used(self, observed: bool, text_or_metadata: bool) -> Sampling:
        """The options that are active, given whether leads are observed and whether text or metadata are given."""
        own = replace(self, num_steps=self.steps(observed), num_steps_with_leads=None)
        if not text_or_metadata:
            return Sampling(own.num_steps)
        return replace(own, pag_scale=0.0) if observed else own

    def describe(self, observed: bool, text_or_metadata: bool) -> str:
        """``used`` as text, for provenance.

        Example:
            >>> Sampling(16, guidance_scale=2.0, num_steps_with_leads=4).describe(True, True)
            '4 steps, guidance scale 2'
            >>> Sampling(8, guidance_scale=1.25, stronger_scale=2.25).describe(False, True)
            '8 steps, guidance scale 1.25 to 2.25'
        """
        own = self.used(observed, text_or_metadata)
        guidance = f", guidance scale {own.guidance_scale:g}" if text_or_metadata else ""
        guidance += f" to {own.stronger_scale:g}" if guidance and own.stronger_scale is not None else ""
        attention = f", PAG scale {own.pag_scale:g}" if own.pag_scale else ""
        below = f" below noise level {own.guidance_interval:g}" if own.guidance_interval < 1 else ""
        return f"{own.num_steps} steps{guidance}{attention}{below}"


RARELY_DRAWN = frozenset(
    {"1AVB", "LPR", "LAO/LAE", "RAO/RAE", "IRBBB", "LNGQT", "QWAVE", "INVT", "ALMI", "LPFB", "HVOLT", "VCLVH"}
)
"""Statements whose criterion fewer draws meet than recordings, with all generators or most, and with more guidance more
of them do (fold 9)."""


def guidance_groups(
    texts: Sequence[str], guided: Tensor, affirmed: Callable[[str], frozenset[str]], how: Sampling
) -> list[tuple[Tensor, float]]:
    """Records whose median beats are drawn with the same guidance scale: masks (record,) and scales.

    Guidance makes a draw more typical of its text, and draws of one text more alike. Most findings are drawn as often
    as they are recorded with little guidance; those of ``RARELY_DRAWN`` are small or rare, and need more of it.

    Args:
        texts: Text of each record.
        guided: (record,) whether it is guided at all.
        affirmed: Codes of the statements that a text affirms.
        how: Sampling options.

    Example:
        >>> how = Sampling(8, 1.25, stronger_scale=2.25)
        >>> read = {"long PR interval": frozenset({"LPR"}), "normal ECG": frozenset({"NORM"}), "": frozenset()}
        >>> groups = guidance_groups(list(read), torch.tensor([True, True, False]), read.__getitem__, how)
        >>> [(mask.tolist(), scale) for mask, scale in groups]
        [([True, False, False], 2.25), ([False, True, False], 1.25), ([False, False, True], 1.0)]
    """
    if how.stronger_scale is None:
        return [(guided, how.guidance_scale), (~guided, 1.0)]
    asked = [one and bool(affirmed(text) & RARELY_DRAWN) for text, one in zip(texts, guided.tolist(), strict=True)]
    strongly = torch.tensor(asked, dtype=torch.bool)
    return [(strongly, how.stronger_scale), (guided & ~strongly, how.guidance_scale), (~guided, 1.0)]
