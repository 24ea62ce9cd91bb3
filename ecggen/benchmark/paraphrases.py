"""The wording protocol: how a generator responds to wordings, translations, combinations and negations of a finding.

The only condition is a text on one statement, in the versions of ``condition_fidelity.WORDINGS``, with the same seeds.
The classifier's probability of the statement in the draws is recorded, and the share that meets its criterion. A
negation must not draw the finding more often than no text, and a paraphrase should draw it as often as the description.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.evaluators import pretrained
from ecggen.generators.base import Generator
from ecggen.metrics.functional import condition_fidelity
from ecggen.report.negations import ALLOWED
from ecggen.report.scores import FAIL, PASS, WARN

USUAL = ("NORM", "AFIB", "IMI", "ASMI", "LVH", "CLBBB", "CRBBB", "1AVB", "STACH", "SBRAD", "PVC", "PACE")
"""Statements with different changes of rhythm, conduction, QRS, ST and T."""

KEPT = (0.8, 0.5)
"""Smallest share of what the description gains over no text that other versions gain, for "pass" and for "warn"."""


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


def run(
    protocol: Protocol, generator: Generator, progress: Callable[[float], None] = lambda share: None
) -> dict[str, Any]:
    """Means over the statements with verdicts, and the values of each statement."""
    classifier = pretrained.load(protocol.classifier, "classifier")
    began = time.perf_counter()
    found = condition_fidelity.paraphrase_sensitivity(
        generator, classifier, protocol.statements, protocol.n, seed=protocol.seed, criteria=True, progress=progress
    )
    each = {code: {name: round(value, 4) for name, value in one.summary().items()} for code, one in found.items()}
    names = dict.fromkeys(name for one in each.values() for name in one)
    mean = {name: float(np.mean([one[name] for one in each.values() if name in one])) for name in names}
    return {
        "classifier": classifier.name,
        "verdicts": verdicts(mean),
        "mean": mean,
        "each": each,
        "seconds": round(time.perf_counter() - began, 2),
    }


def verdicts(mean: Mapping[str, float]) -> dict[str, str]:
    """Verdict on the negation and on each other version of the request.

    Args:
        mean: Mean probabilities by version, as in ``WordingResponses.summary``.

    Example:
        >>> verdicts({"said": 0.8, "nothing": 0.1, "denial": 0.4, "paraphrase": 0.78})
        {'denial': 'fail', 'paraphrase': 'pass'}
    """
    excess = mean["denial"] - mean["nothing"]
    found = {"denial": PASS if excess <= ALLOWED[0] else WARN if excess <= ALLOWED[1] else FAIL}
    gained = max(mean["said"] - mean["nothing"], 1e-9)
    for version in ("paraphrase", "sentence", "combined", "german", "swedish"):
        if version in mean:
            share = (mean[version] - mean["nothing"]) / gained
            found[version] = PASS if share >= KEPT[0] else WARN if share >= KEPT[1] else FAIL
    return found
