"""What was asked for, what was obtained, and how much of it real records let a classifier find.

A classifier is not always right on real records either. So a verdict asks which part of what the classifier finds on real
records, beyond chance, it finds on the drawn ones. Real are the records that lent their conditions where they are known
by name, else held-out ones, else those that the generator was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.evaluators.classifier import Predictions
from ecggen.metrics.functional import condition_fidelity as obtained
from ecggen.metrics.functional.bootstrap import redrawn, resampled_interval
from ecggen.report.inputs.cohort import LEAST, ECGSet, Material, Studied
from ecggen.report.scores import FAIL, PASS, WARN, Score

PASS_FROM, WARN_FROM = 0.75, 0.5
"""Part of what the classifier finds on real records, beyond chance, that it is to find on drawn ones."""
USEFUL = 0.1
"""Least that a classifier must find on real records, beyond chance, to judge others."""
REDRAWS = 200
RULE = (
    "floor: the same score of real records, and what 95 % of their redraws of this size exceed; pass from there or "
    "from 3/4 of what it is beyond chance, warn from 1/2"
)


@dataclass
class Asked:
    """What was asked for of some records, and what the evaluators find in them.

    Attributes:
        studied: The records.
        material: Tells the ECG-text pair and the seed.
    """

    studied: Studied
    material: Material

    @property
    def set(self) -> ECGSet:
        """The valid records."""
        return self.studied.valid

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The statements that were asked for; read from the texts where no codes are known."""
        return self.set.codes if any(self.set.codes) else obtained.statements_in(self.set.texts)

    def rows(self, known: Sequence[bool] | np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Rows for which something is known, and their patients."""
        rows = np.flatnonzero(np.asarray(known, bool))
        return rows, [self.set.patients[row] for row in rows]

    @property
    def predictions(self) -> Predictions:
        """What the classifier finds; an InputError without one."""
        if self.studied.classifier is None:
            raise InputError("no classifier was given to judge the ECGs")
        if self.studied.predictions is None:
            raise InputError(f"0 valid records, {LEAST} needed")
        return self.studied.predictions

    @cached_property
    def vectors(self) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
        """Unit vectors of the ECGs with a text and of their texts, the texts, and the patients."""
        if self.material.ecg_text is None:
            raise InputError("no ECG-text pair was given to judge the ECGs")
        rows = [row for row, text in enumerate(self.set.texts) if text.strip()]
        if len(rows) < LEAST:
            raise InputError(f"{len(rows)} records with a text, {LEAST} needed")
        part = self.set.at(rows)
        ecg_text = self.material.ecg_text
        return ecg_text.ecgs(part.ecg), ecg_text.texts(part.texts), list(part.texts), list(part.patients)


def lenders(material: Material) -> Studied:
    """The real records whose conditions were asked for, by name; else held-out ones, else the real ones."""
    names = set(material.synthetic.all.names)
    known = [one for one in (material.truth, material.holdout, material.real) if one is not None]
    sharing = [one for one in known if 2 * len(names & set(one.all.names)) > len(names)]
    held = material.holdout if material.holdout is not None and len(material.holdout.valid) >= LEAST else material.real
    return sharing[0] if sharing else held


def wishes(records: ECGSet) -> list[str]:
    """What is known to have been asked for of some records."""
    texts = any(text.strip() for text in records.texts)
    known = {
        "heart rate": np.isfinite(records.asked_rate).any(),
        "sex": np.isfinite(records.sex).any(),
        "age": np.isfinite(records.age).any(),
        "statements": any(records.codes) or texts,
        "text": texts,
    }
    return [wish for wish, here in known.items() if here]


def beside(
    name: str,
    statistic: Callable[..., float],
    sides: Sequence[Sequence[np.ndarray]],
    patients: Sequence[Sequence[str]],
    chance: float,
    seed: int,
    useful: float = USEFUL,
    note: str = "",
    **about: Any,
) -> Score:
    """A score of the drawn records beside the same of real ones.

    Args:
        name: What is measured.
        statistic: From a side's arrays to a number of which more is better.
        sides: Arrays (record, …) of the drawn and of the real records.
        patients: Their patients.
        chance: What the statistic is where nothing is obtained.
        seed: Seed of the redraws.
        useful: Least that real records must reach beyond chance.
        note: What else must be said.
        about: Further attributes of the score.

    Raises:
        InputError: Where records are too few or the classifier finds nothing on real records either.
    """
    sizes = [len(side[0]) for side in sides]
    for size, kind in zip(sizes, ("synthetic", "real"), strict=True):
        if size < LEAST:
            raise InputError(f"{size} {kind} records with such a request, {LEAST} needed")
    value, reference = (float(statistic(*side)) for side in sides)
    if not reference - chance >= useful:
        raise InputError(f"the classifier reaches {reference:.2f} on real records, {chance + useful:.2f} needed")
    size = min(sizes)
    redraws = [statistic(*(one[rows[:size]] for one in sides[1])) for rows in redrawn(patients[1], seed, REDRAWS)]
    low = float(np.nanquantile(redraws, 0.05))
    return Score(
        name,
        value,
        interval=resampled_interval(statistic, sides[0], patients[0], seed, repeats=REDRAWS),
        floor=reference,
        floor_low=low,
        n_synthetic=sizes[0],
        n_real=sizes[1],
        verdict=of_reference(value, reference, low, chance),
        note=note,
        **about,
    )


def of_reference(value: float, reference: float, low: float, chance: float) -> str:
    """Verdict on a score of drawn records beside the same of real ones and the low end of its floor."""
    found, findable = value - chance, reference - chance
    passing = value >= min(low, chance + PASS_FROM * findable)
    return PASS if passing else WARN if found >= WARN_FROM * findable else FAIL
