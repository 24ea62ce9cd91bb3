"""Messages name arguments as the caller gives them: keywords in Python, options on the command line."""

import ast
import re
from inspect import signature

import numpy as np
import pytest
from conftest import ROOT

from ecggen import read
from ecggen.cli.options import spell
from ecggen.core.errors import InputError, argument, spelled
from ecggen.core.simulate import simulate
from ecggen.io import reading
from ecggen.io.ppg import read_ppg

ARGUMENTS = "|".join(
    {*signature(reading).parameters, *signature(read_ppg).parameters, "overwrite"} - {"path", "heart_rate"}
)
"""The arguments of the functions that read and write recordings."""
KEYWORD = re.compile(rf"\b(?:{ARGUMENTS})=|(?<!-)\b(?:with|omit|pass) (?:{ARGUMENTS})\b(?! of|s\b)|\(fs\)|--[a-z]")
"""An argument in a message that is written out, in Python's syntax or as an option, instead of with ``argument``."""
FOLDERS = ("io", "core", "viz")


def texts(tree):
    """The texts of a module that are not docstrings, with their lines; parts of an f-string are joined by a blank."""
    hidden = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            hidden.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            hidden |= {id(part) for part in node.values}
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in hidden:
            yield node.lineno, node.value


def messages():
    """All texts in the sources that can be part of a message about a recording."""
    for folder in FOLDERS:
        for path in sorted((ROOT / "ecggen" / folder).rglob("*.py")):
            for line, text in texts(ast.parse(path.read_text())):
                if " " in text and "<" not in text and "/>" not in text:
                    yield f"{path.relative_to(ROOT)}:{line}", text


def test_no_message_writes_an_argument_out():
    found = [f"{place}: {text}" for place, text in messages() if KEYWORD.search(text)]
    assert not found, "\n".join(found)


def test_the_advised_part_is_counted_from_the_start_of_the_recording(tmp_path):
    ecg = simulate(1, seconds=10, fs=100, seed=3).pick("I", "II")
    ecg.signal[:, :, 300:400] = float("nan")
    np.savez(tmp_path / "a.npz", signal=ecg.signal[0].numpy(), leads=ecg.leads, fs=100, unit="mV")
    with pytest.raises(InputError, match=r"read the longest complete segment: start=4, seconds=6$"):
        read(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"read the longest complete segment: start=4, seconds=5$"):
        read(tmp_path / "a.npz", start=2, seconds=7)
    assert read(tmp_path / "a.npz", start=4, seconds=5).seconds == 5


def test_a_command_names_the_options_that_it_has():
    options = {
        "plot": {"fs": "--fs"},
        "convert": {"fs": "--fs", "leads": "--leads"},
        "translate": {"channel": "--channel"},
    }
    with spelled(lambda values: spell(values, options)):
        assert argument("fs") == "--fs" and argument(fs=500.0) == "--fs 500"
        assert argument(leads="II=ECG 1") == "ecggen convert IN OUT.hea --leads 'II=ECG 1'"
        assert argument(leads="-,I") == "ecggen convert IN OUT.hea --leads=-,I"
        assert argument(channel="PLETH") == "ecggen translate FILE --out OUT --channel PLETH"
        assert argument(check=False) == ""
    assert argument(check=False) == "check=False"
