"""The protocol of rare statements: all real training records, with synthetic ones for the statements that are rare.

A statement is rare if few patients of the training folds have it; the test fold has no part in the choice. Records are
added until each rare statement has a given number: generated for the statement, or without a generator (its real
records again, or after a random classical augmentation). A new classifier of the rare statements is trained on each
set and tested on real records of other patients. Each repeat has its own classifier and its own added records.
"""

from __future__ import annotations

from typing import Any

from ecggen.benchmark.augmentation.protocol import Report
from ecggen.benchmark.augmentation.rare_gains import compared
from ecggen.benchmark.augmentation.rare_protocol import Protocol
from ecggen.benchmark.augmentation.rare_trials import Study, Trial
from ecggen.benchmark.augmentation.records import DOWNSTREAM, labels_of
from ecggen.benchmark.partial_results import Cells
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

    Raises:
        InputError: If no statement is rare, or none of the rare ones has enough test records.
    """
    study = Study(protocol, pack, generator, report, cells or Cells())
    trials = [Trial(study, repeat) for repeat in range(protocol.repeats)]
    fits = [trial.fits() for trial in trials]
    drawing = [trial.drawing() for trial in trials]
    report("comparing", 0.0)
    about = {
        "n": len(study.rows),
        "n_test": len(study.test_rows),
        "patients": len(set(pack.index.patient.iloc[study.test_rows])),
        "labels": study.tested,
        "rare": study.counts,
        "left_out": study.left_out,
        "downstream": DOWNSTREAM[protocol.downstream](protocol.seed).name,
        "definitions": DEFINITIONS,
    }
    truth = labels_of(pack, study.test_rows, study.labels_of(study.tested))
    patients = tuple(pack.index.patient.iloc[study.test_rows])
    return about, {
        "classifier": study.classifier.name if study.classifier else "",
        **compared(fits, truth, patients, study.tested, protocol.redraws, protocol.seed),
        "drawing": {name: sum(one[name] for one in drawing) for name in drawing[0]},
    }


DEFINITIONS = {
    "rare": "statements with at least `least` and fewer than `below` patients in the training folds: patients and "
    "records of each",
    "auprc": "average precision on the test records, mean over the repeats",
    "gain": "auprc less that of the real records alone; interval: 95 %, the test set's patients redrawn, both on the "
    "same redraws; by_seed: the gain of each repeat",
    "above, below": "statements of which the interval of the gain lies above or below 0; about 1 in 40 each by chance",
}
