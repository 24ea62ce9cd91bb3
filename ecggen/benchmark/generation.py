"""A generation protocol: ECGs out of words and facts, or out of nothing, judged as the quality report judges.

Each record of the scored folds lends what is told of it (its report, age, sex, heart rate, or nothing); one ECG is
drawn for each. The drawn set is then put through sections of the report: real are records of the training folds, held
out are the ones that lent their words. So a protocol's score and a report's score are one and the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.benchmark.network_evaluations import counted
from ecggen.conditioning.condition import WORDS
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.data.batches import telling
from ecggen.evaluators import pretrained
from ecggen.generators.base import Generator
from ecggen.report.inputs.cohort import ECGSet, Material, Studied
from ecggen.report.scores import Section

CHUNK = 64


@dataclass(frozen=True)
class Protocol:
    """What is told, on which records, and what is measured of the draws.

    Attributes:
        kind: "generation".
        data: The data set, "ptb-xl".
        conditions: What is given of each record: some of text, age, sex, heart_rate; nothing if empty.
        metrics: Sections of the report that are measured.
        train_folds: Folds of the real records that the draws are compared with.
        folds: Folds whose records lend their words, and that are the held-out records.
        n: Most ECGs that are drawn; twice as many real ones are compared with.
        judge: The classifier whose features and probabilities are used.
        pair: The ECG-text encoders.
        seed: Seed of the draws, of the choice of records, and of every split.
    """

    kind: str
    data: str = "ptb-xl"
    conditions: Sequence[str] = WORDS
    metrics: Sequence[str] = ("validity", "amplitude", "rhythm", "intervals", "distribution", "fidelity")
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    folds: Sequence[int] = (9,)
    n: int = 1000
    classifier: str = "classifier"
    ecg_text: str = "ecg_text"
    seed: int = 1

    def __post_init__(self):
        unknown = [name for name in self.conditions if name not in WORDS]
        if self.kind != "generation" or unknown:
            raise InputError(
                f"kind {self.kind!r}, conditions {list(self.conditions)}", f"'generation' and some of {WORDS}"
            )


def run(
    protocol: Protocol,
    pack: Pack,
    generator: Generator,
    sections: Mapping[str, Callable[[Material], Section]],
    report: Callable[[str, float], None],
) -> dict[str, Any]:
    """The sections' scores of one generator.

    Args:
        protocol: What is told and measured.
        pack: The recordings, in the generator's preprocessing.
        generator: A model or a baseline.
        sections: The report's sections by their keys.
        report: Called with what is being done and the share done.
    """
    rows, real = (
        chosen(pack, protocol.folds, protocol.n, protocol.seed),
        chosen(pack, protocol.train_folds, 2 * protocol.n, protocol.seed),
    )
    began = time.perf_counter()
    drawn, evaluations = draw(generator, pack, rows, protocol.conditions, protocol.seed, report)
    seconds = time.perf_counter() - began
    classifier = pretrained.load(protocol.classifier, "classifier")
    material = Material(
        Studied(asked(pack, rows, drawn, generator.name, protocol.conditions), classifier, report),
        Studied(recorded(pack, real, "training records"), classifier, report),
        Studied(recorded(pack, rows, "held-out records"), classifier, report),
        ecg_text=pretrained.load(protocol.ecg_text, "ecg_text"),
        seed=protocol.seed,
        about={"generator": generator.name},
    )
    found = {key: short(sections[key](material)) for key in protocol.metrics}
    return {
        "n": len(rows),
        "n_real": len(real),
        "classifier": classifier.name,
        "ecg_text": material.ecg_text.name if material.ecg_text else "",
        "evaluations_per_draw": evaluations,
        "seconds": round(seconds, 2),
        "ms_per_ecg": round(1000 * seconds / len(rows), 2),
        "sections": found,
    }


def chosen(pack: Pack, folds: Sequence[int], n: int, seed: int) -> np.ndarray:
    """Up to ``n`` rows of some folds, drawn at random and in order.

    Raises:
        InputError: Where the folds hold no record.
    """
    rows = pack.rows(folds)
    if not len(rows):
        raise InputError(f"folds {list(folds)} hold no record", "records were expected")
    return np.sort(np.random.default_rng(seed).permutation(rows)[: n or None])


def draw(
    generator: Generator,
    pack: Pack,
    rows: np.ndarray,
    conditions: Sequence[str],
    seed: int,
    report: Callable[[str, float], None] = lambda what, share: None,
) -> tuple[ECG, float]:
    """One ECG for each row, from what is told of it, and how often a network was run for each."""
    parts = []
    with counted(generator) as evaluations:
        for start in range(0, len(rows), CHUNK):
            condition = telling(pack, rows[start : start + CHUNK], conditions)
            parts.append(generator.sample(condition, seed, first=start))
            report(f"drawing with {generator.name}", min(1.0, (start + CHUNK) / len(rows)))
    return ECG.cat(parts), max(evaluations.values(), default=0) / len(rows)


def recorded(pack: Pack, rows: np.ndarray, source: str) -> ECGSet:
    """Real records of a pack, with all that is known of them."""
    index = pack.index.iloc[rows]
    return ECGSet(
        ecg=pack.ecg(rows).standard(),
        names=tuple(index.name),
        patients=tuple(index.patient),
        codes=tuple(index.codes),
        texts=tuple(index.report),
        age=np.minimum(index.age.to_numpy(float), 90),
        sex=index.sex.to_numpy(float),
        asked_rate=np.full(len(rows), np.nan),
        source=source,
    )


def asked(pack: Pack, rows: np.ndarray, drawn: ECG, source: str, conditions: Sequence[str]) -> ECGSet:
    """Drawn ECGs, with what was asked for and nothing else."""
    lender, index = recorded(pack, rows, source), pack.index.iloc[rows]
    nothing, unknown = ("",) * len(rows), np.full(len(rows), np.nan)
    with_text = "text" in conditions
    return ECGSet(
        ecg=drawn.resample(pack.preprocessor.fs),
        names=lender.names,
        patients=lender.patients,
        codes=lender.codes if with_text else nothing,
        texts=lender.texts if with_text else nothing,
        age=lender.age if "age" in conditions else unknown,
        sex=lender.sex if "sex" in conditions else unknown,
        asked_rate=index.heart_rate.to_numpy(float) if "heart_rate" in conditions else unknown,
        source=source,
    )


def short(section: Section) -> dict[str, Any]:
    """A section without its drawings and tables, as results hold it."""
    about = section.as_json()
    return {name: about[name] for name in ("verdict", "headline", "scores", "notes")}
