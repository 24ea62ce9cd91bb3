"""``ecggen train`` and ``train-evaluator`` take the name of a shipped config as well as a path."""

import shutil

import pytest
from conftest import ROOT
from trainable import training_folder

import ecggen
from ecggen import InputError
from ecggen.core.config import shipped_config


@pytest.mark.parametrize("name", ["vae", "classifier", "tiny/vae", "large/flow"])
def test_shipped_configs_are_found_by_name(name):
    assert shipped_config(name) == ROOT / "configs" / f"{name}.toml"


def test_a_path_is_returned_unchanged(tmp_path, monkeypatch):
    (tmp_path / "own.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert shipped_config("own.toml").read_text() == ""


def test_an_installed_wheel_holds_them_in_the_package(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "ecggen"
    shutil.copytree(ROOT / "configs", package / "configs")
    (tmp_path / "site-packages" / "configs").mkdir()  # of another package
    monkeypatch.setattr(ecggen, "__file__", str(package / "__init__.py"))
    assert shipped_config("tiny/gan") == package / "configs" / "tiny" / "gan.toml"


@pytest.mark.parametrize("name", ["vea", "nowhere.toml", "../configs/vae", ""])
def test_an_unknown_name_lists_the_names(name):
    with pytest.raises(InputError, match=r"there is no config .*; shipped: classifier, .*, tiny/vae, vae$"):
        shipped_config(name)


@pytest.mark.parametrize("command", ["train", "train-evaluator"])
def test_unknown_configs_are_one_sentence(command, run, tmp_path):
    code, _, error = run(command, "nothing", "--data", tmp_path, "--out", tmp_path / "run")
    assert code == 2 and "there is no config 'nothing'" in error and "classifier" in error
    assert not (tmp_path / "run").exists()


def test_training_from_a_shipped_config(run, tmp_path):
    data = training_folder(tmp_path / "data", 40)
    words = ("--data", data, "--out", tmp_path / "run", "--cache", tmp_path / "cache", "--quiet")
    code, text, error = run("train", "tiny/vae", *words, "--set", "training.epochs=1")
    assert code == 0 and "best checkpoint: " in text and (tmp_path / "run" / "checkpoint" / "config.json").is_file(), (
        error
    )
