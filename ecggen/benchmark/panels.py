"""The panel protocol: the report's reconstruction section, for one draw and for the mean of many draws.

The mean has the smallest error and too little variance; a single draw has realistic variance and a larger error. Both
are scored by the same section (regression to the mean, amplitudes, intervals, rhythm).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ecggen.benchmark.generation import chosen, recorded, short
from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.generators.base import Generator
from ecggen.report.inputs.cohort import Cohorts, MeasuredSet
from ecggen.report.sections.paired import reconstruction

CHUNK = 64  # records at a time


@dataclass(frozen=True)
class Protocol:
    """Settings of the protocol.

    Attributes:
        kind: "panel".
        given: Given leads.
        data: The data set, "ptb-xl".
        train_folds: Folds on which the section's linear filter is fitted.
        folds: Folds that are reconstructed.
        n: Number of records, chosen at random.
        draws: Number of draws of the mean.
        seed: Seed of draws, of the choice of records and of resampling.
    """

    kind: str
    given: Sequence[str]
    data: str = "ptb-xl"
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    folds: Sequence[int] = (9,)
    n: int = 300
    draws: int = 16
    seed: int = 1

    def __post_init__(self):
        if self.kind != "panel":
            raise InputError(f"the protocol's kind is {self.kind!r}", "'panel' was expected")


def panel(
    generator: Generator,
    read: Callable[[int], ECG],
    pack: Pack,
    rows: np.ndarray,
    protocol: Protocol,
    report: Callable[[str, float], None],
) -> dict[str, Any]:
    """Section "reconstruction" of one draw and of the mean of many draws, by name.

    Args:
        generator: The model.
        read: Reads the original recording of a row.
        pack: The recordings in the generator's preprocessing: the truth.
        rows: Rows that are reconstructed.
        protocol: Settings.
        report: Called with the current step and the fraction done.
    """
    truth, given = recorded(pack, rows, "true records"), tuple(protocol.given)
    training = chosen(pack, protocol.train_folds, 2 * len(rows), protocol.seed)
    known, true = (MeasuredSet(one, None) for one in (recorded(pack, training, "training records"), truth))
    began = time.perf_counter()
    drawn = _drawn(generator, read, rows, protocol, report)
    found: dict[str, Any] = {"seconds": round(time.perf_counter() - began, 2), "sections": {}}
    for name, ecg in drawn.items():
        report(f"{generator.name}, {name}", 1.0)
        studied = MeasuredSet(replace(truth, ecg=ecg, source=f"{generator.name}, {name}"), None)
        section = reconstruction(Cohorts(studied, known, truth=true, given=given, seed=protocol.seed))
        found["sections"][name] = short(section)
    return found


def _drawn(
    generator: Generator,
    read: Callable[[int], ECG],
    rows: np.ndarray,
    protocol: Protocol,
    report: Callable[[str, float], None],
) -> dict[str, ECG]:
    """One draw and the mean, twelve leads in the model's pass band and at its rate."""
    parts: dict[str, list[ECG]] = {"one draw": [], "mean of draws": []}
    for start in range(0, len(rows), CHUNK):
        raw = ECG.cat([read(int(row)) for row in rows[start : start + CHUNK]])
        condition = Condition.none(len(raw), raw.seconds, raw.fs).with_leads(raw.pick(*protocol.given))
        mean = generator.reconstruct(
            condition, num_draws=protocol.draws, seed=protocol.seed + start, keep_draws=False
        ).mean
        predictions = generator.sample(condition, protocol.seed, start), mean
        for kept, prediction in zip(parts.values(), predictions, strict=True):
            kept.append(generator.preprocessor.ecg(prediction))
        report(f"generating with {generator.name}", min(1.0, (start + CHUNK) / len(rows)))
    return {name: ECG.cat(part) for name, part in parts.items()}
