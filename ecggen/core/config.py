"""Configs are data: one TOML file read once, checked against the constructors it names, and nothing imported."""

from __future__ import annotations

import difflib
import inspect
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ecggen.core.errors import InputError, InputWarning

T = TypeVar("T")


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
            raise InputError(f"{where} has {key!r}", f"one of {', '.join(known)} was expected", nearest(key, known))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "it")
    try:
        made = parser.instantiate(parser.parse_object({"it": dict(values)}))
    except InputError:
        raise
    except Exception as error:  # jsonargparse, and a constructor's own refusal
        raise InputError(f"{where} cannot be used: {' '.join(str(error).split())[:400]}") from error
    return made.it


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


def renamed(values: Mapping[str, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    """``values`` under the names that their keys have now; a warning for each old one.

    Args:
        values: As from TOML.
        names: The present name of each old one.
        where: What the warning calls the place.
    """
    for key in values:
        if key in names:
            found = f"{where} has {key!r}, which is now called {names[key]!r}; the old name goes with the next release"
            warnings.warn(found, InputWarning, stacklevel=2)
    return {names.get(key, key): value for key, value in values.items()}


def nearest(name: str, known: Sequence[str]) -> str:
    """The question whether the most similar known name was meant; "" where none is similar."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else ""
