"""Training of the heart-first model: decomposition of a pack, wordings, stages, and continuing an interrupted run."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ecggen import data, write
from ecggen.conditioning import statements
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.beats import Beats, rendered
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.data.pack import MICROVOLT
from ecggen.generators.hearts.model import HeartFirst, HeartSizes
from ecggen.generators.hearts.residual import LEADS
from ecggen.training.hearts import calibration, fitting, stages
from ecggen.training.hearts.calibration import amplitude_variation
from ecggen.training.hearts.decomposition import decomposed
from ecggen.training.hearts.examples import VERSIONS, sampling_weights, versions
from ecggen.training.hearts.fitting import Schedule, fit
from ecggen.training.hearts.material import Material, prepared

SIZES = HeartSizes(
    400,
    components=6,
    latents=4,
    code_width=8,
    width=8,
    blocks=1,
    rhythm_width=8,
    levels_width=8,
    residual_width=8,
    dilations=(1,),
)
SHORT = Schedule(steps=3, batch=8)
PLAN = stages.Plan(SHORT, SHORT, SHORT, SHORT, SHORT, whitening_records=20, calibration_records=8)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Forty simulated records of 4 s in ten folds."""
    folder = tmp_path_factory.mktemp("records")
    for i in range(40):
        write(simulate(1, seconds=4, seed=i), folder / f"{i}.hea")
    return data.pack(data.recordings(folder), Preprocessor(seconds=4), folder / "cache")


def test_the_decomposition_of_a_pack_is_exact_and_does_not_depend_on_the_workers(pack, tmp_path):
    one = decomposed(pack, tmp_path / "one", workers=1)
    two = decomposed(pack, tmp_path / "two", workers=2)
    for row in range(len(pack)):
        whole = rendered(one.beats(row), 400, 100.0) + one.residual[row] / MICROVOLT
        np.testing.assert_allclose(whole, pack.signal[row] / MICROVOLT, atol=0.001)  # the residual has steps of 1 µV
    assert np.array_equal(one.median, two.median) and np.array_equal(one.times, two.times)


def test_a_decomposition_is_made_once(pack, tmp_path, monkeypatch):
    first = decomposed(pack, tmp_path, workers=1)
    monkeypatch.setattr("ecggen.training.hearts.decomposition._write", lambda *_: pytest.fail("made again"))
    assert np.array_equal(decomposed(pack, tmp_path).median, first.median)


def test_an_interrupted_decomposition_leaves_nothing(pack, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr("ecggen.training.hearts.decomposition._some", fail)
    with pytest.raises(RuntimeError):
        decomposed(pack, tmp_path, workers=1)
    assert not list(tmp_path.iterdir())


def test_all_stages_are_trained_and_a_finished_stage_is_not_repeated(pack, tmp_path):
    torch.manual_seed(0)
    model, done = HeartFirst(SIZES), []
    stages.train(model, pack, PLAN, tmp_path / "run", tmp_path / "cache", lambda name, share: done.append(name))
    assert {"decomposition", "texts", *stages.STAGES} <= set(done)
    torch.manual_seed(1)
    again, done = HeartFirst(SIZES), []
    stages.train(again, pack, PLAN, tmp_path / "run", tmp_path / "cache", lambda name, share: done.append(name))
    assert not set(stages.STAGES) & set(done)
    for (name, value), other in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(value, other), name
    assert not list((tmp_path / "run").glob("*.state"))


class Line(nn.Module):
    """A line through the origin."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(()))


def squared(network: nn.Module, rows: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    x = torch.from_numpy(rows.astype(np.float32)) + torch.randn(len(rows))
    return (network.slope * x - 2 * x).square().mean()


def test_training_reduces_the_loss():
    network, losses = Line(), []
    schedule = Schedule(steps=600, batch=16, lr=0.05, ema_decay=0.9)
    fit(network, squared, np.arange(1, 5), np.ones(4), schedule, 0, _nowhere(), lambda _, loss: losses.append(loss))
    assert losses[-1] < 0.01 * losses[0] and abs(network.slope.item() - 2) < 0.05 and not network.training


def _nowhere():
    from pathlib import Path
    from tempfile import mkdtemp

    return Path(mkdtemp()) / "state"


def test_a_continued_training_equals_an_uninterrupted_one(tmp_path, monkeypatch):
    schedule = Schedule(steps=40, batch=4, lr=0.05)
    whole, parts, calls = Line(), Line(), 0
    monkeypatch.setattr(fitting, "SAVED_EVERY", 10)
    fit(whole, squared, np.arange(9), np.ones(9), schedule, 3, tmp_path / "whole")

    def stops(network, rows, rng):
        nonlocal calls
        calls += 1
        if calls == 27:
            raise KeyboardInterrupt
        return squared(network, rows, rng)

    with pytest.raises(KeyboardInterrupt):
        fit(parts, stops, np.arange(9), np.ones(9), schedule, 3, tmp_path / "part")
    again = Line()
    fit(again, squared, np.arange(9), np.ones(9), schedule, 3, tmp_path / "part")
    assert torch.equal(again.slope, whole.slope) and not (tmp_path / "part").exists()


def test_frequent_rows_are_drawn_more_often():
    seen = []

    def note(network, rows, rng):
        seen.extend(rows.tolist())
        return network.slope.square()

    fit(Line(), note, np.arange(2), np.array([1.0, 9.0]), Schedule(50, 20), 0, _nowhere())
    assert 0.85 < np.mean(seen) < 0.95


def test_texts_of_a_record_affirm_its_statements_and_deny_absent_ones():
    rng, often = np.random.default_rng(0), np.ones(71)
    for _ in range(30):
        texts = versions("vorhofflimmern", ["AFIB", "LVH"], often, rng)
        assert texts[0] == "vorhofflimmern" and len(texts) == len(VERSIONS)
        found = statements.keywords([texts[1]])[0]
        assert found[statements.codes().index("NORM")] == 0
    assert versions("", [], often, rng) == ("",) * len(VERSIONS)


def test_rare_statements_are_drawn_more_often_and_records_without_any_are_not():
    labels = np.zeros((3000, 71), np.float32)
    labels[:2000, 0], labels[:30, 1] = 1, 1
    weights = sampling_weights(labels)
    assert weights[0] == 4.0 and weights[1000] == 1.0 and weights[2999] == 1.0


def test_a_config_without_the_table_trains_no_heart_first_model(tmp_path):
    file = tmp_path / "plain.toml"
    file.write_text('generator = "flow"\n')
    assert stages.read(file) is None


def test_the_table_needs_a_generator_with_a_heart_first_model(tmp_path):
    file = tmp_path / "half.toml"
    file.write_text('generator = "flow"\n[hearts]\nseed = 3\n')
    with pytest.raises(InputError, match="hearts"):
        stages.read(file)
    file.write_text('generator = "flow"\n[model]\nhearts = {}\n[hearts]\nseed = 3\nheart = { steps = 5, batch = 2 }\n')
    plan = stages.read(file)
    assert plan is not None and plan.seed == 3 and (plan.heart.steps, plan.heart.batch) == (5, 2)
    assert plan.rhythm == stages.Plan().rhythm


def test_the_command_trains_and_saves_a_heart_first_model(run, tmp_path):
    (tmp_path / "data").mkdir()
    for i in range(30):
        write(simulate(1, seconds=4, seed=i), tmp_path / "data" / f"{i}.hea")
    schedule = "{ steps = 2, batch = 4 }"
    lines = ['generator = "flow"', "[model]", "widths = [8, 16, 16]", "blocks = [1, 1, 2]", "width = 16", "folded = 5"]
    sizes = "samples = 400, components = 6, latents = 4, code_width = 8, width = 8, blocks = 1, rhythm_width = 8"
    lines += [
        f"hearts = {{ {sizes}, levels_width = 8, residual_width = 8, dilations = [1] }}",
        "[preprocessing]",
        "seconds = 4",
        "[training]",
        "epochs = 0",
    ]
    lines += ["[hearts]", *(f"{name} = {schedule}" for name in ("code", "heart", "rhythm", "levels", "residual"))]
    config = tmp_path / "hearts.toml"
    config.write_text("\n".join(lines) + "\n")
    options = ("--data", tmp_path / "data", "--out", tmp_path / "run", "--cache", tmp_path / "cache", "--quiet")
    code, out, err = run("train", config, *options)
    assert code == 0, err
    assert "best checkpoint" in out and "loss plot" not in out
    code, _, err = run("generate", "--text", "AF", "--model", tmp_path / "run" / "checkpoint", "--out", tmp_path / "af")
    assert code == 0, err


def test_amplitude_variation_is_that_of_the_gains():
    shape = np.zeros((1, 96))
    shape[0, 26:42] = np.hanning(16)
    times, gains = np.arange(0.5, 9.5), 0.1 * np.array([[1.0], [-1], [1], [-1], [1], [-1], [1], [-1], [1]])
    beats = Beats(shape, 0 * shape, times, np.zeros(9, int), gains)
    found = amplitude_variation(rendered(beats, 1000, 100.0)[None], [beats], 100.0)
    assert found[0, 0] == pytest.approx(gains.std(ddof=1), rel=0.1)
    few = Beats(shape, 0 * shape, times[:2], np.zeros(2, int), gains[:2])
    assert np.isnan(amplitude_variation(rendered(few, 1000, 100.0)[None], [few], 100.0)).all()


def test_the_calibration_finds_how_much_too_large_gains_are_drawn(pack, tmp_path, monkeypatch):
    torch.manual_seed(0)
    model, before = HeartFirst(SIZES), []
    stages.train(model, pack, PLAN, tmp_path / "run", tmp_path / "cache", lambda name, share: None)
    material = prepared(model, pack, range(10), 0, tmp_path / "cache", lambda name, share: None)

    def signal(rows, factor):
        """Records whose gains have a standard deviation of 0.05, multiplied by ``factor``."""
        beats = material.beats(rows)
        gains = [
            0.05 * np.random.default_rng(row).standard_normal(one.gains.shape)
            for row, one in zip(rows, beats, strict=True)
        ]
        scaled = [replace(one, gains=factor * own) for one, own in zip(beats, gains, strict=True)]
        return torch.from_numpy(np.stack([rendered(one, 400, 100.0) for one in scaled])) + material.residual(rows)

    def three_times_too_large(model, material, rows):
        before.append(model.level_bias[-LEADS:].clone())
        return signal(rows, 3 * torch.exp(before[0] - before[-1]).numpy())

    monkeypatch.setattr(Material, "whole", lambda self, rows: signal(rows, 1.0))
    monkeypatch.setattr(calibration, "_drawn", three_times_too_large)
    calibration.calibrate(model, material, 16, 0, lambda share: None)
    found = torch.exp(model.level_bias[-LEADS:] - before[0])
    assert found.median().item() == pytest.approx(3, rel=0.1)
