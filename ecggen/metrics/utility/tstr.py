"""Utility of synthetic records as training data: TRTR, TSTR, TRTS and the augmentation curve.

TRTR: train and test on real records; TSTR: train on synthetic, test on real ones; TRTS: train on real, test on
synthetic ones (Esteban et al. 2017). The augmentation curve adds synthetic records to subsets of the real ones.
Training sets that are compared have equal sizes, and training and test sets share no patient. Nothing is tuned on the
test set: the classifier has no pretrained weights and fixed settings. Intervals resample the test set's patients.
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
from ecggen.metrics.utility.labelled import Labelled, check_classes, patient_subset, refuse_shared_patients

SHARES = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Numbers of added synthetic records, as multiples of the number of real ones."""
FRACTIONS = (0.1, 0.25, 1.0)
"""Fractions of the real training patients."""
REDRAWS = 200
"""Resamples of the test set's patients per interval."""


class Downstream(Protocol):
    """A classifier without pretrained weights, such as ``RandomConvolutions``."""

    name: str

    def prepare(self, ecg: ECG) -> np.ndarray:
        """ECGs → inputs of the classifier, (record, …)."""
        ...

    def learn(self, inputs: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Fit to (record, …) and (record, label); returns a function from inputs to probabilities (record, label)."""
        ...


@dataclass(frozen=True)
class Tested:
    """Scores of a classifier on a test set.

    Attributes:
        auroc: Area under the ROC curve, mean over labels.
        auprc: Average precision, mean over labels.
        interval: 95 % bootstrap interval of ``auroc`` over the test set's patients.
        probabilities: (repeat, record, label) on the test set; the scores are means over repeats.
    """

    auroc: float
    auprc: float
    interval: tuple[float, float]
    probabilities: np.ndarray


@dataclass(frozen=True)
class Augmented:
    """A point of the augmentation curve.

    Attributes:
        fraction: Fraction of the real training patients.
        share: Number of added synthetic records, as a multiple of the number of real ones.
        n_real: Number of real training records, mean over repeats.
        n_synthetic: Number of synthetic training records, mean over repeats.
        tested: Scores on the test set.
        gain: Difference of ``auroc`` to training without synthetic records.
        gain_interval: Its 95 % paired bootstrap interval over the test set's patients.
    """

    fraction: float
    share: float
    n_real: int
    n_synthetic: int
    tested: Tested
    gain: float
    gain_interval: tuple[float, float]


def train_and_test(train: Sequence[Labelled], test: Labelled, downstream: Downstream, seed: int = 0) -> Tested:
    """Train a classifier on each of several training sets and score it on one test set.

    Args:
        train: Training sets, one per repeat, without patients of the test set.
        test: Test set.
        downstream: The classifier.
        seed: Seed of the interval.

    Raises:
        InputError: If patients are shared, or a set has one class only of a label.
    """
    check_classes(test.labels, "test")
    return score_predictions(np.stack([train_and_predict(one, test, downstream) for one in train]), test, seed)


def train_and_predict(train: Labelled, test: Labelled, downstream: Downstream) -> np.ndarray:
    """(record, label): probabilities on a test set of a newly trained classifier.

    Raises:
        InputError: As ``train_and_test``.
    """
    refuse_shared_patients(train, test)
    check_classes(train.labels, "training")
    return downstream.learn(train.inputs, train.labels)(test.inputs)


def score_predictions(probabilities: np.ndarray, test: Labelled, seed: int = 0, repeats: int = REDRAWS) -> Tested:
    """Scores of (repeat, record, label) probabilities against a test set's labels.

    Example:
        >>> labels = np.array([[0.0], [0.0], [1.0], [1.0]])
        >>> test = Labelled(np.zeros((4, 1)), labels, ("a", "b", "c", "d"))
        >>> score_predictions(labels[None], test).auroc
        1.0
    """
    found = redraws.areas(probabilities, test.labels, redraws.weights(test.patients, seed, repeats))
    score, interval = redraws.summary(redraws.macro(found.auroc))
    return Tested(score, float(redraws.macro(found.auprc)[0]), interval, probabilities)


def macro_auroc(by_record: np.ndarray, labels: np.ndarray) -> float:
    """Mean over repeats and labels of the area under the ROC curve; labels with one class only are excluded.

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
        real: Real training sets, one per repeat.
        synthetic: Synthetic training sets of the same sizes.
        real_test: Real records of other patients.
        synthetic_test: Synthetic test records of TRTS.
        downstream: The classifier.
        seed: Seed of the intervals.

    Raises:
        InputError: As ``train_and_test``, or if training sets differ in size.
    """
    sizes = [[len(one) for one in sets] for sets in (real, synthetic)]
    if sizes[0] != sizes[1]:
        raise InputError(f"real training sets of {sizes[0]} and synthetic ones of {sizes[1]} records", "equal sizes")
    return {
        "TRTR": train_and_test(real, real_test, downstream, seed),
        "TSTR": train_and_test(synthetic, real_test, downstream, seed),
        "TRTS": train_and_test(real, synthetic_test, downstream, seed),
    }


def difference_interval(first: Tested, second: Tested, test: Labelled, seed: int = 0) -> tuple[float, float]:
    """95 % paired bootstrap interval of ``first.auroc`` − ``second.auroc`` over the patients of their test set."""
    counted = redraws.weights(test.patients, seed, REDRAWS)
    areas = [redraws.areas(tested.probabilities, test.labels, counted).auroc for tested in (first, second)]
    return redraws.summary(redraws.macro(areas[0]) - redraws.macro(areas[1]))[1]


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
    """Scores of training on subsets of the real records with added synthetic records.

    Within a repeat, the real subset and the order of the synthetic records are the same for all shares, so that points
    of one fraction differ in the synthetic records only. If a share exceeds the available records, all are used.

    Args:
        real: Real training records.
        synthetic: Synthetic records.
        test: Real records of other patients.
        downstream: The classifier.
        shares: Numbers of synthetic records, as multiples of the number of real ones; 0 is always included.
        fractions: Fractions of the real training patients.
        repeats: Number of random subsets and orders.
        seed: Seed of the subsets, orders and intervals.
        progress: Called with the fraction done.

    Raises:
        InputError: As ``train_and_test``.
    """
    curve: list[Augmented] = []
    shares = [0.0, *(share for share in shares if share > 0)]
    for fraction in fractions:
        parts = [patient_subset(real, fraction, seed + repeat) for repeat in range(repeats)]
        orders = [np.random.default_rng((seed, repeat)).permutation(len(synthetic)) for repeat in range(repeats)]
        plain = None
        for share in shares:
            added = [order[: round(share * len(part))] for part, order in zip(parts, orders, strict=True)]
            sets = [part.concatenated(synthetic.at(rows)) for part, rows in zip(parts, added, strict=True)]
            tested = train_and_test(sets, test, downstream, seed)
            plain = plain or tested
            interval = difference_interval(tested, plain, test, seed) if share else (0.0, 0.0)
            n_real, n_synthetic = (int(np.mean([len(one) for one in subsets])) for subsets in (parts, added))
            gain = tested.auroc - plain.auroc
            curve.append(Augmented(fraction, share, n_real, n_synthetic, tested, gain, interval))
            progress(len(curve) / len(shares) / len(fractions))
    return curve
