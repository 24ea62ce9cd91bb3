"""A residual convolutional network that pools an ECG to one feature vector.

It follows the residual networks of the PTB-XL benchmark (Strodthoff et al., IEEE JBHI 2021;25:1519; He et al. 2016),
with squeeze and excitation (Hu et al. 2018) and attention pooling. The sizes are chosen for CPUs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Look(nn.Module):
    """Feature extractor: waves (batch, channel, time) of any length → features (batch, features).

    Args:
        channels: Input channels.
        widths: Channels of each stage; the first has a quarter of the sampling rate, each other one halves it.
        features: Width of the feature vector.
        blocks: Residual blocks per stage.
        kernel: Kernel size, odd.
    """

    def __init__(self, channels: int, widths: Sequence[int], features: int, blocks: int = 2, kernel: int = 7):
        super().__init__()
        self.stem = nn.Sequential(*_convolved(channels, 32, 15, 2), *_convolved(32, widths[0], kernel, 2))
        before = [widths[0], *widths[:-1]]
        self.stages = nn.Sequential(
            *(
                Block(was if first else now, now, kernel, 2 if first and stage else 1)
                for stage, (was, now) in enumerate(zip(before, widths, strict=True))
                for first in [True] + [False] * (blocks - 1)
            )
        )
        self.where = nn.Conv1d(widths[-1], 4, 1)
        self.out = nn.Linear(6 * widths[-1], features)

    def forward(self, x: Tensor) -> Tensor:
        """Features pooled over time by four attention heads, the mean and the maximum."""
        h = self.stages(self.stem(x))
        attended = torch.einsum("bkt,bct->bkc", self.where(h).softmax(-1), h).flatten(1)
        return self.out(torch.cat([attended, h.mean(-1), h.amax(-1)], 1))


def _convolved(inputs: int, outputs: int, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    return nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm1d(outputs), nn.SiLU()


class Block(nn.Module):
    """Residual block of two convolutions with squeeze and excitation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int):
        super().__init__()
        self.conv_in = nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm_in = nn.BatchNorm1d(outputs)
        self.conv_out = nn.Conv1d(outputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm_out = nn.BatchNorm1d(outputs)
        self.squeeze = nn.Sequential(nn.Linear(outputs, outputs // 8), nn.SiLU(), nn.Linear(outputs // 8, outputs))
        shrinks = [nn.AvgPool1d(stride, ceil_mode=True)] if stride > 1 else []
        self.shortcut = nn.Sequential(*shrinks, *([nn.Conv1d(inputs, outputs, 1)] if inputs != outputs else []))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, time) → (batch, outputs, time / stride)."""
        h = self.norm_out(self.conv_out(F.silu(self.norm_in(self.conv_in(x)))))
        h = h * self.squeeze(h.mean(-1)).sigmoid()[..., None]
        return F.silu(self.shortcut(x) + h)
