"""Reconstruction error by subgroup: by sex, age and diagnosis, and by hospital for an archive of several hospitals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas

from ecggen.conditioning import statements
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.report.sections.subgroups import AGES

FEWEST = 20
"""Fewest records of a reported group."""
FEWEST_PATIENTS = 10
"""Fewest patients of a hospital for which an interval is given."""
MOST_STATEMENTS = 24
"""Number of reported statements, the most frequent ones."""


def groups(index: pandas.DataFrame) -> dict[str, np.ndarray]:
    """Membership of records (rows of a pack's index) in each group, (record,) bool."""
    age, sex = index.age.to_numpy(float), index.sex.to_numpy(float)
    code_sets = [frozenset(codes.split()) for codes in index.codes]
    found = {"all": np.ones(len(index), bool), "men": sex == 0, "women": sex == 1}
    found |= {name: (age >= low) & (age < high) for name, (low, high) in AGES.items()}
    for name, implying in statements.superclasses().items():
        found[f"superclass {name}"] = np.array([bool(codes & implying) for codes in code_sets])
    each = {code: np.array([code in codes for codes in code_sets]) for code in statements.codes()}
    frequent = sorted(each, key=lambda code: -each[code].sum())[:MOST_STATEMENTS]
    return found | {code: each[code] for code in frequent}


def by_group(
    r: np.ndarray, squared: np.ndarray, index: pandas.DataFrame, patients: Sequence[str], seed: int
) -> Mapping[str, Any]:
    """r with its interval and RMSE of each group with enough records.

    Args:
        r: (record, lead).
        squared: (record, lead) mean squared error in mV².
        index: The pack's index of these records.
        patients: Patient of each record.
        seed: Seed of the bootstrap.
    """
    found = {}
    for name, member in groups(index).items():
        if member.sum() >= FEWEST:
            own = [patient for patient, inside in zip(patients, member, strict=True) if inside]
            found[name] = {
                "n": int(member.sum()),
                "r": float(r[member].mean()),
                "r_interval": patient_interval(r[member], own, seed),
                "rmse_mv": float(np.sqrt(squared[member].mean(0)).mean()),
            }
    return found


def by_hospital(
    measures: Mapping[str, np.ndarray], hospitals: Sequence[str], patients: Sequence[str], seed: int
) -> dict[str, Any]:
    """Scores of the records of each hospital, the largest first; empty if no hospital is known.

    Args:
        measures: (record, lead) of "r", "squared" (mean squared error in mV²), and of "coverage" and "width_mv" if the
            model has an interval.
        hospitals: Hospital of each record; "" for an unknown one.
        patients: Patient of each record.
        seed: Seed of the bootstrap.

    Returns:
        For each hospital: n, patients, each measure and its 95 % interval over patients; the interval is None with
        fewer than ``FEWEST_PATIENTS`` patients.
    """
    of, people = np.array(hospitals, object), np.array(patients, object)
    names = sorted(set(hospitals) - {""}, key=lambda name: -int((of == name).sum()))
    return {name: _scores(measures, of == name, people, seed) for name in names}


def _scores(measures: Mapping[str, np.ndarray], member: np.ndarray, people: np.ndarray, seed: int) -> dict[str, Any]:
    """Scores of the records of one hospital."""
    own = people[member].tolist()
    enough = len(set(own)) >= FEWEST_PATIENTS
    found: dict[str, Any] = {"n": int(member.sum()), "patients": len(set(own))}
    for measure, values in measures.items():
        part = values[member]
        if measure == "squared":
            found["rmse_mv"] = float(np.sqrt(part.mean(0)).mean())
            found["rmse_mv_interval"] = (
                patient_interval(part, own, seed, statistic=lambda means: np.sqrt(means).mean(1)) if enough else None
            )
        else:
            found[measure] = float(part.mean())
            found[f"{measure}_interval"] = patient_interval(part, own, seed) if enough else None
    return found
