"""Marked ECGs in every form an ECG to be delineated may have: what the delineator learns from, crop by crop.

An ECG to be judged may come from anywhere, from a generator too. So each crop is stretched in time, part by part of its
beats, turned over, drowned in noise and robbed of leads; out of some the P waves are cut, and some are no ECG at all:
where nothing is to be seen, nothing may be found. None of it moves a mark off its wave.
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
"""Class of an instant of which the experts say nothing."""
NOT_P = -200
"""Class of an instant of which only that is known: all of a record with atrial fibrillation."""
BATCH, FIBRILLATING, LEADS, SECONDS = 8, 2, 4, 6.4
"""Marked and fibrillating records in a batch, the leads of each, and the length of a crop."""
WITHOUT_ECG = 0.15
"""Share of a batch that is noise or flat, and so without waves."""
WITHOUT_P = 0.15
"""Share of the crops out of which the P waves are cut."""
STRETCH = ((-0.3, 0.4), (-0.1, 0.2), (-0.2, 0.3), (-0.2, 0.3), (-0.3, 1.3))
"""Least and largest logarithm of a stretch in time of what lies outside the waves, P, QRS, T, and PQ."""


def classes(marked: ludb.Marked, samples: int, fs: float) -> Tensor:
    """(record, lead, time) int64: the class of each instant, ``UNKNOWN`` outside the marks."""
    seconds = np.arange(samples) / fs
    answer = np.full((len(marked.names), len(marked.ecg.leads), samples), UNKNOWN)
    for rows, leads in zip(answer, marked.marks, strict=True):
        for row, lead in zip(rows, leads, strict=True):
            row[(seconds >= lead.first) & (seconds <= lead.last)] = 0
            for number, name in enumerate(CLASSES[1:], 1):
                for onset, peak, offset in lead.waves[name]:
                    _paint(row, seconds, number, onset, peak, offset)
    return torch.from_numpy(answer)


def _paint(row: np.ndarray, seconds: np.ndarray, number: int, onset: float, peak: float, offset: float) -> None:
    """Write one wave into ``row``; where a boundary is missing, nobody knows what lies around it."""
    first, last = (peak if np.isnan(onset) else onset), (peak if np.isnan(offset) else offset)
    row[(seconds >= first) & (seconds <= last)] = number
    if np.isnan(onset):
        row[(seconds >= peak - 0.1) & (seconds < peak)] = UNKNOWN
    if np.isnan(offset):
        row[(seconds > peak) & (seconds <= peak + 0.2)] = UNKNOWN


class Crops:
    """Random crops of marked records, changed in every way that must not change the marks.

    Args:
        waves: (record, lead, time) as ``delineation.prepare`` gives them.
        answer: (record, lead, time) classes.
        fibrillating: (record, lead, time) the same of hearts without P.
        seed: Seed of all that is drawn.
    """

    def __init__(self, waves: Tensor, answer: Tensor, fibrillating: Tensor, seed: int):
        self.marked = len(waves)
        self.waves = torch.cat([waves, fibrillating])
        self.answer = torch.cat([answer, torch.full(fibrillating.shape, NOT_P)])
        self.parts = np.stack([_parts(record.numpy()) for record in self.answer])
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
            x, answer = (torch.stack(part) for part in zip(*pairs, strict=True))
            yield self._spoil(x, answer)

    def _uniform(self, low: float = 0.0, high: float = 1.0, shape: tuple[int, ...] = ()) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.draw)

    def _integers(self, low: int, high: int) -> Tensor:
        return torch.randint(low, high, (), generator=self.draw)

    def _crop(self, row: Tensor, leads: Tensor) -> tuple[Tensor, Tensor]:
        """A piece of some leads of a record, its rhythm and each part of its beats stretched."""
        size, total = round(SECONDS * delineator.RATE), self.waves.shape[-1]
        low, high = torch.tensor(STRETCH).T
        stretch = torch.exp(low + (high - low) * torch.rand(len(STRETCH), generator=self.draw)).numpy()
        steps = float(torch.exp(self._uniform(-0.3, 0.3))) * stretch[self.parts[row]]
        reached = np.cumsum(steps * max(1.0, size / (steps.sum() - 2)))
        start = reached[0] + float(self._uniform(0, 1)) * (reached[-1] - reached[0] - size)
        at = torch.from_numpy(np.interp(start + np.arange(size), reached, np.arange(total)))
        left = at.long().clamp(max=total - 2)
        part = (at - left).float()
        wave, answer = self.waves[row, leads], self.answer[row, leads][:, at.round().long()]
        wave = wave[:, left] * (1 - part) + wave[:, left + 1] * part
        return _without_p(wave, answer) if self._uniform() < WITHOUT_P else (wave, answer)

    def _spoil(self, x: Tensor, answer: Tensor) -> tuple[Tensor, Tensor]:
        """Turned over, narrowed in band, noisy; some leads fallen off, some records no ECG."""
        records, leads, size = x.shape
        turned = self._uniform(shape=(records, leads, 1)) < 0.2
        x = torch.where(turned, -x, x)
        if self._uniform() < 0.3:
            x = _smooth(x, int(self._integers(1, 4)))
        silent = self._uniform(shape=(records, 1, 1)) < WITHOUT_ECG
        fallen = silent | (self._uniform(shape=(records, leads, 1)) < 0.03)
        x, answer = x.masked_fill(fallen, 0.0), answer.masked_fill(fallen, 0)
        size_of_noise = torch.exp(self._uniform(math.log(0.003), math.log(0.3), (records, leads, 1)))
        flat = self._uniform(shape=(records, leads, 1)) < 0.3
        noise = self._noise(records, leads, size)
        alike = self._uniform(shape=(records, 1, 1)) < 0.4
        noise = torch.where(alike, noise[:, :1], noise)
        x = x + noise * size_of_noise * ~(fallen & flat)
        return delineator.scale(x), answer

    def _noise(self, records: int, leads: int, size: int) -> Tensor:
        """Muscle, slow and fast waves, mains and bumps, mixed anew for each lead, of about unit deviation."""
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


def _parts(answer: np.ndarray) -> np.ndarray:
    """(time,) where in the beat each instant is, as in ``STRETCH``, by what most leads (lead, time) say."""
    votes = np.stack([(answer == number).sum(0) for number in range(len(CLASSES))])
    parts = np.where(votes[1:].max(0) >= len(answer) / 3, 1 + votes[1:].argmax(0), 0)
    p, qrs = CLASSES.index("P"), CLASSES.index("QRS")
    ends = np.flatnonzero((parts[:-1] == p) & (parts[1:] == 0)) + 1
    for first in ends:
        rest = np.flatnonzero(parts[first:])
        if len(rest) and parts[first + rest[0]] == qrs and rest[0] < 0.3 * delineator.RATE:
            parts[first : first + rest[0]] = len(CLASSES)
    return parts


def _without_p(wave: Tensor, answer: Tensor) -> tuple[Tensor, Tensor]:
    """The crop with a straight line wherever any lead has a P wave, and some 20 ms around it."""
    marked = (answer == CLASSES.index("P")).any(0).float()
    cut = (F.max_pool1d(marked[None, None], 11, 1, 5)[0, 0] > 0).numpy()
    if not cut.any() or cut.all():
        return wave, answer
    at = np.arange(len(cut))
    straight = np.stack([np.interp(at, at[~cut], row[~cut]) for row in wave.numpy()])
    return torch.from_numpy(straight).float(), answer.masked_fill(answer == CLASSES.index("P"), 0)


def _smooth(x: Tensor, reach: int) -> Tensor:
    """A moving average over ``reach`` samples to either side, run twice."""
    for _ in range(2):
        x = F.avg_pool1d(x, 2 * reach + 1, 1, reach, count_include_pad=False)
    return x
