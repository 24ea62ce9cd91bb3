"""Configs are data: one TOML file read once, checked against the constructors it names, and nothing imported.

The first line names a generator (``generator = "vae"``), which can only be a file of ``ecggen/generators``.
The tables hold the arguments of the generator, the preprocessing, the exposure and the training.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ecggen import generators
from ecggen.core.errors import InputError
from ecggen.generator import Generator

T = TypeVar("T")

TABLES = ("generator", "model", "preprocessing", "exposure", "training")
"""What a training config may hold."""


def names() -> list[str]:
    """The generators there are."""
    return sorted(module.name for module in pkgutil.iter_modules(generators.__path__))


def family(name: str) -> type[Generator]:
    """The generator class of a name; only files in ``ecggen/generators`` can be named."""
    if name not in names():
        raise InputError(f"there is no generator {name!r}", f"one of {', '.join(names())} was expected", _near(name))
    module = importlib.import_module(f"{generators.__name__}.{name}")
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Generator) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise InputError(f"generators/{name}.py holds {len(found)} generators", "one was expected")
    return found[0]


def build(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """``kind(**values)``, with every key and type checked against its constructor (by jsonargparse).

    Args:
        kind: A class whose constructor is annotated and documented.
        values: Plain values, as from TOML or JSON.
        where: What the error calls the place ("[training] of vae.toml").
    """
    from jsonargparse import ArgumentParser

    known = list(inspect.signature(kind).parameters)
    for key in values:
        if key not in known:
            raise InputError(f"{where} has {key!r}", f"one of {', '.join(known)} was expected", _near(key, known))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "it")
    try:
        made = parser.instantiate(parser.parse_object({"it": dict(values)}))
    except InputError:
        raise
    except Exception as error:  # jsonargparse, and a constructor's own refusal
        raise InputError(f"{where} cannot be used: {' '.join(str(error).split())[:400]}") from error
    return made.it


def generator(name: str, values: Mapping[str, Any], where: str) -> Generator:
    """A new generator, its weights untrained, with the full arguments in ``config``."""
    kind = family(name)
    made = build(kind, values, where)
    defaults = {key: item.default for key, item in inspect.signature(kind).parameters.items()}
    made.config = defaults | dict(values)
    made.name = name
    return made


def read_toml(path: Path | str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A config file as nested dictionaries, with ``table.key=value`` overrides (values as in TOML)."""
    path = Path(path)
    try:
        config = tomllib.loads(path.read_text())
        for override in overrides:
            for table, values in tomllib.loads(override).items():
                if isinstance(values, dict):
                    config.setdefault(table, {}).update(values)
                else:
                    config[table] = values
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "a TOML file was expected") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} or an override is not TOML: {error}", "for instance: training.epochs=3") from error
    return config


def check_tables(config: Mapping[str, Any], where: Path | str) -> None:
    """An InputError where a training config lacks its generator or holds a table that nothing reads."""
    if not isinstance(config.get("generator"), str):
        raise InputError(f"{where} names no generator", f'generator = "{names()[0]}" was expected in its first line')
    for key in config:
        if key not in TABLES:
            raise InputError(f"{where} has {key!r}", f"one of {', '.join(TABLES)} was expected", _near(key, TABLES))


def _near(name: str, known: Sequence[str] | None = None) -> str:
    near = difflib.get_close_matches(name, known or names(), 1)
    return f"did you mean {near[0]!r}?" if near else ""
