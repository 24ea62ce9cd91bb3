"""A decoder's finish: it alone learns, all that share its space get it, a stopped run goes on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny
from trainable import training_folder

from ecggen import data, write
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint
from ecggen.training import decoder_finetuning
from ecggen.training.decoder_finetuning import PLAN, Critic, Sharpening, drawn_latents, sharpen
from ecggen.training.trainer import logged

SHORT = replace(PLAN, epochs=2, batch=8, precision="32-true", crop=2.0)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Forty simulated hearts in ten folds."""
    folder = tmp_path_factory.mktemp("hearts")
    for i in range(40):
        write(simulate(1, seconds=4, seed=i), folder / f"{i}.hea")
    return data.pack(data.recordings(folder), Preprocessor(seconds=4), folder / "cache")


def weights(generator):
    return {name: value.clone() for name, value in generator.state_dict().items()}


def two_of_one_space():
    flow, diffusion = tiny("flow"), tiny("diffusion")
    diffusion.space.load_state_dict(flow.space.state_dict())
    return flow, diffusion


def test_the_decoder_alone_learns_and_all_that_share_it_get_it(pack, tmp_path):
    pair = two_of_one_space()
    before = [weights(one) for one in pair]
    sharpen(pair, pack, tmp_path, SHORT, draws=16, progress=False)
    for one, was in zip(pair, before, strict=True):
        moved = {name for name, value in one.state_dict().items() if not torch.equal(value, was[name])}
        assert moved == {name for name in was if name.startswith("space.decoder.")}
        assert not one.training
    for ours, theirs in zip(*(one.space.state_dict().values() for one in pair), strict=True):
        assert torch.equal(ours, theirs)


def test_it_comes_nearer_to_the_records(pack, tmp_path):
    sharpen([tiny("flow")], pack, tmp_path, replace(SHORT, epochs=12, lr=3e-3), draws=8, progress=False)
    found = {
        name: [float(row[name]) for row in logged(tmp_path / "log") if row.get(name)]
        for name in ("error", "fooled", "own_features", "drawn_features", "unmasked")
    }
    assert np.mean(found["error"][-3:]) < 0.8 * np.mean(found["error"][:3])
    # The critic learns first, then the decoder listens.
    listened = [bool(row.get("fooled")) for row in logged(tmp_path / "log") if row.get("error")]
    assert listened == sorted(listened) and 0 < sum(listened) < len(listened) == len(found["unmasked"])
    assert all(np.isfinite(values).all() for values in found.values())


def test_a_stopped_run_goes_on_as_if_it_had_not_been(pack, tmp_path, monkeypatch):
    whole, parts = tiny("flow"), tiny("flow")
    sharpen([whole], pack, tmp_path / "whole", SHORT, draws=16, progress=False)

    class KilledError(Exception):
        pass

    def mortal(self, *given, step=Sharpening.training_step):
        if self.current_epoch == 1:
            raise KilledError
        return step(self, *given)

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(Sharpening, "training_step", mortal)
        sharpen([parts], pack, tmp_path / "parts", SHORT, draws=16, progress=False)
    again = tiny("flow")
    monkeypatch.setattr(decoder_finetuning, "drawn_latents", None)  # what was drawn is there
    sharpen([again], pack, tmp_path / "parts", SHORT, draws=16, resume=True, progress=False)
    for (name, a), b in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5, msg=name)


def test_the_critic_sees_what_the_generator_draws(pack, monkeypatch):
    flow, rows = tiny("flow"), pack.rows((1, 2))
    latents = drawn_latents(flow, pack, rows)
    assert latents.shape == (len(rows), flow.latent, 400 // (2 * flow.folded))
    monkeypatch.setattr(decoder_finetuning, "CHUNK", 3)
    torch.testing.assert_close(drawn_latents(flow, pack, rows), latents, atol=1e-4, rtol=1e-4)
    assert not flow.space.decoder._forward_pre_hooks


def test_verdicts_weigh_as_they_should():
    """Losses of verdicts that are known: decoded records and draws each by their weight."""
    course = Sharpening(tiny("flow").space, torch.zeros(1, 4, 40), SHORT)
    course._modules["critic"] = None
    course.__dict__["critic"] = lambda waves: 2 * [[waves, waves.mean((1, 2))[:, None].expand(-1, 5)]]
    real = torch.full((2, 8, 100), 0.5)
    fake = torch.cat([torch.full((2, 8, 100), 2.0), torch.full((2, 8, 100), -3.0)])
    records, draws, features = decoder_finetuning.RECORDS, decoder_finetuning.DRAWS, decoder_finetuning.FEATURES
    losses = course._decoder_losses(fake, real)
    assert float(losses["fooled"]) == pytest.approx(-2 * records + 3 * draws)
    assert float(losses["own_features"]) == pytest.approx(1.5 * features * records)
    assert float(losses["drawn_features"]) == pytest.approx(3.5 * features * draws)
    # A half for real ones, which should stand at 1; records that pass for real cost 3, draws that do not nothing.
    missed = 3 * records / (records + draws)
    assert float(course._critic_losses(fake, real)["unmasked"]) == pytest.approx(0.5 + missed)


def test_latents_are_as_noisy_as_draws_may_be():
    """Of a deviation of 2, each record keeps a share between none and all of it, the same along its time."""
    torch.manual_seed(0)
    mean = torch.ones(500, 4, 100)
    off = decoder_finetuning.somewhat_noisy((mean, torch.full_like(mean, np.log(2)))) - mean
    deviation = off.std((1, 2)) / 2
    assert np.quantile(deviation, (0.1, 0.5, 0.9)) == pytest.approx([0.1, 0.5, 0.9], abs=0.06)


def test_the_critic_looks_at_two_rates():
    seen = Critic(8)(torch.randn(2, 8, 400))
    assert [one[-1].shape for one in seen] == [(2, 50), (2, 25)]
    assert [len(one) for one in seen] == [5, 5]


def test_what_has_no_latent_space_or_another_is_refused(pack, tmp_path):
    with pytest.raises(InputError, match="a family with a latent space"):
        sharpen([tiny("vae")], pack, tmp_path, SHORT)
    flow, diffusion = two_of_one_space()
    with torch.no_grad():
        diffusion.space.center.add_(1)
    with pytest.raises(InputError, match="differ"):
        sharpen([flow, diffusion], pack, tmp_path, SHORT)
    assert not list(tmp_path.iterdir())


def test_checkpoints_are_sharpened_by_one_command(tmp_path, monkeypatch, capsys):
    flow, folder = tiny("flow"), training_folder(tmp_path / "real", n=24)
    checkpoint.save(flow, tmp_path / "shelf" / "flow")
    words = [str(tmp_path / "shelf" / "flow"), "--data", str(folder), "--epochs", "1", "--num-draws", "4", "--quiet"]
    monkeypatch.setattr("sys.argv", ["sharpening", *words, "--out", str(tmp_path / "run")])
    decoder_finetuning.main()
    made = checkpoint.load(tmp_path / "run" / "flow")
    assert capsys.readouterr().out.split()[-1] == str(tmp_path / "run" / "flow")
    assert torch.equal(made.space.encoder[0].weight, flow.space.encoder[0].weight)
    assert not torch.equal(made.space.decoder[0].weight, flow.space.decoder[0].weight)
