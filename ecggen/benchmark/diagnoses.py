"""The diagnoses protocol: which of the 71 SCP statements can a generator generate?

For each statement with enough training records, ECGs are requested as by ``ecggen augment``: with the age, sex, heart
rate and accompanying findings of records with the statement. No draw is rejected. The classifier, trained on real
records only, predicts the probability of each statement in each draw. The score is the AUROC of draws with the
requested statement against all other draws. The reference is the AUROC on real held-out records, with the same number
of records per statement where available: the mix of classes must be the same, because a diagnosis is harder to separate
from other diagnoses than from normal ECGs.

The classifier does not tell why a draw shows a statement. So the textbook criterion of each statement is evaluated as
well: the share of draws that meet it, requested and not, beside that of real records with the statement and without.

``python -m ecggen.benchmark.diagnoses --results FILE --checkpoint NAME`` writes the result to a checkpoint's folder.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen.augment import capabilities
from ecggen.augment.capabilities import CAN, CANNOT, NOT_MEASURED, PARTLY, VERDICTS, Capability
from ecggen.conditioning import statements
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.data.population import Population, Request, condition
from ecggen.evaluators import pretrained
from ecggen.evaluators.classifier import Classifier, labels, targets
from ecggen.generators.base import Generator
from ecggen.metrics.criteria.measurements import measure
from ecggen.metrics.criteria.rules import CRITERIA, criteria_met
from ecggen.metrics.criteria.scores import criteria_agreement
from ecggen.metrics.functional.bootstrap import redrawn
from ecggen.metrics.functional.ranking import auroc
from ecggen.networks import storage

Report = Callable[[str, float], None]

CHUNK = 64
REDRAWS = 300
KNOWN = 0.75
"""Smallest AUROC of the classifier on real records for a class to be measured."""
REACHED = {CAN: 0.9, PARTLY: 0.6}
"""Smallest ratio of the AUROC above chance (0.5) of draws to that of real records, by verdict."""
CHANCE = 0.5
AS_PROBABLE = 0.33
"""Smallest probability that the classifier's output is higher for a draw than for a real record of the class."""

DEFINITIONS = {
    "auroc": "area under the ROC curve of the classifier's probability of a class, draws that were requested to show "
    "it (whatever else was requested) against all others; ties as half",
    "real": "the same of held-out real records, up to n of each statement drawn at random, each record once",
    "interval": f"95 %, {REDRAWS} redraws of the patients whose records lent the conditions (real: of the patients)",
    "probability": "mean of the classifier's probability where the class was requested and where it was not",
    "as_probable": "chance that the classifier finds a class more probable in a draw that was requested to show it "
    "than in a real record that shows it (ties as half); 0.5 is as real records",
    "verdict": f"{CAN}: (auroc − 0.5) / (real − 0.5) is at least {REACHED[CAN]:g}, and as_probable {AS_PROBABLE:g}; "
    f"{PARTLY}: the first is at least {REACHED[PARTLY]:g}, with an interval of auroc above 0.5; {NOT_MEASURED}: too "
    f"few records, or real below {KNOWN:g}",
    "criterion": "share of the records that meet the statement's textbook criterion (rule): draws that were requested "
    "to show it (requested) and others, real records of the same mix with the statement (real) and without; of "
    "statements with least_real records in each; usable: the shares of real records differ by .25 or more; ratio: mean "
    "over the usable ones of requested / real, at most 1",
}


@dataclass(frozen=True)
class Protocol:
    """Settings of the protocol.

    Attributes:
        kind: "diagnoses".
        data: The data set, "ptb-xl".
        train_folds: Folds from whose records the conditions are sampled.
        folds: Folds of the real held-out records.
        n: ECGs per statement.
        least: Fewest training records of a class.
        least_real: Fewest held-out records of a class.
        classifier: Name or folder of the classifier.
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
class ClassifiedRecords:
    """Records with their (requested) labels and the classifier's probabilities.

    Attributes:
        probability: (record, label), in the order of ``labels()``.
        truth: (record, label) of 0 and 1.
        patients: Patient of each record, or of the record from which its condition was taken.
    """

    probability: np.ndarray
    truth: np.ndarray
    patients: tuple[str, ...]

    def areas(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """AUROC (label,) with its 95 % interval (label, 2) over patients; NaN if all or no records have the label."""
        rows = redrawn(self.patients, seed, REDRAWS)
        resampled = np.stack([auroc(self.probability[at], self.truth[at]) for at in rows])
        known = np.isfinite(resampled).any(0)
        interval = np.full((resampled.shape[1], 2), np.nan)
        interval[known] = np.nanquantile(resampled[:, known], [0.025, 0.975], axis=0).T
        return auroc(self.probability, self.truth), interval


def run(protocol: Protocol, pack: Pack, generator: Generator, report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """Description of the measurement, and the scores of one generator."""
    classifier = pretrained.load(protocol.classifier, "classifier")
    train, held = pack.rows(protocol.train_folds), pack.rows(protocol.folds)
    requested = requests(Population.of(pack, train), protocol)
    began = time.perf_counter()
    drawn = draw(generator, requested, protocol.seed, report)
    seconds = time.perf_counter() - began
    report("classifying draws", 0.0)
    usable = np.flatnonzero(drawn.signal.isfinite().all(-1).all(-1).numpy())
    if not len(usable):
        raise InputError(
            f"none of {len(requested)} draws of {generator.name} is finite", "finite samples were expected"
        )
    synthetic = ClassifiedRecords(
        classifier.predict(drawn[torch.from_numpy(usable)]).probability,
        targets([" ".join(requested[row].codes) for row in usable]),
        tuple(pack.index.patient.iloc[train[requested[row].like]] for row in usable),
    )
    rows = balanced_rows(pack, held, protocol)
    real = _held_out(classifier, pack, rows)
    training = targets(pack.index.codes.iloc[train].tolist()).sum(0)
    found = compared(synthetic, real, training, protocol)
    usable_requests = [requested[row] for row in usable]
    add_criteria(found, drawn[torch.from_numpy(usable)], usable_requests, pack, rows, protocol, report)
    about = {"definitions": DEFINITIONS, "n": len(requested), "patients": len(set(real.patients))}
    return about, {
        "classifier": classifier.name,
        "not_finite": len(requested) - len(usable),
        "real_records": len(real.patients),
        "seconds": round(seconds, 2),
        "ms_per_ecg": round(1000 * seconds / len(requested), 2),
        **found,
    }


def requests(population: Population, protocol: Protocol) -> list[Request]:
    """``n`` requests for each statement with enough training records, numbered consecutively.

    Raises:
        InputError: If no statement has enough training records.
    """
    shown = [code for code in statements.codes() if sum(code in one for one in population.codes) >= protocol.least]
    if not shown:
        raise InputError(
            f"no statement is in {protocol.least} of {len(population)} training records", "more were expected"
        )
    firsts = range(0, protocol.n * len(shown), protocol.n)
    return [
        one
        for code, first in zip(shown, firsts, strict=True)
        for one in population.of_class(code, protocol.n, protocol.seed, first)
    ]


def draw(generator: Generator, requested: Sequence[Request], seed: int, report: Report) -> ECG:
    """One ECG for each request; none is rejected."""
    own, parts = generator.preprocessor, []
    for start in range(0, len(requested), CHUNK):
        part = requested[start : start + CHUNK]
        given = condition(part, own.seconds, own.fs)
        parts.append(generator.sample(given, seed, indices=[one.index for one in part]))
        report(f"generating with {generator.name}", min(1.0, (start + CHUNK) / len(requested)))
    return ECG.cat(parts)


def balanced_rows(pack: Pack, rows: np.ndarray, protocol: Protocol) -> np.ndarray:
    """Rows of real records with the class mix of the draws: up to ``n`` random ones per statement, each row once.

    Raises:
        InputError: If no record has a statement.
    """
    rng = np.random.default_rng(protocol.seed)
    code_sets = [set(codes.split()) for codes in pack.index.codes.iloc[rows]]
    chosen = set()
    for code in statements.codes():
        positive = rows[[code in codes for codes in code_sets]]
        chosen.update(rng.permutation(positive)[: protocol.n].tolist())
    if not chosen:
        raise InputError(f"no record of folds {list(protocol.folds)} has a statement", "real records were expected")
    return np.array(sorted(chosen))


def _held_out(classifier: Classifier, pack: Pack, rows: np.ndarray) -> ClassifiedRecords:
    index = pack.index.iloc[rows]
    return ClassifiedRecords(
        classifier.predict(pack.ecg(rows)).probability, targets(index.codes.tolist()), tuple(index.patient)
    )


def compared(
    synthetic: ClassifiedRecords, real: ClassifiedRecords, training: np.ndarray, protocol: Protocol
) -> dict[str, Any]:
    """Scores of every class by kind, and summaries.

    Args:
        synthetic: The draws.
        real: Held-out records.
        training: (label,) number of training records with each label.
        protocol: Settings, with the fewest records.
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
    synthetic: ClassifiedRecords,
    real: ClassifiedRecords,
    areas: Sequence[tuple[np.ndarray, np.ndarray]],
    training: int,
    protocol: Protocol,
) -> dict[str, Any]:
    """Scores of one label, or the reason why they were not measured."""
    requested, having = int(synthetic.truth[:, place].sum()), int(real.truth[:, place].sum())
    about = {"training": training, "requested": requested, "real_records": having}
    (drawn, drawn_interval), (known, known_interval) = areas
    why = _too_few(training, requested, having, len(synthetic.truth) - requested, len(real.truth) - having, protocol)
    if not why and known[place] < KNOWN:
        why = f"the classifier hardly detects it: AUROC {known[place]:.2f} on real records, {KNOWN:g} needed"
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


def _too_few(training: int, requested: int, having: int, others: int, lacking: int, protocol: Protocol) -> str:
    """Reason why a class cannot be measured, or ""."""
    if training < protocol.least:
        return f"{training} training records, {protocol.least} needed"
    if having < protocol.least_real:
        return f"{having} held-out records, {protocol.least_real} needed"
    return "" if min(requested, others, lacking) else "all draws or records have it, or none has"


def verdict(auroc: float, low: float, real: float, as_probable: float) -> str:
    """Verdict from the scores of a class.

    Args:
        auroc: AUROC of the draws.
        low: Lower end of its interval.
        real: AUROC of real records.
        as_probable: Probability that the classifier's output is higher for a draw than for a real record.

    Example:
        >>> verdict(auroc=0.95, low=0.9, real=0.96, as_probable=0.5) == CAN
        True
    """
    reached = (auroc - CHANCE) / (real - CHANCE)
    if reached >= REACHED[CAN] and as_probable >= AS_PROBABLE:
        return CAN
    return PARTLY if reached >= REACHED[PARTLY] and low > CHANCE else CANNOT


def _probabilities(records: ClassifiedRecords, place: int) -> dict[str, float]:
    """Means of the classifier's probability of a label, with and without the label."""
    positive, value = records.truth[:, place] > 0, records.probability[:, place]
    return {"requested": _short(value[positive].mean()), "not_requested": _short(value[~positive].mean())}


def _above(synthetic: ClassifiedRecords, real: ClassifiedRecords, place: int) -> float:
    """Probability that the classifier's output is higher for a draw with the label than for a real record with it."""
    drawn, known = (one.probability[one.truth[:, place] > 0, place] for one in (synthetic, real))
    is_drawn = np.repeat([1, 0], [len(drawn), len(known)])
    return float(auroc(np.concatenate([drawn, known])[:, None], is_drawn[:, None])[0])


def overall(classes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the measured classes, and the number of classes by verdict."""
    measured = [one for one in classes if "auroc" in one]
    count = {one: sum(entry["verdict"] == one for entry in classes) for one in VERDICTS}
    mean = {name: _short(np.mean([one[name] for one in measured])) for name in ("auroc", "real") if measured}
    return {"verdicts": count, "classes": len(measured), **mean}


def add_criteria(
    found: dict[str, Any],
    drawn: ECG,
    requested: Sequence[Request],
    pack: Pack,
    rows: np.ndarray,
    protocol: Protocol,
    report: Report,
) -> None:
    """Add ``criterion`` to the statements that have one: the shares of records that meet it; and a summary.

    Args:
        found: Scores of all classes, as from ``compared``, to be extended.
        drawn: The draws.
        requested: Their requests.
        pack: Holds the real records.
        rows: Rows of the real records.
        protocol: Settings, with the fewest real records.
        report: Called with the step and the share done.
    """
    report("criteria of draws", 0.0)
    index, rules = pack.index.iloc[rows], {one.code: one.rule for one in CRITERIA}
    sex = np.array([{"M": 0.0, "F": 1.0}.get(one.sex or "", np.nan) for one in requested])
    met = criteria_met(measure(drawn, sex=sex))
    report("criteria of real records", 0.5)
    real = criteria_met(measure(pack.ecg(rows), sex=index.sex.to_numpy(float)))
    codes = [" ".join(one.codes) for one in requested]
    shares = criteria_agreement(met, codes, real, index.codes.tolist(), protocol.least_real)
    for code, one in shares.items():
        rounded = {name: _short(value) for name, value in asdict(one).items()}
        found["statements"][code]["criterion"] = {"rule": rules[code], **rounded, "usable": one.separates}
    usable = [one.ratio for one in shares.values() if one.separates]
    found["overall"]["criteria"] = {"statements": len(usable), "ratio": _short(np.mean(usable)) if usable else None}


def _short(value: Any) -> Any:
    """Rounded to four digits."""
    return np.round(value, 4).tolist()


def keep(results: dict[str, Any], folder: Path) -> Path:
    """Write the result of a checkpoint to its folder (``ecggen.augment.capabilities``).

    Raises:
        InputError: If the results do not contain these weights.
    """
    own, scores = storage.weights_hash(folder), results.get("scores", {})
    names = {storage.hearts_hash(name): name for name in scores if name.partition("@")[0] == folder.name}
    name = names.get(storage.hearts_hash(own), f"{folder.name}@{own}")
    score = scores.get(name)
    if score is None:
        found = ", ".join(scores) or "nothing"
        raise InputError(f"the results hold {found}", f"{name} was expected", "run: ecggen evaluate diagnoses")
    known = Capability.__dataclass_fields__
    found = {
        kind: {name: Capability(**{key: one[key] for key in known if key in one}) for name, one in score[kind].items()}
        for kind in capabilities.KINDS
    }
    settings = {"n": results["settings"]["n"], "seed": results["settings"]["seed"]}
    about = {**settings, **{key: score[key] for key in ("classifier", "commit", "date", "sampling")}}
    return capabilities.write(folder, about | {"definitions": DEFINITIONS}, found)


def main() -> None:
    """Write results to checkpoints' folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="output of ecggen evaluate diagnoses")
    parser.add_argument("--checkpoint", required=True, nargs="+", help="names or folders of checkpoints")
    options = parser.parse_args()
    results = json.loads(options.results.read_text(encoding="utf-8"))
    for name in options.checkpoint:
        print(keep(results, storage.find(name)))


if __name__ == "__main__":
    main()
