"""Beat network: predicts each beat of the eight leads from the observed leads of that beat and of the mean beat.

Beats are aligned at the QRS, so that a dense network can be used instead of convolutions, and the mean beat has little
noise (signal averaging; Simson, Circulation 1981;64:235). This is more accurate than a convolutional network at a tenth
of its cost. The predicted beats are joined along time and passed to the condition encoder, which corrects them.
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
"""Output channels: eight leads, and a weight in [0, 1] that is zero where there is no beat."""

REFRACTORY = 0.22
"""Shortest RR interval in s."""
QRS = 0.1
"""Duration of a QRS in s, over which slopes are summed."""
LEAST = 0.15
"""Detection threshold for a QRS, as a fraction of the median squared slope of QRS complexes in the record."""
STRETCH = 1.5
"""Length in s of the segments whose steepest samples are used to estimate that median."""
FLOOR = 4.0
"""Detection threshold for a QRS, as a multiple of the record's median smoothed squared slope; at most ``MOST``."""
MOST = 0.6
"""Largest detection threshold, relative to the same as ``LEAST``."""
NOISY = 0.1
"""Median smoothed squared slope, relative to the same as ``LEAST``, above which a record is noisy."""
SMOOTHING = 0.05
"""Window in s by which the leads of a noisy record are smoothed for the detection; the position is found without."""
ALIGNMENT = 0.04
"""Largest distance in s between a QRS that was detected in smoothed leads and its position."""
QUIET = 0.02
"""Offset of the amplitude in mV by which beats are normalised."""


@dataclass(frozen=True)
class Beats:
    """Beats of all records of a batch, concatenated.

    Attributes:
        record: (beat,) index of the record.
        at: (beat,) sample of the QRS.
    """

    record: Tensor
    at: Tensor


class Beatwise(nn.Module):
    """Predicts the eight leads around each QRS that is found in the observed leads.

    Args:
        sizes: Samples of a beat before its QRS and from its QRS on; units of each dense layer; residual blocks.
        dropout: Dropout probability.
    """

    penalty: Callable[[Tensor, Tensor, Tensor], Tensor]

    def __init__(self, sizes: Sequence[int], dropout: float = 0.2):
        super().__init__()
        self.before, self.after, width, blocks = sizes
        samples = self.before + self.after
        self.penalty = squared
        inputs = 2 * len(INDEPENDENT_LEADS) * samples + len(STANDARD_LEADS) + 2 * len(METADATA) + 1
        self.network = DenseNetwork(inputs, len(INDEPENDENT_LEADS) * samples, width, blocks, dropout)

    def forward(self, condition: Condition, metadata: Tensor) -> Tensor:
        """Predict the beats and join them along time.

        Args:
            condition: At the model's rate.
            metadata: (batch, 6) metadata and masks from ``ConditionEncoder.numbers``.

        Returns:
            (batch, ``WRITTEN``, time): eight leads in mV and their weight; zero where no beat is observed.
        """
        beats = qrs(condition)
        return self._joined(self._written(condition, metadata, beats), beats, condition)

    def error(self, eight: Tensor, condition: Condition, metadata: Tensor, each: int = 2) -> Tensor:
        """``penalty`` on a random subset of beats, ``each`` per record on average, within the recording."""
        beats = qrs(condition)
        some = torch.randperm(len(beats.at), device=beats.at.device)[: each * len(condition)]
        written = self._written(condition, metadata, beats, some)
        true = self._around(eight, beats)[some]
        inside = self._around(torch.ones_like(eight[:, :1]), beats)[some]
        return self.penalty(written * inside, true, amplitude(true)) * inside.numel() / inside.sum().clamp(min=1)

    def _written(self, condition: Condition, metadata: Tensor, beats: Beats, some: Tensor | None = None) -> Tensor:
        """Predicted beats (beat, 8, sample) in mV; ``some`` are the indices of a subset."""
        # Minimum-norm solution for the independent leads: all observed leads contribute, masked leads do not.
        eight = project_onto_observed(
            condition.leads.new_zeros(len(condition), len(INDEPENDENT_LEADS), condition.samples), condition
        )
        mask = condition.lead_mask.any(1, keepdim=True).to(eight)
        waves, weights = self._around(eight * mask, beats), self._around(mask, beats)
        mean = _mean(waves, beats, len(condition)) / _mean(weights, beats, len(condition)).clamp(min=1e-3)
        observed = self._around(condition.lead_mask.to(eight), beats).mean(-1)
        if some is not None:
            waves, observed, beats = waves[some], observed[some], Beats(beats.record[some], beats.at[some])
        mean = mean[beats.record]
        rms = mean.square().mean((1, 2), keepdim=True).sqrt() + QUIET
        inputs = [
            (mean / rms).flatten(1),
            (waves / rms).flatten(1),
            observed,
            metadata[beats.record],
            rms[..., 0].log(),
        ]
        return self.network(torch.cat(inputs, 1)).float().unflatten(1, (len(INDEPENDENT_LEADS), -1)) * rms

    def _around(self, waves: Tensor, beats: Beats) -> Tensor:
        return windows_around(waves, beats, self.before, self.after)

    def _joined(self, written: Tensor, beats: Beats, condition: Condition) -> Tensor:
        return join_beats(written, beats, self.before, self.after, (len(condition), condition.samples))


def windows_around(waves: Tensor, beats: Beats, before: int, after: int) -> Tensor:
    """Windows (beat, channel, before + after) of ``waves`` (batch, channel, time) around each QRS, zero-padded."""
    padded = F.pad(waves, (before, after))
    windows = padded.unfold(-1, before + after, 1)
    return windows[beats.record, :, beats.at]


def join_beats(written: Tensor, beats: Beats, before: int, after: int, shape: tuple[int, int]) -> Tensor:
    """Join beats (beat, channel, before + after) along time, weighted by the distance from their QRS.

    Args:
        written: Values around each QRS.
        beats: Their records and positions.
        before: Samples before a QRS.
        after: Samples from a QRS on.
        shape: Number of records and of samples.

    Returns:
        (record, channel + 1, time): the channels, and a weight in [0, 1] that is zero where there is no beat.
    """
    records, samples = shape
    size, padded = before + after, samples + before + after
    place = torch.arange(size, device=written.device, dtype=written.dtype) - before
    distance = torch.where(place < 0, -place / before, place / after)
    fade = ((1 - distance) * 8).clamp(0, 1)
    near = fade * ((1 - distance).square() + 0.01)
    where = (beats.record * padded + beats.at)[:, None] + torch.arange(size, device=written.device)
    channels = torch.cat([written * near, near.expand(len(written), 1, -1), fade.expand(len(written), 1, -1)], 1)
    sums = written.new_zeros(channels.shape[1], records * padded)
    sums.index_add_(1, where.flatten(), channels.transpose(0, 1).flatten(1))
    sums = sums.unflatten(1, (records, padded)).transpose(0, 1)[..., before:-after]
    return torch.cat([sums[:, :-2] / sums[:, -2:-1].clamp(min=1e-6), sums[:, -1:].clamp(max=1)], 1)


@torch.no_grad()
def qrs(condition: Condition) -> Beats:
    """QRS positions: maxima of the squared slope of the observed leads, smoothed over the duration of a QRS.

    A simple and fast detector for batches, to align beats. For R peaks in general, use ``ecggen.core.rhythm.r_peaks``.
    In noisy records, beats are detected in smoothed leads.
    """
    mask, samples = condition.lead_mask, condition.samples
    given = mask.any(1, keepdim=True)
    both = mask[..., 1:] & mask[..., :-1]
    reach = max(1, round(REFRACTORY * condition.fs))
    stretch = min(samples, max(1, round(STRETCH * condition.fs)))
    within = F.max_pool1d(given.to(condition.leads), stretch, stretch) > 0

    def levels(steep: Tensor) -> tuple[Tensor, Tensor]:
        """Median over stretches of the steepest sample, and over all samples; padding is masked."""
        tall = F.max_pool1d(steep, stretch, stretch).where(within, torch.nan)
        floor = steep.where(given, torch.nan)
        return tall.nanmedian(-1, keepdim=True).values, floor.nanmedian(-1, keepdim=True).values

    exact = steepness(condition.leads, condition.fs, both)
    tall, floor = levels(exact)
    noisy = floor > NOISY * tall
    steep = exact
    if bool(noisy.any()):
        steep = exact.where(~noisy, steepness(smoothed(condition.leads, condition.fs), condition.fs, both))
        tall, floor = levels(steep)
    highest = F.max_pool1d(steep, 2 * reach + 1, 1, reach)
    found = (steep == highest) & (steep > threshold(tall, floor)) & (steep > 1e-6)
    record, _, at = found.nonzero(as_tuple=True)
    moved = steepest(exact, condition.fs)[record, at]
    return Beats(record, torch.where(noisy[record, 0, 0], moved, at))


def steepness(leads: Tensor, fs: float, both: Tensor | None = None) -> Tensor:
    """Squared slope of leads (batch, lead, time), normalised, summed, smoothed over a QRS: (batch, 1, time).

    Args:
        leads: mV, zero where not observed.
        fs: Sampling rate in Hz.
        both: (batch, lead, time - 1), whether a sample and the next one are observed; all if left out.
    """
    slope = leads.diff(dim=-1)
    slope = F.pad(slope if both is None else slope * both, (0, 1))
    usual = slope.square().mean(-1, keepdim=True).sqrt()
    window = _window(QRS, fs, leads)
    steep = (slope / (usual + 1e-4)).square().sum(1, keepdim=True)
    return F.conv1d(steep, window, padding=window.shape[-1] // 2)


def smoothed(leads: Tensor, fs: float) -> Tensor:
    """Leads (batch, lead, time) smoothed over ``SMOOTHING``."""
    window = _window(SMOOTHING, fs, leads)
    return F.conv1d(leads, window.expand(leads.shape[1], -1, -1), padding=window.shape[-1] // 2, groups=leads.shape[1])


def threshold(tall: Tensor, floor: Tensor) -> Tensor:
    """Detection threshold from the typical steepness of a QRS and the median steepness."""
    return torch.maximum(LEAST * tall, torch.minimum(FLOOR * floor, MOST * tall))


def steepest(steep: Tensor, fs: float) -> Tensor:
    """The steepest sample within ``ALIGNMENT`` of each sample of ``steep`` (batch, 1, time): (batch, time)."""
    reach = max(1, round(ALIGNMENT * fs))
    windows = F.pad(steep[:, 0], (reach, reach), value=-1).unfold(-1, 2 * reach + 1, 1)
    return windows.argmax(-1) - reach + torch.arange(steep.shape[-1], device=steep.device)


def _window(seconds: float, fs: float, like: Tensor) -> Tensor:
    taps = max(3, round(seconds * fs) | 1)
    window = torch.hann_window(taps + 2, periodic=False, device=like.device, dtype=like.dtype)[1:-1]
    return (window / window.sum())[None, None]


def _mean(waves: Tensor, beats: Beats, records: int) -> Tensor:
    """Mean beat of each record, (record, channel, sample)."""
    sums = waves.new_zeros(records, *waves.shape[1:]).index_add_(0, beats.record, waves)
    counts = torch.bincount(beats.record, minlength=records).clamp(min=1)
    return sums / counts[:, None, None]
