"""One-dimensional building blocks: residual convolutions with FiLM, and self- and cross-attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    """Residual block of two convolutions; a vector can scale and shift the features between them (FiLM, Perez 2018).

    Args:
        inputs: Input channels.
        outputs: Output channels.
        width: Width of the modulating vector; 0 for none.
        kernel: Kernel size of each convolution, odd.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 0, kernel: int = 3):
        super().__init__()
        self.norm_in = nn.GroupNorm(_groups(inputs), inputs)
        self.conv_in = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        self.film = nn.Linear(width, 2 * outputs) if width else None
        self.norm_out = nn.GroupNorm(_groups(outputs), outputs)
        self.conv_out = nn.Conv1d(outputs, outputs, kernel, padding=kernel // 2)
        self.shortcut = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        if self.film is not None:
            nn.init.zeros_(self.film.weight)
            nn.init.zeros_(self.film.bias)
        nn.init.normal_(self.conv_out.weight, std=1e-2 / (kernel * outputs) ** 0.5)

    def forward(self, x: Tensor, vector: Tensor | None = None) -> Tensor:
        """(batch, inputs, time), (batch, width) → (batch, outputs, time)."""
        return self.shortcut(x) + self._second(self.conv_in(F.silu(self.norm_in(x))), vector)

    def of_draws(self, common: Tensor, own: Tensor, vector: Tensor | None, draws: int) -> Tensor:
        """As ``forward`` for draws that have their first channels in common, for which these are computed once.

        Equal to ``forward(torch.cat([common.repeat_interleave(draws, 0), own], 1), vector)`` within rounding. A group
        of the first normalisation that holds channels of both kinds belongs to the draws.

        Args:
            common: (batch, channels, time).
            own: (batch · draws, other channels, time); the draws of one record are consecutive.
            vector: (batch · draws, width).
            draws: Draws of each record.
        """
        size = self.norm_in.num_channels // self.norm_in.num_groups
        whole = common.shape[1] // size * size  # channels of groups that hold common ones only
        if not whole:
            return self(torch.cat([common.repeat_interleave(draws, 0), own], 1), vector)
        mixed = torch.cat([common[:, whole:].repeat_interleave(draws, 0), own], 1)
        once, each = self._first(common[:, :whole], 0, True), self._first(mixed, whole, False)
        return self._shortcut_of_draws(common, own, draws) + self._second(_added(each, once, draws), vector)

    def _first(self, x: Tensor, first: int, bias: bool) -> Tensor:
        """Normalisation and convolution of the input channels from ``first`` on, which fill whole groups."""
        norm, conv, part = self.norm_in, self.conv_in, slice(first, first + x.shape[1])
        groups = x.shape[1] * norm.num_groups // norm.num_channels
        normed = F.silu(F.group_norm(x, groups, norm.weight[part], norm.bias[part], norm.eps))
        return F.conv1d(normed, conv.weight[:, part], conv.bias if bias else None, padding=conv.padding[0])

    def _second(self, h: Tensor, vector: Tensor | None) -> Tensor:
        """What follows the first convolution."""
        h = self.norm_out(h)
        if self.film is not None:
            scale, shift = self.film(vector)[..., None].chunk(2, 1)
            h = torch.addcmul(shift, h, 1 + scale)
        return self.conv_out(F.silu(h))

    def _shortcut_of_draws(self, common: Tensor, own: Tensor, draws: int) -> Tensor:
        """``shortcut`` of common channels and those of the draws."""
        conv, channels = self.shortcut, common.shape[1]
        if not isinstance(conv, nn.Conv1d):
            return torch.cat([common.repeat_interleave(draws, 0), own], 1)
        once = F.conv1d(common, conv.weight[:, :channels], conv.bias)
        return _added(F.conv1d(own, conv.weight[:, channels:]), once, draws)


class Attention(nn.Module):
    """Self-attention along time, then cross-attention to tokens, each with a residual connection.

    Args:
        channels: Channels of the sequence.
        width: Width of the tokens.
        heads: Attention heads.
    """

    def __init__(self, channels: int, width: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.norm_self, self.norm_cross = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.norm_tokens = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.to_q = nn.Linear(channels, channels)
        self.to_kv = nn.Linear(width, 2 * channels)
        self.out_self, self.out_cross = nn.Linear(channels, channels), nn.Linear(channels, channels)
        for out in (
            self.out_self,
            self.out_cross,
        ):  # no effect at first, so that blocks can be added to a trained network
            nn.init.zeros_(out.weight)
            nn.init.zeros_(out.bias)

    def forward(self, x: Tensor, tokens: Tensor, token_mask: Tensor, apart: bool = False) -> Tensor:
        """(batch, channels, time), (batch, token, width), (batch, token) → (batch, channels, time).

        ``apart``: no self-attention; each step attends to itself only (for perturbed-attention guidance).
        """
        h = x.transpose(1, 2)
        q, k, v = self.to_qkv(self.norm_self(h)).chunk(3, -1)
        h = h + self.out_self(v if apart else self._attend(q, k, v))
        keys, values = self.to_kv(self.norm_tokens(tokens)).chunk(2, -1)
        h = h + self.out_cross(self._attend(self.to_q(self.norm_cross(h)), keys, values, token_mask))
        return h.transpose(1, 2)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        split = [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v)]
        attn_mask = None if mask is None else mask[:, None, None]
        return F.scaled_dot_product_attention(*split, attn_mask=attn_mask).transpose(1, 2).flatten(2)


def _added(each: Tensor, once: Tensor, draws: int) -> Tensor:
    """Sum of a tensor of each draw (batch · draws, …) and one of each record (batch, …)."""
    return (each.unflatten(0, (-1, draws)) + once[:, None]).flatten(0, 1)


def fold(x: Tensor, steps: int) -> Tensor:
    """Fold neighbouring samples into channels: (batch, channels, time) → (batch, channels · steps, time / steps).

    Example:
        >>> import torch
        >>> fold(torch.zeros(1, 8, 1000), 5).shape
        torch.Size([1, 40, 200])
    """
    return x.unflatten(-1, (-1, steps)).permute(0, 1, 3, 2).flatten(1, 2)


def unfold(x: Tensor, steps: int) -> Tensor:
    """The inverse of ``fold``."""
    return x.unflatten(1, (-1, steps)).permute(0, 1, 3, 2).flatten(2)


def _groups(channels: int) -> int:
    """Largest number of groups with at least eight channels each."""
    return next((groups for groups in (32, 16, 8, 4, 2) if channels % groups == 0 and channels >= 8 * groups), 1)
