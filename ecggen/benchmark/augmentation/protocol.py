"""What an augmentation protocol trains on what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecggen.augment.augmenter import Rules
from ecggen.core.errors import InputError
from ecggen.data.population import LABELS

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Protocol:
    """What is trained on what.

    Attributes:
        kind: "augmentation".
        data: The data set, "ptb-xl".
        labels: What is told apart: "superclasses", "subclasses" or "statements".
        train_folds: Folds of the real training records.
        folds: Folds of the real test records.
        n: Real training records of each repeat.
        n_test: Most real test records; 0 for all.
        fractions: Parts of their patients that are augmented.
        shares: Records that are added, as shares of the real ones.
        repeats: Draws of training records, parts, conditions and drawn records.
        strength: How far a variation may go from its record, 0 to 1.
        judge: The classifier that looks at drawn records; "" for none.
        quantile: The classifier's rule, as in ``augmenting.Rules``.
        tries: Draws of a record before it is given up.
        drawn_test: Drawn records that a classifier of real ones is tested on.
        redraws: Redraws of the test set's patients behind each interval.
        seed: Seed of everything.
    """

    kind: str
    data: str = "ptb-xl"
    labels: str = "superclasses"
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    folds: Sequence[int] = (9,)
    n: int = 1000
    n_test: int = 0
    fractions: Sequence[float] = (0.1, 0.25, 0.5, 1.0)
    shares: Sequence[float] = (0.25, 0.5, 1.0, 2.0)
    repeats: int = 5
    strength: float = 0.8
    classifier: str = "classifier"
    quantile: float = Rules.quantile
    tries: int = Rules.tries
    drawn_test: int = 500
    redraws: int = 300
    seed: int = 1

    def __post_init__(self):
        if self.kind != "augmentation" or self.labels not in LABELS:
            raise InputError(f"kind {self.kind!r}, labels {self.labels!r}", f"'augmentation' and one of {[*LABELS]}")
        if min(self.fractions, default=0) <= 0 or max(self.fractions) > 1 or min(self.shares, default=0) <= 0:
            found = f"fractions {list(self.fractions)}, shares {list(self.shares)}"
            raise InputError(found, "fractions above 0 and at most 1, shares above 0; nothing added is always measured")
