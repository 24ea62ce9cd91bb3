"""The delineation network: at each instant of each lead, P, QRS, T or none of them.

A small U-Net (Ronneberger et al., MICCAI 2015) in one dimension: four neighbouring samples are folded into channels,
the time axis is halved three times and restored, and each halving doubles what an instant can see. Every lead is read
by the same weights; below the finest scale, what the leads see on average is added to each of them, so that a lead in
which a wave is faint knows when to look, whatever leads there are and in whatever order.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.networks.blocks import fold, unfold

CLASSES = ("none", "P", "QRS", "T")
"""What an instant can belong to, in the order of the network's outputs."""


class Delineator(nn.Module):
    """Waves (record, lead, time) of about unit deviation → log-odds (record, lead, class, time).

    Args:
        widths: Channels at each scale, the finest first; each further one halves the rate.
        kernel: Taps of a convolution, odd.
        samples: Neighbouring samples that are folded into channels.
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
        """The log-odds; ``time`` must be a multiple of ``step``."""
        records = len(x)
        h = fold(x.flatten(0, 1)[:, None], self.samples)
        seen = []
        for depth, layers in enumerate(self.down):
            h = layers(h if depth == 0 else F.max_pool1d(h, 2))
            if depth:
                average = h.unflatten(0, (records, -1)).mean(1)
                h = (h.unflatten(0, (records, -1)) + self.together[depth - 1](average)[:, None]).flatten(0, 1)
            seen.append(h)
        for depth in reversed(range(len(self.up))):
            h = self.up[depth](seen[depth] + self.rise[depth](h).repeat_interleave(2, -1))
        return unfold(self.out(h), self.samples).unflatten(0, (records, -1))

    def fused(self) -> Delineator:
        """The same function without normalisation layers, for use only: they melt into their convolutions."""
        for layer in self.modules():
            if isinstance(layer, Layer):
                layer.melt()
        return self


class Layer(nn.Sequential):
    """Convolution, batch normalisation, rectifier."""

    def melt(self) -> None:
        """Put the normalisation (Ioffe & Szegedy 2015), whose statistics are fixed in use, into the convolution."""
        convolution, norm = self[0], self[1]
        if isinstance(convolution, nn.Conv1d) and isinstance(norm, nn.BatchNorm1d):
            self[0], self[1] = nn.utils.fuse_conv_bn_eval(convolution, norm), nn.Identity()


def _layer(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> Layer:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv1d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return Layer(convolution, nn.BatchNorm1d(outputs), nn.ReLU(inplace=True))


def probabilities(network: Delineator, x: Tensor) -> Tensor:
    """(record, lead, time) of any length → class probabilities (record, lead, class, time)."""
    time = x.shape[-1]
    padded = F.pad(x, (0, -time % network.step), "reflect")  # a wave that breaks off would look like an edge
    with torch.inference_mode():
        return network(padded)[..., :time].softmax(2)
