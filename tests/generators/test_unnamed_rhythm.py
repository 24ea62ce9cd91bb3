"""The rhythm of a text that names none is that of training records with its findings."""

from collections import Counter

import numpy as np
import pytest
import torch

from ecggen.conditioning import statements
from ecggen.conditioning.condition import Condition
from ecggen.generators.hearts.features import ConditionFeatures
from ecggen.generators.hearts.unnamed_rhythm import completed, table, with_rhythms
from evaluation.scripts.rhythm_counts import as_toml, counted


def drawn(said, denied=frozenset(), rate=None, n=400):
    """How often each text is completed by what."""
    texts = [completed("text", said, denied, rate, np.random.default_rng(seed)) for seed in range(n)]
    return Counter(text.removeprefix("text").removeprefix(", ") for text in texts)


def test_rhythms_come_as_often_as_in_training_records():
    found, counts = drawn({"CLBBB", "LVH"}), table()["CLBBB"]  # the rarer finding says more about the rhythm
    for code in ("SR", "AFIB"):
        assert found[statements.describe(code)] / 400 == pytest.approx(counts[code] / counts["records"], abs=0.07)
    assert found[""] < 40  # few records have none


def test_a_named_rhythm_and_a_text_without_findings_are_kept():
    assert set(drawn({"CLBBB", "AFIB"})) == {""} and set(drawn(set())) == {""}


def test_denied_rhythms_and_those_that_contradict_the_rate_are_not_drawn():
    assert statements.describe("AFIB") not in drawn({"CLBBB"}, {"AFIB"})
    slow, fast = drawn({"NORM"}, rate=45), drawn({"NORM"}, rate=120)
    assert statements.describe("SR") not in slow and statements.describe("SBRAD") in slow
    assert statements.describe("SBRAD") not in fast and statements.describe("STACH") in fast


def test_only_given_texts_are_completed_and_the_batch_does_not_matter():
    told = Condition.none(6).with_text(["left bundle branch block"] * 6, parse=False)
    given = torch.tensor([True] * 5 + [False])
    found = with_rhythms(told, given, ConditionFeatures().statements, 0, range(6))
    assert found.text[5] == "left bundle branch block" and any("sinus rhythm" in text for text in found.text[:5])
    last = with_rhythms(told[4:5], given[4:5], ConditionFeatures().statements, 0, [4])
    assert last.text == found.text[4:5]


def test_counts_are_of_first_rhythms_and_read_back():
    records = [["LVH", "SR", "AFIB"]] * 11 + [["LVH"]] * 4 + [["IMI", "SR"]]
    found = counted(records)
    assert found["LVH"] == {"records": 15, "AFIB": 11} and "SR" not in found
    assert '["LVH"]\nrecords = 15\nAFIB = 11' in as_toml(found) and "IMI" not in as_toml(found)
    assert all(sum(one.get(code, 0) for code in statements.RHYTHMS) <= one["records"] for one in table().values())
