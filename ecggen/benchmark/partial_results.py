"""Parts of a long measurement, kept where they were made: what was stopped goes on where it was.

A cell is a handful of arrays in one file, whose name carries a hash of everything they depend on, and which holds that
in words. What was made otherwise is never taken for it; a file is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Cells:
    """Where cells are kept.

    Attributes:
        folder: Their folder; None keeps nothing.
    """

    folder: Path | None = None

    def of(self, name: str, depends: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a cell, made now or found.

        Args:
            name: What the cell is, as the first part of the file's name.
            depends: Everything the arrays depend on, as JSON holds it.
            make: Makes them: numbers and text only.
        """
        if self.folder is None:
            return make()
        about = json.dumps(depends, sort_keys=True)
        file = self.folder / f"{name}-{hashlib.sha256(about.encode()).hexdigest()[:12]}.npz"
        found = _read(file)
        if found is None:
            found = make()
            _write(file, {**found, "about": np.array(about)})
        return found


def _read(file: Path) -> Arrays | None:
    """A cell's arrays; None where there is no such file, or none that can be read."""
    try:
        with np.load(file) as held:
            return {name: held[name] for name in held.files if name != "about"}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        return None


def _write(file: Path, arrays: Arrays) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
