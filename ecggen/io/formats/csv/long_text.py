"""A text file that is too long for the memory: lines are found in it and read without reading the whole."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import BinaryIO

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.source import Source

BLOCK = 2**18
"""Bytes of which the lines are counted at a time."""
LINE = 2**17
"""Bytes in which a line must end."""


@contextmanager
def opened(source: Source) -> Iterator[LongText]:
    """Open a file, or a member of an archive."""
    with source.path.open("rb") if source.content is None else io.BytesIO(source.content) as file:
        yield LongText(file, source.size)


class LongText:
    """A text file, of which parts are read."""

    def __init__(self, file: BinaryIO, size: int):
        self.file, self.size = file, size

    def bytes(self, first: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``first``."""
        self.file.seek(first)
        found = b""
        while len(found) < length and (more := self.file.read(length - len(found))):
            found += more
        return found

    def line_after(self, place: int) -> tuple[int, str]:
        """Place and text of the first line that begins after ``place`` and holds cells; ("size", "") for none.

        Raises:
            InputError: If a line is too long.
        """
        block = self.bytes(place, LINE)
        begin = block.find(b"\n") + 1
        while begin:
            end = block.find(b"\n", begin)
            if end < 0 and place + len(block) < self.size:
                break
            line = decoded(block[begin : end if end >= 0 else None])
            if line.strip() and not line.startswith("#"):
                return place + begin, line
            begin = end + 1
        if place + len(block) < self.size:
            raise InputError(f"a line is longer than {LINE // 1024} kB", "one row of samples per line was expected")
        return self.size, ""

    @cached_property
    def last_line(self) -> str:
        """The last complete line that holds cells."""
        lines = decoded(self.bytes(max(self.size - LINE, 0), LINE)).split("\n")
        found = next((line for line in reversed(lines[:-1]) if line.strip()), None)
        if found is None:
            found_here = f"the last line is longer than {LINE // 1024} kB"
            raise InputError(found_here, "one row of samples per line was expected", "remove this line")
        return found

    def ends(self, place: int) -> np.ndarray:
        """Places, from ``place``, at which a line ends in the next block; the ends of blank lines are left out."""
        before = self.bytes(place - 2, 2) if place > 1 else b"\n\n"
        signs = np.frombuffer(before + self.bytes(place, BLOCK), np.uint8)
        ends = np.flatnonzero(signs == 10)
        lengths = np.diff(ends, prepend=-9)
        if lengths.min(initial=9) <= 2:
            ends = ends[(lengths > 2) | ((lengths == 2) & (signs[ends - 1] != 13))]
        return ends[ends > 1] - 2


def decoded(content: bytes) -> str:
    """Text with \\n line ends: UTF-8, else Latin-1."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")
