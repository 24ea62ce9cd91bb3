"""Fit of the factors by which the mean beats of draws, and their beats about them, differ as those of records do.

``python -m ecggen.training.beat_inflation checkpoints/vae --data PTBXL`` writes beat_inflation.json beside the weights
of a calibrated checkpoint (``ecggen.generators.beat_inflation``), and its golden file anew.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

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
    mean_beat, rest = torch.ones(2, len(GIVEN), len(INDEPENDENT_LEADS))
    for count, leads in list(enumerate(GIVEN))[1:]:
        between, within, done = [], [], 0
        for truth, condition in conditions_given(generator, pack, rows, leads.split(), progress):
            eight, center = draws_before_inflation(generator, condition, range(done, done + draws * len(truth)))
            if center is None:
                return None
            done += draws * len(truth)
            true = truth.pick(*INDEPENDENT_LEADS).signal.double().numpy()
            each = eight.unflatten(0, (-1, draws)).numpy()
            given = true, center.numpy(), each, shared_beats(truth.pick(*leads.split())), truth.fs
            between.append(between_terms(*given))
            within.append(within_terms(*given))
        terms = BetweenTerms.cat(between)
        if not len(terms.error):
            found = f"none of {len(rows)} records has {LEAST} beats in {leads}"
            raise InputError(found, "ECGs with beats were expected")
        known = torch.tensor([lead in determined_by(leads.split()) for lead in INDEPENDENT_LEADS])
        of_rest = WithinTerms.total(within).factor().clip(*RANGE)
        for table, factor in ((mean_beat, terms.factor(of_rest).clip(*RANGE)), (rest, of_rest)):
            table[count] = torch.where(known, 1.0, torch.from_numpy(factor).float())
    return BeatInflation(mean_beat, rest)


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
    rows = random_rows(pack.rows(CALIBRATION_FOLDS), options.records)
    factors = fit_beat_inflation(generator, pack, rows, progress=not options.quiet)
    if factors is None:
        raise InputError(
            f"{generator.name} has no deterministic prediction", "a generator with a condition encoder was expected"
        )
    made = {"commit": commit(), "date": datetime.date.today().isoformat(), "records": len(rows), "draws": DRAWS}
    storage.write_json(folder / FILE, factors.as_json() | made)
    checkpoint.write_golden(folder)
    for leads, of_mean, of_rest in zip(GIVEN, factors.mean_beat.tolist(), factors.rest.tolist(), strict=True):
        for what, row in (("mean beats", of_mean), ("rest", of_rest)):
            print(f"factor on {what}, {leads or 'PPG'} given:", [round(value, 2) for value in row])


if __name__ == "__main__":
    main()
