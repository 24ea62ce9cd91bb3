"""A recipe: a training config with its stages, checked before anything is trained, and run one after another.

The folder of a run holds ``recipe.json`` (the values of the config), ``stages/NUMBER_NAME/`` for each stage, with its
partial results and its finished checkpoint, and ``checkpoint/``, the result of the last finished stage. All of them are
written atomically, so that an interrupted run continues in the stage in which it stopped.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import ecggen
from ecggen.conditioning import text_encoder
from ecggen.core import config
from ecggen.core.errors import InputError
from ecggen.data.pack import Imputer
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.io.results import commit
from ecggen.networks import storage
from ecggen.training import decoder_finetuning, masking, trainer
from ecggen.training.hearts import stages as hearts_stages
from ecggen.training.recipe.material import Job, Recordings
from ecggen.training.recipe.stages import ADDITIONS, KINDS, Calibration, Hearts, Stage, Training

RECIPE, CHECKPOINT, STAGES = "recipe.json", "checkpoint", "stages"
"""Names in the folder of a run."""
START = "0_start"
"""Folder of the initial weights among the stages."""
WAIT, PARENT = 1.0, os.getppid()
"""Seconds after which another process looks whether the first has finished a stage, and the process that began it."""


@dataclass(frozen=True)
class Recipe:
    """A training config.

    Attributes:
        generator: With initial weights from the seed.
        plan: Table [training].
        masking: Table [masking].
        hearts: Table [hearts]; None without one.
        stages: The stages; empty for a config without them, which is trained by its tables alone.
        values: All values of the config.
    """

    generator: Generator
    plan: trainer.Plan
    masking: masking.Masking
    hearts: hearts_stages.Plan | None
    stages: Sequence[Stage]
    values: Mapping[str, Any]

    def initialise(self, start: Sequence[str] = (), text: str | None = None) -> list[str]:
        """Copy initial weights into the generator.

        Args:
            start: Checkpoints, of which later ones take precedence.
            text: Pretrained text encoder; by default that of the config (``text_encoder``), unless there is a start.

        Returns:
            Sentences on weights that a checkpoint does not have.
        """
        notes = []
        for name in start:
            missing = checkpoint.copy_weights(name, self.generator)
            if missing:
                notes.append(f"{len(missing)} weights are not in {name}, e.g. {missing[0]}")
        text = text or ("" if start else self.values.get("text_encoder", ""))
        if text:
            text_encoder.copy_into(text, self.generator)
        return notes

    def chosen(self, names: Sequence[str]) -> list[tuple[str, Stage]]:
        """Folder and stage of the stages ``names``, in their order; all if ``names`` is empty.

        Raises:
            InputError: If there is no such stage.
        """
        known = [stage.name for stage in self.stages]
        for name in names:
            if name not in known:
                expected = f"one of {', '.join(known)} was expected" if known else "a config with stages was expected"
                raise InputError(f"there is no stage {name!r}", expected, config.nearest(name, known))
        found = enumerate(self.stages, 1)
        return [(f"{number}_{stage.name}", stage) for number, stage in found if not names or stage.name in names]


def read(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a training config, and check its stages.

    Args:
        path: A TOML file, as configs/vae.toml.
        overrides: Changes of its values, as ``training.epochs=3`` or ``stages.denoiser.training.epochs=3``.

    Raises:
        InputError: If the file is missing, has an unknown or invalid key, or a stage that cannot be run.
    """
    values = config.read_toml(path, overrides)
    generator, plan, masks = trainer.read(path, overrides)
    if not isinstance(values.get("text_encoder", ""), str):
        raise InputError(f"text_encoder of {path} is no text", "the name of a text encoder was expected")
    if "stages" not in values:
        return Recipe(generator, plan, masks, hearts_stages.read(path, overrides), (), values)
    tables = values["stages"]
    if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
        raise InputError(f"stages of {path} are no tables", "one or more tables [[stages]] were expected")
    base = {
        "training": trainer.plan_values(values, path),
        "masking": config.renamed(values.get("masking", {}), masking.RENAMED, f"[masking] of {path}"),
        "hearts": values.get("hearts", {}),
    }
    stages = [_stage(one, base, f"stage {number} of {path}") for number, one in enumerate(tables, 1)]
    _check(stages, generator, values, str(path))
    return Recipe(generator, plan, masks, None, stages, values)


TABLES = {"training": trainer.Plan, "masking": masking.Masking, "hearts": hearts_stages.Plan}
"""Tables of a stage, which change values of those of the same name in the config."""


def _stage(values: Mapping[str, Any], base: Mapping[str, Mapping[str, Any]], where: str) -> Stage:
    """A stage from its table."""
    kind = values.get("kind", "training")
    if kind not in KINDS:
        found = f"{where} has the kind {kind!r}"
        raise InputError(found, f"one of {', '.join(KINDS)} was expected", config.nearest(str(kind), list(KINDS)))
    given = {"name": kind} | {key: value for key, value in values.items() if key != "kind"}
    known = [item.name for item in fields(KINDS[kind])]
    for key in given:
        if key not in known:
            expected = f"one of kind, {', '.join(known)} was expected"
            raise InputError(f"{where} has {key!r}", expected, config.nearest(key, ["kind", *known]))
    for table, own in TABLES.items():
        if table in known:
            first = asdict(decoder_finetuning.PLAN) if kind == "decoder" else base[table]
            place = f"[stages.{table}] of {where}"
            if not isinstance(given.get(table, {}), dict):
                raise InputError(f"{place} is no table", "a table was expected")
            given[table] = config.build(own, _plain(first) | given.get(table, {}), place)
    return config.build(KINDS[kind], given, where)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as TOML has them, with lists instead of tuples."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _check(stages: Sequence[Stage], generator: Generator, values: Mapping[str, Any], where: str) -> None:
    """Raise an InputError if a stage cannot be run, or lacks what an earlier one should have made."""
    done: set[str] = set()
    for stage in stages:
        place = f"stage {stage.name} of {where}"
        if stage.name in done:
            raise InputError(
                f"{where} has two stages {stage.name}", "different names were expected", "name one of them"
            )
        try:
            stage.check(generator)
        except InputError as error:
            raise InputError(f"{place} cannot be run: {error.found}", error.expected, error.do) from error
        earlier = [type(one) for one in stages[: len(done)]]
        if stage.changes_weights and Calibration in earlier:
            raise InputError(f"{place} changes calibrated weights", "it was expected before the stage calibration")
        if isinstance(stage, ADDITIONS) and Calibration not in earlier:
            raise InputError(f"{place} needs calibrated weights", "a stage calibration was expected before it")
        done.add(stage.name)
    if "hearts" in values and not any(isinstance(stage, Hearts) for stage in stages):
        raise InputError(f"{where} has a table [hearts]", "a stage of the kind hearts was expected")


def run(
    recipe: Recipe,
    recordings: Recordings,
    out: Path,
    names: Sequence[str] = (),
    resume: bool = False,
    started: bool = False,
    imputer: Imputer | None = None,
    rank: int = 0,
) -> Path:
    """Run the stages of a recipe, or continue a run.

    Args:
        recipe: With initial weights.
        recordings: The recordings.
        out: Folder of the run.
        names: Stages that are run; all if empty.
        resume: Continue a run in ``out``.
        started: Whether the initial weights are trained ones.
        imputer: Generator that imputes missing leads; None for those of the stages.
        rank: Number of this process, if there are several; all run the same stages.

    Returns:
        Folder of the checkpoint.

    Raises:
        InputError: If the folder holds a run already, or that of another config, or a stage lacks trained weights.
    """
    chosen = recipe.chosen(names)
    _check_weights([stage for _, stage in chosen], started, imputer)
    kind = str(recipe.values["generator"])
    before = out / STAGES / START / kind
    recordings.find()
    if not rank:
        _begin(recipe, names, out, resume)
        if not (before / "config.json").is_file():
            checkpoint.save(recipe.generator, before)
    _wait(before)
    earlier: dict[str, Path] = {}
    for number, (folder, stage) in enumerate(chosen, 1):
        place = out / STAGES / folder
        job = Job(before, place, place / kind, recordings, earlier, imputer, rank)
        if not job.finished:
            recordings.say(f"{number}/{len(chosen)} {stage.name}")
            place.mkdir(parents=True, exist_ok=True)
            if stage.parallel or not rank:
                stage.run(job)
        _wait(job.result)
        before = earlier[stage.name] = job.result
        if not rank:
            card = _card(recipe, recordings, chosen) if number == len(chosen) else ""
            _publish(before, out / CHECKPOINT, card)
    return out / CHECKPOINT


def _check_weights(stages: Sequence[Stage], started: bool, imputer: Imputer | None) -> None:
    """Raise an InputError if a stage is to use weights that nothing in this run has trained."""
    names = [stage.name for stage in stages]
    for at, stage in enumerate(stages):
        if isinstance(stage, Training):
            if stage.impute and imputer is None and stage.impute not in names[:at]:
                raise InputError(
                    f"stage {stage.name} imputes with the stage {stage.impute}",
                    "that stage was expected before it",
                    "run it as well, or name a generator with --impute-with",
                )
            started = True
        elif not started and not isinstance(stage, Hearts):
            raise InputError(
                f"stage {stage.name} needs trained weights",
                "a stage of training or a checkpoint was expected before it",
                "run one as well, or name a checkpoint with --from",
            )


def _wait(result: Path) -> None:
    """Wait until the first process has written a checkpoint; end if it does not run any more."""
    while not (result / "config.json").is_file():
        if os.getppid() != PARENT:
            raise SystemExit(1)
        time.sleep(WAIT)


def _begin(recipe: Recipe, names: Sequence[str], out: Path, resume: bool) -> None:
    """Write ``recipe.json``, or check that it is that of this recipe."""
    file, about = out / RECIPE, {"config": recipe.values, "stages": list(names)}
    about = json.loads(json.dumps(about))
    if (file.is_file() or (out / CHECKPOINT).exists()) and not resume:
        raise InputError(f"{out} holds a run already", "a new folder was expected", "continue with --resume")
    if file.is_file():
        known = storage.read_json(file)
        if {key: known.get(key) for key in about} != about:
            values = {**known.get("config", {}), "names": known.get("stages")}
            ours = {**about["config"], "names": about["stages"]}
            differing = next(key for key in {**values, **ours} if values.get(key) != ours.get(key))
            raise InputError(
                f"the run in {out} was begun with other values of {differing.replace('names', '--stage')}",
                f"those in {file} were expected",
                "resume it with the same config and options, or choose another folder",
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    making = file.with_suffix(".part")
    storage.write_json(making, about)
    making.replace(file)


def _publish(result: Path, place: Path, card: str) -> None:
    """Copy the result of a stage to the checkpoint of the run, at the end with golden files and model card."""
    with storage.replacing(place) as making:
        shutil.copytree(result, making, dirs_exist_ok=True)
        if card:
            checkpoint.write_golden(making)
            (making / "README.md").write_text(card, encoding="utf-8")


def _card(recipe: Recipe, recordings: Recordings, chosen: Sequence[tuple[str, Stage]]) -> str:
    """Model card: what was trained on what, by which version."""
    release = f"ecggen {ecggen.__version__}" + (f", commit {commit()}" if commit() else "")
    archives = ", ".join(folder.resolve().name for folder in recordings.folders)
    return (
        f"# {recipe.values['generator']}\n\n"
        f"Trained with {release} on {archives}; finished on {datetime.date.today().isoformat()}.\n"
        "**Not for diagnosis.**\n\n"
        f"Stages: {', '.join(stage.name for _, stage in chosen)}.\n"
    )


def train(
    recipe: Recipe, recordings: Recordings, out: Path, resume: bool, imputer: Imputer | None = None, rank: int = 0
) -> Path:
    """Train a config without stages by its tables [training] and [hearts]; arguments as of ``run``."""
    if (out / CHECKPOINT).exists() and not resume:
        raise InputError(f"{out} holds a run already", "a new folder was expected", "continue with --resume")
    best = out / CHECKPOINT
    pack = recordings.pack(recipe.generator.preprocessor, imputer)
    if recipe.plan.epochs:
        trainer.train(recipe.generator, pack, recipe.plan, recipe.masking, out, resume, recordings.bars)
    if recipe.hearts is not None and not rank:
        generator: Any = checkpoint.load(best) if recipe.plan.epochs else recipe.generator
        with recordings.progress() as report:
            hearts_stages.train(generator.heart_first, pack, recipe.hearts, out / "hearts", recordings.cache, report)
        checkpoint.save(generator, best)
    return best
