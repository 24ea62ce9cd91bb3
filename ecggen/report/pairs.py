"""Generated ECGs beside their truths, in one form and in one order, and what a filter without a network would answer.

Pairs in which either record is invalid are left out and counted. Both go through the same filter, to the same rate, so
that neither the recorder's band nor its rate is scored. Only leads count that were not given and do not follow from
the given ones.
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
from ecggen.report.inputs.cohort import LEAST, ECGSet, Material, Studied
from ecggen.report.scores import FAIL, PASS, WARN

FORM = "both at 100 Hz, 0.5–40 Hz"
"""What the pairs went through, for definitions."""


@dataclass
class Pairs:
    """Valid synthetic records and their true ones.

    Attributes:
        material: Holds both, and the leads that were given.

    Raises:
        InputError: Where there are no truths, not one each, or too few valid pairs.
    """

    material: Material

    def __post_init__(self):
        if self.material.truth is None:
            raise InputError("no true ECGs were given", do="give them with --paired")
        drawn, true = self.material.synthetic, self.material.truth
        if len(drawn.all) != len(true.all):
            raise InputError(f"{len(drawn.all)} synthetic records and {len(true.all)} true ones", "pairs were expected")
        sound = [~np.any(list(one.flaws.values()), axis=0) for one in (drawn, true)]
        self.both = sound[0] & sound[1]
        if self.both.sum() < LEAST:
            raise InputError(f"{self.both.sum()} valid pairs, {LEAST} needed")
        self.rows = [(np.cumsum(one) - 1)[self.both] for one in sound]

    def __len__(self) -> int:
        return int(self.both.sum())

    @property
    def sides(self) -> tuple[Studied, Studied]:
        """What is found in the synthetic and in the true records; ``rows`` holds the pairs' places among the valid."""
        assert self.material.truth is not None
        return self.material.synthetic, self.material.truth

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
            InputError: Where the given leads determine all of them.
        """
        held = self.sides[0].valid.ecg.leads
        known = determined_by(self.material.given)
        free = [lead for lead in (*INDEPENDENT_LEADS, *STANDARD_LEADS) if lead in held and lead not in known]
        kept = [lead for lead in free if lead in INDEPENDENT_LEADS] or free
        if not kept:
            raise InputError(f"{', '.join(self.material.given)} determine every lead", "a lead to score was expected")
        return tuple(dict.fromkeys(kept))

    @cached_property
    def waves(self) -> tuple[np.ndarray, np.ndarray]:
        """Drawn and true (pair, scored lead, time) in mV, in the form of ``FORM``."""
        drawn, true = (self._in_form(side, rows) for side, rows in zip(self.sides, self.rows, strict=True))
        return drawn, true

    @property
    def fs(self) -> float:
        """Rate of ``waves`` in Hz."""
        return self.sides[0].plain.fs

    def _in_form(self, side: Studied, rows: np.ndarray) -> np.ndarray:
        if set(self.leads) <= set(side.plain.leads):
            return side.plain.pick(*self.leads).signal[rows].double().numpy()
        picked = side.valid.ecg.pick(*self.leads)
        return median_beats.plain(picked).signal[rows].double().numpy()

    def peaks(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """R peaks of the drawn and of the true records, in s."""
        drawn, true = ([side.peaks[row] for row in rows] for side, rows in zip(self.sides, self.rows, strict=True))
        return drawn, true

    def measured(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """An interval (pair,) or amplitude (pair, lead) of the drawn and of the true records; NaN where unmeasured."""
        drawn, true = (side.intervals[name][rows] for side, rows in zip(self.sides, self.rows, strict=True))
        return drawn, true

    def strangers(self) -> np.ndarray:
        """(pair,): for each pair the place of another one, of another patient where there is one."""
        order = np.random.default_rng(self.material.seed).permutation(len(self))
        names = np.array(self.patients, object)
        others = np.empty_like(order)
        for step in range(1, min(10, len(order))):
            others[order] = np.roll(order, step)
            if (names[others] != names).all():
                break
        return others

    @cached_property
    def regression(self) -> np.ndarray:
        """(pair, scored lead, time) in mV: what lagged linear regression on the real records makes of the given leads.

        Raises:
            InputError: Where no lead was given, or the real records or truths lack leads that it needs.
        """
        given = [STANDARD_LEADS.index(lead) for lead in self.material.given]
        if not given:
            raise InputError("no lead was given")
        learnt, asked = (self._eight(one) for one in (self.material.real.valid.ecg, self.true_set.ecg))
        baseline = LaggedRegression()
        moments = baseline.nothing_yet(learnt.fs)
        for start in range(0, len(learnt), 128):
            moments.add(learnt.signal[start : start + 128].numpy())
        rows = LEAD_MATRIX[list(independent(given))]
        seen = asked.signal.new_tensor(rows) @ asked.signal
        answer = filtered(seen, *moments.weights(rows), moments.shifts)
        return answer[:, [INDEPENDENT_LEADS.index(lead) for lead in self.leads]].double().numpy()

    def _eight(self, ecg: ECG) -> ECG:
        return median_beats.plain(ecg.standard().pick(*INDEPENDENT_LEADS))


def varies(ratio: float) -> str:
    """Verdict on a drawn over a true variance."""
    return PASS if 0.8 <= ratio <= 1.25 else WARN if 0.5 <= ratio <= 2 else FAIL


def mean_over_leads(values: np.ndarray, patients: Sequence[str], seed: int) -> tuple[float, tuple[float, float]]:
    """Mean of (pair, lead) and its interval over patients; NaN are left out of a pair's mean."""
    known = np.isfinite(values).any(1)
    means = np.nanmean(values[known], 1)
    return float(means.mean()), patient_interval(means, np.array(patients, object)[known].tolist(), seed)
