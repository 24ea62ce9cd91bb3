"""The share of records with a property, against the same share in halves of the real records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.report.inputs.cohort import halves
from ecggen.report.references import MOST, SPLITS, Both, Comparison, enough, own_patients


def compare_share(
    sets: Both, patients: Sequence[str], seed: int = 0, synthetic_patients: Sequence[str] | None = None
) -> Comparison:
    """The share of records with a property; its floor is the same share in halves of the real records.

    Args:
        sets: (record,) of bool of the synthetic and of the real records.
        patients: Patient of each real record.
        seed: Seed of the splits and of resampling.
        synthetic_patients: Patient of each synthetic record; by default each record is a patient.

    Raises:
        InputError: If there are too few records or patients.
    """
    synthetic, real = enough(sets, patients)
    parts = halves(patients, min(len(synthetic), MOST), SPLITS, seed)
    floors = [float(real[second].mean()) for _, second in parts]
    low, high = np.quantile(floors, [0.05, 0.95])
    interval = share_interval(synthetic, own_patients(synthetic, synthetic_patients), seed)
    sizes = len(synthetic), len(real), min(len(second) for _, second in parts)
    return Comparison(float(synthetic.mean()), interval, float(real.mean()), float(low), float(high), *sizes)


def share_interval(having: np.ndarray, patients: Sequence[str], seed: int) -> tuple[float, float]:
    """95 % interval of a share: patient bootstrap; Wilson's interval if all records or none have the property.

    Example:
        >>> low, high = share_interval(np.zeros(100, bool), [str(row) for row in range(100)], seed=0)
        >>> low, round(high, 3)
        (0.0, 0.037)
    """
    n_patients = len(set(patients))
    if having.all() or not having.any():
        wilson = binomtest(n_patients if having.all() else 0, n_patients).proportion_ci(method="wilson")
        return float(wilson.low), float(wilson.high)
    return patient_interval(having.astype(float), patients, seed)
