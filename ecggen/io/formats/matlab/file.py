"""Parser of MATLAB files of versions 4 and 5 to 7 ("MAT-File Format", MathWorks).

Only numbers, texts, cells of texts and single structures are decoded. ``scipy.io.loadmat``, with which the tests
compare the result, allocates what a file declares: a structure of 80 bytes can ask for any number of elements, and a
compressed variable can grow without limit.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.source import Source

Value = np.ndarray | str | list[str] | dict[str, "Value"]
"""Content of a variable: numbers (two or more axes), a text, the texts of a cell, or the fields of a structure."""

MAGIC = b"MATLAB 5.0 MAT-file"
NEWER = b"MATLAB 7.3 MAT-file"
"""First bytes of version 7.3, which is HDF5 behind 512 bytes."""

MOST_UNPACKED = 2**27
"""Largest size in bytes of the unpacked variables: 46 minutes of twelve leads at 500 Hz in double precision."""

_ANYWAY, _RATIO = 2**25, 50
"""Unpacked size in bytes that is always accepted, and largest ratio of unpacked to packed size above it."""

_MOST_ELEMENTS = 10_000
_DEEPEST = 4
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR, _COMPLEX = 1, 2, 4, 0x800
_NUMERIC = range(6, 16)
_IN_4 = ("f8", "f4", "i4", "i2", "u2", "u1")
"""Types of numbers of version 4."""


@dataclass
class _Reader:
    """Byte order, the number of elements that may still be read, and the bytes that may still be unpacked."""

    order: str
    elements: int = _MOST_ELEMENTS
    unpacked: int = MOST_UNPACKED

    def each(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Type and content of the elements in ``data``."""
        at = 0
        while at + 8 <= len(data):
            self.elements -= 1
            kind, size = struct.unpack_from(f"{self.order}II", data, at)
            if kind >> 16:  # up to four bytes lie in the tag itself
                kind, size, start, next_at = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            else:
                start = at + 8
                next_at = start + size + (0 if kind == _COMPRESSED else -size % 8)
            if size > len(data) - start or (start == at + 4 and size > 4) or self.elements < 0:
                raise _broken()
            yield kind, data[start : start + size]
            at = next_at

    def variables(self, data: memoryview) -> Iterator[tuple[str, Value]]:
        """Name and value of the variables in ``data``; those of other classes are skipped."""
        for kind, content in self.each(data):
            if kind == _COMPRESSED:
                yield from self.variables(self._inflated(content))
            elif kind == _MATRIX:
                name, value = self.matrix(content, _DEEPEST)
                if value is not None:
                    yield name, value

    def _inflated(self, content: memoryview) -> memoryview:
        inflate, most = zlib.decompressobj(), min(self.unpacked, max(_ANYWAY, _RATIO * len(content)))
        made = inflate.decompress(content, most + 1)
        self.unpacked -= len(made)
        if len(made) > most:
            found = f"the variables unpack to more than {most} bytes"
            raise InputError(
                found, "a smaller file was expected", "save it without compression, or split the recording"
            )
        return memoryview(made)

    def matrix(self, data: memoryview, depth: int) -> tuple[str, Value | None]:
        """Name and value of an array; None for a value of another class."""
        parts = self.each(data)
        (_, flags), (_, shape), (_, name) = (next(parts, (0, memoryview(b""))) for _ in range(3))
        if len(flags) < 4 or len(shape) % 4 or depth < 0:
            return "", None
        (about,) = struct.unpack_from(f"{self.order}I", flags)
        dims = struct.unpack(f"{self.order}{len(shape) // 4}i", shape)
        kind, count = about & 0xFF, math.prod(dims)
        value: Value | None = None
        if min(dims, default=-1) >= 0 and not about & _COMPLEX:
            if kind in _NUMERIC:
                value = self._numbers(next(parts, None), dims)
            elif kind == _CHAR:
                value = self._text(next(parts, None))
            elif kind == _CELL and count <= _MOST_ELEMENTS:
                value = self._cell(list(parts), depth)
            elif kind == _STRUCT and count == 1:
                value = self._structure(parts, depth)
        return bytes(name).decode("latin-1"), value

    def _numbers(self, part: tuple[int, memoryview] | None, dims: tuple[int, ...]) -> np.ndarray | None:
        if part is None or part[0] not in _NUMBERS:
            return None
        dtype = np.dtype(self.order + _NUMBERS[part[0]])
        if math.prod(dims) * dtype.itemsize != len(part[1]):
            raise _broken()
        return np.frombuffer(part[1], dtype).reshape(dims, order="F")

    def _text(self, part: tuple[int, memoryview] | None) -> str | None:
        if part is None or part[0] not in _TEXTS:
            return None
        coding = _TEXTS[part[0]]
        coding += {"<": "-le", ">": "-be"}[self.order] if coding in ("utf-16", "utf-32") else ""
        return bytes(part[1][:_MOST_ELEMENTS]).decode(coding, errors="replace")

    def _cell(self, parts: list[tuple[int, memoryview]], depth: int) -> list[str] | None:
        values = [self.matrix(content, depth - 1)[1] for kind, content in parts if kind == _MATRIX]
        return [value for value in values if isinstance(value, str)] if values else None

    def _structure(self, parts: Iterator[tuple[int, memoryview]], depth: int) -> dict[str, Value] | None:
        (_, width), (_, names) = next(parts, (0, memoryview(b""))), next(parts, (0, memoryview(b"")))
        if len(width) != 4 or not 0 < (size := struct.unpack(f"{self.order}i", width)[0]) <= 64:
            return None
        fields = [bytes(names[at : at + size]).split(b"\0")[0].decode("latin-1") for at in range(0, len(names), size)]
        values = ((field, self.matrix(part[1], depth - 1)[1]) for field, part in zip(fields, parts, strict=False))
        return {field: value for field, value in values if value is not None}


def variables(source: Source) -> dict[str, Value]:
    """Values of the variables of a file by their names.

    Raises:
        InputError: If the file is damaged, too large or of version 7.3.
    """
    if source.opening.startswith(NEWER):
        found = "this is a MATLAB file of version 7.3"
        raise InputError(found, "version 7 or older was expected", "save it in MATLAB with save(…, '-v7')")
    if is_version_4(source):
        return dict(_of_version_4(source.mapped))
    order = {b"IM": "<", b"MI": ">"}.get(source.opening[126:128])
    if order is None:
        raise _broken()
    try:
        return dict(_Reader(order).variables(source.mapped[128:]))
    except (zlib.error, struct.error, RecursionError) as error:
        raise _broken() from error


def is_version_4(source: Source) -> bool:
    """Whether a file starts with the header of a matrix of numbers of version 4, which has no signature."""
    return len(source.opening) > 20 and _head(memoryview(source.opening), 0, source.size) is not None


def _head(data: memoryview, at: int, size: int) -> tuple[str, np.dtype, tuple[int, int], int] | None:
    """Name, type, shape and place of the numbers of the matrix at byte ``at``; None if none lies there."""
    for order, base in (("<", 0), (">", 1000)):
        kind, rows, columns, imaginary, length = struct.unpack_from(f"{order}5i", data, at)
        tens, other = divmod(kind - base, 10)
        name = bytes(data[at + 20 : at + 20 + length]) if 1 < length <= 64 else b""
        if other or not 0 <= tens < len(_IN_4) or imaginary or not re.fullmatch(rb"[A-Za-z]\w*\0", name):
            continue
        dtype, start = np.dtype(order + _IN_4[tens]), at + 20 + length
        if rows > 0 and columns > 0 and rows * columns * dtype.itemsize <= size - start:
            return name[:-1].decode("ascii"), dtype, (rows, columns), start
    return None


def _of_version_4(data: memoryview) -> Iterator[tuple[str, Value]]:
    at = 0
    while at + 20 < len(data) and (head := _head(data, at, len(data))):
        name, dtype, (rows, columns), start = head
        yield name, np.frombuffer(data, dtype, rows * columns, start).reshape((rows, columns), order="F")
        at = start + rows * columns * dtype.itemsize


def _broken() -> InputError:
    return InputError("the MATLAB file is damaged", "complete variables were expected", "copy or export it again")
