"""Denials by rule: every template of a denial in three languages, no affirmation, scope, and what is read again."""

import pytest
import torch

from ecggen.conditioning import negation, statements, text_encoder
from ecggen.conditioning.understanding import understand
from ecggen.generators.hearts.features import ConditionFeatures


@pytest.mark.parametrize("language", statements.LANGUAGES)
def test_templates_of_denials_are_recognised_and_those_of_affirmations_are_not(language):
    held = (statements.HELD_DENIED, statements.HELD_SAID) if language == "en" else ((), ())
    for code in statements.codes():
        for wording in statements.wordings(code, language):
            for template in (*statements.DENIED[language], *held[0]):
                assert negation.denied_in(template.format(x=wording)), template.format(x=wording)
            for template in (*statements.SAID[language], *held[1]):
                assert not negation.denied_in(template.format(x=wording)), template.format(x=wording)


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("LBBB, no AF", ("AFIB",)),
        ("no AF or LVH, sinus rhythm", ("AFIB", "LVH")),
        ("LVH and AF are not seen", ("AFIB", "LVH")),
        ("sinusrhythmus keine p-welle erkannt vorhofflattern", ()),
        ("inferior infarkt ålder ej bestämbar", ()),
        ("AF could not be ruled out", ()),
        ("no AF today, AF yesterday", ()),
        ("no definite pathology", ()),
        ("", ()),
    ],
)
def test_scope(text, denied):
    assert set(negation.denied_in(text)) == set(denied)


def test_a_denial_keeps_the_rest_of_the_text():
    assert negation.rewritten("sinus rhythm without ST depression, 74-year-old") == (
        "sinus rhythm, 74-year-old, no non-specific ST depression"
    )
    assert negation.rewritten("normal ECG is not seen") == "abnormal ECG"


def test_a_form_that_is_new_to_the_encoder_is_read_as_a_denial():
    form = "ventricular premature complex could not be found"
    reader = text_encoder.load()
    at = statements.codes().index("PVC")
    assert reader.read([form])[1][0, at] > 0.5  # else this test shows nothing
    _, said, denied = negation.read(reader, [form, "LBBB"])
    assert said[0, at] < 0.1 and denied[0, at] > 0.9
    torch.testing.assert_close(said[1], reader.read(["LBBB"])[1][0])
    assert understand([form], reader)[0].absent == ("PVC",)
    assert not ConditionFeatures().of_texts([form]).any()  # a bare denial counts as no text
