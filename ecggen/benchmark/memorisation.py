"""The memorisation protocol: does a generator reproduce its training records?

Text and metadata are taken from records of the training folds and from equally many held-out records; one ECG is
generated for each. A condition makes a draw slightly similar to its source record, equally for both sets. So distances
to training records are compared with distances to held-out records; without memorisation, 50 % of the draws are closer
to training records and the AUROC of membership inference is 0.5. Copies are searched among all training records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.benchmark.generation import chosen, draw, recorded, requested, short
from ecggen.benchmark.training_records import COPIES, Known, copied
from ecggen.benchmark.variations import variations
from ecggen.conditioning.condition import TEXT_AND_METADATA
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.evaluators import pretrained
from ecggen.generators.base import Generator
from ecggen.metrics.functional.bootstrap import resampled_interval
from ecggen.report import nearness
from ecggen.report.inputs.cohort import LEAST, Cohorts, MeasuredSet
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
    """Settings of the protocol.

    Attributes:
        kind: "memorisation".
        data: The data set, "ptb-xl".
        conditions: Given of each record: some of text, age, sex, heart_rate.
        train_folds: Folds that the generator was trained on.
        folds: Held-out folds.
        n: Number of training records, and of held-out records, from which conditions are taken.
        variations: Number of training records that are varied.
        strengths: Strengths of ``Generator.vary``.
        classifier: Classifier whose features are used.
        seed: Seed of the draws, of the choice of records, and of every split.
    """

    kind: str
    data: str = "ptb-xl"
    conditions: Sequence[str] = TEXT_AND_METADATA
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    folds: Sequence[int] = (9,)
    n: int = 500
    variations: int = 100
    strengths: Sequence[float] = (0.5, 0.8, 1.0)
    classifier: str = "classifier"
    seed: int = 1

    def __post_init__(self):
        unknown = [name for name in self.conditions if name not in TEXT_AND_METADATA]
        if self.kind != "memorisation" or unknown or self.n < 1:
            found = f"kind {self.kind!r}, conditions {list(self.conditions)}, n {self.n}"
            raise InputError(found, f"'memorisation', some of {TEXT_AND_METADATA} and at least 1 were expected")


def run(protocol: Protocol, pack: Pack, generator: Generator, report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """Description of the measurement, and the scores of one generator."""
    training, held_out = (
        chosen(pack, folds, protocol.n, protocol.seed) for folds in (protocol.train_folds, protocol.folds)
    )
    sources = np.r_[training, held_out]
    began = time.perf_counter()
    drawn, evaluations = draw(generator, pack, sources, protocol.conditions, protocol.seed, report)
    seconds = time.perf_counter() - began
    cohorts = _cohorts(protocol, pack, training, held_out, drawn, generator.name, report)
    known = Known.of(pack, pack.rows(protocol.train_folds), report)
    section = memorisation(cohorts)
    section.scores[0] = attempt(COPIES, lambda: copied(cohorts, known))  # replaces the search among source records
    section.scores += source_membership(cohorts)
    section.headline = headline(section.scores)
    varied = training[: protocol.variations]
    about = {"n": len(training), "patients": int(pack.index.patient.iloc[sources].nunique())}
    return about, {
        **short(section),
        "conditions": {"training records": len(training), "held-out records": len(held_out)},
        "variations": variations(
            generator, pack, varied, protocol.conditions, protocol.strengths, protocol.seed, known, report
        ),
        "evaluations_per_draw": evaluations,
        "seconds": round(seconds, 2),
        "ms_per_ecg": round(1000 * seconds / len(sources), 2),
    }


def _cohorts(
    protocol: Protocol, pack: Pack, training: np.ndarray, held_out: np.ndarray, drawn: ECG, name: str, report: Report
) -> Cohorts:
    classifier = pretrained.load(protocol.classifier, "classifier")
    return Cohorts(
        MeasuredSet(requested(pack, np.r_[training, held_out], drawn, name, protocol.conditions), classifier, report),
        MeasuredSet(recorded(pack, training, "training records"), classifier, report),
        MeasuredSet(recorded(pack, held_out, "held-out records"), classifier, report),
        seed=protocol.seed,
    )


def headline(scores: Sequence[Score]) -> str:
    """The main result in one sentence."""
    copies = scores[0]
    if copies.value is None:
        return copies.note
    share, n = f"{copies.value:.1%}", copies.n_real
    result = f"{share} of the ECGs with conditions of training records copy one of {n} training records"
    nearer = next((one.value for one in scores if one.name.startswith("nearer") and one.value is not None), None)
    if nearer is None:
        return f"{result}."
    return f"{result}; {nearer:.0%} of all lie nearer to a training record than to a held-out one (50 % is ideal)."


def source_membership(cohorts: Cohorts) -> list[Score]:
    """Membership inference by the distance between a draw and the record from which its condition was taken."""
    found = []
    for name, features in {
        "median beats": nearness.median_beats,
        "the classifier's features": nearness.classifier_features,
    }.items():
        title = f"own lender, {name}"
        found.append(attempt(title, lambda: _source_membership(title, cohorts, features)))  # noqa: B023
    return found


def _source_membership(name: str, cohorts: Cohorts, features: nearness.Features) -> Score:
    if cohorts.holdout is None:
        raise InputError(nearness.NO_HOLDOUT)
    drawn = _by_name(cohorts.synthetic, features)
    distance, member, patients = [], [], []
    for side in (cohorts.real, cohorts.holdout):
        patient = dict(zip(side.valid.names, side.valid.patients, strict=True))
        for one, value in _by_name(side, features).items():
            if one in drawn:
                distance.append(float(np.linalg.norm(drawn[one] - value)))
                member.append(side is cohorts.real)
                patients.append(patient[one])
    sizes = sum(member), len(member) - sum(member)
    if min(sizes) < LEAST:
        raise InputError(
            f"{sizes[0]} draws of training and {sizes[1]} of held-out records", f"{LEAST} each were expected"
        )
    measured = np.array(distance), np.array(member)
    value = nearness.membership_auroc(*measured)
    floors = [
        nearness.membership_auroc(measured[0], assigned)
        for assigned in nearness.random_assignments(patients, cohorts.seed)
    ]
    interval = resampled_interval(
        nearness.membership_auroc, measured, patients, cohorts.seed, repeats=nearness.ASSIGNMENTS
    )
    return nearness.chance_score(name, value, interval, floors, (len(member), len(member)), OWN)


def _by_name(measured_set: MeasuredSet, features: nearness.Features) -> dict[str, np.ndarray]:
    """Features of the valid records that have them, by the name of the record or of the condition's source."""
    values, rows = features(measured_set)
    return {measured_set.valid.names[row]: value for row, value in zip(rows, values, strict=True)}
