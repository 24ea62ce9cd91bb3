"""Training crops of the pulse network, with data augmentation.

Crops differ in length and pace. PPGs are filtered, given a second wave or an undershoot after each pulse, changed in
gain, clipped, interrupted, and corrupted by noise, wander and motion. R peaks follow the pace and nothing else. The
polarity is never changed, because a PPG is turned upright before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from scipy.signal import butter, sosfilt
from torch import Tensor
from torch.nn import functional as F

from ecggen.conditioning.pulse_beats import RATE, prepare
from ecggen.core.simulate import PULSE_DELAY
from ecggen.training.pulse_examples import Example

LENGTHS = (8.0, 10.0, 10.0, 10.0, 10.0, 15.0, 20.0)
"""Lengths of the crops of a batch in s."""
BATCH_SECONDS = 240.0
"""Total length of a batch in s."""
STRETCH = (0.72, 1.35)
"""Range of the pace."""


class Crops:
    """Batches of crops.

    Args:
        examples: The recordings; their ``delay`` may be changed between batches.
        weights: How often each is chosen.
        seed: Random seed.
        step: The length of a batch is a multiple of this number of samples.
    """

    def __init__(self, examples: Sequence[Example], weights: np.ndarray, seed: int, step: int):
        self.examples, self.share, self.step = examples, weights / weights.sum(), step
        self.rng = np.random.default_rng(seed)

    def batch(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Input (batch, channel, time), number of R peaks in each sample, its weight, and lead II (batch, time).

        Lead II is zero in crops of another pace, because its waves do not follow the pace as its beats do.
        """
        seconds = float(self.rng.choice(LENGTHS))
        size, count = round(seconds * RATE), round(BATCH_SECONDS / seconds)
        chosen = self.rng.choice(len(self.examples), count, p=self.share)
        parts = [self._crop(self.examples[at], size) for at in chosen]
        wave, peaks, weight, lead = (
            torch.from_numpy(np.stack(each).astype(np.float32)) for each in zip(*parts, strict=True)
        )
        observed = torch.from_numpy(np.stack([self._observed(size) for _ in parts]))
        x = prepare(torch.where(observed, wave, 0.0), observed)
        more = -size % self.step
        x, peaks, weight, lead = (F.pad(one, (0, more)) for one in (x, peaks, weight, lead))
        return x, peaks, weight, lead

    def _crop(self, example: Example, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """PPG, R peaks in each sample, weights and lead II of a crop."""
        pace = float(np.exp(self.rng.uniform(*np.log(STRETCH)))) if self.rng.random() < 0.5 else 1.0
        own = size * pace / RATE
        first = self.rng.uniform(0, max(0.0, len(example.ppg) / RATE - own - 0.02))
        at = first + np.arange(size) * pace / RATE
        wave = np.interp(at * RATE, np.arange(len(example.ppg)), example.ppg)
        then = at - (example.delay - PULSE_DELAY)
        nearest = np.round(then * RATE).astype(int)
        weight = example.trusted[nearest.clip(0, len(example.trusted) - 1)]
        weight = weight & (nearest >= 0) & (nearest < len(example.trusted))
        lead = np.interp(then * RATE, np.arange(len(example.lead)), example.lead) if pace == 1.0 else np.zeros(size)
        # Pulses follow the pace; the delay from R peak to pulse stays the same.
        times = ((example.moved_peaks + PULSE_DELAY - first) / pace - PULSE_DELAY) * RATE
        return self._corrupted(wave), _counts(times, size), weight, lead

    def _observed(self, size: int) -> np.ndarray:
        """(time,) false in a gap that some crops have."""
        observed = np.ones(size, bool)
        if self.rng.random() < 0.08:
            first = self.rng.integers(0, size)
            observed[first : first + int(self.rng.uniform(0.2, 1.5) * RATE)] = False
        return observed

    def _corrupted(self, wave: np.ndarray) -> np.ndarray:
        rng, size = self.rng, len(wave)
        level = wave.std()
        if level < 1e-9:
            return wave
        wave = (wave - wave.mean()) / level
        if rng.random() < 0.25:  # a second wave or an undershoot after each pulse
            after = int(rng.uniform(0.22, 0.45) * RATE)
            echo = np.r_[np.full(after, wave[0]), wave[:-after]]
            wave = wave + rng.uniform(-0.6, 0.9) * echo
        if rng.random() < 0.2:
            wave = np.asarray(sosfilt(_filter("highpass", round(float(rng.uniform(0.3, 1.2)), 1)), wave - wave[0]))
        if rng.random() < 0.2:
            wave = _smooth(wave, int(rng.integers(1, 9)))
        time = np.arange(size) / RATE
        if rng.random() < 0.2:  # gain
            gain = np.exp(0.7 * rng.standard_normal(4))
            wave = wave * np.interp(time, np.sort(rng.uniform(0, time[-1], 4)), gain)
        if rng.random() < 0.2:  # wander
            wave = wave + rng.exponential(1.0) * np.sin(2 * np.pi * (rng.uniform(0.1, 0.6) * time + rng.random()))
        if rng.random() < 0.3:
            wave = wave + rng.exponential(0.12) * _smooth(rng.standard_normal(size), int(rng.integers(0, 4)))
        if rng.random() < 0.2:  # motion
            noise = _smooth(rng.standard_normal(size), int(rng.integers(3, 20)))
            middle, width = rng.uniform(0, time[-1]), rng.uniform(0.3, 3.0)
            wave = wave + rng.exponential(1.5) * noise / noise.std() * np.exp(-0.5 * ((time - middle) / width) ** 2)
        if rng.random() < 0.1:
            low, high = np.quantile(wave, [rng.uniform(0, 0.15), 1 - rng.uniform(0, 0.15)])
            wave = wave.clip(low, high)
        if rng.random() < 0.03:  # a detached sensor
            wave = rng.exponential(0.5) * _smooth(rng.standard_normal(size), int(rng.integers(0, 20)))
        return wave


def _counts(times: np.ndarray, size: int) -> np.ndarray:
    """(time,) R peaks in each sample of peaks at ``times`` (in samples), shared by both neighbours."""
    counts, left = np.zeros(size + 1), np.floor(times).astype(int)
    inside = (left >= 0) & (left < size)
    part = (times - left)[inside]
    np.add.at(counts, left[inside], 1 - part)
    np.add.at(counts, left[inside] + 1, part)
    return counts[:size]


@lru_cache(maxsize=64)
def _filter(kind: str, corner: float) -> np.ndarray:
    return np.asarray(butter(1, corner, kind, fs=RATE, output="sos"))


def _smooth(x: np.ndarray, reach: int) -> np.ndarray:
    """Moving average over ``reach`` samples on either side, applied twice."""
    kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
    return np.convolve(np.convolve(np.pad(x, 2 * reach, "edge"), kernel, "valid"), kernel, "valid") if reach else x
