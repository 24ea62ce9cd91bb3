"""Decoder fine-tuning: only the decoder changes, all generators are updated, and runs can be resumed."""

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
from ecggen.training.decoder_finetuning import PLAN, DecoderFinetuning, Discriminator, finetune_decoder, sample_latents
from ecggen.training.trainer import logged

SHORT = replace(PLAN, epochs=2, batch=8, precision="32-true", crop=2.0)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Forty simulated records in ten folds."""
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


def test_only_the_decoder_changes_in_all_generators(pack, tmp_path):
    pair = two_of_one_space()
    before = [weights(one) for one in pair]
    finetune_decoder(pair, pack, tmp_path, SHORT, draws=16, progress=False)
    for one, was in zip(pair, before, strict=True):
        moved = {name for name, value in one.state_dict().items() if not torch.equal(value, was[name])}
        assert moved == {name for name in was if name.startswith("space.decoder.")}
        assert not one.training
    for ours, theirs in zip(*(one.space.state_dict().values() for one in pair), strict=True):
        assert torch.equal(ours, theirs)


def test_the_reconstruction_error_decreases(pack, tmp_path):
    finetune_decoder([tiny("flow")], pack, tmp_path, replace(SHORT, epochs=12, lr=3e-3), draws=8, progress=False)
    found = {
        name: [float(row[name]) for row in logged(tmp_path / "log") if row.get(name)]
        for name in ("error", "fooled", "own_features", "drawn_features", "unmasked")
    }
    assert np.mean(found["error"][-3:]) < 0.8 * np.mean(found["error"][:3])
    # Adversarial losses of the decoder start after a warm-up of the discriminator.
    adversarial = [bool(row.get("fooled")) for row in logged(tmp_path / "log") if row.get("error")]
    assert adversarial == sorted(adversarial) and 0 < sum(adversarial) < len(adversarial) == len(found["unmasked"])
    assert all(np.isfinite(values).all() for values in found.values())


def test_a_resumed_run_equals_an_uninterrupted_one(pack, tmp_path, monkeypatch):
    whole, parts = tiny("flow"), tiny("flow")
    finetune_decoder([whole], pack, tmp_path / "whole", SHORT, draws=16, progress=False)

    class KilledError(Exception):
        pass

    def mortal(self, *given, step=DecoderFinetuning.training_step):
        if self.current_epoch == 1:
            raise KilledError
        return step(self, *given)

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(DecoderFinetuning, "training_step", mortal)
        finetune_decoder([parts], pack, tmp_path / "parts", SHORT, draws=16, progress=False)
    again = tiny("flow")
    monkeypatch.setattr(decoder_finetuning, "sample_latents", None)  # sampled latents are stored
    finetune_decoder([again], pack, tmp_path / "parts", SHORT, draws=16, resume=True, progress=False)
    for (name, a), b in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5, msg=name)


def test_sampled_latents_do_not_depend_on_the_batch(pack, monkeypatch):
    flow, rows = tiny("flow"), pack.rows((1, 2))
    latents = sample_latents(flow, pack, rows)
    assert latents.shape == (len(rows), flow.latent, 400 // (2 * flow.folded))
    monkeypatch.setattr(decoder_finetuning, "CHUNK", 3)
    torch.testing.assert_close(sample_latents(flow, pack, rows), latents, atol=1e-4, rtol=1e-4)
    assert not flow.space.decoder._forward_pre_hooks


def test_losses_of_known_scores():
    """Reconstructions and draws have their own weights."""
    module = DecoderFinetuning(tiny("flow").space, torch.zeros(1, 4, 40), SHORT)
    module._modules["critic"] = None
    module.__dict__["critic"] = lambda waves: 2 * [[waves, waves.mean((1, 2))[:, None].expand(-1, 5)]]
    real = torch.full((2, 8, 100), 0.5)
    fake = torch.cat([torch.full((2, 8, 100), 2.0), torch.full((2, 8, 100), -3.0)])
    records, draws, features = decoder_finetuning.RECORDS, decoder_finetuning.DRAWS, decoder_finetuning.FEATURES
    losses = module._decoder_losses(fake, real)
    assert float(losses["fooled"]) == pytest.approx(-2 * records + 3 * draws)
    assert float(losses["own_features"]) == pytest.approx(1.5 * features * records)
    assert float(losses["drawn_features"]) == pytest.approx(3.5 * features * draws)
    # Hinge loss: 0.5 for real records with a score of 0.5, 3 for reconstructions with 2, 0 for draws with −3.
    missed = 3 * records / (records + draws)
    assert float(module._critic_losses(fake, real)["unmasked"]) == pytest.approx(0.5 + missed)


def test_noise_of_latents_is_a_random_fraction_of_the_posterior():
    """Each record has a fraction between 0 and 1 of the standard deviation of 2, constant in time."""
    torch.manual_seed(0)
    mean = torch.ones(500, 4, 100)
    off = decoder_finetuning.partly_noisy((mean, torch.full_like(mean, np.log(2)))) - mean
    deviation = off.std((1, 2)) / 2
    assert np.quantile(deviation, (0.1, 0.5, 0.9)) == pytest.approx([0.1, 0.5, 0.9], abs=0.06)


def test_the_discriminator_has_two_rates():
    seen = Discriminator(8)(torch.randn(2, 8, 400))
    assert [one[-1].shape for one in seen] == [(2, 50), (2, 25)]
    assert [len(one) for one in seen] == [5, 5]


def test_generators_without_a_common_latent_space_are_refused(pack, tmp_path):
    with pytest.raises(InputError, match="a generator with a latent space was expected"):
        finetune_decoder([tiny("vae")], pack, tmp_path, SHORT)
    flow, diffusion = two_of_one_space()
    with torch.no_grad():
        diffusion.space.center.add_(1)
    with pytest.raises(InputError, match="differ"):
        finetune_decoder([flow, diffusion], pack, tmp_path, SHORT)
    assert not list(tmp_path.iterdir())


def test_the_command_finetunes_checkpoints(tmp_path, monkeypatch, capsys):
    flow, folder = tiny("flow"), training_folder(tmp_path / "real", n=24)
    checkpoint.save(flow, tmp_path / "shelf" / "flow")
    words = [str(tmp_path / "shelf" / "flow"), "--data", str(folder), "--epochs", "1", "--num-draws", "4", "--quiet"]
    monkeypatch.setattr("sys.argv", ["decoder_finetuning", *words, "--out", str(tmp_path / "run")])
    decoder_finetuning.main()
    made = checkpoint.load(tmp_path / "run" / "flow")
    assert capsys.readouterr().out.split()[-1] == str(tmp_path / "run" / "flow")
    assert torch.equal(made.space.encoder[0].weight, flow.space.encoder[0].weight)
    assert not torch.equal(made.space.decoder[0].weight, flow.space.decoder[0].weight)
