"""Baseline generators without a network.

A baseline is fitted on the training windows of a pack and has the interface of a generator. Therefore observed leads
are returned unchanged, long recordings are windowed, and every protocol can evaluate it (``--model
baseline:regression``). Channels that a baseline does not use have no effect: the mean uses no condition, the regression
uses leads only. Baselines are not in the registry of generators.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ecggen.conditioning.condition import METADATA, Condition
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX
from ecggen.core.errors import InputError
from ecggen.core.rhythm import heart_rate, pulse_rises
from ecggen.core.simulate import simulate
from ecggen.data import Pack
from ecggen.data.pack import MICROVOLT
from ecggen.generators.base import Draws, Generator
from ecggen.generators.baselines.lagged_regression import Moments, filtered
from ecggen.generators.baselines.nearest_records import Waves, Words
from ecggen.generators.sampling import Noise

CHUNK = 128  # records at a time
PREFIX = "baseline:"
"""Prefix of the name of a model that denotes a baseline."""


class Baseline(Generator):
    """A generator without a network.

    Attributes:
        learns: Whether it must be fitted before drawing.
        given: Leads that ``predict`` expects, in this order.
    """

    learns = True
    given: tuple[str, ...] = ()

    def fit(self, pack: Pack, rows: np.ndarray, given: Sequence[str] = ()) -> None:
        """Fit to training windows.

        Args:
            pack: Packed data set; its preprocessing is used.
            rows: Training windows.
            given: Leads for ``predict``; the fit does not depend on them.

        Raises:
            InputError: If there is no window.
        """
        if not len(rows):
            raise InputError(f"no window was given to {self.name}", "training windows were expected")
        self.preprocessor, self.given = pack.preprocessor, tuple(given)
        self.learn(pack, rows)

    @abstractmethod
    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Fit to the windows at ``rows``, for any observed leads."""

    def predict(self, signal: np.ndarray) -> np.ndarray:
        """Predict (record, 8, time) in mV from the leads given to ``fit``, (record, given, time) at the pack's rate."""
        parts = []
        for start in range(0, len(signal), CHUNK):
            part = torch.as_tensor(signal[start : start + CHUNK], dtype=torch.float32)
            fs = self.preprocessor.fs
            condition = Condition.none(len(part), part.shape[-1] / fs, fs)
            if self.given:
                condition = condition.with_leads(ECG(part, self.given, fs))
            parts.append(self.draw(condition, Noise(0, range(start, start + len(part)))).numpy())
        return np.concatenate(parts)

    def loss(self, ecg: ECG, condition: Condition, group: str) -> dict[str, Tensor]:
        """Baselines have no loss.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{self.name} is a baseline", "it is fitted, not trained", "call fit with a pack")

    def _fitted(self, name: str):
        """Attribute set by ``learn``; an InputError if the baseline was not fitted."""
        if name not in self.__dict__:
            raise InputError(f"{self.name} was not fitted", "training windows are needed first", "call fit with a pack")
        return self.__dict__[name]


class Fixed(Baseline):
    """A deterministic baseline: all draws for a condition are equal."""

    def draw_many(self, condition: Condition, noise: Noise) -> Draws:
        """The prediction, repeated for each draw."""
        return Draws(self.draw(condition, noise).repeat_interleave(len(noise) // len(condition), 0))


class Zero(Fixed):
    """Predicts 0 mV: a reference for errors."""

    learns = False

    def __init__(self):
        super().__init__()
        self.name = "zero"

    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Nothing to learn."""

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """Zeros."""
        return torch.zeros(len(condition), len(INDEPENDENT_LEADS), condition.samples)


class TrainingMean(Fixed):
    """Predicts the mean training record for any condition."""

    def __init__(self):
        super().__init__()
        self.name = "training mean"

    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Average the windows."""
        total = sum(windows(pack, part).sum(0, dtype=np.float64) for part in _chunks(rows))
        self.mean = torch.as_tensor(total / len(rows), dtype=torch.float32)

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """The mean for each record."""
        return self._fitted("mean")[:, : condition.samples].expand(len(condition), -1, -1).clone()


class LaggedRegression(Fixed):
    """Least-squares regression from the observed leads at several lags: the optimal linear filter of this length.

    One fit covers all sets of observed leads. Masked samples of an observed lead count as 0 mV; without observed leads
    the prediction is the mean of each lead.

    Args:
        lags: Number of lags, odd; 1 is regression without lags.
        reach: Largest lag in seconds.
    """

    def __init__(self, lags: int = 41, reach: float = 0.4):
        super().__init__()
        self.lags, self.reach = lags, reach
        self.name = "linear regression" if lags == 1 else f"linear regression, {lags} lags of ±{reach:g} s"

    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Accumulate the moments in chunks."""
        self.moments = self.nothing_yet(pack.preprocessor.fs)
        self.solved: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]] = {}
        for part in _chunks(rows):
            self.moments.add(windows(pack, part))

    def nothing_yet(self, fs: float) -> Moments:
        """Empty moments for signals at ``fs`` Hz."""
        reach = round(self.reach * fs) if self.lags > 1 else 0
        return Moments(np.unique(np.linspace(-reach, reach, self.lags).round().astype(int)))

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """Output of the filter, with one filter for each set of observed leads in the batch."""
        moments = self._fitted("moments")
        output = torch.zeros(len(condition), len(INDEPENDENT_LEADS), condition.samples)
        choices, which = torch.unique(condition.lead_mask.any(-1), dim=0, return_inverse=True)
        for place, choice in enumerate(choices):
            leads = independent(choice.nonzero()[:, 0].tolist())
            if leads not in self.solved:
                self.solved[leads] = moments.weights(LEAD_MATRIX[list(leads)])
            part = condition.leads[which == place][:, list(leads)]
            output[which == place] = filtered(part, *self.solved[leads], moments.shifts)
        return output


class Nearest(Baseline):
    """The training record nearest to the condition.

    With observed leads, it is the nearest in these leads (least squares on observed samples). Without, it is a random
    one of the nearest in metadata, heart rate of the PPG, and statements found in the text. For an empty condition, it
    is a random record.
    """

    def __init__(self):
        super().__init__()
        self.name = "nearest training record"

    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Store the indices of the training windows."""
        self.pack, self.rows = pack, rows
        self.waves, self.words = Waves(lambda at: windows(pack, rows[at]), len(rows)), Words(pack.index.iloc[rows])

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """Copies of training records."""
        waves, words = self._fitted("waves"), self._fitted("words")
        observed = condition.lead_mask.flatten(1).any(1).numpy()
        uniform = torch.special.ndtr(noise.normal(1)[:, 0].double()).numpy()
        found = waves.nearest(condition)
        if not observed.all():
            found = np.where(observed, found, words.near(condition, rates_of(condition), uniform))
        return torch.from_numpy(windows(self.pack, self.rows[found])[..., : condition.samples])


class Simulator(Baseline):
    """The parametric simulator ``ecggen.core.simulate`` at the given heart rate, that of the PPG, or a random one.

    Beats are not aligned with those of the PPG or the observed leads. Windows of a long recording are independent.
    """

    learns = False

    def __init__(self):
        super().__init__()
        self.name = "parametric simulator"

    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Nothing to learn."""

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """A simulated ECG for each record."""
        high, low = (torch.special.ndtr(noise.normal(2).double()) * 2**31).long().unbind(1)
        seeds = [int(a) << 31 | int(b) for a, b in zip(high, low, strict=True)]
        rates = rates_of(condition)
        made = [
            simulate(1, condition.seconds, condition.fs, seed, None if np.isnan(rate) else float(rate))
            for seed, rate in zip(seeds, rates, strict=True)
        ]
        return ECG.cat(made).pick(*INDEPENDENT_LEADS).signal


KINDS: dict[str, Callable[[], Baseline]] = {
    "zero": Zero,
    "mean": TrainingMean,
    "linear": lambda: LaggedRegression(1),
    "regression": LaggedRegression,
    "nearest": Nearest,
    "simulator": Simulator,
}


def names() -> tuple[str, ...]:
    """Short names of the baselines, as in ``--model baseline:mean``.

    Example:
        >>> names()
        ('zero', 'mean', 'linear', 'regression', 'nearest', 'simulator')
    """
    return tuple(KINDS)


def baseline(name: str) -> Baseline:
    """A baseline by its short name, with or without ``PREFIX``; not fitted.

    Raises:
        InputError: If there is no such baseline.
    """
    short = name.removeprefix(PREFIX)
    if short not in KINDS:
        raise InputError(f"there is no baseline {short!r}", f"one of {', '.join(KINDS)} was expected")
    return KINDS[short]()


def baselines() -> list[Baseline]:
    """Baselines for reconstruction, in the order of the result tables."""
    return [baseline(name) for name in ("zero", "mean", "linear", "regression", "nearest")]


def independent(leads: Sequence[int]) -> tuple[int, ...]:
    """Maximal linearly independent subset of some leads (indices of standard leads), independent leads first."""
    kept: list[int] = []
    for lead in sorted(leads, key=lambda lead: (np.count_nonzero(LEAD_MATRIX[lead]) > 1, lead)):
        if np.linalg.matrix_rank(LEAD_MATRIX[[*kept, lead]]) > len(kept):
            kept.append(lead)
    return tuple(kept)


def rates_of(condition: Condition) -> np.ndarray:
    """Heart rate in beats per minute, (record,): as given, else that of the PPG; NaN if neither is known."""
    column = list(METADATA).index("heart_rate")
    rates = (
        torch.where(condition.metadata_mask[:, column], condition.metadata[:, column].double(), torch.nan)
        .numpy()
        .copy()
    )
    for row in np.flatnonzero(np.isnan(rates) & condition.ppg_mask.any(-1)[:, 0].numpy()):
        rates[row] = heart_rate(pulse_rises(condition.ppg[row, 0].numpy(), condition.ppg_fs)) or np.nan
    return rates


def windows(pack: Pack, rows: np.ndarray) -> np.ndarray:
    """(row, 8, time) float32 mV."""
    return pack.signal[rows].astype(np.float32) / MICROVOLT


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
