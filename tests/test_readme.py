"""The README's numbers are those of the committed results, and its commands exist."""

import json
import re

import pytest
from conftest import ROOT

README = (ROOT / "README.md").read_text()
RESULTS = ROOT / "evaluation" / "results"


def rows(title: str) -> dict[str, list[str]]:
    """The lines of the README's table under a given protocol: name → cells."""
    block = README.split(f"**{title}**", 1)[1].split("\n\n**", 1)[0]
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines() if line.startswith("|")
    ]
    return {re.sub(r"[*`]", "", line[0]): line[1:] for line in lines[2:]}


@pytest.mark.parametrize(("title", "file"), [("From lead I", "one_lead"), ("From II, V1 and V5", "three_leads")])
def test_the_table_is_what_was_measured(title, file):
    results = json.loads((RESULTS / f"{file}.json").read_text())
    table = rows(title)
    for name, score in results["scores"].items():
        shown = table["vae" if name.startswith("vae@") else name]
        low, high = score["r_interval"]
        below, above = score["rmse_mv_interval"]
        assert shown[0] == f"{score['r']:.3f} ({low:.3f}–{high:.3f})"
        assert shown[1] == f"{score['rmse_mv']:.3f} ({below:.3f}–{above:.3f})"
        assert shown[2] == (f"{score['band']['inside']:.3f}" if "band" in score else "")
        if "single_draw" in score:
            single = score["single_draw"]
            assert table["vae, one draw"][:2] == [f"{single['r']:.3f}", f"{single['rmse_mv']:.3f}"]


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
