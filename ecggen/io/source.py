"""A file as the formats see it: its first bytes to know it by, its text or its bytes on demand, never too many.

Limits stand here once, so that no file, whatever it announces, takes more than a gigabyte of memory.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ecggen.core.errors import InputError
from ecggen.io.normalise import listed, shown

OPENING = 4096
"""Bytes by which a format is known."""

MOST_BYTES = 64 * 1024**2
"""Bytes of a file that is read whole."""

MOST_TEXT = 32 * 1024**2
"""Bytes of a file of text, which takes twenty times as much memory while it is parsed."""

MOST_SAMPLES = 2**25
"""Samples of a recording, all channels counted: 93 minutes of twelve leads at 500 Hz."""

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Source:
    """A file, and what its user asks of it.

    Attributes:
        path: Where it lies; of a member of an archive, only its name is meant.
        record: Which recording is wanted, where the file holds several: its name, or its number from 1.
        channels: How many channels the user has named, if any.
        start: Where the part that is wanted begins, in seconds; a format may decode no more than that part.
        seconds: How long it is; None for all that follows.
        content: The bytes of a member of an archive; None for a file on the disk.
    """

    path: Path
    record: str | None = None
    channels: int | None = None
    start: float = 0.0
    seconds: float | None = None
    content: bytes | None = None

    @cached_property
    def opening(self) -> bytes:
        """The first bytes."""
        if self.content is not None:
            return self.content[:OPENING]
        with self.path.open("rb") as file:
            return file.read(OPENING)

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return self.path.stat().st_size if self.content is None else len(self.content)

    @cached_property
    def is_text(self) -> bool:
        """Whether it can be text: UTF-16 where it says so, else without zero bytes at its beginning."""
        return self.opening.startswith(_UTF_16) or b"\0" not in self.opening

    @cached_property
    def raw(self) -> bytes:
        """All bytes.

        Raises:
            InputError: Where they are more than ``MOST_BYTES``.
        """
        self._limit(MOST_BYTES)
        return self.path.read_bytes() if self.content is None else self.content

    @cached_property
    def mapped(self) -> memoryview:
        """All bytes, which take memory only where they are looked at."""
        if self.content is not None:
            return memoryview(self.content)
        with self.path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def part(self, fs: float, samples: int) -> tuple[int, int]:
        """First sample, and the one after the last, that hold the wanted part of ``samples`` at ``fs`` Hz.

        Raises:
            InputError: Where the part does not lie within.
        """
        if not self.start and self.seconds is None:
            return 0, samples
        end = samples if self.seconds is None else (self.start + self.seconds) * fs
        if not 0 <= self.start * fs < end <= samples + 0.5:
            raise InputError(
                f"the recording lasts {samples / fs:.3f} s",
                f"at least {end / fs:.3f} s were asked for, from {self.start:g} s on",
                "ask for a part that lies inside it",
            )
        return math.floor(self.start * fs), min(math.ceil(end - 1e-6), samples)

    @cached_property
    def head(self) -> str:
        """The opening as text, "" where it is none; its last character may be broken."""
        if not self.is_text:
            return ""
        coding = "utf-16" if self.opening.startswith(_UTF_16) else "utf-8-sig"
        return _lines(self.opening[: OPENING // 2 * 2].decode(coding, errors="replace"))

    @cached_property
    def text(self) -> str:
        """The whole as text, \\n between its lines: UTF-8, UTF-16 where it says so, else Latin-1 (which has µ)."""
        self._limit(MOST_TEXT)
        try:
            return _lines(self.raw.decode("utf-16" if self.raw.startswith(_UTF_16) else "utf-8-sig"))
        except UnicodeDecodeError:
            return _lines(self.raw.decode("latin-1"))

    def _limit(self, most: int) -> None:
        if self.size > most:
            found = f"the file holds {self.size / 1024**2:.0f} MB"
            raise InputError(found, f"at most {most // 1024**2} MB of this format are read", "split it")


def chosen(names: Sequence[str], record: str | None) -> int:
    """Index of the recording that is asked for, by its name or its number from 1; the only one needs no asking.

    Raises:
        InputError: Where there are several and none was named, or there is none of this name.
    """
    if record is None and len(names) == 1:
        return 0
    if record is not None and record in names:
        return list(names).index(record)
    if record is not None and record.isdecimal() and 1 <= int(record) <= len(names):
        return int(record) - 1
    found = f"recording {shown(record)} is not among" if record else f"the file holds {len(names)} recordings,"
    raise InputError(f"{found} {listed(names) or 'none'}", "one of them was expected", "name it, or its number from 1")


@contextmanager
def optional(library: str, extra: str) -> Iterator[None]:
    """Around the import of a library that not everybody has.

    Raises:
        InputError: Where it is not installed, with the extra of ecggen that brings it.
    """
    try:
        yield
    except ImportError as error:
        found = f"{library} is not installed"
        raise InputError(found, "this format is read and written with it", f"pip install 'ecggen[{extra}]'") from error


def with_library(what: str, action: Callable[..., Any], *values: Any, **options: Any) -> Any:
    """What ``action`` of a library returns; whatever it stumbles over in a broken file becomes an InputError.

    Raises:
        InputError: For any error of the library; its own words may quote the file, so they are not repeated.
    """
    try:
        return action(*values, **options)
    except (InputError, MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise InputError(f"the {what} cannot be decoded", "a whole one was expected", "export it again") from error


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
