"""Registry of generators: one file in ``ecggen/generators`` per generator, with one class of the same name.

To add a generator, add a file ``ecggen/generators/NAME.py`` with a subclass of ``Generator`` named NAME, in any case.
No further registration is needed. Configs and checkpoints can only name these generators; nothing is imported by a
dotted path.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ecggen import generators
from ecggen.core.config import build, nearest
from ecggen.core.errors import InputError

TABLES = ("generator", "model", "preprocessing", "masking", "training", "hearts", "stages", "text_encoder")
"""Keys and tables allowed in a training config."""


def names() -> tuple[str, ...]:
    """Names of all generators, sorted.

    Example:
        >>> names()
        ('diffusion', 'flow', 'gan', 'vae')
    """
    files = (file for folder in generators.__path__ for file in Path(folder).glob("*.py"))
    return tuple(sorted(file.stem for file in files if _has_class(file)))


def _has_class(file: Path) -> bool:
    """Whether a file defines a class of its own name. The file is not imported."""
    return re.search(rf"^class {file.stem}\(", file.read_text(encoding="utf-8"), re.I | re.M) is not None


def generator_class(name: str) -> type[Any]:
    """Class of a generator.

    Raises:
        InputError: If no generator has this name, or the class in the file is not a ``Generator``.

    Example:
        >>> generator_class("vae").__name__
        'VAE'
    """
    if name not in names():
        found = f"there is no generator {name!r}"
        raise InputError(found, f"one of {', '.join(names())} was expected", nearest(name, names()))
    module = import_module(f"{generators.__name__}.{name}")
    found = next(value for key, value in vars(module).items() if key.lower() == name and inspect.isclass(value))
    if not (callable(getattr(found, "loss", None)) and callable(getattr(found, "draw", None))):
        raise InputError(
            f"{found.__name__} in generators/{name}.py is no generator", "a subclass of Generator was expected"
        )
    return found


def generator(name: str, values: Mapping[str, Any], where: str) -> Any:
    """Build a generator with untrained weights; ``config`` of the result holds all arguments of the constructor.

    Args:
        name: One of ``names()``.
        values: Arguments of the constructor; defaults are used for the others.
        where: Source of the values, for error messages.

    Raises:
        InputError: If the generator is unknown or an argument is unknown or invalid.
    """
    kind = generator_class(name)
    made = build(kind, values, where)
    defaults = {key: item.default for key, item in inspect.signature(kind).parameters.items()}
    made.config = defaults | dict(values)
    made.name = name
    return made


def check_tables(config: Mapping[str, Any], where: Path | str) -> None:
    """Raise an InputError if a training config names no generator or has an unknown key or table."""
    if not isinstance(config.get("generator"), str):
        raise InputError(f"{where} names no generator", f'generator = "{names()[0]}" was expected in its first line')
    for key in config:
        if key not in TABLES:
            raise InputError(f"{where} has {key!r}", f"one of {', '.join(TABLES)} was expected", nearest(key, TABLES))
