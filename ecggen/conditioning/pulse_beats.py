"""Beats of a PPG."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ecggen.core.filters import band_pass

RATE = 100.0
"""Sampling rate of the network's input in Hz."""
BAND = (0.4, 10.0)
"""Pass band of the network's input in Hz."""
NEAR, WIDE = 2.5, 10.0
"""Seconds over which the level of a PPG is measured."""
LEAST = 0.1
"""Smallest near level relative to the wide one, so that a pause is not magnified."""


def prepare(ppg: Tensor, observed: Tensor) -> Tensor:
    """The network's input (batch, 3, time) of PPGs (batch, time) at ``RATE`` Hz.

    The channels are the PPG over its level in the surrounding ten seconds, compressed; the PPG over its level in the
    surrounding seconds; and whether it is observed.
    """
    wave = band_pass(ppg, RATE, *BAND, least=0.0) * observed
    wide, near = _level(wave, observed, WIDE), _level(wave, observed, NEAR)
    flat = wide <= 1e-6 * wide.amax(-1, keepdim=True).clamp(min=1e-12)
    relative = torch.where(flat, 0.0, wave / wide.clamp(min=1e-12))
    local = torch.where(flat, 0.0, wave / torch.maximum(near, LEAST * wide).clamp(min=1e-12))
    return torch.stack([torch.asinh(relative), local.clamp(-4, 4), observed.float()], 1)


def _level(wave: Tensor, observed: Tensor, seconds: float) -> Tensor:
    """Root mean square of the observed samples within ``seconds``, (batch, time)."""
    reach = round(seconds * RATE / 2)
    squares, count = (_moving(one, reach) for one in (wave.square(), observed.float()))
    return (squares / count.clamp(min=1e-3)).clamp(min=0).sqrt()


def _moving(x: Tensor, reach: int) -> Tensor:
    """Sum over ``reach`` samples on either side, (batch, time)."""
    sums = F.pad(x.double().cumsum(-1), (1, 0))
    at = torch.arange(x.shape[-1])
    return (sums[..., (at + reach + 1).clamp(max=x.shape[-1])] - sums[..., (at - reach).clamp(min=0)]).float()
