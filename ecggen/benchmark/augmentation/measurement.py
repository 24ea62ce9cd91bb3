"""An augmentation protocol: is a classifier better for drawn records, and is anything cheaper as good?

Parts of the real training patients stand for somebody who has only so much data. Beside a part stand records that a
generator draws in its words and facts, variations of its records, its records changed as classical augmentation
changes them, or its rare ones again. A fresh classifier learns from each set and is tested on real records of other
patients (``utility``). So the gain of drawn records is told over nothing, and over the best that needs no generator.
The generator itself has learnt from all training folds: what is measured is what it brings to a new, small set.
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
    """What was scored, and the scores of one generator.

    Args:
        protocol: What is trained on what.
        pack: The recordings, in the generator's preprocessing.
        generator: What draws.
        report: Called with what is being done and the share done.
        cells: Where parts of the measurement are kept.
    """
    study = Study(protocol, pack, generator, report, cells or Cells())
    fits: dict[float, list[list[Fit]]] = {fraction: [] for fraction in study.fractions}
    moved, went = [], []
    for repeat in range(protocol.repeats):
        trial = Trial(study, repeat)
        for at, fraction in enumerate(study.fractions):
            fits[fraction].append(trial.fits(at))
        moved.append(trial.transfers())
        went += trial.went()
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
        **transferred(moved, study.test, study.drawn_test, protocol.redraws, protocol.seed),
        **compared(fits, study.test, study.names, protocol.redraws, protocol.seed),
        "drawing": drawing(went),
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


def drawing(went: Sequence[tuple[str, Arrays]]) -> dict[str, Any]:
    """By arm: records asked for and given up, draws for each that was asked for, and time."""
    found = {}
    for arm in dict.fromkeys(name for name, _ in went):
        cells = [cell for name, cell in went if name == arm]
        asked, draws, seconds = (sum(float(cell[key]) for cell in cells) for key in ("requested", "draws", "seconds"))
        lost = asked - sum(len(cell["row"]) for cell in cells)
        found[arm] = {
            "requested": int(asked),
            "given_up": int(lost),
            "draws_per_record": round(draws / asked, 3),
            "seconds": round(seconds, 1),
            "ms_per_draw": round(1000 * seconds / draws, 1),
        }
    return found
