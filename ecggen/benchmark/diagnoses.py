"""A diagnoses protocol: which of the 71 SCP statements can a generator draw, and which can it not?

For each statement with enough training records, ECGs are asked for as ``ecggen augment`` asks: with the age, sex, heart
rate and accompanying findings of those who have it. No draw is refused. The classifier, which learnt from real records only,
says how probable each statement is in each draw; the area under its ROC curve, draws that were asked to show a
statement against all others, says whether the statement is in them. The same area of real held-out records, as many of
each statement where there are as many, is what the classifier could find: against other classes a diagnosis is harder
to tell than against a hospital's many normal ECGs, so that both must be mixed alike.

``python -m ecggen.benchmark.diagnoses --results FILE --checkpoint NAME`` puts the outcome into a checkpoint's folder.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen.augment import capabilities
from ecggen.augment.capabilities import CAN, CANNOT, NOT_MEASURED, PARTLY, VERDICTS, Drawable
from ecggen.conditioning import statements
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.data.population import Asked, Population, condition
from ecggen.evaluators import pretrained
from ecggen.evaluators.classifier import Classifier, labels, targets
from ecggen.generators.base import Generator
from ecggen.metrics.functional.bootstrap import redrawn
from ecggen.metrics.functional.ranking import auroc
from ecggen.networks import storage

Report = Callable[[str, float], None]

CHUNK = 64
REDRAWS = 300
KNOWN = 0.75
"""AUROC on real records below which the classifier does not know a class well enough to look for it in draws."""
REACHED = {CAN: 0.9, PARTLY: 0.6}
"""Share of what the classifier finds in real records above chance (AUROC 0.5) that draws reach at least."""
CHANCE = 0.5
AS_PROBABLE = 0.33
"""Least chance that the classifier finds a class more probable in a draw than in a real record, where it can be drawn."""

DEFINITIONS = {
    "auroc": "area under the ROC curve of the classifier's probability of a class, draws that were asked to show it "
    "(whatever else they were asked) against all others; ties as half",
    "real": "the same of held-out real records, up to n of each statement drawn at random, each record once",
    "interval": f"95 %, {REDRAWS} redraws of the patients whose records lent the conditions (real: of the patients)",
    "probability": "mean of the classifier's probability where the class was asked for and where it was not",
    "as_probable": "chance that the classifier finds a class more probable in a draw that was asked to show it than in a "
    "real record that shows it (ties as half); 0.5 is as real records",
    "verdict": f"{CAN}: (auroc − 0.5) / (real − 0.5) is at least {REACHED[CAN]:g}, and as_probable {AS_PROBABLE:g}; "
    f"{PARTLY}: the first is at least {REACHED[PARTLY]:g}, with an interval of auroc above 0.5; {NOT_MEASURED}: too "
    f"few records, or real below {KNOWN:g}",
}


@dataclass(frozen=True)
class Protocol:
    """What is asked for, and what is too little to ask for it.

    Attributes:
        kind: "diagnoses".
        data: The data set, "ptb-xl".
        train_folds: Folds from whose records the conditions are drawn.
        folds: Folds of the real held-out records.
        n: ECGs asked for each statement.
        least: Training records that a class needs.
        least_real: Held-out records that a class needs.
        judge: The classifier.
        seed: Seed of conditions, draws, choice of real records and intervals.
    """

    kind: str
    data: str = "ptb-xl"
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    folds: Sequence[int] = (9,)
    n: int = 24
    least: int = 20
    least_real: int = 5
    classifier: str = "classifier"
    seed: int = 1

    def __post_init__(self):
        if self.kind != "diagnoses" or min(self.n, self.least, self.least_real) < 1:
            found = f"kind {self.kind!r}, n {self.n}, least {self.least}, least_real {self.least_real}"
            raise InputError(found, "'diagnoses' and numbers of at least 1 were expected")


@dataclass(frozen=True)
class Judged:
    """Records, what they show or were asked to show, and what the classifier finds in them.

    Attributes:
        probability: (record, label), in the order of ``labels()``.
        truth: (record, label) of 0 and 1.
        patients: Who a record, or its condition, is of.
    """

    probability: np.ndarray
    truth: np.ndarray
    patients: tuple[str, ...]

    def areas(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """AUROC (label,) with its 95 % interval (label, 2) over patients; NaN where either kind is missing."""
        rows = redrawn(self.patients, seed, REDRAWS)
        again = np.stack([auroc(self.probability[at], self.truth[at]) for at in rows])
        known = np.isfinite(again).any(0)
        interval = np.full((again.shape[1], 2), np.nan)
        interval[known] = np.nanquantile(again[:, known], [0.025, 0.975], axis=0).T
        return auroc(self.probability, self.truth), interval


def run(protocol: Protocol, pack: Pack, generator: Generator, report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was scored, and the scores of one generator."""
    classifier = pretrained.load(protocol.classifier, "classifier")
    train, held = pack.rows(protocol.train_folds), pack.rows(protocol.folds)
    asks = requests(Population.of(pack, train), protocol)
    began = time.perf_counter()
    drawn = draw(generator, asks, protocol.seed, report)
    seconds = time.perf_counter() - began
    report("judging draws", 0.0)
    usable = np.flatnonzero(drawn.signal.isfinite().all(-1).all(-1).numpy())
    if not len(usable):
        raise InputError(f"none of {len(asks)} draws of {generator.name} holds finite samples only")
    synthetic = Judged(
        classifier.predict(drawn[torch.from_numpy(usable)]).probability,
        targets([" ".join(asks[row].codes) for row in usable]),
        tuple(pack.index.patient.iloc[train[asks[row].like]] for row in usable),
    )
    real = _held_out(classifier, pack, alike(pack, held, protocol))
    training = targets(pack.index.codes.iloc[train].tolist()).sum(0)
    found = compared(synthetic, real, training, protocol)
    about = {"definitions": DEFINITIONS, "n": len(asks), "patients": len(set(real.patients))}
    return about, {
        "classifier": classifier.name,
        "not_finite": len(asks) - len(usable),
        "real_records": len(real.patients),
        "seconds": round(seconds, 2),
        "ms_per_ecg": round(1000 * seconds / len(asks), 2),
        **found,
    }


def requests(population: Population, protocol: Protocol) -> list[Asked]:
    """``n`` requests for each statement that enough training records show, numbered through.

    Raises:
        InputError: Where no statement has enough.
    """
    shown = [code for code in statements.codes() if sum(code in one for one in population.codes) >= protocol.least]
    if not shown:
        raise InputError(f"no statement is shown by {protocol.least} of {len(population)} training records")
    firsts = range(0, protocol.n * len(shown), protocol.n)
    return [
        one
        for code, first in zip(shown, firsts, strict=True)
        for one in population.of_class(code, protocol.n, protocol.seed, first)
    ]


def draw(generator: Generator, asks: Sequence[Asked], seed: int, report: Report) -> ECG:
    """One ECG for each request, none refused."""
    own, parts = generator.preprocessor, []
    for start in range(0, len(asks), CHUNK):
        part = asks[start : start + CHUNK]
        told = condition(part, own.seconds, own.fs)
        parts.append(generator.sample(told, seed, indices=[one.index for one in part]))
        report(f"drawing with {generator.name}", min(1.0, (start + CHUNK) / len(asks)))
    return ECG.cat(parts)


def alike(pack: Pack, rows: np.ndarray, protocol: Protocol) -> np.ndarray:
    """Rows of real records mixed as the draws are: up to ``n`` at random of each statement, each row once.

    Raises:
        InputError: Where there are none.
    """
    rng = np.random.default_rng(protocol.seed)
    said = [set(codes.split()) for codes in pack.index.codes.iloc[rows]]
    chosen = set()
    for code in statements.codes():
        having = rows[[code in one for one in said]]
        chosen.update(rng.permutation(having)[: protocol.n].tolist())
    if not chosen:
        raise InputError(f"no record of folds {list(protocol.folds)} shows a statement", "real records were expected")
    return np.array(sorted(chosen))


def _held_out(classifier: Classifier, pack: Pack, rows: np.ndarray) -> Judged:
    index = pack.index.iloc[rows]
    return Judged(classifier.predict(pack.ecg(rows)).probability, targets(index.codes.tolist()), tuple(index.patient))


def compared(synthetic: Judged, real: Judged, training: np.ndarray, protocol: Protocol) -> dict[str, Any]:
    """Every class of every kind, and what they come to together.

    Args:
        synthetic: The draws.
        real: Held-out records.
        training: (label,) training records that show each label.
        protocol: What is too few.
    """
    areas = [one.areas(protocol.seed) for one in (synthetic, real)]
    each = [_class(place, synthetic, real, areas, int(training[place]), protocol) for place in range(len(labels()))]
    found = {kind: {} for kind in capabilities.KINDS}
    for label, one in zip(labels(), each, strict=True):
        kind = {"class": "superclasses", "subclass": "subclasses"}.get(label.partition(" ")[0], "statements")
        found[kind][label.split(" ")[-1]] = one
    return {"overall": {kind: overall(list(classes.values())) for kind, classes in found.items()}, **found}


def _class(
    place: int,
    synthetic: Judged,
    real: Judged,
    areas: Sequence[tuple[np.ndarray, np.ndarray]],
    training: int,
    protocol: Protocol,
) -> dict[str, Any]:
    """One label's scores, or why they were not measured."""
    asked, having = int(synthetic.truth[:, place].sum()), int(real.truth[:, place].sum())
    about = {"training": training, "requested": asked, "real_records": having}
    (drawn, drawn_interval), (known, known_interval) = areas
    why = _too_little(training, asked, having, len(synthetic.truth) - asked, len(real.truth) - having, protocol)
    if not why and known[place] < KNOWN:
        why = f"the classifier hardly knows it: AUROC {known[place]:.2f} on real records, {KNOWN:g} needed"
    if why:
        return {"verdict": NOT_MEASURED, "why": why, **about}
    as_probable = _above(synthetic, real, place)
    return {
        "verdict": verdict(drawn[place], drawn_interval[place][0], known[place], as_probable),
        **about,
        "auroc": _short(drawn[place]),
        "interval": _short(drawn_interval[place]),
        "real": _short(known[place]),
        "real_interval": _short(known_interval[place]),
        "probability": _probabilities(synthetic, place),
        "real_probability": _probabilities(real, place),
        "as_probable": _short(as_probable),
    }


def _too_little(training: int, asked: int, having: int, others: int, lacking: int, protocol: Protocol) -> str:
    """Why a class cannot be measured, or ""."""
    if training < protocol.least:
        return f"{training} training records, {protocol.least} needed"
    if having < protocol.least_real:
        return f"{having} held-out records, {protocol.least_real} needed"
    return "" if min(asked, others, lacking) else "all draws or records show it, or none does"


def verdict(auroc: float, low: float, real: float, as_probable: float) -> str:
    """What follows from a class's scores.

    Args:
        auroc: Area of the draws.
        low: Lower end of its interval.
        real: Area of real records.
        as_probable: Chance that a draw is found more probable than a real record.
    """
    reached = (auroc - CHANCE) / (real - CHANCE)
    if reached >= REACHED[CAN] and as_probable >= AS_PROBABLE:
        return CAN
    return PARTLY if reached >= REACHED[PARTLY] and low > CHANCE else CANNOT


def _probabilities(judged: Judged, place: int) -> dict[str, float]:
    """Means of the classifier's probability of a label."""
    asked, value = judged.truth[:, place] > 0, judged.probability[:, place]
    return {"requested": _short(value[asked].mean()), "not_requested": _short(value[~asked].mean())}


def _above(synthetic: Judged, real: Judged, place: int) -> float:
    """Chance that the label is more probable in a draw asked to show it than in a real record that shows it."""
    drawn, known = (one.probability[one.truth[:, place] > 0, place] for one in (synthetic, real))
    is_drawn = np.repeat([1, 0], [len(drawn), len(known)])
    return float(auroc(np.concatenate([drawn, known])[:, None], is_drawn[:, None])[0])


def overall(classes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the classes that were measured, and how many have which verdict."""
    measured = [one for one in classes if "auroc" in one]
    count = {one: sum(entry["verdict"] == one for entry in classes) for one in VERDICTS}
    mean = {name: _short(np.mean([one[name] for one in measured])) for name in ("auroc", "real") if measured}
    return {"verdicts": count, "classes": len(measured), **mean}


def _short(value: Any) -> Any:
    """Rounded to four digits."""
    return np.round(value, 4).tolist()


def keep(results: dict[str, Any], folder: Path) -> Path:
    """Put what was measured of a checkpoint beside its weights (``ecggen.augment.capabilities``).

    Raises:
        InputError: Where the results do not hold these weights.
    """
    name = f"{folder.name}@{storage.weights_hash(folder)}"
    score = results.get("scores", {}).get(name)
    if score is None:
        found = ", ".join(results.get("scores", {})) or "nothing"
        raise InputError(f"the results hold {found}", f"{name} was expected", "run: ecggen evaluate diagnoses")
    known = Drawable.__dataclass_fields__
    found = {
        kind: {name: Drawable(**{key: one[key] for key in known if key in one}) for name, one in score[kind].items()}
        for kind in capabilities.KINDS
    }
    settings = {"n": results["settings"]["n"], "seed": results["settings"]["seed"]}
    about = {**settings, **{key: score[key] for key in ("classifier", "commit", "date", "sampling")}}
    return capabilities.write(folder, about | {"definitions": DEFINITIONS}, found)


def main() -> None:
    """Put results into checkpoints' folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="what ecggen evaluate diagnoses has written")
    parser.add_argument("--checkpoint", required=True, nargs="+", help="checkpoints' names or folders")
    words = parser.parse_args()
    results = json.loads(words.results.read_text(encoding="utf-8"))
    for name in words.checkpoint:
        print(keep(results, storage.find(name)))


if __name__ == "__main__":
    main()
