"""The README is short, its numbers are those of the committed results, and its commands exist."""

import inspect
import json
import re

import pytest
from conftest import ROOT

from ecggen.cli.augment import augment
from ecggen.cli.generate import generate
from ecggen.cli.options import DEFAULT_MODEL, PULSE_MODEL
from ecggen.cli.reconstruct import reconstruct
from ecggen.cli.translate import translate
from evaluation.scripts import tables
from evaluation.scripts.deciding import JOBS, best_for_jobs, defaults

README = (ROOT / "README.md").read_text()
RESULTS = ROOT / "evaluation" / "results"


def test_it_is_short():
    assert len(README.splitlines()) <= 200


def test_the_tables_are_what_was_measured():
    assert tables.written(README) == README
    assert len(re.findall("<!-- table: ", README)) == 2


def test_results_say_what_they_are():
    for file in ("one_lead", "three_leads"):
        results = json.loads((RESULTS / f"{file}.json").read_text())
        assert {"definitions", "n", "patients", "settings", "model", "commit", "date"} <= set(results)
        assert results["n"] == 2183 and results["settings"]["folds"] == [9]
        assert 10 not in results["settings"]["train_folds"]


def test_the_commands_it_names_exist():
    from typer.main import get_command

    from ecggen.cli import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = re.findall(r"\$ ecggen ([\w-]+)", README)
    assert set(named) >= {"reconstruct", "generate", "translate", "augment", "report"}
    assert set(named) <= known


@pytest.mark.parametrize("command", [augment, generate, reconstruct, translate], ids=lambda command: command.__name__)
def test_commands_take_the_generator_that_measured_best(command):
    best = defaults(ROOT / "evaluation" / "results")[command.__name__]
    short = PULSE_MODEL if command is translate else DEFAULT_MODEL
    assert (inspect.signature(command).parameters["model"].default or short) in best and len(best) < 3


def test_the_best_has_the_most_r_and_the_least_error(tmp_path):
    scores = {"one@0": {"r": 0.9, "rmse_mv": 0.2}, "two@0": {"r": 0.8, "rmse_mv": 0.1}}
    (tmp_path / "one_lead.json").write_text(json.dumps({"scores": scores}))
    jobs = [job for job in JOBS if job[2] == "one_lead"]
    rows = best_for_jobs(tmp_path, jobs).splitlines()
    assert "**0.900**" in rows[2] and "**0.100**" in rows[3] and rows[2].count("**") == rows[3].count("**") == 2
