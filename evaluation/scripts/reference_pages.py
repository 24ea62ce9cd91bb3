"""Tables of the reference pages, written from the code: ``python -m evaluation.scripts.reference_pages``.

- ``docs/reference/cli.md``: every command with its arguments and options.
- ``docs/reference/configuration.md``: the keys of each configuration table, with default and meaning from docstrings.
- ``docs/reference/formats.md``: the columns of ``records.csv``, ``augment.csv`` and ``convert.csv``.

``--check`` changes nothing and fails where a page is out of date.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from docstring_parser import DocstringStyle, parse
from typer.main import get_command

import ecggen.cli
from ecggen.cli.jobs import augmentation, conversion, generation
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.evaluators.classifier import Classifier
from ecggen.evaluators.ecg_text import ECGTextEncoder
from ecggen.generators import registry
from ecggen.networks import storage
from ecggen.training import masking, trainer
from ecggen.training.hearts import stages as hearts
from ecggen.training.recipe.stages import KINDS

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES = ("cli.md", "configuration.md", "formats.md")
TABLES: dict[str, type] = {
    **{name: registry.generator_class(name) for name in registry.names()},
    "classifier": Classifier,
    "ecg_text": ECGTextEncoder,
    "preprocessing": Preprocessor,
    "masking": masking.Masking,
    "training": trainer.Plan,
    "hearts": hearts.Plan,
    **{f"{kind}_stage": own for kind, own in KINDS.items()},
}
"""The class whose constructor arguments are the keys of a table."""
RENAMED = {"masking": masking.RENAMED, "training": trainer.RENAMED}
COLUMNS = {"generate": generation.COLUMNS, "augment": augmentation.COLUMNS, "convert": conversion.COLUMNS}
_PART = re.compile(r"(<!-- generated: (\w+) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(page: str) -> str:
    """The text of a page, its tables as the code has them."""
    kinds = {"commands": _commands, "names": _old_names, "keys": _keys, "columns": _columns}
    return _PART.sub(lambda found: f"{found[1]}{kinds[found[2]](found[3])}\n{found[4]}", page)


def _commands(_: str) -> str:
    """All commands, a section each."""
    commands = get_command(ecggen.cli.app).commands  # type: ignore[attr-defined]
    return "\n".join(_command(name, command) for name, command in commands.items())


def _command(name: str, command: Any) -> str:
    """A command's help, its usage, and its arguments and options."""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    words = [one.name.upper() if one.required else f"[{one.name.upper()}]" for one in arguments]
    words += [f"{one.opts[0]} {one.name.rstrip('_').upper()}" for one in options if one.required]
    usage = f"```text\necggen {' '.join([name, *words, '[OPTIONS]'])}\n```"
    paragraphs = [" ".join(part.split()) for part in (command.help or "").split("\n\n")]
    rows = [(f"`{one.name.upper()}`", "", _meaning(one)) for one in arguments]
    rows += [(_names(one), _default(one), _meaning(one)) for one in options]
    return "\n\n".join([f"## {name}", paragraphs[0], usage, *paragraphs[1:], _table(("", "default", "meaning"), rows)])


def _names(option: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _default(option: Any) -> str:
    if option.required:
        return "required"
    shown = option.default is not None and not isinstance(option.default, bool)
    return f"`{option.default}`" if shown else ""


def _meaning(parameter: Any) -> str:
    """Its help; angle brackets would be taken for HTML."""
    return (parameter.help or "").replace("<", "&lt;")


def _keys(name: str) -> str:
    """The keys of a configuration table; those of a model under a heading of its own."""
    own = TABLES[name]
    documented = parse(inspect.getdoc(own) or "", DocstringStyle.GOOGLE).params
    meanings = {item.arg_name: " ".join((item.description or "").split()).replace("``", "`") for item in documented}
    old = {now: before for before, now in RENAMED.get(name, {}).items()}
    rows = [(f"`{key}`", _shown(value), meanings[key]) for key, value in _defaults(own).items()]
    kind = name.removesuffix("_stage")
    title = "" if name in (*RENAMED, "preprocessing", "hearts") else f"### {name}\n\n"
    title = title if kind == name else f'### kind = "{kind}"\n\n'
    if not old:
        return title + _table(("key", "default", "meaning"), rows)
    rows = [(*row, f"`{old[key]}`" if (key := row[0].strip("`")) in old else "") for row in rows]
    return title + _table(("key", "default", "meaning", "in release 0.1"), rows)


def _defaults(own: type) -> dict[str, Any]:
    """The default of each constructor argument."""
    if is_dataclass(own):
        made = {item.name: item.default_factory for item in fields(own) if item.default_factory is not MISSING}
        return {item.name: made[item.name]() if item.name in made else item.default for item in fields(own)}
    return {key: item.default for key, item in inspect.signature(own).parameters.items()}


def _shown(value: Any) -> str:
    """A default as TOML writes it."""
    if value is inspect.Parameter.empty:
        return "required"
    if value is MISSING:
        return ""
    if is_dataclass(value) and not isinstance(value, type):
        return _shown(asdict(value))
    if isinstance(value, Mapping):
        return "`{ " + ", ".join(f"{key} = {json.dumps(one)}" for key, one in value.items()) + " }`"
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)}`"


def _columns(name: str) -> str:
    return _table(("column", "meaning"), [(f"`{key}`", meaning) for key, meaning in COLUMNS[name].items()])


def _old_names(kind: str) -> str:
    """Names of release 0.1 and the present ones: of options and checkpoints, or of configuration keys."""
    if kind == "options":
        pairs = [*ecggen.cli.RENAMED.items(), *((f"checkpoint {old}", new) for old, new in storage.RENAMED.items())]
        return _table(("old", "new"), [(f"`{old}`", f"`{new}`") for old, new in pairs])
    rows = [("table", "`[exposure]`", "`[masking]`"), ("no table", "`judge`", "`evaluator`")]
    rows += [(f"`[{place}]`", f"`{old}`", f"`{new}`") for place in RENAMED for old, new in RENAMED[place].items()]
    return _table(("place", "old", "new"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def main() -> None:
    """Write the pages, or check them."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true", help="change nothing; fail where a page is out of date")
    check = options.parse_args().check
    for name in PAGES:
        text = (REFERENCE / name).read_text(encoding="utf-8")
        if check and written(text) != text:
            sys.exit(f"docs/reference/{name} is out of date; run python -m evaluation.scripts.reference_pages")
        if not check:
            (REFERENCE / name).write_text(written(text), encoding="utf-8")


if __name__ == "__main__":
    main()
