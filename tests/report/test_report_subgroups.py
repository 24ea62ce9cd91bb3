"""Subgroups: a fault in one group is found in that group, and groups that are too small are named."""

import numpy as np
import pytest
import torch

from ecggen.conditioning import statements
from ecggen.core.ecg import ECG
from ecggen.evaluators.classifier import Predictions, labels
from ecggen.report.inputs.cohort import Cohorts, ECGSet, MeasuredSet
from ecggen.report.sections.subgroups import AGES, CLASSES, subgroups

N = 260


def measured_set(seed, n=N, fast=None, stated=True, women=None):
    """Records with given R peaks: about 70 beats per minute, and 110 for the sex ``fast``."""
    rng = np.random.default_rng(seed)
    sex = np.arange(n) % 2 if women is None else np.full(n, float(women))
    age = np.tile([50.0, 50.0, 70.0, 70.0], n)[:n]
    codes = tuple(np.where(np.arange(n) % 4 < 2, "NORM", "AFIB IMI"))
    rate = np.where(sex == fast, 110, 70) + rng.normal(0, 6, n)
    names = tuple(f"{seed}-{row}" for row in range(n))
    unknown = np.full(n, np.nan)
    ecg = ECG(torch.tensor(rng.normal(0, 0.1, (n, 1, 250)), dtype=torch.float32), ("I",), 50)
    every = ECGSet(
        ecg, names, names, codes if stated else ("",) * n, ("",) * n, age if stated else unknown,
        sex if stated else unknown, unknown, "made up",
    )  # fmt: skip
    one = MeasuredSet(every, None)
    one.__dict__["peaks"] = [np.arange(8) * 60 / beats for beats in rate]
    return one


def verdicts(section):
    return {score.name: score.verdict for score in section.scores}


def test_every_class_has_a_name():
    assert set(CLASSES) == set(statements.superclasses())


def test_equal_groups_pass():
    section = subgroups(Cohorts(measured_set(1), measured_set(2)))
    assert section.verdict == "pass"
    assert {"men: heart rate", "women: heart rate", "40 to 59 years: heart rate"} <= set(verdicts(section))
    assert section.headline.startswith("6 of 11 groups have enough records; none of them differ from the real records")


def test_a_fault_in_one_group_is_found_there():
    found = verdicts(subgroups(Cohorts(measured_set(1, fast=1), measured_set(2))))
    assert found["women: heart rate"] == "fail" and found["men: heart rate"] == "pass"


def test_small_groups_are_not_measured():
    notes = {score.name: score.note for score in subgroups(Cohorts(measured_set(1, n=80), measured_set(2))).scores}
    assert notes["men: heart rate"] == "not measured: 40 synthetic records, 50 needed"
    notes = {score.name: score.note for score in subgroups(Cohorts(measured_set(1), measured_set(2, n=120))).scores}
    assert notes["men: heart rate"] == "not measured: 60 real records, 100 needed"


def test_a_common_group_that_is_absent_warns():
    section = subgroups(Cohorts(measured_set(1, women=0), measured_set(2)))
    score = section.scores[-1]
    assert (score.value, score.verdict, score.note) == (1, "warn", "women")
    assert section.tables[0].rows[1] == ["women", "0 (0.0%)", "130 (50.0%)"]


def test_without_metadata_nothing_is_measured():
    section = subgroups(Cohorts(measured_set(1, stated=False), measured_set(2)))
    assert section.verdict == "not measured" and "there is no classifier" in section.scores[0].note


@pytest.mark.parametrize("off", [0.0, 6.0])
def test_the_classifier_groups_records_without_metadata(off):
    sets = [measured_set(1, stated=False), measured_set(2)]
    for one, shift in zip(sets, (off, 0.0), strict=True):
        rng = np.random.default_rng(len(one.all.codes[0]))
        features = rng.normal(0, 1, (N, 4))
        female = (np.arange(N) % 2).astype(float)
        features[female == 1] += shift
        one.classifier = type("Classifier", (), {"name": "classifier@0"})()
        one.__dict__["predictions"] = Predictions(features, np.zeros((N, len(labels()))), female, np.full(N, 65.0))
    section = subgroups(Cohorts(*sets))
    found = verdicts(section)
    assert found["men: FID"] == "pass" and found["women: FID"] == ("fail" if off else "pass")
    assert any("as the classifier predicts it: not both sets state it" in note for note in section.notes)
    assert f"{list(AGES)[2]}: FID" in found
