"""All generators by all protocols: the results behind the README's tables.

Each score is stored as soon as it is computed, so that an interrupted run continues. Results of the same weights are
not computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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


def place(out: Path, protocol: Path) -> Path:
    """Path of a protocol's results: ``out`` itself if it is a JSON file, else a file in the folder ``out``."""
    return out if out.suffix == ".json" else out / f"{protocol.stem}.json"


def cells_of(out: Path, protocol: Path) -> Path:
    """Folder of a protocol's partial results, next to its results; an interrupted run continues from them."""
    return place(out, protocol).parent / f"{place(out, protocol).stem}_cells"


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
    files: Sequence[Path],
    models: Sequence[str],
    out: Path,
    score: Callable[[Path, str], dict[str, Any]],
    report: Callable[[str], None],
    overwrite: bool = False,
    options: str = "",
) -> list[str]:
    """Score each model by each protocol; returns the error messages of those that could not be scored.

    Args:
        files: Protocol files.
        models: Checkpoints and baselines.
        out: Folder of the results.
        score: Runs one protocol on one model, as ``benchmark.run.run``.
        report: Called with each combination when it starts or is skipped.
        overwrite: Compute existing scores again.
        options: Changes of the protocol that were requested; existing scores may have been computed without them.

    Raises:
        InputError: If ``options`` would be ignored, because a model was scored already.
    """
    failed = []
    for file in files:
        for model in cells(file, models):
            target = place(out, file)
            if done(target, model) and not overwrite:
                if options:
                    found = f"{model} has been scored in {target} already, and {options} was given"
                    raise InputError(found, do="pass --overwrite to score it again, or another --out")
                report(f"{file.stem}, {model}: scored already")
                continue
            report(f"{file.stem}, {model}")
            try:
                keep(score(file, model), target)
            except InputError as error:
                failed.append(f"{file.stem}, {model}: {error}")
                report(failed[-1])
    return failed


def keep(results: dict[str, Any], target: Path) -> None:
    """Add results to those of other models in the same file."""
    if target.is_file():
        results = protocols.added(results, json.loads(target.read_text(encoding="utf-8")))
    store(results, target, overwrite=True)
