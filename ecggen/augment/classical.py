"""Classical augmentation: label-preserving transforms of a recording, mixup and oversampling.

Noise, scaling and time warping follow Um et al. (ICMI 2017) and Iwana & Uchida (PLoS ONE 2021;16:e0254841). Baseline
wander and lead dropout follow contrastive learning of ECGs (Mehari & Strodthoff, Comput Biol Med 2022;141:105114).
Mixup follows Zhang et al. (ICLR 2018), oversampling of rare labels Charte et al. (Neurocomputing 2015;163:3).
Magnitudes are those of ordinary recordings, so that no finding changes; none was tuned on a score. The random numbers
of a record depend on (seed, index) only, not on the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ecggen.core.ecg import ECG

NOISE_MV = 0.01, 0.05
"""Range of the standard deviation of the noise, from a patient at rest to muscle tremor; an R wave is about 1 mV."""
WANDER_HZ, WANDER_MV = (0.1, 1.0), 0.15
"""Frequencies of respiration and electrode motion (Sörnmo & Laguna 2005: mostly below 1 Hz); amplitude of each wave."""
GAIN, LEAD_GAIN = 0.10, 0.05
"""Standard deviation of the log gain of all leads and of each lead: less than the day-to-day variation of a patient
(Farb et al., J Am Coll Cardiol 1990;15:618), so that hypertrophy criteria are preserved."""
WARP_HZ, WARP = (0.05, 0.2), 0.06
"""Frequencies and strength of the time warp: about the respiratory variation of the heart rate at rest."""
LOST = 1, 3
"""Minimum and maximum number of the eight leads that are dropped."""
ALPHA = 0.2
"""Parameter of mixup's Beta distribution (Zhang et al.: 0.1 to 0.4)."""
WAVES = 3
"""Number of sine waves in a baseline wander or a time warp."""

Change = Callable[[Tensor, float, Sequence[np.random.Generator]], Tensor]
"""A transform: signals (record, lead, time) in mV, sampling rate in Hz, one random generator per record → signals."""


def augment(kind: str, ecg: ECG, seed: int, indices: Sequence[int]) -> ECG:
    """Apply one transform to each record.

    Args:
        kind: One of ``KINDS``.
        ecg: The records.
        seed: Seed of the random numbers.
        indices: Index of each record; its random numbers depend on (seed, index) only.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> noisy = augment("noise", simulate(2), seed=0, indices=[0, 1])
        >>> tuple(noisy.signal.shape)
        (2, 12, 1000)
    """
    streams = [np.random.default_rng((abs(seed), int(seed < 0), index, 3)) for index in indices]
    return replace(ecg, signal=KINDS[kind](ecg.signal, ecg.fs, streams).float())


def mix(ecg: ECG, labels: np.ndarray, seed: int, indices: Sequence[int]) -> tuple[ECG, np.ndarray]:
    """Mixup: a convex combination of each record with another one, and of their labels (record, label)."""
    streams = [np.random.default_rng((abs(seed), int(seed < 0), index, 4)) for index in indices]
    share = np.array([max(own := stream.beta(ALPHA, ALPHA), 1 - own) for stream in streams])
    other = np.array([stream.integers(len(ecg)) for stream in streams])
    kept = torch.as_tensor(share, dtype=ecg.signal.dtype)[:, None, None]
    signal = kept * ecg.signal + (1 - kept) * ecg.signal[torch.as_tensor(other)]
    return replace(ecg, signal=signal), share[:, None] * labels + (1 - share)[:, None] * labels[other]


def oversampled(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) rows to repeat; each row is chosen among the records with the currently rarest label.

    Args:
        labels: (record, label) of 0 and 1.
        n: Number of rows.
        rng: Random generator that selects among the records with a label.

    Example:
        >>> labels = np.array([[1, 0], [1, 0], [0, 1]])
        >>> oversampled(labels, 1, np.random.default_rng(0))
        array([2])
    """
    with_label = [np.flatnonzero(column) for column in labels.T]
    counts = np.where(labels.any(0), labels.sum(0), np.inf)
    rows = np.empty(n, int)
    for at in range(n):
        rows[at] = rng.choice(with_label[int(counts.argmin())])
        counts = counts + labels[rows[at]]
    return rows


def _noise(signal: Tensor, fs: float, streams: Sequence[np.random.Generator]) -> Tensor:
    """Muscle and amplifier noise: independent in each lead, with one standard deviation per record."""
    shape = signal.shape[1:]
    added = [stream.uniform(*NOISE_MV) * stream.standard_normal(shape, np.float32) for stream in streams]
    return signal + torch.from_numpy(np.stack(added))


def _wander(signal: Tensor, fs: float, streams: Sequence[np.random.Generator]) -> Tensor:
    """Baseline wander: slow waves with a random amplitude and sign in each lead."""
    time = np.arange(signal.shape[-1]) / fs
    added = []
    for stream in streams:
        sizes = stream.uniform(-WANDER_MV, WANDER_MV, (signal.shape[1], WAVES))
        added.append(sizes @ _slow(time, WANDER_HZ, stream))
    return signal + torch.from_numpy(np.stack(added)).float()


def _scaling(signal: Tensor, fs: float, streams: Sequence[np.random.Generator]) -> Tensor:
    """A random gain per record, and a smaller one per lead."""
    logs = [GAIN * stream.normal() + LEAD_GAIN * stream.normal(size=signal.shape[1]) for stream in streams]
    return signal * torch.from_numpy(np.exp(np.stack(logs))).float()[..., None]


def _warp(signal: Tensor, fs: float, streams: Sequence[np.random.Generator]) -> Tensor:
    """Smooth time warp; beginning and end stay fixed."""
    time = np.arange(signal.shape[-1]) / fs
    positions = []
    for stream in streams:
        speed = np.exp(WARP * stream.normal(size=WAVES) @ _slow(time, WARP_HZ, stream))
        run = np.r_[0, np.cumsum((speed[1:] + speed[:-1]) / 2)]
        positions.append(2 * run / run[-1] - 1)  # −1 to 1, the coordinates of grid_sample
    across = torch.from_numpy(np.stack(positions)).float()
    grid = torch.stack([across, torch.zeros_like(across)], -1)[:, None]
    moved = F.grid_sample(signal[:, :, None], grid, mode="bicubic", padding_mode="border", align_corners=True)
    return moved[:, :, 0]


def _dropout(signal: Tensor, fs: float, streams: Sequence[np.random.Generator]) -> Tensor:
    """Set some leads to zero."""
    leads = signal.shape[1]
    lost = [stream.permutation(leads) < stream.integers(LOST[0], LOST[1] + 1) for stream in streams]
    return signal * ~torch.from_numpy(np.stack(lost))[..., None]


def _slow(time: np.ndarray, band: tuple[float, float], stream: np.random.Generator) -> np.ndarray:
    """(wave, time): sine waves of amplitude 1 with random frequency and phase."""
    frequency, phase = stream.uniform(*band, (WAVES, 1)), stream.uniform(0, 2 * np.pi, (WAVES, 1))
    return np.sin(2 * np.pi * frequency * time + phase)


KINDS: dict[str, Change] = {
    "noise": _noise,
    "wander": _wander,
    "scaling": _scaling,
    "warp": _warp,
    "dropout": _dropout,
}
"""The transforms by name."""
