"""Protocols on other archives: one result an archive, one window a record, scores by hospital, baselines of PTB-XL."""

import csv
import json

import numpy as np
import pytest
from conftest import tiny

from ecggen import InputError, write
from ecggen.benchmark import matrix
from ecggen.benchmark import run as protocols
from ecggen.benchmark.subgroups import FEWEST_PATIENTS, by_hospital
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint

HEAD = ["ecg_id", "patient_id", "age", "sex", "report", "strat_fold", "filename_lr", "scp_codes"]
SETTINGS = f"""kind = "reconstruction"
data = "outside"
given = ["I"]
train_folds = [1]
folds = {list(range(1, 11))}
draws = 2
"""


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    """A small folder in PTB-XL's format."""
    place = tmp_path_factory.mktemp("ptbxl")
    rows = []
    for i in range(50):
        write(simulate(1, seconds=4, seed=i), place / f"{i:05d}_lr.hea")
        rows.append([i, f"p{i}", 60, 0, "normal ECG", 1, f"{i:05d}_lr", "{'NORM': 100.0}"])
    with (place / "ptbxl_database.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEAD, *rows])
    return place


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """The Challenge 2021 with two windows a record (one of them also PTB-XL's), and a folder of a hospital."""
    place = tmp_path_factory.mktemp("others")
    names = [*(f"A{i:04d}" for i in range(12)), *(f"E{i:05d}" for i in range(3)), "HR00001"]
    for folder in ("challenge", "clinic"):
        (place / folder).mkdir()
    for seed, name in enumerate(names):
        write(simulate(1, seconds=8, seed=100 + seed), place / "challenge" / f"{name}.hea")
    for seed in range(4):
        write(simulate(1, seconds=4, seed=200 + seed), place / "clinic" / f"patient{seed}.hea")
    return place / "challenge", place / "clinic"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return checkpoint.save(tiny("vae"), tmp_path_factory.mktemp("model") / "vae")


@pytest.fixture
def protocol(tmp_path):
    (tmp_path / "elsewhere.toml").write_text(SETTINGS)
    return tmp_path / "elsewhere.toml"


def test_each_archive_has_its_own_results(protocol, inside, others, model, tmp_path, run):
    folders = [word for folder in (inside, *others) for word in ("--data", folder)]
    words = ("evaluate", protocol, "--model", model, *folders, "--cache", tmp_path / "cache", "--out", tmp_path / "out")
    code, out, err = run(*words)
    assert code == 0, err
    assert sorted(file.name for file in (tmp_path / "out").glob("*.json")) == [
        "elsewhere_cinc2021.json",
        "elsewhere_clinic.json",
    ]
    found = json.loads((tmp_path / "out" / "elsewhere_cinc2021.json").read_text())
    assert (found["protocol"], found["archive"]) == ("elsewhere", "cinc2021")
    assert found["n"] == found["patients"] == 15, "the first window of each record, PTB-XL's left out"
    assert len(found["scores"]) == 6, "five baselines and the model"
    for name, score in found["scores"].items():
        assert [(key, one["n"]) for key, one in score["hospitals"].items()] == [("CPSC 2018", 12), ("Georgia", 3)]
        whole = np.average([one["r"] for one in score["hospitals"].values()], weights=[12, 3])
        assert score["r"] == pytest.approx(whole)
        assert ("coverage" in score["hospitals"]["Georgia"]) == ("@" in name)
    interval = found["scores"][found["model"]]["interval"]
    assert interval["width_mv_interval"][0] <= interval["width_mv"] <= interval["width_mv_interval"][1]
    assert "Georgia" in out
    other = json.loads((tmp_path / "out" / "elsewhere_clinic.json").read_text())
    assert other["archive"] == "clinic" and "hospitals" not in other["scores"][other["model"]]
    first = (tmp_path / "out" / "elsewhere_clinic.json").read_text()
    assert run(*words)[0] == 0 and (tmp_path / "out" / "elsewhere_clinic.json").read_text() == first


def test_without_ptb_xl_there_are_no_baselines(protocol, others, model, tmp_path):
    results = protocols.run(protocol, [others[1]], str(model), cache=tmp_path / "cache")
    assert list(results["scores"]) == [results["model"]] and results["n"] == 4 and results["left_out"] == {}


def test_archives_do_not_share_a_file(protocol, others, model, tmp_path):
    first, second = (protocols.run(protocol, [folder], str(model), cache=tmp_path / "cache") for folder in others)
    matrix.keep(first, tmp_path / "one.json")
    with pytest.raises(InputError, match="the archive of the earlier results is cinc2021; clinic was expected"):
        matrix.keep(second, tmp_path / "one.json")


def test_tasks_of_a_protocol(protocol, inside, others):
    found = matrix.tasks([protocol], [inside, *others])
    assert [task.name for task in found] == ["elsewhere_cinc2021", "elsewhere_clinic"]
    assert [task.folders for task in found] == [(inside, others[0]), (inside, others[1])]
    (alone,) = matrix.tasks([protocol], [inside])
    assert alone.name == "elsewhere"
    with pytest.raises(InputError, match="0 of the folders hold twelve-lead recordings that are not PTB-XL"):
        protocols.run(protocol, alone.folders, "baseline:zero")
    (one,) = matrix.tasks([matrix.find("one_lead")], [inside, *others])
    assert (one.name, protocols.folder_for("ptb-xl", [*others, inside])) == ("one_lead", inside)


def test_small_hospitals_have_no_interval():
    rng = np.random.default_rng(0)
    hospitals = ["big"] * FEWEST_PATIENTS + ["small"] * 3 + [""]
    r = rng.normal(size=(len(hospitals), 2))
    found = by_hospital({"r": r, "squared": r**2}, hospitals, [str(i) for i in range(len(hospitals))], seed=0)
    assert list(found) == ["big", "small"] and found["small"]["n"] == found["small"]["patients"] == 3
    assert found["small"]["r_interval"] is None and found["small"]["rmse_mv_interval"] is None
    low, high = found["big"]["rmse_mv_interval"]
    assert low < found["big"]["rmse_mv"] < high
    assert found["big"]["rmse_mv"] == pytest.approx(np.sqrt((r[:FEWEST_PATIENTS] ** 2).mean(0)).mean())
    assert by_hospital({"r": r}, [""] * len(r), [""] * len(r), seed=0) == {}
