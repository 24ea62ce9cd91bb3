"""Experiments: every listed one can be built, and the committed tables are those of the committed results."""

import json

import numpy as np
import pytest
import torch
from conftest import ROOT, tiny

from ecggen.conditioning.condition import Condition
from ecggen.core import config
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.generators import registry
from evaluation.scripts import experiments
from evaluation.scripts.experiments import Experiment
from evaluation.scripts.gained import compared, resampled
from evaluation.scripts.penalties import PENALTIES, add_perceptual_loss

LISTS = ROOT / "evaluation" / "experiments"
RESULTS = ROOT / "evaluation" / "results" / "experiments.json"


def test_every_listed_experiment_can_be_built():
    found = experiments.read(LISTS)
    names = [one.name for one in found]
    assert len(names) == len(set(names)) >= 15
    for one in found:
        assert not one.against or one.against in names
        if one.kind == experiments.TEXT:
            sampling = experiments.with_sampling(one).sampling
            assert sampling is not None and sampling.guidance_scale == one.sampling.get("guidance_scale", 1.6)
            continue
        values = config.read_toml(LISTS / one.config, one.change)
        registry.check_tables(values, one.name)
        registry.generator(values["generator"], values["model"], one.name)


@pytest.mark.parametrize("name", PENALTIES)
def test_each_penalty_is_minimal_for_the_true_signal(name):
    true = torch.randn(5, 8, 90, generator=torch.Generator().manual_seed(0))
    penalty, scale = PENALTIES[name], torch.ones(5, 8, 1)
    assert penalty(true, true, scale) == 0
    assert penalty(true + 0.1, true, scale) > 0
    assert penalty(true * 1.5, true, scale) > penalty(true * 1.2, true, scale) > 0


def test_each_penalty_weights_its_own_errors():
    """Errors of equal squared error have different values of the other penalties."""
    true, scale = torch.randn(4, 8, 90, generator=torch.Generator().manual_seed(0)), torch.ones(4, 8, 1)
    near, far = torch.zeros(90), torch.zeros(90)
    near[33:37], far[60:64] = 0.5, 0.5
    peak, plain = PENALTIES["peak"], PENALTIES["squared"]
    assert peak(true + near, true, scale) == pytest.approx(3 * float(peak(true + far, true, scale)), rel=1e-4)
    level, ripple = torch.full((90,), 0.2), 0.2 * (-1.0) ** torch.arange(90)
    assert plain(true + ripple, true, scale) == pytest.approx(float(plain(true + level, true, scale)), rel=1e-4)
    assert PENALTIES["slope"](true + ripple, true, scale) > 5 * PENALTIES["slope"](true + level, true, scale)
    assert PENALTIES["slope"](true + level, true, scale) == pytest.approx(
        float(plain(true + level, true, scale)), rel=1e-4
    )
    moved, fainter = true.roll(45, -1), 0.5 * true  # a shift leaves the spectrum's magnitudes as they are
    of_spectrum = [float(PENALTIES["spectral"](one, true, scale) - plain(one, true, scale)) for one in (moved, fainter)]
    assert abs(of_spectrum[0]) < 1e-4 and of_spectrum[1] > 0.05
    doubled = [float(PENALTIES["absolute"](true + times * level, true, scale)) for times in (1, 2)]
    assert doubled[1] == pytest.approx(2 * doubled[0], rel=1e-4)


def test_patients_are_resampled_with_all_their_records():
    patients = ["a", "b", "a", "c"]
    for rows in resampled(patients, 20):
        drawn = [patients[row] for row in rows]
        assert len(drawn) >= 3 and drawn.count("a") % 2 == 0


def test_differences_agree_with_the_scores():
    rng = np.random.default_rng(0)
    own, real = rng.standard_normal((60, 4)), rng.standard_normal((80, 4))
    patients = [str(at // 2) for at in range(60)]
    same = compared({"features": own}, {"features": own}, patients, real)
    assert same["fid_gained"] == 0 and same["fid_gained_interval"] == [0, 0]
    worse = compared({"features": own + 1}, {"features": own}, patients, real)
    low, high = worse["fid_gained_interval"]
    assert 0 < low < worse["fid_gained"] < high and 3 < worse["fid_gained"] < 5
    r = rng.random((60, 3))
    better = compared({"r": r + 0.1, "squared": r}, {"r": r, "squared": r}, patients, real)
    assert better["r_gained"] == 0.1 and better["r_gained_interval"] == [0.1, 0.1]


def test_the_perceptual_loss_trains_the_autoencoder():
    generator = tiny("flow").train()
    ecg = simulate(2, seconds=4, seed=1).pick("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    known = Condition.none(2, 4)
    before = generator._space_losses(ECG(ecg.signal, ecg.leads, ecg.fs), known)
    add_perceptual_loss(generator, 0.5)
    found = generator.loss(ecg, known, "space")
    assert set(found) == {*before, "perceptual"} and found["perceptual"] > 0
    found["perceptual"].backward()
    assert any(parameter.grad is not None for parameter in generator.space.parameters())


@pytest.mark.parametrize("change", [{"kind": "other"}, {"config": ""}, {"kind": "text"}, {"penalty": "none"}])
def test_invalid_experiments_are_refused(change):
    with pytest.raises(InputError):
        Experiment(**({"name": "one", "hypothesis": "h", "config": "base_beat_network.toml"} | change))


def test_the_tables_are_those_of_the_results():
    results = json.loads(RESULTS.read_text())["experiments"]
    written = RESULTS.with_suffix(".md").read_text()
    assert written == experiments.HEAD + experiments.table(LISTS, results)
    assert all(f"| {name} |" in written for name in results)
