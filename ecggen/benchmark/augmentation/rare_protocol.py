"""Settings of the protocol of rare statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecggen.augment.augmenter import Rules
from ecggen.benchmark.augmentation.records import DOWNSTREAM
from ecggen.core.errors import InputError
from ecggen.data.population import LABELS


@dataclass(frozen=True)
class Protocol:
    """Settings of the protocol.

    Attributes:
        kind: "rare_statements".
        data: The data set, "ptb-xl".
        labels: Classes: "statements", "subclasses" or "superclasses".
        least: Fewest training patients of a rare statement.
        below: A rare statement has fewer training patients than this.
        target: Number of training records that each rare statement has after augmentation.
        train_folds: Folds of the real training records, from which the rare statements are chosen.
        folds: Folds of the real test records.
        n: Largest number of real training records; 0 for all.
        downstream: The new classifier, one of ``DOWNSTREAM``.
        repeats: Repeats with new seeds of the classifier and of the added records.
        classifier: Classifier that checks generated records; "" for none.
        quantile: Threshold of the check, as in ``ecggen.augment.augmenter.Rules``.
        tries: Largest number of draws per record.
        redraws: Resamples of the test set's patients per interval.
        seed: Seed of all random numbers.
    """

    kind: str
    data: str = "ptb-xl"
    labels: str = "statements"
    least: int = 70
    below: int = 200
    target: int = 250
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    folds: Sequence[int] = (9,)
    n: int = 0
    downstream: str = "random convolutions"
    repeats: int = 5
    classifier: str = "classifier"
    quantile: float = Rules.quantile
    tries: int = 4
    redraws: int = 1000
    seed: int = 1

    def __post_init__(self):
        if self.kind != "rare_statements" or self.labels not in LABELS or self.downstream not in DOWNSTREAM:
            found = f"kind {self.kind!r}, labels {self.labels!r}, downstream {self.downstream!r}"
            known = f"'rare_statements', one of {[*LABELS]} and one of {[*DOWNSTREAM]}"
            raise InputError(found, f"{known} were expected")
        if not 1 <= self.least < self.below or self.target < 1 or self.repeats < 1:
            found = f"least {self.least}, below {self.below}, target {self.target}, repeats {self.repeats}"
            raise InputError(found, "1 ≤ least < below, and at least 1 target record and repeat were expected")
