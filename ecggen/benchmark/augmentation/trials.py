"""The repeats of an augmentation protocol: training sets, classifiers and their predictions.

Each repeat has its own training records, subsets of their patients, requests and generated records. Slow steps are
cached in cells: the classifier's inputs of the generated records, and the predictions on the test set. Cells that do
not depend on a generator are shared by all models.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property, partial
from itertools import product
from typing import Any

import numpy as np
import torch

from ecggen.augment.augmenter import Augmenter, Drawn, Rules, limits_of
from ecggen.benchmark.augmentation.gains import NOTHING, Fit, as_cell, as_fits
from ecggen.benchmark.augmentation.protocol import Protocol, Report
from ecggen.benchmark.augmentation.records import DOWNSTREAM, data_hash, inputs_of, labelled, labels_of
from ecggen.benchmark.augmentation.training_sets import GENERATED, Shell, augmented, joined, shells, training_set
from ecggen.benchmark.generation import chosen
from ecggen.benchmark.partial_results import Arrays, Cells
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.data.pack import subset_of_patients
from ecggen.data.population import LABELS, Population
from ecggen.evaluators import pretrained
from ecggen.generators.base import Generator
from ecggen.metrics.utility.labelled import Labelled, usable
from ecggen.metrics.utility.tstr import train_and_predict

VERSION = 1
"""Version of the content of a cell."""
OF_DRAWS = ("strength", "classifier", "quantile", "tries", "drawn_test")
"""Settings that affect generated records only."""
OF_ALL = ("redraws", "repeats", "arms")
"""Settings that affect no cell."""


class Study:
    """Common parts of all repeats.

    Attributes:
        fractions: Fractions of the patients, ascending.
        rows: Rows of the real training records of each repeat.
        test: Real test records.
        names: Labels with enough records.
        left_out: The other labels, with the reason.
        classifier: Classifier that checks generated records; None for none.
    """

    def __init__(self, protocol: Protocol, pack: Pack, generator: Generator, report: Report, cells: Cells):
        self.protocol, self.pack, self.generator, self.report, self.cells = protocol, pack, generator, report, cells
        self.downstream = DOWNSTREAM[protocol.downstream](0)
        self.classifier = pretrained.load(protocol.classifier, "classifier") if protocol.classifier else None
        self.fractions = sorted({*protocol.fractions})
        self.laps = math.ceil(max(protocol.shares))
        seeds = range(protocol.seed, protocol.seed + protocol.repeats)
        part = subset_of_patients(pack, chosen(pack, protocol.train_folds, 0, protocol.seed), protocol.part)
        self.rows = [np.sort(np.random.default_rng(seed).permutation(part)[: protocol.n or None]) for seed in seeds]
        self.test_rows = chosen(pack, protocol.folds, protocol.n_test, protocol.seed)
        self._labels = LABELS[protocol.labels]()
        self.names = [*self._labels]
        sets = {f"training (repeat {at})": self.labels(rows) for at, rows in enumerate(self.rows, 1)}
        kept, self.left_out = usable(sets | {"test": self.labels(self.test_rows)}, self.names)
        self.names = [self.names[place] for place in kept]
        report("preparing test records", 0.0)
        self.test = self.real_records(self.test_rows)

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """(record, label) of 0 and 1 of the records at ``rows``."""
        return labels_of(self.pack, rows, {name: self._labels[name] for name in self.names})

    def labelled(self, inputs: np.ndarray, rows: np.ndarray) -> Labelled:
        """Inputs with the labels and patients of ``rows``; a generated record has those of its condition's source."""
        return labelled(self.pack, inputs, rows, {name: self._labels[name] for name in self.names})

    def real_records(self, rows: np.ndarray) -> Labelled:
        """The real records at ``rows``."""
        return self.labelled(inputs_of(self.pack, rows, self.downstream), rows)

    @property
    def arms(self) -> tuple[str, ...]:
        """The requested arms of ``GENERATED`` that the generator supports."""
        supported = GENERATED if self.generator.varies else GENERATED[:1]
        return tuple(arm for arm in supported if arm in self.protocol.arms)

    @property
    def plain_arms(self) -> tuple[str, ...]:
        """The requested arms without a generator."""
        return tuple(arm for arm in self.protocol.arms if arm not in GENERATED)

    @property
    def classifier_name(self) -> str:
        return self.classifier.name if self.classifier else ""

    def depends(self, drawn: bool = False) -> dict[str, Any]:
        """Everything on which a cell depends: data, settings and, for generated records, model and classifier."""
        settings = {
            key: value
            for key, value in asdict(self.protocol).items()
            if key not in (OF_ALL if drawn else OF_ALL + OF_DRAWS)
        }
        about = {
            "version": VERSION,
            "data": self._data,
            "downstream": self.downstream.name,
            "settings": settings,
            "names": self.names,
        }
        drawing = {
            "model": self.generator.name,
            "sampling": str(self.generator.sampling_from_text),
            "classifier": self.classifier_name,
        }
        return about | (drawing if drawn else {})

    @cached_property
    def _data(self) -> str:
        return data_hash(self.pack)

    @cached_property
    def drawn_test(self) -> Labelled:
        """Generated records for the test set's population: the test set of TRTS."""
        seed = -1 - self.protocol.seed
        count = min(self.protocol.drawn_test, len(self.test))
        make = partial(self.drawn, "synthetic", self.test_rows, count, seed)
        made = self.cells.of("drawn-test", self.depends(True), make)
        return self.labelled(made["inputs"], made["row"])

    def drawn(self, arm: str, rows: np.ndarray, n: int, seed: int, first: int = 0) -> Arrays:
        """Records generated for the population at ``rows``, as arrays of a cell.

        Args:
            arm: One of ``GENERATED``.
            rows: Rows of the population.
            n: Number of requests.
            seed: Seed of requests and draws.
            first: Number of the first request.
        """
        protocol, began = self.protocol, time.perf_counter()
        population, own = Population.of(self.pack, rows), self.pack.ecg(rows)
        requested = population.any(n, seed, first)
        limits = {} if self.classifier is None else limits_of(self.classifier, own, population, (), protocol.quantile)
        augmenter = Augmenter(self.generator, self.classifier, Rules(protocol.quantile, protocol.tries), seed, limits)
        originals = own[torch.tensor([one.like for one in requested])] if arm == "variations" else None
        drawn = augmenter.draw(
            requested, originals, protocol.strength, lambda share: self.report(f"generating {arm}", share)
        )
        return self._accepted(drawn, rows) | {"seconds": np.array(time.perf_counter() - began)}

    def _accepted(self, drawn: Sequence[Drawn], rows: np.ndarray) -> Arrays:
        """The downstream classifier's inputs of the accepted draws, and numbers of requests and draws."""
        kept = [(one.ecg, one.requested.like) for one in drawn if one.ecg is not None]
        if not kept:
            raise InputError(
                f"all of {len(drawn)} generated records were rejected", "some were expected", "lower the quantile"
            )
        waves = ECG.cat([ecg for ecg, _ in kept]).resample(self.pack.preprocessor.fs)
        return {
            "inputs": self.downstream.prepare(waves).astype(np.float32),
            "row": rows[[like for _, like in kept]],
            "requested": np.array(len(drawn)),
            "draws": np.array(sum(one.attempts for one in drawn)),
        }


class Trial:
    """One repeat: its training records in shells, and the classifiers trained on them.

    Args:
        study: Common parts of all repeats.
        repeat: Its number.
    """

    def __init__(self, study: Study, repeat: int):
        self.study, self.repeat, self.seed = study, repeat, study.protocol.seed + repeat
        rows = study.rows[repeat]
        patients = study.pack.index.patient.iloc[rows]
        inner = shells(patients, study.labels(rows), study.fractions, self.seed)
        self.rows = [rows[part] for part in inner]

    def fits(self, at: int) -> list[Fit]:
        """Classifiers of every arm for the subset number ``at``."""
        study, name = self.study, f"{self.study.fractions[at]:g}-{self.repeat}"
        plain = [(NOTHING, 0.0), *product(study.plain_arms, study.protocol.shares)]
        made = [*product(study.arms, study.protocol.shares)]
        own, all_ = study.depends() | {"arms": study.plain_arms}, study.depends(True) | {"arms": study.arms}
        cells = (
            study.cells.of(f"plain-{name}", own, lambda: self._fitted(self._changed[: at + 1], plain)),
            study.cells.of(f"generated-{name}", all_, lambda: self._fitted(self._made[: at + 1], made)),
        )
        return [fit for cell in cells for fit in as_fits(cell)]

    def transfers(self) -> Arrays:
        """Probabilities of classifiers trained on all real records, or on equally many generated ones alone."""
        depends = self.study.depends(True) | {"arms": self.study.arms}
        return self.study.cells.of(f"transfer-{self.repeat}", depends, self._transferred)

    def generation_cells(self) -> list[tuple[str, Arrays]]:
        """Arm and cell of all generated records."""
        return [(arm, cell) for arm, cells in self._drawn.items() for cell in cells]

    @cached_property
    def _real(self) -> list[Labelled]:
        self.study.report("preparing training records", self.repeat / self.study.protocol.repeats)
        return [self.study.real_records(rows) for rows in self.rows]

    @cached_property
    def _changed(self) -> list[Shell]:
        """Shells with the records of classical augmentation."""
        found = []
        for at, (rows, real) in enumerate(zip(self.rows, self._real, strict=True)):
            self.study.report("classical augmentation", at / len(self.rows))
            ecg = self.study.pack.ecg(rows)
            wanted, laps = self.study.plain_arms, self.study.laps
            changed = augmented(real, ecg, wanted, laps, self.study.downstream, self.seed, self._first(at))
            found.append(Shell(real, changed))
        return found

    @cached_property
    def _made(self) -> list[Shell]:
        """Shells with all that the generator draws."""
        label, drawn = self.study.labelled, self._drawn
        return [
            Shell(real, {arm: label(cells[at]["inputs"], cells[at]["row"]) for arm, cells in drawn.items()})
            for at, real in enumerate(self._real)
        ]

    @cached_property
    def _drawn(self) -> dict[str, list[Arrays]]:
        """By arm, the generated records of each shell."""
        found: dict[str, list[Arrays]] = {arm: [] for arm in self.study.arms}
        for (at, rows), arm in product(enumerate(self.rows), found):
            make = partial(self.study.drawn, arm, rows, self.study.laps * len(rows), self.seed, self._first(at))
            found[arm].append(self.study.cells.of(f"{arm}-{at}-{self.repeat}", self.study.depends(True), make))
        return found

    def _first(self, at: int) -> int:
        """Number of the first added record of a shell."""
        return self.study.laps * sum(len(rows) for rows in self.rows[:at])

    def _fitted(self, parts: Sequence[Shell], arms: Sequence[tuple[str, float]]) -> Arrays:
        """A classifier for each arm and share, as arrays of a cell."""
        study, found = self.study, []
        for done, (arm, share) in enumerate(arms):
            train, added = training_set(parts, arm, share, self.seed)
            found.append(
                Fit(arm, share, len(train) - added, added, train_and_predict(train, study.test, study.downstream))
            )
            study.report(f"repeat {self.repeat + 1}, {found[0].n_real} real records", done / len(arms))
        return as_cell(found)

    def _transferred(self) -> Arrays:
        """Probabilities of TRTR, TSTR and TRTS for each arm as arrays of a cell; equal numbers from every shell."""
        study, found = self.study, {}
        for arm in study.arms:
            pairs = [(shell.real, shell.added[arm]) for shell in self._made]
            equal = [[one.at(np.arange(min(map(len, pair)))) for one in pair] for pair in pairs]
            real, drawn = (joined(every) for every in zip(*equal, strict=True))
            sides = {"TRTR": (real, study.test), "TSTR": (drawn, study.test), "TRTS": (real, study.drawn_test)}
            for name, (train, test) in sides.items():
                found[f"{name} {arm}"] = train_and_predict(train, test, study.downstream).astype(np.float32)
        return found
