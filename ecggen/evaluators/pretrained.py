"""Saving and loading of evaluators: config.json, model.safetensors, preprocessor_config.json, README.md.

The folder has the layout of a generator's. ``config.json`` names one of ``KINDS``; it never names an import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, overload

from ecggen.conditioning import text_encoder
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core import config
from ecggen.core.errors import InputError
from ecggen.evaluators.classifier import Classifier
from ecggen.evaluators.ecg_text import ECGTextEncoder
from ecggen.networks import storage

FORMAT = 1
OLD_KINDS = {"classifier": "classifier", "pair": "ecg_text"}
"""The entry "judge" in folders of release 0.1."""
KINDS: dict[str, type] = {"classifier": Classifier, "ecg_text": ECGTextEncoder}
Evaluator = Classifier | ECGTextEncoder


def new(kind: str, values: Mapping[str, Any], where: str) -> Evaluator:
    """An untrained evaluator; its constructor's arguments are kept in ``config``."""
    if kind not in KINDS:
        raise InputError(f"{where} names the evaluator {kind!r}", f"one of {', '.join(KINDS)} was expected")
    evaluator = config.build(KINDS[kind], values, where)
    evaluator.config = {"evaluator": kind, "model": dict(values)}
    return evaluator


def begin_with(evaluator: Evaluator, look: str | None, text: str | None) -> None:
    """Initialise an ECG–text encoder from a classifier's ECG network and a checkpoint's text encoder, given by name."""
    if not (look or text):
        return
    if not isinstance(evaluator, ECGTextEncoder):
        raise InputError(
            f"a {type(evaluator).__name__.lower()} was to begin with other weights", "only an ECG-text encoder does"
        )
    if look:
        evaluator.look.load_state_dict(load(look, "classifier").look.state_dict())
    if text:
        evaluator.text.load_state_dict(text_encoder.load(text).text.state_dict())


def save(evaluator: Evaluator, folder: Path, half: bool = False) -> Path:
    """Write an evaluator to a folder atomically; an existing README.md is kept.

    Args:
        evaluator: Made by ``new`` or loaded.
        folder: Target folder.
        half: Store weights in half precision, as the shipped ones.
    """
    files = {
        "config.json": {"format": FORMAT, **evaluator.config},
        "preprocessor_config.json": asdict(evaluator.preprocessor),
    }
    return storage.store(evaluator, folder, files, half=half)


@overload
def load(name: str | Path, kind: Literal["classifier"]) -> Classifier: ...
@overload
def load(name: str | Path, kind: Literal["ecg_text"]) -> ECGTextEncoder: ...
@overload
def load(name: str | Path, kind: Literal[""] = "") -> Evaluator: ...
def load(name: str | Path, kind: str = "") -> Evaluator:
    """The evaluator in a folder, or a shipped one by its name.

    Args:
        name: A folder, or the name of one in ``checkpoints/``.
        kind: The expected kind; any if empty.

    Raises:
        InputError: If the folder is missing, incomplete, or of another format or kind.
    """
    folder = storage.find(name)
    about = storage.read_json(folder / "config.json")
    found = about.get("evaluator", OLD_KINDS.get(str(about.get("judge"))))
    if about.get("format") != FORMAT or (kind and found != kind):
        raise InputError(
            f"{folder} holds {found or 'no evaluator'} of format {about.get('format')!r}",
            f"{kind or 'an evaluator'} of format {FORMAT} was expected",
        )
    evaluator = new(str(found), about.get("model", {}), str(folder / "config.json"))
    place = folder / "preprocessor_config.json"
    evaluator.preprocessor = config.build(Preprocessor, storage.read_json(place), str(place))
    storage.fill(evaluator, folder)
    evaluator.name = f"{folder.name}@{storage.weights_hash(folder)}"
    return evaluator.eval()
