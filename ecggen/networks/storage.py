"""Storage of networks: a folder with safetensors weights and JSON files, written atomically, without code.

Weights of a heart-first model lie in a file of their own, so that a hash tells whether the others have changed. Weights
that are identical to those of another checkpoint, such as a condition encoder that several generators share, need not
be stored twice (``share``): config.json then names the other checkpoint in the same parent folder and the hash of all
weights of the file.
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
from torch.overrides import TorchFunctionMode

import ecggen
from ecggen.core.errors import InputError, InputWarning

T = TypeVar("T", bound=nn.Module)

WEIGHTS, METADATA = "model.safetensors", {"format": "pt"}
RENAMED = {"judge": "classifier", "pair": "ecg_text", "text": "text_encoder"}
"""Names of shipped checkpoints in release 0.1; they work for one release, with a warning."""
HEARTS, PREFIX = "hearts.safetensors", "heart_first."
"""File of the weights of a heart-first model, and what their names begin with."""
FILES = {WEIGHTS: "rest", HEARTS: "rest_of_hearts"}
"""Files of weights, and the key in config.json for the checkpoint with the remaining weights of each and the hash of
all weights of the file."""


def store(network: nn.Module, folder: Path, files: Mapping[str, Any], card: str = "", half: bool = False) -> Path:
    """Write the weights of a network and JSON files to a folder, atomically; an existing folder is replaced.

    Args:
        network: Its ``state_dict`` is written to model.safetensors and, for a heart-first model, to hearts.safetensors.
        folder: Output folder.
        files: Contents of the JSON files by name.
        card: Text of README.md; an existing card is kept if this is empty. Golden files are kept as well.
        half: Store float16 weights, those of a heart-first model with eight significant bits, which compress better.

    Returns:
        The folder.
    """
    with replacing(folder) as making:
        for name, value in files.items():
            write_json(making / name, value)
        weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        if half:
            learnt = {name for name, _ in network.named_parameters() if _file_of(name) == HEARTS}
            weights = {name: _half(value, name in learnt) for name, value in weights.items()}
        for file in FILES:
            part = {name: value for name, value in weights.items() if _file_of(name) == file}
            if part or file == WEIGHTS:
                save_file(part, making / file, metadata=METADATA)
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


class Unfilled(TorchFunctionMode):
    """Context in which new networks keep whatever is in memory as weights, because ``fill`` overwrites them anyway.

    Drawing random initial weights takes longer than reading the stored ones.

    Example:
        >>> with Unfilled():
        ...     layer = nn.Linear(3, 2)
        >>> layer.weight.shape
        torch.Size([2, 3])
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") == nn.init.__name__:
            return (kwargs or {}).get("tensor", args[0] if args else None)
        return func(*args, **(kwargs or {}))


def made_of(kind: type[T], sizes: Any, folder: Path) -> T:
    """Build a network with the sizes in the config of a folder.

    Raises:
        InputError: If the sizes are invalid.
    """
    try:
        with Unfilled():
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
    wanted = list(names)
    files = [file for file in FILES if file == WEIGHTS or (folder / file).is_file()]
    return {key: value for file in files for key, value in _joined(folder, file, wanted).items()}


def _joined(folder: Path, file: str, names: Iterable[str]) -> dict[str, Tensor]:
    """All weights of one file of a checkpoint."""
    own, rest = load_file(folder / file), _rest(folder, file)
    if rest is None:
        return own
    name, whole = rest
    sibling = folder.parent / name
    other = sibling if (sibling / "config.json").is_file() else find(name)
    shared = load_file(other / file) if (other / file).is_file() else {}
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
    complete = not any(_rest(each, file) for each in (folder, other) for file in FILES)
    if other.resolve().parent != folder.resolve().parent or other == folder or not complete:
        raise InputError(
            f"{folder} cannot share weights with {other}", "two complete checkpoints in one parent folder were expected"
        )
    about, kept = read_json(folder / "config.json"), {}
    for file, key in FILES.items():
        if not ((folder / file).is_file() and (other / file).is_file()):
            continue
        weights, others = load_file(folder / file), load_file(other / file)
        own = {name: value for name, value in weights.items() if name not in others or not _same(value, others[name])}
        if len(own) < len(weights):
            kept[file], about[key] = own, {"of": other.name, "weights": _digest(folder, file)}
    with replacing(folder) as making:
        shutil.copytree(folder, making, dirs_exist_ok=True)
        write_json(making / "config.json", about)
        for file, own in kept.items():
            save_file(own, making / file, metadata=METADATA)
    return folder


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
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


def _half(value: Tensor, coarse: bool) -> Tensor:
    """A floating-point weight in float16, with the precision of bfloat16 if it is ``coarse``; others unchanged."""
    if not value.is_floating_point():
        return value
    return value.bfloat16().half() if coarse else value.half()


def _file_of(name: str) -> str:
    """The file of a weight."""
    return HEARTS if name.startswith(PREFIX) else WEIGHTS


def _rest(folder: Path, file: str) -> tuple[str, str] | None:
    """Checkpoint with the remaining weights of a file, and the hash of all; None if the file is complete."""
    key = FILES[file]
    rest = read_json(folder / "config.json").get(key)
    if rest is None:
        return None
    name, weights = (rest.get("of"), rest.get("weights")) if isinstance(rest, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(weights, str) or name.strip(".") != Path(name).name:
        raise InputError(
            f"{folder / 'config.json'} has the entry {key} {rest!r}", "name and hash of a checkpoint were expected"
        )
    return name, weights


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two weights are identical."""
    return one.dtype == other.dtype and one.shape == other.shape and one.numpy().tobytes() == other.numpy().tobytes()


def _hash(weights: Mapping[str, Tensor]) -> str:
    """``weights_hash`` of weights if they were stored in one file."""
    return hashlib.sha256(as_file(dict(weights), metadata=METADATA)).hexdigest()[:12]


def weights_hash(folder: Path) -> str:
    """First twelve digits of the SHA-256 of the weights, including those shared with another checkpoint.

    With a heart-first model, a plus and the digits of its weights follow: draws without leads and PPG depend on these,
    all others on the former.
    """
    return "+".join(_digest(folder, file) for file in FILES if file == WEIGHTS or (folder / file).is_file())


def _digest(folder: Path, file: str) -> str:
    """First twelve digits of the SHA-256 of one file of weights, if it were complete."""
    rest = _rest(folder, file) if (folder / "config.json").is_file() else None
    if rest is not None:
        return rest[1]
    with (folder / file).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:12]


def hearts_hash(name: str) -> str:
    """The digits in a name or a ``weights_hash`` on which draws without leads and PPG depend.

    Example:
        >>> hearts_hash("vae@0123456789ab+ba9876543210"), hearts_hash("0123456789ab")
        ('ba9876543210', '0123456789ab')
    """
    return name.rpartition("@")[2].rpartition("+")[2]


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
