"""Synthetic records of a class: drawn, looked at, and drawn again where they are not what was asked for.

A draw is refused where no electrode could have recorded it, where no beats are found, or where the classifier — a network
that has seen real ECGs only — finds it less like its class than nearly all real records of that class, or more like
another class than nearly all real records without that one. What "nearly all" means is a quantile, and an option.
Every refusal is counted and told: a generator that needs many tries cannot draw the class well.
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
from ecggen.data.population import Asked, Population, condition, statements_of
from ecggen.evaluators.classifier import Classifier, labels
from ecggen.generators.base import VARIATION, Generator

BLOCK = 64
"""Records that are drawn together; blocks begin at fixed numbers, so that a record hangs on no shard."""
LEAST_FOR_LIMIT = 10
"""Real records with a class, and without it, from which a quantile of the classifier's probability is told."""
MOST_FOR_LIMITS = 1000
"""Real records that are judged for the limits; so many tell a quantile of 5 % to 0.7 %."""

Limits = Mapping[str, tuple[float, float]]
"""Of each class, the least probability that counts as showing it, and the largest that counts as not showing it."""


@dataclass(frozen=True)
class Rules:
    """When a draw is refused.

    Attributes:
        quantile: Share of the real records that the classifier's limits would refuse as well, class by class; 0 for none.
        tries: Draws of a record before it is given up.
    """

    quantile: float = 0.05
    tries: int = 8

    def __post_init__(self):
        if not 0 <= self.quantile < 0.5 or not 1 <= self.tries <= 100:
            found = f"a quantile of {self.quantile:g}, {self.tries} tries"
            raise InputError(found, "0 to 0.5 and 1 to 100 were expected")


@dataclass(frozen=True)
class Drawn:
    """A request and what came of it.

    Attributes:
        requested: The request.
        ecg: Twelve leads at the model's rate; None where every try was refused.
        tries: How often it was drawn.
        refused: Why each refused draw was refused.
        probability: The classifier's probability of the class that was asked for; None without a classifier or a class.
    """

    requested: Asked
    ecg: ECG | None
    tries: int
    refused: tuple[str, ...]
    probability: float | None


class Augmenter:
    """Draws what is asked for, and looks at it.

    Args:
        generator: What draws.
        judge: What looks at it; None for validity alone.
        rules: When a draw is refused.
        seed: Seed of the draws.
        limits: The classifier's limits, as ``limits_of`` tells them.
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
        asks: Sequence[Asked],
        originals: ECG | None = None,
        strength: float = 0.8,
        report: Callable[[float], None] = lambda share: None,
    ) -> list[Drawn]:
        """One record for each request, in their order; each follows from (seed, its number) alone.

        Args:
            asks: Requests.
            originals: An ECG for each request that is to be varied through the model's latent; None to draw anew.
            strength: How far a variation may go, as in ``Generator.vary``.
            report: Called with the share done.
        """
        drawn: list[Drawn] = []
        for _, block in groupby(range(len(asks)), lambda at: asks[at].index // BLOCK):
            rows = list(block)
            own = None if originals is None else originals[rows[0] : rows[-1] + 1]
            drawn += self._block([asks[row] for row in rows], own, strength)
            report(len(drawn) / len(asks))
        return drawn

    def _block(self, asks: Sequence[Asked], originals: ECG | None, strength: float) -> list[Drawn]:
        """A block's records, drawn together; those that are refused are drawn again together."""
        done: dict[int, Drawn] = {}
        refused: dict[int, tuple[str, ...]] = {at: () for at in range(len(asks))}
        for attempt in range(self.rules.tries):
            open_ = [at for at in refused if at not in done]
            if not open_:
                break
            again = [asks[at] for at in open_]
            own = None if originals is None else originals[torch.tensor(open_)]
            ecg = self._drawn(again, own, strength, _seed(self.seed, attempt))
            found = self._judged(ecg)
            for place, (at, why) in enumerate(zip(open_, self._refusals(again, ecg, found), strict=True)):
                if why:
                    refused[at] += (why,)
                else:
                    probability = _probability(found, place, asks[at].sought)
                    done[at] = Drawn(asks[at], told(ecg[place], asks[at]), attempt + 1, refused[at], probability)
        lost = {at: Drawn(asks[at], None, self.rules.tries, why, None) for at, why in refused.items()}
        return [done.get(at, lost[at]) for at in range(len(asks))]

    def _drawn(self, asks: Sequence[Asked], originals: ECG | None, strength: float, seed: int) -> ECG:
        own = self.generator.preprocessor
        told, indices = condition(asks, own.seconds, own.fs), [asked.index for asked in asks]
        if originals is None:
            return self.generator.sample(told, seed, indices=indices)
        return self.generator.vary(originals, told, strength, seed, indices)

    def _judged(self, ecg: ECG) -> np.ndarray | None:
        """The classifier's probabilities (record, label); None without a classifier."""
        sound = ECG(torch.nan_to_num(ecg.signal), ecg.leads, ecg.fs)
        return None if self.classifier is None else self.classifier.predict(sound).probability

    def _refusals(self, asks: Sequence[Asked], ecg: ECG, found: np.ndarray | None) -> list[str]:
        """Why each draw is refused; "" where it is not."""
        sound = artifacts.valid(ecg.signal.numpy(), ecg.fs)
        beating = [len(peaks) > 1 for peaks in r_peaks(ECG(torch.nan_to_num(ecg.signal), ecg.leads, ecg.fs))]
        return [
            "invalid" if not sound[at] else "no beats" if not beating[at] else self._doubt(asked, found, at)
            for at, asked in enumerate(asks)
        ]

    def _doubt(self, asked: Asked, found: np.ndarray | None, at: int) -> str:
        """What the classifier says against a draw; "" for nothing."""
        if found is None:
            return ""
        for name, (least, largest) in self.limits.items():
            if name != asked.sought and name not in statements.superclasses():
                continue
            probability = _probability(found, at, name) or 0.0
            shows = name == asked.sought or bool(statements_of(name) & set(asked.codes))
            if shows and probability < least:
                return f"not {name}"
            if not shows and probability > largest:
                return f"like {name}"
        return ""


def told(ecg: ECG, asked: Asked) -> ECG:
    """A record of a batch, with its own request in its provenance instead of the first one's."""
    origin = ecg.provenance
    assert origin is not None
    own = condition([asked], ecg.seconds, ecg.fs).describe()
    way, varied, _ = origin.condition.partition("; ") if origin.condition.startswith(VARIATION) else ("", "", "")
    return replace(ecg, provenance=replace(origin, condition=way + varied + own))


def limits_of(
    classifier: Classifier, ecg: ECG, population: Population, names: Sequence[str], quantile: float
) -> Limits:
    """The classifier's limits from real records: quantiles of its probability with each class, and without it.

    Args:
        judge: The classifier.
        ecg: The population's records, or the first of them.
        population: What they show.
        names: Classes; the superclasses are told as well.
        quantile: Share of the real records that a limit may refuse.
    """
    if not quantile:
        return {}
    found, limits = classifier.predict(ecg).probability, {}
    for name in dict.fromkeys((*names, *statements.superclasses())):
        enough = statements_of(name)
        shown = np.array([bool(codes & enough) for codes in population.codes[: len(ecg)]])
        if _key(name) is None or min(shown.sum(), (~shown).sum()) < LEAST_FOR_LIMIT:
            continue
        own = found[:, list(labels()).index(str(_key(name)))]
        limits[name] = (float(np.quantile(own[shown], quantile)), float(np.quantile(own[~shown], 1 - quantile)))
    return limits


def _probability(found: np.ndarray | None, at: int, name: str) -> float | None:
    key = _key(name)
    return None if found is None or key is None else float(found[at, list(labels()).index(key)])


def _key(name: str) -> str | None:
    """The classifier's label of a class; None where it has none."""
    return next((key for key in (name, f"class {name}", f"subclass {name}") if key in labels()), None)


def _seed(seed: int, attempt: int) -> int:
    """The seed of an attempt: the user's own for the first."""
    if not attempt:
        return seed
    return int(np.random.SeedSequence((abs(seed), int(seed < 0), attempt)).generate_state(1)[0])
