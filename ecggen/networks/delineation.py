"""Delineation network: classifies each sample of each lead as P wave, QRS, T wave or none.

It is a small one-dimensional U-Net (Ronneberger et al., MICCAI 2015). Four neighbouring samples are folded into
channels, and time is downsampled and upsampled three times by a factor of 2. All leads share the weights. At the
coarser scales, the mean of the features over leads is added to each lead, so that waves of low amplitude are found by
means of other leads. The network accepts any set and order of leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.networks.blocks import fold, unfold

CLASSES = ("none", "P", "QRS", "T")
"""Classes of samples, in the order of the outputs."""


class Delineator(nn.Module):
    """Waves (record, lead, time) with a standard deviation of about 1 → logits (record, lead, class, time).

    Args:
        widths: Channels at each scale, finest first; each further scale halves the sampling rate.
        kernel: Kernel size, odd.
        samples: Neighbouring samples folded into channels.
    """

    def __init__(self, widths: Sequence[int] = (24, 32, 32, 64), kernel: int = 5, samples: int = 4):
        super().__init__()
        self.sizes = {"widths": list(widths), "kernel": kernel, "samples": samples}
        self.samples, self.step = samples, samples * 2 ** (len(widths) - 1)
        before, last = [samples, *widths[:-1]], len(widths) - 1
        self.down = nn.ModuleList(
            nn.Sequential(_layer(was, now, kernel), _layer(now, now, kernel, dilation=2 if depth == last else 1))
            for depth, (was, now) in enumerate(zip(before, widths, strict=True))
        )
        self.together = nn.ModuleList(nn.Conv1d(width, width, 1) for width in widths[1:])
        self.rise = nn.ModuleList(nn.Conv1d(low, high, 1) for high, low in pairwise(widths))
        self.up = nn.ModuleList(_layer(width, width, kernel) for width in widths[:-1])
        self.out = nn.Conv1d(widths[0], samples * len(CLASSES), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits; ``time`` must be a multiple of ``step``."""
        records = len(x)
        h = fold(x.flatten(0, 1)[:, None], self.samples)
        skips = []
        for depth, layers in enumerate(self.down):
            h = layers(h if depth == 0 else F.max_pool1d(h, 2))
            if depth:
                average = h.unflatten(0, (records, -1)).mean(1)
                h = (h.unflatten(0, (records, -1)) + self.together[depth - 1](average)[:, None]).flatten(0, 1)
            skips.append(h)
        for depth in reversed(range(len(self.up))):
            h = self.up[depth](skips[depth] + self.rise[depth](h).repeat_interleave(2, -1))
        return unfold(self.out(h), self.samples).unflatten(0, (records, -1))

    def fused(self) -> Delineator:
        """Fuse normalisation layers into convolutions in place, for inference only."""
        for layer in self.modules():
            if isinstance(layer, Layer):
                layer.melt()
        return self


class Layer(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def melt(self) -> None:
        """Fuse the batch normalisation (Ioffe & Szegedy 2015) with fixed statistics into the convolution."""
        convolution, norm = self[0], self[1]
        if isinstance(convolution, nn.Conv1d) and isinstance(norm, nn.BatchNorm1d):
            self[0], self[1] = nn.utils.fuse_conv_bn_eval(convolution, norm), nn.Identity()


def _layer(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> Layer:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv1d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return Layer(convolution, nn.BatchNorm1d(outputs), nn.ReLU(inplace=True))


def probabilities(network: Delineator, x: Tensor) -> Tensor:
    """Class probabilities (record, lead, class, time) of waves (record, lead, time) of any length."""
    time = x.shape[-1]
    padded = F.pad(x, (0, -time % network.step), "reflect")  # zero padding would create an edge
    with torch.inference_mode():
        return network(padded)[..., :time].softmax(2)
