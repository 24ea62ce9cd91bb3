"""Beats of a PPG as an ONNX file: the same beats as torch finds, and usable where torch is not installed."""

import json

import numpy as np
import pytest
import torch
from conftest import SAMPLES
from without_torch import run_without_torch

from ecggen.conditioning import pulse_beats
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate_ppg
from ecggen.generators.export.pulse_beats import PulseBeatsGraph
from ecggen.io.ppg import read_ppg

FS, SECONDS = 64, 6
NAMES = ("intensity", "time", "deviation", "probability", "missed", "found")


def read(wave, fs):
    """Beats as ``pulse_beats.read`` finds them."""
    (beats,) = pulse_beats.read(wave, torch.ones_like(wave, dtype=torch.bool), fs)
    return beats


def check(outputs, beats):
    """Compare outputs of the graph or file, by name, with ``PulseBeats``."""
    count = len(beats)
    assert outputs["found"][0].tolist() == [1] * count + [0] * (outputs["found"].shape[1] - count)
    for name, value in zip(NAMES[1:5], (beats.times, beats.deviations, beats.probabilities, beats.missed), strict=True):
        assert np.abs(outputs[name][0][:count] - value).max(initial=0) < 1e-3, name
        assert not outputs[name][0][count:].any()


def simulated(seed):
    """A PPG with pauses, premature beats and noise, or noise only: (1, time)."""
    numbers = np.random.default_rng(seed)
    if seed % 3 == 0:
        return torch.from_numpy(numbers.standard_normal((1, FS * SECONDS))).float()
    wave = simulate_ppg(np.cumsum(numbers.uniform(0.3, 2.2, 20)), SECONDS, FS, numbers)
    return torch.from_numpy(wave + 0.2 * numbers.standard_normal(len(wave))).float()[None]


def test_the_graph_finds_the_beats_that_torch_finds():
    graph = PulseBeatsGraph(pulse_beats.load(), FS, SECONDS)
    inserted = 0
    for seed in range(12):
        wave = simulated(seed)
        beats = read(wave, FS)
        inserted += int((beats.probabilities < pulse_beats.LIKELY).sum())
        for scale, level in ((1, 0), (500, 60_000)):  # counts of a converter
            with torch.no_grad():
                outputs = graph(level + scale * wave)
            check({name: each.numpy() for name, each in zip(NAMES, outputs, strict=True)}, beats)
    assert inserted > 3  # beats that only the intensity left between two others wants


def test_a_flat_ppg_has_no_certain_beats():
    flat = torch.zeros(1, FS * SECONDS)
    with torch.no_grad():
        outputs = PulseBeatsGraph(pulse_beats.load(), FS, SECONDS)(flat)
    check({name: each.numpy() for name, each in zip(NAMES, outputs, strict=True)}, read(flat, FS))
    assert outputs[NAMES.index("probability")].max() < pulse_beats.LIKELY


def test_the_command_exports_the_beats_of_a_ppg(run, tmp_path):
    file = tmp_path / "beats.onnx"
    code, text, err = run("export", "pulse", "--fs", 125, "--seconds", SECONDS, "--int8", "--out", file)
    assert code == 0, err
    assert "not for diagnosis" in text and "on one core" in text and "ms and a probability" in text
    assert {path.name for path in tmp_path.iterdir()} == {"beats.onnx", "beats_int8.onnx"}
    wave = read_ppg(SAMPLES / "bidmc/bidmc_15_Signals.csv", start=10, seconds=SECONDS).wave[None]
    outputs, facts = run_without_torch(file, {"ppg": wave.numpy()}, tmp_path)
    beats = read(wave, 125)
    assert len(beats) > 8
    check(outputs, beats)
    assert facts["model"].startswith("pulse@") and "odc-by" in facts["licence"].lower()
    assert json.loads(facts["outputs"]).keys() == outputs.keys() == set(NAMES)
    small, _ = run_without_torch(tmp_path / "beats_int8.onnx", {"ppg": wave.numpy()}, tmp_path)
    assert np.abs(small["time"] - outputs["time"]).max() < 0.01
    assert file.stat().st_size > 1.2 * (tmp_path / "beats_int8.onnx").stat().st_size


def test_what_does_not_concern_a_ppg_is_refused(run, tmp_path):
    code, _, err = run("export", "pulse", "--leads", "I", "--out", tmp_path / "beats.onnx")
    assert code == 2 and "--leads is given" in err and "pulse" in err
    code, _, err = run("export", "vae", "--seconds", 10, "--out", tmp_path / "model.onnx")
    assert code == 2 and "--seconds is given" in err
    for fs, seconds in ((125, 3), (10, 30), (1000, 30)):
        with pytest.raises(InputError, match="5 to 60 s at 20 to 1000 Hz, at most 15,000 samples"):
            PulseBeatsGraph(pulse_beats.load(), fs, seconds)
    assert not list(tmp_path.iterdir())
