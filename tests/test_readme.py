"""The README's numbers are those of the committed results, and its commands exist."""

import json
import re

from conftest import ROOT

from ecggen.evaluation import tables

README = (ROOT / "README.md").read_text()
RESULTS = ROOT / "evaluation" / "results"


def test_the_tables_are_what_was_measured():
    assert tables.written(README) == README
    assert len(re.findall("<!-- table: ", README)) == len(tables.TABLES)


def test_results_say_what_they_are():
    for file in ("one_lead", "three_leads"):
        results = json.loads((RESULTS / f"{file}.json").read_text())
        assert {"definitions", "n", "patients", "settings", "model", "commit", "date"} <= set(results)
        assert results["n"] == 2183 and results["settings"]["folds"] == [9]
        assert 10 not in results["settings"]["train_folds"]


def test_the_files_it_names_exist():
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_commands_it_names_exist():
    from typer.main import get_command

    from ecggen.cli import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    for command in re.findall(r"`ecggen (\w+) ", README):
        assert command in known, command
