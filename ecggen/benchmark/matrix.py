"""All generators by all protocols: the results behind the README's tables.

Each score is stored as soon as it is computed, so that an interrupted run continues. Results of the same weights are
not computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecggen.benchmark import run as protocols
from ecggen.core import config
from ecggen.core.errors import InputError
from ecggen.generators.baselines.baselines import baseline
from ecggen.io.results import store
from ecggen.networks import storage

MODELS = ("gan", "vae", "flow", "diffusion")
"""The shipped generators."""
BASELINES = ("baseline:mean", "baseline:regression", "baseline:nearest", "baseline:simulator")
"""Baselines without a network."""


def shipped() -> dict[str, Path]:
    """The protocol files of the package, by name.

    Example:
        >>> "one_lead" in shipped()
        True
    """
    folder = Path(__file__).with_name("protocols")
    return {file.stem: file for file in sorted(folder.glob("*.toml"))}


def find(name: str | Path) -> Path:
    """A protocol file: a path, or the name of a shipped one.

    Raises:
        InputError: If there is none of that name.
    """
    if Path(name).is_file():
        return Path(name)
    if str(name) in shipped():
        return shipped()[str(name)]
    raise InputError(f"there is no protocol {str(name)!r}", f"a file, or one of {', '.join(shipped())} was expected")


@dataclass(frozen=True)
class Task:
    """A protocol with the folders of recordings that it is run on.

    Attributes:
        file: The protocol file.
        folders: The folders.
        name: Name of its results: that of the protocol, followed by the archive's if each archive is scored alone.
    """

    file: Path
    folders: tuple[Path, ...]
    name: str


def tasks(files: Sequence[Path], folders: Sequence[Path]) -> list[Task]:
    """The tasks of protocols: one for each archive other than PTB-XL if ``data = "outside"``, else one."""
    found = []
    for file in files:
        others = protocols.outside(folders) if config.read_toml(file).get("data") == "outside" else []
        for other in others:
            used = tuple(folder for folder in folders if folder == other or folder not in others)
            found.append(Task(file, used, f"{file.stem}_{protocols.archive_name(other)}"))
        if not others:
            found.append(Task(file, tuple(folders), file.stem))
    return found


def place(out: Path, task: Task) -> Path:
    """Path of a task's results: ``out`` itself if it is a JSON file, else a file in the folder ``out``."""
    return out if out.suffix == ".json" else out / f"{task.name}.json"


def cells_of(out: Path, task: Task) -> Path:
    """Folder of a task's partial results, next to its results; an interrupted run continues from them."""
    return place(out, task).parent / f"{place(out, task).stem}_cells"


def cells(protocol: Path, models: Sequence[str]) -> list[str]:
    """The models that a protocol can score: without baselines if the protocol has its own, or uses text."""
    own = config.read_toml(protocol).get("kind") in ("reconstruction", "translation", "wording")
    return [model for model in models if not (own and model.startswith("baseline:"))]


def done(results: Path, model: str) -> bool:
    """Whether a file of results has scores of a model's present weights."""
    if not results.is_file():
        return False
    scores = json.loads(results.read_text(encoding="utf-8")).get("scores", {})
    if model.startswith("baseline:"):
        return baseline(model.removeprefix("baseline:")).name in scores
    folder = storage.find(model)
    return f"{folder.name}@{storage.weights_hash(folder)}" in scores


def run(
    todo: Sequence[Task],
    models: Sequence[str],
    out: Path,
    score: Callable[[Task, str], dict[str, Any]],
    report: Callable[[str], None],
    overwrite: bool = False,
    options: str = "",
) -> list[str]:
    """Score each model by each task; returns the error messages of those that could not be scored.

    Args:
        todo: Protocols with their folders.
        models: Checkpoints and baselines.
        out: Folder of the results.
        score: Runs one task on one model, as ``benchmark.run.run``.
        report: Called with each combination when it starts or is skipped.
        overwrite: Compute existing scores again.
        options: Changes of the protocol that were requested; existing scores may have been computed without them.

    Raises:
        InputError: If ``options`` would be ignored, because a model was scored already.
    """
    failed = []
    for task in todo:
        for model in cells(task.file, models):
            target = place(out, task)
            if done(target, model) and not overwrite:
                if options:
                    found = f"{model} has been scored in {target} already, and {options} was given"
                    raise InputError(found, do="pass --overwrite to score it again, or another --out")
                report(f"{task.name}, {model}: scored already")
                continue
            report(f"{task.name}, {model}")
            try:
                keep(score(task, model), target)
            except InputError as error:
                failed.append(f"{task.name}, {model}: {error}")
                report(failed[-1])
    return failed


def keep(results: dict[str, Any], target: Path) -> None:
    """Add results to those of other models in the same file."""
    if target.is_file():
        results = protocols.added(results, json.loads(target.read_text(encoding="utf-8")))
    store(results, target, overwrite=True)
