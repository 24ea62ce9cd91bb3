"""Fit of the factors at which the mean beats of draws, and their beats about them, differ as those of records do.

``python -m ecggen.training.beat_inflation checkpoints/vae --data PTBXL`` writes beat_inflation.json beside the weights
of a calibrated checkpoint (``ecggen.generators.beat_inflation``), and its golden file anew.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen import data
from ecggen.core.ecg import INDEPENDENT_LEADS, determined_by
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.beat_inflation import FILE, BeatInflation
from ecggen.io.results import commit
from ecggen.networks import storage
from ecggen.training.between import LEAST, BetweenTerms, WithinTerms, between_terms, shared_beats, within_terms
from ecggen.training.calibration import (
    CALIBRATION_FOLDS,
    GIVEN,
    conditions_given,
    draws_before_inflation,
    random_rows,
)

RANGE = (0.2, 5.0)
"""Range of both factors."""
RECORDS, DRAWS = 1024, 3
"""Records of the calibration fold, and draws of each."""
ROUNDS = 4
"""Rounds in which the three factors are found in turn."""


@dataclass(frozen=True)
class Drawn:
    """Records of a batch with draws before inflation.

    Attributes:
        true: (record, 8, time) in mV.
        center: (record, 8, time) deterministic prediction.
        distance: (record, draw, 8, time) draws less the deterministic prediction.
        starts: First samples of the shared beats of each record (``shared_beats``).
        fs: Sampling rate in Hz.
    """

    true: np.ndarray
    center: np.ndarray
    distance: np.ndarray
    starts: Sequence[np.ndarray]
    fs: float

    def terms(self, gain: np.ndarray) -> tuple[BetweenTerms, WithinTerms]:
        """Terms of both variances if the prediction is scaled by ``gain`` (lead,)."""
        center = gain[:, None] * self.center
        given = self.true, center, center[:, None] + self.distance, self.starts, self.fs
        return between_terms(*given), within_terms(*given)

    def products(self) -> np.ndarray:
        """(3, lead): sums of the prediction times truth − prediction, mean distance of the draws, and itself."""
        others = (self.true - self.center, self.distance.mean(1), self.center)
        return np.stack([(self.center * other).sum((0, 2)) for other in others])


def factors(parts: Sequence[Drawn]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(lead,) each: ``center``, ``mean_beat`` and ``rest`` of ``BeatInflation``.

    The three depend on each other, so that they are found in turn.

    Raises:
        InputError: If no record has enough beats.
    """
    if not any(len(at) >= LEAST for part in parts for at in part.starts):
        raise InputError(f"no record has {LEAST} beats in the given leads", "ECGs with beats were expected")
    lacking, drawn, size = np.sum([part.products() for part in parts], 0)
    lacking, drawn = lacking / np.maximum(size, 1e-9), drawn / np.maximum(size, 1e-9)
    gain = 1 + lacking - drawn
    mean_beat = rest = np.ones_like(gain)
    for _ in range(ROUNDS):
        between, within = zip(*(part.terms(gain) for part in parts), strict=True)
        rest = WithinTerms.total(within).factor().clip(*RANGE)
        mean_beat = BetweenTerms.cat(between).factor(rest).clip(*RANGE)
        gain = 1 + lacking - mean_beat * drawn
    return gain, mean_beat, rest


@torch.no_grad()
def fit_beat_inflation(
    generator: Generator, pack: Pack, rows: np.ndarray, draws: int = DRAWS, progress: bool = False
) -> BeatInflation | None:
    """Factors at which draws differ from each other as the truth differs from their mean, and their beats as true ones.

    Args:
        generator: Its ``ensemble_inflation`` is not used.
        pack: Packed data set.
        rows: Calibration records, which must not be used for evaluation. Hundreds are needed, because a few records of
            high amplitude dominate the variance.
        draws: Draws per record, at least two.
        progress: Show progress bars.

    Returns:
        The factors; None for a generator without deterministic prediction.

    Raises:
        InputError: If no record has enough beats.
    """
    tables = torch.ones(3, len(GIVEN), len(INDEPENDENT_LEADS))
    for count, leads in list(enumerate(GIVEN))[1:]:
        parts, done = [], 0
        for truth, condition in conditions_given(generator, pack, rows, leads.split(), progress):
            eight, center = draws_before_inflation(generator, condition, range(done, done + draws * len(truth)))
            if center is None:
                return None
            done += draws * len(truth)
            distance = (eight.unflatten(0, (-1, draws)) - center[:, None]).float().numpy()
            true, starts = truth.pick(*INDEPENDENT_LEADS).signal.numpy(), shared_beats(truth.pick(*leads.split()))
            parts.append(Drawn(true, center.float().numpy(), distance, starts, truth.fs))
        known = torch.tensor([lead in determined_by(leads.split()) for lead in INDEPENDENT_LEADS])
        tables[:, count] = torch.where(known, 1.0, torch.from_numpy(np.stack(factors(parts))).float())
    return BeatInflation(*tables)


def file_of(generator: Generator, pack: Pack, records: int = RECORDS, progress: bool = False) -> dict[str, Any]:
    """Contents of ``FILE`` for a calibrated generator, fitted on ``records`` of the calibration fold.

    Raises:
        InputError: If it has no deterministic prediction, or no record has enough beats.
    """
    rows = random_rows(pack.rows(CALIBRATION_FOLDS), records)
    fitted = fit_beat_inflation(generator, pack, rows, progress=progress)
    if fitted is None:
        raise InputError(
            f"{generator.name} has no deterministic prediction", "a generator with a condition encoder was expected"
        )
    made = {"commit": commit(), "date": datetime.date.today().isoformat(), "records": len(rows), "draws": DRAWS}
    return fitted.as_json() | made


def main() -> None:
    """Fit the factors of a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="checkpoint folder, or a shipped checkpoint by its name")
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--records", type=int, default=RECORDS, help="number of calibration records")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    options = parser.parse_args()
    folder = storage.find(options.model)
    generator = checkpoint.load(folder)
    pack = data.pack(data.recordings(options.data), generator.preprocessor, options.cache)
    contents = file_of(generator, pack, options.records, progress=not options.quiet)
    storage.write_json(folder / FILE, contents)
    checkpoint.write_golden(folder)
    for name, table in BeatInflation.from_json(contents, FILE).tables():
        for leads, row in zip(GIVEN, table.tolist(), strict=True):
            print(f"factor on {name}, {leads or 'PPG'} given:", [round(value, 2) for value in row])


if __name__ == "__main__":
    main()
