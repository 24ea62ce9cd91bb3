"""Training sets for the proof of an augmentation: parts of real patients, and what may stand beside them.

The parts of one draw lie inside one another, as shells: the smallest, what the next one has beyond it, and so on. What
is added to a part is made shell by shell, from the records and the facts of that shell alone, so that a part is
augmented with nothing that somebody would not have who had only this part; and each record is drawn once for all parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.augment import classical
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.metrics.utility.labelled import Labelled, both_sides
from ecggen.metrics.utility.tstr import Downstream

MIXED, ANY = "mixup", "any change"
"""Arms that are made of two records, and of any of the changes of a waveform."""
REPEATED = ("oversampling", "repeats")
"""Arms that need no new records: what is rare again, and everything again. The second tells what more records, none of
them new, do to the regression alone: its ridge is weaker the more there are."""
CLASSICAL = (*classical.KINDS, MIXED, ANY, *REPEATED)
"""All that is done without a generator."""


@dataclass(frozen=True)
class Shell:
    """Real records that a part has beyond the next smaller part, and what can be added for them.

    Attributes:
        real: The records, in random order.
        added: By arm, records that can be added, the first ones first.
    """

    real: Labelled
    added: Mapping[str, Labelled]


def shells(patients: Sequence[str], labels: np.ndarray, fractions: Sequence[float], seed: int) -> list[np.ndarray]:
    """Rows of each shell, for fractions of the patients from the smallest to the largest.

    Args:
        patients: Patient of each record.
        labels: (record, label) of 0 and 1; each must occur and lack in the smallest part, or another is drawn.
        fractions: Parts of the patients, rising.
        seed: Seed of the draw.

    Raises:
        InputError: Where no smallest part has both sides of every label.
    """
    people, which = np.unique(np.asarray(patients, object).astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    ends = [max(2, round(fraction * len(people))) for fraction in fractions]
    for _ in range(1000):
        place = rng.permutation(len(people))[which]  # of each record's patient in the queue
        if both_sides(labels[place < ends[0]]).all():
            begins = [0, *ends[:-1]]
            parts = zip(begins, ends, strict=True)
            return [rng.permutation(np.flatnonzero((place >= begin) & (place < end))) for begin, end in parts]
    found = f"{fractions[0]:.0%} of {len(people)} patients lack one side of a label"
    raise InputError(found, "a larger part was expected")


def augmented(
    real: Labelled, ecg: ECG, laps: int, downstream: Downstream, seed: int, first: int
) -> dict[str, Labelled]:
    """By classical augmentation, ``laps`` records for each real one.

    Args:
        real: The records of a shell.
        ecg: Their waves.
        laps: How often each is changed, each time otherwise.
        downstream: What looks at them.
        seed: Seed of the changes.
        first: Number of the shell's first change; the others follow, and random numbers with them.
    """
    found: dict[str, list[Labelled]] = {name: [] for name in (*classical.KINDS, MIXED, ANY)}
    for lap in range(laps):
        numbers = range(first + lap * len(real), first + (lap + 1) * len(real))
        changed = [downstream.prepare(classical.augment(kind, ecg, seed, numbers)) for kind in classical.KINDS]
        picked = np.random.default_rng((seed, first, lap)).integers(len(changed), size=len(real))
        mixed, labels = classical.mix(ecg, real.labels, seed, numbers)
        for kind, inputs in zip(classical.KINDS, changed, strict=True):
            found[kind].append(_like(real, inputs))
        found[ANY].append(_like(real, np.stack(changed)[picked, np.arange(len(real))]))
        found[MIXED].append(Labelled(downstream.prepare(mixed).astype(np.float32), labels, real.patients))
    return {name: joined(parts) for name, parts in found.items()}


def training_set(parts: Sequence[Shell], arm: str, share: float, seed: int) -> tuple[Labelled, int]:
    """A part's real records with a share of an arm's beside them, and how many these are.

    Args:
        parts: The part's shells.
        arm: One of ``CLASSICAL``, or another name under which shells hold records.
        share: Records added, as a share of the real ones; where there are fewer, all of them.
        seed: Seed of what is repeated.
    """
    real = joined([shell.real for shell in parts])
    if not share:
        return real, 0
    if arm in REPEATED:
        extra = real.at(_again(arm, real.labels, round(share * len(real)), seed))
    else:
        own = [(shell.added[arm], round(share * len(shell.real))) for shell in parts]
        extra = joined([records.at(np.arange(min(count, len(records)))) for records, count in own])
    return real.beside(extra), len(extra)


def joined(parts: Sequence[Labelled]) -> Labelled:
    """Several sets of records as one."""
    inputs, labels = (np.concatenate([getattr(one, name) for one in parts]) for name in ("inputs", "labels"))
    return Labelled(inputs, labels, tuple(patient for one in parts for patient in one.patients))


def _again(arm: str, labels: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Rows that stand in the training set once more."""
    rng = np.random.default_rng((seed, 5))
    if arm == "oversampling":
        return classical.oversampled(labels, n, rng)
    return np.concatenate([rng.permutation(len(labels)) for _ in range(n // len(labels) + 1)])[:n]


def _like(real: Labelled, inputs: np.ndarray) -> Labelled:
    return Labelled(inputs.astype(np.float32), real.labels, real.patients)
