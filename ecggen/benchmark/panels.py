"""The report's section on reconstruction for a protocol: of one draw, and of the mean of many.

The mean is nearest to the truth and varies too little; a draw varies as a heart does and is further off. Both are put
through the same section (regression to the mean, amplitudes, intervals, rhythm), so that neither can hide.
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
from ecggen.report.inputs.cohort import Material, Studied
from ecggen.report.sections.paired import reconstruction

CHUNK = 64  # records at a time


@dataclass(frozen=True)
class Protocol:
    """What is reconstructed.

    Attributes:
        kind: "panel".
        given: Leads that are given.
        data: The data set, "ptb-xl".
        train_folds: Folds from which the section fits its linear filter.
        folds: Folds that are reconstructed.
        n: Records of them, drawn at random.
        draws: Draws of the mean.
        seed: Seed of draws, of the choice of records and of redraws.
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
    """Section "reconstruction" of one draw and of the mean of many, by what was drawn.

    Args:
        generator: What reconstructs.
        read: The recording of a row, as its file holds it.
        pack: The recordings in the generator's preprocessing: the truth.
        rows: Which are reconstructed.
        protocol: What is given.
        report: Called with what is being done and the share done.
    """
    truth, given = recorded(pack, rows, "true records"), tuple(protocol.given)
    lenders = chosen(pack, protocol.train_folds, 2 * len(rows), protocol.seed)
    known, true = (Studied(one, None) for one in (recorded(pack, lenders, "training records"), truth))
    began = time.perf_counter()
    drawn = _drawn(generator, read, rows, protocol, report)
    found: dict[str, Any] = {"seconds": round(time.perf_counter() - began, 2), "sections": {}}
    for name, ecg in drawn.items():
        report(f"{generator.name}, {name}", 1.0)
        studied = Studied(replace(truth, ecg=ecg, source=f"{generator.name}, {name}"), None)
        section = reconstruction(Material(studied, known, truth=true, given=given, seed=protocol.seed))
        found["sections"][name] = short(section)
    return found


def _drawn(
    generator: Generator,
    read: Callable[[int], ECG],
    rows: np.ndarray,
    protocol: Protocol,
    report: Callable[[str, float], None],
) -> dict[str, ECG]:
    """One draw and the mean, twelve leads in the model's band and at its rate."""
    parts: dict[str, list[ECG]] = {"one draw": [], "mean of draws": []}
    for start in range(0, len(rows), CHUNK):
        raw = ECG.cat([read(int(row)) for row in rows[start : start + CHUNK]])
        condition = Condition.none(len(raw), raw.seconds, raw.fs).with_leads(raw.pick(*protocol.given))
        mean = generator.reconstruct(
            condition, num_draws=protocol.draws, seed=protocol.seed + start, keep_draws=False
        ).mean
        answers = generator.sample(condition, protocol.seed, start), mean
        for kept, answer in zip(parts.values(), answers, strict=True):
            kept.append(generator.preprocessor.ecg(answer))
        report(f"drawing with {generator.name}", min(1.0, (start + CHUNK) / len(rows)))
    return {name: ECG.cat(part) for name, part in parts.items()}
