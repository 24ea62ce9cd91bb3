"""The generators by name: one file of ``ecggen/generators``, one class of the same name.

A new generator is a new file ``ecggen/generators/NAME.py`` with a subclass of ``Generator`` that is called NAME in any
case; the file is the registration. A config or a checkpoint can name nothing else, and nothing is imported by a
dotted path.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecggen import generators
from ecggen.core.config import build, nearest
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.generators.base import Generator

TABLES = ("generator", "model", "preprocessing", "masking", "training")
"""What a training config may hold."""


def names() -> tuple[str, ...]:
    """The names of all generators, sorted.

    Example:
        >>> names()
        ('diffusion', 'flow', 'gan', 'vae')
    """
    files = (file for folder in generators.__path__ for file in Path(folder).glob("*.py"))
    return tuple(sorted(file.stem for file in files if _has_class(file)))


def _has_class(file: Path) -> bool:
    """Whether a file holds a class of its own name; found without importing it."""
    return re.search(rf"^class {file.stem}\(", file.read_text(encoding="utf-8"), re.I | re.M) is not None


def generator_class(name: str) -> type[Generator]:
    """The class of a generator.

    Raises:
        InputError: Where no file of ``ecggen/generators`` has this name, or the file's class is no generator.
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
    return found  # type: ignore[return-value]


def generator(name: str, values: Mapping[str, Any], where: str) -> Generator:
    """A new generator, its weights untrained, with the full arguments in ``config``.

    Args:
        name: One of ``names()``.
        values: Arguments of its constructor.
        where: What an error calls the place that they come from.
    """
    kind = generator_class(name)
    made = build(kind, values, where)
    defaults = {key: item.default for key, item in inspect.signature(kind).parameters.items()}
    made.config = defaults | dict(values)
    made.name = name
    return made


def check_tables(config: Mapping[str, Any], where: Path | str) -> None:
    """An InputError where a training config lacks its generator or holds a table that nothing reads."""
    if not isinstance(config.get("generator"), str):
        raise InputError(f"{where} names no generator", f'generator = "{names()[0]}" was expected in its first line')
    for key in config:
        if key not in TABLES:
            raise InputError(f"{where} has {key!r}", f"one of {', '.join(TABLES)} was expected", nearest(key, TABLES))
