"""The sets of ECGs of a report, and the measurements on each set, which are computed once.

Scores use valid records only (finite, within ±10 mV, no flat lead). The share of invalid records is a score of its own,
so that one error, such as microvolts read as millivolts, fails one section and not all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ecggen.core import artifacts
from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.rhythm import r_peaks
from ecggen.evaluators.classifier import Classifier, Predictions
from ecggen.evaluators.delineator import Waves, delineate
from ecggen.evaluators.ecg_text import ECGTextEncoder
from ecggen.evaluators.extractor import Extractor
from ecggen.metrics.criteria.measurements import measure
from ecggen.metrics.criteria.rules import criteria_met
from ecggen.metrics.functional import intervals as waves_to_intervals
from ecggen.metrics.functional.variability import AlignedBeats, aligned_beats, beat_variability
from ecggen.report import median_beats, repeats

LEAST = 50
"""Least number of records for most scores."""
PART = 200
"""Records that are processed at a time, to limit memory."""


@dataclass(frozen=True)
class ECGSet:
    """A set of records with their metadata.

    Attributes:
        ecg: All records in mV, with one sampling rate, duration and set of leads.
        names: Name of each record.
        patients: Patient of each record; the name of the record if it is not known.
        codes: SCP statements of each record, separated by spaces; "" if not known.
        texts: Requested text or report of each record; "" if not known.
        age: (record,) age in years, NaN if not known.
        sex: (record,) 0 male, 1 female, NaN if not known.
        requested_heart_rate: (record,) requested heart rate per minute, NaN if none.
        source: Name of the file or folder, without its path.
        left_out: Records that could not be used, with the reason.
        changed: Changes made to the records (resampled, cropped, leads derived), as text.
        provenance: Origins that the files state, with the number of records.
        derived: Leads that no file holds, and that were derived from others.
    """

    ecg: ECG
    names: tuple[str, ...]
    patients: tuple[str, ...]
    codes: tuple[str, ...]
    texts: tuple[str, ...]
    age: np.ndarray
    sex: np.ndarray
    requested_heart_rate: np.ndarray
    source: str
    left_out: dict[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    provenance: dict[str, int] = field(default_factory=dict)
    derived: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.ecg)

    def at(self, rows: np.ndarray | Sequence[int]) -> ECGSet:
        """The records at ``rows``."""
        rows = np.asarray(rows, int)
        texts = {
            name: tuple(np.asarray(getattr(self, name), object)[rows])
            for name in ("names", "patients", "codes", "texts")
        }
        numbers = {name: getattr(self, name)[rows] for name in ("age", "sex", "requested_heart_rate")}
        return replace(self, ecg=replace(self.ecg, signal=self.ecg.signal[rows]), **texts, **numbers)


@dataclass
class MeasuredSet:
    """A set of ECGs and the measurements on it, each computed when it is first used.

    Attributes:
        all: The records as given.
        classifier: The classifier; None leaves out the scores that need it.
        report: Called with the current step and the fraction done.
    """

    all: ECGSet
    classifier: Classifier | None
    report: Callable[[str, float], None] = lambda what, share: None

    @cached_property
    def flaws(self) -> dict[str, np.ndarray]:
        """Which records have which flaw (record,), by the names of ``ecggen.core.artifacts``."""
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
        """The independent leads of the valid records at 100 Hz, 0.5–40 Hz (``median_beats.plain``)."""
        return median_beats.plain(self.valid.ecg)

    @cached_property
    def shapes(self) -> np.ndarray:
        """Median beats of the valid records (record, lead, point) in mV, NaN for fewer than three beats."""
        return median_beats.shapes(self.plain, self.peaks)

    @cached_property
    def repeats(self) -> np.ndarray:
        """Whether each valid record equals an earlier one of the set: (valid record,) of bool."""
        return repeats.repeats(self.plain.signal.numpy(), self.shapes)

    @cached_property
    def peaks(self) -> list[np.ndarray]:
        """R peaks of the valid records, in s."""
        return r_peaks(self.valid.ecg)

    @cached_property
    def beats(self) -> list[AlignedBeats]:
        """Aligned beats of the valid records, at 100 Hz, 0.5–40 Hz."""
        return aligned_beats(self.plain, self.peaks)

    @cached_property
    def variability(self) -> dict[str, np.ndarray]:
        """Beat-to-beat variability of the valid records."""
        return beat_variability(self.plain, beats=self.beats)

    @cached_property
    def criteria(self) -> dict[str, np.ndarray]:
        """Which valid records meet the diagnostic criterion of which statement: (record,) of bool by code."""
        known = self.valid
        waves = self.waves if self.waves.leads == STANDARD_LEADS else None
        return criteria_met(measure(known.ecg, waves, known.sex))

    @cached_property
    def waves(self) -> Waves:
        """P, QRS and T waves of the valid records."""
        return delineate(self.valid.ecg, progress=lambda share: self.report(f"delineating {self.all.source}", share))

    @cached_property
    def intervals(self) -> dict[str, np.ndarray]:
        """Intervals and amplitudes of the valid records."""
        return waves_to_intervals.ecg_intervals(self.valid.ecg, self.waves)

    @cached_property
    def predictions(self) -> Predictions | None:
        """Predictions of the classifier for the valid records; None without a classifier or valid records."""
        if self.classifier is None or not len(self.valid):
            return None
        return self.classifier.predict(
            self.valid.ecg, progress=lambda share: self.report(f"classifying {self.all.source}", share)
        )


@dataclass
class Cohorts:
    """All sets, networks and settings that the sections use.

    Attributes:
        synthetic: The synthetic ECGs.
        real: Real ECGs, those the generator was trained on if they are known.
        holdout: Real ECGs of other patients, or None.
        truth: The true ECG of each synthetic one, in the same order, for reconstructions; or None.
        ecg_text: The ECG–text encoder; None leaves out the scores that need it.
        given: Leads that the reconstruction was given.
        seed: Seed of all splits and resampling.
        about: Information of the caller on the generator (name, weights, seed, evaluations, seconds).
        notes: Notes on how the sets were read and selected, one sentence each.
        extractors: Further networks on whose features the sets are compared.
    """

    synthetic: MeasuredSet
    real: MeasuredSet
    holdout: MeasuredSet | None = None
    truth: MeasuredSet | None = None
    ecg_text: ECGTextEncoder | None = None
    given: tuple[str, ...] = ()
    seed: int = 0
    about: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    extractors: tuple[Extractor, ...] = ()


def halves(patients: Sequence[str], size: int, splits: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Random patient-disjoint halves of the records.

    Args:
        patients: Patient of each record.
        size: Largest number of records in each half.
        splits: Number of splits.
        seed: Seed of the splits.

    Returns:
        Pairs of rows, equally many in both halves.

    Example:
        >>> [(first, second)] = halves(["a", "b", "a", "b"], size=2, splits=1, seed=0)
        >>> sorted([first.tolist(), second.tolist()])
        [[0, 2], [1, 3]]
    """
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
