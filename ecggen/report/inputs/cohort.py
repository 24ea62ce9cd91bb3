"""What a report is written about: sets of ECGs, and what is found in each, found once.

Scores rest on valid records only (finite, within ±10 mV, no flat lead); how many are not is a score of its own, so
that one fault — microvolts taken for millivolts — turns one section red and not all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ecggen.core import artifacts
from ecggen.core.ecg import ECG
from ecggen.core.rhythm import r_peaks
from ecggen.evaluators.classifier import Classifier, Predictions
from ecggen.evaluators.delineator import Waves, delineate
from ecggen.evaluators.ecg_text import ECGTextEncoder
from ecggen.evaluators.extractor import Extractor
from ecggen.metrics.functional import intervals as waves_to_intervals
from ecggen.report import median_beats, repeats

LEAST = 50
"""Records that most scores need."""
PART = 200
"""Records that are looked through at a time where all at once would take much memory."""


@dataclass(frozen=True)
class ECGSet:
    """Records of one kind, with what is known of them.

    Attributes:
        ecg: All of them, of one rate, length and set of leads, in mV.
        names: One for each record.
        patients: The patient of each record; its own name where none is known.
        codes: SCP statements of each, apart by blanks; "" where none are known.
        texts: What each was asked for, or its report; "" where nothing is known.
        age: (record,) years, NaN where unknown.
        sex: (record,) 0 male, 1 female, NaN where unknown.
        asked_rate: (record,) heart rate per minute that was asked for, NaN where none was.
        source: Where they come from, for the report; no path, only a name.
        left_out: Records that could not be read, with the reason.
        changed: What was changed to make them fit, in words (resampled, cropped, leads derived).
        provenance: What the files say of their origin, with how many records say so.
    """

    ecg: ECG
    names: tuple[str, ...]
    patients: tuple[str, ...]
    codes: tuple[str, ...]
    texts: tuple[str, ...]
    age: np.ndarray
    sex: np.ndarray
    asked_rate: np.ndarray
    source: str
    left_out: dict[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    provenance: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ecg)

    def at(self, rows: np.ndarray | Sequence[int]) -> ECGSet:
        """The records at ``rows``."""
        rows = np.asarray(rows, int)
        words = {
            name: tuple(np.asarray(getattr(self, name), object)[rows])
            for name in ("names", "patients", "codes", "texts")
        }
        numbers = {name: getattr(self, name)[rows] for name in ("age", "sex", "asked_rate")}
        return replace(self, ecg=replace(self.ecg, signal=self.ecg.signal[rows]), **words, **numbers)


@dataclass
class Studied:
    """A set of ECGs and what is found in it, each when it is first asked for.

    Attributes:
        all: The records as given.
        judge: The classifier that judges them; None leaves out what rests on it.
        report: Called with what is being done and the share done.
    """

    all: ECGSet
    classifier: Classifier | None
    report: Callable[[str, float], None] = lambda what, share: None

    @cached_property
    def flaws(self) -> dict[str, np.ndarray]:
        """Which records have which flaw, as ``flaws.found`` names them."""
        signal, fs = self.all.ecg.signal.numpy(), self.all.ecg.fs
        parts = [artifacts.found(signal[at : at + PART], fs) for at in range(0, max(len(signal), 1), PART)]
        return {flaw: np.concatenate([part[flaw] for part in parts]) for flaw in parts[0]}

    @cached_property
    def valid(self) -> ECGSet:
        """The records without a flaw."""
        flawed = np.any(list(self.flaws.values()), axis=0)
        return self.all.at(np.flatnonzero(~flawed)) if flawed.any() else self.all

    @cached_property
    def plain(self) -> ECG:
        """The valid records in one form (``beat_shapes.plain``): independent leads at 100 Hz with 0.5–40 Hz."""
        return median_beats.plain(self.valid.ecg)

    @cached_property
    def shapes(self) -> np.ndarray:
        """The valid records' median beats (record, lead, point) in mV, NaN where a record has fewer than three."""
        return median_beats.shapes(self.plain, self.peaks)

    @cached_property
    def repeats(self) -> np.ndarray:
        """(valid record,) of bool: whether it equals an earlier record of the set."""
        return repeats.repeats(self.plain.signal.numpy(), self.shapes)

    @cached_property
    def peaks(self) -> list[np.ndarray]:
        """R peaks of the valid records, in s."""
        return r_peaks(self.valid.ecg)

    @cached_property
    def waves(self) -> Waves:
        """P, QRS and T of the valid records."""
        return delineate(self.valid.ecg, progress=lambda share: self.report(f"delineating {self.all.source}", share))

    @cached_property
    def intervals(self) -> dict[str, np.ndarray]:
        """Intervals and amplitudes of the valid records."""
        return waves_to_intervals.intervals(self.valid.ecg, self.waves)

    @cached_property
    def predictions(self) -> Predictions | None:
        """What the classifier finds in the valid records; None without a classifier or without records."""
        if self.classifier is None or not len(self.valid):
            return None
        return self.classifier.predict(
            self.valid.ecg, progress=lambda share: self.report(f"judging {self.all.source}", share)
        )


@dataclass
class Material:
    """Everything a section may use.

    Attributes:
        synthetic: The ECGs that are judged.
        real: Real ECGs, those the generator was trained on if they are known.
        holdout: Real ECGs of other patients; None where there are none.
        truth: The true ECG of each synthetic one, in its order (a reconstruction's); None where there are none.
        pair: The ECG-text encoders; None leaves out what rests on them.
        given: Leads that the reconstruction was given.
        seed: Seed of every split and redraw.
        about: What the caller says of the generator, for the report (name, weights, seed, evaluations, seconds).
        notes: What happened on the way in that a reader must know, a sentence each.
        extractors: Further networks on whose features the sets are compared.
    """

    synthetic: Studied
    real: Studied
    holdout: Studied | None = None
    truth: Studied | None = None
    ecg_text: ECGTextEncoder | None = None
    given: tuple[str, ...] = ()
    seed: int = 0
    about: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    extractors: tuple[Extractor, ...] = ()


def halves(patients: Sequence[str], size: int, splits: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Patient-disjoint pairs of rows, ``size`` each (less where patients run out), ``splits`` of them."""
    _, which = np.unique(np.asarray(patients, object).astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(splits):
        order = rng.permutation(which.max() + 1)
        first = np.isin(which, order[: len(order) // 2])
        sides = [rng.permutation(np.flatnonzero(side)) for side in (first, ~first)]
        least = min(size, *map(len, sides))
        found.append((np.sort(sides[0][:least]), np.sort(sides[1][:least])))
    return found
