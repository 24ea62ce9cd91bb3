"""Training sets of the augmentation protocol: nested subsets of real patients, and the records added to them.

The subsets of a repeat are nested and consist of shells: the smallest subset, the additional records of the next one,
and so on. Added records are made shell by shell, from the records and metadata of that shell only. So a subset is
augmented without information from outside it, and each record is generated once for all subsets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.augment import classical
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.metrics.utility.labelled import Labelled, both_classes
from ecggen.metrics.utility.tstr import Downstream

MIXED, ANY = "mixup", "any change"
"""Arms of mixup, and of a random classical augmentation for each record."""
REPEATED = ("oversampling", "repeats")
"""Arms that repeat records: rare ones, and all of them. The second shows the effect of the number of records alone,
which weakens the regularisation of the regression."""
CLASSICAL = (*classical.KINDS, MIXED, ANY, *REPEATED)
"""All arms without a generator."""
GENERATED = ("synthetic", "variations")
"""Arms of generated records: from text and metadata, and variations of given records."""


@dataclass(frozen=True)
class Shell:
    """Records of a subset that are not in the next smaller subset, and records that can be added for them.

    Attributes:
        real: The real records, in random order.
        added: By arm, records that can be added, in order.
    """

    real: Labelled
    added: Mapping[str, Labelled]


def shells(patients: Sequence[str], labels: np.ndarray, fractions: Sequence[float], seed: int) -> list[np.ndarray]:
    """Rows of each shell, for fractions of the patients from the smallest to the largest.

    Args:
        patients: Patient of each record.
        labels: (record, label) of 0 and 1; the smallest subset is redrawn until it has both classes of each.
        fractions: Fractions of the patients, ascending.
        seed: Seed of the subsets.

    Raises:
        InputError: If no smallest subset has both classes of every label.
    """
    unique, which = np.unique(np.asarray(patients, object).astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    ends = [max(2, round(fraction * len(unique))) for fraction in fractions]
    for _ in range(1000):
        place = rng.permutation(len(unique))[which]  # rank of each record's patient
        if both_classes(labels[place < ends[0]]).all():
            begins = [0, *ends[:-1]]
            parts = zip(begins, ends, strict=True)
            return [rng.permutation(np.flatnonzero((place >= begin) & (place < end))) for begin, end in parts]
    found = f"{fractions[0]:.0%} of {len(unique)} patients lack one class of a label"
    raise InputError(found, "a larger part was expected")


def augmented(
    real: Labelled, ecg: ECG, arms: Sequence[str], laps: int, downstream: Downstream, seed: int, first: int
) -> dict[str, Labelled]:
    """Records by classical augmentation, ``laps`` for each real one, by arm.

    Args:
        real: The records of a shell.
        ecg: Their ECGs.
        arms: Some of ``CLASSICAL``; the others are not made.
        laps: Number of augmented versions of each record.
        downstream: The classifier, which prepares its inputs.
        seed: Seed of the augmentation.
        first: Number of the shell's first augmented record, which determines the random numbers.
    """
    found: dict[str, list[Labelled]] = {name: [] for name in (*classical.KINDS, MIXED, ANY) if name in arms}
    kinds = [kind for kind in classical.KINDS if kind in arms or ANY in arms]
    for lap in range(laps):
        numbers = range(first + lap * len(real), first + (lap + 1) * len(real))
        changed = {kind: downstream.prepare(classical.augment(kind, ecg, seed, numbers)) for kind in kinds}
        for kind in kinds:
            if kind in found:
                found[kind].append(_like(real, changed[kind]))
        if ANY in found:
            picked = np.random.default_rng((seed, first, lap)).integers(len(kinds), size=len(real))
            found[ANY].append(_like(real, np.stack([*changed.values()])[picked, np.arange(len(real))]))
        if MIXED in found:
            mixed, labels = classical.mix(ecg, real.labels, seed, numbers)
            found[MIXED].append(Labelled(downstream.prepare(mixed).astype(np.float32), labels, real.patients))
    return {name: joined(parts) for name, parts in found.items()}


def training_set(parts: Sequence[Shell], arm: str, share: float, seed: int) -> tuple[Labelled, int]:
    """The real records of a subset with added records of an arm, and the number of added records.

    Args:
        parts: Shells of the subset.
        arm: One of ``CLASSICAL``, or another key of ``Shell.added``.
        share: Number of added records, as a multiple of the number of real ones; at most all.
        seed: Seed of repeated records.
    """
    real = joined([shell.real for shell in parts])
    if not share:
        return real, 0
    if arm in REPEATED:
        extra = real.at(_again(arm, real.labels, round(share * len(real)), seed))
    else:
        own = [(shell.added[arm], round(share * len(shell.real))) for shell in parts]
        extra = joined([records.at(np.arange(min(count, len(records)))) for records, count in own])
    return real.concatenated(extra), len(extra)


def joined(parts: Sequence[Labelled]) -> Labelled:
    """Concatenate several sets of records."""
    inputs, labels = (np.concatenate([getattr(one, name) for one in parts]) for name in ("inputs", "labels"))
    return Labelled(inputs, labels, tuple(patient for one in parts for patient in one.patients))


def _again(arm: str, labels: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Rows of repeated records."""
    rng = np.random.default_rng((seed, 5))
    if arm == "oversampling":
        return classical.oversampled(labels, n, rng)
    return np.concatenate([rng.permutation(len(labels)) for _ in range(n // len(labels) + 1)])[:n]


def _like(real: Labelled, inputs: np.ndarray) -> Labelled:
    return Labelled(inputs.astype(np.float32), real.labels, real.patients)
