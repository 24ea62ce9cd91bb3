"""Condition fidelity: metrics on known values, records that must not count, and verdicts against real records."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from ecggen import InputError, load
from ecggen.benchmark import paraphrases
from ecggen.conditioning import statements
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.simulate import simulate
from ecggen.evaluators import pretrained
from ecggen.evaluators.classifier import Predictions, labels, targets
from ecggen.generators.base import Generator
from ecggen.metrics.criteria.scores import LEAST
from ecggen.metrics.functional import condition_fidelity
from ecggen.report import negations
from ecggen.report.inputs.cohort import Cohorts, ECGSet, MeasuredSet
from ecggen.report.requested import RequestedSet, reference_set, reference_verdict, requested_kinds
from ecggen.report.sections import fidelity as section

N = 120


def test_a_missing_heart_rate_counts_as_an_error():
    requested = np.array([60.0, 80.0, 100.0, np.nan, 70.0])
    measured = np.array([62.0, 80.0, np.nan, 500.0, 76.0])
    about = condition_fidelity.heart_rate_fidelity(requested, measured)
    assert about == pytest.approx({"mae": 27.0, "bias": 8 / 3, "near": 0.5, "missing": 0.25, "n": 4})
    perfect = condition_fidelity.heart_rate_fidelity(requested, requested)
    assert (perfect["mae"], perfect["near"], perfect["missing"]) == (0, 1, 0)
    with pytest.raises(InputError, match="requested in none of 5 records"):
        condition_fidelity.heart_rate_fidelity(np.full(5, np.nan), measured)


def test_sex_and_age():
    requested = np.array([0, 0, 1, 1, np.nan])
    assert condition_fidelity.sex_fidelity(requested, np.array([0.1, 0.4, 0.6, 0.9, 0.0])) == 1
    assert condition_fidelity.sex_fidelity(requested, np.array([0.1, 0.7, 0.6, 0.9, 0.0])) == 0.75
    assert np.isnan(condition_fidelity.sex_fidelity(np.ones(5), np.arange(5)))
    ages = np.array([20.0, 50.0, 80.0, np.nan])
    about = condition_fidelity.age_fidelity(ages, ages + 3)
    assert about == pytest.approx({"mae": 3, "bias": 3, "r": 1, "n": 3})
    assert condition_fidelity.age_fidelity(ages, np.full(4, 50.0))["r"] == 0
    with pytest.raises(InputError, match="1 different ages"):
        condition_fidelity.age_fidelity(np.full(4, 50.0), ages)


def test_diagnoses_match_scikit_learn_and_leave_rare_ones_out():
    rng = np.random.default_rng(0)
    codes = ["AFIB" if i % 3 == 0 else "NORM SR" if i % 40 else "WPW" for i in range(90)]
    probability = rng.random((90, len(labels())))
    names = ["AFIB", "NORM", "WPW"]
    areas = condition_fidelity.diagnosis_fidelity(probability, codes, names)
    for name, area in zip(names[:2], areas, strict=False):
        truth = [name in one.split() for one in codes]
        assert area == pytest.approx(roc_auc_score(truth, probability[:, list(labels()).index(name)]))
    assert np.isnan(areas[2])
    assert condition_fidelity.diagnosis_fidelity(targets(codes), codes, names)[:2].tolist() == [1, 1]
    assert (
        condition_fidelity.most_frequent(codes)[:2] in (("NORM", "SR"), ("SR", "NORM"))
        and len(condition_fidelity.most_frequent(codes, 2)) == 2
    )


def test_an_ecg_finds_its_own_text():
    rng = np.random.default_rng(1)
    texts = rng.normal(size=(250, 32))
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    codes = [str(i) for i in range(250)]
    hits = condition_fidelity.text_retrieval(texts, texts, codes, 1)
    assert np.isfinite(hits).sum() == 200 and np.nanmean(hits) == 1
    assert np.nanmean(condition_fidelity.text_retrieval(rng.normal(size=(250, 32)), texts, codes, 10)) == pytest.approx(
        0.1, abs=0.06
    )
    assert np.nanmean(condition_fidelity.text_retrieval(rng.normal(size=(250, 32)), texts, ["same"] * 250, 1)) == 1
    with pytest.raises(InputError, match="99 records with a text, 100 needed"):
        condition_fidelity.text_retrieval(texts[:99], texts[:99], codes[:99], 1)


class Amplitude(Generator):
    """Generates a large first lead if the text contains "fibrillation", whatever else it contains."""

    def loss(self, ecg, condition, group):
        return {}

    def draw(self, condition, noise):
        size = torch.tensor([5.0 if "fibrillation" in text else 1.0 for text in condition.text])
        return size[:, None, None] + 0.1 * noise.normal(len(INDEPENDENT_LEADS), condition.samples)


class Level:
    """A classifier whose probability of atrial fibrillation is the level of lead I."""

    def predict(self, ecg):
        level = ecg.pick("I").signal.mean((1, 2)).double().numpy() / 10
        probability = np.tile(level[:, None], len(labels()))
        return Predictions(probability, probability, level, level)


def test_a_generator_that_ignores_negation_is_detected():
    found = condition_fidelity.paraphrase_sensitivity(Amplitude(), Level(), ["AFIB", "SBRAD"], n=4, seconds=5.0)  # type: ignore[arg-type]
    assert "fibrillation" in statements.describe("AFIB")
    about = found["AFIB"].summary()
    assert about["said"] > 0.4 > 0.2 > about["nothing"] and about["said_above_nothing"] == 1
    assert about["denial"] == pytest.approx(about["said"], abs=0.01) and about["said_above_denial"] == 0
    assert about["denial_above_nothing"] > 0.2 and paraphrases.verdicts(about)["denial"] == "fail"
    assert about["combined"] == pytest.approx(about["said"], abs=0.01) and about["german"] < 0.2  # not its language
    assert paraphrases.verdicts(about)["combined"] == "pass" and paraphrases.verdicts(about)["german"] == "fail"
    unaffected = found["SBRAD"].summary()
    assert unaffected["paraphrase_difference"] < 1e-6 and unaffected["said_above_nothing"] == 0


def test_texts_are_parsed_with_negations():
    read = condition_fidelity.statements_in_texts(["atrial fibrillation", "no atrial fibrillation, normal ECG", ""])
    assert "AFIB" in read[0].split() and "AFIB" not in read[1].split() and read[2] == ""


def requested_set(source, seed, **changes):
    rng = np.random.default_rng(seed)
    rates = rng.uniform(50, 110, N)
    ecg = simulate(N, seconds=6, seed=seed)
    codes = [("AFIB", "NORM SR", "IMI")[i % 3] for i in range(N)]
    return replace(
        ECGSet(
            ecg,
            tuple(f"{source} {i}" for i in range(N)),
            tuple(f"{source} {i}" for i in range(N)),
            tuple(codes),
            tuple(codes),
            rng.uniform(20, 90, N),
            rng.integers(0, 2, N).astype(float),
            rates,
            source,
        ),
        **changes,
    )


def measured_set(records, follows, seed=0):
    """A set with the predictions of a good classifier; ``follows`` sets whether the records follow the request."""
    rng = np.random.default_rng(seed)
    order = np.arange(N) if follows else rng.permutation(N)
    expected = targets(records.codes)[order]
    found = MeasuredSet(records, pretrained.new("classifier", {"widths": [8, 8], "features": 16}, "test"))
    female = np.clip(records.sex[order] * 0.6 + 0.2 + rng.normal(0, 0.2, N), 0, 1)
    age = records.age[order] + rng.normal(0, 8, N)
    probability = expected * 0.5 + rng.random(expected.shape) * 0.6
    found.__dict__["predictions"] = Predictions(rng.normal(size=(N, 4)), probability, female, age)
    found.__dict__["peaks"] = [np.arange(0.2, 6, 60 / rate) for rate in records.requested_heart_rate[order]]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_records_that_follow_the_request_pass_and_others_fail(seed):
    real = measured_set(requested_set("real", 1), follows=True, seed=100 + seed)
    good = section.fidelity(Cohorts(measured_set(requested_set("generated", 2), True, seed), real))
    measured = {score.name: score for score in good.scores if score.value is not None}
    assert good.verdict == "pass", {name: (score.value, score.verdict) for name, score in measured.items()}
    assert {"heart rate within 5 per minute", "sex", "age", "superclasses: macro AUROC"} <= set(measured)
    assert all(score.interval[0] <= score.value <= score.interval[1] for score in measured.values())
    assert all(score.definition and score.extractor for score in measured.values())
    bad = section.fidelity(Cohorts(measured_set(requested_set("generated", 2), False, seed), real))
    assert {score.name for score in bad.scores if score.verdict == "fail"} == {
        "heart rate within 5 per minute",
        "heart rate: mean absolute error",
        "sex",
        "age",
        "superclasses: macro AUROC",
        "statements: macro AUROC",
    }


def test_texts_without_an_encoder_are_not_measured():
    real = measured_set(requested_set("real", 1), True)
    found = section.fidelity(Cohorts(measured_set(requested_set("generated", 2), True), real))
    scores = [score for score in found.scores if score.name.startswith("text")]
    assert len(scores) == 3 and all("no ECG–text encoder was given" in score.note for score in scores)


def test_without_a_request_nothing_is_measured():
    unknown = np.full(N, np.nan)
    unknown_set = requested_set(
        "generated", 2, codes=("",) * N, texts=("",) * N, age=unknown, sex=unknown, requested_heart_rate=unknown
    )
    found = section.fidelity(Cohorts(MeasuredSet(unknown_set, None), MeasuredSet(requested_set("real", 1), None)))
    assert found.verdict == "not measured" and "No requested condition is known" in found.headline
    assert requested_kinds(unknown_set) == []


def test_twelve_records_and_no_classifier_are_no_error():
    few = MeasuredSet(requested_set("generated", 2).at(range(12)), None)
    found = section.fidelity(Cohorts(few, MeasuredSet(requested_set("real", 1), None)))
    notes = {score.name: score.note for score in found.scores}
    assert found.verdict == "not measured"
    assert "12 records with a requested heart rate, 50 needed" in notes["heart rate within 5 per minute"]
    assert "no classifier was given" in notes["sex"]


def test_an_uninformative_classifier_is_not_used():
    real = measured_set(requested_set("real", 1), follows=False)
    found = section.fidelity(Cohorts(measured_set(requested_set("generated", 2), True), real))
    sex = next(score for score in found.scores if score.name == "sex")
    assert sex.verdict == "not measured" and "on real records, 0.60 needed" in sex.note


def test_reference_records_are_those_whose_conditions_were_requested():
    generated, real, held = (MeasuredSet(requested_set(name, 1), None) for name in ("generated", "real", "held"))
    assert reference_set(Cohorts(generated, real)) is real
    assert reference_set(Cohorts(generated, real, held)) is held
    reference = MeasuredSet(replace(real.all, names=generated.all.names), None)
    assert reference_set(Cohorts(generated, reference, held)) is reference


def test_the_verdict_compares_with_the_classifier_on_real_records():
    assert [reference_verdict(value, 0.9, 0.85, 0.5) for value in (0.9, 0.81, 0.75, 0.6)] == [
        "pass",
        "pass",
        "warn",
        "fail",
    ]
    assert reference_verdict(0.78, 0.9, 0.77, 0.5) == "pass"  # within the bootstrap range of real records


def test_figures_are_small_and_have_a_caption():
    found = section.fidelity(
        Cohorts(
            measured_set(requested_set("generated", 2), True),
            measured_set(requested_set("real", 1), follows=True, seed=1),
        )
    )
    assert [figure.title for figure in found.figures] == ["Diagnoses", "Heart rate"]
    for figure in found.figures:
        assert figure.svg.startswith("<svg") and len(figure.svg) < 150_000 and len(figure.caption) > 60
    assert any(row[0] == "MI" for row in found.tables[0].rows)


TEXTS = (
    "no atrial fibrillation",
    "kein Vorhofflimmern",
    "sinus bradycardia",
    "",
    "atrial fibrillation",
    "Vorhofflimmern",
)
"""Two texts that deny atrial fibrillation, two that are silent on it, and two that affirm it."""


def texts_set(denied, least=N):
    """Records of ``TEXTS`` in turn; ``denied`` is the probability of atrial fibrillation where the text denies it."""
    texts = [TEXTS[i % 6] for i in range(N)]
    texts = [text if i < least or i % 6 > 1 else "" for i, text in enumerate(texts)]
    found = measured_set(requested_set("generated", 2, codes=("",) * N, texts=tuple(texts)), True)
    shows = np.array([0.9 if text in TEXTS[4:] else 0.05 for text in texts])
    shows[[text in TEXTS[:2] for text in texts]] = denied
    probability = np.full((N, len(labels())), 0.05)
    probability[:, list(labels()).index("AFIB")] = shows
    found.__dict__["predictions"] = Predictions(probability[:, :4], probability, shows, shows)
    found.__dict__["criteria"] = {"AFIB": np.random.default_rng(0).random(N) < shows, "SBRAD": np.zeros(N, bool)}
    return found


def negated(measured):
    made = section.fidelity(Cohorts(measured, measured_set(requested_set("real", 1), True)))
    return made, {
        score.name.partition(": ")[2].partition(" ")[0]: score
        for score in made.scores
        if score.name.startswith("negated")
    }


def test_a_finding_shown_after_its_negation_fails():
    made, found = negated(texts_set(denied=0.5))
    assert set(found) == {"probability", "share"}
    assert {one.verdict for one in found.values()} == {"fail"} and made.verdict == "fail"
    assert found["probability"].value == pytest.approx(0.45) and found["share"].value > 0.3
    assert all(one.interval[0] <= one.value <= one.interval[1] and one.definition for one in found.values())
    assert found["probability"].n_synthetic == 40
    tables = {table.title: table for table in made.tables}
    assert tables["Negated findings"].rows[0][:5] == ["AFIB", "40", "50 %", "5 %", "90 %"]
    wordings = {row[0]: row[1] for row in tables["Affirmed findings by wording"].rows}
    assert wordings["English, one finding"].startswith("+0.") and "German, one finding" in wordings


def test_a_negation_that_is_followed_passes():
    _, found = negated(texts_set(denied=0.05))
    assert {one.verdict for one in found.values()} == {"pass"}
    _, found = negated(texts_set(denied=0.02))
    assert found["probability"].value < 0 and found["probability"].verdict == "pass"


def test_drawn_records_pass_if_they_follow_a_negation_and_fail_if_they_ignore_it():
    """Records of a shipped model, measured by the shipped classifier and delineator, not constructed values.

    The finding is so rare that none of a few patients who are drawn without it shows it by chance, as some show a broad
    QRS complex.
    """
    affirmed, denied, silent = (
        [texts[i % 2] for i in range(LEAST + 1)]
        for texts in (
            ("Wolff-Parkinson-White syndrome", "WPW-Syndrom"),
            ("no Wolff-Parkinson-White syndrome", "kein WPW-Syndrom"),
            ("sinus rhythm", "Sinusrhythmus"),
        )
    )
    model, unknown = load("vae"), np.full(2 * len(denied), np.nan)
    texts = tuple(denied + silent)
    names, none = tuple(map(str, range(len(texts)))), ("",) * len(texts)
    verdicts = []
    for drawn in (denied, affirmed):
        ecg = model.generate([*drawn, *silent], seed=1)
        records = ECGSet(ecg, names, names, none, texts, unknown, unknown, unknown, "drawn")
        measured = MeasuredSet(records, pretrained.load("classifier", "classifier"))
        scores, _ = negations.negations(RequestedSet(measured, Cohorts(measured, measured)))
        verdicts.append([score.verdict for score in scores])
    assert verdicts == [["pass", "pass"], ["fail", "fail"]]


def test_negations_of_few_texts_are_not_measured():
    made, _ = negated(texts_set(denied=0.5, least=12))
    score = next(one for one in made.scores if one.name == "negated findings")
    assert score.verdict == "not measured" and "denied in 8 texts while 8 are silent" in score.note


def test_texts_without_a_negation_have_no_such_score():
    made, found = negated(measured_set(requested_set("generated", 2), True))
    assert not found and "Negated findings" not in [table.title for table in made.tables]


def test_a_text_affirms_and_denies():
    affirmed, denied = condition_fidelity.affirmed_and_denied(["LBBB, no atrial fibrillation", " "])
    codes = np.array(statements.codes())
    assert set(codes[affirmed[0]]) == {"CLBBB"} and set(codes[denied[0]]) == {"AFIB"}
    assert not affirmed[1].any() and not denied[1].any()
    assert all(one.shape == (0, len(codes)) for one in condition_fidelity.affirmed_and_denied([]))
