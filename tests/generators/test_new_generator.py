"""A new generator is one file and one config: commands, training, evaluation and checkpoints support it."""

import json

import pytest
from conftest import ROOT
from typer.testing import CliRunner

from ecggen import generators
from ecggen.cli import app
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint, registry
from ecggen.io import read, write

SOURCE = '''"""A linear function of the observed leads, and noise."""

import torch

from ecggen.generators.base import Generator


class Line(Generator):
    """Eight leads as a linear function of twelve, zero where masked.

    Args:
        noise_mv: Standard deviation of the noise in mV.
    """

    def __init__(self, noise_mv: float = 0.01):
        super().__init__()
        self.mix = torch.nn.Linear(12, 8)
        self.noise_mv = noise_mv

    def draw(self, condition, noise):
        return self._mixed(condition) + self.noise_mv * noise.normal(8, condition.samples)

    def loss(self, ecg, condition, group):
        return {"error": (self._mixed(condition) - ecg.signal).square().mean()}

    def _mixed(self, condition):
        return self.mix(condition.leads.transpose(1, 2)).transpose(1, 2)
'''

CONFIG = """generator = "line"

[model]
noise_mv = 0.02

[preprocessing]
seconds = 4

[training]
epochs = 1
batch = 8
precision = "32-true"
"""


@pytest.fixture
def line(tmp_path, monkeypatch):
    """A file in a folder that is added to the path of ``ecggen.generators``."""
    place = tmp_path / "generators"
    place.mkdir()
    (place / "line.py").write_text(SOURCE)
    monkeypatch.setattr(generators, "__path__", [*generators.__path__, str(place)])
    (tmp_path / "line.toml").write_text(CONFIG)
    return tmp_path / "line.toml"


def test_it_is_trained_saved_sampled_and_evaluated(line, tmp_path):
    def run(*words):
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "line" in registry.names()
    folder = tmp_path / "hearts"
    folder.mkdir()
    for i in range(40):
        write(simulate(1, seconds=4, seed=i), folder / f"{i}.hea")
    given = ["--data", folder, "--cache", tmp_path / "cache"]
    run("train", line, *given, "--out", tmp_path / "run", "--quiet")
    made = tmp_path / "run" / "checkpoint"
    assert checkpoint.load(made).name.startswith("checkpoint@") and checkpoint.load(made).config == {"noise_mv": 0.02}
    run("generate", "--text", "sinus rhythm", "-n", 2, "--model", made, "--seconds", 4, "--out", tmp_path / "drawn")
    assert read(tmp_path / "drawn" / "00000.hea").provenance is not None
    lead = simulate(1, seconds=4, seed=99).pick("II")
    write(lead, tmp_path / "II.csv")
    run("reconstruct", tmp_path / "II.csv", "--model", made, "--num-draws", 2, "--out", tmp_path / "twelve")
    protocol = ROOT / "ecggen" / "benchmark" / "protocols" / "one_lead.toml"
    run("evaluate", protocol, *given, "--model", made, "--out", tmp_path / "scores.json", "--no-baselines")
    assert any(name.startswith("checkpoint@") for name in json.loads((tmp_path / "scores.json").read_text())["scores"])
