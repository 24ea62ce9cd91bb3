"""Residual model: what the beats of a record do not explain, and how much each beat's amplitude differs.

A residual is described by its levels (the excess near the R peaks and the level in some frequency bands, for each
lead, with the size of the gains) and by a sequence from which these levels and the correlations of the leads are
removed, so that it is nearly white. A rectified flow draws the levels; another one draws the sequence, together with
the gains of the beats, given the rendered beats, the levels, text and metadata. The sequence shows fibrillatory waves,
bursts of muscle noise and what beats differ in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor, nn

from ecggen.core.beats import BEFORE, RIDGE, Beats, own_parts
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.generators.hearts.rhythm import Rhythm

LEADS = len(INDEPENDENT_LEADS)
EDGES = (0.025, 0.475, 1.175, 2.375, 5.225, 10.525, 17.525, 27.525, 39.975, 50.0)
"""Edges in Hz of the bands whose levels are described."""
BANDS = len(EDGES) - 1
LEVELS = LEADS * (BANDS + 2)
"""Size of a description: bands, excess near the R peaks and size of the gains of each lead."""
NEAR, FAR, REACH = 0.03, 0.08, 0.055
"""Distance to an R peak in s: largest of what is near it, smallest of what is far, and scale of the envelope."""
LARGEST_EXCESS = 2.0
EDGE = 1.0
"""Seconds at the ends of a residual over which ``Whitening.tilt`` sets in."""
QUIETEST = 1e-4
"""Smallest level in mV."""
SMALLEST_GAIN = 0.003
FEWEST_SAMPLES = 8
"""Fewest samples of a beat's part that are regarded in a residual."""
FOLDED = 5
"""Samples of a step of the sequence."""
SHIFTED = 0.06
"""Distance to an R peak in s up to which a residual is searched for a time shift of the beat."""
SOFT = 1.5
"""Number of standard deviations above which the sequence is compressed."""
LOCAL = FOLDED * LEADS + 4
"""Channels of the condition along time."""
CHANNELS = FOLDED * LEADS + LEADS


class Whitening(nn.Module):
    """Removes levels and correlations of the leads from residuals of one length, and restores them.

    Args:
        samples: Length of a residual; a multiple of ``FOLDED``.
        fs: Sampling rate in Hz.

    Attributes:
        tilt: (samples,) logarithm of the excess of drawn residuals at each frequency, which ``restore`` takes out of
            all but the first and last ``EDGE`` seconds, where filters of recordings leave transients. Their levels and
            correlations hold these transients, so that draws would otherwise drift too much in between.
    """

    white: Tensor
    gain_roots: Tensor
    scale: Tensor
    tilt: Tensor
    cosines: Tensor
    weights: Tensor
    band: Tensor

    def __init__(self, samples: int = 1000, fs: float = 100.0):
        super().__init__()
        self.samples = samples
        self.register_buffer("white", torch.eye(LEADS).repeat(samples, 1, 1))
        self.register_buffer("gain_roots", torch.eye(LEADS))
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("tilt", torch.zeros(samples))
        self.edge = round(EDGE * fs)
        at = torch.arange(samples, dtype=torch.float64)
        cosines = torch.cos(np.pi / samples * at[:, None] * (at + 0.5)) * np.sqrt(2 / samples)
        cosines[0] /= np.sqrt(2)
        self.register_buffer("cosines", cosines.float(), persistent=False)  # orthonormal DCT-II
        frequencies = at.numpy() * fs / (2 * samples)
        band = np.searchsorted(EDGES, frequencies, "right") - 1
        self.register_buffer("band", torch.from_numpy(np.where(band < BANDS, band, -1)), persistent=False)
        middles = np.log(np.sqrt(np.array(EDGES[:-1]) * np.array(EDGES[1:])))
        knots = np.interp(np.log(np.maximum(frequencies, 1e-3)), middles, np.arange(BANDS))
        weights = np.maximum(0, 1 - np.abs(knots[:, None] - np.arange(BANDS)))
        self.register_buffer("weights", torch.from_numpy(weights).float(), persistent=False)

    def power(self, residual: Tensor) -> Tensor:
        """Power at each frequency of (batch, 8, time) in mV, of the same shape."""
        return (residual @ self.cosines.T).square()

    def levels(self, residual: Tensor) -> Tensor:
        """Logarithm of the root mean square of each lead and band, (batch, 8, band), of (batch, 8, time) in mV."""
        power = self.power(residual)
        found = [power[..., self.band == band].mean(-1) for band in range(BANDS)]
        return 0.5 * torch.stack(found, -1).clamp(min=QUIETEST**2).log()

    def forward(self, residual: Tensor, levels: Tensor) -> Tensor:
        """White sequence (batch, 8, time)."""
        flat = (residual @ self.cosines.T) / (levels @ self.weights.T).exp() * (self.band >= 0)
        flat = torch.einsum("kij,bjk->bik", self.white, flat)
        return SOFT * torch.asinh(flat @ self.cosines / SOFT) / self.scale

    def restore(self, sequence: Tensor, levels: Tensor) -> Tensor:
        """Residual (batch, 8, time) in mV of a white sequence."""
        white = SOFT * torch.sinh((sequence * self.scale / SOFT).clamp(-4, 4))
        inverse = torch.linalg.inv(self.white)
        flat = torch.einsum("kij,bjk->bik", inverse, white @ self.cosines.T) * (self.band >= 0)
        whole = flat * (levels @ self.weights.T).exp()
        inside = tapered(self.samples, self.edge).to(whole)
        return torch.lerp(whole @ self.cosines, (whole * (-self.tilt).exp()) @ self.cosines, inside)

    def white_gains(self, gains: Tensor) -> Tensor:
        """Uncorrelated gains (…, 8) of gains in units of their size."""
        return gains @ torch.linalg.inv(self.gain_roots)

    def restore_gains(self, gains: Tensor) -> Tensor:
        """The inverse of ``white_gains``."""
        return gains @ self.gain_roots

    def fit(self, residuals: Sequence[Tensor], gains: Tensor) -> None:
        """Set the correlations of the leads and the scale.

        Args:
            residuals: Batches of training residuals, divided by their envelopes.
            gains: (beat, 8) gains in units of their size.
        """
        values, vectors = torch.linalg.eigh(gains.T @ gains / len(gains))
        self.gain_roots.copy_(vectors @ torch.diag(values.clamp(min=1e-3).sqrt()) @ vectors.T)
        total, count = torch.zeros(self.samples, LEADS, LEADS), 0
        for part in residuals:
            flat = (part @ self.cosines.T) / (self.levels(part) @ self.weights.T).exp()
            total += torch.einsum("bik,bjk->kij", flat, flat)
            count += len(part)
        covariance = _smooth(total / count)
        values, vectors = torch.linalg.eigh(covariance)
        self.white.copy_(vectors @ torch.diag_embed(values.clamp(min=1e-4).rsqrt()) @ vectors.transpose(1, 2))
        self.scale.fill_(1.0)
        self.scale.fill_(float(torch.cat([self(part, self.levels(part)) for part in residuals[:4]]).std()))


def tapered(samples: int, edge: int) -> Tensor:
    """Weights (samples,): one, and half a cosine from zero over ``edge`` samples at either end.

    Example:
        >>> [round(weight, 2) for weight in tapered(6, 2).tolist()]
        [0.15, 0.85, 1.0, 1.0, 0.85, 0.15]
    """
    at = torch.arange(samples) + 0.5
    return (1 - torch.cos(np.pi * (torch.minimum(at, samples - at) / edge).clamp(max=1))) / 2


def _smooth(covariance: Tensor) -> Tensor:
    """Moving average over frequency (frequency, 8, 8), of a fifth of an octave at least."""
    sums = torch.cumsum(torch.cat([torch.zeros_like(covariance[:1]), covariance]), 0)
    at = torch.arange(len(covariance))
    reach = (2 + at // 10).clamp(max=25)
    first, last = (at - reach).clamp(min=1), (at + reach + 1).clamp(max=len(covariance))
    averaged = (sums[last] - sums[first]) / (last - first)[:, None, None]
    averaged[0] = averaged[1]
    return averaged


def folded(sequence: Tensor) -> Tensor:
    """(batch, 8, time) to (batch, 8 · ``FOLDED``, step)."""
    return sequence.unflatten(-1, (-1, FOLDED)).permute(0, 1, 3, 2).flatten(1, 2)


def unfolded(steps: Tensor) -> Tensor:
    """The inverse of ``folded``."""
    return steps.unflatten(1, (LEADS, FOLDED)).permute(0, 1, 3, 2).flatten(2)


@dataclass(frozen=True)
class Levels:
    """Parts of descriptions (batch, ``LEVELS``).

    Attributes:
        bands: (batch, 8, band) logarithm of the root mean square in each band, of the residual over its envelope.
        excess: (batch, 8) logarithm of the envelope at the R peaks.
        gains: (batch, 8) size of the gains.
    """

    bands: Tensor
    excess: Tensor
    gains: Tensor

    @staticmethod
    def of(levels: Tensor) -> Levels:
        """The parts of ``levels``."""
        bands, excess, gains = levels.split([LEADS * BANDS, LEADS, LEADS], 1)
        return Levels(bands.unflatten(1, (LEADS, BANDS)), excess, gains.exp())


def excess(residual: np.ndarray, times: np.ndarray, fs: float) -> np.ndarray:
    """(8,) logarithm of the root mean square of a residual (8, time) near the R peaks over that far from them.

    Example:
        >>> quiet = np.ones((8, 500))
        >>> quiet[:, 195:206] = 3.0
        >>> excess(quiet, np.array([2.0]), 100.0).round(2)[0].item()
        1.1
    """
    distance = _distance(times, residual.shape[1], fs)
    near, far = distance <= NEAR, distance >= FAR
    if not near.any() or not far.any():
        return np.zeros(len(residual))
    near_power, far_power = ((residual[:, part] ** 2).mean(1) + QUIETEST**2 for part in (near, far))
    return (0.5 * np.log(near_power / far_power)).clip(-LARGEST_EXCESS, LARGEST_EXCESS)


def envelope(excess: Tensor, times: Sequence[np.ndarray], samples: int, fs: float) -> Tensor:
    """(batch, 8, samples) envelopes: one far from the R peaks (``times`` in s), and e to the ``excess`` at them."""
    near = np.stack([np.exp(-((_distance(one, samples, fs) / REACH) ** 4)) for one in times])
    return (excess[..., None] * torch.from_numpy(near).to(excess)[:, None]).exp()


def _distance(times: np.ndarray, samples: int, fs: float) -> np.ndarray:
    """(sample,) distance in s to the nearest beat; large where there is none."""
    if not len(times):
        return np.full(samples, 9.0)
    at = np.arange(samples) / fs
    place = np.searchsorted(times, at).clip(1, max(1, len(times) - 1))
    return np.minimum(np.abs(at - times[place - 1]), np.abs(at - times[np.minimum(place, len(times) - 1)]))


def nearest_beat(times: np.ndarray, samples: int, fs: float) -> np.ndarray:
    """(step,) index of the beat that is nearest to each step."""
    centers = (np.arange(samples // FOLDED) + 0.5) * FOLDED / fs
    return np.abs(centers[:, None] - times).argmin(1)


def beat_channels(rhythm: Rhythm, samples: int, fs: float) -> np.ndarray:
    """(4, step): time since the last beat and to the next one in s, type of the nearest beat, and nearness to it."""
    centers = (np.arange(samples // FOLDED) + 0.5) * FOLDED / fs
    after = np.searchsorted(rhythm.times, centers)
    bounded = np.concatenate([[-9.0], rhythm.times, [samples / fs + 9.0]])
    since, to = centers - bounded[after], bounded[after + 1] - centers
    if not len(rhythm.times):
        return np.stack([np.full_like(since, 1.5), np.full_like(to, 1.5), 0 * since, 0 * since])
    kind = rhythm.types[nearest_beat(rhythm.times, samples, fs)]
    near = np.exp(-((np.minimum(since, to) / 0.05) ** 2))
    return np.stack([np.minimum(since, 1.5), np.minimum(to, 1.5), kind, near])


def unexplained(residual: np.ndarray, beats: Beats, fs: float) -> np.ndarray:
    """A residual without what gains and shifts of the beats would explain, as ``decompose`` leaves it.

    Args:
        residual: (lead, time) in mV.
        beats: The beats of the record; their gains are not regarded.
        fs: Sampling rate in Hz.

    Returns:
        (lead, time): each beat's part has no projection on its median beat in any lead, and around the R peak, beside
        offset and trend of each lead, none on the slope of the median beat over all leads.

    Example:
        >>> from ecggen.core.beats import rendered
        >>> one = np.sin(np.linspace(0, 6, 96))[None]
        >>> beats = Beats(one, 0 * one, np.array([0.5, 1.5]), np.zeros(2, int), np.zeros((2, 1)))
        >>> again = unexplained(0.1 * rendered(beats, 200, 100.0), beats, 100.0)
        >>> bool(np.abs(again).max() < 0.03)
        True
    """
    left, samples = residual.copy(), residual.shape[1]
    grid = np.arange(beats.median.shape[1]) / fs - BEFORE
    curves = [CubicSpline(grid, one, axis=-1) for one in (beats.median, beats.ectopic)]
    for at, kind, before, after in zip(beats.times, beats.types, *own_parts(beats.times), strict=True):
        first = max(0, int(np.ceil((at - min(before, BEFORE)) * fs)))
        last = min(samples, int(np.floor((at + min(after, grid[-1])) * fs)) + 1)
        if last - first < FEWEST_SAMPLES:
            continue
        t, part = np.arange(first, last) / fs - at, left[:, first:last]
        shape, slope = curves[kind](t), curves[kind](t, 1)
        ideal = shape - shape.mean(1, keepdims=True)
        gain = (part * ideal).sum(1) / ((ideal**2).sum(1) + len(t) * RIDGE**2)
        part -= gain[:, None] * ideal
        part -= _shift(part, slope, np.abs(t) <= SHIFTED) * slope
    return left


def _shift(part: np.ndarray, slope: np.ndarray, around: np.ndarray) -> float:
    """Factor of ``slope`` (lead, time) in ``part`` by least squares, beside offset and trend of each lead."""
    if around.sum() < FEWEST_SAMPLES:
        return 0.0
    line = np.vander(np.linspace(-1, 1, around.sum()), 2)
    onto = line @ np.linalg.pinv(line)
    near, steep = (one[:, around] - one[:, around] @ onto.T for one in (part, slope))
    return float((near * steep).sum() / max((steep**2).sum(), 1e-12))
