"""A judge as a folder: config.json, model.safetensors, preprocessor_config.json, README.md, as a generator's.

A name in ``config.json`` can only be one of ``KINDS``, never an import.
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
from ecggen.evaluators.ecg_text import Pair
from ecggen.networks import storage

FORMAT = 1
KINDS: dict[str, type] = {"classifier": Classifier, "pair": Pair}
Judge = Classifier | Pair


def new(kind: str, values: Mapping[str, Any], where: str) -> Judge:
    """An untrained judge, its constructor's arguments in ``config``."""
    if kind not in KINDS:
        raise InputError(f"{where} names the judge {kind!r}", f"one of {', '.join(KINDS)} was expected")
    judge = config.build(KINDS[kind], values, where)
    judge.config = {"judge": kind, "model": dict(values)}
    return judge


def begin_with(judge: Judge, look: str | None, text: str | None) -> None:
    """Give a pair the eyes of a classifier and the words of a text encoder; both are names of checkpoints."""
    if not (look or text):
        return
    if not isinstance(judge, Pair):
        raise InputError(f"a {type(judge).__name__.lower()} was to begin with other weights", "only a pair does")
    if look:
        judge.look.load_state_dict(load(look, "classifier").look.state_dict())
    if text:
        judge.text.load_state_dict(text_encoder.load(text).text.state_dict())


def save(judge: Judge, folder: Path, half: bool = False) -> Path:
    """Write a judge to a folder, whole or not at all; the card of an older one there stays.

    Args:
        judge: Made by ``new`` or loaded.
        folder: Where to.
        half: Store 16-bit numbers, as shipped weights are.
    """
    files = {"config.json": {"format": FORMAT, **judge.config}, "preprocessor_config.json": asdict(judge.preprocessor)}
    return storage.store(judge, folder, files, half=half)


@overload
def load(name: str | Path, kind: Literal["classifier"]) -> Classifier: ...
@overload
def load(name: str | Path, kind: Literal["pair"]) -> Pair: ...
@overload
def load(name: str | Path, kind: Literal[""] = "") -> Judge: ...
def load(name: str | Path, kind: str = "") -> Judge:
    """The judge in a folder, or a shipped one by its name.

    Args:
        name: A folder, or the name of one in ``checkpoints/``.
        kind: The kind that is expected; any if empty.

    Raises:
        InputError: Where the folder is missing, of another format or kind, or not whole.
    """
    folder = storage.find(name)
    about = storage.read_json(folder / "config.json")
    found = about.get("judge")
    if about.get("format") != FORMAT or (kind and found != kind):
        raise InputError(
            f"{folder} holds {found or 'no judge'} of format {about.get('format')!r}",
            f"{kind or 'a judge'} of format {FORMAT} was expected",
        )
    judge = new(str(found), about.get("model", {}), str(folder / "config.json"))
    place = folder / "preprocessor_config.json"
    judge.preprocessor = config.build(Preprocessor, storage.read_json(place), str(place))
    storage.fill(judge, folder)
    judge.name = f"{folder.name}@{storage.weights_hash(folder)}"
    return judge.eval()
