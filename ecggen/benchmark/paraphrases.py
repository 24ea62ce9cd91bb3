"""The wording protocol: sensitivity of a generator to paraphrases and negations of a finding.

The only condition is one statement, in four versions with the same seeds: its description, a paraphrase and a negation
that are not in the training data, and no text. The classifier's probability of the statement in the draws is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.evaluators import pretrained
from ecggen.generators.base import Generator
from ecggen.metrics.functional import condition_fidelity

USUAL = ("NORM", "AFIB", "IMI", "ASMI", "LVH", "CLBBB", "CRBBB", "1AVB", "STACH", "SBRAD", "PVC", "PACE")
"""Statements with different changes of rhythm, conduction, QRS, ST and T."""


@dataclass(frozen=True)
class Protocol:
    """Settings of the protocol.

    Attributes:
        kind: "wording".
        data: "ptb-xl"; used by baselines only.
        statements: SCP codes.
        folds: Not used; there is no comparison with real records.
        n: ECGs per text.
        classifier: Name or folder of the classifier.
        seed: Seed of the draws.
    """

    kind: str
    data: str = "ptb-xl"
    statements: Sequence[str] = USUAL
    folds: Sequence[int] = ()
    n: int = 16
    classifier: str = "classifier"
    seed: int = 1

    def __post_init__(self):
        if self.kind != "wording" or self.n < 1:
            raise InputError(f"kind {self.kind!r}, {self.n} ECGs per text", "'wording' and at least 1 were expected")


def run(protocol: Protocol, generator: Generator) -> dict[str, Any]:
    """Means over the statements, and the values of each statement."""
    classifier = pretrained.load(protocol.classifier, "classifier")
    began = time.perf_counter()
    found = condition_fidelity.paraphrase_sensitivity(
        generator, classifier, protocol.statements, protocol.n, seed=protocol.seed
    )
    each = {code: {name: round(value, 4) for name, value in one.summary().items()} for code, one in found.items()}
    mean = {name: float(np.mean([one[name] for one in each.values()])) for name in next(iter(each.values()))}
    return {"classifier": classifier.name, "mean": mean, "each": each, "seconds": round(time.perf_counter() - began, 2)}
