"""A long job that fills a folder: cut into shards, stopped, and gone on with as the same job or not at all."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from ecggen.cli.jobs.prompts import shortened
from ecggen.core.errors import InputError


def same_job(out: Path, description: Path, about: dict[str, Any], command: str) -> None:
    """An InputError where a folder was begun with another job.

    Args:
        out: The folder.
        description: What the job wrote of itself when it was begun.
        about: What it would write now; ``model`` and everything in ``asked`` must be the same.
        command: The command that writes such descriptions.
    """
    now = json.loads(json.dumps({"model": about["model"]} | about["requested"]))
    try:
        there = json.loads(description.read_text(encoding="utf-8"))
        before = {"model": there["model"]} | there["requested"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{description} cannot be read", f"what ecggen {command} wrote was expected") from error
    for name in (name for name in now if before.get(name) != now[name]):
        one, other = (shortened(str(job.get(name)), 80) for job in (before, now))
        found = f"{out} was begun with {name} {one}, now it is {other}"
        raise InputError(found, "the same job was expected", "choose another folder")


def part_of(total: int, block: int, shard: str | None) -> range:
    """Indices of the records of a shard ("2/4"); all without one. Shards of large jobs hold whole blocks."""
    one, of = (1, 1) if shard is None else shard_of(shard)
    unit = block if total >= of * block else 1
    units = math.ceil(total / unit)
    return range(min(total, units * (one - 1) // of * unit), min(total, units * one // of * unit))


def mark_of(shard: str | None) -> str:
    """What a shard's own files have in their names: "_2_of_4"; "" without one."""
    return "" if shard is None else "_{}_of_{}".format(*shard_of(shard))


def shard_of(shard: str) -> tuple[int, int]:
    """ "2/4" as (2, 4)."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", shard.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"the shard is {shortened(shard, 40)!r}", "as 2/4, the second of four, was expected")
    return int(match[1]), int(match[2])
