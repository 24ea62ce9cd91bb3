"""For whom a reconstruction is near the truth: r and RMSE of men and women, of the ages, of each diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas

from ecggen.conditioning import statements
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.report.sections.subgroups import AGES

FEWEST = 20
"""Fewest records of a group that is told."""
MOST_STATEMENTS = 24
"""How many of the statements are told, the most frequent ones."""


def groups(index: pandas.DataFrame) -> dict[str, np.ndarray]:
    """Which of some records (rows of a pack's index) belong to each group."""
    age, sex = index.age.to_numpy(float), index.sex.to_numpy(float)
    said = [frozenset(codes.split()) for codes in index.codes]
    found = {"all": np.ones(len(index), bool), "men": sex == 0, "women": sex == 1}
    found |= {name: (age >= low) & (age < high) for name, (low, high) in AGES.items()}
    for name, enough in statements.superclasses().items():
        found[f"superclass {name}"] = np.array([bool(codes & enough) for codes in said])
    each = {code: np.array([code in codes for codes in said]) for code in statements.codes()}
    often = sorted(each, key=lambda code: -each[code].sum())[:MOST_STATEMENTS]
    return found | {code: each[code] for code in often}


def by_group(
    r: np.ndarray, squared: np.ndarray, index: pandas.DataFrame, patients: Sequence[str], seed: int
) -> Mapping[str, Any]:
    """r with its interval and RMSE of each group that holds enough records.

    Args:
        r: (record, lead).
        squared: (record, lead) mean squared error in mV².
        index: The pack's index of these records.
        patients: The patient of each.
        seed: Seed of the bootstrap.
    """
    found = {}
    for name, here in groups(index).items():
        if here.sum() >= FEWEST:
            own = [patient for patient, inside in zip(patients, here, strict=True) if inside]
            found[name] = {
                "n": int(here.sum()),
                "r": float(r[here].mean()),
                "r_interval": patient_interval(r[here], own, seed),
                "rmse_mv": float(np.sqrt(squared[here].mean(0)).mean()),
            }
    return found
