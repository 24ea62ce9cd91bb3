"""What the stages of a heart-first model are trained on: decomposed records, their conditions and rhythms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ecggen.core.beats import Beats
from ecggen.data import Pack
from ecggen.data.pack import MICROVOLT
from ecggen.generators.hearts.model import Given, HeartFirst, Hearts
from ecggen.generators.hearts.rhythm import NUMBERS, Rhythm, rhythm_numbers
from ecggen.training.hearts.decomposition import Decomposition, decomposed
from ecggen.training.hearts.examples import Examples, examples

Report = Callable[[str, float], None]
"""Called with the name of a stage and the share of it that is done."""


@dataclass(frozen=True)
class Material:
    """All that the stages are trained on.

    Attributes:
        pack: The packed data set.
        found: Its decomposition.
        examples: Its conditions.
        rows: Usable training records.
        numbers: (record, ``NUMBERS``) ``rhythm_numbers``.
    """

    pack: Pack
    found: Decomposition
    examples: Examples
    rows: np.ndarray
    numbers: np.ndarray

    @property
    def fs(self) -> float:
        """Sampling rate in Hz."""
        return self.pack.preprocessor.fs

    @property
    def seconds(self) -> float:
        """Duration of a record."""
        return self.pack.preprocessor.seconds

    def known(self, rows: np.ndarray, rng: np.random.Generator | None) -> Tensor:
        """Features of text and metadata, and rhythm numbers, (row, feature)."""
        numbers = torch.from_numpy(self.numbers[rows].astype(np.float32))
        return torch.cat([self.examples.features(rows, rng), numbers], 1)

    def beats(self, rows: np.ndarray) -> list[Beats]:
        """Beats of some records."""
        return [self.found.beats(row) for row in rows.tolist()]

    def residual(self, rows: np.ndarray) -> Tensor:
        """Residuals (row, 8, time) in mV."""
        return torch.from_numpy(self.found.residual[rows].astype(np.float32) / MICROVOLT)

    def whole(self, rows: np.ndarray) -> Tensor:
        """Records (row, 8, time) in mV."""
        return torch.from_numpy(self.pack.signal[rows].astype(np.float32) / MICROVOLT)

    def own(self, rows: np.ndarray) -> tuple[Given, list[Rhythm], Hearts]:
        """Condition, rhythms and median beats of some records."""
        known = self.known(rows, None)
        hearts = Hearts(*(torch.from_numpy(np.array(each[rows])) for each in (self.found.median, self.found.ectopic)))
        given = Given(known[:, :-NUMBERS], known[:, -NUMBERS:], 0, rows.tolist())
        return given, [self.found.rhythm(row) for row in rows.tolist()], hearts


def prepared(
    model: HeartFirst, pack: Pack, folds: Sequence[int], seed: int, cache: Path | None, report: Report
) -> Material:
    """Decompose the records of a pack, and compute the features of their texts.

    Args:
        model: The model, with its text encoder.
        pack: Packed data set.
        folds: Training folds.
        seed: Random seed of the wordings.
        cache: Folder of the decomposition of the pack.
        report: Called with the name of the step and the share of it that is done.
    """
    found = decomposed(pack, cache, lambda share: report("decomposition", share))
    known = examples(pack, model.features, seed, lambda share: report("texts", share))
    rows = pack.rows(folds)
    rows = rows[found.usable[rows]]
    seconds = pack.preprocessor.seconds
    numbers = np.stack([rhythm_numbers(found.rhythm(row), seconds) for row in range(len(pack))])
    return Material(pack, found, known, rows, numbers)
