"""Reconstructed ECGs paired with their true ECGs, and a linear baseline for them.

Pairs in which either record is invalid are left out. Both records pass the same filter to the same sampling rate, so
that the pass band and the rate of the recorder are not scored. Only leads that were neither given nor determined by the
given ones are scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS, determined_by
from ecggen.core.errors import InputError
from ecggen.generators.baselines.baselines import LaggedRegression, independent
from ecggen.generators.baselines.lagged_regression import filtered
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.report import median_beats
from ecggen.report.inputs.cohort import LEAST, Cohorts, ECGSet, MeasuredSet
from ecggen.report.scores import FAIL, PASS, WARN

PREPROCESSING = "both at 100 Hz, 0.5–40 Hz"
"""Preprocessing of the pairs, for definitions."""


@dataclass
class Pairs:
    """Pairs of valid synthetic and true records.

    Attributes:
        cohorts: The sets; ``truth`` holds the true records, ``given`` the leads that were given.

    Raises:
        InputError: If there are no true records, their number differs, or there are too few valid pairs.
    """

    cohorts: Cohorts

    def __post_init__(self):
        if self.cohorts.truth is None:
            raise InputError("no true ECGs were given", do="give them with --paired")
        synthetic, true = self.cohorts.synthetic, self.cohorts.truth
        if len(synthetic.all) != len(true.all):
            found = f"{len(synthetic.all)} synthetic records and {len(true.all)} true ones"
            raise InputError(found, "pairs were expected")
        valid = [~np.any(list(one.flaws.values()), axis=0) for one in (synthetic, true)]
        self.both = valid[0] & valid[1]
        if self.both.sum() < LEAST:
            raise InputError(f"{self.both.sum()} valid pairs, {LEAST} needed")
        self.rows = [(np.cumsum(one) - 1)[self.both] for one in valid]

    def __len__(self) -> int:
        return int(self.both.sum())

    @property
    def sides(self) -> tuple[MeasuredSet, MeasuredSet]:
        """The synthetic and the true set; ``rows`` holds the rows of the pairs among their valid records."""
        assert self.cohorts.truth is not None
        return self.cohorts.synthetic, self.cohorts.truth

    @property
    def true_set(self) -> ECGSet:
        """The true records of the pairs."""
        return self.sides[1].valid.at(self.rows[1])

    @cached_property
    def patients(self) -> list[str]:
        """The patient of each pair."""
        return list(self.true_set.patients)

    @cached_property
    def leads(self) -> tuple[str, ...]:
        """The leads that are scored.

        Raises:
            InputError: If the given leads determine all of them.
        """
        held = self.sides[0].valid.ecg.leads
        known = determined_by(self.cohorts.given)
        free = [lead for lead in (*INDEPENDENT_LEADS, *STANDARD_LEADS) if lead in held and lead not in known]
        kept = [lead for lead in free if lead in INDEPENDENT_LEADS] or free
        if not kept:
            raise InputError(f"{', '.join(self.cohorts.given)} determine every lead", "a lead to score was expected")
        return tuple(dict.fromkeys(kept))

    @cached_property
    def waves(self) -> tuple[np.ndarray, np.ndarray]:
        """Generated and true (pair, scored lead, time) in mV after ``PREPROCESSING``."""
        generated, true = (self._preprocessed(side, rows) for side, rows in zip(self.sides, self.rows, strict=True))
        return generated, true

    @property
    def fs(self) -> float:
        """Sampling rate of ``waves`` in Hz."""
        return self.sides[0].plain.fs

    def _preprocessed(self, side: MeasuredSet, rows: np.ndarray) -> np.ndarray:
        if set(self.leads) <= set(side.plain.leads):
            return side.plain.pick(*self.leads).signal[rows].double().numpy()
        picked = side.valid.ecg.pick(*self.leads)
        return median_beats.plain(picked).signal[rows].double().numpy()

    def peaks(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """R peaks of the generated and of the true records, in s."""
        generated, true = ([side.peaks[row] for row in rows] for side, rows in zip(self.sides, self.rows, strict=True))
        return generated, true

    def measured(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """An interval (pair,) or amplitude (pair, lead) of generated and true records; NaN if not measured."""
        generated, true = (side.intervals[name][rows] for side, rows in zip(self.sides, self.rows, strict=True))
        return generated, true

    def other_pairs(self) -> np.ndarray:
        """(pair,): for each pair the row of another pair, of another patient if there is one."""
        order = np.random.default_rng(self.cohorts.seed).permutation(len(self))
        names = np.array(self.patients, object)
        others = np.empty_like(order)
        for step in range(1, min(10, len(order))):
            others[order] = np.roll(order, step)
            if (names[others] != names).all():
                break
        return others

    @cached_property
    def regression(self) -> np.ndarray:
        """(pair, scored lead, time) in mV: prediction of a lagged linear regression fitted to the real records.

        Raises:
            InputError: If no lead was given, or the real or the true records lack leads that it needs.
        """
        given = [STANDARD_LEADS.index(lead) for lead in self.cohorts.given]
        if not given:
            raise InputError("no lead was given")
        training, true = (self._independent_leads(one) for one in (self.cohorts.real.valid.ecg, self.true_set.ecg))
        baseline = LaggedRegression()
        moments = baseline.nothing_yet(training.fs)
        for start in range(0, len(training), 128):
            moments.add(training.signal[start : start + 128].numpy())
        rows = LEAD_MATRIX[list(independent(given))]
        observed = true.signal.new_tensor(rows) @ true.signal
        predicted = filtered(observed, *moments.weights(rows), moments.shifts)
        return predicted[:, [INDEPENDENT_LEADS.index(lead) for lead in self.leads]].double().numpy()

    def _independent_leads(self, ecg: ECG) -> ECG:
        return median_beats.plain(ecg.standard().pick(*INDEPENDENT_LEADS))


def varies(ratio: float) -> str:
    """Verdict on the ratio of the generated to the true variance.

    Example:
        >>> varies(0.9), varies(0.6), varies(0.4)
        ('pass', 'warn', 'fail')
    """
    return PASS if 0.8 <= ratio <= 1.25 else WARN if 0.5 <= ratio <= 2 else FAIL


def mean_over_leads(values: np.ndarray, patients: Sequence[str], seed: int) -> tuple[float, tuple[float, float]]:
    """Mean of (pair, lead) and its patient bootstrap interval; NaN are left out of the mean of a pair."""
    known = np.isfinite(values).any(1)
    means = np.nanmean(values[known], 1)
    return float(means.mean()), patient_interval(means, np.array(patients, object)[known].tolist(), seed)
