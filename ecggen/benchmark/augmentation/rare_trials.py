"""The repeats of the protocol of rare statements: added records, classifiers and their predictions.

Slow steps are cached in cells: the classifier's inputs of the records that are generated for a statement, and the
predictions on the test set. Cells that do not depend on a generator are shared by all models.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from ecggen.augment import classical
from ecggen.augment.augmenter import Augmenter, Limits, Rules, limits_of
from ecggen.benchmark.augmentation.gains import NOTHING
from ecggen.benchmark.augmentation.protocol import Report
from ecggen.benchmark.augmentation.rare_protocol import Protocol
from ecggen.benchmark.augmentation.records import DOWNSTREAM, data_hash, inputs_of, labelled, labels_of
from ecggen.benchmark.augmentation.training_sets import ANY, GENERATED, REPEATED
from ecggen.benchmark.generation import chosen
from ecggen.benchmark.partial_results import Arrays, Cells
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.data.population import LABELS, Population
from ecggen.evaluators import pretrained
from ecggen.generators.base import Generator
from ecggen.metrics.utility.labelled import Labelled, usable
from ecggen.metrics.utility.tstr import train_and_predict

SYNTHETIC, REPEATS = GENERATED[0], REPEATED[0]
ARMS = (NOTHING, REPEATS, ANY, SYNTHETIC)
"""What is added: nothing, real records of the statement again, the same after a random augmentation, generated ones."""
VERSION = 1
"""Version of the content of a cell."""
OTHERS = 1000
"""Training records without rare statements from which the classifier's limits are estimated."""


class Study:
    """Common parts of all repeats.

    Attributes:
        rows: Rows of the real training records.
        test_rows: Rows of the real test records.
        counts: By rare statement, the number of its training patients and records.
        tested: The rare statements with enough test records.
        left_out: The other ones, with the reason.
        classifier: Classifier that checks generated records; None for none.
    """

    def __init__(self, protocol: Protocol, pack: Pack, generator: Generator, report: Report, cells: Cells):
        self.protocol, self.pack, self.generator, self.report, self.cells = protocol, pack, generator, report, cells
        self.rows = chosen(pack, protocol.train_folds, protocol.n, protocol.seed)
        self.test_rows = chosen(pack, protocol.folds, 0, protocol.seed)
        self.counts = rare(pack, self.rows, LABELS[protocol.labels](), protocol.least, protocol.below)
        names = [*self.counts]
        sets = {"training": self.rows, "test": self.test_rows}
        kept, self.left_out = usable(
            {name: labels_of(pack, rows, self.labels_of(names)) for name, rows in sets.items()}, names
        )
        self.tested = [names[place] for place in kept]
        self.classifier = pretrained.load(protocol.classifier, "classifier") if protocol.classifier else None

    def labels_of(self, names: Sequence[str]) -> dict[str, frozenset[str]]:
        """The SCP statements of some labels."""
        every = LABELS[self.protocol.labels]()
        return {name: every[name] for name in names}

    def showing(self, name: str) -> np.ndarray:
        """Rows of the training records with a rare statement."""
        return self.rows[labels_of(self.pack, self.rows, self.labels_of([name]))[:, 0] > 0]

    def lacking(self, name: str) -> int:
        """Number of records that are added for a rare statement."""
        return max(0, self.protocol.target - self.counts[name]["records"])

    def depends(self, drawn: bool = False) -> dict[str, Any]:
        """Everything on which a cell depends: data, settings and, for generated records, model and classifier."""
        without = ("redraws", "repeats") if drawn else ("redraws", "repeats", "classifier", "quantile", "tries")
        settings = {key: value for key, value in asdict(self.protocol).items() if key not in without}
        about = {"version": VERSION, "data": self._data, "settings": settings}
        drawing = {
            "model": self.generator.name,
            "sampling": str(self.generator.sampling_from_text),
            "classifier": self.classifier.name if self.classifier else "",
        }
        return about | (drawing if drawn else {})

    @cached_property
    def _data(self) -> str:
        return data_hash(self.pack)

    @cached_property
    def population(self) -> Population:
        """The training records, from which conditions are sampled."""
        return Population.of(self.pack, self.rows)

    @cached_property
    def limits(self) -> Limits:
        """The classifier's limits on the training records with rare statements and a thousand others."""
        if self.classifier is None:
            return {}
        self.report("limits of the classifier", 0.0)
        shown = labels_of(self.pack, self.rows, self.labels_of([*self.counts])).any(1)
        others = np.random.default_rng(self.protocol.seed).permutation(self.rows[~shown])[:OTHERS]
        rows = np.sort(np.concatenate([self.rows[shown], others]))
        population = Population.of(self.pack, rows)
        return limits_of(self.classifier, self.pack.ecg(rows), population, [*self.counts], self.protocol.quantile)


def rare(
    pack: Pack, rows: np.ndarray, labels: Mapping[str, frozenset[str]], least: int, below: int
) -> dict[str, dict[str, int]]:
    """Numbers of patients and records of the labels that few patients have, the rarest first.

    Args:
        pack: The recordings.
        rows: Rows of the training records.
        labels: SCP statements of each label.
        least: Fewest patients of a label.
        below: Number of patients that is too large.

    Raises:
        InputError: If there is none.
    """
    shown, patients = labels_of(pack, rows, labels) > 0, pack.index.patient.iloc[rows].to_numpy()
    counts = {
        name: {"patients": len(set(patients[column])), "records": int(column.sum())}
        for name, column in zip(labels, shown.T, strict=True)
    }
    found = {name: one for name, one in counts.items() if least <= one["patients"] < below}
    if not found:
        raise InputError(f"no statement has {least} to {below - 1} training patients", "a rare statement was expected")
    return dict(sorted(found.items(), key=lambda pair: pair[1]["patients"]))


class Trial:
    """One repeat: its added records, and the classifiers trained with them.

    Args:
        study: Common parts of all repeats.
        repeat: Its number.
    """

    def __init__(self, study: Study, repeat: int):
        self.study, self.repeat, self.seed = study, repeat, study.protocol.seed + repeat
        self.downstream = DOWNSTREAM[study.protocol.downstream](self.seed)
        self.labels = study.labels_of(study.tested)

    def fits(self) -> dict[str, np.ndarray]:
        """By arm, the probabilities (record, statement) on the test set; releases the real records afterwards."""
        of, study = self.study.cells.of, self.study
        plain = of(f"plain-{self.repeat}", study.depends(), lambda: self._fitted(ARMS[:-1]))
        drawn = of(f"synthetic-{self.repeat}", study.depends(True), lambda: self._fitted(ARMS[-1:]))
        self.__dict__.pop("_real", None)
        self.__dict__.pop("_test", None)
        return plain | drawn

    def drawing(self) -> dict[str, float]:
        """Numbers of requested records, accepted ones and draws, and the time in s."""
        cells = [self._drawn(name) for name in self.study.counts if self.study.lacking(name)]
        return {
            "requested": sum(int(cell["requested"]) for cell in cells),
            "accepted": sum(len(cell["row"]) for cell in cells),
            "draws": sum(int(cell["draws"]) for cell in cells),
            "seconds": round(sum(float(cell["seconds"]) for cell in cells), 1),
        }

    def _fitted(self, arms: Sequence[str]) -> Arrays:
        """Probabilities of a classifier for each arm, as arrays of a cell."""
        added = {arm: self._added(arm) for arm in arms}  # draws before the real records are in memory
        found = {}
        for arm, extra in added.items():
            self.study.report(f"repeat {self.repeat + 1}, training with {arm}", 0.0)
            train = self._real if extra is None else self._real.concatenated(extra)
            found[arm] = train_and_predict(train, self._test, self.downstream).astype(np.float32)
        return found

    def _added(self, arm: str) -> Labelled | None:
        """The records that an arm adds; None for nothing."""
        if arm == NOTHING:
            return None
        make: Callable[[str], Arrays] = self._drawn if arm == SYNTHETIC else partial(self._again, arm)
        cells = [make(name) for name in self.study.counts if self.study.lacking(name)]
        inputs, rows = (np.concatenate([cell[key] for cell in cells]) for key in ("inputs", "row"))
        return labelled(self.study.pack, inputs, rows, self.labels)

    def _again(self, arm: str, name: str) -> Arrays:
        """Inputs and rows of real records of a statement, each as often as needed, perhaps augmented."""
        study, shown, n = self.study, self.study.showing(name), self.study.lacking(name)
        rng = np.random.default_rng((self.seed, len(shown), n))
        rows = np.concatenate([rng.permutation(shown) for _ in range(-(-n // len(shown)))])[:n]
        ecg = study.pack.ecg(rows)
        if arm == ANY:
            parts = np.array_split(rng.permutation(n), len(classical.KINDS))
            kinds = [(kind, part) for kind, part in zip(classical.KINDS, parts, strict=True) if len(part)]
            ecg = ECG.cat(
                [classical.augment(kind, ecg[torch.from_numpy(part)], self.seed, part.tolist()) for kind, part in kinds]
            )
            rows = rows[np.concatenate(parts)]
        return {"inputs": self.downstream.prepare(ecg).astype(np.float32), "row": rows}

    def _drawn(self, name: str) -> Arrays:
        """Inputs and rows of the records that were generated for a statement, as a cell."""
        place = f"drawn-{name.replace('/', '_')}-{self.repeat}"
        return self.study.cells.of(place, self.study.depends(True), lambda: self._draw(name))

    def _draw(self, name: str) -> Arrays:
        study, protocol, began = self.study, self.study.protocol, time.perf_counter()
        place = [*study.counts].index(name)
        first = sum(study.lacking(other) for other in [*study.counts][:place])
        requested = study.population.of_class(name, study.lacking(name), self.seed, first)
        rules = Rules(protocol.quantile, protocol.tries)
        augmenter = Augmenter(study.generator, study.classifier, rules, self.seed, study.limits)
        what = f"repeat {self.repeat + 1}, generating {name}"
        drawn = augmenter.draw(requested, report=lambda share: study.report(what, share))
        kept = [one for one in drawn if one.ecg is not None]
        waves = [one.ecg for one in kept if one.ecg is not None]
        inputs = self.downstream.prepare(ECG.cat(waves).resample(study.pack.preprocessor.fs)) if waves else self._none
        return {
            "inputs": inputs.astype(np.float32),
            "row": study.rows[[one.requested.like for one in kept]] if kept else np.zeros(0, int),
            "requested": np.array(len(drawn)),
            "draws": np.array(sum(one.attempts for one in drawn)),
            "seconds": np.array(time.perf_counter() - began),
        }

    @property
    def _none(self) -> np.ndarray:
        """Inputs of no record."""
        return self.downstream.prepare(self.study.pack.ecg(self.study.rows[:1]))[:0]

    @cached_property
    def _real(self) -> Labelled:
        return self._records(self.study.rows, "preparing training records")

    @cached_property
    def _test(self) -> Labelled:
        return self._records(self.study.test_rows, "preparing test records")

    def _records(self, rows: np.ndarray, what: str) -> Labelled:
        report = partial(self.study.report, f"repeat {self.repeat + 1}, {what}")
        return labelled(self.study.pack, inputs_of(self.study.pack, rows, self.downstream, report), rows, self.labels)
