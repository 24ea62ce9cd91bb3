"""Recipes: all stages of a config in one command, interrupted and resumed; typed errors before anything is trained."""

import shutil
from contextlib import nullcontext
from itertools import pairwise

import pytest
import torch
from conftest import ROOT, SAMPLES
from trainable import training_folder

from ecggen import InputError
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint
from ecggen.io import write
from ecggen.training.recipe import recipe as recipes
from ecggen.training.recipe.material import Recordings

SHORT = "{ steps = 2, batch = 4 }"
SIZES = "samples = 400, components = 6, latents = 4, code_width = 8, width = 8, blocks = 1, rhythm_width = 8"
TABLES = f"""
[hearts]
{"".join(f"{name} = {SHORT}; " for name in ("code", "heart", "rhythm", "levels", "residual")).replace("; ", chr(10))}
whitening_records = 16
calibration_records = 4
"""
STAGES = """
[[stages]]
name = "denoiser"
training = { groups = ["denoiser"] }
masking = { simulated_ppg_prob = 0.5 }

[[stages]]
name = "real_ppgs"
impute = "denoiser"
training = { groups = ["reader"], lr = 5e-4 }

[[stages]]
kind = "decoder"
training = { epochs = 1, batch = 8, precision = "32-true", crop = 2.0 }
draws = 8

[[stages]]
kind = "hearts"

[[stages]]
kind = "calibration"
records = 4

[[stages]]
kind = "beat_inflation"

[[stages]]
kind = "trust"
records = 4
"""
NAMES = ["denoiser", "real_ppgs", "decoder", "hearts", "calibration", "beat_inflation", "trust"]


def staged(folder, stages=STAGES, tables=TABLES, name="flow"):
    """A tiny config with stages."""
    text = (ROOT / "configs" / "tiny" / f"{name}.toml").read_text()
    hearts = f"hearts = {{ {SIZES}, levels_width = 8, residual_width = 8, dilations = [1] }}"
    text = text.replace("[model]", f"[model]\n{hearts}").replace("epochs = 2", "epochs = 1")
    file = folder / f"{name}.toml"
    file.write_text(text.replace("validation_draws = 2", "validation_draws = 1") + tables + stages)
    return file


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Folder with forty simulated records, and a recording with a PPG."""
    folder = tmp_path_factory.mktemp("recipe")
    training_folder(folder / "ptb", 40)
    (folder / "ppg").mkdir()
    shutil.copy(SAMPLES / "bidmc" / "bidmc_15_Signals.csv", folder / "ppg")
    return folder


@pytest.fixture(scope="module")
def whole(records):
    """Folder of a run that was not interrupted."""
    recipe = recipes.read(staged(records))
    recipes.run(recipe, given(records), records / "whole")
    return records / "whole"


def given(records, lines=None):
    """The folders of recordings."""
    said = (lambda line: None) if lines is None else lines.append
    folders = [records / "ptb", records / "ppg"]
    return Recordings(folders, records / "cache", said, lambda: nullcontext(lambda name, share: None), False)


def test_all_stages_end_with_a_complete_checkpoint(whole, run, tmp_path):
    shipped = {path.name for path in (ROOT / "checkpoints" / "flow").iterdir()} - {"diagnoses.json"}
    assert {path.name for path in (whole / "checkpoint").iterdir()} == shipped
    generator = checkpoint.load(whole / "checkpoint")
    assert generator.widening is not None and generator.beat_inflation is not None
    assert generator.patient_prior is not None and (generator.interval_scale != 1).any()
    write(simulate(1, seconds=4, seed=3).pick("I"), tmp_path / "one.csv")
    code, _, err = run(
        "reconstruct", tmp_path / "one.csv", "--model", whole / "checkpoint", "--out", tmp_path / "twelve"
    )
    assert code == 0, err
    code, _, err = run("generate", "--text", "AF", "--model", whole / "checkpoint", "--out", tmp_path / "af")
    assert code == 0, err


def test_a_run_interrupted_after_each_stage_gives_the_same_weights(whole, records, tmp_path, monkeypatch):
    killed, lines = [], []

    def publish(result, place, card, publish=recipes._publish):
        if result not in killed:
            killed.append(result)
            raise KeyboardInterrupt
        publish(result, place, card)

    monkeypatch.setattr(recipes, "_publish", publish)
    for at in range(len(NAMES) + 1):
        recipe = recipes.read(staged(records))
        if at < len(NAMES):
            with pytest.raises(KeyboardInterrupt):
                recipes.run(recipe, given(records, lines), tmp_path / "run", resume=at > 0)
        else:
            recipes.run(recipe, given(records, lines), tmp_path / "run", resume=True)
    assert [line for line in lines if "/" in line] == [f"{at}/7 {name}" for at, name in enumerate(NAMES, 1)]
    for name in ("model.safetensors", "hearts.safetensors", "people.json", "golden.json", "golden_hearts.json"):
        assert (whole / "checkpoint" / name).read_bytes() == (tmp_path / "run" / "checkpoint" / name).read_bytes(), name
    assert not list((tmp_path / "run").rglob("*.part")) and not list((tmp_path / "run").rglob("last.ckpt"))


def test_each_stage_changes_its_own_weights_only(whole):
    folders = sorted((whole / "stages").iterdir())
    assert [folder.name for folder in folders] == [f"{at}_{name}" for at, name in enumerate(["start", *NAMES])]
    weights = [checkpoint.load(folder / "flow").state_dict() for folder in folders[:5]]
    changed = [
        {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
        for before, after in pairwise(weights)
    ]
    assert changed == [{"denoiser"}, {"reader"}, {"space"}, {"heart_first"}]


def test_one_stage_from_a_checkpoint(whole, records, run, tmp_path):
    words = ("train", staged(tmp_path), "--data", records / "ptb", "--cache", records / "cache", "--quiet")
    words += ("--out", tmp_path / "run", "--from", whole / "stages" / "4_hearts" / "flow", "--stage", "calibration")
    code, out, err = run(*words)
    assert code == 0 and "best checkpoint" in out and "1/1 calibration" in err, err
    found = checkpoint.load(tmp_path / "run" / "checkpoint").state_dict()
    ours = checkpoint.load(whole / "stages" / "5_calibration" / "flow").state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in found.items())
    code, _, err = run(*words)
    assert code == 2 and "holds a run already" in err
    code, _, err = run(*words, "--resume", "--set", "training.lr=1e-4")
    assert code == 2 and "was begun with other values of training" in err
    code, _, err = run(*words, "--resume")
    assert code == 0, err


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("[[stages]]\nkind = 'trainig'", "stage 1 of .* has the kind 'trainig'; .*did you mean 'training'"),
        ("[[stages]]\nimputes = 'x'", "has 'imputes'; one of kind, name, training.*did you mean 'impute'"),
        ("[[stages]]\ntraining = { epoch = 3 }", "has 'epoch'; .*did you mean 'epochs'"),
        ("[[stages]]\ntraining = { groups = ['denoisr'] }", "no parameter group 'denoisr'.*did you mean 'denoiser'"),
        ("[[stages]]\nmasking = { lead_mask = {} }", "has 'lead_mask'; .*did you mean 'lead_masks'"),
        ("[[stages]]\ntraining = 3", "is no table"),
        ("[[stages]]\nname = '../up'", "letters, digits and underscores"),
        ("[[stages]]\n[[stages]]", "two stages training"),
        ("[[stages]]\nkind = 'calibration'\n[[stages]]", "changes calibrated weights"),
        ("[[stages]]\n[[stages]]\nkind = 'trust'", "needs calibrated weights"),
        ("[[stages]]\n[[stages]]\nkind = 'hearts'\nhearts = { shared = 'nothing' }", "no checkpoint 'nothing'"),
        ("[stages]", "one or more tables"),
    ],
)
def test_a_wrong_stage_is_named_before_anything_is_trained(stages, message, tmp_path):
    with pytest.raises(InputError, match=message):
        recipes.read(staged(tmp_path, f"\n{stages}\n", ""))


def test_a_decoder_needs_a_latent_space_and_hearts_a_model_of_them(tmp_path):
    with pytest.raises(InputError, match=r"stage decoder of .* cannot be run: vae has no latent space"):
        recipes.read(staged(tmp_path, "[[stages]]\n[[stages]]\nkind = 'decoder'", "", "vae"))
    file = tmp_path / "plain.toml"
    file.write_text('generator = "flow"\n[[stages]]\nkind = "hearts"\n')
    with pytest.raises(InputError, match="no heart-first model"):
        recipes.read(file)
    with pytest.raises(InputError, match=r"has a table \[hearts\]"):
        recipes.read(staged(tmp_path, "[[stages]]", TABLES))


def test_a_stage_without_what_it_needs_is_refused_before_anything_is_written(records, tmp_path):
    recipe = recipes.read(staged(tmp_path))
    for name, message in (("real_ppgs", "imputes with the stage denoiser"), ("calibration", "needs trained weights")):
        with pytest.raises(InputError, match=message):
            recipes.run(recipe, given(records), tmp_path / "run", [name])
    with pytest.raises(InputError, match=r"there is no stage 'denoise'.*did you mean 'denoiser'"):
        recipes.run(recipe, given(records), tmp_path / "run", ["denoise"])
    with pytest.raises(InputError, match="not a folder"):
        recipes.run(recipe, given(tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_values_of_a_stage_are_changed_by_its_name(tmp_path):
    file = staged(tmp_path)
    recipe = recipes.read(file, ["stages.real_ppgs.training.epochs=3", "training.batch=4", "stages.trust.records=7"])
    denoiser, real_ppgs, *_, trust = recipe.stages
    assert (denoiser.training.epochs, real_ppgs.training.epochs, real_ppgs.training.batch) == (1, 3, 4)
    assert real_ppgs.training.lr == 5e-4 and denoiser.training.lr == 3e-3 and trust.records == 7
    with pytest.raises(InputError, match=r"'denoise' is to be changed in .*did you mean 'denoiser'"):
        recipes.read(file, ["stages.denoise.training.epochs=3"])


@pytest.mark.parametrize("name", ["vae", "flow", "gan", "diffusion"])
def test_shipped_configs_are_recipes_of_the_shipped_models(name):
    recipe = recipes.read(ROOT / "configs" / f"{name}.toml")
    shipped = checkpoint.load(name)
    assert recipe.generator.preprocessor == shipped.preprocessor
    ours, theirs = (
        {key: value.shape for key, value in one.state_dict().items()} for one in (recipe.generator, shipped)
    )
    assert ours == theirs
    kinds = [type(stage).__name__ for stage in recipe.stages]
    assert kinds[-4:] == ["Hearts", "Calibration", "BeatInflation", "Trust"]
