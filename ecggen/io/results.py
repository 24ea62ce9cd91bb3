"""Result files: written atomically, and stamped with the commit of the sources that made them."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from ecggen.core.errors import InputError, argument

PACKAGE = Path(__file__).resolve().parents[1]
"""Folder of the package."""


def store(results: dict[str, Any], out: Path, overwrite: bool = False) -> None:
    """Write results as JSON, atomically.

    Raises:
        InputError: If ``out`` exists and ``overwrite`` is not set.
    """
    if out.exists() and not overwrite:
        do = f"choose another name, or pass {argument(overwrite=True)}"
        raise InputError(f"{out} exists", "a new file was expected", do)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}.part")
    unfinished.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(out)


def commit(package: Path = PACKAGE) -> str:
    """The commit of ecggen's own checkout, with "+" where its sources have changed since; "" anywhere else.

    A git work tree is ecggen's own checkout if it holds ``package`` and ecggen's ``pyproject.toml`` at its root, and
    tracks the package. An ecggen that is installed or copied into another repository has no commit.

    Args:
        package: Folder of the package.
    """
    root = _git(package, "rev-parse", "--show-toplevel")
    if not root or Path(root).resolve() != package.parent or not _is_ecggen(package.parent):
        return ""
    if not _git(package, "ls-files", "--", "__init__.py"):
        return ""
    head = _git(package, "rev-parse", "--short=12", "HEAD")
    return head + ("+" if head and _git(package, "status", "--porcelain", "--", ".") else "")


def _is_ecggen(root: Path) -> bool:
    """Whether the ``pyproject.toml`` in ``root`` is ecggen's."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return project.get("project", {}).get("name") == "ecggen"


def _git(folder: Path, *arguments: str) -> str:
    """Output of a git command in ``folder``; "" if it fails or git is not installed."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
