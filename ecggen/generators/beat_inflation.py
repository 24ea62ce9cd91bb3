"""Draws whose mean beats, and whose beats about them, differ as much as those of records.

Given some leads, the draws of a record differ in two ways: in their mean beats, and from beat to beat within a draw.
``Generator.ensemble_inflation`` makes the variance of a draw along time right, which does not say how it is divided
between the two. ``BeatInflation`` scales each by a factor of its own, and the deterministic prediction, from which both
are measured, by a third one. The R peaks are found in the given leads, so that all draws of a record share them; a beat
unlike the median beat of the given leads (ectopic, or disturbed) has no mean, and the whole of its difference counts as
that of a mean beat.

``ecggen.training.beat_inflation`` fits the factors and writes them beside the weights, whose hash does not depend on
them. Point estimates and prediction intervals are computed from draws with ``ensemble_inflation`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecggen.conditioning.beat_network import Beats, join_beats, windows_around
from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.core.rhythm import r_peaks
from ecggen.generators.intervals import MAX_OBSERVED, by_observed

FILE = "beat_inflation.json"
"""File beside the weights of a checkpoint."""
FORMAT = 1
BEFORE, AFTER = 0.30, 0.50
"""Seconds of a beat before and after its R peak; an eighth of each is faded out."""
CORE_BEFORE, CORE_AFTER = 0.25, 0.40
"""The same of the part by which beats are compared."""
LIKE = 0.7
"""Correlation with the median beat of the given leads below which a beat is unlike it."""
LEAST = 3
"""Fewest beats of a record that have a mean."""


@dataclass(frozen=True)
class BeatInflation:
    """Factors on the parts of a draw, in place of ``ensemble_inflation``.

    Each has the shape (4, 8): one row for 0, 1, 2 and at least 3 independent observed leads, one column per lead.

    Attributes:
        center: Factor on the deterministic prediction, so that the mean of the draws has the size of the truth.
        mean_beat: Factor on the mean beat of the distance of a draw from the deterministic prediction.
        rest: Factor on what is left of the distance.
    """

    center: Tensor
    mean_beat: Tensor
    rest: Tensor

    def draws(self, distance: Tensor, center: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        """Draws with the three factors, and in which records there are enough beats for them.

        Args:
            distance: (batch, draw, 8, time) draws before inflation less the deterministic prediction, in mV.
            center: (batch, 1, 8, time) the deterministic prediction in mV.
            condition: At the model's rate.

        Returns:
            (batch, draw, 8, time) in mV, and (batch,) bool.
        """
        mean, enough = mean_beats(distance, condition)
        of_center, of_mean, of_rest = (
            by_observed(table, condition).to(distance)[:, None] for _, table in self.tables()
        )
        return of_center * center + of_mean * mean + of_rest * (distance - mean), enough

    def as_json(self) -> dict[str, Any]:
        """Content of the file."""
        tables = {name: [[round(value, 4) for value in row] for row in each.tolist()] for name, each in self.tables()}
        return {"format": FORMAT, **tables}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str) -> BeatInflation:
        """Factors from the content of the file.

        Raises:
            InputError: If the content is of another format or incomplete.
        """
        try:
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']!r}")
            made = cls(*(torch.tensor(values[name], dtype=torch.float32) for name in ("center", "mean_beat", "rest")))
            shapes = [tuple(each.shape) for _, each in made.tables()]
            if shapes != [(MAX_OBSERVED + 1, len(INDEPENDENT_LEADS))] * len(shapes):
                raise ValueError(f"tables of shapes {shapes}")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{where} cannot be used: {error}",
                f"factors on the parts of draws, format {FORMAT}, were expected",
                "copy the checkpoint again, or fit them with python -m ecggen.training.beat_inflation",
            ) from error
        return made

    def tables(self) -> list[tuple[str, Tensor]]:
        """Names and tables, in the order of the attributes."""
        return [("center", self.center), ("mean_beat", self.mean_beat), ("rest", self.rest)]


def mean_beats(waves: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
    """The part of ``waves`` that their mean beats explain, at each beat of the given leads.

    Args:
        waves: (batch, draw, lead, time).
        condition: The given leads at the same rate.

    Returns:
        (batch, draw, lead, time), zero where there is no beat, and (batch,) bool: whether there are ``LEAST`` beats.
    """
    before, after = (round(seconds * condition.fs) for seconds in (BEFORE, AFTER))
    beats, records = _beats(condition), len(condition)
    flat = waves.flatten(1, 2)
    around = windows_around(flat, beats, before, after)
    inside = windows_around(condition.lead_mask.any(1, keepdim=True).to(flat), beats, before, after)
    usual = _like_the_median(condition, beats)
    sums = flat.new_zeros(records, *around.shape[1:]).index_add_(0, beats.record[usual], around[usual])
    counts = flat.new_zeros(records, 1, before + after).index_add_(0, beats.record[usual], inside[usual])
    mean = (sums / counts.clamp(min=1))[beats.record]
    joined = join_beats(
        torch.where(usual[:, None, None], mean, around), beats, before, after, (records, waves.shape[-1])
    )
    enough = torch.bincount(beats.record[usual], minlength=records) >= LEAST
    return (joined[:, :-1] * joined[:, -1:]).unflatten(1, waves.shape[1:3]), enough


def _beats(condition: Condition) -> Beats:
    """The R peaks of the given leads of each record."""
    given, masks = condition.leads.cpu(), condition.lead_mask.cpu()
    record, at = [], []
    for own, (waves, mask) in enumerate(zip(given, masks, strict=True)):
        leads = tuple(lead for lead, observed in zip(STANDARD_LEADS, mask.any(-1).tolist(), strict=True) if observed)
        if leads:
            wave = (waves * mask)[mask.any(-1)]
            peaks = r_peaks(ECG(wave[None], leads, condition.fs))[0]
            at += np.round(peaks * condition.fs).astype(int).clip(0, condition.samples - 1).tolist()
            record += [own] * len(peaks)
    return Beats(*(torch.tensor(each, dtype=torch.long, device=condition.leads.device) for each in (record, at)))


def _like_the_median(condition: Condition, beats: Beats) -> Tensor:
    """(beat,) whether a beat of the given leads correlates with the median beat of its record."""
    around = (round(seconds * condition.fs) for seconds in (CORE_BEFORE, CORE_AFTER))
    waves = windows_around(condition.leads * condition.lead_mask, beats, *around).flatten(1)
    like = torch.zeros(len(waves), dtype=torch.bool, device=waves.device)
    for record in beats.record.unique().tolist():
        own = (beats.record == record).nonzero()[:, 0]
        each = waves[own] - waves[own].mean(-1, keepdim=True)
        median = each.median(0).values
        like[own] = each @ median >= LIKE * each.norm(dim=-1) * median.norm()
    return like
