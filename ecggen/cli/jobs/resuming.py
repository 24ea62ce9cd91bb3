"""Shards and resuming of long jobs: a folder is continued only with the settings it was begun with."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from ecggen.core.errors import InputError


def same_job(out: Path, description: Path, about: dict[str, Any], command: str) -> None:
    """Check that a folder holds the job that is to be continued.

    Args:
        out: The folder.
        description: The JSON file that the job wrote when it was begun.
        about: The description of the present job; ``model`` and everything in ``requested`` must agree.
        command: The command that writes such descriptions.

    Raises:
        InputError: If the settings differ, or the description is invalid or of release 0.1.
    """
    now = json.loads(json.dumps({"model": about["model"]} | about["requested"]))
    try:
        found = json.loads(description.read_text(encoding="utf-8"))
        if str(found.get("ecggen", "")).startswith("0.1"):
            do = "finish it with that release, or choose another folder"
            raise InputError(f"{out} was begun with ecggen {found['ecggen']}", "a job of this release was expected", do)
        before = {"model": found["model"]} | found["requested"]
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        expected = f"a file written by ecggen {command} was expected"
        raise InputError(f"{description} cannot be read", expected, "choose another folder") from error
    for name in (name for name in now if before.get(name) != now[name]):
        one, other = (_shorten(str(job.get(name))) for job in (before, now))
        found = f"{out} was begun with {name} {one}, now it is {other}"
        raise InputError(found, "the same job was expected", "choose another folder")


def part_of(total: int, block: int, shard: str | None) -> range:
    """Indices of the records of a shard ("2/4"); all without one. In large jobs, shards consist of whole blocks.

    Example:
        >>> part_of(256, 64, "2/4")
        range(64, 128)
    """
    one, of = (1, 1) if shard is None else shard_of(shard)
    unit = block if total >= of * block else 1
    units = math.ceil(total / unit)
    return range(min(total, units * (one - 1) // of * unit), min(total, units * one // of * unit))


def mark_of(shard: str | None) -> str:
    """The suffix of a shard's own file names; "" without a shard.

    Example:
        >>> mark_of("2/4")
        '_2_of_4'
    """
    return "" if shard is None else "_{}_of_{}".format(*shard_of(shard))


def shard_of(shard: str) -> tuple[int, int]:
    """Number of a shard and of all shards: "2/4" gives (2, 4).

    Raises:
        InputError: If the text is not of this form.
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", shard.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"the shard is {_shorten(shard)!r}", "e.g. 2/4, the second of four, was expected")
    return int(match[1]), int(match[2])


def _shorten(text: str, most: int = 80) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
