"""The share of records that have a property, beside the same share of real halves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.report.inputs.cohort import halves
from ecggen.report.references import MOST, SPLITS, Both, Compared, enough, own_patients


def compared_share(sets: Both, patients: Sequence[str], seed: int = 0, drawn: Sequence[str] | None = None) -> Compared:
    """The share of records with a property, whose floor is the same share of real halves.

    Args:
        sets: (record,) of bool of the synthetic and of the real records.
        patients: The patient of each real record.
        seed: Seed of splits and redraws.
        drawn: The patient of each synthetic record; each is its own where left out.

    Raises:
        InputError: Where records or patients are too few.
    """
    synthetic, real = enough(sets, patients)
    parts = halves(patients, min(len(synthetic), MOST), SPLITS, seed)
    floors = [float(real[second].mean()) for _, second in parts]
    low, high = np.quantile(floors, [0.05, 0.95])
    interval = share_interval(synthetic, own_patients(synthetic, drawn), seed)
    sizes = len(synthetic), len(real), min(len(second) for _, second in parts)
    return Compared(float(synthetic.mean()), interval, float(real.mean()), float(low), float(high), *sizes)


def share_interval(having: np.ndarray, patients: Sequence[str], seed: int) -> tuple[float, float]:
    """Patient bootstrap of a share; Wilson's where all records, or none, have the property and no redraw differs."""
    people = len(set(patients))
    if having.all() or not having.any():
        exact = binomtest(people if having.all() else 0, people).proportion_ci(method="wilson")
        return float(exact.low), float(exact.high)
    return patient_interval(having.astype(float), patients, seed)
