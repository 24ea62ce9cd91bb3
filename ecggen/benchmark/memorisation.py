"""A memorisation protocol: does a generator give back the records it was trained on?

Records of the training folds lend their words and facts, and as many records that the generator never saw; one ECG is
drawn for each. What words tell of a heart makes a draw resemble its lender a little, on both sides alike: so distances
to training records stand beside distances to held-out records that were told in the same way, and a model without a
memory keeps 50 % and an AUROC of 0.5. Copies are looked for among all training records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.benchmark.generation import asked, chosen, draw, recorded, short
from ecggen.benchmark.training_records import COPIES, Known, copied
from ecggen.benchmark.variations import variations
from ecggen.conditioning.condition import WORDS
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.evaluators import pretrained
from ecggen.generators.base import Generator
from ecggen.metrics.functional.bootstrap import resampled_interval
from ecggen.report import nearness
from ecggen.report.inputs.cohort import LEAST, Material, Studied
from ecggen.report.references import attempt
from ecggen.report.scores import Score
from ecggen.report.sections.memorisation import memorisation

Report = Callable[[str, float], None]

OWN = (
    "AUROC of telling training from held-out records by the distance of the ECG drawn of a record's own words; 0.5 is "
    "ideal"
)


@dataclass(frozen=True)
class Protocol:
    """What is told, and how much of it.

    Attributes:
        kind: "memorisation".
        data: The data set, "ptb-xl".
        conditions: What is given of each record: some of text, age, sex, heart_rate.
        train_folds: Folds that the generator was trained on.
        folds: Folds that it never saw.
        n: Records of either kind that lend their words.
        variations: Training records that are varied.
        strengths: How far, as in ``Generator.vary``.
        judge: The classifier whose features are used.
        seed: Seed of the draws, of the choice of records, and of every split.
    """

    kind: str
    data: str = "ptb-xl"
    conditions: Sequence[str] = WORDS
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    folds: Sequence[int] = (9,)
    n: int = 500
    variations: int = 100
    strengths: Sequence[float] = (0.5, 0.8, 1.0)
    classifier: str = "classifier"
    seed: int = 1

    def __post_init__(self):
        unknown = [name for name in self.conditions if name not in WORDS]
        if self.kind != "memorisation" or unknown or self.n < 1:
            found = f"kind {self.kind!r}, conditions {list(self.conditions)}, n {self.n}"
            raise InputError(found, f"'memorisation', some of {WORDS} and at least 1 were expected")


def run(protocol: Protocol, pack: Pack, generator: Generator, report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was scored, and the scores of one generator."""
    seen, unseen = (chosen(pack, folds, protocol.n, protocol.seed) for folds in (protocol.train_folds, protocol.folds))
    lenders = np.r_[seen, unseen]
    began = time.perf_counter()
    drawn, evaluations = draw(generator, pack, lenders, protocol.conditions, protocol.seed, report)
    seconds = time.perf_counter() - began
    material = _material(protocol, pack, seen, unseen, drawn, generator.name, report)
    known = Known.of(pack, pack.rows(protocol.train_folds), report)
    section = memorisation(material)
    section.scores[0] = attempt(COPIES, lambda: copied(material, known))  # in the place of copies of lenders alone
    section.scores += owners(material)
    section.headline = headline(section.scores)
    varied = seen[: protocol.variations]
    about = {"n": len(seen), "patients": int(pack.index.patient.iloc[lenders].nunique())}
    return about, {
        **short(section),
        "conditions": {"training records": len(seen), "held-out records": len(unseen)},
        "variations": variations(
            generator, pack, varied, protocol.conditions, protocol.strengths, protocol.seed, known, report
        ),
        "evaluations_per_draw": evaluations,
        "seconds": round(seconds, 2),
        "ms_per_ecg": round(1000 * seconds / len(lenders), 2),
    }


def _material(
    protocol: Protocol, pack: Pack, seen: np.ndarray, unseen: np.ndarray, drawn: ECG, name: str, report: Report
) -> Material:
    classifier = pretrained.load(protocol.classifier, "classifier")
    return Material(
        Studied(asked(pack, np.r_[seen, unseen], drawn, name, protocol.conditions), classifier, report),
        Studied(recorded(pack, seen, "training records"), classifier, report),
        Studied(recorded(pack, unseen, "held-out records"), classifier, report),
        seed=protocol.seed,
    )


def headline(scores: Sequence[Score]) -> str:
    """What was found, in one sentence."""
    copies = scores[0]
    if copies.value is None:
        return copies.note
    said = f"{copies.value:.1%} of the ECGs told of training records copy one of {copies.n_real} training records"
    nearer = next((one.value for one in scores if one.name.startswith("nearer") and one.value is not None), None)
    if nearer is None:
        return f"{said}."
    return f"{said}; {nearer:.0%} of all lie nearer to a training record than to a held-out one (50 % is ideal)."


def owners(material: Material) -> list[Score]:
    """Do draws of training records' words lie nearer to their lenders than draws of held-out records' words do?"""
    found = []
    for name, features in {"median beats": nearness.median_beats, "the classifier's features": nearness.judged}.items():
        title = f"own lender, {name}"
        found.append(attempt(title, lambda: _owners(title, material, features)))  # noqa: B023
    return found


def _owners(name: str, material: Material, features: nearness.Features) -> Score:
    if material.holdout is None:
        raise InputError(nearness.NO_HOLDOUT)
    drawn = _by_name(material.synthetic, features)
    distance, member, patients = [], [], []
    for side in (material.real, material.holdout):
        patient = dict(zip(side.valid.names, side.valid.patients, strict=True))
        for one, value in _by_name(side, features).items():
            if one in drawn:
                distance.append(float(np.linalg.norm(drawn[one] - value)))
                member.append(side is material.real)
                patients.append(patient[one])
    sizes = sum(member), len(member) - sum(member)
    if min(sizes) < LEAST:
        raise InputError(f"{sizes[0]} draws of training and {sizes[1]} of held-out records, {LEAST} needed of either")
    measured = np.array(distance), np.array(member)
    value = nearness.told_apart(*measured)
    floors = [nearness.told_apart(measured[0], dealt) for dealt in nearness.deals(patients, material.seed)]
    interval = resampled_interval(nearness.told_apart, measured, patients, material.seed, repeats=nearness.DEALS)
    return nearness.beside_chance(name, value, interval, floors, (len(member), len(member)), OWN)


def _by_name(studied: Studied, features: nearness.Features) -> dict[str, np.ndarray]:
    """Features of the valid records that have them, by the record's (or the lender's) name."""
    values, rows = features(studied)
    return {studied.valid.names[row]: value for row, value in zip(rows, values, strict=True)}
