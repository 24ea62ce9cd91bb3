"""Feature spaces in which two sets are compared: features of trained networks, and median beats without a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecggen.core.errors import InputError
from ecggen.evaluators.extractor import Extractor
from ecggen.report import median_beats
from ecggen.report.inputs.cohort import LEAST, Cohorts, MeasuredSet
from ecggen.report.references import known_rows


@dataclass(frozen=True)
class FeatureSets:
    """Features of both sets.

    Attributes:
        name: Name of the features, used in the names of the scores.
        distance: Name of the Fréchet distance on them.
        extractor: Network or method that computed them.
        synthetic: (record, feature).
        real: (record, feature).
        patients: Patient of each real record.
    """

    name: str
    distance: str
    extractor: str
    synthetic: np.ndarray
    real: np.ndarray
    patients: list[str]


def classifier_features(cohorts: Cohorts) -> FeatureSets:
    """Features of the classifier for all valid records.

    Raises:
        InputError: If there is no classifier, there are too few records, or leads that it needs are missing.
    """
    if cohorts.real.classifier is None:
        raise InputError("no classifier was used")
    require_records(cohorts.synthetic, cohorts.real)
    found = [one.predictions for one in (cohorts.synthetic, cohorts.real)]
    synthetic, real = (one.features for one in found if one is not None)
    name = f"{cohorts.real.classifier.name}, {cohorts.real.classifier.preprocessing['band']}"
    return FeatureSets("the classifier's features", "FID", name, synthetic, real, list(cohorts.real.valid.patients))


def extractor_features(cohorts: Cohorts, extractor: Extractor) -> FeatureSets:
    """Features of another network than the classifier for all valid records.

    Raises:
        InputError: If there are too few records, or the network rejects one.
    """
    require_records(cohorts.synthetic, cohorts.real)
    synthetic, real = (extractor.features(one.valid.ecg) for one in (cohorts.synthetic, cohorts.real))
    settings = ", ".join(f"{name} {value}" for name, value in extractor.preprocessing.items())
    name = extractor.name.split("@")[0]
    patients = list(cohorts.real.valid.patients)
    return FeatureSets(f"{name}'s features", "FID", f"{extractor.name}; {settings}", synthetic, real, patients)


def beat_features(cohorts: Cohorts) -> FeatureSets:
    """Median beats on the principal axes of the real ones; records with fewer than three beats are left out.

    Raises:
        InputError: If there are too few records with beats.
    """
    require_records(cohorts.synthetic, cohorts.real)
    rows = [known_rows(one.shapes) for one in (cohorts.synthetic, cohorts.real)]
    for at, kind in zip(rows, ("synthetic", "real"), strict=True):
        if len(at) < LEAST:
            raise InputError(f"{len(at)} {kind} records with three beats, {LEAST} needed")
    synthetic, real = median_beats.principal(cohorts.synthetic.shapes[rows[0]], cohorts.real.shapes[rows[1]])
    patients = [cohorts.real.valid.patients[row] for row in rows[1]]
    name = f"{median_beats.NAME}, {median_beats.COMPONENTS} principal axes"
    return FeatureSets("median beats", "Gaussian Fréchet distance", name, synthetic, real, patients)


def require_records(*sets: MeasuredSet) -> None:
    """Check that each set has enough valid records.

    Raises:
        InputError: If a set has too few.
    """
    for one in sets:
        if len(one.valid) < LEAST:
            raise InputError(f"{len(one.valid)} valid records of {one.all.source}, {LEAST} needed")
