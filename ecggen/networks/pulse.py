"""Pulse network: from a PPG to the intensity of R peaks at each moment.

It is a one-dimensional U-Net (Ronneberger et al., MICCAI 2015). Four neighbouring samples are folded into channels, and
time is downsampled and upsampled four times by a factor of 2, so that several seconds on either side are regarded. The
output is the logarithm of the expected number of R peaks in each sample. Its integral over a part of time is the
expected number of beats there, and the width of its peaks the uncertainty of their times.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.networks.blocks import fold, unfold

CHANNELS = 3
"""Channels of the input, see ``ecggen.conditioning.pulse_beats.prepare``."""
USUAL = -4.4
"""Initial logarithm of the intensity: 73 beats per minute at 100 Hz."""
LARGEST = 1.0
"""Largest logarithm of the intensity."""


class PulseNetwork(nn.Module):
    """PPGs (batch, ``CHANNELS``, time) → logarithm of the intensity of R peaks per sample (batch, time).

    Args:
        widths: Channels at each scale, finest first; each further scale halves the sampling rate.
        kernel: Kernel size, odd.
        samples: Neighbouring samples folded into channels.
        dilations: Dilations of the layers at the coarsest scale.
    """

    def __init__(
        self,
        widths: Sequence[int] = (32, 48, 64, 64, 96),
        kernel: int = 5,
        samples: int = 4,
        dilations: Sequence[int] = (1, 2, 4, 1),
    ):
        super().__init__()
        self.sizes = {"widths": list(widths), "kernel": kernel, "samples": samples, "dilations": list(dilations)}
        self.samples, self.step = samples, samples * 2 ** (len(widths) - 1)
        before = [CHANNELS * samples, *widths[:-1]]
        self.down = nn.ModuleList(
            nn.Sequential(_layer(was, now, kernel), _layer(now, now, kernel))
            for was, now in zip(before, widths, strict=True)
        )
        self.deep = nn.ModuleList(_layer(widths[-1], widths[-1], kernel, dilation) for dilation in dilations)
        self.rise = nn.ModuleList(nn.Conv1d(low, high, 1) for high, low in pairwise(widths))
        self.up = nn.ModuleList(_layer(width, width, kernel) for width in widths[:-1])
        self.intensity = nn.Conv1d(widths[0], samples, 1)
        nn.init.constant_(self.intensity.bias, USUAL)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Logarithm of the intensity (batch, time); ``time`` must be a multiple of ``step``."""
        return self.along_time(self.intensity, self.features(x)).clamp(max=LARGEST)

    def along_time(self, out: nn.Module, features: Tensor) -> Tensor:
        """Values (batch, time) of a layer that has one output for each sample."""
        return unfold(out(features), self.samples)[:, 0]

    def features(self, x: Tensor) -> Tensor:
        """Features (batch, width, step) at the finest scale."""
        h = fold(x, self.samples)
        skips = []
        for depth, layers in enumerate(self.down):
            h = layers(h if depth == 0 else F.max_pool1d(h, 2))
            skips.append(h)
        for layer in self.deep:
            h = h + layer(h)
        for depth in reversed(range(len(self.up))):
            h = self.up[depth](skips[depth] + self.rise[depth](h).repeat_interleave(2, -1))
        return h


def _layer(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv1d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm1d(outputs), nn.ReLU(inplace=True))


def intensities(network: PulseNetwork, x: Tensor) -> Tensor:
    """Expected number of R peaks in each sample (batch, time), of inputs of any length."""
    time = x.shape[-1]
    with torch.inference_mode():
        return network(F.pad(x, (0, -time % network.step)))[..., :time].exp()
