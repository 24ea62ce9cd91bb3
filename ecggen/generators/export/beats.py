"""The beat network with a fixed number of beats, without operations whose result has a size that depends on the data.

The same as ``ecggen.conditioning.beat_network`` for windows in which the leads are observed at every sample.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.conditioning.beat_network import (
    NOISY,
    QUIET,
    REFRACTORY,
    STRETCH,
    Beatwise,
    smoothed,
    steepest,
    steepness,
    threshold,
)


class FixedBeats(nn.Module):
    """``Beatwise`` for windows of a fixed length in which the same leads are observed at every sample.

    Args:
        beatwise: The beat network.
        observed: (12,) bool.
        samples: Samples of a window.
        fs: Sampling rate in Hz.
    """

    observed: Tensor
    near: Tensor
    fade: Tensor

    def __init__(self, beatwise: Beatwise, observed: Tensor, samples: int, fs: float):
        super().__init__()
        self.network, self.before, self.after = beatwise.network, beatwise.before, beatwise.after
        self.fs = fs
        self.samples, self.reach = samples, max(1, round(REFRACTORY * fs))
        self.stretch = min(samples, max(1, round(STRETCH * fs)))
        self.beats = -(-samples // (self.reach + 1))  # two maxima are further apart than ``reach``
        self.register_buffer("observed", observed.float()[None, :, None])
        place = torch.arange(self.before + self.after).float() - self.before
        distance = torch.where(place < 0, -place / self.before, place / self.after)
        self.register_buffer("fade", ((1 - distance) * 8).clamp(0, 1))
        self.register_buffer("near", self.fade * ((1 - distance).square() + 0.01))

    def forward(self, twelve: Tensor, eight: Tensor, metadata: Tensor) -> Tensor:
        """Predicted beats joined along time.

        Args:
            twelve: (batch, 12, time) mV, zero where not observed.
            eight: (batch, 8, time) mV: the smallest independent leads that match the observed ones.
            metadata: (batch, 6) metadata and masks.

        Returns:
            (batch, 9, time), as from ``Beatwise``.
        """
        at, valid = self.qrs(twelve)
        index = at[:, :, None] + torch.arange(self.before + self.after)
        waves = self._around(eight, index) * valid
        inside = self._around(torch.ones_like(eight[:, :1]), index) * valid
        counts = valid.sum(1, keepdim=True).clamp(min=1)
        weights = inside.sum(1, keepdim=True) / counts
        mean = (waves.sum(1, keepdim=True) / counts) / weights.clamp(min=1e-3)
        rms = mean.square().mean((2, 3), keepdim=True).sqrt() + QUIET
        observed = inside.mean(-1) * self.observed[..., 0][:, None]
        each = (-1, self.beats, -1)
        inputs = [
            (mean / rms).flatten(2).expand(each),
            (waves / rms).flatten(2),
            observed,
            metadata[:, None].expand(each),
            rms[..., 0].log().expand(each),
        ]
        written = self.network(torch.cat(inputs, 2).flatten(0, 1))
        written = written.unflatten(0, (-1, self.beats)).unflatten(2, (eight.shape[1], -1)) * rms
        return self._joined(written, index, valid)

    def qrs(self, twelve: Tensor) -> tuple[Tensor, Tensor]:
        """Positions of the QRS (batch, beat), and which of them exist: (batch, beat, 1, 1), 0 or 1."""
        exact = steepness(twelve, self.fs)
        tall, floor = self._levels(exact)
        noisy = floor > NOISY * tall
        steep = torch.where(noisy, steepness(smoothed(twelve, self.fs), self.fs), exact)
        limit = threshold(*self._levels(steep))
        highest = F.max_pool1d(steep, 2 * self.reach + 1, 1, self.reach)
        found = (steep == highest) & (steep > limit) & (steep > 1e-6)
        height, at = torch.where(found, steep, torch.zeros_like(steep))[:, 0].topk(self.beats, -1)
        moved = steepest(exact, self.fs).gather(1, at)
        return torch.where(noisy[:, 0], moved, at), (height > 0).to(twelve)[..., None, None]

    def _levels(self, steep: Tensor) -> tuple[Tensor, Tensor]:
        """Lower medians (batch, 1, 1): over stretches of the steepest sample, and over all samples."""
        return _lower_median(F.max_pool1d(steep, self.stretch, self.stretch)), _lower_median(steep)

    def _around(self, waves: Tensor, index: Tensor) -> Tensor:
        """Windows (batch, beat, channel, sample) of ``waves`` (batch, channel, time), zero-padded."""
        padded = F.pad(waves, (self.before, self.after))
        where = index.flatten(1)[:, None].expand(-1, waves.shape[1], -1)
        return padded.gather(2, where).unflatten(2, (self.beats, -1)).transpose(1, 2)

    def _joined(self, written: Tensor, index: Tensor, valid: Tensor) -> Tensor:
        """Beats (batch, beat, 8, sample) joined along time, as in ``beat_network.join_beats``."""
        weights = torch.stack([self.near, self.fade]).expand(*written.shape[:2], -1, -1)
        channels = (torch.cat([written * self.near, weights], 2) * valid).transpose(1, 2).flatten(2)
        where = index.flatten(1)[:, None].expand_as(channels)
        empty = written.new_zeros(written.shape[0], channels.shape[1], self.samples + self.before + self.after)
        sums = empty.scatter_add(2, where, channels)[..., self.before : self.before + self.samples]
        return torch.cat([sums[:, :-2] / sums[:, -2:-1].clamp(min=1e-6), sums[:, -1:].clamp(max=1)], 1)


def _lower_median(values: Tensor) -> Tensor:
    """Lower median over time (batch, channel, 1), without an operation that ONNX lacks."""
    middle = (values.shape[-1] - 1) // 2
    return values.sort(-1).values[..., middle : middle + 1]
