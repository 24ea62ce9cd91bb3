"""What a network must beat to be worth shipping: reconstructions that need no network.

Each is fitted on the training windows of a pack for one set of given leads, and then turns given leads
(record, given lead, time) into all eight drawn leads (record, 8, time).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from ecggen.data import Pack
from ecggen.data.packing import MICROVOLT
from ecggen.ecg import DRAWN_LEADS

CHUNK = 128  # records at a time


class Baseline(ABC):
    """A reconstruction without a network."""

    name: str

    @abstractmethod
    def fit(self, pack: Pack, rows: np.ndarray, given: Sequence[str]) -> None:
        """Learn from the windows at ``rows``."""

    @abstractmethod
    def predict(self, signal: np.ndarray) -> np.ndarray:
        """Given leads in mV → the eight drawn leads in mV."""


class Zero(Baseline):
    """Nothing at all: what an error means is seen beside it."""

    name = "zero"

    def fit(self, pack: Pack, rows: np.ndarray, given: Sequence[str]) -> None:
        """Nothing to learn."""

    def predict(self, signal: np.ndarray) -> np.ndarray:
        """Flat lines."""
        return np.zeros((len(signal), len(DRAWN_LEADS), signal.shape[-1]), np.float32)


class TrainingMean(Baseline):
    """The mean training record, whatever is given."""

    name = "training mean"

    def fit(self, pack: Pack, rows: np.ndarray, given: Sequence[str]) -> None:
        """Average the windows."""
        total = sum(_windows(pack, part).sum(0, dtype=np.float64) for part in _chunks(rows))
        self.mean = np.asarray(total / len(rows), np.float32)

    def predict(self, signal: np.ndarray) -> np.ndarray:
        """The mean, once a record."""
        return np.broadcast_to(self.mean, (len(signal), *self.mean.shape))


class LaggedRegression(Baseline):
    """Least squares from the given leads at several lags to each lead: the best that a fixed linear filter can do.

    Args:
        lags: Number of lags, odd; 1 is regression without lags.
        reach: Largest lag in seconds.
    """

    def __init__(self, lags: int = 41, reach: float = 0.4):
        self.lags, self.reach = lags, reach
        self.name = "linear regression" if lags == 1 else f"linear regression, {lags} lags of ±{reach:g} s"

    def fit(self, pack: Pack, rows: np.ndarray, given: Sequence[str]) -> None:
        """Solve the normal equations, gathered chunk by chunk."""
        reach = round(self.reach * pack.preprocessor.fs)
        self.shifts = np.unique(np.linspace(-reach, reach, self.lags).round().astype(int)) if self.lags > 1 else [0]
        rows_given = [DRAWN_LEADS.index(lead) for lead in given]
        size = len(given) * len(self.shifts) + 1
        gram, cross = np.zeros((size, size)), np.zeros((size, len(DRAWN_LEADS)))
        for part in _chunks(rows):
            windows = _windows(pack, part)
            x = self._features(windows[:, rows_given])
            y = windows.transpose(1, 0, 2).reshape(len(DRAWN_LEADS), -1)
            gram, cross = gram + x @ x.T, cross + x @ y.T
        gram += 1e-9 * np.trace(gram) * np.eye(len(gram))
        self.weights = np.linalg.solve(gram, cross).astype(np.float32)

    def predict(self, signal: np.ndarray) -> np.ndarray:
        """The filter's output."""
        parts = []
        for start in range(0, len(signal), CHUNK):
            part = signal[start : start + CHUNK]
            parts.append((self.weights.T @ self._features(part)).reshape(len(DRAWN_LEADS), len(part), -1))
        return np.concatenate(parts, 1).transpose(1, 0, 2)

    def _features(self, signal: np.ndarray) -> np.ndarray:
        """(lag · lead + 1, record · time): each lead at each lag, zero beyond the ends, and a constant."""
        records, leads, time = signal.shape
        reach = max(abs(int(shift)) for shift in self.shifts)
        padded = np.pad(signal, ((0, 0), (0, 0), (reach, reach)))
        rows = [padded[:, lead, reach + s : reach + s + time] for lead in range(leads) for s in self.shifts]
        rows.append(np.ones((records, time), signal.dtype))
        return np.stack(rows).reshape(-1, records * time)


class Nearest(Baseline):
    """The training record whose given leads are nearest (least squares), with all its leads."""

    name = "nearest training record"

    def fit(self, pack: Pack, rows: np.ndarray, given: Sequence[str]) -> None:
        """Remember where the training windows are."""
        self.pack, self.rows, self.given = pack, rows, [DRAWN_LEADS.index(lead) for lead in given]

    def predict(self, signal: np.ndarray) -> np.ndarray:
        """Copies of training records."""
        asked = signal.reshape(len(signal), -1)
        best, nearest = np.full(len(asked), np.inf), np.zeros(len(asked), int)
        for part in _chunks(self.rows):
            known = _windows(self.pack, part)[:, self.given].reshape(len(part), -1)
            distance = (known**2).sum(1) - 2 * asked @ known.T
            closest = distance.argmin(1)
            found = distance[np.arange(len(asked)), closest]
            nearest = np.where(found < best, part[closest], nearest)
            best = np.minimum(best, found)
        return _windows(self.pack, nearest)


def baselines() -> list[Baseline]:
    """All of them, in the order of the table."""
    return [Zero(), TrainingMean(), LaggedRegression(1), LaggedRegression(41), Nearest()]


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]


def _windows(pack: Pack, rows: np.ndarray) -> np.ndarray:
    """(row, 8, time) float32 mV."""
    return pack.signal[rows].astype(np.float32) / MICROVOLT
