"""What a training set is augmented with where no model draws: the changes a recording is thought not to mind.

Noise, scaling and time warping after Um et al. (ICMI 2017) and Iwana & Uchida (PLoS ONE 2021;16:e0254841), baseline
wander and lead dropout as in contrastive learning of ECGs (Mehari & Strodthoff, Comput Biol Med 2022;141:105114), mixup
by Zhang et al. (ICLR 2018); and oversampling of rare labels (Charte et al., Neurocomputing 2015;163:3), the cheapest of
all. Sizes are those of ordinary recordings, so that no finding is changed; none was chosen on a score. Each record has
random numbers of its own, derived from (seed, index), whatever it stands beside.
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
"""Deviation of the noise: from a patient at rest to one who shivers; an R wave is about 1 mV high."""
WANDER_HZ, WANDER_MV = (0.1, 1.0), 0.15
"""Breathing and moving electrodes (Sörnmo & Laguna 2005: mostly below 1 Hz), and the height of each of three waves."""
GAIN, LEAD_GAIN = 0.10, 0.05
"""Deviation of the logarithm of voltage, of all leads together and of each: less than a person's from day to day (Farb
et al., J Am Coll Cardiol 1990;15:618), so that a hypertrophy remains one."""
WARP_HZ, WARP = (0.05, 0.2), 0.06
"""Time runs faster here and slower there, by about as much as breathing moves the heart rate at rest."""
LOST = 1, 3
"""Fewest and most of the eight leads that come loose."""
ALPHA = 0.2
"""Of mixup's Beta distribution: mostly a little of another record (Zhang et al.: 0.1 to 0.4)."""
WAVES = 3
"""Sine waves of a wander or a warp."""

Change = Callable[[Tensor, float, Sequence[np.random.Generator]], Tensor]
"""From signals (record, lead, time) in mV, their rate in Hz and each record's random numbers to changed signals."""


def augment(kind: str, ecg: ECG, seed: int, indices: Sequence[int]) -> ECG:
    """Each record changed in one way.

    Args:
        kind: One of ``KINDS``.
        ecg: The records.
        seed: Seed of the changes.
        indices: Number of each record; its random numbers follow from (seed, number).
    """
    streams = [np.random.default_rng((abs(seed), int(seed < 0), index, 3)) for index in indices]
    return replace(ecg, signal=KINDS[kind](ecg.signal, ecg.fs, streams).float())


def mix(ecg: ECG, labels: np.ndarray, seed: int, indices: Sequence[int]) -> tuple[ECG, np.ndarray]:
    """Each record with a part of another, and labels (record, label) in the same shares: mixup."""
    streams = [np.random.default_rng((abs(seed), int(seed < 0), index, 4)) for index in indices]
    share = np.array([max(own := stream.beta(ALPHA, ALPHA), 1 - own) for stream in streams])
    other = np.array([stream.integers(len(ecg)) for stream in streams])
    kept = torch.as_tensor(share, dtype=ecg.signal.dtype)[:, None, None]
    signal = kept * ecg.signal + (1 - kept) * ecg.signal[torch.as_tensor(other)]
    return replace(ecg, signal=signal), share[:, None] * labels + (1 - share)[:, None] * labels[other]


def oversampled(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) rows to repeat: each time one that has the label which is rarest by then.

    Args:
        labels: (record, label) of 0 and 1.
        n: Repeats.
        rng: Which of the records with a label.
    """
    having = [np.flatnonzero(column) for column in labels.T]
    counts = np.where(labels.any(0), labels.sum(0), np.inf)
    rows = np.empty(n, int)
    for at in range(n):
        rows[at] = rng.choice(having[int(counts.argmin())])
        counts = counts + labels[rows[at]]
    return rows


def _noise(signal: Tensor, fs: float, streams: Sequence[np.random.Generator]) -> Tensor:
    """Muscle and amplifier: each electrode's own, of one strength in a record."""
    shape = signal.shape[1:]
    added = [stream.uniform(*NOISE_MV) * stream.standard_normal(shape, np.float32) for stream in streams]
    return signal + torch.from_numpy(np.stack(added))


def _wander(signal: Tensor, fs: float, streams: Sequence[np.random.Generator]) -> Tensor:
    """Slow waves, in each lead more or less of them and upwards or downwards."""
    time = np.arange(signal.shape[-1]) / fs
    added = []
    for stream in streams:
        sizes = stream.uniform(-WANDER_MV, WANDER_MV, (signal.shape[1], WAVES))
        added.append(sizes @ _slow(time, WANDER_HZ, stream))
    return signal + torch.from_numpy(np.stack(added)).float()


def _scaling(signal: Tensor, fs: float, streams: Sequence[np.random.Generator]) -> Tensor:
    """Voltage up or down: of the record, and a little of each lead."""
    logs = [GAIN * stream.normal() + LEAD_GAIN * stream.normal(size=signal.shape[1]) for stream in streams]
    return signal * torch.from_numpy(np.exp(np.stack(logs))).float()[..., None]


def _warp(signal: Tensor, fs: float, streams: Sequence[np.random.Generator]) -> Tensor:
    """Time stretched here and pressed there; beginning and end stay where they are."""
    time = np.arange(signal.shape[-1]) / fs
    places = []
    for stream in streams:
        speed = np.exp(WARP * stream.normal(size=WAVES) @ _slow(time, WARP_HZ, stream))
        run = np.r_[0, np.cumsum((speed[1:] + speed[:-1]) / 2)]
        places.append(2 * run / run[-1] - 1)  # −1 to 1, as grid_sample counts
    across = torch.from_numpy(np.stack(places)).float()
    grid = torch.stack([across, torch.zeros_like(across)], -1)[:, None]
    moved = F.grid_sample(signal[:, :, None], grid, mode="bicubic", padding_mode="border", align_corners=True)
    return moved[:, :, 0]


def _dropout(signal: Tensor, fs: float, streams: Sequence[np.random.Generator]) -> Tensor:
    """Some leads are flat."""
    leads = signal.shape[1]
    lost = [stream.permutation(leads) < stream.integers(LOST[0], LOST[1] + 1) for stream in streams]
    return signal * ~torch.from_numpy(np.stack(lost))[..., None]


def _slow(time: np.ndarray, band: tuple[float, float], stream: np.random.Generator) -> np.ndarray:
    """(wave, time): sine waves of random frequency and phase, of height 1."""
    frequency, phase = stream.uniform(*band, (WAVES, 1)), stream.uniform(0, 2 * np.pi, (WAVES, 1))
    return np.sin(2 * np.pi * frequency * time + phase)


KINDS: dict[str, Change] = {
    "noise": _noise,
    "wander": _wander,
    "scaling": _scaling,
    "warp": _warp,
    "dropout": _dropout,
}
"""The changes of a waveform, by name."""
