"""A checkpoint is JSON and safetensors; incomplete ones are refused."""

import json
import pickle
import shutil

import pytest
import torch
from conftest import ROOT, tiny

from ecggen import Condition, InputError
from ecggen.core import config
from ecggen.generators import checkpoint, registry
from ecggen.networks import storage


@pytest.fixture
def folder(tmp_path):
    return checkpoint.save(tiny("vae"), tmp_path / "tiny", card="# A card\n")


def refused(folder, message):
    with pytest.raises(InputError) as error:
        checkpoint.load(folder)
    assert message in str(error.value)


def test_the_folder_holds_what_it_should(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    about = json.loads((folder / "config.json").read_text())
    assert about["format"] == 1 and about["generator"] == "vae" and about["model"]["widths"] == [8, 16, 16]
    assert checkpoint.load(folder).name == f"tiny@{storage.weights_hash(folder)}"


def test_saving_again_keeps_the_card(folder):
    checkpoint.save(checkpoint.load(folder), folder)
    assert (folder / "README.md").read_text() == "# A card\n"
    assert not list(folder.parent.glob(".*part"))


def test_a_failed_save_leaves_the_old_one(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    before = (folder / "model.safetensors").read_bytes()
    monkeypatch.setattr(storage, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tiny("vae"), folder)
    assert (folder / "model.safetensors").read_bytes() == before
    assert not list(folder.parent.glob(".*part"))


def test_truncated_weights(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused(folder, "model.safetensors cannot be loaded")


def test_a_pickle_is_never_opened(folder):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the pickle ran",))

    (folder / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    refused(folder, "pickled weights (.pt, .ckpt) are not supported")


def test_another_format_version(folder):
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(about | {"format": 99}))
    refused(folder, "is a checkpoint of format 99; format 1 was expected")


@pytest.mark.parametrize("name", ["os.system", "../vae", "vae.VAE", "__init__"])
def test_a_config_imports_nothing_outside_the_folder(folder, name):
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(about | {"generator": name}))
    refused(folder, f"there is no generator {name!r}")


def test_weights_of_another_size(folder):
    about = json.loads((folder / "config.json").read_text())
    about["model"]["whole"] = 5
    (folder / "config.json").write_text(json.dumps(about))
    refused(folder, "size mismatch")


def test_broken_json_and_missing_folder(folder, tmp_path):
    refused(tmp_path / "nowhere", "there is no checkpoint")
    (folder / "preprocessor_config.json").write_text("{")
    refused(folder, "preprocessor_config.json cannot be read")


def test_unknown_keys_name_the_near_one():
    with pytest.raises(InputError, match=r"has 'width_'; one of .* was expected; did you mean 'width'"):
        registry.generator("vae", {"width_": 3}, "[model]")
    with pytest.raises(InputError, match=r"there is no generator .vea.; one of .* was expected; did you mean .vae."):
        registry.generator("vea", {}, "[model]")


def test_wrong_types_are_named():
    with pytest.raises(InputError, match="cannot be used"):
        registry.generator("vae", {"width": "wide"}, "[model]")


def test_numbers_are_numbers_and_overrides_win(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('generator = "vae"\n[training]\nrate = 1e-4\n')
    values = config.read_toml(file, ["training.epochs=3", "model.width=8"])
    assert values["training"] == {"rate": 1e-4, "epochs": 3} and values["model"] == {"width": 8}
    file.write_text("generator = ")
    with pytest.raises(InputError, match="is not TOML"):
        config.read_toml(file)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").rglob("*.toml")), ids=lambda path: path.stem)
def test_every_config_can_be_built(path):
    from ecggen.evaluators import pretrained
    from ecggen.training.masking import Masking
    from ecggen.training.trainer import Plan

    values = config.read_toml(path)
    config.build(Plan, values["training"], "[training]")
    if "evaluator" in values:
        pretrained.new(values["evaluator"], values["model"], "[model]")
        return
    registry.check_tables(values, path)
    registry.generator(values["generator"], values["model"], "[model]")
    config.build(Masking, values.get("masking", {}), "[masking]")


@pytest.mark.parametrize(
    "path",
    sorted(file for name in ("golden.json", "golden_hearts.json") for file in (ROOT / "checkpoints").glob(f"*/{name}")),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_shipped_checkpoints_replay_their_golden_file(path):
    golden = json.loads(path.read_text())
    generator, card = checkpoint.load(path.parent), (path.parent / "README.md").read_text()
    assert f"begins with `{generator.name.split('@')[1]}`" in card
    answer = checkpoint.golden_answer(generator, golden)
    torch.testing.assert_close(
        torch.tensor(answer), torch.tensor(golden["answer_mv"]), atol=golden["tolerance_mv"], rtol=0
    )


def test_halves_are_half_as_large_and_draw_nearly_the_same(tmp_path):
    generator = tiny("vae")
    whole, half = (checkpoint.save(generator, tmp_path / name, half=name == "half") for name in ("whole", "half"))
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.65 * sizes[0]
    known = Condition.none(2, 4.0)
    one, other = (checkpoint.load(folder).sample(known, seed=1).signal for folder in (whole, half))
    assert one.dtype == other.dtype == torch.float32 and 0 < (one - other).abs().max() < 0.02


@pytest.fixture
def pair(tmp_path):
    """A flow, and a diffusion model with the same condition encoder and autoencoder, in one folder."""
    flow, diffusion = tiny("flow"), tiny("diffusion")
    common = {name: value for name, value in flow.state_dict().items() if name.startswith(("reader.", "space."))}
    diffusion.load_state_dict(diffusion.state_dict() | common)
    folder = checkpoint.save(diffusion, tmp_path / "other", half=True)
    return folder, checkpoint.save(flow, tmp_path / "flow", half=True)


def test_shared_weights_are_stored_once(pair):
    folder, other_folder = pair
    size, before, name = (folder / "model.safetensors").stat().st_size, checkpoint.load(folder), "other@"
    (folder / "README.md").write_text("# A card\n")
    storage.share(folder, other_folder)
    after = checkpoint.load(folder)
    assert (folder / "model.safetensors").stat().st_size < 0.7 * size
    assert after.name == before.name and after.name.startswith(name)
    assert storage.weights_hash(folder) == before.name.removeprefix(name)
    assert after.state_dict().keys() == before.state_dict().keys()
    assert all(torch.equal(value, before.state_dict()[key]) for key, value in after.state_dict().items())
    assert (folder / "README.md").read_text() == "# A card\n" and sorted(folder.parent.iterdir()) == sorted(pair)
    again = checkpoint.save(after, folder, half=True)  # complete again
    assert storage.weights_hash(again) == before.name.removeprefix(name)
    assert (folder / "model.safetensors").stat().st_size == size


HEARTS = {"components": 6, "latents": 4, "code_width": 8, "width": 8, "blocks": 1, "rhythm_width": 8,
          "levels_width": 8, "residual_width": 8, "dilations": [1]}  # fmt: skip


def with_hearts(name: str):
    """An untrained generator with a heart-first model."""
    torch.manual_seed(0)
    made = registry.generator(name, dict(tiny(name).config) | {"hearts": HEARTS}, "[model]")
    made.preprocessor = tiny(name).preprocessor
    return made.eval()


def test_hearts_lie_in_a_file_of_their_own_and_leave_the_hash_of_the_rest(tmp_path):
    plain, hearts = tiny("flow"), with_hearts("flow")
    hearts.load_state_dict(hearts.state_dict() | plain.state_dict())
    folders = [checkpoint.save(one, tmp_path / name) for one, name in ((plain, "plain"), (hearts, "hearts"))]
    hashes = [storage.weights_hash(folder) for folder in folders]
    assert hashes[1].split("+")[0] == hashes[0] and len(hashes[1].split("+")) == 2
    assert not (folders[0] / storage.HEARTS).exists()
    loaded = checkpoint.load(folders[1])
    assert loaded.name == f"hearts@{hashes[1]}"
    assert all(torch.equal(value, hearts.state_dict()[key]) for key, value in loaded.state_dict().items())


def test_generators_share_all_parts_of_a_heart_first_model_but_their_own(tmp_path):
    flow, vae = with_hearts("flow"), with_hearts("vae")
    common = {key: value for key, value in flow.state_dict().items() if key.startswith("heart_first.")}
    own = vae.state_dict()
    same = {key: value for key, value in common.items() if key in own and value.shape == own[key].shape}
    vae.load_state_dict(own | same)
    folders = [checkpoint.save(one, tmp_path / name) for one, name in ((vae, "vae"), (flow, "flow"))]
    before, size = checkpoint.load(folders[0]), (folders[0] / storage.HEARTS).stat().st_size
    after = checkpoint.load(storage.share(*folders))
    assert (folders[0] / storage.HEARTS).stat().st_size < 0.7 * size and after.name == before.name
    assert all(torch.equal(value, before.state_dict()[key]) for key, value in after.state_dict().items())
    (folders[1] / storage.HEARTS).unlink()
    with pytest.raises(InputError, match="do not have the hash"):
        checkpoint.load(folders[0])


def test_a_partial_checkpoint_is_refused_if_the_other_one_changed(pair, tmp_path):
    folder, other_folder = storage.share(*pair), pair[1]
    moved = tmp_path / "elsewhere" / "other"
    shutil.copytree(folder, moved)
    refused(moved, "do not have the hash")  # the shipped flow differs
    changed = checkpoint.load(other_folder)
    with torch.no_grad():
        next(iter(changed.get_submodule("space").parameters())).add_(1)
    checkpoint.save(changed, other_folder, half=True)
    refused(folder, "into one folder")
    shutil.rmtree(other_folder)
    refused(folder, "do not have the hash")


@pytest.mark.parametrize(
    "rest", ["flow", {"of": "flow"}, {"of": "../flow", "weights": "0"}, {"of": "..", "weights": "0"}]
)
def test_the_entry_rest_must_be_a_name_and_a_hash(pair, rest):
    folder = storage.share(*pair)
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(about | {"rest": rest}))
    refused(folder, "name and hash of a checkpoint")


def test_weights_are_shared_only_with_a_complete_checkpoint_in_the_same_folder(pair, tmp_path):
    folder, other_folder = pair
    far = checkpoint.save(tiny("flow"), tmp_path / "far" / "flow")
    for one, other in ((folder, far), (folder, folder)):
        with pytest.raises(InputError, match="cannot share weights"):
            storage.share(one, other)
    storage.share(folder, other_folder)
    for one, other in ((folder, other_folder), (other_folder, folder)):
        with pytest.raises(InputError, match="cannot share weights"):
            storage.share(one, other)
