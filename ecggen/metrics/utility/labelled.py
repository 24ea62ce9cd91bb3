"""Labelled records for downstream classifiers, with checks of labels and patients.

Labels are 0 and 1, one column each. A label with too few positive or negative records is excluded, with the reason.
Training and test sets must not share patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.core.errors import InputError

LEAST = 10
"""Fewest positive and negative records of a label in every set."""


@dataclass(frozen=True)
class Labelled:
    """Inputs of a downstream classifier with their labels.

    Attributes:
        inputs: (record, …), as ``Downstream.prepare`` made them.
        labels: (record, label) of 0 and 1.
        patients: Patient of each record.
    """

    inputs: np.ndarray
    labels: np.ndarray
    patients: tuple[str, ...]

    def __post_init__(self):
        if not len(self.inputs) == len(self.labels) == len(self.patients):
            raise InputError(
                f"{len(self.inputs)} records, {len(self.labels)} labels, {len(self.patients)} patients",
                "equal numbers were expected",
            )

    def __len__(self) -> int:
        return len(self.patients)

    def at(self, rows: np.ndarray) -> Labelled:
        """The records at ``rows``."""
        return Labelled(self.inputs[rows], self.labels[rows], tuple(np.asarray(self.patients, object)[rows]))

    def concatenated(self, other: Labelled) -> Labelled:
        """These records followed by the others."""
        inputs, labels = (
            np.concatenate([getattr(records, name) for records in (self, other)]) for name in ("inputs", "labels")
        )
        return Labelled(inputs, labels, (*self.patients, *other.patients))


def usable(sets: dict[str, np.ndarray], names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
    """Columns of labels with enough positive and negative records in every set, and why the others are excluded.

    Args:
        sets: (record, label) of each set by its name in messages.
        names: Names of the labels.

    Raises:
        InputError: If no label is left.

    Example:
        >>> usable({"real": np.eye(2).repeat(10, 0) * [1, 0]}, ["AFIB", "LVH"])
        ([0], {'LVH': '0 real records with it, 10 needed'})
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
        raise InputError(f"no label has enough records ({reasons})", "records with and without a label were expected")
    return kept, left_out


def refuse_shared_patients(train: Labelled, test: Labelled) -> None:
    """Raise InputError if the sets share a patient."""
    shared = sorted(set(train.patients) & set(test.patients))
    if shared:
        raise InputError(
            f"{len(shared)} patients are in the training and in the test set (for example patient {shared[0]})",
            "patient-disjoint sets were expected: memorised records would raise the score",
        )


def patient_subset(records: Labelled, fraction: float, seed: int) -> Labelled:
    """The records of a random subset of the patients.

    Subsets without both classes of every label are redrawn, because no classifier can be trained on them.

    Raises:
        InputError: If no subset of that size with both classes of every label is found.
    """
    if fraction >= 1:
        return records
    patients, which = np.unique(np.asarray(records.patients, object).astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(100):
        chosen = rng.permutation(len(patients))[: max(2, round(fraction * len(patients)))]
        part = records.at(np.flatnonzero(np.isin(which, chosen)))
        if both_classes(part.labels).all():
            return part
    raise InputError(
        f"{fraction:.0%} of {len(patients)} patients lack one class of a label", "a larger part was expected"
    )


def both_classes(labels: np.ndarray) -> np.ndarray:
    """(label,): whether there are positive and negative records."""
    return (labels.sum(0) > 0) & (labels.sum(0) < len(labels))


def check_classes(labels: np.ndarray, what: str) -> None:
    """Raise InputError if a label of the ``what`` set has one class only."""
    if not both_classes(labels).all():
        raise InputError(
            f"{(~both_classes(labels)).sum()} of {labels.shape[1]} labels have one class only in the {what} set",
            "records with and without each were expected",
            "exclude such labels",
        )
