"""Requests for a class: sampled from records that show it, balanced over labels, reproducible one by one."""

import numpy as np
import pytest
from fixtures import CODES, packed

from ecggen import InputError
from ecggen.conditioning import statements
from ecggen.data.population import LABELS, Population, class_name, condition, statements_of


@pytest.fixture
def population():
    return Population.of(packed(), np.arange(len(CODES)))


def test_requests_for_a_class_keep_cooccurring_findings(population):
    requests = population.of_class("AFIB", 300, seed=1)
    assert {request.codes for request in requests} == {("ISC_", "AFIB"), ("LVH", "AFIB")} or all(
        set(request.codes) in ({"AFIB", "ISC_"}, {"AFIB", "LVH"}) for request in requests
    )
    share = np.mean(["LVH" in request.codes for request in requests])
    assert 0.1 < share < 0.25, "one in six of those with AFIB has LVH"
    for request in requests:
        assert request.sought == "AFIB" and 12 <= request.like < 21
        assert abs(request.age - (40 + request.like)) < 10 and request.sex == "MF"[request.like % 2]
        assert abs(np.log(request.heart_rate / (60 + request.like))) < 0.25
        assert request.fold == 1 + request.like // 2 % 8, "the fold of the record that is varied"


def test_no_report_of_a_patient_is_passed_on(population):
    requests = population.any(50, seed=2)
    assert not any("own words" in request.text for request in requests)
    assert {request.text for request in requests} <= {
        ", ".join(map(statements.describe, codes.split())) for codes in ["NORM SR", "ISC_ AFIB", "IMI SR", "LVH AFIB"]
    }


def test_a_request_depends_on_seed_and_index_only(population):
    whole = population.of_class("AFIB", 40, seed=3)
    assert population.of_class("AFIB", 15, seed=3, first=25) == whole[25:]
    assert population.of_class("AFIB", 40, seed=4) != whole


def test_balancing_brings_every_label_to_the_most_frequent_one(population):
    labels = LABELS["superclasses"]()
    requests = population.balanced(labels, seed=1)
    of = {name: sum(bool(set(codes.split()) & enough) for codes in CODES) for name, enough in labels.items()}
    for request in requests:
        for name, enough in labels.items():
            of[name] += bool(set(request.codes) & enough)
    assert of.pop("CD") == 0, "no record shows it, so it cannot be requested"
    assert min(of.values()) == 12 and of["NORM"] == 12
    assert [request.index for request in requests] == list(range(len(requests)))
    assert population.balanced(labels, seed=1, most=4) == requests[:4]


def test_unknown_metadata_are_not_requested():
    index = packed(["NORM"] * 3, age=[np.nan, 300.0, 50.0], sex=[np.nan, 0.0, 1.0], heart_rate=[np.nan, 70.0, 1e6])
    requests = Population.of(index, np.arange(3)).any(60, seed=1)
    by = {like: [request for request in requests if request.like == like] for like in range(3)}
    assert {(request.age, request.sex, request.heart_rate) for request in by[0]} == {(None, None, None)}
    assert max(request.age or 0 for request in by[1]) <= 90, "PTB-XL writes 300 for over 89"
    assert {request.heart_rate for request in by[2]} == {None}, "a detector error is ignored"
    given = condition(requests[:4], 4, 100)
    assert len(given) == 4 and bool(given.text_mask.all())
    assert given.metadata_mask[:, 0].tolist() == [request.age is not None for request in requests[:4]]


def test_unknown_codes_are_left_out():
    population = Population.of(packed(["NORM XYZ", "XYZ"]), np.arange(2))
    assert population.codes == (frozenset({"NORM"}), frozenset())
    assert {request.text for request in population.any(20, seed=1)} == {"normal ECG", ""}


@pytest.mark.parametrize(
    ("given", "meant"),
    [("AFIB", "AFIB"), ("afib", "AFIB"), ("Atrial  Fibrillation", "AFIB"), ("lbbb", "CLBBB"), ("mi", "MI")],
)
def test_a_class_is_found_by_code_and_by_wording(given, meant):
    assert class_name(given) == meant


def test_superclasses_take_precedence_over_subclasses():
    assert statements_of("STTC") == statements.superclasses()["STTC"]
    assert statements_of("AMI") == {"AMI"}, "and a statement before both"


@pytest.mark.parametrize(
    ("given", "near"), [("AFIBB", "AFIB"), ("atrial fibrilation", "AFIB"), ("qwxz", "superclasses")]
)
def test_an_unknown_class_names_the_nearest_ones(given, near):
    with pytest.raises(InputError, match=near):
        class_name(given)


def test_a_class_without_records_is_refused(population):
    with pytest.raises(InputError, match="none of 21 training records shows WPW"):
        population.of_class("WPW", 3, seed=1)


def test_statements_are_requested_with_metadata_of_records_that_show_most_of_them(population):
    def likes(*codes):
        return {request.like for request in population.with_statements(codes, 200, seed=1)}

    assert likes("AFIB", "LVH") == {20}, "one record shows both"
    assert likes("AFIB", "WPW") == set(range(12, 17)) | {20}, "none shows both, these show one"
    assert likes("WPW") == likes() == set(range(21))
