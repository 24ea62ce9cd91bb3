"""A margin of a hospital's own: one factor on the prediction interval, calibrated on its own twelve-lead records.

The shipped margin holds for an average hospital. Lead I does not show how large the chest leads of a hospital's
records are, so that its intervals may hold less, or more, than their share there. A few of its own records show it.

The margin is found by conformal risk control (Angelopoulos et al., ICLR 2024, arXiv 2208.02814), the form of split
conformal prediction for an error between 0 and 1 of each record, which here is the share of its samples outside of
the interval. It is the smallest factor with which the shares inside of n records, and that of one more record at its
worst, add up to ``level · (n + 1)``. At its worst, half of the level lies inside (45 % of the samples of a 90 %
interval). If no record is worse, the interval holds at least its level in the next record on average over all draws of
records, and few records give a wider interval than many. Against any record, of which nothing might lie inside,
``worst=0`` guards; the interval is then much too wide for the records that were measured
(docs/benchmarks/trust.md).

``ecggen.generators.trust.calibrate`` reconstructs the records. A file of a margin holds no signal and no names.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecggen.core import config
from ecggen.core.ecg import determined_by
from ecggen.core.errors import InputError, argument
from ecggen.networks import storage

FORMAT, KIND = 1, "margin of a prediction interval"
FEWEST = 20
"""Fewest records from which a margin is calibrated, for levels up to 0.9."""


@dataclass(frozen=True)
class Margin:
    """A factor on the half-width of the prediction intervals of one model, for one set of observed leads.

    Attributes:
        margin: The factor; 1 changes nothing.
        level: Level of the interval for which it holds.
        leads: Observed leads.
        model: Name, weights, sampling steps and widening of the model, as ``identity`` gives them.
        n: Number of records that it was calibrated on.
        num_draws: Number of draws of each record.
        date: Day of the calibration, ISO 8601.
        coverage_before: Share of samples inside of the interval without it, mean over the records.
        coverage: The same with the margin that the other records give (leave one out).
        width_before_mv: Mean width without it in mV.
        width_mv: Mean width with it in mV.

    Raises:
        InputError: If margin or level is out of range, or a lead is unknown.
    """

    margin: float
    level: float
    leads: tuple[str, ...]
    model: str
    n: int
    num_draws: int
    date: str
    coverage_before: float
    coverage: float
    width_before_mv: float
    width_mv: float

    def __post_init__(self):
        if not 0 < self.margin < math.inf or not 0 < self.level < 1:
            found = f"a margin of {self.margin:g} at level {self.level:g}"
            raise InputError(found, "a positive margin and a level between 0 and 1 were expected")
        determined_by(self.leads)

    def sentence(self) -> str:
        """One sentence for users.

        Example:
            >>> Margin(1.21, 0.9, ("I",), "vae", 40, 20, "2026-11-29", 0.868, 0.921, 0.377, 0.456).sentence()
            'interval calibrated on 40 of your own records (21% wider)'
        """
        return f"interval calibrated on {self.n} of your own records ({self.change()})"

    def change(self) -> str:
        """What the margin does to the interval, in words."""
        change = self.margin - 1
        return f"{abs(change):.0%} {'wider' if change >= 0 else 'narrower'}"

    def check(self, model: str, leads: Sequence[str], level: float) -> None:
        """Check that the margin is for a model, observed leads and a level.

        Raises:
            InputError: If it is for others.
        """
        self.check_model(model)
        if determined_by(leads) != determined_by(self.leads):
            found = f"the margin was calibrated for leads {', '.join(self.leads)}"
            given = f"one for {', '.join(leads)} was expected" if leads else "without leads none applies"
            raise InputError(found, given, f"calibrate one for these leads, or use {_argument(self.leads)}")
        if abs(level - self.level) > 1e-6:
            found = f"the margin was calibrated for the {100 * self.level:g}% interval"
            raise InputError(found, f"one for {100 * level:g}% was expected", "calibrate one for this level")

    def check_model(self, model: str) -> None:
        """Check that the margin is for a model, by its ``identity``.

        Raises:
            InputError: If it is for another.
        """
        if model != self.model:
            found = f"the margin was calibrated for {self.model}"
            raise InputError(found, f"one for {model} was expected", "calibrate one for this model")

    def as_dict(self) -> dict[str, Any]:
        """The margin as JSON values."""
        return asdict(self) | {"leads": list(self.leads)}

    def write(self, path: Path | str) -> Path:
        """Write the margin as JSON."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.write_json(path, {"format": FORMAT, "kind": KIND, **self.as_dict()})
        return path

    @classmethod
    def read(cls, path: Path | str) -> Margin:
        """Read a margin.

        Raises:
            InputError: If the file holds none, or one of another format.
        """
        values = storage.read_json(Path(path))
        if values.pop("format", None) != FORMAT or values.pop("kind", None) != KIND:
            expected = f"a margin of format {FORMAT} was expected"
            raise InputError(f"{path} holds no margin", expected, "make it with ecggen calibrate")
        return config.build(cls, values, str(path))


def _argument(leads: Sequence[str]) -> str:
    return argument(leads=",".join(leads)) or ", ".join(leads)


def identity(generator: Any) -> str:
    """What the interval of a generator depends on: name and hash of the weights, sampling steps, hash of the widening.

    Args:
        generator: An ``ecggen.generators.base.Generator``.
    """
    parts = [generator.name]
    if generator.sampling is not None:
        parts.append(generator.sampling.describe(observed=True, text_or_metadata=False))
    if generator.widening is not None:
        content = json.dumps(generator.widening.as_json(), sort_keys=True)
        parts.append(f"interval {hashlib.sha256(content.encode()).hexdigest()[:12]}")
    return ", ".join(parts)


def fewest(level: float) -> int:
    """Fewest records from which a margin is calibrated: the samples outside are then at least those of two records.

    Example:
        >>> fewest(0.5), fewest(0.9), fewest(0.95)
        (20, 20, 40)
    """
    return max(FEWEST, math.ceil(2 / (1 - level) - 1e-9))


def conformal_margin(ratios: np.ndarray, level: float, worst: float | None = None) -> float:
    """The smallest margin with which the next record holds at least ``level`` of its samples on average.

    Args:
        ratios: (record, sample) absolute error over half-width.
        level: Share of samples.
        worst: Smallest share of the samples of any record inside of the interval; half of the level if left out.

    Raises:
        InputError: If there are too few records for any margin.

    Example:
        >>> ratios = np.tile(np.linspace(0.01, 1, 100), (20, 1))
        >>> round(conformal_margin(ratios, 0.9), 3)  # (21 · 0.9 − 0.45) / 20 = 0.9225 of each record
        0.93
    """
    n, samples = ratios.shape
    rank = math.ceil((level * (n + 1) - (level / 2 if worst is None else worst)) * samples - 1e-6)
    if rank > ratios.size:
        raise InputError(f"{n} records were given", f"more were expected for level {level:g}", "give more records")
    return float(np.partition(ratios.ravel(), rank - 1)[rank - 1])


def left_out_coverage(ratios: np.ndarray, level: float) -> np.ndarray:
    """Share of samples (record,) inside of the interval with the margin that the other records give."""
    margins = [conformal_margin(np.delete(ratios, record, 0), level) for record in range(len(ratios))]
    return (ratios <= np.array(margins)[:, None]).mean(1)
