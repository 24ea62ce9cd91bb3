"""One trainer for any number of players: it learns, resumes, and does not know what a GAN is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ROOT, tiny
from torch import nn

from ecggen import checkpoint, config, data, finishing
from ecggen.condition import Condition
from ecggen.exposure import Exposure
from ecggen.generator import Generator
from ecggen.preprocessing import Preprocessor
from ecggen.simulate import simulate
from ecggen.training import Plan, logged, rate_at, train


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Forty simulated hearts in ten folds."""
    from ecggen import write

    folder = tmp_path_factory.mktemp("hearts")
    for i in range(40):
        write(simulate(1, seconds=4, seed=i), folder / f"{i}.hea")
    return data.pack(data.recordings(folder), Preprocessor(seconds=4), folder / "cache")


def plan_of(name: str, **changes) -> tuple[Plan, Exposure]:
    values = config.read_toml(ROOT / "configs" / "tiny" / f"{name}.toml")
    plan = config.build(Plan, values["training"], "[training]")
    return replace(plan, **changes), config.build(Exposure, values["exposure"], "[exposure]")


@pytest.mark.parametrize("name", config.names())
def test_a_tiny_generator_trains_and_ships(name, pack, tmp_path):
    plan, exposure = plan_of(name)
    best = train(tiny(name), pack, plan, exposure, tmp_path / "run", progress=False)
    assert checkpoint.load(best).preprocessor == pack.preprocessor
    assert (tmp_path / "run" / "loss.png").stat().st_size > 5000
    errors = [float(row["rmse"]) for row in logged(tmp_path / "run" / "log") if row["rmse"]]
    assert len(errors) == plan.epochs and all(np.isfinite(errors))


def test_training_lowers_the_error_of_unseen_leads(pack, tmp_path):
    plan, _ = plan_of("vae", epochs=25, rate=3e-3, validation_leads=("I",), average=0.9)
    exposure = Exposure(shown={"I": 1.0}, cut=0.0)
    torch.manual_seed(0)
    values = config.read_toml(ROOT / "configs" / "tiny" / "vae.toml")
    generator = config.generator("vae", values["model"], "[model]")
    generator.preprocessor = pack.preprocessor
    train(generator, pack, plan, exposure, tmp_path / "run", progress=False)
    errors = [float(row["rmse"]) for row in logged(tmp_path / "run" / "log") if row["rmse"]]
    assert min(errors) < 0.85 * errors[0]


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(pack, tmp_path):
    """Weights after 2 + 2 epochs are those after 4."""
    plan, exposure = plan_of("vae", epochs=4)
    whole = tiny("vae")
    train(whole, pack, plan, exposure, tmp_path / "whole", progress=False)

    class KilledError(Exception):
        pass

    class Mortal(type(whole)):
        moves = 0

        def loss(self, *arguments):
            self.moves += 1
            if self.moves > 2.5 * steps:
                raise KilledError
            return super().loss(*arguments)

    steps = len(data.Batches(pack, pack.rows(plan.train_folds), plan.batch, seed=0))
    first = tiny("vae")
    first.__class__ = Mortal
    with pytest.raises(KilledError):
        train(first, pack, plan, exposure, tmp_path / "parts", progress=False)
    second = tiny("vae")
    train(second, pack, plan, exposure, tmp_path / "parts", resume=True, progress=False)
    steps_logged = [int(row["step"]) for row in logged(tmp_path / "parts" / "log") if row["rmse"]]
    assert len(steps_logged) == plan.epochs and steps_logged == sorted(set(steps_logged))
    for (name, a), b in zip(whole.state_dict().items(), second.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4, msg=name)


class TwoPlayers(Generator):
    """A GAN in miniature: the smallest game of two."""

    def __init__(self):
        super().__init__()
        self.preprocessor = Preprocessor(seconds=4)
        self.artist, self.critic = nn.Conv1d(12, 8, 5, padding=2), nn.Conv1d(8, 1, 5)
        self.asked: list[tuple[str, bool, bool]] = []

    def players(self):
        return {"artist": list(self.artist.parameters()), "critic": list(self.critic.parameters())}

    def draw(self, condition, noise):
        return self.artist(condition.leads) + 0.01 * noise.normal(8, condition.samples)

    def loss(self, ecg, condition, player):
        free = [next(part.parameters()).requires_grad for part in (self.artist, self.critic)]
        self.asked.append((player, *free))
        drawn = self.artist(condition.leads)
        if player == "artist":
            return {"fooled": (self.critic(drawn) - 1).square().mean(), "error": (drawn - ecg.signal).abs().mean()}
        real, fake = self.critic(ecg.signal), self.critic(drawn.detach())
        return {"real": (real - 1).square().mean(), "fake": fake.square().mean()}


def test_two_players_move_in_turn_and_only_their_own(pack, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "save", lambda generator, folder: folder)
    plan, exposure = plan_of("vae", epochs=1)
    generator = TwoPlayers()
    before = [p.detach().clone() for p in generator.parameters()]
    train(generator, pack, plan, exposure, tmp_path / "run", progress=False)
    assert generator.asked[:2] == [("artist", True, False), ("critic", False, True)]
    assert all(not torch.equal(a, b) for a, b in zip(before, generator.parameters(), strict=True))
    columns = logged(tmp_path / "run" / "log")[0]
    assert {"artist_fooled", "artist_error", "critic_real", "critic_fake"} <= set(columns)


def test_the_rate_rises_then_falls():
    plan, _ = plan_of("vae", epochs=10, warmup=0.2)
    rates = [rate_at(plan, epoch, step, 10) for epoch in range(10) for step in range(10)]
    assert np.argmax(rates) in (19, 20) and rates[0] < 0.1 and rates[-1] < 0.03 and max(rates) <= 1.0


def test_bands_are_set_to_hold_their_share(pack):
    generator = tiny("vae")
    rows = np.arange(len(pack))
    finishing.fit_bands(generator, pack, rows, draws=4)
    truth = pack.ecg(rows).standard()
    known = Condition.none(len(rows), truth.seconds, truth.fs).with_leads(truth.pick("I"))
    estimate = generator.estimate(known, 4, seed=1)
    held = (truth.signal >= estimate.low.signal - 1e-6) & (truth.signal <= estimate.high.signal + 1e-6)
    assert abs(float(held[:, 1:].float().mean()) - 0.9) < 0.05
