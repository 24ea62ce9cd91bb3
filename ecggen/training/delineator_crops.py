"""Training crops of the delineator, with data augmentation.

The delineator must work on ECGs of any origin, including generated ones. Therefore crops are warped in time separately
for each part of a beat, inverted, smoothed, and corrupted by noise; leads are removed; P waves are removed from some
crops; and some records are replaced by noise or flat lines, which have no waves. Annotations are transformed with the
signal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ecggen.data import ludb
from ecggen.evaluators import delineator
from ecggen.networks.delineation import CLASSES

UNKNOWN = -100
"""Class of samples without annotation."""
NOT_P = -200
"""Class of samples that are only known not to be P: all samples of a record with atrial fibrillation."""
BATCH, FIBRILLATING, LEADS, SECONDS = 8, 2, 4, 6.4
"""Annotated and fibrillation records per batch, leads per record, and duration of a crop in s."""
WITHOUT_ECG = 0.15
"""Probability that a record is replaced by noise or a flat line."""
WITHOUT_P = 0.15
"""Probability that P waves are removed from a crop."""
STRETCH = ((-0.3, 0.4), (-0.1, 0.2), (-0.2, 0.3), (-0.2, 0.3), (-0.3, 1.3))
"""Range of the log time stretch of: outside the waves, P, QRS, T, PQ segment."""


def classes(marked: ludb.Marked, samples: int, fs: float) -> Tensor:
    """Class of each sample (record, lead, time) int64; ``UNKNOWN`` outside the annotated part."""
    seconds = np.arange(samples) / fs
    target = np.full((len(marked.names), len(marked.ecg.leads), samples), UNKNOWN)
    for rows, leads in zip(target, marked.marks, strict=True):
        for row, lead in zip(rows, leads, strict=True):
            row[(seconds >= lead.first) & (seconds <= lead.last)] = 0
            for number, name in enumerate(CLASSES[1:], 1):
                for onset, peak, offset in lead.waves[name]:
                    _paint(row, seconds, number, onset, peak, offset)
    return torch.from_numpy(target)


def _paint(row: np.ndarray, seconds: np.ndarray, number: int, onset: float, peak: float, offset: float) -> None:
    """Write the class of one wave to ``row``; samples near a missing boundary are ``UNKNOWN``."""
    first, last = (peak if np.isnan(onset) else onset), (peak if np.isnan(offset) else offset)
    row[(seconds >= first) & (seconds <= last)] = number
    if np.isnan(onset):
        row[(seconds >= peak - 0.1) & (seconds < peak)] = UNKNOWN
    if np.isnan(offset):
        row[(seconds > peak) & (seconds <= peak + 0.2)] = UNKNOWN


class Crops:
    """Random augmented crops of annotated records.

    Args:
        waves: (record, lead, time) output of ``delineator.prepare``.
        target: (record, lead, time) classes.
        fibrillating: (record, lead, time) waves of records without P waves.
        seed: Random seed.
    """

    def __init__(self, waves: Tensor, target: Tensor, fibrillating: Tensor, seed: int):
        self.marked = len(waves)
        self.waves = torch.cat([waves, fibrillating])
        self.target = torch.cat([target, torch.full(fibrillating.shape, NOT_P)])
        self.parts = np.stack([_parts(record.numpy()) for record in self.target])
        self.draw = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return math.ceil(self.marked / BATCH)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches (waves, classes), each (record, lead, time)."""
        for some in torch.randperm(self.marked, generator=self.draw).split(BATCH):
            others = torch.randint(self.marked, len(self.waves), (FIBRILLATING,), generator=self.draw)
            rows = torch.cat([some, others])
            leads = torch.stack([torch.randperm(self.waves.shape[1], generator=self.draw)[:LEADS] for _ in rows])
            count = int(self._integers(1, LEADS + 1)) if self._uniform() < 0.4 else LEADS
            pairs = [self._crop(row, some[:count]) for row, some in zip(rows, leads, strict=True)]
            x, target = (torch.stack(part) for part in zip(*pairs, strict=True))
            yield self._corrupt(x, target)

    def _uniform(self, low: float = 0.0, high: float = 1.0, shape: tuple[int, ...] = ()) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.draw)

    def _integers(self, low: int, high: int) -> Tensor:
        return torch.randint(low, high, (), generator=self.draw)

    def _crop(self, row: Tensor, leads: Tensor) -> tuple[Tensor, Tensor]:
        """A random crop of some leads of a record, with the rhythm and each part of the beats stretched."""
        size, total = round(SECONDS * delineator.RATE), self.waves.shape[-1]
        low, high = torch.tensor(STRETCH).T
        stretch = torch.exp(low + (high - low) * torch.rand(len(STRETCH), generator=self.draw)).numpy()
        steps = float(torch.exp(self._uniform(-0.3, 0.3))) * stretch[self.parts[row]]
        reached = np.cumsum(steps * max(1.0, size / (steps.sum() - 2)))
        start = reached[0] + float(self._uniform(0, 1)) * (reached[-1] - reached[0] - size)
        at = torch.from_numpy(np.interp(start + np.arange(size), reached, np.arange(total)))
        left = at.long().clamp(max=total - 2)
        part = (at - left).float()
        wave, target = self.waves[row, leads], self.target[row, leads][:, at.round().long()]
        wave = wave[:, left] * (1 - part) + wave[:, left + 1] * part
        return _without_p(wave, target) if self._uniform() < WITHOUT_P else (wave, target)

    def _corrupt(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Invert leads, smooth, add noise, disconnect leads, and replace records by noise or flat lines."""
        records, leads, size = x.shape
        inverted = self._uniform(shape=(records, leads, 1)) < 0.2
        x = torch.where(inverted, -x, x)
        if self._uniform() < 0.3:
            x = _smooth(x, int(self._integers(1, 4)))
        empty = self._uniform(shape=(records, 1, 1)) < WITHOUT_ECG
        disconnected = empty | (self._uniform(shape=(records, leads, 1)) < 0.03)
        x, target = x.masked_fill(disconnected, 0.0), target.masked_fill(disconnected, 0)
        amplitude = torch.exp(self._uniform(math.log(0.003), math.log(0.3), (records, leads, 1)))
        flat = self._uniform(shape=(records, leads, 1)) < 0.3
        noise = self._noise(records, leads, size)
        common = self._uniform(shape=(records, 1, 1)) < 0.4
        noise = torch.where(common, noise[:, :1], noise)
        x = x + noise * amplitude * ~(disconnected & flat)
        return delineator.scale(x), target

    def _noise(self, records: int, leads: int, size: int) -> Tensor:
        """Random mixtures of muscle noise, low-frequency noise, sine waves, mains and bumps, with a deviation of 1."""
        seconds = torch.arange(size) / delineator.RATE
        white = torch.randn(records, leads, size, generator=self.draw)
        slow = 4 * _smooth(white.roll(101, -1), 40)
        wander = torch.sin(2 * math.pi * (self._uniform(0.2, 9.0, (records, leads, 1)) * seconds + self._phases(white)))
        mains = torch.sin(2 * math.pi * (50 + 10 * (self._phases(white) > 0.5)) * seconds)
        bumps = (self._uniform(shape=white.shape) < 0.004) * white.roll(7, -1)
        bumps = 8 * _smooth(bumps, int(self._integers(2, 30)))
        mixture = self._uniform(shape=(5, records, leads, 1)) ** 3
        kinds = torch.stack([_smooth(white, 1) * 1.5, slow, wander, 0.3 * mains, bumps])
        return (mixture * kinds).sum(0)

    def _phases(self, x: Tensor) -> Tensor:
        return self._uniform(shape=(*x.shape[:2], 1))


def _parts(target: np.ndarray) -> np.ndarray:
    """Part of the beat at each sample (time,), an index of ``STRETCH``, by majority of the leads (lead, time)."""
    votes = np.stack([(target == number).sum(0) for number in range(len(CLASSES))])
    parts = np.where(votes[1:].max(0) >= len(target) / 3, 1 + votes[1:].argmax(0), 0)
    p, qrs = CLASSES.index("P"), CLASSES.index("QRS")
    ends = np.flatnonzero((parts[:-1] == p) & (parts[1:] == 0)) + 1
    for first in ends:
        rest = np.flatnonzero(parts[first:])
        if len(rest) and parts[first + rest[0]] == qrs and rest[0] < 0.3 * delineator.RATE:
            parts[first : first + rest[0]] = len(CLASSES)
    return parts


def _without_p(wave: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Replace P waves, and some 20 ms around them, by straight lines in all leads."""
    marked = (target == CLASSES.index("P")).any(0).float()
    cut = (F.max_pool1d(marked[None, None], 11, 1, 5)[0, 0] > 0).numpy()
    if not cut.any() or cut.all():
        return wave, target
    at = np.arange(len(cut))
    straight = np.stack([np.interp(at, at[~cut], row[~cut]) for row in wave.numpy()])
    return torch.from_numpy(straight).float(), target.masked_fill(target == CLASSES.index("P"), 0)


def _smooth(x: Tensor, reach: int) -> Tensor:
    """Moving average over ``reach`` samples on either side, applied twice."""
    for _ in range(2):
        x = F.avg_pool1d(x, 2 * reach + 1, 1, reach, count_include_pad=False)
    return x
