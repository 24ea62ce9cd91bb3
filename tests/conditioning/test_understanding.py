"""What is understood of a text, and what is not."""

import pytest

from ecggen.conditioning import statements, text_encoder
from ecggen.conditioning.understanding import (
    RARE,
    Understanding,
    absent_findings,
    out_of_range,
    understand,
    unknown_words,
    vocabulary,
)


@pytest.fixture(scope="module")
def reader():
    return text_encoder.load()


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("atrial fibrillation", {"AFIB"}, set()),
        ("no atrial fibrillation", set(), {"AFIB"}),
        ("LBBB and AF", {"CLBBB", "AFIB"}, set()),
        ("atrial fibrillation, no left ventricular hypertrophy", {"AFIB"}, {"LVH"}),
        ("WPW", {"WPW"}, set()),
        ("purple elephants", set(), set()),
    ],
)
def test_statements_are_read_with_their_polarity(reader, text, present, absent):
    (found,) = understand([text], reader)
    assert (set(found.present), set(found.absent)) == (present, absent)


@pytest.mark.parametrize("text", ["hyperkalaemia", "Brugada pattern", "torsades de pointes", "ventricular tachycardia"])
def test_findings_of_no_training_record_are_named(reader, text):
    (found,) = understand([text], reader)
    assert len(found.beyond) == 1 and found.warnings[0].startswith("no training record is known to show")
    assert found.unknown == ()  # said once


def test_supraventricular_tachycardia_is_not_ventricular_tachycardia():
    assert absent_findings("paroxysmal supraventricular tachycardia") == []


def test_words_without_a_counterpart_are_named_and_misspelt_ones_are_not():
    assert unknown_words("purple elephants with atrial fibrilation") == ("purple", "elephants")
    assert unknown_words("74-year-old woman, heart rate 130 bpm, marked hypertrophie") == ()


def test_no_wording_of_a_statement_is_unknown():
    for code in statements.codes():
        for language in statements.LANGUAGES:
            for word in statements.wordings(code, language):
                assert unknown_words(word) == (), word


def test_nearest_statements_exist():
    from ecggen.conditioning.understanding import _table

    for one in _table().values():
        assert set(one["nearest"]) <= set(statements.codes())
    assert set(RARE) <= set(statements.codes()) and len(vocabulary()) > 300


def test_a_rare_statement_is_said_to_be_rare():
    (warning,) = Understanding(present=("3AVB",)).warnings
    assert "12 training records" in warning
    assert Understanding(present=("AFIB",)).warnings == []


def test_a_text_without_findings_is_said_to_name_none():
    assert Understanding().warnings == ["the text names no finding that the model knows"]


def test_values_outside_of_the_training_records():
    assert out_of_range(50, 70) == [] and out_of_range(None, None) == []
    assert len(out_of_range(2, 260)) == 2
