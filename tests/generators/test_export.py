"""Lead reconstruction as an ONNX file: the same as torch within 1 µV, and usable where torch is not installed."""

import json
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from conftest import SAMPLES, tiny
from without_torch import run_without_torch

from ecggen.core.ecg import resample
from ecggen.core.errors import InputError
from ecggen.core.filters import band_pass
from ecggen.core.simulate import simulate
from ecggen.generators.base import load
from ecggen.generators.export.reconstruction import ReconstructionGraph, reconstruction_graph
from ecggen.io import read
from ecggen.networks.onnx import graph as onnx
from ecggen.networks.onnx.linear import FixedLength

UNKNOWN = torch.tensor([-1.0])


@pytest.fixture(scope="module")
def exported():
    """The graph of the tiny VAE for lead I at 250 Hz, and its model."""
    graph = reconstruction_graph(tiny("vae"), ("I",), 250, num_draws=4, licence="of the test")
    return graph, onnx.export(graph)


@pytest.mark.parametrize(("fs", "seconds"), [(100, 10), (125, 3), (360, 2)])
def test_filter_and_resampling_are_one_convolution(fs, seconds):
    def process(wave):
        return resample(band_pass(wave, fs, 0.5, 40.0), fs, 100)

    samples = fs * seconds
    graph = FixedLength(process, samples, Fraction(100, fs), reach=10 * fs, odd=fs)
    wave = torch.randn(2, samples, generator=torch.Generator().manual_seed(0)) + torch.linspace(-3, 5, samples)
    assert (graph(wave) - process(wave)).abs().max() < 1e-4  # mV
    assert graph.ends_in.shape[1] < 40


@pytest.mark.parametrize(
    ("leads", "file"),
    [(("I",), "00010_lr.hea"), (("II", "V1", "V5"), "01502_lr.hea"), (("I", "II"), "00627_lr.hea")],
)
def test_the_graph_of_the_shipped_vae_computes_what_reconstruct_does(leads, file):
    model = load("vae")
    model.widening = None  # the graph does not widen intervals
    recording = read(SAMPLES / file).pick(*leads)
    graph = ReconstructionGraph(model, leads, recording.fs, num_draws=20)
    for known in ({}, {"age": 74, "sex": "F"}):
        expected = model.reconstruct(recording, num_draws=20, **known)
        age, sex = (torch.tensor([74.0]), torch.tensor([1.0])) if known else (UNKNOWN, UNKNOWN)
        with torch.no_grad():
            found = graph(recording.signal, age, sex)
        for one, other in zip(found, (expected.mean, expected.lower, expected.upper), strict=True):
            assert (one - other.signal).abs().max() < 1e-3  # 1 µV


def test_the_file_needs_no_torch_and_differs_by_less_than_1_uv(exported, tmp_path):
    graph, model = exported
    onnx.save(model, tmp_path / "model.onnx")
    recording = simulate(1, seconds=4, fs=250, heart_rate=90, seed=7).pick("I")
    inputs = {"recording": recording.signal.numpy(), "age": np.float32([61]), "sex": np.float32([0])}
    outputs, facts = run_without_torch(tmp_path / "model.onnx", inputs, tmp_path)
    found = list(outputs.values())
    expected = tiny("vae").reconstruct(recording, age=61, sex="M", num_draws=4)
    for one, other in zip(found, (expected.mean, expected.lower, expected.upper), strict=True):
        assert np.abs(one - other.signal.numpy()).max() < 1e-3
    assert np.abs(found[0][:, 0] - recording.signal[:, 0].numpy()).max() < 1e-6
    assert facts["notice"] == "SYNTHETIC leads; not for diagnosis" and facts["licence"] == "of the test"
    assert json.loads(facts["observed"]) == ["I"] and len(json.loads(facts["generated"])) == 11
    assert facts["model"] == "vae" and json.loads(facts["inputs"]).keys() == graph.inputs.keys()


def test_8_bit_weights_are_smaller_and_close(exported, tmp_path):
    graph, model = exported
    small = onnx.with_8_bit_weights(model)
    sizes = [onnx.save(each, tmp_path / f"{number}.onnx") for number, each in enumerate((model, small))]
    assert sizes[1] < sizes[0] and onnx.facts(small)["weights"].startswith("8 bits")
    found = onnx.run(onnx.session(small), graph.inputs)
    differences = [float((found[name] - expected).abs().max()) for name, expected in graph.outputs.items()]
    assert 1e-6 < max(differences) < 0.2


def test_what_cannot_be_exported_is_refused(exported, tmp_path):
    with pytest.raises(InputError, match="export vae"):
        ReconstructionGraph(tiny("flow"), ("I",), 100)
    with pytest.raises(InputError, match="2 draws"):
        ReconstructionGraph(tiny("vae"), ("I",), 100, num_draws=1)
    with pytest.raises(InputError, match="ratio"):
        ReconstructionGraph(tiny("vae"), ("I",), 499.7)
    (tmp_path / "there.onnx").write_text("")
    with pytest.raises(InputError, match="exists"):
        onnx.save(exported[1], tmp_path / "there.onnx")


def test_the_command_names_what_it_cannot_do(run, tmp_path, monkeypatch):
    code, _, err = run("export", "vae", "--out", tmp_path / "model.pt")
    assert code == 2 and ".onnx" in err
    code, _, err = run("export", "flow", "--out", tmp_path / "model.onnx")
    assert code == 2 and "a VAE was expected" in err
    code, _, err = run("export", "vae", "--leads", "X9", "--out", tmp_path / "model.onnx")
    assert code == 2 and "X9" in err
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    code, _, err = run("export", "vae", "--out", tmp_path / "model.onnx")
    assert code == 2 and "ecggen[onnx]" in err and not list(tmp_path.iterdir())


def test_the_command_exports(run, tmp_path):
    from ecggen.core import config
    from ecggen.generators import registry

    values = config.read_toml(SAMPLES.parents[1] / "configs/tiny/vae.toml")
    model = registry.generator("vae", values["model"], "[model]")
    model.preprocessor = tiny("vae").preprocessor
    model.save_pretrained(tmp_path / "tiny", card="licence: cc-by-4.0")
    out = tmp_path / "out" / "model.onnx"
    code, text, err = run("export", tmp_path / "tiny", "--fs", 100, "--num-draws", 2, "--int8", "--out", out)
    assert code == 0, err
    assert "observed:  I" in text and "on one core" in text and "SYNTHETIC" in text
    assert {path.name for path in out.parent.iterdir()} == {"model.onnx", "model_int8.onnx"}
