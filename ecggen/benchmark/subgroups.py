"""Reconstruction error by subgroup: by sex, age and diagnosis, and by hospital for an archive of several hospitals.

Coverage and width of the prediction interval also by stratum: by wave, by noise of the given leads, and by how unlike
the training data a recording is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas

from ecggen.conditioning import statements
from ecggen.core.ecg import ECG
from ecggen.core.rhythm import r_peaks
from ecggen.generators.trust.features import measure
from ecggen.generators.trust.widening import Trust
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.report.sections.subgroups import AGES

FEWEST = 20
"""Fewest records of a reported group."""
FEWEST_PATIENTS = 10
"""Fewest patients of a hospital for which an interval is given."""
MOST_STATEMENTS = 24
"""Number of reported statements, the most frequent ones."""
WAVES = {"P": (-0.25, -0.07), "QRS": (-0.07, 0.08), "T": (0.08, 0.45)}
"""Windows around R peaks in s that stand for waves; a T window ends where the next P window begins."""
NOISE = {"below 10 µV": 0.0, "10 to 30 µV": 0.01, "30 µV and more": 0.03}
"""Strata of noise and their lower limits in mV: the mean difference of a beat from the median beat."""


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
    r: np.ndarray,
    squared: np.ndarray,
    index: pandas.DataFrame,
    patients: Sequence[str],
    seed: int,
    interval: Mapping[str, np.ndarray] | None = None,
) -> Mapping[str, Any]:
    """r with its interval and RMSE of each group with enough records.

    Args:
        r: (record, lead).
        squared: (record, lead) mean squared error in mV².
        index: The pack's index of these records.
        patients: Patient of each record.
        seed: Seed of the bootstrap.
        interval: (record, lead) of "coverage" and "width_mv", whose means are added.
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
                **{name: float(values[member].mean()) for name, values in (interval or {}).items()},
            }
    return found


def by_stratum(
    inside: np.ndarray, width: np.ndarray, given: ECG, truth: ECG, trust: Sequence[Trust]
) -> dict[str, dict[str, Any]]:
    """Coverage and mean width of the prediction interval by wave, by noise and by unlikeness, each with its share.

    Args:
        inside: (record, lead, time) whether the true sample lies in the interval.
        width: The same shape, in mV.
        given: The given leads at the model's rate and in its band.
        truth: The true leads, in the same way; waves are found in them.
        trust: Of each record; empty if the model has no measure of it.

    Returns:
        For "wave", "noise" and, with ``trust``, "unlike": each stratum's share of samples or n of records, coverage and
        width in mV. Strata without records are left out.
    """
    place = wave_of(truth)[:, None].repeat(inside.shape[1], 1)
    waves = {name: place == i for i, name in enumerate((*WAVES, "rest"))}
    found: dict[str, dict[str, Any]] = {
        "wave": {
            name: {"share": float(at.mean()), "coverage": float(inside[at].mean()), "width_mv": float(width[at].mean())}
            for name, at in waves.items()
            if at.any()
        }
    }
    noise = np.array([measure(record)[2].mean() for record in given.signal.double().numpy()])
    level = np.digitize(noise, list(NOISE.values())) - 1
    groups = {"noise": {name: level == i for i, name in enumerate(NOISE)}}
    if trust:
        unlike = np.array([one.unlike > 0 for one in trust])
        groups["unlike"] = {"like the training data": ~unlike, "unlike the training data": unlike}
    for kind, members in groups.items():
        found[kind] = {
            name: {"n": int(at.sum()), "coverage": float(inside[at].mean()), "width_mv": float(width[at].mean())}
            for name, at in members.items()
            if at.any()
        }
    return found


def wave_of(ecg: ECG) -> np.ndarray:
    """For each sample the position in ``WAVES`` of the window that it lies in, else their number, (record, time).

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> place = wave_of(simulate(1, heart_rate=60))
        >>> [int(place[0, round((3.4 + after) * 100)]) for after in (-0.15, 0.0, 0.3, 0.6)]
        [0, 1, 2, 3]
    """
    place = np.full((len(ecg), ecg.samples), len(WAVES))
    seconds = np.arange(ecg.samples) / ecg.fs
    for row, peaks in enumerate(r_peaks(ecg)):
        for i, (first, last) in reversed(list(enumerate(WAVES.values()))):  # P before the next beat overwrites T
            for peak in peaks:
                place[row, (seconds >= peak + first) & (seconds < peak + last)] = i
    return place


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
    for what, values in measures.items():
        part = values[member]
        if what == "squared":
            found["rmse_mv"] = float(np.sqrt(part.mean(0)).mean())
            found["rmse_mv_interval"] = (
                patient_interval(part, own, seed, statistic=lambda means: np.sqrt(means).mean(1)) if enough else None
            )
        else:
            found[what] = float(part.mean())
            found[f"{what}_interval"] = patient_interval(part, own, seed) if enough else None
    return found
