"""Fits how much the noise of a record comes in bursts (``ecggen.generators.hearts.bursts``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ecggen.core.beats import Beats
from ecggen.generators.hearts.model import HeartFirst
from ecggen.generators.hearts.residual import EDGES, QUIETEST, Whitening
from ecggen.training.hearts.levels import levels_of_records, parts
from ecggen.training.hearts.material import Material

LOWEST = 3
"""First band whose power is regarded, from about 1 Hz: slower waves are not seen in half a second."""
WINDOW, FAR, FEWEST = 0.5, 0.1, 0.4
"""Windows in s, distance to the R peaks from which a sample counts, and least share of a window that does."""
ROUNDS, START, PACE = 12, (-1.5, 0.0, 0.3), 0.8
"""Rounds of the fit, its start, and the part of a difference that a round makes up for."""


def fit_bursts(model: HeartFirst, material: Material, records: int, seed: int) -> None:
    """Set ``model.bursts.line``, so that the power of drawn residuals changes over time like that of real ones.

    Residuals are drawn once without bursts, for the own beats and the own levels. In each round they are multiplied by
    envelopes; mean and standard deviation over the records of the logarithm of the variance of the windows, and its
    slope on the level of the record, are then brought nearer to those of the real residuals.

    Args:
        model: The heart-first model, all networks of which are trained.
        material: Training records.
        records: Number of records.
        seed: Random seed of their choice.
    """
    rows = np.sort(np.random.default_rng((seed, 1)).permutation(material.rows)[:records])
    beats = material.beats(rows)
    levels = levels_of_records(model.whitening, material, rows)
    bands = levels[:, : 8 * (len(EDGES) - 1)].unflatten(1, (8, -1))
    level = bands.mean((1, 2)).numpy()
    wanted = np.log(unevenness(model.whitening, material.residual(rows), beats, material.fs))
    model.bursts.line.copy_(torch.tensor([-20.0, 0.0, 0.0]))
    even = torch.cat([_drawn(model, material, part) for part in parts(rows)])
    line = np.array(START)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(ROUNDS):
        model.bursts.line.copy_(torch.from_numpy(line))
        noise = torch.randn(len(rows), model.bursts.numbers(even.shape[-1]), generator=generator)
        found = np.log(unevenness(model.whitening, even * model.bursts(bands, noise), beats, material.fs))
        both = [np.polyfit(level - level.mean(), one, 1) for one in (wanted, found)]
        slope, middle = both[0] - both[1]
        spread = wanted.std() - found.std()
        line += PACE * np.array([middle - slope * level.mean(), slope, spread])
        line[2] = max(line[2], 0.0)


def unevenness(whitening: Whitening, residual: Tensor, beats: Sequence[Beats], fs: float) -> np.ndarray:
    """(record,) variance over windows of the logarithm of the power far from R peaks, mean over the leads.

    Args:
        whitening: For its frequencies.
        residual: (record, 8, time) in mV.
        beats: Beats of each record.
        fs: Sampling rate in Hz.
    """
    flat = (residual @ whitening.cosines.T) * (whitening.band >= LOWEST)
    power = (flat @ whitening.cosines).square().numpy().astype(float)
    size = round(WINDOW * fs)
    at = np.arange(power.shape[-1]) / fs
    far = np.stack([np.abs(at[:, None] - one.times).min(1, initial=9.0) >= FAR for one in beats])
    shape = (len(power), 1, -1, size)
    count = far.reshape(shape).sum(-1)
    total = (power * far[:, None]).reshape(len(power), power.shape[1], -1, size).sum(-1)
    logs = np.log(total / np.maximum(count, 1) + QUIETEST**2)
    usable = np.broadcast_to(count >= FEWEST * size, logs.shape)
    varied = np.ma.masked_array(logs, ~usable).var(-1).mean(-1)
    return np.maximum(varied.filled(0.0), 1e-2)


@torch.no_grad()
def _drawn(model: HeartFirst, material: Material, rows: np.ndarray) -> Tensor:
    """Residuals (row, 8, time) in mV for the own beats and the own levels."""
    code = model.level_map.encode(levels_of_records(model.whitening, material, rows))
    return model.draw_residual(*material.own(rows), code, material.pack.preprocessor.samples)[1]
