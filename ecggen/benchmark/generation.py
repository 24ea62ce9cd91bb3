"""The generation protocol: text- and metadata-conditional or unconditional generation, scored by the quality report.

The condition of each ECG (report, age, sex, heart rate, or nothing) is taken from a record of the scored folds; one ECG
is generated for each. The generated set is scored by sections of the report, with records of the training folds as the
real set and the scored folds as held-out records. So a protocol's score equals the report's score.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.benchmark.network_evaluations import counted
from ecggen.conditioning.condition import TEXT_AND_METADATA
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.data.batches import text_and_metadata
from ecggen.evaluators import pretrained
from ecggen.generators.base import Generator
from ecggen.report.inputs.cohort import Cohorts, ECGSet, MeasuredSet
from ecggen.report.scores import Section

CHUNK = 64


@dataclass(frozen=True)
class Protocol:
    """Settings of the protocol.

    Attributes:
        kind: "generation".
        data: The data set, "ptb-xl".
        conditions: Given of each record: some of text, age, sex, heart_rate; unconditional if empty.
        metrics: Sections of the report that are computed.
        train_folds: Folds of the real records.
        folds: Folds of the held-out records, from which the conditions are taken.
        n: Largest number of generated ECGs; up to twice as many real records are used.
        classifier: Classifier whose features and probabilities are used.
        ecg_text: ECG–text encoder.
        seed: Seed of the draws, of the choice of records, and of every split.
    """

    kind: str
    data: str = "ptb-xl"
    conditions: Sequence[str] = TEXT_AND_METADATA
    metrics: Sequence[str] = ("validity", "amplitude", "rhythm", "intervals", "distribution", "fidelity")
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    folds: Sequence[int] = (9,)
    n: int = 1000
    classifier: str = "classifier"
    ecg_text: str = "ecg_text"
    seed: int = 1

    def __post_init__(self):
        unknown = [name for name in self.conditions if name not in TEXT_AND_METADATA]
        if self.kind != "generation" or unknown:
            raise InputError(
                f"kind {self.kind!r}, conditions {list(self.conditions)}",
                f"'generation' and some of {TEXT_AND_METADATA}",
            )


def run(
    protocol: Protocol,
    pack: Pack,
    generator: Generator,
    sections: Mapping[str, Callable[[Cohorts], Section]],
    report: Callable[[str, float], None],
) -> dict[str, Any]:
    """The sections' scores of one generator.

    Args:
        protocol: Settings.
        pack: The recordings, in the generator's preprocessing.
        generator: A model or a baseline.
        sections: The report's sections by key.
        report: Called with the current step and the fraction done.
    """
    rows, real = (
        chosen(pack, protocol.folds, protocol.n, protocol.seed),
        chosen(pack, protocol.train_folds, 2 * protocol.n, protocol.seed),
    )
    began = time.perf_counter()
    drawn, evaluations = draw(generator, pack, rows, protocol.conditions, protocol.seed, report)
    seconds = time.perf_counter() - began
    classifier = pretrained.load(protocol.classifier, "classifier")
    material = Cohorts(
        MeasuredSet(requested(pack, rows, drawn, generator.name, protocol.conditions), classifier, report),
        MeasuredSet(recorded(pack, real, "training records"), classifier, report),
        MeasuredSet(recorded(pack, rows, "held-out records"), classifier, report),
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
    """Up to ``n`` random rows of some folds, in order.

    Raises:
        InputError: If the folds have no record.
    """
    rows = pack.rows(folds)
    if not len(rows):
        raise InputError(f"folds {list(folds)} have no record", "records were expected")
    return np.sort(np.random.default_rng(seed).permutation(rows)[: n or None])


def draw(
    generator: Generator,
    pack: Pack,
    rows: np.ndarray,
    conditions: Sequence[str],
    seed: int,
    report: Callable[[str, float], None] = lambda what, share: None,
) -> tuple[ECG, float]:
    """One ECG per row from its condition, and the number of network evaluations per ECG."""
    parts = []
    with counted(generator) as evaluations:
        for start in range(0, len(rows), CHUNK):
            condition = text_and_metadata(pack, rows[start : start + CHUNK], conditions)
            parts.append(generator.sample(condition, seed, first=start))
            report(f"generating with {generator.name}", min(1.0, (start + CHUNK) / len(rows)))
    return ECG.cat(parts), max(evaluations.values(), default=0) / len(rows)


def recorded(pack: Pack, rows: np.ndarray, source: str) -> ECGSet:
    """Real records of a pack, with all their metadata."""
    index = pack.index.iloc[rows]
    return ECGSet(
        ecg=pack.ecg(rows).standard(),
        names=tuple(index.name),
        patients=tuple(index.patient),
        codes=tuple(index.codes),
        texts=tuple(index.report),
        age=np.minimum(index.age.to_numpy(float), 90),
        sex=index.sex.to_numpy(float),
        requested_heart_rate=np.full(len(rows), np.nan),
        source=source,
    )


def requested(pack: Pack, rows: np.ndarray, drawn: ECG, source: str, conditions: Sequence[str]) -> ECGSet:
    """Generated ECGs with the requested metadata only."""
    source_records, index = recorded(pack, rows, source), pack.index.iloc[rows]
    nothing, unknown = ("",) * len(rows), np.full(len(rows), np.nan)
    with_text = "text" in conditions
    return ECGSet(
        ecg=drawn.resample(pack.preprocessor.fs),
        names=source_records.names,
        patients=source_records.patients,
        codes=source_records.codes if with_text else nothing,
        texts=source_records.texts if with_text else nothing,
        age=source_records.age if "age" in conditions else unknown,
        sex=source_records.sex if "sex" in conditions else unknown,
        requested_heart_rate=index.heart_rate.to_numpy(float) if "heart_rate" in conditions else unknown,
        source=source,
    )


def short(section: Section) -> dict[str, Any]:
    """A section without figures and tables, as stored in results."""
    about = section.as_json()
    return {name: about[name] for name in ("verdict", "headline", "scores", "notes")}
