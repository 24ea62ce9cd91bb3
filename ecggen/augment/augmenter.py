"""Synthetic records of a class: generate a draw, check it, and repeat until a draw passes or the attempts are used up.

A draw is refused if it is not a valid recording, or if no beats are found in it. It is also refused if the classifier,
a network trained on real ECGs only, gives its class a lower probability than nearly all real records of the class
receive, or another class a higher probability than nearly all real records without that class. "Nearly all" is a
quantile. Every refusal is counted and reported: many attempts per record show that the generator fails on the class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import torch

from ecggen.conditioning import statements
from ecggen.core import artifacts
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.core.rhythm import r_peaks
from ecggen.data.population import Population, Request, condition, statements_of
from ecggen.evaluators.classifier import Classifier, labels
from ecggen.generators.base import VARIATION, Generator, independent_leads
from ecggen.generators.hearts.variation import FEWEST, Keep

BLOCK = 64
"""Records per batch. Blocks start at fixed indices, so that a record does not depend on the shard."""
LEAST_FOR_LIMIT = 10
"""Minimum number of real records with and without a class to estimate a quantile of the probability."""
MOST_FOR_LIMITS = 1000
"""Maximum number of real records for the limits; 1000 records give the 5 % quantile to within 0.7 %."""

TOO_FEW = "too few beats to keep"
"""Reason for which a request is given up without a draw."""

Limits = Mapping[str, tuple[float, float]]
"""For each class: the minimum probability of a record that shows it, and the maximum of one that does not."""


@dataclass(frozen=True)
class Variation:
    """``strength`` and ``keep`` of ``Generator.vary``."""

    strength: float | None = None
    keep: Keep | None = None


@dataclass(frozen=True)
class Rules:
    """Rules for refusing draws.

    Attributes:
        quantile: Share of the real records of each class that its limit would refuse as well; 0 for no limits.
        max_attempts: Maximum number of draws for a record.

    Example:
        >>> Rules(max_attempts=4)
        Rules(quantile=0.05, max_attempts=4)
    """

    quantile: float = 0.05
    max_attempts: int = 8

    def __post_init__(self):
        if not 0 <= self.quantile < 0.5 or not 1 <= self.max_attempts <= 100:
            found = f"quantile is {self.quantile:g} and max_attempts is {self.max_attempts}"
            raise InputError(found, "0 to 0.5 and 1 to 100 were expected")


@dataclass(frozen=True)
class Drawn:
    """The result of a request.

    Attributes:
        requested: The request.
        ecg: Twelve leads at the model's sampling rate; None if every attempt was refused.
        attempts: Number of draws.
        refused: Reason for each refused draw.
        probability: The classifier's probability of the requested class; None without a classifier or a class.
    """

    requested: Request
    ecg: ECG | None
    attempts: int
    refused: tuple[str, ...]
    probability: float | None


class Augmenter:
    """Generates the requested records and checks them.

    Args:
        generator: The generator.
        classifier: The classifier that checks the draws; None to check validity and beats only.
        rules: Rules for refusing draws.
        seed: Seed of the draws.
        limits: The classifier's limits, as returned by ``limits_of``.
    """

    def __init__(
        self,
        generator: Generator,
        classifier: Classifier | None = None,
        rules: Rules | None = None,
        seed: int = 0,
        limits: Limits | None = None,
    ):
        self.generator, self.classifier, self.rules, self.seed = generator, classifier, rules or Rules(), seed
        self.limits: Limits = limits or {}

    def draw(
        self,
        requests: Sequence[Request],
        originals: ECG | None = None,
        strength: float | None = None,
        report: Callable[[float], None] = lambda share: None,
        keep: Keep | None = None,
    ) -> list[Drawn]:
        """One result per request, in order. Each depends on (seed, index of the request) only.

        Args:
            requests: The requests.
            originals: One ECG per request, to be varied; None to generate new ECGs.
            strength: Strength of the variation, as in ``Generator.vary``.
            report: Called with the completed share, from 0 to 1.
            keep: What is kept of the originals, as in ``Generator.vary``. Requests are given up whose original shows
                too few beats.
        """
        drawn: list[Drawn] = []
        for _, block in groupby(range(len(requests)), lambda at: requests[at].index // BLOCK):
            rows = list(block)
            own = None if originals is None else originals[rows[0] : rows[-1] + 1]
            drawn += self._block([requests[row] for row in rows], own, Variation(strength, keep))
            report(len(drawn) / len(requests))
        return drawn

    def _block(self, requests: Sequence[Request], originals: ECG | None, how: Variation) -> list[Drawn]:
        """The results of a block: one batch, then a batch of the refused records, and so on."""
        done: dict[int, Drawn] = {}
        refused: dict[int, tuple[str, ...]] = {at: () for at in range(len(requests))}
        if originals is not None and how.keep is not None:
            prepared = self.generator.preprocessor.ecg(independent_leads(originals))
            refused |= {at: (TOO_FEW,) for at, peaks in enumerate(r_peaks(prepared)) if len(peaks) < FEWEST}
        hopeless = {at for at, why in refused.items() if why}
        for attempt in range(self.rules.max_attempts):
            pending = [at for at in refused if at not in done and at not in hopeless]
            if not pending:
                break
            again = [requests[at] for at in pending]
            own = None if originals is None else originals[torch.tensor(pending)]
            ecg = self._drawn(again, own, how, _seed(self.seed, attempt))
            found = self._classified(ecg)
            for place, (at, why) in enumerate(zip(pending, self._refusals(again, ecg, found), strict=True)):
                if why:
                    refused[at] += (why,)
                else:
                    probability = _probability(found, place, requests[at].sought)
                    record = _with_own_condition(ecg[place], requests[at])
                    done[at] = Drawn(requests[at], record, attempt + 1, refused[at], probability)
        given_up = {at: Drawn(requests[at], None, len(why), why, None) for at, why in refused.items()}
        return [done.get(at, given_up[at]) for at in range(len(requests))]

    def _drawn(self, requests: Sequence[Request], originals: ECG | None, how: Variation, seed: int) -> ECG:
        own = self.generator.preprocessor
        given, indices = condition(requests, own.seconds, own.fs), [request.index for request in requests]
        if originals is None:
            return self.generator.sample(given, seed, indices=indices)
        return self.generator.vary(originals, given, how.strength, seed, indices, keep=how.keep)

    def _classified(self, ecg: ECG) -> np.ndarray | None:
        """The classifier's probabilities (record, label); None without a classifier."""
        finite = ECG(torch.nan_to_num(ecg.signal), ecg.leads, ecg.fs)
        return None if self.classifier is None else self.classifier.predict(finite).probability

    def _refusals(self, requests: Sequence[Request], ecg: ECG, found: np.ndarray | None) -> list[str]:
        """The reason for which each draw is refused; "" for accepted draws."""
        valid = artifacts.valid(ecg.signal.numpy(), ecg.fs)
        beating = [len(peaks) > 1 for peaks in r_peaks(ECG(torch.nan_to_num(ecg.signal), ecg.leads, ecg.fs))]
        return [
            "invalid" if not valid[at] else "no beats" if not beating[at] else self._contradiction(request, found, at)
            for at, request in enumerate(requests)
        ]

    def _contradiction(self, request: Request, found: np.ndarray | None, at: int) -> str:
        """The limit of the classifier that a draw violates; "" for none."""
        if found is None:
            return ""
        for name, (least, largest) in self.limits.items():
            if name != request.sought and name not in statements.superclasses():
                continue
            probability = _probability(found, at, name) or 0.0
            shows = name == request.sought or bool(statements_of(name) & set(request.codes))
            if shows and probability < least:
                return f"not {name}"
            if not shows and probability > largest:
                return f"like {name}"
        return ""


def _with_own_condition(ecg: ECG, request: Request) -> ECG:
    """A record of a batch with the condition of its own request in the provenance."""
    origin = ecg.provenance
    assert origin is not None
    own = condition([request], ecg.seconds, ecg.fs).describe()
    varied = origin.condition.startswith(VARIATION)
    prefix = "".join(origin.condition.partition("; ")[:2]) if varied else ""
    return replace(ecg, provenance=replace(origin, condition=prefix + own))


def limits_of(
    classifier: Classifier, ecg: ECG, population: Population, names: Sequence[str], quantile: float
) -> Limits:
    """The classifier's limits: quantiles of its probability on real records with each class, and without it.

    Args:
        classifier: The classifier.
        ecg: The records of the population, or the first of them.
        population: The statements of the records.
        names: Classes; limits of the superclasses are added.
        quantile: Share of the real records that a limit may refuse.

    Returns:
        Limits by class; classes with too few records (``LEAST_FOR_LIMIT``) have none.
    """
    if not quantile:
        return {}
    found, limits = classifier.predict(ecg).probability, {}
    for name in dict.fromkeys((*names, *statements.superclasses())):
        members = statements_of(name)
        shown = np.array([bool(codes & members) for codes in population.codes[: len(ecg)]])
        if _key(name) is None or min(shown.sum(), (~shown).sum()) < LEAST_FOR_LIMIT:
            continue
        own = found[:, list(labels()).index(str(_key(name)))]
        limits[name] = (float(np.quantile(own[shown], quantile)), float(np.quantile(own[~shown], 1 - quantile)))
    return limits


def _probability(found: np.ndarray | None, at: int, name: str) -> float | None:
    key = _key(name)
    return None if found is None or key is None else float(found[at, list(labels()).index(key)])


def _key(name: str) -> str | None:
    """The classifier's label of a class; None if it has none."""
    return next((key for key in (name, f"class {name}", f"subclass {name}") if key in labels()), None)


def _seed(seed: int, attempt: int) -> int:
    """The seed of an attempt; the first attempt uses the user's seed."""
    if not attempt:
        return seed
    return int(np.random.SeedSequence((abs(seed), int(seed < 0), attempt)).generate_state(1)[0])
