"""The augmentation protocol: gain of a classifier by generated training records, and by methods without a generator.

Subsets of the real training patients represent small data sets. To a subset are added: records generated from its text
and metadata, variations of its records, its records after classical augmentation, or repeated rare records. A new
classifier is trained on each set and tested on real records of other patients (``ecggen.metrics.utility``). The gain of
generated records is reported relative to the real records alone, and to the best method without a generator. The
generator was trained on all training folds: the protocol measures its benefit for a new, small data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ecggen.benchmark.augmentation.gains import Fit, compared, transferred
from ecggen.benchmark.augmentation.protocol import Protocol, Report
from ecggen.benchmark.augmentation.trials import Study, Trial
from ecggen.benchmark.partial_results import Arrays, Cells
from ecggen.data import Pack
from ecggen.generators.base import Generator


def run(
    protocol: Protocol, pack: Pack, generator: Generator, report: Report, cells: Cells | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Description of the measurement, and the scores of one generator.

    Args:
        protocol: Settings.
        pack: The recordings, in the generator's preprocessing.
        generator: The generator.
        report: Called with the current step and the fraction done.
        cells: Cache of partial results.
    """
    study = Study(protocol, pack, generator, report, cells or Cells())
    fits: dict[float, list[list[Fit]]] = {fraction: [] for fraction in study.fractions}
    transfers, generation_cells = [], []
    for repeat in range(protocol.repeats):
        trial = Trial(study, repeat)
        for at, fraction in enumerate(study.fractions):
            fits[fraction].append(trial.fits(at))
        transfers.append(trial.transfers())
        generation_cells += trial.generation_cells()
    report("comparing", 0.0)
    about = {
        "n": len(study.rows[0]),
        "n_test": len(study.test),
        "patients": len(set(study.test.patients)),
        "labels": study.names,
        "left_out": study.left_out,
        "downstream": study.downstream.name,
        "definitions": DEFINITIONS,
    }
    return about, {
        "classifier": study.classifier_name,
        **transferred(transfers, study.test, study.drawn_test, protocol.redraws, protocol.seed),
        **compared(fits, study.test, study.names, protocol.redraws, protocol.seed),
        "drawing": drawing(generation_cells),
    }


DEFINITIONS = {
    "auroc, auprc": "macro over the labels, mean over the repeats",
    "interval": "95 %, the test set's patients redrawn; of a gain, both on the same redraws",
    "gain": "auroc less that of the real records alone",
    "best without a generator": "the arm and share of highest test auroc at a fraction, nothing added among them: "
    "chosen on the test set, in its favour",
    "over_best": "auroc less that of the best without a generator",
    "seeds_above": "repeats of which the gain is above 0",
}


def drawing(generation_cells: Sequence[tuple[str, Arrays]]) -> dict[str, Any]:
    """By arm: numbers of requested and rejected records, draws per requested record, and time."""
    found = {}
    for arm in dict.fromkeys(name for name, _ in generation_cells):
        cells = [cell for name, cell in generation_cells if name == arm]
        requested, draws, seconds = (
            sum(float(cell[key]) for cell in cells) for key in ("requested", "draws", "seconds")
        )
        lost = requested - sum(len(cell["row"]) for cell in cells)
        found[arm] = {
            "requested": int(requested),
            "given_up": int(lost),
            "draws_per_record": round(draws / requested, 3),
            "seconds": round(seconds, 1),
            "ms_per_draw": round(1000 * seconds / draws, 1),
        }
    return found
