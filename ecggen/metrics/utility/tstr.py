"""Are synthetic records worth training on? A fresh classifier learns from them and is tested on real patients.

TRTR: trained and tested on real records, TSTR: trained on synthetic, tested on real ones, TRTS: the other way round
(Esteban et al. 2017). The augmentation curve adds synthetic records to few or many real ones. Whatever is trained is
trained on equal numbers, and no patient stands on both sides. Nothing is chosen on the test set: the classifier has no
pretrained weights, its settings are fixed, and the last word is an interval over the test set's patients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.metrics.functional.ranking import auroc
from ecggen.metrics.utility import redraws
from ecggen.metrics.utility.labelled import Labelled, check_sides, parted, refuse_shared_patients

SHARES = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Synthetic records that are added, as a share of the real ones."""
FRACTIONS = (0.1, 0.25, 1.0)
"""Parts of the real training patients."""
REDRAWS = 200
"""Redraws of the test set's patients behind an interval."""


class Downstream(Protocol):
    """A classifier that learns from nothing but what it is given, as ``RandomConvolutions``."""

    name: str

    def prepare(self, ecg: ECG) -> np.ndarray:
        """What it learns from: (record, …)."""
        ...

    def learn(self, inputs: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """From (record, …) and (record, label), 0 to 1: what gives (record, label) of probabilities."""
        ...


@dataclass(frozen=True)
class Tested:
    """What a classifier is worth on a test set.

    Attributes:
        auroc: Mean over the labels of the area under the ROC curve.
        auprc: Mean over the labels of average precision.
        interval: 95 % of ``auroc``, the test set's patients redrawn.
        probabilities: (repeat, record, label) on the test set; the scores are means over the repeats.
    """

    auroc: float
    auprc: float
    interval: tuple[float, float]
    probabilities: np.ndarray


@dataclass(frozen=True)
class Augmented:
    """A point of the augmentation curve.

    Attributes:
        fraction: Part of the real training patients.
        share: Synthetic records that were added, as a share of those real records.
        n_real: Real records trained on, mean over repeats.
        n_synthetic: Synthetic ones, likewise.
        tested: What it is worth on the test set.
        gain: ``auroc`` above that without synthetic records.
        gain_interval: 95 %, paired, the test set's patients redrawn.
    """

    fraction: float
    share: float
    n_real: int
    n_synthetic: int
    tested: Tested
    gain: float
    gain_interval: tuple[float, float]


def trained(train: Sequence[Labelled], test: Labelled, downstream: Downstream, seed: int = 0) -> Tested:
    """A classifier trained on each of several training sets and tested on one test set.

    Args:
        train: Training sets, one a repeat, of any patients but the test set's.
        test: Test set.
        downstream: The classifier.
        seed: Seed of the interval.

    Raises:
        InputError: Where patients are shared, or a set lacks one side of a label.
    """
    check_sides(test.labels, "test")
    return judged(np.stack([tried(one, test, downstream) for one in train]), test, seed)


def tried(train: Labelled, test: Labelled, downstream: Downstream) -> np.ndarray:
    """(record, label): probabilities on a test set of a classifier that is trained here and now.

    Raises:
        InputError: As ``trained``.
    """
    refuse_shared_patients(train, test)
    check_sides(train.labels, "training")
    return downstream.learn(train.inputs, train.labels)(test.inputs)


def judged(probabilities: np.ndarray, test: Labelled, seed: int = 0, repeats: int = REDRAWS) -> Tested:
    """Scores of (repeat, record, label) probabilities against a test set's labels."""
    found = redraws.areas(probabilities, test.labels, redraws.weights(test.patients, seed, repeats))
    score, interval = redraws.summary(redraws.macro(found.auroc))
    return Tested(score, float(redraws.macro(found.auprc)[0]), interval, probabilities)


def macro_auroc(by_record: np.ndarray, labels: np.ndarray) -> float:
    """Mean over repeats and labels of the area under the ROC curve; labels that lack a side are left out.

    Args:
        by_record: (record, repeat, label) probabilities.
        labels: (record, label) of 0 and 1.
    """
    repeated = np.tile(labels, (1, by_record.shape[1]))
    areas = auroc(by_record.reshape(len(labels), -1), repeated)
    return float(np.nanmean(areas)) if np.isfinite(areas).any() else float("nan")


def transfer(
    real: Sequence[Labelled],
    synthetic: Sequence[Labelled],
    real_test: Labelled,
    synthetic_test: Labelled,
    downstream: Downstream,
    seed: int = 0,
) -> dict[str, Tested]:
    """TRTR, TSTR and TRTS.

    Args:
        real: Real training sets, one a repeat.
        synthetic: Synthetic training sets of the same numbers of records.
        real_test: Real records of other patients.
        synthetic_test: Synthetic records that TRTS is tested on.
        downstream: The classifier.
        seed: Seed of the intervals.

    Raises:
        InputError: As ``trained``, or where training sets differ in size.
    """
    sizes = [[len(one) for one in sets] for sets in (real, synthetic)]
    if sizes[0] != sizes[1]:
        raise InputError(f"real training sets of {sizes[0]} and synthetic ones of {sizes[1]} records", "equal sizes")
    return {
        "TRTR": trained(real, real_test, downstream, seed),
        "TSTR": trained(synthetic, real_test, downstream, seed),
        "TRTS": trained(real, synthetic_test, downstream, seed),
    }


def difference_interval(first: Tested, second: Tested, test: Labelled, seed: int = 0) -> tuple[float, float]:
    """95 % of ``first.auroc`` − ``second.auroc``, both of the same test set, whose patients are redrawn."""
    counted = redraws.weights(test.patients, seed, REDRAWS)
    ours, others = (redraws.areas(one.probabilities, test.labels, counted).auroc for one in (first, second))
    return redraws.summary(redraws.macro(ours) - redraws.macro(others))[1]


def augmentation_curve(
    real: Labelled,
    synthetic: Labelled,
    test: Labelled,
    downstream: Downstream,
    shares: Sequence[float] = SHARES,
    fractions: Sequence[float] = FRACTIONS,
    repeats: int = 3,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Augmented]:
    """What synthetic records add to parts of the real training set.

    In a repeat, the real part and the order of the synthetic records are the same for all shares, so that points of
    one fraction differ in nothing but the synthetic records. Where a share asks for more than there are, all are taken.

    Args:
        real: Real training records.
        synthetic: Synthetic records.
        test: Real records of other patients.
        downstream: The classifier.
        shares: Synthetic records to add, as a share of the real ones; 0 is added where it is not named.
        fractions: Parts of the real training patients.
        repeats: Draws of real parts and synthetic records.
        seed: Seed of these draws and of the intervals.
        progress: Called with the share done.

    Raises:
        InputError: As ``trained``.
    """
    curve: list[Augmented] = []
    shares = [0.0, *(share for share in shares if share > 0)]
    for fraction in fractions:
        parts = [parted(real, fraction, seed + repeat) for repeat in range(repeats)]
        orders = [np.random.default_rng((seed, repeat)).permutation(len(synthetic)) for repeat in range(repeats)]
        plain = None
        for share in shares:
            added = [order[: round(share * len(part))] for part, order in zip(parts, orders, strict=True)]
            sets = [part.beside(synthetic.at(rows)) for part, rows in zip(parts, added, strict=True)]
            tested = trained(sets, test, downstream, seed)
            plain = plain or tested
            interval = difference_interval(tested, plain, test, seed) if share else (0.0, 0.0)
            n_real, n_synthetic = (int(np.mean([len(one) for one in every])) for every in (parts, added))
            gain = tested.auroc - plain.auroc
            curve.append(Augmented(fraction, share, n_real, n_synthetic, tested, gain, interval))
            progress(len(curve) / len(shares) / len(fractions))
    return curve
