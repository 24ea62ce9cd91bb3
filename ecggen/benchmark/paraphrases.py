"""A wording protocol: does a generator draw the same for other words of one finding, and the opposite for its denial?

One statement at a time is told and nothing else, in four ways with the same seeds: its description, a wording and a
denial that no model was trained on, and no text at all. The classifier says how probable the statement is in what was drawn.
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
"""Statements that change rhythm, conduction, QRS, ST and T, each in its own way."""


@dataclass(frozen=True)
class Protocol:
    """What is told.

    Attributes:
        kind: "wording".
        data: "ptb-xl"; only baselines learn from it.
        statements: SCP codes.
        folds: Not read: nothing real is compared with.
        n: ECGs for each text.
        judge: The classifier.
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
            raise InputError(f"kind {self.kind!r}, {self.n} ECGs for a text", "'wording' and at least 1 were expected")


def run(protocol: Protocol, generator: Generator) -> dict[str, Any]:
    """Means over the statements, and each statement's own."""
    classifier = pretrained.load(protocol.classifier, "classifier")
    began = time.perf_counter()
    found = condition_fidelity.has_text_or_metadata(
        generator, classifier, protocol.statements, protocol.n, seed=protocol.seed
    )
    each = {code: {name: round(value, 4) for name, value in one.summary().items()} for code, one in found.items()}
    mean = {name: float(np.mean([one[name] for one in each.values()])) for name in next(iter(each.values()))}
    return {"classifier": classifier.name, "mean": mean, "each": each, "seconds": round(time.perf_counter() - began, 2)}
