"""Settings of an augmentation protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecggen.augment.augmenter import Rules
from ecggen.benchmark.augmentation.records import DOWNSTREAM
from ecggen.benchmark.augmentation.training_sets import CLASSICAL, GENERATED
from ecggen.core.errors import InputError
from ecggen.data.population import LABELS

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Protocol:
    """Settings of the protocol.

    Attributes:
        kind: "augmentation".
        data: The data set, "ptb-xl".
        labels: Classes of the classifier: "superclasses", "subclasses" or "statements".
        train_folds: Folds of the real training records.
        part: Fraction of the patients of these folds; the patients that ``training.share`` of a config selects.
        folds: Folds of the real test records.
        n: Number of real training records per repeat; 0 for all.
        n_test: Largest number of real test records; 0 for all.
        fractions: Fractions of their patients.
        shares: Numbers of added records, as multiples of the number of real ones.
        arms: What is added, some of ``CLASSICAL`` and ``GENERATED``.
        downstream: The new classifier, one of ``DOWNSTREAM``.
        repeats: Repeats with new training records, subsets, conditions and generated records.
        strength: Strength of variations, 0 to 1.
        classifier: Classifier that checks generated records; "" for none.
        quantile: Threshold of the check, as in ``ecggen.augment.augmenter.Rules``.
        tries: Largest number of draws per record.
        drawn_test: Number of generated test records of TRTS.
        redraws: Resamples of the test set's patients per interval.
        seed: Seed of all random numbers.
    """

    kind: str
    data: str = "ptb-xl"
    labels: str = "superclasses"
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    part: float = 1.0
    folds: Sequence[int] = (9,)
    n: int = 1000
    n_test: int = 0
    fractions: Sequence[float] = (0.1, 0.25, 0.5, 1.0)
    shares: Sequence[float] = (0.25, 0.5, 1.0, 2.0)
    arms: Sequence[str] = (*CLASSICAL, *GENERATED)
    downstream: str = "random convolutions"
    repeats: int = 5
    strength: float = 0.8
    classifier: str = "classifier"
    quantile: float = Rules.quantile
    tries: int = Rules.max_attempts
    drawn_test: int = 500
    redraws: int = 300
    seed: int = 1

    def __post_init__(self):
        if self.kind != "augmentation" or self.labels not in LABELS:
            raise InputError(f"kind {self.kind!r}, labels {self.labels!r}", f"'augmentation' and one of {[*LABELS]}")
        if min(self.fractions, default=0) <= 0 or max(self.fractions) > 1 or min(self.shares, default=0) <= 0:
            found = f"fractions {list(self.fractions)}, shares {list(self.shares)}"
            raise InputError(found, "fractions above 0 and at most 1, and shares above 0 were expected")
        if not 0 < self.part <= 1:
            raise InputError(f"part {self.part:g}", "a fraction above 0 and at most 1 was expected")
        unknown = [arm for arm in self.arms if arm not in (*CLASSICAL, *GENERATED)]
        if unknown or GENERATED[0] not in self.arms:
            known = ", ".join((*CLASSICAL, *GENERATED))
            raise InputError(f"arms {list(self.arms)}", f"{GENERATED[0]!r} and others of {known} were expected")
        if self.downstream not in DOWNSTREAM:
            raise InputError(f"downstream {self.downstream!r}", f"one of {', '.join(DOWNSTREAM)} was expected")
