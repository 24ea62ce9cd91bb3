"""A network as a folder: weights and JSON, whole or not at all, and never code.

Weights that are another folder's bit for bit, as a reader that families share, need not be stored twice (``share``):
config.json then names the folder beside it that has them, and the hash of all of them together.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from safetensors.torch import save as as_file
from torch import Tensor, nn

import ecggen
from ecggen.core.errors import InputError, InputWarning

T = TypeVar("T", bound=nn.Module)

WEIGHTS, METADATA = "model.safetensors", {"format": "pt"}
RENAMED = {"judge": "classifier", "pair": "ecg_text", "text": "text_encoder"}
"""Names of shipped checkpoints in release 0.1; they work for one release, with a warning."""
REST = "rest"
"""Entry of config.json: name of the folder that has the weights which are not here, and the hash of all."""


def store(network: nn.Module, folder: Path, files: Mapping[str, Any], card: str = "", half: bool = False) -> Path:
    """Write a network's weights and the JSON files beside them, whole or not at all; what was there is replaced.

    Args:
        network: Its ``state_dict`` becomes model.safetensors.
        folder: Where to.
        files: What each JSON file holds, by its name.
        card: Text of README.md; without one, an existing card stays. Golden files stay as well.
        half: Store 16-bit numbers.
    """
    with _replacing(folder) as making:
        for name, value in files.items():
            write_json(making / name, value)
        weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        if half:
            weights = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
        save_file(weights, making / WEIGHTS, metadata=METADATA)
        for kept in [folder / "README.md", *folder.glob("golden*.json")]:
            if kept.is_file():
                shutil.copy(kept, making / kept.name)
        if card:
            (making / "README.md").write_text(card, encoding="utf-8")
    return folder


def fill(network: nn.Module, folder: Path) -> None:
    """Give ``network`` the weights in a folder.

    Raises:
        InputError: Where there are none, or they are not whole, not safetensors, or another network's.
    """
    file = folder / WEIGHTS
    try:
        network.load_state_dict(tensors(folder, network.state_dict()))
    except InputError:
        raise
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{file} cannot be loaded: {' '.join(str(error).split())[:200]}",
            "whole safetensors weights of this config were expected",
            "copy the checkpoint again; pickled weights (.pt, .ckpt) are never opened",
        ) from error


def made_of(kind: type[T], sizes: Any, folder: Path) -> T:
    """A network of the sizes that a folder's config tells.

    Raises:
        InputError: Where they are not those of such a network.
    """
    try:
        return kind(**sizes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the sizes in {folder / 'config.json'} cannot be used: {error}", "those of the weights were expected"
        ) from error


def tensors(folder: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """All weights of a checkpoint: those in its folder, and those among ``names`` that another has.

    Raises:
        InputError: Where the other is missing or has changed.
    """
    own = load_file(folder / WEIGHTS)
    rest = _rest(folder)
    if rest is None:
        return own
    name, whole = rest
    beside = folder.parent / name
    other = beside if (beside / "config.json").is_file() else find(name)
    theirs = load_file(other / WEIGHTS)
    joined = own | {key: theirs[key] for key in names if key in theirs and key not in own}
    if _hash(joined) != whole:
        raise InputError(
            f"the weights in {folder} and {other} do not make {whole}",
            f"{folder.name} was expected to be whole with {name} as it was when both were stored",
            f"copy the folders {folder.name} and {name} of one ecggen release side by side",
        )
    return joined


def share(folder: Path, other: Path) -> Path:
    """Leave out of a checkpoint what another beside it has bit for bit; whoever loads it then needs both.

    Args:
        folder: Loses the weights that are the same, and names ``other``.
        other: In the same folder, and whole by itself.

    Raises:
        InputError: Where ``other`` lies elsewhere or is itself not whole.
    """
    if other.resolve().parent != folder.resolve().parent or other == folder or _rest(other) or _rest(folder):
        raise InputError(f"{other} cannot lend weights to {folder}", "two whole checkpoints side by side were expected")
    mine, theirs = load_file(folder / WEIGHTS), load_file(other / WEIGHTS)
    own = {key: value for key, value in mine.items() if key not in theirs or not _same(value, theirs[key])}
    about = read_json(folder / "config.json") | {REST: {"of": other.name, "weights": weights_hash(folder)}}
    with _replacing(folder) as making:
        shutil.copytree(folder, making, dirs_exist_ok=True)
        write_json(making / "config.json", about)
        save_file(own, making / WEIGHTS, metadata=METADATA)
    return folder


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of ``folder`` once it is filled, and vanishes where filling it fails."""
    making = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        yield making
        shutil.rmtree(folder, ignore_errors=True)
        making.replace(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _rest(folder: Path) -> tuple[str, str] | None:
    """Name of the checkpoint that has the other weights, and the hash of all; None where the folder is whole."""
    rest = read_json(folder / "config.json").get(REST)
    if rest is None:
        return None
    name, weights = (rest.get("of"), rest.get("weights")) if isinstance(rest, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(weights, str) or name.strip(".") != Path(name).name:
        raise InputError(
            f"{folder / 'config.json'} has the rest {rest!r}", "name and hash of a checkpoint were expected"
        )
    return name, weights


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two weights are the same bit for bit."""
    return one.dtype == other.dtype and one.shape == other.shape and one.numpy().tobytes() == other.numpy().tobytes()


def _hash(weights: Mapping[str, Tensor]) -> str:
    """``weights_hash`` of weights as they would be stored whole."""
    return hashlib.sha256(as_file(dict(weights), metadata=METADATA)).hexdigest()[:12]


def weights_hash(folder: Path) -> str:
    """First twelve digits of the SHA-256 of the weights, of all of them where another checkpoint has a part."""
    rest = _rest(folder) if (folder / "config.json").is_file() else None
    if rest is not None:
        return rest[1]
    with (folder / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def find(name: str | Path) -> Path:
    """The folder of a checkpoint: a path, or a name in the shipped ``checkpoints``."""
    for folder in (Path(name), *(shelf / str(name) for shelf in shelves())):
        if (folder / "config.json").is_file():
            return folder
    if str(name) in RENAMED:
        renamed = RENAMED[str(name)]
        warnings.warn(f"the checkpoint {str(name)!r} is now called {renamed!r}", InputWarning, stacklevel=2)
        return find(renamed)
    shipped = sorted({path.parent.name for shelf in shelves() for path in shelf.glob("*/config.json")})
    raise InputError(
        f"there is no checkpoint {str(name)!r}",
        "a folder with config.json and model.safetensors, or a shipped name was expected",
        f"shipped: {', '.join(shipped) or 'none'}",
    )


def shelves() -> list[Path]:
    """Where shipped checkpoints lie: in the installed package, or beside it in a checkout."""
    package = Path(ecggen.__file__).resolve().parent
    return [package / "checkpoints", package.parent / "checkpoints"]


def write_json(path: Path, value: Any) -> None:
    """``value`` as a JSON file."""
    path.write_text(json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: Where there is none.
    """
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", "a JSON file was expected") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds {type(value).__name__}", "a JSON object was expected")
    return value
