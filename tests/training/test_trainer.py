"""The trainer: any number of parameter groups, resuming, calibration, and augmentation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ROOT, tiny
from torch import nn

from ecggen import data
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core import config
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.core.simulate import DOWER, simulate
from ecggen.generators import checkpoint, registry
from ecggen.generators.base import Generator
from ecggen.generators.intervals import num_observed
from ecggen.generators.sampling import Noise
from ecggen.training import calibration, trainer
from ecggen.training.masking import Masking
from ecggen.training.trainer import Plan, logged, rate_at, train


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Forty simulated records in ten folds."""
    from ecggen import write

    folder = tmp_path_factory.mktemp("hearts")
    for i in range(40):
        write(simulate(1, seconds=4, seed=i), folder / f"{i}.hea")
    return data.pack(data.recordings(folder), Preprocessor(seconds=4), folder / "cache")


def plan_of(name: str, **changes) -> tuple[Plan, Masking]:
    values = config.read_toml(ROOT / "configs" / "tiny" / f"{name}.toml")
    plan = config.build(Plan, values["training"], "[training]")
    return replace(plan, **changes), config.build(Masking, values["masking"], "[masking]")


@pytest.mark.parametrize("name", registry.names())
def test_a_tiny_generator_is_trained_and_saved(name, pack, tmp_path):
    plan, masking = plan_of(name)
    best = train(tiny(name), pack, plan, masking, tmp_path / "run", progress=False)
    assert checkpoint.load(best).preprocessor == pack.preprocessor
    assert (tmp_path / "run" / "loss.png").stat().st_size > 5000
    errors = [float(row["rmse"]) for row in logged(tmp_path / "run" / "log") if row["rmse"]]
    assert len(errors) == plan.epochs and all(np.isfinite(errors))


def test_training_reduces_the_error_of_missing_leads(pack, tmp_path):
    plan, _ = plan_of("vae", epochs=25, lr=3e-3, validation_leads=("I",), ema_decay=0.9)
    masking = Masking(lead_masks={"I": 1.0}, crop_prob=0.0)
    torch.manual_seed(0)
    values = config.read_toml(ROOT / "configs" / "tiny" / "vae.toml")
    generator = registry.generator("vae", values["model"], "[model]")
    generator.preprocessor = pack.preprocessor
    train(generator, pack, plan, masking, tmp_path / "run", progress=False)
    errors = [float(row["rmse"]) for row in logged(tmp_path / "run" / "log") if row["rmse"]]
    assert min(errors) < 0.85 * errors[0]


def test_a_resumed_run_equals_an_uninterrupted_one(pack, tmp_path):
    """Weights after 2 + 2 epochs are those after 4."""
    plan, masking = plan_of("vae", epochs=4)
    whole = tiny("vae")
    train(whole, pack, plan, masking, tmp_path / "whole", progress=False)

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
        train(first, pack, plan, masking, tmp_path / "parts", progress=False)
    second = tiny("vae")
    train(second, pack, plan, masking, tmp_path / "parts", resume=True, progress=False)
    steps_logged = [int(row["step"]) for row in logged(tmp_path / "parts" / "log") if row["rmse"]]
    assert len(steps_logged) == plan.epochs and steps_logged == sorted(set(steps_logged))
    for (name, a), b in zip(whole.state_dict().items(), second.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4, msg=name)


class TwoGroups(Generator):
    """A minimal GAN with two parameter groups."""

    def __init__(self):
        super().__init__()
        self.preprocessor = Preprocessor(seconds=4)
        self.artist, self.critic = nn.Conv1d(12, 8, 5, padding=2), nn.Conv1d(8, 1, 5)
        self.calls: list[tuple[str, bool, bool]] = []

    def parameter_groups(self):
        return {"artist": list(self.artist.parameters()), "critic": list(self.critic.parameters())}

    def draw(self, condition, noise):
        return self.artist(condition.leads) + 0.01 * noise.normal(8, condition.samples)

    def loss(self, ecg, condition, group):
        free = [next(part.parameters()).requires_grad for part in (self.artist, self.critic)]
        self.calls.append((group, *free))
        drawn = self.artist(condition.leads)
        if group == "artist":
            return {"fooled": (self.critic(drawn) - 1).square().mean(), "error": (drawn - ecg.signal).abs().mean()}
        real, fake = self.critic(ecg.signal), self.critic(drawn.detach())
        return {"real": (real - 1).square().mean(), "fake": fake.square().mean()}


def test_each_parameter_group_is_updated_by_its_own_losses_only(pack, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "save", lambda generator, folder: folder)
    plan, masking = plan_of("vae", epochs=1)
    generator = TwoGroups()
    before = [p.detach().clone() for p in generator.parameters()]
    train(generator, pack, plan, masking, tmp_path / "run", progress=False)
    assert generator.calls[:2] == [("artist", True, False), ("critic", False, True)]
    assert all(not torch.equal(a, b) for a, b in zip(before, generator.parameters(), strict=True))
    columns = logged(tmp_path / "run" / "log")[0]
    assert {"artist_fooled", "artist_error", "critic_real", "critic_fake"} <= set(columns)


def test_the_learning_rate_has_warm_up_and_decay():
    plan, _ = plan_of("vae", epochs=10, warmup=0.2)
    rates = [rate_at(plan, epoch, step, 10) for epoch in range(10) for step in range(10)]
    assert np.argmax(rates) in (19, 20) and rates[0] < 0.1 and rates[-1] < 0.03 and max(rates) <= 1.0


def test_intervals_are_calibrated(pack):
    generator = tiny("vae")
    rows = np.arange(len(pack))
    calibration.fit_intervals(generator, pack, rows, draws=4)
    truth = pack.ecg(rows).standard()
    known = Condition.none(len(rows), truth.seconds, truth.fs).with_leads(truth.pick("I"))
    estimate = generator.reconstruct(known, num_draws=4, seed=1)
    held = (truth.signal >= estimate.lower.signal - 1e-6) & (truth.signal <= estimate.upper.signal + 1e-6)
    assert abs(float(held[:, 1:].float().mean()) - 0.9) < 0.05


def test_calibration_records_are_a_random_subset_of_the_fold():
    """The first records of a fold are similar in time and device."""
    fold = np.arange(1000, 2000)
    chosen = calibration.random_rows(fold, 50)
    assert len(set(chosen)) == 50 and set(chosen) <= set(fold) and (np.diff(chosen) > 0).all()
    assert chosen.min() < 1100 and chosen.max() > 1900 and (chosen == calibration.random_rows(fold, 50)).all()
    assert (calibration.random_rows(fold, 5000) == fold).all()


def test_rotated_records_obey_the_lead_laws(pack):
    batch = data.batches.batch(pack, np.arange(8))
    rotated = trainer.rotate_vcg(batch, 0.3, np.random.default_rng(1))
    assert rotated.ecg.standard().law_residual().max() < 1e-5
    torch.testing.assert_close(rotated.condition.leads, rotated.ecg.standard().signal)
    assert (rotated.ecg.signal - batch.ecg.signal).abs().amax((1, 2)).min() > 0.02
    assert trainer.rotate_vcg(batch, 0.0, np.random.default_rng(1)) is batch
    # The rotation preserves the norm of the heart vector.
    heart = [(np.linalg.pinv(DOWER) @ one.ecg.signal.double().numpy()) for one in (batch, rotated)]
    np.testing.assert_allclose(np.linalg.norm(heart[0], axis=1), np.linalg.norm(heart[1], axis=1), atol=0.02)


def test_rerecorded_records_obey_the_lead_laws_and_their_targets_have_no_noise(pack):
    batch = data.batches.batch(pack, np.arange(32))

    def rerecorded(**changes):
        plan, _ = plan_of("vae", **changes)
        return trainer.rerecord(batch, plan, pack.preprocessor, np.random.default_rng(1))

    assert rerecorded() is batch
    noisy, displaced, some = (
        rerecorded(recorder_prob=1.0, recorder_steps=["noise"]),
        rerecorded(recorder_prob=1.0, recorder_steps=["electrodes"]),
        rerecorded(recorder_prob=0.5),
    )
    twelve = batch.ecg.standard().signal
    for made in (noisy, displaced, some):
        seen = ECG(made.condition.leads, batch.ecg.standard().leads, batch.ecg.fs)
        assert seen.law_residual().max() < 1e-4
    torch.testing.assert_close(noisy.ecg.signal, batch.ecg.signal)
    changed = (noisy.condition.leads - twelve).abs().amax((1, 2)) > 0.02
    assert 16 < changed.sum() < 32
    torch.testing.assert_close(displaced.condition.leads, displaced.ecg.standard().signal)
    assert (displaced.ecg.signal - batch.ecg.signal).abs().max() > 0.02
    same = (some.condition.leads == batch.condition.leads).all((1, 2))
    assert 6 < same.sum() < 26, "records that are not chosen are unchanged"


def test_the_noise_of_recorders_is_within_the_band_of_the_model(pack):
    batch = data.batches.batch(pack, np.arange(32))
    plan, _ = plan_of("vae", recorder_prob=1.0, recorder_steps=["noise"])
    made = trainer.rerecord(batch, plan, pack.preprocessor, np.random.default_rng(1))
    noise = (made.condition.leads - batch.condition.leads).numpy()
    power, at = np.abs(np.fft.rfft(noise)) ** 2, np.fft.rfftfreq(noise.shape[-1], 1 / batch.ecg.fs)
    assert power[..., (at < 0.3) | (at > 46)].sum() < 0.05 * power.sum()


def test_a_plan_with_an_unknown_step_of_a_recorder_is_refused():
    with pytest.raises(InputError, match="colour"):
        plan_of("vae", recorder_steps=["colour"])


def test_masks_of_limb_and_chest_leads():
    condition = Condition(simulate(40, seconds=4, seed=1))
    for name, pool in (("limb", STANDARD_LEADS[:6]), ("chest", STANDARD_LEADS[6:])):
        masked = Masking(lead_masks={name: 1.0}, crop_prob=0.0)(condition, np.random.default_rng(0))
        counts = masked.lead_mask.any(-1).sum(1)
        assert set(masked.observed_leads()) <= set(pool) and counts.min() >= 2 and counts.max() == 6


def test_a_cropped_batch_is_a_part_of_the_batch(pack):
    batch = data.batches.batch(pack, np.arange(8))
    part = trainer.cropped(batch, 2.0, np.random.default_rng(2))
    assert part.ecg.samples == part.condition.samples == 200
    starts = [i for i in range(201) if torch.equal(batch.ecg.signal[..., i : i + 200], part.ecg.signal)]
    assert len(starts) == 1
    for whole, here in zip(batch.beats, part.beats, strict=True):
        inner = here[here >= 0]
        expected = whole[(whole >= starts[0] / 100) & (whole < starts[0] / 100 + 2)] - starts[0] / 100
        np.testing.assert_allclose(inner, expected)
    assert trainer.cropped(batch, 0.0, np.random.default_rng(2)) is batch


def test_smaller_shares_of_the_patients_lie_in_larger_ones(pack):
    rows = pack.rows(range(1, 9))
    sixteenth, quarter, all_ = (set(trainer.subset_of_patients(pack, rows, share)) for share in (1 / 16, 1 / 4, 1.0))
    assert sixteenth < quarter < all_ == set(rows)
    assert len(quarter) == round(len(rows) / 4)


def test_parts_of_records_teach_as_well(pack, tmp_path):
    plan, masking = plan_of("flow", crop=2.0, vcg_rotation=0.1, recorder_prob=0.5, share=0.5)
    best = train(tiny("flow"), pack, plan, masking, tmp_path / "run", progress=False)
    assert checkpoint.load(best).preprocessor == pack.preprocessor


def test_intervals_depend_on_the_number_of_observed_leads():
    generator = tiny("vae")
    heart = simulate(2, seconds=4, seed=3)
    limb, one = (Condition.none(2, 4).with_leads(heart.pick(*leads)) for leads in (("I", "II", "III", "aVF"), ("I",)))
    assert num_observed(limb).tolist() == [2, 2] and num_observed(one).tolist() == [1, 1]
    assert num_observed(Condition.none(2, 4).with_leads(heart)).tolist() == [8, 8]
    before = generator.reconstruct(one, num_draws=4).upper.signal - generator.reconstruct(one, num_draws=4).mean.signal
    generator.interval_scale[1] = 2.0
    after = generator.reconstruct(one, num_draws=4).upper.signal - generator.reconstruct(one, num_draws=4).mean.signal
    torch.testing.assert_close(after, 2 * before)
    generator.interval_scale[1], generator.interval_scale[2] = 1.0, 3.0
    again = generator.reconstruct(one, num_draws=4)
    torch.testing.assert_close(again.upper.signal - again.mean.signal, before)


def test_old_weights_with_one_interval_scale_are_loaded(tmp_path):
    generator = tiny("vae")
    weights = generator.state_dict()
    weights["band_scale"] = torch.arange(12.0)
    del weights["spread"], weights["middle_share"]
    generator.load_state_dict(weights)
    assert torch.equal(generator.interval_scale, torch.arange(12.0).expand(4, -1))
    assert (generator.ensemble_inflation == 1).all() and (generator.mean_weight == 0).all()


def test_the_weights_that_are_kept_are_the_averaged_ones(pack, tmp_path):
    plan, masking = plan_of("vae", epochs=2, keep="last", ema_decay=0.9)
    best = train(tiny("vae"), pack, plan, masking, tmp_path / "run", progress=False)
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    kept = checkpoint.load(best).state_dict()
    name = "reader.read.enter.weight"
    assert torch.equal(kept[name], state["state_dict"][f"generator.{name}"])
    assert not torch.equal(kept[name], state["current_model_state"][f"generator.{name}"])


def test_the_point_estimate_combines_mean_and_deterministic_prediction():
    values = config.read_toml(ROOT / "configs" / "tiny" / "vae.toml")
    torch.manual_seed(0)
    generator = registry.generator("vae", values["model"] | {"middle": 1.0}, "[model]").eval()
    generator.preprocessor = Preprocessor(seconds=4)
    known = Condition.none(3, 4).with_leads(simulate(3, seconds=4, seed=3).pick("II"))
    joined = generator.reconstruct(known, num_draws=4)
    prepared = generator.preprocessor.condition(known)
    with torch.no_grad():
        answer = generator.draw_many(prepared, Noise(0, range(3))).deterministic
    assert answer is not None
    middle = project_onto_observed(answer, prepared)
    plain = registry.generator("vae", values["model"], "[model]").eval()
    plain.preprocessor = generator.preprocessor
    plain.load_state_dict(generator.state_dict())
    mean = plain.reconstruct(known, num_draws=4).mean.pick(*INDEPENDENT_LEADS).signal
    found, free = (
        joined.mean.pick(*INDEPENDENT_LEADS).signal,
        [i for i, lead in enumerate(INDEPENDENT_LEADS) if lead != "II"],
    )
    torch.testing.assert_close(found[:, free], ((mean + middle) / 2)[:, free], atol=1e-5, rtol=1e-5)
    assert (joined.lower.signal <= joined.mean.signal + 1e-6).all()
    silent = generator.reconstruct(Condition.none(2, 4), num_draws=3)
    assert torch.isfinite(silent.mean.signal).all()
