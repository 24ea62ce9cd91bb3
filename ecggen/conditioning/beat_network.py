"""Beat by beat: from each beat of the seen leads, beside the record's mean beat, the same beat of the eight leads.

A convolution must find out where in the beat it stands at every sample, and spends its arithmetic on ten beats that
are nearly the same. A dense network on beats that are aligned at their QRS knows the place, and the mean beat is nearly
free of noise: for a tenth of the arithmetic it lies nearer to the truth (signal averaging, as in Simson, Circulation
1981;64:235). What it writes is put together along time and handed to the reader, which corrects it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.conditioning.condition import METADATA, Condition
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.networks.dense import DenseNetwork
from ecggen.networks.losses import amplitude, squared

WRITTEN = len(INDEPENDENT_LEADS) + 1
"""Channels along time that are handed on: eight leads, and how far a beat was there to write them."""

REFRACTORY = 0.22
"""Shortest RR interval in s."""
QRS = 0.1
"""Duration in s of a QRS, over which slopes are summed."""
LEAST = 0.15
"""Share of the usual QRS's squared slope from which a peak counts as one."""
STRETCH = 1.5
"""Seconds in each of which the steepest moment is taken for a QRS, to learn what is usual in the record."""
QUIET = 0.02
"""mV: no beat is taken for fainter when it is scaled."""


@dataclass(frozen=True)
class Beats:
    """The beats of a batch, one after the other.

    Attributes:
        record: Index of each beat's record, (beat,).
        at: Sample of its QRS, (beat,).
    """

    record: Tensor
    at: Tensor


class Beatwise(nn.Module):
    """Writes the eight leads around each QRS of the seen ones.

    Args:
        sizes: Samples of a beat before its QRS and from there on; units of each dense layer; residual blocks.
        dropout: Share of the units that are left out in training.
    """

    penalty: Callable[[Tensor, Tensor, Tensor], Tensor]

    def __init__(self, sizes: Sequence[int], dropout: float = 0.2):
        super().__init__()
        self.before, self.after, width, blocks = sizes
        samples = self.before + self.after
        self.penalty = squared
        told = 2 * len(INDEPENDENT_LEADS) * samples + len(STANDARD_LEADS) + 2 * len(METADATA) + 1
        self.network = DenseNetwork(told, len(INDEPENDENT_LEADS) * samples, width, blocks, dropout)

    def forward(self, condition: Condition, metadata: Tensor) -> Tensor:
        """(batch, ``WRITTEN``, time): mV, and a share between 0 and 1; zero where no beat is seen.

        Args:
            condition: At the model's rate.
            facts: Facts and their masks, (batch, 6), as networks read them.
        """
        beats = qrs(condition)
        return self._joined(self._written(condition, metadata, beats), beats, condition)

    def error(self, eight: Tensor, condition: Condition, metadata: Tensor, each: int = 2) -> Tensor:
        """``penalty`` of some beats, ``each`` a record on average, without what lies beyond the recording's ends."""
        beats = qrs(condition)
        some = torch.randperm(len(beats.at), device=beats.at.device)[: each * len(condition)]
        written = self._written(condition, metadata, beats, some)
        true = self._around(eight, beats)[some]
        inside = self._around(torch.ones_like(eight[:, :1]), beats)[some]
        return self.penalty(written * inside, true, amplitude(true)) * inside.numel() / inside.sum().clamp(min=1)

    def _written(self, condition: Condition, metadata: Tensor, beats: Beats, some: Tensor | None = None) -> Tensor:
        """(beat, 8, sample) in mV, of ``some`` of the beats."""
        # The least eight leads that show what is seen: any lead has a voice in them, an unseen one has none.
        eight = project_onto_observed(
            condition.leads.new_zeros(len(condition), len(INDEPENDENT_LEADS), condition.samples), condition
        )
        seen = condition.lead_mask.any(1, keepdim=True).to(eight)
        waves, there = self._around(eight * seen, beats), self._around(seen, beats)
        mean = _mean(waves, beats, len(condition)) / _mean(there, beats, len(condition)).clamp(min=1e-3)
        shown = self._around(condition.lead_mask.to(eight), beats).mean(-1)
        if some is not None:
            waves, shown, beats = waves[some], shown[some], Beats(beats.record[some], beats.at[some])
        mean = mean[beats.record]
        loud = mean.square().mean((1, 2), keepdim=True).sqrt() + QUIET
        told = [(mean / loud).flatten(1), (waves / loud).flatten(1), shown, metadata[beats.record], loud[..., 0].log()]
        return self.network(torch.cat(told, 1)).float().unflatten(1, (len(INDEPENDENT_LEADS), -1)) * loud

    def _around(self, waves: Tensor, beats: Beats) -> Tensor:
        """(beat, channel, sample): ``waves`` (batch, channel, time) around each beat, zero beyond the ends."""
        padded = F.pad(waves, (self.before, self.after))
        windows = padded.unfold(-1, self.before + self.after, 1)
        return windows[beats.record, :, beats.at]

    def _joined(self, written: Tensor, beats: Beats, condition: Condition) -> Tensor:
        """Beats put together along time, each the more the nearer its QRS."""
        size, padded = self.before + self.after, condition.samples + self.before + self.after
        place = torch.arange(size, device=written.device, dtype=written.dtype) - self.before
        away = torch.where(place < 0, -place / self.before, place / self.after)
        fade = ((1 - away) * 8).clamp(0, 1)
        near = fade * ((1 - away).square() + 0.01)
        where = (beats.record * padded + beats.at)[:, None] + torch.arange(size, device=written.device)
        channels = torch.cat([written * near, near.expand(len(written), 1, -1), fade.expand(len(written), 1, -1)], 1)
        sums = written.new_zeros(channels.shape[1], len(condition) * padded)
        sums.index_add_(1, where.flatten(), channels.transpose(0, 1).flatten(1))
        sums = sums.unflatten(1, (len(condition), padded)).transpose(0, 1)[..., self.before : -self.after]
        return torch.cat([sums[:, :-2] / sums[:, -2:-1].clamp(min=1e-6), sums[:, -1:].clamp(max=1)], 1)


@torch.no_grad()
def qrs(condition: Condition) -> Beats:
    """Where the seen leads are steepest for the time of a QRS.

    Plain and quick, on whole batches, for finding places that are alike from beat to beat; ``ecggen.core.rhythm`` finds R
    peaks that are to be trusted.
    """
    slope = condition.leads.diff(dim=-1) * (condition.lead_mask[..., 1:] & condition.lead_mask[..., :-1])
    slope = F.pad(slope, (0, 1))
    usual = slope.square().mean(-1, keepdim=True).sqrt()
    taps = max(3, round(QRS * condition.fs) | 1)
    window = torch.hann_window(taps + 2, periodic=False, device=slope.device)[1:-1]
    steep = (slope / (usual + 1e-4)).square().sum(1, keepdim=True)
    steep = F.conv1d(steep, (window / window.sum())[None, None], padding=taps // 2)
    reach = max(1, round(REFRACTORY * condition.fs))
    highest = F.max_pool1d(steep, 2 * reach + 1, 1, reach)
    stretch = min(condition.samples, max(1, round(STRETCH * condition.fs)))
    tall = F.max_pool1d(steep, stretch, stretch)
    told = F.max_pool1d(condition.lead_mask.any(1, keepdim=True).to(steep), stretch, stretch) > 0
    tall = tall.where(told, torch.nan).nanmedian(-1, keepdim=True).values  # a short recording leaves stretches unseen
    found = (steep == highest) & (steep > LEAST * tall) & (steep > 1e-6)
    record, _, at = found.nonzero(as_tuple=True)
    return Beats(record, at)


def _mean(waves: Tensor, beats: Beats, records: int) -> Tensor:
    """(record, channel, sample): the mean of each record's beats."""
    sums = waves.new_zeros(records, *waves.shape[1:]).index_add_(0, beats.record, waves)
    counts = torch.bincount(beats.record, minlength=records).clamp(min=1)
    return sums / counts[:, None, None]
