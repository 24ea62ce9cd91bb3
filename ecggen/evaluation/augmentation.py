"""An augmentation protocol: is a classifier better for drawn records, and what are they worth alone?

Real training records lend their words and facts, one ECG is drawn for each; more are drawn from further records of the
training folds for the curve. A fresh classifier learns from real records, from drawn ones, and from both, and is tested
on real records of other patients (``utility``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ecggen.data import Pack, statements
from ecggen.ecg import ECG
from ecggen.errors import InputError
from ecggen.evaluation.generation import TOLD, chosen, draw
from ecggen.evaluation.scores import utility
from ecggen.evaluation.scores.labelled import Labelled, usable
from ecggen.evaluation.scores.random_convolutions import RandomConvolutions
from ecggen.generator import Generator

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Protocol:
    """What is trained on what.

    Attributes:
        kind: "augmentation".
        data: The data set, "ptb-xl".
        told: What is told of each record that lends its words.
        labels: "superclasses", which are told apart.
        train_folds: Folds of the real training records.
        folds: Folds of the real test records.
        n: Real training records.
        fractions: Parts of them that are augmented.
        shares: Drawn records that are added, as shares of the real ones.
        repeats: Draws of parts.
        seed: Seed of the draws, of the choice of records and of the intervals.
    """

    kind: str
    data: str = "ptb-xl"
    told: Sequence[str] = TOLD
    labels: str = "superclasses"
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    folds: Sequence[int] = (9,)
    n: int = 2000
    fractions: Sequence[float] = (0.1, 0.25, 1.0)
    shares: Sequence[float] = (0.0, 0.25, 0.5, 1.0, 2.0)
    repeats: int = 3
    seed: int = 1

    def __post_init__(self):
        if self.kind != "augmentation" or self.labels != "superclasses":
            raise InputError(f"kind {self.kind!r}, labels {self.labels!r}", "'augmentation' and 'superclasses'")


def run(protocol: Protocol, pack: Pack, generator: Generator, report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was scored, and the scores of one generator."""
    downstream = RandomConvolutions()
    train = chosen(pack, protocol.train_folds, protocol.n, protocol.seed)
    lenders = np.r_[train, chosen(pack, protocol.train_folds, protocol.n, protocol.seed + 1)]
    test = chosen(pack, protocol.folds, protocol.n, protocol.seed)
    began = time.perf_counter()
    drawn, evaluations = draw(generator, pack, np.r_[lenders, test], protocol.told, protocol.seed, report)
    seconds = time.perf_counter() - began
    report("seeing records", 0.5)
    real, real_test = (labelled(pack, rows, pack.ecg(rows), downstream) for rows in (train, test))
    made = labelled(pack, np.r_[lenders, test], drawn, downstream)
    kept, left_out = usable({"training": real.labels, "test": real_test.labels}, names())
    real, real_test, made = (of(one, kept) for one in (real, real_test, made))
    first, last = np.arange(len(train)), np.arange(len(lenders), len(made))
    curve = utility.augmentation_curve(
        real,
        made.at(np.arange(len(lenders))),
        real_test,
        downstream,
        protocol.shares,
        protocol.fractions,
        protocol.repeats,
        protocol.seed,
        lambda share: report("augmenting", share),
    )
    moved = utility.transfer([real], [made.at(first)], real_test, made.at(last), downstream, protocol.seed)
    about = {
        "n": len(train),
        "n_test": len(test),
        "patients": int(pack.index.patient.iloc[test].nunique()),
        "labels": [names()[place] for place in kept],
        "left_out": left_out,
        "downstream": downstream.name,
        "definitions": {
            "auroc": "macro over labels, mean over repeats",
            "gain_interval": "95 %, paired, over patients",
        },
    }
    return about, {
        **{name.lower(): _told(one) for name, one in moved.items()},
        "tstr_minus_trtr_interval": utility.difference_interval(moved["TSTR"], moved["TRTR"], real_test, protocol.seed),
        "curve": [_point(point) for point in curve],
        "evaluations_per_draw": evaluations,
        "seconds": round(seconds, 2),
        "ms_per_ecg": round(1000 * seconds / len(made), 2),
    }


def names() -> list[str]:
    """The superclasses."""
    return list(statements.superclasses())


def labelled(pack: Pack, rows: np.ndarray, ecg: ECG, downstream: RandomConvolutions) -> Labelled:
    """ECGs of some rows, or drawn for them, with the rows' superclasses; a drawn one is of its lender's patient."""
    said = [set(codes.split()) for codes in pack.index.codes.iloc[rows]]
    labels = np.array([[bool(here & one) for one in statements.superclasses().values()] for here in said], float)
    return Labelled(downstream.prepare(ecg), labels, tuple(pack.index.patient.iloc[rows]))


def of(records: Labelled, kept: Sequence[int]) -> Labelled:
    """The records with some of their labels."""
    return Labelled(records.inputs, records.labels[:, kept], records.patients)


def _told(tested: utility.Tested) -> dict[str, Any]:
    return {"auroc": tested.auroc, "auroc_interval": tested.interval, "auprc": tested.auprc}


def _point(point: utility.Augmented) -> dict[str, Any]:
    about = asdict(point)
    del about["tested"]
    return about | _told(point.tested)
