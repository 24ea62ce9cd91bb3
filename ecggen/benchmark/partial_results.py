"""Cache of partial results of a long measurement, from which an interrupted run continues.

A cell is a set of arrays in one file. The file name contains a hash of everything on which the arrays depend, and the
file itself contains it as JSON, so that results of other settings are never used. Files are written atomically.
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
    """A folder of cells.

    Attributes:
        folder: The folder; None disables the cache.
    """

    folder: Path | None = None

    def of(self, name: str, depends: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a cell, loaded or computed.

        Args:
            name: First part of the file's name.
            depends: Everything on which the arrays depend, as JSON-serialisable values.
            make: Computes the arrays, of numbers and text only.
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
    """A cell's arrays; None if there is no readable file."""
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
