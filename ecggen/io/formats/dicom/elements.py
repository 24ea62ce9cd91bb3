"""Parser of DICOM data elements: tag, length, value, and nested sequences of data sets (PS3.5, section 7).

A file of 64 MB can declare eight million elements or a million levels of nesting, and a deflated file can expand a
thousandfold, which general libraries do not limit. This parser counts elements and depth. Values are views of the
bytes of the file, and no memory is allocated by a declared size. The preamble is ignored.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ecggen.core.errors import InputError
from ecggen.io.normalise import shown

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
"""Supported transfer syntaxes: little endian with implicit and explicit value types, and big endian."""

_DEFLATED = "1.2.840.10008.1.2.1.99"
_MOST_ELEMENTS = 100_000
_DEEPEST = 16
_UNKNOWN_LENGTH = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)
_CODINGS = {"ISO_IR 192": "utf-8", "GB18030": "gb18030", "ISO_IR 13": "shift_jis", "ISO_IR 166": "tis-620"}
_CODINGS |= {"ISO_IR 101": "iso8859-2", "ISO_IR 109": "iso8859-3", "ISO_IR 110": "iso8859-4"}
_CODINGS |= {"ISO_IR 144": "iso8859-5", "ISO_IR 127": "iso8859-6", "ISO_IR 126": "iso8859-7"}
_CODINGS |= {"ISO_IR 138": "iso8859-8", "ISO_IR 148": "iso8859-9"}


@dataclass
class DataSet:
    """Elements by tag (group and number as one integer): bytes of a value, or the data sets of a sequence."""

    order: str
    coding: str = "latin-1"
    values: dict[int, memoryview] = field(default_factory=dict)
    sequences: dict[int, list[DataSet]] = field(default_factory=dict)

    def text(self, tag: int) -> str:
        """A text value without padding; "" if absent."""
        return bytes(self.values.get(tag, b"")).decode(self.coding, errors="replace").strip(" \0\r\n\t")

    def number(self, tag: int) -> float | None:
        """A number stored as text; None if absent or invalid."""
        text = self.text(tag)
        return float(text) if len(text) <= 64 and _NUMBER.fullmatch(text) else None

    def integer(self, tag: int) -> int | None:
        """An unsigned binary number; None if absent."""
        value = bytes(self.values.get(tag, b"")[:5])
        return int.from_bytes(value, "big" if self.order == ">" else "little") if len(value) in (1, 2, 4) else None

    def items(self, tag: int) -> list[DataSet]:
        """The data sets of a sequence; empty if absent."""
        return self.sequences.get(tag, [])


def parse(raw: bytes) -> DataSet:
    """Parse a file into its data set.

    Raises:
        InputError: If it is compressed, truncated, nested too deeply, or holds too many elements.
    """
    meta, start = _meta(raw)
    syntax = meta.text(0x00020010)
    if syntax == _DEFLATED:
        expected = "an uncompressed one was expected, because a deflated one can have any size"
        raise InputError("the DICOM file is deflated", expected, "save it as Explicit VR Little Endian")
    if syntax not in (IMPLICIT, EXPLICIT, BIG):
        stated = shown(syntax) if re.fullmatch(r"[\d.]+", syntax, re.ASCII) else "not an identifier"
        found = f"the transfer syntax of the DICOM file is {stated}"
        raise InputError(found, "a syntax for waveforms was expected", "save it as Explicit VR Little Endian")
    walk = _Walk(memoryview(raw), ">" if syntax == BIG else "<")
    whole, _ = walk.data_set(start, len(raw), 0, explicit=syntax != IMPLICIT)
    coding = _CODINGS.get(whole.text(0x00080005).split("\\")[-1], "latin-1")
    for one in _every(whole):
        one.coding = coding
    return whole


def _meta(raw: bytes) -> tuple[DataSet, int]:
    """Elements of group 2, which give the transfer syntax, and the position of their end."""
    view, at = memoryview(raw), 132
    meta = DataSet("<")
    walk = _Walk(view, "<")
    while raw[at : at + 2] == b"\x02\x00":
        tag, kind, length, start = walk.header(at, len(raw), explicit=True)
        if kind == b"SQ" or length > len(raw) - start:
            raise broken()
        meta.values[tag] = view[start : start + length]
        at = start + length
    return meta, at


def broken() -> InputError:
    """The exception for a file that cannot be parsed to its end."""
    return InputError("the DICOM file is broken or truncated", "a complete one was expected", "export it again")


class _Walk:
    """A parser that counts the elements of a file."""

    def __init__(self, view: memoryview, order: str):
        self.view, self.order, self.left = view, order, _MOST_ELEMENTS

    def header(self, at: int, end: int, *, explicit: bool) -> tuple[int, bytes, int, int]:
        """Tag, type, length and position of the value of the element at ``at``."""
        self.left -= 1
        if self.left < 0:
            raise InputError(f"the DICOM file holds more than {_MOST_ELEMENTS} elements", "fewer were expected")
        if at + 8 > end:
            raise broken()
        group, number = struct.unpack_from(self.order + "HH", self.view, at)
        tag = group << 16 | number
        kind = bytes(self.view[at + 4 : at + 6]) if explicit and group != 0xFFFE else b""
        if not kind:
            return tag, kind, self._length("I", at + 4), at + 8
        if kind not in _LONG:
            return tag, kind, self._length("H", at + 6), at + 8
        if at + 12 > end:
            raise broken()
        return tag, kind, self._length("I", at + 8), at + 12

    def data_set(self, at: int, end: int, depth: int, *, explicit: bool) -> tuple[DataSet, int]:
        """The data set that starts at ``at``, and its end: ``end``, or an end marker before it."""
        found = DataSet(self.order)
        while at < end and (depth or end - at >= 8):  # a few bytes after the last element are padding
            tag, kind, length, at = self.header(at, end, explicit=explicit)
            if tag == _ITEM_END and depth:
                break
            if length == _UNKNOWN_LENGTH or kind == b"SQ" or (not explicit and self._is_sequence(at, length, end)):
                # The elements of a sequence of unknown type have implicit types (PS3.5, 6.2.2).
                inside = explicit and kind != b"UN"
                found.sequences[tag], at = self._sequence(at, length, end, depth, explicit=inside)
                continue
            if length > end - at:
                raise broken()
            found.values[tag] = self.view[at : at + length]
            at += length
        return found, at

    def _sequence(self, at: int, length: int, end: int, depth: int, *, explicit: bool) -> tuple[list[DataSet], int]:
        """The data sets of a sequence, and its end."""
        if depth >= _DEEPEST or (length != _UNKNOWN_LENGTH and length > end - at):
            raise broken()
        end = end if length == _UNKNOWN_LENGTH else at + length
        sets: list[DataSet] = []
        while at < end:
            tag, _, length_of_item, at = self.header(at, end, explicit=explicit)
            if tag == _SEQUENCE_END:
                return sets, at
            if tag != _ITEM or (length_of_item != _UNKNOWN_LENGTH and length_of_item > end - at):
                raise broken()
            last = end if length_of_item == _UNKNOWN_LENGTH else at + length_of_item
            one, at = self.data_set(at, last, depth + 1, explicit=explicit)
            sets.append(one)
        return sets, at

    def _is_sequence(self, at: int, length: int, end: int) -> bool:
        """Whether a value without a type starts like the first item of a sequence and fits its length."""
        if not 8 <= length <= end - at:
            return False
        group, number = struct.unpack_from(self.order + "HH", self.view, at)
        item = self._length("I", at + 4)
        return group << 16 | number == _ITEM and (item == _UNKNOWN_LENGTH or item <= length - 8)

    def _length(self, form: str, at: int) -> int:
        return struct.unpack_from(self.order + form, self.view, at)[0]


def _every(whole: DataSet) -> Iterator[DataSet]:
    yield whole
    for sets in whole.sequences.values():
        for one in sets:
            yield from _every(one)
