"""Protocol files: generation, panel and wording protocols on models and baselines, and resumed runs."""

import csv
import json

import numpy as np
import pytest
from conftest import tiny
from fixtures import tiny_evaluator

from ecggen import InputError, data, write
from ecggen.benchmark import generation, matrix, run
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.simulate import simulate
from ecggen.evaluators import pretrained
from ecggen.generators import checkpoint

HEAD = ["ecg_id", "patient_id", "age", "sex", "report", "strat_fold", "filename_lr", "scp_codes"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small folder in PTB-XL's format: 160 simulated ECGs, normal with a slow and infarction with a fast rate."""
    place = tmp_path_factory.mktemp("ptbxl")
    rows = []
    for i in range(160):
        slow = i // 2 % 2
        write(simulate(1, seed=i, heart_rate=52 if slow else 110), place / f"{i:05d}_lr.hea")
        words = ["normal ECG", "{'NORM': 100.0}"] if slow else ["inferior infarction", "{'IMI': 100.0}"]
        rows.append([i, f"p{i}", 40 + i % 40, i % 2, words[0], 1 + 8 * (i % 2), f"{i:05d}_lr", words[1]])
    with (place / "ptbxl_database.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEAD, *rows])
    return place


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A tiny VAE of ten seconds and tiny evaluators, as folders."""
    place = tmp_path_factory.mktemp("checkpoints")
    model = tiny("vae")
    model.preprocessor = Preprocessor()
    checkpoint.save(model, place / "vae")
    for kind in ("classifier", "ecg_text"):
        pretrained.save(tiny_evaluator(kind), place / kind)
    return place


def protocol_file(place, name, **settings):
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (place / f"{name}.toml").write_text("\n".join(lines))
    return place / f"{name}.toml"


SMALL = {"train_folds": [1], "folds": [9]}


def test_generation_protocol_scores_the_sections(folder, shelf, tmp_path):
    evaluators = {name: str(shelf / name) for name in ("classifier", "ecg_text")}
    file = protocol_file(
        tmp_path,
        "words",
        kind="generation",
        conditions=["text", "heart_rate"],
        n=60,
        metrics=["validity", "rhythm"],
        **SMALL,
        **evaluators,
    )
    for model in (str(shelf / "vae"), "baseline:simulator"):
        results = run.run(file, [folder], model, cache=tmp_path / "cache")
        (score,) = results["scores"].values()
        assert results["n"] == 60 and score["n_real"] == 80 and score["classifier"].startswith("classifier@")
        assert list(score["sections"]) == ["validity", "rhythm"] and score["ms_per_ecg"] > 0
        assert score["sections"]["validity"]["verdict"] in ("pass", "warn", "fail")
        assert score["evaluations_per_draw"] == (1 if "vae" in model else 0)


def test_the_simulator_has_the_requested_heart_rate(folder, shelf, tmp_path):
    evaluators = {name: str(shelf / name) for name in ("classifier", "ecg_text")}
    file = protocol_file(
        tmp_path,
        "rates",
        kind="generation",
        conditions=["heart_rate"],
        n=60,
        metrics=["fidelity"],
        **SMALL,
        **evaluators,
    )
    (score,) = run.run(file, [folder], "baseline:simulator", cache=tmp_path / "cache")["scores"].values()
    found = {one["name"]: one["value"] for one in score["sections"]["fidelity"]["scores"]}
    rate = next(value for name, value in found.items() if name.startswith("heart rate") and value is not None)
    assert rate < 3


def test_only_the_given_conditions_are_used(folder, tmp_path):
    pack = data.pack(data.recordings(folder), Preprocessor(), tmp_path / "cache")
    condition = generation.text_and_metadata(pack, np.arange(4), ["age"])
    assert not condition.lead_mask.any() and not condition.text_mask.any()
    assert condition.metadata_mask.tolist() == [[True, False, False]] * 4
    requested = generation.requested(pack, np.arange(4), simulate(4), "x", ["age"])
    assert (
        requested.codes == ("",) * 4 and requested.texts == ("",) * 4 and np.isnan(requested.requested_heart_rate).all()
    )
    assert np.isfinite(requested.age).all() and np.isnan(requested.sex).all()


def test_panel_of_a_draw_and_of_the_mean(folder, shelf, tmp_path):
    file = protocol_file(tmp_path, "panel", kind="panel", given=["I"], n=60, draws=4, **SMALL)
    (score,) = run.run(file, [folder], str(shelf / "vae"), cache=tmp_path / "cache")["scores"].values()
    of = {
        drawn: {one["name"]: one["value"] for one in section["scores"]} for drawn, section in score["sections"].items()
    }
    assert of["mean of draws"]["variance"] <= of["one draw"]["variance"] + 1e-6


def test_wording_protocol(folder, shelf, tmp_path):
    file = protocol_file(
        tmp_path, "w", kind="wording", statements=["AFIB", "NORM"], n=3, classifier=str(shelf / "classifier")
    )
    results = run.run(file, [folder], str(shelf / "vae"), cache=tmp_path / "cache")
    (score,) = results["scores"].values()
    assert set(score["each"]) == {"AFIB", "NORM"} and 0 <= score["mean"]["denial"] <= 1
    assert score["mean"]["said"] == pytest.approx(np.mean([one["said"] for one in score["each"].values()]))


def test_results_of_several_models_share_a_file_and_are_not_computed_twice(folder, shelf, tmp_path, run):
    file = protocol_file(tmp_path, "panel", kind="panel", given=["I"], n=50, draws=2, **SMALL)
    words = ("--data", folder, "--cache", tmp_path / "cache", "--out", tmp_path / "results")
    models = ("--model", shelf / "vae", "--model", "baseline:regression")
    code, out, err = run("evaluate", file, *models, *words)
    assert code == 0 and "variance" in out, err
    first = (tmp_path / "results" / "panel.json").read_text()
    results = json.loads(first)
    assert list(results["scores"])[-1] == results["model"], "the header is that of the newest score"
    assert len(results["scores"]) == 2 and all(
        score["commit"] == results["commit"] for score in results["scores"].values()
    )
    code, _, _ = run("evaluate", file, *models, *words)
    assert code == 0 and (tmp_path / "results" / "panel.json").read_text() == first
    code, _, err = run("evaluate", file, *models, *words, "--num-draws", 3)
    assert code == 2 and "scored in" in err and "already, and --num-draws was given; pass --overwrite" in err
    assert (tmp_path / "results" / "panel.json").read_text() == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no protocol was given; a protocol or --all"),
        (("three_legs",), "there is no protocol 'three_legs'; a file, or one of appearance,"),
        (("one_lead", "--all"), "both a protocol and --all were given"),
        (("unconditional", "--model", "baseline:crystal"), "there is no baseline 'crystal'; one of"),
    ],
)
def test_invalid_arguments_are_one_message(words, message, folder, tmp_path, run):
    code, _, err = run("evaluate", *words, "--data", folder, "--out", tmp_path / "r")
    assert code == 2 and message in err


def test_a_protocol_uses_the_folder_with_its_data(folder, tmp_path):
    bidmc = tmp_path / "bidmc"
    bidmc.mkdir()
    (bidmc / "bidmc_01_Signals.csv").write_text("Time [s], PLETH, II,\n0,0,0\n")
    assert run.folder_for("bidmc", [folder, bidmc]) == bidmc
    assert run.folder_for("ptb-xl", [bidmc, folder]) == folder
    with pytest.raises(InputError, match="one of ptb-xl, outside, bidmc, cinc2015 was expected"):
        run.folder_for("mimic", [folder])
    with pytest.raises(InputError, match="none of 2 folders has data of the kind cinc2015"):
        run.folder_for("cinc2015", [folder, bidmc])
    with pytest.raises(InputError, match="0 of the folders hold twelve-lead recordings that are not PTB-XL"):
        run.folder_for("outside", [folder, bidmc])


def test_every_shipped_protocol_has_data_and_seed():
    from ecggen.core import config

    found = matrix.shipped()
    assert {"one_lead", "three_leads", "ppg", "text", "unconditional", "augmentation"} <= set(found)
    for file in found.values():
        settings = config.read_toml(file)
        assert settings["data"] in run.DATA and settings["kind"] in run.KINDS and "seed" in settings
        assert 10 not in settings["folds"] or settings["data"] in ("bidmc", "cinc2015", "outside"), (
            "PTB-XL's fold 10 is never scored"
        )
