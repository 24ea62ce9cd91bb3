"""All formats, each in a file of its own: how it is known, read and written.

The order matters where one form contains another: JSON and XML before words and columns, and CSV, which any table of
numbers is, last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecggen.ecg import ECG
from ecggen.errors import InputError
from ecggen.io import apple_watch, csv_format, npz_format, wfdb_format
from ecggen.io.about import About
from ecggen.io.door import Found
from ecggen.io.source import Source

Encode = Callable[[ECG, Path, About], dict[Path, bytes]]


@dataclass(frozen=True)
class Format:
    """A form of file that ecggen reads.

    Attributes:
        name: What people call it.
        looks_like: Whether a file is of this form, by its opening.
        read: What it says, in its own words.
        contents: Names of its recordings, for a form that can hold several; None for one that holds one.
    """

    name: str
    looks_like: Callable[[Source], bool]
    read: Callable[[Source], Found]
    contents: Callable[[Source], Sequence[str]] | None = None


READ: tuple[Format, ...] = (
    Format("npz", npz_format.looks_like, npz_format.read, npz_format.contents),
    Format("WFDB", wfdb_format.looks_like, wfdb_format.read),
    Format("Apple Watch's CSV", apple_watch.looks_like, apple_watch.read),
    Format("CSV", csv_format.looks_like, csv_format.read),
)
"""What can be read, in the order in which it is tried."""

WRITE: dict[str, Encode] = {
    ".hea": wfdb_format.encode,
    ".csv": csv_format.encode,
    ".npz": npz_format.encode,
}
"""What can be written: a suffix, and what makes the bytes, in the order in which files take their names."""

SUFFIXES = (".hea", ".csv", ".npz")
"""Names under which recordings are looked for in a folder."""


def known(source: Source) -> Format:
    """The form that a file's content shows.

    Raises:
        InputError: Where it shows none.
    """
    if not source.opening:
        raise InputError("the file is empty", "a recording was expected")
    for form in READ:
        if form.looks_like(source):
            return form
    names = ", ".join(form.name for form in READ[:-1])
    expected = f"{names} or {READ[-1].name} was expected"
    raise InputError("the file is in no format that ecggen reads", expected, "convert it first")
