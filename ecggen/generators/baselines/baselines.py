"""What a network must beat to be worth shipping: generators without a network.

Each is fitted once on the training windows of a pack and then draws as any generator does, so that the seen leads come
back as they were given, long recordings are windowed and every protocol can run it (``--model baseline:regression``).
What a baseline does not look at has no voice: the mean hears nothing, the regression hears leads only. None is trained,
and none is a family of ``ecggen.generators``.
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
"""What the name of a model begins with where a baseline is meant."""


class Baseline(Generator):
    """A generator without a network.

    Attributes:
        learns: Whether it must be fitted before it can draw.
        given: Leads that ``predict`` is given, in its order.
    """

    learns = True
    given: tuple[str, ...] = ()

    def fit(self, pack: Pack, rows: np.ndarray, given: Sequence[str] = ()) -> None:
        """Learn from the windows at ``rows``.

        Args:
            pack: Tells the preprocessing, too.
            rows: Training windows.
            given: Leads for ``predict``; what is learnt does not depend on them.
        """
        if not len(rows):
            raise InputError(f"no window was given to {self.name}", "training windows were expected")
        self.preprocessor, self.given = pack.preprocessor, tuple(given)
        self.learn(pack, rows)

    @abstractmethod
    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Learn from the windows at ``rows``, whatever will be given."""

    def predict(self, signal: np.ndarray) -> np.ndarray:
        """The leads that ``fit`` named (record, given, time), in mV at the pack's rate → (record, 8, time)."""
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
        """Nothing to minimise.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{self.name} is a baseline", "it is fitted, not trained", "call fit with a pack")

    def _fitted(self, name: str):
        """What ``learn`` has set under ``name``."""
        if name not in self.__dict__:
            raise InputError(f"{self.name} was not fitted", "training windows are needed first", "call fit with a pack")
        return self.__dict__[name]


class Fixed(Baseline):
    """A baseline that has one answer to a condition: all its draws are alike."""

    def draw_many(self, condition: Condition, noise: Noise) -> Draws:
        """The one answer, as often as asked for."""
        return Draws(self.draw(condition, noise).repeat_interleave(len(noise) // len(condition), 0))


class Zero(Fixed):
    """Nothing at all: what an error means is seen beside it."""

    learns = False

    def __init__(self):
        super().__init__()
        self.name = "zero"

    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Nothing to learn."""

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """Flat lines."""
        return torch.zeros(len(condition), len(INDEPENDENT_LEADS), condition.samples)


class TrainingMean(Fixed):
    """The mean training record, whatever is given."""

    def __init__(self):
        super().__init__()
        self.name = "training mean"

    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Average the windows."""
        total = sum(windows(pack, part).sum(0, dtype=np.float64) for part in _chunks(rows))
        self.mean = torch.as_tensor(total / len(rows), dtype=torch.float32)

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """The mean, once a record."""
        return self._fitted("mean")[:, : condition.samples].expand(len(condition), -1, -1).clone()


class LaggedRegression(Fixed):
    """Least squares from the given leads at several lags to each lead: the best that a fixed linear filter can do.

    One fit serves any choice of leads. Moments at which a given lead is not seen count as 0 mV; with no lead given
    the answer is each lead's mean.

    Args:
        lags: Number of lags, odd; 1 is regression without lags.
        reach: Largest lag in seconds.
    """

    def __init__(self, lags: int = 41, reach: float = 0.4):
        super().__init__()
        self.lags, self.reach = lags, reach
        self.name = "linear regression" if lags == 1 else f"linear regression, {lags} lags of ±{reach:g} s"

    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Gather the moments, chunk by chunk."""
        self.moments = self.nothing_yet(pack.preprocessor.fs)
        self.solved: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]] = {}
        for part in _chunks(rows):
            self.moments.add(windows(pack, part))

    def nothing_yet(self, fs: float) -> Moments:
        """Moments without a record, for signals at ``fs`` Hz."""
        reach = round(self.reach * fs) if self.lags > 1 else 0
        return Moments(np.unique(np.linspace(-reach, reach, self.lags).round().astype(int)))

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """The filter's output, a filter for each choice of leads in the batch."""
        moments = self._fitted("moments")
        answer = torch.zeros(len(condition), len(INDEPENDENT_LEADS), condition.samples)
        choices, which = torch.unique(condition.lead_mask.any(-1), dim=0, return_inverse=True)
        for place, choice in enumerate(choices):
            leads = independent(choice.nonzero()[:, 0].tolist())
            if leads not in self.solved:
                self.solved[leads] = moments.weights(LEAD_MATRIX[list(leads)])
            part = condition.leads[which == place][:, list(leads)]
            answer[which == place] = filtered(part, *self.solved[leads], moments.shifts)
        return answer


class Nearest(Baseline):
    """The training record that is nearest in what is given, with all its leads.

    With leads, nearest in them (least squares, where they are seen); without, one at random among those nearest in
    facts, in the PPG's rate and in the statements that the text names; with nothing given, any at random.
    """

    def __init__(self):
        super().__init__()
        self.name = "nearest training record"

    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Remember where the training windows are."""
        self.pack, self.rows = pack, rows
        self.waves, self.words = Waves(lambda at: windows(pack, rows[at]), len(rows)), Words(pack.index.iloc[rows])

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """Copies of training records."""
        waves, words = self._fitted("waves"), self._fitted("words")
        shown = condition.lead_mask.flatten(1).any(1).numpy()
        uniform = torch.special.ndtr(noise.normal(1)[:, 0].double()).numpy()
        found = waves.nearest(condition)
        if not shown.all():
            found = np.where(shown, found, words.near(condition, rates_of(condition), uniform))
        return torch.from_numpy(windows(self.pack, self.rows[found])[..., : condition.samples])


class Simulator(Baseline):
    """The parametric heart of ``ecggen.core.simulate`` at the told heart rate, else at the PPG's, else at any.

    Beats stand at that rate, not where the PPG's or the given leads' are; each window of a long recording begins anew.
    """

    learns = False

    def __init__(self):
        super().__init__()
        self.name = "parametric simulator"

    def learn(self, pack: Pack, rows: np.ndarray) -> None:
        """Nothing to learn."""

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """A simulated heart for each record."""
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
    """The baselines' short names, as in ``--model baseline:mean``."""
    return tuple(KINDS)


def baseline(name: str) -> Baseline:
    """A baseline that is not fitted yet, by its short name, with or without ``PREFIX``."""
    short = name.removeprefix(PREFIX)
    if short not in KINDS:
        raise InputError(f"there is no baseline {short!r}", f"one of {', '.join(KINDS)} was expected")
    return KINDS[short]()


def baselines() -> list[Baseline]:
    """Those that a reconstruction is compared with, in the order of the table."""
    return [baseline(name) for name in ("zero", "mean", "linear", "regression", "nearest")]


def independent(leads: Sequence[int]) -> tuple[int, ...]:
    """Of standard leads' places those that do not follow from the ones before; drawn leads come first."""
    kept: list[int] = []
    for lead in sorted(leads, key=lambda lead: (np.count_nonzero(LEAD_MATRIX[lead]) > 1, lead)):
        if np.linalg.matrix_rank(LEAD_MATRIX[[*kept, lead]]) > len(kept):
            kept.append(lead)
    return tuple(kept)


def rates_of(condition: Condition) -> np.ndarray:
    """(record,) heart rate per minute: the told one, else the PPG's; NaN where neither is known."""
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
