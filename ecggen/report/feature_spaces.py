"""The features on which two sets are compared: a trained network's, and median beats, which rest on none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecggen.core.errors import InputError
from ecggen.evaluators.extractor import Extractor
from ecggen.report import median_beats
from ecggen.report.inputs.cohort import LEAST, Material, Studied
from ecggen.report.references import known_rows


@dataclass(frozen=True)
class FeatureSets:
    """Features of both sets.

    Attributes:
        name: Of the features, for the names of the scores.
        distance: What the Fréchet distance on them is called.
        extractor: What made them.
        synthetic: (record, feature).
        real: (record, feature).
        patients: The patient of each real record.
    """

    name: str
    distance: str
    extractor: str
    synthetic: np.ndarray
    real: np.ndarray
    patients: list[str]


def judged(material: Material) -> FeatureSets:
    """The classifier's features of all valid records.

    Raises:
        InputError: Where there is no classifier, too few records, or leads that it needs are missing.
    """
    if material.real.classifier is None:
        raise InputError("no judging network was used")
    few(material.synthetic, material.real)
    found = [one.predictions for one in (material.synthetic, material.real)]
    synthetic, real = (one.features for one in found if one is not None)
    name = f"{material.real.classifier.name}, {material.real.classifier.preprocessing['band']}"
    return FeatureSets("the classifier's features", "FID", name, synthetic, real, list(material.real.valid.patients))


def extracted(material: Material, extractor: Extractor) -> FeatureSets:
    """Features that another network than the classifier finds in all valid records.

    Raises:
        InputError: Where there are too few records, or the network refuses one.
    """
    few(material.synthetic, material.real)
    synthetic, real = (extractor.features(one.valid.ecg) for one in (material.synthetic, material.real))
    told = ", ".join(f"{name} {value}" for name, value in extractor.preprocessing.items())
    name = extractor.name.split("@")[0]
    patients = list(material.real.valid.patients)
    return FeatureSets(f"{name}'s features", "FID", f"{extractor.name}; {told}", synthetic, real, patients)


def beats(material: Material) -> FeatureSets:
    """Median beats on the real ones' principal axes; records without three beats are left out.

    Raises:
        InputError: Where records with beats are too few.
    """
    few(material.synthetic, material.real)
    rows = [known_rows(one.shapes) for one in (material.synthetic, material.real)]
    for at, kind in zip(rows, ("synthetic", "real"), strict=True):
        if len(at) < LEAST:
            raise InputError(f"{len(at)} {kind} records with three beats, {LEAST} needed")
    synthetic, real = median_beats.principal(material.synthetic.shapes[rows[0]], material.real.shapes[rows[1]])
    patients = [material.real.valid.patients[row] for row in rows[1]]
    name = f"{median_beats.NAME}, {median_beats.COMPONENTS} principal axes"
    return FeatureSets("median beats", "Gaussian Fréchet distance", name, synthetic, real, patients)


def few(*sets: Studied) -> None:
    """An InputError where a set has too few valid records."""
    for one in sets:
        if len(one.valid) < LEAST:
            raise InputError(f"{len(one.valid)} valid records of {one.all.source}, {LEAST} needed")
