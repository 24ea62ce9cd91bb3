"""Requested findings in the summary of ``ecggen generate``: what was requested, what is shown, by which rule."""

import pytest
import torch

from ecggen.cli.jobs import findings
from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.simulate import simulate


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("first degree AV block", {"1AVB"}),
        ("complete left bundle branch block, sinus bradycardia", {"CLBBB", "SBRAD"}),
        ("no atrial fibrillation", set()),
        ("", set()),
        (None, set()),
    ],
)
def test_requested_statements_have_a_criterion_and_are_not_denied(text, codes):
    assert set(findings.requested_findings(text)) == codes


def test_findings_of_a_batch_follow_the_text_of_each_record():
    ecg = ECG.cat([simulate(1, heart_rate=rate, fs=250, seed=1) for rate in (48, 70, 48)])
    found = findings.findings_met(ecg, ["sinus bradycardia", "sinus bradycardia", None])
    assert found == [("SBRAD", "SBRAD"), ("SBRAD", ""), ("", "")]
    assert findings.findings_met(ecg, [None, "", "a person"]) == [("", "")] * 3


def test_flat_records_meet_nothing():
    silent = ECG(torch.zeros(1, 12, 1000), STANDARD_LEADS, 100)
    assert findings.findings_met(silent, ["sinus bradycardia"]) == [("SBRAD", "")]


def test_the_summary_counts_requested_and_met():
    rows = [
        {"statements": "1AVB CLBBB", "criteria_met": "CLBBB"},
        {"statements": "1AVB", "criteria_met": "1AVB"},
        {"statements": "", "criteria_met": ""},
    ]
    found = findings.summary(rows)
    assert {code: (one["requested"], one["met"]) for code, one in found.items()} == {"1AVB": (2, 1), "CLBBB": (1, 1)}
    assert findings.as_lines(found)[0] == "criterion: first degree AV block: 1 of 2 meet it (PR > 200 ms)"


def counted(code, requested, met):
    return findings.summary(
        [{"statements": code, "criteria_met": code if row < met else ""} for row in range(requested)]
    )


def test_the_summary_names_the_share_of_real_records():
    assert 0.8 < counted("CLBBB", 4, 1)["CLBBB"]["real"] < 1
    assert counted("SVTAC", 4, 1)["SVTAC"]["real"] is None, "three records of fold 9"


@pytest.mark.parametrize(
    ("code", "requested", "met", "warned"),
    [
        ("CLBBB", 20, 2, True),
        ("CLBBB", 20, 9, False),
        ("CLBBB", 7, 0, False),  # too few
        ("AMI", 20, 0, False),  # the criterion does not separate real records
        ("SVTAC", 20, 0, False),  # real records are not known
    ],
)
def test_a_criterion_that_far_fewer_records_meet_is_warned_of(code, requested, met, warned):
    lines = findings.shortfalls(counted(code, requested, met))
    assert bool(lines) == warned
    if warned:
        assert lines[0].startswith(f"{code}: {met} of {requested} records (10 %) meet its criterion (QRS ≥ 120 ms, ")
        assert lines[0].endswith("of real records with this statement, 89 % do")


def test_statements_of_requests_that_have_no_criterion_are_left_out():
    ecg = simulate(2, heart_rate=48, fs=250, seed=1)
    assert findings.statements_met(ecg, [("SBRAD", "DIG"), ("DIG",)], ["F", None]) == [("SBRAD", "SBRAD"), ("", "")]
