"""Requested conditions, what is measured in the synthetic ECGs, and the same measurement on real ECGs as a reference.

A classifier is not always right on real records either. A verdict therefore compares the score of the synthetic
records, above chance, with the score of real records. The real records are those whose conditions were requested, if
they are known by name; otherwise the held-out ones; otherwise those that the generator was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.evaluators.classifier import Predictions
from ecggen.metrics.functional import condition_fidelity
from ecggen.metrics.functional.bootstrap import redrawn, resampled_interval
from ecggen.report.inputs.cohort import LEAST, Cohorts, ECGSet, MeasuredSet
from ecggen.report.scores import FAIL, PASS, WARN, Score

PASS_FROM, WARN_FROM = 0.75, 0.5
"""Ratio of the score of synthetic to that of real records, both above chance, for "pass" and for "warn"."""
USEFUL = 0.1
"""Least score of real records above chance for the classifier to be usable."""
REDRAWS = 200
"""Bootstrap resamples for intervals and floors."""
RULE = (
    "floor: the same score of real records, with its 5 % quantile over bootstrap samples of this size; pass from that "
    "quantile or from 3/4 of the floor above chance, warn from 1/2"
)


@dataclass
class RequestedSet:
    """The requested conditions of a set, and what the evaluators measure in its records.

    Attributes:
        measured_set: The records.
        cohorts: Holds the ECG–text encoder and the seed.
    """

    measured_set: MeasuredSet
    cohorts: Cohorts

    @property
    def set(self) -> ECGSet:
        """The valid records."""
        return self.measured_set.valid

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The requested statements; parsed from the texts if no codes are known."""
        return self.set.codes if any(self.set.codes) else condition_fidelity.statements_in_texts(self.set.texts)

    @cached_property
    def stated(self) -> tuple[np.ndarray, np.ndarray]:
        """(record, statement) of bool: statements that the texts affirm, and those that they deny."""
        return condition_fidelity.affirmed_and_denied(self.set.texts)

    def rows(self, known: Sequence[bool] | np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Rows where ``known`` is true, and their patients."""
        rows = np.flatnonzero(np.asarray(known, bool))
        return rows, [self.set.patients[row] for row in rows]

    @property
    def predictions(self) -> Predictions:
        """Predictions of the classifier.

        Raises:
            InputError: If there is no classifier or no valid record.
        """
        if self.measured_set.classifier is None:
            raise InputError("no classifier was given")
        if self.measured_set.predictions is None:
            raise InputError(f"0 valid records, {LEAST} needed")
        return self.measured_set.predictions

    @cached_property
    def vectors(self) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
        """Unit embeddings of the ECGs with a text and of their texts, the texts, and the patients.

        Raises:
            InputError: If there is no ECG–text encoder, or too few records have a text.
        """
        if self.cohorts.ecg_text is None:
            raise InputError("no ECG–text encoder was given")
        rows = [row for row, text in enumerate(self.set.texts) if text.strip()]
        if len(rows) < LEAST:
            raise InputError(f"{len(rows)} records with a text, {LEAST} needed")
        part = self.set.at(rows)
        ecg_text = self.cohorts.ecg_text
        return ecg_text.ecgs(part.ecg), ecg_text.texts(part.texts), list(part.texts), list(part.patients)


def reference_set(cohorts: Cohorts) -> MeasuredSet:
    """The real records whose conditions were requested, by name; otherwise the held-out or the real ones."""
    names = set(cohorts.synthetic.all.names)
    sets = [one for one in (cohorts.truth, cohorts.holdout, cohorts.real) if one is not None]
    same = [one for one in sets if 2 * len(names & set(one.all.names)) > len(names)]
    other = cohorts.holdout if cohorts.holdout is not None and len(cohorts.holdout.valid) >= LEAST else cohorts.real
    return same[0] if same else other


def requested_kinds(records: ECGSet) -> list[str]:
    """Kinds of conditions that are known to have been requested for some of the records."""
    texts = any(text.strip() for text in records.texts)
    known = {
        "heart rate": np.isfinite(records.requested_heart_rate).any(),
        "sex": np.isfinite(records.sex).any(),
        "age": np.isfinite(records.age).any(),
        "statements": any(records.codes) or texts,
        "text": texts,
    }
    return [kind for kind, is_known in known.items() if is_known]


def compare_with_real(
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
    """A score of the synthetic records with the same score of real records as its floor.

    Args:
        name: Name of the score.
        statistic: Returns one number from the arrays of a set; more is better.
        sides: Arrays (record, …) of the synthetic and of the real records.
        patients: Patients of both.
        chance: Value of the statistic at chance level.
        seed: Seed of resampling.
        useful: Least score of the real records above chance.
        note: Further information.
        about: Further attributes of the score.

    Raises:
        InputError: If there are too few records, or the classifier does not work on real records either.
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
        verdict=reference_verdict(value, reference, low, chance),
        note=note,
        **about,
    )


def reference_verdict(value: float, reference: float, low: float, chance: float) -> str:
    """Verdict on a score of synthetic records against that of real ones.

    Args:
        value: Score of the synthetic records.
        reference: Score of the real records.
        low: 5 % quantile of the score of the real records.
        chance: Chance level.

    Example:
        >>> [reference_verdict(value, 0.9, 0.85, chance=0.5) for value in (0.81, 0.75, 0.6)]
        ['pass', 'warn', 'fail']
    """
    above, possible = value - chance, reference - chance
    passing = value >= min(low, chance + PASS_FROM * possible)
    return PASS if passing else WARN if above >= WARN_FROM * possible else FAIL
