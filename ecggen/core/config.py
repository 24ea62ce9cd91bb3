"""Configuration files: read TOML, apply overrides, and check the values against the constructors they belong to."""

from __future__ import annotations

import difflib
import inspect
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

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
    known = list(inspect.signature(kind).parameters)
    for key in values:
        if key not in known:
            raise InputError(f"{where} has {key!r}", f"one of {', '.join(known)} was expected", nearest(key, known))
    try:
        plain = _plain(kind, values)
        if plain is not None:
            return kind(**plain)
        from jsonargparse import ArgumentParser  # takes a tenth of a second

        parser = ArgumentParser(exit_on_error=False)
        parser.add_class_arguments(kind, "it")
        made = parser.instantiate(parser.parse_object({"it": dict(values)}))
    except InputError:
        raise
    except Exception as error:  # from jsonargparse or from the constructor itself
        raise InputError(f"{where} cannot be used: {' '.join(str(error).split())[:400]}") from error
    return made.it


class _NotPlainError(Exception):
    """A value is not plainly of its type."""


def _plain(kind: type, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Arguments of ``kind`` if all are plainly of the annotated types; None if a library has to look at them.

    Plain types are float, int, str, bool, sequences of these, dataclasses of these, and None beside one of them.
    """
    try:
        hints, needed = get_type_hints(kind.__init__), inspect.signature(kind).parameters
        if any(item.default is item.empty and name not in values for name, item in needed.items()):
            return None
        return {name: _of_type(value, hints[name]) for name, value in values.items()}
    except (_NotPlainError, NameError, KeyError):
        return None


def _of_type(value: Any, hint: Any) -> Any:
    """``value`` if it is plainly of the type ``hint``; integers become floats where these are expected."""
    if hint is float and type(value) in (int, float):
        return float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    if get_origin(hint) is Sequence and type(value) is list:
        return [_of_type(one, get_args(hint)[0]) for one in value]
    if get_origin(hint) in (Union, UnionType) and type(None) in get_args(hint):
        others = [one for one in get_args(hint) if one is not type(None)]
        if value is None:
            return None
        if len(others) == 1:
            return _of_type(value, others[0])
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, hint):
        return value
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        arguments = _plain(hint, value)
        if arguments is not None:
            return hint(**arguments)
    raise _NotPlainError


def read_toml(path: Path | str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a TOML file as nested dictionaries and apply ``table.key=value`` overrides (values as in TOML).

    In an array of tables with names, as ``[[stages]]``, ``stages.NAME.table.key=value`` changes the table of that name.

    Raises:
        InputError: If the file cannot be read, the file or an override is not TOML, or an override names no table of
            an array.
    """
    path = Path(path)
    try:
        config = tomllib.loads(path.read_text())
        for override in overrides:
            for table, values in tomllib.loads(override).items():
                if isinstance(values, dict) and isinstance(config.get(table), list):
                    _change_named(config[table], values, f"[[{table}]] of {path}")
                elif isinstance(values, dict):
                    config.setdefault(table, {}).update(values)
                else:
                    config[table] = values
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "a TOML file was expected") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} or an override is not TOML: {error}", "for instance: training.epochs=3") from error
    return config


def name_of(table: Mapping[str, Any]) -> str:
    """Name of a table in an array: its ``name``, or its ``kind`` if it has none."""
    return str(table.get("name", table.get("kind", "")))


def _change_named(tables: Sequence[dict[str, Any]], changes: Mapping[str, Any], where: str) -> None:
    """Change values of the tables of an array, in place, by name."""
    named = {name: table for table in tables if (name := name_of(table))}
    for name, values in changes.items():
        if name not in named or not isinstance(values, dict):
            found = f"{name!r} is to be changed in {where}"
            raise InputError(found, f"one of {', '.join(named)} was expected", nearest(name, list(named)))
        for key, value in values.items():
            own = named[name].get(key)
            named[name][key] = own | value if isinstance(own, dict) and isinstance(value, dict) else value


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
