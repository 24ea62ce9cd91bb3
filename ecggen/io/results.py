"""Results on disk: written whole or not at all, and stamped with the commit that they were made by."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from ecggen.core.errors import InputError


def store(results: dict[str, Any], out: Path, overwrite: bool = False) -> None:
    """Write results as JSON, whole or not at all."""
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists", "a new file was expected", "choose another, or pass --overwrite")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}.part")
    unfinished.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(out)


def commit() -> str:
    """The commit of the sources, with "+" where they were changed since; empty outside a checkout."""

    def git(*words: str) -> str:
        here = Path(__file__).resolve().parent
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    head = git("rev-parse", "--short=12", "HEAD")
    return head + ("+" if head and git("status", "--porcelain", "--", ":/ecggen") else "")
