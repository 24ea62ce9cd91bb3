"""Random changes of median beats, which multiply the examples of their autoencoder and of the model of its latents.

The model is told the changes and draws without any, so that they do not leak into what it draws (Karras et al. 2020,
arXiv 2006.06676).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ecggen.core.beats import BEFORE
from ecggen.core.simulate import DOWER, rotation
from ecggen.generators.hearts.heart_model import CHANGES

SHARE = 0.8
"""Share of the beats that are changed."""
TURN = 0.12
"""Standard deviation in rad of the rotation of the heart vector about each axis."""
WAVES = 0.15
"""Standard deviation of the logarithm of the size of the P wave, and of that of the T wave."""
PR = 0.012
"""Standard deviation in s of the shift of the P wave."""
QT = 0.05
"""Standard deviation of the relative change of the time after the QRS."""
BEFORE_QRS, AFTER_QRS = (0.06, 0.12), (0.06, 0.14)
"""Distance in s to the R peak from which a change begins, and from which it is complete."""


def changed(beats: Tensor, rng: np.random.Generator, fs: float = 100.0) -> tuple[Tensor, Tensor]:
    """Median beats that are turned and have other P and T waves, PR and QT intervals, and what was changed.

    Args:
        beats: (batch, 8, time) mV.
        rng: Random number generator.
        fs: Sampling rate in Hz.

    Returns:
        (batch, 8, time) mV, and (batch, ``CHANGES``): the changes in units of their standard deviations, and whether
        there are any.

    Example:
        >>> beats = torch.randn(4, 8, 96, generator=torch.Generator().manual_seed(0))
        >>> other, changes = changed(beats, np.random.default_rng(0))
        >>> other.shape, changes.shape
        (torch.Size([4, 8, 96]), torch.Size([4, 8]))
    """
    found = rng.standard_normal((len(beats), CHANGES - 1)) * (rng.random((len(beats), 1)) < SHARE)
    inverse = np.linalg.pinv(DOWER)
    turns = [np.eye(len(DOWER)) + DOWER @ (rotation(one) - np.eye(3)) @ inverse for one in found[:, :3] * TURN]
    time = torch.arange(beats.shape[-1]) / fs - BEFORE
    before, after = _ramp(-time, *BEFORE_QRS), _ramp(time, *AFTER_QRS)
    p, t, shift, stretch = torch.from_numpy(found[:, 3:, None]).to(beats).unbind(1)
    sizes = 1 + before * ((WAVES * p).exp() - 1) + after * ((WAVES * t).exp() - 1)
    turned = torch.from_numpy(np.stack(turns)).to(beats) @ beats * sizes[:, None]
    moved = _at(turned, (time + before * PR * shift + after * QT * stretch * time + BEFORE) * fs)
    return moved, torch.from_numpy(np.concatenate([found, (found != 0).any(1, keepdims=True)], 1)).to(beats)


def _ramp(x: Tensor, first: float, last: float) -> Tensor:
    return ((x - first) / (last - first)).clamp(0, 1)


def _at(beats: Tensor, samples: Tensor) -> Tensor:
    """Beats (batch, 8, time) at fractional ``samples`` (batch, time), by linear interpolation."""
    samples = samples.clamp(0, beats.shape[-1] - 1.001)
    left = samples.floor().long()
    share = (samples - left)[:, None]
    left = left[:, None].expand(-1, beats.shape[1], -1)
    return torch.lerp(beats.gather(2, left), beats.gather(2, left + 1), share)
