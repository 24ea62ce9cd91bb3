"""Reconstructions against true ECGs: perfect ones pass; ECGs of other patients and small ones fail."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecggen import InputError
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.simulate import simulate
from ecggen.generators.baselines.baselines import LaggedRegression
from ecggen.report import median_beats
from ecggen.report.inputs.cohort import Cohorts, ECGSet, MeasuredSet
from ecggen.report.pairs import Pairs, varies
from ecggen.report.sections.paired import reconstruction

N = 54


def records(name, seed, n=N):
    ecg = simulate(n, seconds=5, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.exp(0.2 * torch.randn(n, 1, 1, generator=generator))
    noise = 0.01 * torch.randn(ecg.signal.shape, generator=generator)
    return as_set(name, replace(ecg, signal=ecg.signal * sizes + noise))


def as_set(name, ecg):
    names, blank, unknown = tuple(f"{name} {i}" for i in range(len(ecg))), ("",) * len(ecg), np.full(len(ecg), np.nan)
    return ECGSet(ecg, names, names, blank, blank, unknown, unknown, unknown, name)


@pytest.fixture(scope="module")
def truth():
    return MeasuredSet(records("truth", 1), None)


@pytest.fixture(scope="module")
def real():
    return MeasuredSet(records("real", 2), None)


def generated_from(truth, change):
    signal = truth.all.ecg.signal
    return MeasuredSet(as_set("generated", replace(truth.all.ecg, signal=change(signal))), None)


@pytest.fixture(scope="module")
def found(truth, real):
    """The section for several reconstructions, with lead I given."""
    made = {
        "perfect": lambda signal: signal.clone(),
        "other patient": lambda signal: signal.roll(1, 0),
        "small": lambda signal: 0.4 * signal,
    }
    return {
        name: reconstruction(Cohorts(generated_from(truth, change), real, truth=truth, given=("I",)))
        for name, change in made.items()
    }


def verdicts(section):
    return {score.name: score.verdict for score in section.scores}


def test_a_perfect_reconstruction_has_perfect_scores(found):
    section = found["perfect"]
    values = {score.name: score.value for score in section.scores}
    uncertain = ("PR (ms): bias", "PR (ms): SD")  # P may overlap with T
    measured = {name: verdict for name, verdict in verdicts(section).items() if name not in uncertain}
    assert section.verdict == "pass" and set(measured.values()) == {"pass"}
    assert values["Pearson's r"] == values["variance"] == pytest.approx(1)
    assert values["R peaks within 50 ms"] == 1 and values["heart rate error"] == 0
    assert max(values[name] for name in ("MSE", "RMSE", "MAE", "PRD", "DTW")) == 0 and values["R²"] == 1
    assert values["variance of R in V3"] == pytest.approx(1) and values["QT (ms): bias"] == values["QT (ms): SD"] == 0
    titles = [table.title.split(" (")[0] for table in section.tables]
    assert "Errors of intervals" in titles and "Preserved correlations by segment" in titles


def test_the_ecg_of_another_patient_fails(found):
    verdict = verdicts(found["other patient"])
    wrong = {"Pearson's r", "R peaks within 50 ms", "R peaks within 150 ms", "heart rate error"}
    assert {name for name in wrong if verdict[name] != "fail"} == set()
    assert verdict["variance"] == "pass"
    values = {
        score.name: score.value for score in found["other patient"].scores
    }  # wrong for each pair, correct on average
    assert abs(values["QT (ms): bias"]) < 3 and values["QT (ms): SD"] > 10


def test_a_small_reconstruction_fails_by_its_variance(found):
    section = found["small"]
    verdict = verdicts(section)
    assert verdict["Pearson's r"] == "pass" and verdict["variance"] == verdict["variance of R in V3"] == "fail"
    assert section.scores[1].value == pytest.approx(0.16, abs=0.01)
    slopes = next(table for table in section.tables if "Bland" in table.title).rows
    assert [row[0] for row in slopes][:2] == ["R in V3", "R in V6"]
    assert float(slopes[0][3]) == pytest.approx(-0.6, abs=0.02)


def test_given_and_determined_leads_are_not_scored(truth, real):
    constant = generated_from(truth, lambda signal: torch.cat([9 * torch.ones_like(signal[:, :6]), signal[:, 6:]], 1))
    constant.__dict__["flaws"] = truth.flaws  # constant leads would not be valid
    pairs = Pairs(Cohorts(constant, real, truth=truth, given=("I", "aVF")))
    assert pairs.leads == ("V1", "V2", "V3", "V4", "V5", "V6")
    np.testing.assert_allclose(*pairs.waves, atol=1e-6)
    assert Pairs(Cohorts(constant, real, truth=truth)).leads == INDEPENDENT_LEADS
    with pytest.raises(InputError, match="determine every lead"):
        _ = Pairs(Cohorts(constant, real, truth=truth, given=INDEPENDENT_LEADS)).leads


def test_the_linear_filter_is_the_lagged_regression_baseline(truth, real):
    pairs = Pairs(Cohorts(truth, real, truth=truth, given=("II",)))
    training, true = (
        median_beats.plain(one.valid.ecg.pick(*INDEPENDENT_LEADS)).signal.numpy() for one in (real, truth)
    )
    baseline = LaggedRegression()
    baseline.moments, baseline.solved, baseline.given = baseline.nothing_yet(100.0), {}, ("II",)
    baseline.moments.add(training)
    expected = baseline.predict(true[:, [1]])[:, [0, *range(2, 8)]]
    np.testing.assert_allclose(pairs.regression, expected, atol=1e-5)


def test_invalid_pairs_are_left_out(truth, real):
    def invalidate(signal):
        signal = signal.clone()
        signal[3, 2, 50], signal[7] = float("nan"), 0.0
        return signal

    pairs = Pairs(Cohorts(generated_from(truth, invalidate), real, truth=truth))
    assert len(pairs) == N - 2 and "truth 3" not in pairs.patients and "truth 7" not in pairs.patients
    generated, true = pairs.waves
    np.testing.assert_allclose(generated, true, atol=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(*pairs.peaks(), strict=True))


def test_sets_that_cannot_be_paired_are_not_measured(truth, real):
    few = MeasuredSet(truth.all.at(range(12)), None)
    for cohorts, why in (
        (Cohorts(truth, real), "no true ECGs were given"),
        (Cohorts(few, real, truth=truth), "12 synthetic records and 54 true ones"),
        (Cohorts(few, real, truth=few), "12 valid pairs, 50 needed"),
        (Cohorts(truth, real, truth=truth, given=INDEPENDENT_LEADS), "determine every lead"),
    ):
        section = reconstruction(cohorts)
        assert section.verdict == "not measured" and why in section.headline


def test_without_given_leads_the_reference_is_another_patient(truth, real):
    section = reconstruction(Cohorts(generated_from(truth, torch.clone), real, truth=truth))
    r = section.scores[0]
    assert r.verdict == "pass" and r.floor is None and "no lead was given" in r.note


def test_other_pairs_are_other_records(truth, real):
    pairs = Pairs(Cohorts(truth, real, truth=truth, seed=3))
    assert sorted(pairs.other_pairs()) == list(range(N)) and (pairs.other_pairs() != np.arange(N)).all()


def test_a_variance_may_be_too_small_or_too_large():
    assert [varies(ratio) for ratio in (1, 0.8, 0.79, 1.3, 0.4, 2.1)] == [
        "pass",
        "pass",
        "warn",
        "warn",
        "fail",
        "fail",
    ]


def test_figures_are_small_and_have_a_caption(found):
    for figure in found["other patient"].figures:
        assert figure.svg.startswith("<svg") and len(figure.svg) < 150_000 and len(figure.caption) > 60
