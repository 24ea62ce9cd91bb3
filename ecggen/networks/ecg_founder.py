"""The network of ECGFounder: a convolutional residual network with mean pooling.

It is implemented from the published description (Li et al., NEJM AI 2025; arXiv 2410.04133; the Net1D architecture of
Hong et al.): a strided convolution, then seven stages of bottleneck blocks with grouped convolutions and squeeze and
excitation (Hu et al. 2018). The released configuration has no batch normalisation and no dropout. Module names are
those of the released checkpoint, so that its converted weights can be loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ECGFounderNetwork(nn.Module):
    """Normalised waves (record, channel, time) at 500 Hz → features (record, width), the mean over time.

    Args:
        channels: Input leads: 12, or 1 for the single-lead release.
        base: Channels after the first convolution.
        filters: Channels of each stage.
        blocks: Blocks in each stage.
        kernel: Kernel size of the first and of the grouped convolutions.
        stride: Downsampling factor of each stage.
        group_width: Channels per group of the grouped convolutions.
    """

    def __init__(
        self,
        channels: int = 12,
        base: int = 64,
        filters: Sequence[int] = (64, 160, 160, 400, 400, 1024, 1024),
        blocks: Sequence[int] = (2, 2, 2, 3, 3, 4, 4),
        kernel: int = 16,
        stride: int = 2,
        group_width: int = 16,
    ):
        super().__init__()
        self.channels, self.width = channels, filters[-1]
        self.first_conv = SamePadding(channels, base, kernel, 2)
        before = [base, *filters[:-1]]
        self.stage_list = nn.ModuleList(
            Stage(was, now, count, kernel, stride, now // group_width, first=index == 0)
            for index, (was, now, count) in enumerate(zip(before, filters, blocks, strict=True))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(record, channel, time) → (record, width)."""
        h = F.silu(self.first_conv(x))
        for stage in self.stage_list:
            h = stage(h)
        return h.mean(-1)


class Stage(nn.Module):
    """Blocks of one width, the first of which downsamples; ``first`` marks the first stage of the network."""

    def __init__(self, inputs: int, outputs: int, blocks: int, kernel: int, stride: int, groups: int, first: bool):
        super().__init__()
        opening = Block(inputs, outputs, kernel, stride, groups, activated=not first)
        others = (Block(outputs, outputs, kernel, 1, groups) for _ in range(blocks - 1))
        self.block_list = nn.ModuleList([opening, *others])

    def forward(self, x: Tensor) -> Tensor:
        """(record, inputs, time) → (record, outputs, time / stride)."""
        for block in self.block_list:
            x = block(x)
        return x


class Block(nn.Module):
    """Pointwise, grouped and pointwise convolution, each after an activation, with squeeze and excitation.

    ``activated`` is False for the first block, whose input is already activated.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int, activated: bool = True):
        super().__init__()
        self.stride, self.activated = stride, activated
        self.widened = outputs - inputs
        self.conv1 = SamePadding(inputs, outputs, 1)
        self.conv2 = SamePadding(outputs, outputs, kernel, stride, groups)
        self.conv3 = SamePadding(outputs, outputs, 1)
        self.se_fc1 = nn.Linear(outputs, outputs // 2)
        self.se_fc2 = nn.Linear(outputs // 2, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(record, inputs, time) → (record, outputs, ceil(time / stride))."""
        h = self.conv1(F.silu(x) if self.activated else x)
        h = self.conv3(F.silu(self.conv2(F.silu(h))))
        weight = torch.sigmoid(self.se_fc2(F.silu(self.se_fc1(h.mean(-1)))))
        return h * weight[..., None] + self._shortcut(x)

    def _shortcut(self, x: Tensor) -> Tensor:
        """``x`` downsampled by max pooling, with zero channels added on both sides."""
        if self.stride > 1:
            x = F.max_pool1d(F.pad(x, _halves(self.stride - 1)), self.stride)
        return F.pad(x, (0, 0, *_halves(self.widened)))


class SamePadding(nn.Module):
    """A zero-padded convolution with ceil(time / stride) output samples; an odd number of zeros has more at the end."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, groups=groups)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """(record, inputs, time) → (record, outputs, ceil(time / stride))."""
        time = x.shape[-1]
        out = -(-time // self.stride)
        return self.conv(F.pad(x, _halves(max(0, (out - 1) * self.stride + self.kernel - time))))


def _halves(count: int) -> tuple[int, int]:
    return count // 2, count - count // 2
