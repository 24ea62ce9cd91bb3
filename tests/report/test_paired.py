"""Reconstructions beside their truths: perfect ones pass, strangers' and mean ones fail where they must."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecggen import InputError
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.simulate import simulate
from ecggen.generators.baselines.baselines import LaggedRegression
from ecggen.report import median_beats
from ecggen.report.inputs.cohort import ECGSet, Material, Studied
from ecggen.report.pairs import Pairs, varies
from ecggen.report.sections.paired import reconstruction

N = 54


def hearts(name, seed, n=N):
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
    return Studied(hearts("truth", 1), None)


@pytest.fixture(scope="module")
def real():
    return Studied(hearts("real", 2), None)


def drawn_as(truth, change):
    signal = truth.all.ecg.signal
    return Studied(as_set("drawn", replace(truth.all.ecg, signal=change(signal))), None)


@pytest.fixture(scope="module")
def found(truth, real):
    """The section for several kinds of answers, lead I given."""
    made = {
        "perfect": lambda signal: signal.clone(),
        "strangers": lambda signal: signal.roll(1, 0),
        "small": lambda signal: 0.4 * signal,
    }
    return {
        name: reconstruction(Material(drawn_as(truth, change), real, truth=truth, given=("I",)))
        for name, change in made.items()
    }


def verdicts(section):
    return {score.name: score.verdict for score in section.scores}


def test_a_perfect_answer_has_perfect_scores(found):
    section = found["perfect"]
    values = {score.name: score.value for score in section.scores}
    hidden = ("PR (ms): bias", "PR (ms): SD")  # P may hide in T
    measured = {name: said for name, said in verdicts(section).items() if name not in hidden}
    assert section.verdict == "pass" and set(measured.values()) == {"pass"}
    assert values["Pearson's r"] == values["variance"] == pytest.approx(1)
    assert values["R peaks within 50 ms"] == 1 and values["heart rate error"] == 0
    assert max(values[name] for name in ("MSE", "RMSE", "MAE", "PRD", "DTW")) == 0 and values["R²"] == 1
    assert values["variance of R in V3"] == pytest.approx(1) and values["QT (ms): bias"] == values["QT (ms): SD"] == 0
    titles = [table.title.split(" (")[0] for table in section.tables]
    assert "Intervals against the truth" in titles and "Correlations that are preserved, by segment" in titles


def test_a_strangers_ecg_fails(found):
    said = verdicts(found["strangers"])
    wrong = {"Pearson's r", "R peaks within 50 ms", "R peaks within 150 ms", "heart rate error"}
    assert {name for name in wrong if said[name] != "fail"} == set()
    assert said["variance"] == "pass"
    values = {score.name: score.value for score in found["strangers"].scores}  # wrong for each, right on average
    assert abs(values["QT (ms): bias"]) < 3 and values["QT (ms): SD"] > 10


def test_a_small_answer_fails_by_its_variance(found):
    section = found["small"]
    said = verdicts(section)
    assert said["Pearson's r"] == "pass" and said["variance"] == said["variance of R in V3"] == "fail"
    assert section.scores[1].value == pytest.approx(0.16, abs=0.01)
    slopes = next(table for table in section.tables if "Bland" in table.title).rows
    assert [row[0] for row in slopes][:2] == ["R in V3", "R in V6"]
    assert float(slopes[0][3]) == pytest.approx(-0.6, abs=0.02)


def test_given_and_determined_leads_are_not_scored(truth, real):
    spoilt = drawn_as(truth, lambda signal: torch.cat([9 * torch.ones_like(signal[:, :6]), signal[:, 6:]], 1))
    spoilt.__dict__["flaws"] = truth.flaws  # such leads would not be valid
    pairs = Pairs(Material(spoilt, real, truth=truth, given=("I", "aVF")))
    assert pairs.leads == ("V1", "V2", "V3", "V4", "V5", "V6")
    np.testing.assert_allclose(*pairs.waves, atol=1e-6)
    assert Pairs(Material(spoilt, real, truth=truth)).leads == INDEPENDENT_LEADS
    with pytest.raises(InputError, match="determine every lead"):
        _ = Pairs(Material(spoilt, real, truth=truth, given=INDEPENDENT_LEADS)).leads


def test_the_linear_filter_is_the_baselines(truth, real):
    pairs = Pairs(Material(truth, real, truth=truth, given=("II",)))
    learnt, asked = (median_beats.plain(one.valid.ecg.pick(*INDEPENDENT_LEADS)).signal.numpy() for one in (real, truth))
    baseline = LaggedRegression()
    baseline.moments, baseline.solved, baseline.given = baseline.nothing_yet(100.0), {}, ("II",)
    baseline.moments.add(learnt)
    expected = baseline.predict(asked[:, [1]])[:, [0, *range(2, 8)]]
    np.testing.assert_allclose(pairs.regression, expected, atol=1e-5)


def test_invalid_pairs_are_left_out(truth, real):
    def spoil(signal):
        signal = signal.clone()
        signal[3, 2, 50], signal[7] = float("nan"), 0.0
        return signal

    pairs = Pairs(Material(drawn_as(truth, spoil), real, truth=truth))
    assert len(pairs) == N - 2 and "truth 3" not in pairs.patients and "truth 7" not in pairs.patients
    drawn, true = pairs.waves
    np.testing.assert_allclose(drawn, true, atol=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(*pairs.peaks(), strict=True))


def test_what_cannot_be_paired_is_not_measured(truth, real):
    few = Studied(truth.all.at(range(12)), None)
    for material, why in (
        (Material(truth, real), "no true ECGs were given"),
        (Material(few, real, truth=truth), "12 synthetic records and 54 true ones"),
        (Material(few, real, truth=few), "12 valid pairs, 50 needed"),
        (Material(truth, real, truth=truth, given=INDEPENDENT_LEADS), "determine every lead"),
    ):
        section = reconstruction(material)
        assert section.verdict == "not measured" and why in section.headline


def test_without_given_leads_a_stranger_is_the_measure(truth, real):
    section = reconstruction(Material(drawn_as(truth, torch.clone), real, truth=truth))
    r = section.scores[0]
    assert r.verdict == "pass" and r.floor is None and "no lead was given" in r.note


def test_strangers_are_others(truth, real):
    pairs = Pairs(Material(truth, real, truth=truth, seed=3))
    assert sorted(pairs.strangers()) == list(range(N)) and (pairs.strangers() != np.arange(N)).all()


def test_a_variance_is_judged_on_both_sides():
    assert [varies(ratio) for ratio in (1, 0.8, 0.79, 1.3, 0.4, 2.1)] == [
        "pass",
        "pass",
        "warn",
        "warn",
        "fail",
        "fail",
    ]


def test_figures_are_small_and_explained(found):
    for figure in found["strangers"].figures:
        assert figure.svg.startswith("<svg") and len(figure.svg) < 150_000 and len(figure.caption) > 60
