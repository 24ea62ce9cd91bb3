"""Reconstruction benchmark: parity with reference libraries, known values, baselines and complete runs."""

import json

import numpy as np
import pytest
import torch
from conftest import tiny
from scipy.stats import pearsonr
from torchmetrics.functional import mean_absolute_error, mean_squared_error

from ecggen import InputError, data, write
from ecggen.benchmark import reconstruction, run
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint
from ecggen.generators.baselines.baselines import LaggedRegression, Nearest, TrainingMean, Zero
from ecggen.io.results import store
from ecggen.metrics.functional import probabilistic, waveform
from ecggen.metrics.functional.bootstrap import patient_interval


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("ecgs")
    for i in range(60):
        write(simulate(1, seconds=4, seed=i), place / f"{i}.hea")
    return place


@pytest.fixture(scope="module")
def pack(folder, tmp_path_factory):
    return data.pack(data.recordings(folder), Preprocessor(seconds=4), tmp_path_factory.mktemp("cache"))


def pair():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(3, 4, 200))
    return true + 0.5 * rng.normal(size=true.shape), true


def test_parity_with_reference_libraries():
    predicted, true = pair()
    a, b = torch.as_tensor(predicted[1, 2]), torch.as_tensor(true[1, 2])
    assert waveform.mean_squared_error(predicted, true)[1, 2] == pytest.approx(float(mean_squared_error(a, b)))
    assert waveform.mean_absolute_error(predicted, true)[1, 2] == pytest.approx(float(mean_absolute_error(a, b)))
    assert waveform.pearson(predicted, true)[1, 2] == pytest.approx(pearsonr(predicted[1, 2], true[1, 2]).statistic)
    assert waveform.root_mean_squared_error(predicted, true)[0, 0] ** 2 == pytest.approx(
        waveform.mean_squared_error(predicted, true)[0, 0]
    )


def test_perfect_input_has_the_perfect_score():
    _, true = pair()
    assert waveform.mean_squared_error(true, true).max() == 0
    np.testing.assert_allclose(waveform.pearson(true, true), 1)
    assert probabilistic.coverage(true, true, true).min() == 1


def test_pearson_of_flat_lines():
    _, true = pair()
    assert waveform.pearson(np.zeros_like(true), true).max() == 0
    assert np.isnan(waveform.pearson(true, np.zeros_like(true))).all()


def test_shapes_must_match():
    with pytest.raises(InputError, match=r"shapes \(2, 5\) and \(5,\) are compared"):
        waveform.pearson(np.zeros((2, 5)), np.zeros(5))


def test_only_free_leads_are_scored():
    assert waveform.free_leads(["I"]) == ("II", "V1", "V2", "V3", "V4", "V5", "V6")
    assert waveform.free_leads(["II", "V1", "V5"]) == ("I", "V2", "V3", "V4", "V6")
    assert waveform.free_leads(["aVR", "III"]) == ("V1", "V2", "V3", "V4", "V5", "V6")
    true = pair()[1].repeat(2, 1)
    altered = true.copy()
    altered[:, INDEPENDENT_LEADS.index("I")] = 99
    score = reconstruction.score(altered, true, ["I"], ["a", "b", "c"], seed=0)
    assert score["r"] == pytest.approx(1) and score["rmse_mv"] == 0 and "I" not in score["per_lead"]


def test_the_bootstrap_resamples_patients():
    """Ten copies of each of 30 patients must not narrow the interval."""
    values = np.random.default_rng(0).normal(size=30)
    alone = patient_interval(values, [str(i) for i in range(30)])
    copied = patient_interval(values.repeat(10), [str(i) for i in range(30) for _ in range(10)])
    assert copied == pytest.approx(alone, abs=1e-9)
    width = alone[1] - alone[0]
    assert width == pytest.approx(2 * 1.96 * values.std() / 30**0.5, rel=0.15)


def test_regression_finds_a_fixed_filter(pack):
    """Lead V1 is a delayed and halved lead I: regression with lags fits it, regression without lags does not."""
    signal = np.array(pack.signal)
    signal[:, 2] = 0
    signal[:, 2, 10:] = signal[:, 0, :-10] // 2
    altered = data.Pack(signal, pack.ppg, pack.index, pack.preprocessor, {})
    rows = np.arange(40)
    given = signal[40:, :1].astype(np.float32) / 1000
    true = signal[40:, 2].astype(np.float32) / 1000
    errors = []
    for lags in (1, 41):
        baseline = LaggedRegression(lags)
        baseline.fit(altered, rows, ["I"])
        errors.append(np.abs(baseline.predict(given)[:, 2] - true)[:, 20:-20].max())
    assert errors[1] < 0.003 < 0.05 < errors[0]


def test_other_baselines(pack):
    rows = np.arange(50)
    signal = pack.ecg(rows).signal.numpy()
    for baseline, expected in (
        (Zero(), np.zeros_like(signal)),
        (TrainingMean(), np.broadcast_to(signal.mean(0), signal.shape)),
        (Nearest(), signal),
    ):
        baseline.fit(pack, rows, ["I"])
        np.testing.assert_allclose(baseline.predict(signal[:, :1]), expected, atol=1e-5)


def test_a_protocol_runs_on_a_checkpoint(folder, tmp_path):
    model = checkpoint.save(tiny("vae"), tmp_path / "tiny")
    path = tmp_path / "short.toml"
    path.write_text('kind = "reconstruction"\ngiven = ["I"]\ntrain_folds = [1, 2, 3]\nfolds = [4, 5, 6]\ndraws = 3\n')
    results = run.run(path, [folder], str(model), cache=tmp_path / "cache")
    assert results["n"] == results["patients"] > 5
    assert list(results["scores"]) == [
        "zero",
        "training mean",
        "linear regression",
        "linear regression, 41 lags of ±0.4 s",
        "nearest training record",
        checkpoint.load(model).name,
    ]
    scores = results["scores"][checkpoint.load(model).name]
    assert set(scores["per_lead"]) == set(results["scored_leads"]) == {"II", "V1", "V2", "V3", "V4", "V5", "V6"}
    assert scores["r_interval"][0] <= scores["r"] <= scores["r_interval"][1]
    assert 0 <= scores["interval"]["coverage"] <= 1
    assert results["scores"]["zero"]["r"] == 0
    store(results, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["n"] == results["n"]
    with pytest.raises(InputError, match="exists"):
        store(results, tmp_path / "out.json")


def test_an_oracle_has_perfect_scores(folder, pack):
    """Reading, conditioning, reconstruction and comparison at the model's rate introduce no error."""
    from ecggen.generators.base import Draws, Generator
    from ecggen.io import read

    class Oracle(Generator):
        def __init__(self):
            super().__init__()
            self.preprocessor = Preprocessor(seconds=4)

        def loss(self, ecg, condition, group):
            return {}

        def draw(self, condition, noise):
            distance = (condition.leads[:, None, 0] - truth[None, :, 0]).abs().mean(-1)
            return truth[distance.argmin(1)]

        def draw_many(self, condition, noise):
            return Draws(self.draw(condition, noise).repeat_interleave(len(noise) // len(condition), 0))

    rows = pack.rows([4, 5, 6])
    truth = pack.ecg(rows).signal
    paths = {recording.name: recording.path for recording in data.recordings(folder)}
    scores = reconstruction.score_generator(
        Oracle(),
        lambda row: read(paths[pack.index.iloc[row]["name"]], check=False),
        pack,
        reconstruction.Protocol("reconstruction", ["I"], draws=2),
        rows,
    )
    assert scores["r"] > 0.999 and scores["rmse_mv"] < 0.002


def test_preserved_diagnoses_are_paired_by_record():
    from ecggen.benchmark.preserved_diagnoses import CLASSES, RECORDED, PreservedDiagnoses
    from ecggen.core.simulate import simulate
    from ecggen.evaluators import pretrained

    ecgs = simulate(24, seconds=10, seed=4)
    preserved = PreservedDiagnoses(pretrained.load("classifier", "classifier"))
    preserved.add({RECORDED: ecgs, "point_estimate": ecgs, "one draw": ecgs[torch.randperm(24)]})
    codes = ["NORM SR", "IMI SR", "LVH NDT", "CLBBB"] * 6
    scores = preserved.scores(codes, [str(at) for at in range(24)], seed=1)
    assert len(scores["classes"]) == len(CLASSES) == len(scores["recorded"]["each"])
    assert scores["point_estimate"]["lost"] == 0 and scores["point_estimate"]["lost_interval"] == (0, 0)
    low, high = scores["one draw"]["lost_interval"]
    assert low <= scores["one draw"]["lost"] <= high and high > low
