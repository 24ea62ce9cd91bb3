"""The examples run as they stand, on a training set that is learnt in seconds."""

import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT, tiny
from trainable import training_folder

from ecggen.core.ecg import STANDARD_LEADS, Provenance
from ecggen.core.simulate import simulate
from ecggen.data.ptb_xl import PtbXlFolder
from ecggen.generators import checkpoint
from ecggen.io.metadata import About

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MADE = Provenance((), STANDARD_LEADS, "flow 1234abcd", 7, "")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Forty real records of 4 s, whose superclasses all occur in every part, and eight synthetic ones."""
    base = tmp_path_factory.mktemp("examples")
    real = training_folder(base / "real")
    tested = PtbXlFolder(real)
    for at, codes in enumerate(("AFIB CLBBB", "NORM", "IMI", "LVH", "NDT") * 2):
        heart = replace(simulate(1, seconds=4, seed=100 + at), provenance=None)
        tested.add(heart, About(50, "F", tuple(codes.split()), "ekg", str(12000 + at), 10))
    made = PtbXlFolder(base / "made")
    for at in range(8):
        heart = replace(simulate(1, seconds=4, seed=200 + at), provenance=MADE)
        codes = (("AFIB", "CLBBB"), ("IMI",), ("LVH", "NDT"), ("NORM",))[at % 4]
        made.add(heart, About(60, "M", codes, "", str(900_000_000 + at), 1 + at))
    checkpoint.save(tiny("flow"), base / "flow")
    return base


@pytest.fixture
def run(folders, monkeypatch, capsys):
    """What an example prints, run as a program in this process."""

    def program(example, *words):
        own = ["--real", folders / "real", "--cache", folders / "cache"]
        monkeypatch.setattr(sys, "argv", [example, *map(str, (*own, *words))])
        runpy.run_path(str(ROOT / "examples" / example), run_name="__main__")
        return capsys.readouterr().out

    return program


def test_scikit_learn(folders, run):
    said = run("scikit_learn.py", "--synthetic", folders / "made", "--seconds", "4")
    assert "32 real and 8 synthetic records for training, 14 real ones for testing" in said
    found = re.findall(r"^(real|synthetic|real \+ synthetic) +macro AUROC (0\.\d{3}|1\.000)", said, re.MULTILINE)
    assert [name for name, _ in found] == ["real", "synthetic", "real + synthetic"]
    assert all(said.count(f" {label} ") == 3 for label in ("CD", "HYP", "MI", "NORM", "STTC"))


@pytest.mark.filterwarnings("ignore")
def test_lightning(folders, run):
    said = run("lightning_cnn.py", "--synthetic", folders / "made", "--seconds", "4", "--share", "0.2")
    assert "40 records per epoch, 8 of them synthetic" in said
    assert re.search(r"macro AUROC on 14 real records of fold 10: (0\.\d{3}|1\.000)", said)


def test_on_the_fly(folders, run):
    words = ("--model", folders / "flow", "--train-folds", "1", "2", "3", "--share", "0.25")
    said = run("on_the_fly.py", *words)
    assert re.findall(r"epoch (\d): 16 records, (\d+) with AFIB, 4 of them synthetic", said) == [("0", "7"), ("1", "7")]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_says_how_it_is_run_and_has_a_test(path):
    text = path.read_text()
    assert f"python examples/{path.name} --real" in text
    assert f'run("{path.name}"' in Path(__file__).read_text()
    assert len(text.splitlines()) < 100
