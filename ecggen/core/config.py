"""Configuration files: read TOML, apply overrides, and check the values against the constructors they belong to."""

from __future__ import annotations

import difflib
import inspect
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import ecggen
from ecggen.core.errors import InputError, InputWarning

T = TypeVar("T")


def build(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build ``kind(**values)`` after checking every key and type against its constructor (with jsonargparse).

    Args:
        kind: A class whose constructor is annotated and documented.
        values: Plain values, as from TOML or JSON.
        where: Name of the place in error messages ("[training] of vae.toml").

    Raises:
        InputError: If a key is unknown or a value has the wrong type.
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
    except Exception as error:  # from jsonargparse or from the constructor itself
        raise InputError(f"{where} cannot be used: {' '.join(str(error).split())[:400]}") from error
    return made.it


def read_toml(path: Path | str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a TOML file as nested dictionaries and apply ``table.key=value`` overrides (values as in TOML).

    Raises:
        InputError: If the file cannot be read, or the file or an override is not TOML.
    """
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


def shipped_config(name_or_path: Path | str) -> Path:
    """The path of a config file, given the path itself or the name of a config that ships with ecggen.

    Shipped configs are package data of an installed wheel (``ecggen/configs``), or the folder ``configs`` of a
    checkout.

    Args:
        name_or_path: A TOML file, or a name such as "vae", "classifier", "tiny/vae" or "large/vae".

    Raises:
        InputError: If there is no such file and no such shipped config; the message lists the names.

    Example:
        >>> shipped_config("vae").name
        'vae.toml'
    """
    if Path(name_or_path).is_file():
        return Path(name_or_path)
    package = Path(ecggen.__file__).resolve().parent
    folder = next((path for path in (package / "configs", package.parent / "configs") if path.is_dir()), package)
    shipped = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.toml"))}
    if str(name_or_path) not in shipped:
        raise InputError(
            f"there is no config {str(name_or_path)!r}",
            "a TOML file or the name of a shipped config was expected",
            f"shipped: {', '.join(shipped) or 'none'}",
        )
    return shipped[str(name_or_path)]


def renamed(values: Mapping[str, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    """Replace old keys of ``values`` by their current names, with a warning for each.

    A table under both names is merged; other values of a later key replace those of an earlier one.

    Args:
        values: As from TOML.
        names: Current name of each old key.
        where: Name of the place in warnings.

    Example:
        >>> renamed({"lr": 1e-3}, {"rate": "lr"}, "[training] of vae.toml")
        {'lr': 0.001}
    """
    current: dict[str, Any] = {}
    for key, value in values.items():
        name = names.get(key, key)
        if key in names:
            found = f"{where} has {key!r}, which is now called {name!r}"
            warnings.warn(f"{found}; the old name will be removed in the next release", InputWarning, stacklevel=2)
        both = isinstance(value, dict) and isinstance(current.get(name), dict)
        current[name] = current[name] | value if both else value
    return current


def nearest(name: str, known: Sequence[str]) -> str:
    """Suggest the most similar known name ("did you mean …?"); "" if none is similar."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else ""
