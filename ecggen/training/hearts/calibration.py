"""Calibration of a heart-first model: levels, spectrum and gains of drawn records are those of real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from ecggen.core.beats import NORMAL, Beats
from ecggen.generators.hearts.model import HeartFirst
from ecggen.generators.hearts.residual import LEADS, QUIETEST, tapered, unexplained
from ecggen.training.hearts.bursts import fit_bursts
from ecggen.training.hearts.levels import levels_of, levels_of_records, parts
from ecggen.training.hearts.material import Material

TILT_STEPS, GAIN_STEPS = 2, 4
"""Draws after which the spectrum of the residual and the size of the gains are chosen."""
SMOOTHED = 20
"""Number of a frequency over the number of frequencies on either side over which the spectrum is averaged."""
AROUND, FINE, LEAST_BEATS, SMALLEST_AMPLITUDE = 0.15, 4, 3, 0.01
"""Amplitudes of beats: time around R in s, factor of resampling, fewest beats, and smallest amplitude in mV."""


def calibrate(
    model: HeartFirst, material: Material, records: int, seed: int, progress: Callable[[float], None]
) -> None:
    """Set bursts, and ``level_bias`` and ``tilt``, what draws have beyond what was asked for, which draws take out.

    For bands and excess the bias is the mean difference between the levels of drawn residuals and those of real ones
    without the time shifts of beats that the decomposition left in them, of which draws have none. The tilt is what
    then remains in the spectrum between the ends of the records. The size of the gains is chosen so that the amplitude
    of drawn records varies from beat to beat as much as that of real ones: gains are measured with what noise adds to
    them, which real residuals cancel, and drawn ones do not.

    Args:
        model: The model, all other parts of which are trained.
        material: Training records.
        records: Number of records that are drawn.
        seed: Random seed of their choice.
        progress: Called with the share that is done.
    """
    model.eval()
    model.level_bias.zero_()
    model.whitening.tilt.zero_()
    fit_bursts(model, material, records, seed)
    rows = np.sort(np.random.default_rng(seed).permutation(material.rows)[:records])
    beats, residual = material.beats(rows), material.residual(rows).numpy()
    unshifted = np.stack([unexplained(one, own, material.fs) for one, own in zip(residual, beats, strict=True)])
    wanted = levels_of(model.whitening, torch.from_numpy(unshifted), beats, material.fs)
    drawn = _residuals(model, material, rows)
    model.level_bias.copy_((levels_of(model.whitening, drawn[1], drawn[0], material.fs) - wanted).mean(0))
    for step in range(TILT_STEPS):
        excess = _spectrum(model, _residuals(model, material, rows)[1]) - _spectrum(model, torch.from_numpy(unshifted))
        model.whitening.tilt += smoothed(excess)
        progress((step + 1) / (TILT_STEPS + GAIN_STEPS))
    real = amplitude_variation(material.whole(rows).numpy(), beats, material.fs)
    for step in range(GAIN_STEPS):
        drawn = torch.cat([_drawn(model, material, part) for part in parts(rows)])
        ratio = np.log(amplitude_variation(drawn.numpy(), beats, material.fs) / real)
        model.level_bias[-LEADS:] += torch.from_numpy(np.nanmedian(ratio, 0)).to(model.level_bias)
        progress((TILT_STEPS + step + 1) / (TILT_STEPS + GAIN_STEPS))


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
def _residuals(model: HeartFirst, material: Material, rows: np.ndarray) -> tuple[list[Beats], Tensor]:
    """What is drawn for the own beats and the own levels: beats with gains, and residuals (row, 8, time) in mV."""
    beats, residuals = [], []
    for part in parts(rows):
        code = model.level_map.encode(levels_of_records(model.whitening, material, part))
        own, residual = model.draw_residual(*material.own(part), code, material.pack.preprocessor.samples)
        beats += own
        residuals.append(residual)
    return beats, torch.cat(residuals)


def _spectrum(model: HeartFirst, residual: Tensor) -> Tensor:
    """Mean logarithm of the amplitude at each frequency, (time,), of residuals without their ends."""
    samples = residual.shape[-1]
    weight = tapered(samples, samples // 2)
    inside = (residual - (residual * weight).sum(-1, keepdim=True) / weight.sum()) * weight
    power = model.whitening.power(inside)
    return 0.5 * power.clamp(min=QUIETEST**2).log().mean((0, 1))


def smoothed(spectrum: Tensor) -> Tensor:
    """Moving average of a spectrum (time,) over a tenth of an octave, and over three frequencies at least.

    Example:
        >>> smoothed(torch.tensor([0.0, 0.0, 3.0, 0.0, 0.0])).tolist()
        [0.0, 1.0, 1.0, 1.0, 0.0]
    """
    sums, at = torch.cumsum(torch.nn.functional.pad(spectrum, (1, 0)), 0), torch.arange(len(spectrum))
    reach = (at // SMOOTHED).clamp(min=1)
    first, last = (at - reach).clamp(min=0), (at + reach + 1).clamp(max=len(spectrum))
    return (sums[last] - sums[first]) / (last - first)
