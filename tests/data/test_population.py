"""Conditions of a class: drawn from those who have it, evened out as asked, and every request its own."""

import numpy as np
import pytest
from fixtures import CODES, packed

from ecggen import InputError
from ecggen.conditioning import statements
from ecggen.data.population import LABELS, Population, class_name, condition, statements_of


@pytest.fixture
def population():
    return Population.of(packed(), np.arange(len(CODES)))


def test_a_class_is_asked_for_with_what_accompanies_it(population):
    asks = population.of_class("AFIB", 300, seed=1)
    assert {asked.codes for asked in asks} == {("ISC_", "AFIB"), ("LVH", "AFIB")} or all(
        set(asked.codes) in ({"AFIB", "ISC_"}, {"AFIB", "LVH"}) for asked in asks
    )
    share = np.mean(["LVH" in asked.codes for asked in asks])
    assert 0.1 < share < 0.25, "one in six of those with AFIB has LVH"
    for asked in asks:
        assert asked.sought == "AFIB" and 12 <= asked.like < 21
        assert abs(asked.age - (40 + asked.like)) < 10 and asked.sex == "MF"[asked.like % 2]
        assert abs(np.log(asked.heart_rate / (60 + asked.like))) < 0.25
        assert asked.fold == 1 + asked.like // 2 % 8, "the fold of the record whose facts are varied"


def test_no_report_of_a_person_is_passed_on(population):
    asks = population.any(50, seed=2)
    assert not any("own words" in asked.text for asked in asks)
    assert {asked.text for asked in asks} <= {
        ", ".join(map(statements.describe, codes.split())) for codes in ["NORM SR", "ISC_ AFIB", "IMI SR", "LVH AFIB"]
    }


def test_a_request_follows_from_seed_and_number_alone(population):
    whole = population.of_class("AFIB", 40, seed=3)
    assert population.of_class("AFIB", 15, seed=3, first=25) == whole[25:]
    assert population.of_class("AFIB", 40, seed=4) != whole


def test_balancing_brings_every_label_to_the_most_frequent_one(population):
    labels = LABELS["superclasses"]()
    asks = population.balanced(labels, seed=1)
    of = {name: sum(bool(set(codes.split()) & enough) for codes in CODES) for name, enough in labels.items()}
    for asked in asks:
        for name, enough in labels.items():
            of[name] += bool(set(asked.codes) & enough)
    assert of.pop("CD") == 0, "no record shows it, so none can be asked for"
    assert min(of.values()) == 12 and of["NORM"] == 12
    assert [asked.index for asked in asks] == list(range(len(asks)))
    assert population.balanced(labels, seed=1, most=4) == asks[:4]


def test_what_is_unknown_of_a_record_is_asked_of_none():
    index = packed(["NORM"] * 3, age=[np.nan, 300.0, 50.0], sex=[np.nan, 0.0, 1.0], heart_rate=[np.nan, 70.0, 1e6])
    asks = Population.of(index, np.arange(3)).any(60, seed=1)
    by = {like: [asked for asked in asks if asked.like == like] for like in range(3)}
    assert {(asked.age, asked.sex, asked.heart_rate) for asked in by[0]} == {(None, None, None)}
    assert max(asked.age or 0 for asked in by[1]) <= 90, "PTB-XL writes 300 for over 89"
    assert {asked.heart_rate for asked in by[2]} == {None}, "a detector's slip is no fact"
    told = condition(asks[:4], 4, 100)
    assert len(told) == 4 and bool(told.text_mask.all())
    assert told.metadata_mask[:, 0].tolist() == [asked.age is not None for asked in asks[:4]]


def test_codes_that_nobody_knows_are_left_out():
    population = Population.of(packed(["NORM XYZ", "XYZ"]), np.arange(2))
    assert population.codes == (frozenset({"NORM"}), frozenset())
    assert {asked.text for asked in population.any(20, seed=1)} == {"normal ECG", ""}


@pytest.mark.parametrize(
    ("given", "meant"),
    [("AFIB", "AFIB"), ("afib", "AFIB"), ("Atrial  Fibrillation", "AFIB"), ("lbbb", "CLBBB"), ("mi", "MI")],
)
def test_a_class_is_known_by_its_code_and_by_its_words(given, meant):
    assert class_name(given) == meant


def test_a_superclass_comes_before_a_subclass_of_its_name():
    assert statements_of("STTC") == statements.superclasses()["STTC"]
    assert statements_of("AMI") == {"AMI"}, "and a statement before both"


@pytest.mark.parametrize(
    ("given", "near"), [("AFIBB", "AFIB"), ("atrial fibrilation", "AFIB"), ("qwxz", "superclasses")]
)
def test_an_unknown_class_is_told_its_nearest(given, near):
    with pytest.raises(InputError, match=near):
        class_name(given)


def test_a_class_without_examples_is_refused(population):
    with pytest.raises(InputError, match="none of 21 training records shows WPW"):
        population.of_class("WPW", 3, seed=1)


def test_statements_are_asked_with_the_facts_of_those_who_show_most_of_them(population):
    def likes(*codes):
        return {asked.like for asked in population.with_statements(codes, 200, seed=1)}

    assert likes("AFIB", "LVH") == {20}, "one record shows both"
    assert likes("AFIB", "WPW") == set(range(12, 17)) | {20}, "none shows both, these show one"
    assert likes("WPW") == likes() == set(range(21))
