"""Options and commands of release 0.1 still work, with a warning that names the current one."""

import sys

import pytest
import typer
from conftest import SAMPLES, tiny

from ecggen import cli
from ecggen.generators import checkpoint

APP, WATCH = cli.app, SAMPLES / "apple_watch_lead_I.csv"
VALUES = {
    "--form": "npz",
    "--forms": "wfdb,csv",
    "--picture": "svg",
    "--draws": "2",
    "--steps": "3",
    "--guidance": "2",
    "--tries": "4",
    "--complete": "flow",
    "--judge": "none",
}
"""A value for each old option."""
COMMANDS = {
    "reconstruct": ("--forms", "--picture", "--draws", "--steps", "--guidance"),
    "translate": ("--forms", "--picture", "--draws", "--steps", "--guidance"),
    "generate": ("--form", "--picture", "--steps", "--guidance"),
    "augment": ("--form", "--picture", "--tries", "--judge", "--steps", "--guidance"),
    "convert": ("--form",),
    "evaluate": ("--draws", "--steps", "--guidance"),
    "report": ("--judge",),
    "train": ("--complete",),
    "train-text": ("--steps",),
}
"""The old options of each command."""


@pytest.fixture
def parsed(monkeypatch, capsys):
    """Run ``ecggen.cli.main`` with commands that do nothing: (name of the command, its options, standard error)."""

    def command(*words):
        group = typer.main.get_command(APP)
        calls = []
        for name, one in group.commands.items():
            monkeypatch.setattr(one, "callback", lambda name=name, **options: calls.append((name, options)))
        monkeypatch.setattr(cli, "app", lambda arguments: group(arguments, standalone_mode=False))
        monkeypatch.setattr(sys, "argv", ["ecggen", *map(str, words)])
        cli.main()
        return *calls[0], " ".join(capsys.readouterr().err.split())

    return command


def required(name: str) -> list[str]:
    """Values for the required arguments and options of a command."""
    words = []
    for parameter in typer.main.get_command(APP).commands[name].params:
        if parameter.required:
            option = [max(parameter.opts, key=len)] if parameter.param_type_name == "option" else []
            words += [*option, "x"]
    return words


def test_every_old_option_belongs_to_a_command():
    options = {option for old in COMMANDS.values() for option in old}
    assert options == VALUES.keys() == {name for name in cli.RENAMED if name.startswith("--")}


@pytest.mark.parametrize(("name", "old"), [(name, old) for name, options in COMMANDS.items() for old in options])
@pytest.mark.parametrize("equals", [False, True], ids=["separate", "equals"])
def test_old_options_are_parsed_as_the_current_ones(name, old, equals, parsed):
    current = cli.RENAMED[old]

    def words(option):
        return [f"{option}={VALUES[old]}"] if equals else [option, VALUES[old]]

    with_old, with_current = (parsed(name, *required(name), *words(option)) for option in (old, current))
    assert with_old[:2] == with_current[:2] and with_old[0] == name
    assert with_old[2] == f"warning: {old} is now called {current}; the old name will be removed in the next release"
    assert with_current[2] == ""


def test_the_old_command_is_parsed_as_the_current_one(parsed):
    words = ("classifier", "--data", "x", "--out", "x")
    name, options, error = parsed("train-judge", *words)
    assert (name, options) == parsed("train-evaluator", *words)[:2]
    assert error.startswith("warning: train-judge is now called train-evaluator;")


def test_values_are_not_renamed(parsed):
    """An option's value may equal the old name of a command."""
    _, options, error = parsed("convert", "train-judge", "out", "--record", "train-judge")
    assert str(options["source"]) == options["record"] == "train-judge" and error == ""


def test_an_old_option_gives_the_same_result(run, tmp_path):
    model = checkpoint.save(tiny("vae"), tmp_path / "models" / "tiny")
    for name, option in (("old", "--draws"), ("current", "--num-draws")):
        code, _, error = run("reconstruct", WATCH, "--model", model, "--out", tmp_path / name, option, 2)
        assert code == 0 and ("is now called" in error) == (name == "old")
    old, current = ({path.name: path for path in (tmp_path / name).iterdir()} for name in ("old", "current"))
    assert old.keys() == current.keys()
    for name in ("apple_watch_lead_I.dat", "apple_watch_lead_I.csv", "apple_watch_lead_I.json"):
        assert old[name].read_bytes() == current[name].read_bytes()
