"""Records with labels, as a classifier learns from them: which labels can be learnt, which patients may be taken.

Labels are 0 and 1, one column each. A label that hardly ever occurs, or hardly ever lacks, says nothing in a test set
and is left out by name; a patient who stands in the training and in the test set spoils both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.core.errors import InputError

LEAST = 10
"""Records with a label, and without it, that a set must have for the label to count."""


@dataclass(frozen=True)
class Labelled:
    """Records made ready for a classifier.

    Attributes:
        inputs: (record, …), as ``Downstream.prepare`` made them.
        labels: (record, label) of 0 and 1.
        patients: The patient of each record.
    """

    inputs: np.ndarray
    labels: np.ndarray
    patients: tuple[str, ...]

    def __post_init__(self):
        if not len(self.inputs) == len(self.labels) == len(self.patients):
            raise InputError(
                f"{len(self.inputs)} records, {len(self.labels)} labels, {len(self.patients)} patients",
                "one each was expected",
            )

    def __len__(self) -> int:
        return len(self.patients)

    def at(self, rows: np.ndarray) -> Labelled:
        """The records at ``rows``."""
        return Labelled(self.inputs[rows], self.labels[rows], tuple(np.asarray(self.patients, object)[rows]))

    def beside(self, other: Labelled) -> Labelled:
        """These records and others."""
        inputs, labels = (
            np.concatenate([getattr(one, name) for one in (self, other)]) for name in ("inputs", "labels")
        )
        return Labelled(inputs, labels, (*self.patients, *other.patients))


def usable(sets: dict[str, np.ndarray], names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
    """Which labels occur and lack often enough in every set, and why the others are left out.

    Args:
        sets: (record, label) of each set by its name in words.
        names: The labels' names.

    Raises:
        InputError: Where no label is left.
    """
    left_out = {}
    for place, name in enumerate(names):
        for what, labels in sets.items():
            positive = int(labels[:, place].sum())
            least = min(positive, len(labels) - positive)
            if least < LEAST and name not in left_out:
                kind = "with" if positive == least else "without"
                left_out[name] = f"{least} {what} records {kind} it, {LEAST} needed"
    kept = [place for place, name in enumerate(names) if name not in left_out]
    if not kept:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise InputError(f"no label can be learnt ({reasons})", "records with and without a label were expected")
    return kept, left_out


def refuse_shared_patients(train: Labelled, test: Labelled) -> None:
    """An InputError where a patient stands in both sets."""
    shared = sorted(set(train.patients) & set(test.patients))
    if shared:
        raise InputError(
            f"{len(shared)} patients are in the training and in the test set (patient {shared[0]} for one)",
            "different patients were expected, or the test tells what was learnt by heart",
        )


def parted(records: Labelled, fraction: float, seed: int) -> Labelled:
    """The records of a part of the patients.

    Where a small part would lack a side of a label, another is drawn: a classifier of one class cannot be trained.

    Raises:
        InputError: Where no part of that size has both sides of every label.
    """
    if fraction >= 1:
        return records
    people, which = np.unique(np.asarray(records.patients, object).astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(100):
        chosen = rng.permutation(len(people))[: max(2, round(fraction * len(people)))]
        part = records.at(np.flatnonzero(np.isin(which, chosen)))
        if both_sides(part.labels).all():
            return part
    raise InputError(f"{fraction:.0%} of {len(people)} patients lack one side of a label", "a larger part was expected")


def both_sides(labels: np.ndarray) -> np.ndarray:
    """(label,): whether it both occurs and lacks."""
    return (labels.sum(0) > 0) & (labels.sum(0) < len(labels))


def check_sides(labels: np.ndarray, what: str) -> None:
    """An InputError where a label of the ``what`` set has one class only."""
    if not both_sides(labels).all():
        raise InputError(
            f"{(~both_sides(labels)).sum()} of {labels.shape[1]} labels have one class only in the {what} set",
            "records with and without each were expected",
            "leave such labels out",
        )
