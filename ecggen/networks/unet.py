"""A one-dimensional U-Net: encoder ``Down`` and decoder ``Up`` with skip connections."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecggen.networks.blocks import Attention, Residual


class Down(nn.Module):
    """Encoder of a U-Net, with attention after every second block of the coarsest level.

    Args:
        inputs: Input channels.
        widths: Channels of each level; each level has half the time steps of the previous one.
        blocks: Residual blocks of each level.
        width: Width of the modulating vector and of the tokens.
        kernel: Kernel size of the convolutions.
        beside: Additional input channels, whose weights are initialised with zeros.
    """

    def __init__(
        self, inputs: int, widths: Sequence[int], blocks: Sequence[int], width: int, kernel: int = 3, beside: int = 0
    ):
        super().__init__()
        self.enter = nn.Conv1d(inputs, widths[0], 3, padding=1)
        self.beside = nn.Conv1d(beside, widths[0], 3, padding=1, bias=False) if beside else None
        if self.beside is not None:
            nn.init.zeros_(self.beside.weight)
        before = [widths[0], *widths[:-1]]
        self.coarser = nn.ModuleList(
            nn.Identity() if level == 0 else nn.Conv1d(before[level], widths[level], 2, stride=2)
            for level in range(len(widths))
        )
        self.levels = nn.ModuleList(
            nn.ModuleList(Residual(size, size, width, kernel) for _ in range(count))
            for size, count in zip(widths, blocks, strict=True)
        )
        self.attention = nn.ModuleList(Attention(widths[-1], width) for _ in range(blocks[-1] // 2))

    def forward(
        self,
        x: Tensor,
        vector: Tensor,
        tokens: Tensor,
        token_mask: Tensor,
        beside: Tensor | None = None,
        apart: bool = False,
    ) -> list[Tensor]:
        """Features of each level, finest first; ``apart``: no self-attention along time."""
        features = []
        x = self.enter(x)
        if self.beside is not None and beside is not None:
            x = x + self.beside(beside)
        for level, (coarser, blocks) in enumerate(zip(self.coarser, self.levels, strict=True)):
            x = coarser(x)
            for i, block in enumerate(blocks):  # type: ignore[arg-type]
                x = block(x, vector)
                if level == len(self.levels) - 1 and i % 2:
                    x = self.attention[i // 2](x, tokens, token_mask, apart)
            features.append(x)
        return features


class Up(nn.Module):
    """Decoder of a U-Net.

    Args:
        widths: As in ``Down``.
        outputs: Output channels.
        blocks: Residual blocks per level.
        width: Width of the modulating vector.
        extra: Channels of an additional input at each level but the coarsest, finest first; 0 for none.
        kernel: Kernel size of the convolutions.
    """

    def __init__(
        self,
        widths: Sequence[int],
        outputs: int,
        blocks: int,
        width: int,
        extra: Sequence[int],
        kernel: int = 3,
    ):
        super().__init__()
        pairs = list(zip(widths[:-1], widths[1:], extra, strict=True))
        self.finer = nn.ModuleList(nn.ConvTranspose1d(below, size, 2, stride=2) for size, below, _ in pairs)
        self.levels = nn.ModuleList(
            nn.ModuleList(
                Residual(2 * size + latent if block == 0 else size, size, width, kernel) for block in range(blocks)
            )
            for size, _, latent in pairs
        )
        self.leave = nn.Conv1d(widths[0], outputs, 3, padding=1)

    def forward(self, features: Sequence[Tensor], vector: Tensor, extra: Sequence[Tensor | None]) -> Tensor:
        """(batch, outputs, time at the finest level)."""
        return self.leave(self.features(features, vector, extra))

    def features(
        self, features: Sequence[Tensor], vector: Tensor, extra: Sequence[Tensor | None], draws: int = 1
    ) -> Tensor:
        """Features of the finest level (batch · draws, channels, time), the input of ``leave``.

        Args:
            features: (batch, channels, time) of each level, finest first.
            vector: (batch · draws, width).
            extra: (batch · draws, channels, time) of each level but the coarsest, finest first.
            draws: Draws of each record; those of one record are consecutive.
        """
        x = features[-1]
        for level in reversed(range(len(self.levels))):
            finer = self.finer[level](x)
            shared = draws > 1 and x is features[-1]  # from the coarsest level, once for all draws
            common = [features[level], *([finer] if shared else [])]
            own = [*([] if shared else [finer]), *([] if extra[level] is None else [extra[level]])]
            first, *others = self.levels[level]  # type: ignore[misc]
            if draws > 1 and own:
                x = first.of_draws(torch.cat(common, 1), torch.cat(own, 1), vector, draws)
            else:
                x = first(torch.cat([*common, *own], 1).repeat_interleave(draws, 0), vector)
            for block in others:
                x = block(x, vector)
        return x
