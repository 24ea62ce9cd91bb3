"""Storage of networks: a folder with safetensors weights and JSON files, written atomically, without code.

Weights that are identical to those of another checkpoint, such as a condition encoder that several generators share,
need not be stored twice (``share``): config.json then names the other checkpoint in the same parent folder and the hash
of all weights.
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
"""Key in config.json for the name of the checkpoint with the remaining weights, and the hash of all weights."""


def store(network: nn.Module, folder: Path, files: Mapping[str, Any], card: str = "", half: bool = False) -> Path:
    """Write the weights of a network and JSON files to a folder, atomically; an existing folder is replaced.

    Args:
        network: Its ``state_dict`` is written to model.safetensors.
        folder: Output folder.
        files: Contents of the JSON files by name.
        card: Text of README.md; an existing card is kept if this is empty. Golden files are kept as well.
        half: Store float16 weights.

    Returns:
        The folder.
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
    """Load the weights in a folder into ``network``.

    Raises:
        InputError: If they are missing, truncated, not in safetensors format, or do not match the network.
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
            "copy the checkpoint again; pickled weights (.pt, .ckpt) are not supported",
        ) from error


def made_of(kind: type[T], sizes: Any, folder: Path) -> T:
    """Build a network with the sizes in the config of a folder.

    Raises:
        InputError: If the sizes are invalid.
    """
    try:
        return kind(**sizes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the sizes in {folder / 'config.json'} cannot be used: {error}", "those of the weights were expected"
        ) from error


def tensors(folder: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """All weights of a checkpoint: those in its folder, and those among ``names`` that are shared with another one.

    Raises:
        InputError: If the other checkpoint is missing or has changed.
    """
    own = load_file(folder / WEIGHTS)
    rest = _rest(folder)
    if rest is None:
        return own
    name, whole = rest
    sibling = folder.parent / name
    other = sibling if (sibling / "config.json").is_file() else find(name)
    shared = load_file(other / WEIGHTS)
    joined = own | {key: shared[key] for key in names if key in shared and key not in own}
    if _hash(joined) != whole:
        raise InputError(
            f"the weights in {folder} and {other} do not have the hash {whole}",
            f"{name} was expected to be unchanged since {folder.name} was stored",
            f"copy the folders {folder.name} and {name} of one ecggen release into one folder",
        )
    return joined


def share(folder: Path, other: Path) -> Path:
    """Remove the weights from a checkpoint that are identical in another one; loading then needs both.

    Args:
        folder: Checkpoint from which the weights are removed.
        other: Complete checkpoint in the same parent folder.

    Returns:
        ``folder``.

    Raises:
        InputError: If ``other`` is in another parent folder, or one of them is not complete.
    """
    if other.resolve().parent != folder.resolve().parent or other == folder or _rest(other) or _rest(folder):
        raise InputError(
            f"{folder} cannot share weights with {other}", "two complete checkpoints in one parent folder were expected"
        )
    weights, others = load_file(folder / WEIGHTS), load_file(other / WEIGHTS)
    own = {key: value for key, value in weights.items() if key not in others or not _same(value, others[key])}
    about = read_json(folder / "config.json") | {REST: {"of": other.name, "weights": weights_hash(folder)}}
    with _replacing(folder) as making:
        shutil.copytree(folder, making, dirs_exist_ok=True)
        write_json(making / "config.json", about)
        save_file(own, making / WEIGHTS, metadata=METADATA)
    return folder


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A temporary folder that replaces ``folder`` on success and is removed on failure."""
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
    """Name of the checkpoint with the remaining weights, and the hash of all; None if the folder is complete."""
    rest = read_json(folder / "config.json").get(REST)
    if rest is None:
        return None
    name, weights = (rest.get("of"), rest.get("weights")) if isinstance(rest, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(weights, str) or name.strip(".") != Path(name).name:
        raise InputError(
            f"{folder / 'config.json'} has the entry rest {rest!r}", "name and hash of a checkpoint were expected"
        )
    return name, weights


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two weights are identical."""
    return one.dtype == other.dtype and one.shape == other.shape and one.numpy().tobytes() == other.numpy().tobytes()


def _hash(weights: Mapping[str, Tensor]) -> str:
    """``weights_hash`` of weights if they were stored in one file."""
    return hashlib.sha256(as_file(dict(weights), metadata=METADATA)).hexdigest()[:12]


def weights_hash(folder: Path) -> str:
    """First twelve digits of the SHA-256 of the weights, including those shared with another checkpoint."""
    rest = _rest(folder) if (folder / "config.json").is_file() else None
    if rest is not None:
        return rest[1]
    with (folder / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def find(name: str | Path) -> Path:
    """Folder of a checkpoint, from its path or the name of a shipped one.

    Raises:
        InputError: If there is none.

    Example:
        >>> find("vae").name
        'vae'
    """
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
    """Folders of shipped checkpoints: in the installed package, or next to it in a checkout."""
    package = Path(ecggen.__file__).resolve().parent
    return [package / "checkpoints", package.parent / "checkpoints"]


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read an object from a JSON file.

    Raises:
        InputError: If the file cannot be read or holds something else.
    """
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", "a JSON file was expected") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds {type(value).__name__}", "a JSON object was expected")
    return value
