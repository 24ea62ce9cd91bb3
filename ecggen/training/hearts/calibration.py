"""Calibration of a heart-first model: levels and gains of drawn records are those of real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from ecggen.core.beats import NORMAL, Beats
from ecggen.generators.hearts.model import HeartFirst
from ecggen.generators.hearts.residual import LEADS, unexplained
from ecggen.training.hearts.levels import levels_of, levels_of_records, parts
from ecggen.training.hearts.material import Material

GAIN_STEPS = 4
"""Draws after which the size of the gains is chosen."""
AROUND, FINE, LEAST_BEATS, SMALLEST_AMPLITUDE = 0.15, 4, 3, 0.01
"""Amplitudes of beats: time around R in s, factor of resampling, fewest beats, and smallest amplitude in mV."""


def calibrate(
    model: HeartFirst, material: Material, records: int, seed: int, progress: Callable[[float], None]
) -> None:
    """Set ``level_bias``, what draws have beyond what was asked for, over training records; draws subtract it.

    For bands and excess it is the mean difference between the levels of drawn residuals and those of real ones without
    the time shifts of beats that the decomposition left in them, of which draws have none. The size of the gains is
    chosen so that the amplitude of drawn records varies from beat to beat as much as that of real ones: gains are
    measured with what noise adds to them, which real residuals cancel, and drawn ones do not.

    Args:
        model: The model, all other parts of which are trained.
        material: Training records.
        records: Number of records that are drawn.
        seed: Random seed of their choice.
        progress: Called with the share that is done.
    """
    model.eval()
    model.level_bias.zero_()
    rows = np.sort(np.random.default_rng(seed).permutation(material.rows)[:records])
    beats, residual = material.beats(rows), material.residual(rows).numpy()
    plain = [unexplained(one, own, material.fs) for one, own in zip(residual, beats, strict=True)]
    wanted = levels_of(model.whitening, torch.from_numpy(np.stack(plain)), beats, material.fs)
    realised = torch.cat([_realised(model, material, part) for part in parts(rows)])
    model.level_bias.copy_((realised - wanted).mean(0))
    real = amplitude_variation(material.whole(rows).numpy(), beats, material.fs)
    for step in range(GAIN_STEPS):
        drawn = torch.cat([_drawn(model, material, part) for part in parts(rows)])
        ratio = np.log(amplitude_variation(drawn.numpy(), beats, material.fs) / real)
        model.level_bias[-LEADS:] += torch.from_numpy(np.nanmedian(ratio, 0)).to(model.level_bias)
        progress((step + 1) / GAIN_STEPS)


def amplitude_variation(signal: np.ndarray, beats: Sequence[Beats], fs: float) -> np.ndarray:
    """Coefficient of variation of the peak-to-peak amplitude around the R peaks of the normal beats.

    Args:
        signal: (record, lead, time) in mV.
        beats: Times in s and types of each record's beats.
        fs: Sampling rate in Hz.

    Returns:
        (record, lead); NaN where a record has fewer than three normal beats inside.
    """
    reach, found = round(AROUND * fs * FINE), np.full(signal.shape[:2], np.nan)
    for row, (one, own) in enumerate(zip(resample_poly(signal, FINE, 1, axis=-1), beats, strict=True)):
        at = np.round(own.times[own.types == NORMAL] * fs * FINE).astype(int)
        at = at[(at >= reach) & (at < one.shape[-1] - reach)]
        if len(at) < LEAST_BEATS:
            continue
        size = np.ptp(one[:, at[:, None] + np.arange(-reach, reach + 1)], -1)
        found[row] = size.std(1, ddof=1) / size.mean(1).clip(min=SMALLEST_AMPLITUDE)
    return found


@torch.no_grad()
def _drawn(model: HeartFirst, material: Material, rows: np.ndarray) -> Tensor:
    """Records (row, 8, time) in mV of the own rhythm and median beats, with drawn levels, gains and residual."""
    return model.render(*material.own(rows), material.pack.preprocessor.samples)


@torch.no_grad()
def _realised(model: HeartFirst, material: Material, rows: np.ndarray) -> Tensor:
    """Levels of the residuals that are drawn for the own beats and the own levels of some records."""
    code = model.level_map.encode(levels_of_records(model.whitening, material, rows))
    beats, residual = model.draw_residual(*material.own(rows), code, material.pack.preprocessor.samples)
    return levels_of(model.whitening, residual, beats, material.fs)
