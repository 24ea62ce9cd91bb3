"""All training records of a generator, prepared for the search for copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.benchmark.generation import recorded
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.metrics.functional import privacy
from ecggen.report import copies
from ecggen.report.inputs.cohort import LEAST, Cohorts, MeasuredSet
from ecggen.report.nearness import NO_HOLDOUT
from ecggen.report.references import known_rows
from ecggen.report.scores import Score, beyond
from ecggen.report.sections.memorisation import COPY_FAIL, COPY_WARN
from ecggen.report.shares import share_interval

PART = 1000
"""Records per batch."""
COPIES = "copies of any training record"


@dataclass(frozen=True)
class Known:
    """The valid training records.

    Attributes:
        traits: Their waveforms and features for the search.
        patients: (record,) patient of each record.
    """

    traits: copies.Traits
    patients: np.ndarray

    @classmethod
    def of(cls, pack: Pack, rows: np.ndarray, report: Callable[[str, float], None] = lambda what, share: None) -> Known:
        """The records at ``rows`` of a pack."""
        parts, patients = [], []
        for start in range(0, len(rows), PART):
            part = MeasuredSet(recorded(pack, rows[start : start + PART], "training records"), None)
            parts.append(copies.Traits.of(part))
            patients += part.valid.patients
            report("preparing the training records", min(1.0, (start + PART) / len(rows)))
        together = zip(*((part.waves, *part.kinds) for part in parts), strict=True)
        waves, beats, spectra = map(np.concatenate, together)
        return cls(copies.Traits(waves, parts[0].fs, (beats, spectra)), np.array(patients, object))

    def most_similar(self, traits: copies.Traits, patients: Sequence[str]) -> list[np.ndarray]:
        """For each record, the few most similar records of other patients by beat or spectrum."""
        most = int(np.unique(self.patients.astype(str), return_counts=True)[1].max())
        found: list[list[int]] = [[] for _ in patients]
        for own, theirs in zip(traits.kinds, self.traits.kinds, strict=True):
            rows, columns = known_rows(own), known_rows(theirs)
            if not len(rows) or not len(columns):
                continue
            number = min(most + copies.NEIGHBOURS, len(columns))
            near = columns[privacy.closest(own[rows], theirs[columns], number)[1].reshape(len(rows), number)]
            for row, candidates in zip(rows, near, strict=True):
                found[row] += candidates[self.patients[candidates] != patients[row]][: copies.NEIGHBOURS].tolist()
        return [np.unique(one).astype(int) for one in found]


def copied(cohorts: Cohorts, known: Known) -> Score:
    """Fraction of the draws with conditions of training records that copy any training record.

    The reference is the same fraction of held-out records, which cannot be copies.

    Args:
        cohorts: Its real records are those from which the conditions were taken.
        known: All training records.

    Raises:
        InputError: If there are too few draws or held-out records.
    """
    if cohorts.holdout is None:
        raise InputError(NO_HOLDOUT)
    conditioned = set(cohorts.real.all.names)
    rows = np.flatnonzero([name in conditioned for name in cohorts.synthetic.valid.names])
    least = min(len(rows), len(cohorts.holdout.valid))
    if least < LEAST:
        raise InputError(f"{least} valid draws or held-out records", f"{LEAST} were expected")
    patients = cohorts.synthetic.valid.at(rows).patients
    drawn, interval = _share(copies.Traits.of(cohorts.synthetic).at(rows), patients, known, cohorts.seed)
    held_out = copies.Traits.of(cohorts.holdout), cohorts.holdout.valid.patients
    floor, (_, floor_high) = _share(*held_out, known, cohorts.seed)
    return Score(
        COPIES,
        drawn,
        unit="share",
        interval=interval,
        floor=floor,
        floor_high=floor_high,
        n_synthetic=len(rows),
        n_real=len(known.patients),
        definition=f"of draws conditioned on training records: {copies.SEARCH}; "
        "floor: the same share of held-out records",
        extractor="none: waves at 100 Hz, 0.5–40 Hz",
        verdict=beyond(drawn, floor, COPY_WARN, COPY_FAIL),
    )


def _share(
    traits: copies.Traits, patients: Sequence[str], known: Known, seed: int
) -> tuple[float, tuple[float, float]]:
    """Fraction of records that copy a training record, with its interval."""
    same = copies.search(traits, known.traits)["r"] >= copies.THRESHOLD
    return float(same.mean()), share_interval(same, patients, seed)
