"""Libraries that a short command does not need are not loaded: they take seconds and hundreds of megabytes."""

import gc
import json
import subprocess
import sys

import pytest
from conftest import ROOT

from ecggen import cli

HEAVY = (
    *("diffusers", "torch._dynamo", "torchmetrics", "lightning", "sklearn", "pandas", "torchvision", "transformers"),
    *("matplotlib.pyplot", "jsonargparse", "onnxruntime", "pydicom", "h5py", "sympy", "networkx"),
)
RUN = """
import json, sys
from ecggen.cli import main
sys.argv = ["ecggen", *json.loads(sys.argv[1])]
try:
    main()
except SystemExit as end:
    assert not end.code
print("LOADED", *sys.modules)
"""


def loaded_by(*arguments):
    """Names of the modules that a command has loaded when it ends."""
    command = [sys.executable, "-c", RUN, json.dumps([str(one) for one in arguments])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split("LOADED ")[1].split())


def test_garbage_is_collected_less_often_during_a_command(monkeypatch):
    found, before = [], gc.get_threshold()
    monkeypatch.setattr(cli, "app", lambda _: found.append(gc.get_threshold()))
    cli.main()
    assert found == [cli.COLLECTIONS] and gc.get_threshold() == before


@pytest.mark.parametrize("model", ["flow", "vae"])
def test_a_reconstruction_loads_no_library_that_it_does_not_need(model, tmp_path):
    watch = ROOT / "tests/samples/apple_watch_lead_I.csv"
    loaded = loaded_by("reconstruct", watch, "--model", model, "--num-draws", 2, "--out", tmp_path / "out")
    assert "torch" in loaded and (tmp_path / "out" / "apple_watch_lead_I.png").is_file()
    assert not loaded & set(HEAVY)


def test_a_translation_loads_no_library_that_it_does_not_need(tmp_path):
    pulses = ROOT / "tests/samples/bidmc/bidmc_15_Signals.csv"
    loaded = loaded_by("translate", pulses, "--model", "vae", "--out", tmp_path / "out")
    assert "torch" in loaded and (tmp_path / "out").is_dir()
    assert not loaded & set(HEAVY)


def test_a_comparison_still_loads_what_it_needs(tmp_path):
    """The check above is able to fail."""
    samples = ROOT / "tests/samples"
    arguments = ["reconstruct", samples / "apple_watch_lead_I.csv", "--truth", samples / "00262_hr.hea"]
    loaded = loaded_by(*arguments, "--model", "vae", "--num-draws", 2, "--out", tmp_path / "out")
    assert loaded & set(HEAVY)
