"""Levels of real residuals: level in each band, excess near the R peaks, size of the gains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ecggen.core.beats import Beats
from ecggen.generators.hearts.residual import LEADS, SMALLEST_GAIN, Whitening, envelope, excess
from ecggen.training.hearts.material import Material

LARGEST_GAIN = 4.0
"""Largest gain of a beat, in units of the record's gain size, that the residual's network sees."""
USUAL_GAIN = 0.03
"""Size of the gains of a record in which they are not measured."""
PART = 128
"""Records that are worked on at once."""


def parts(rows: np.ndarray) -> list[np.ndarray]:
    """``rows`` in parts that fit into memory."""
    return [rows[start : start + PART] for start in range(0, len(rows), PART)]


def levels_of_records(whitening: Whitening, material: Material, rows: np.ndarray) -> Tensor:
    """Levels (row, ``LEVELS``) of some records."""
    return torch.cat(
        [levels_of(whitening, material.residual(one), material.beats(one), material.fs) for one in parts(rows)]
    )


def levels_of(whitening: Whitening, residual: Tensor, beats: Sequence[Beats], fs: float) -> Tensor:
    """Levels (record, ``LEVELS``) of residuals (record, 8, time) in mV and beats with gains."""
    found, even = flattened(residual, beats, fs)
    sizes = torch.from_numpy(np.stack([np.log(relative_gains(one.gains)[1]) for one in beats])).float()
    return torch.cat([whitening.levels(even).flatten(1), found, sizes], 1)


def flattened(residual: Tensor, beats: Sequence[Beats], fs: float) -> tuple[Tensor, Tensor]:
    """Excess (record, 8) of residuals (record, 8, time) near the R peaks, and the residuals over their envelopes."""
    times = [one.times for one in beats]
    near = np.stack([excess(one, at, fs) for one, at in zip(residual.numpy(), times, strict=True)])
    found = torch.from_numpy(near).float()
    return found, residual / envelope(found, times, residual.shape[-1], fs)


def relative_gains(gains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gains (beat, 8) over their size, clipped, and the size (8,): the root mean square over the measured beats."""
    measured = gains[np.abs(gains).sum(1) > 0]
    size = np.sqrt((measured**2).mean(0)) + SMALLEST_GAIN if len(measured) > 1 else np.full(LEADS, USUAL_GAIN)
    return (gains / size).clip(-LARGEST_GAIN, LARGEST_GAIN), size
