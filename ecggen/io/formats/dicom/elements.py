"""DICOM's data elements: tag, length, value, and sequences of data sets within (PS3.5, section 7).

A file of 64 MB can announce eight million elements or nest them a million deep, and a deflated one can swell a
thousandfold; general libraries follow. Here elements and depth are counted while they are walked, values are views of
the file's bytes, and nothing is allocated by an announced number. The preamble, in which other programs hide things,
is not looked at.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ecggen.core.errors import InputError
from ecggen.io.normalise import shown

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
"""Transfer syntaxes that are read: little endian with and without types of values, and big endian."""

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
    """Elements by their tags (group and number as one integer): bytes of a value, or the data sets of a sequence."""

    order: str
    coding: str = "latin-1"
    values: dict[int, memoryview] = field(default_factory=dict)
    sequences: dict[int, list[DataSet]] = field(default_factory=dict)

    def text(self, tag: int) -> str:
        """A text without padding, "" where there is none."""
        return bytes(self.values.get(tag, b"")).decode(self.coding, errors="replace").strip(" \0\r\n\t")

    def number(self, tag: int) -> float | None:
        """A number that is written as text, None where there is none."""
        text = self.text(tag)
        return float(text) if len(text) <= 64 and _NUMBER.fullmatch(text) else None

    def integer(self, tag: int) -> int | None:
        """A binary number without sign, None where there is none."""
        value = bytes(self.values.get(tag, b"")[:5])
        return int.from_bytes(value, "big" if self.order == ">" else "little") if len(value) in (1, 2, 4) else None

    def items(self, tag: int) -> list[DataSet]:
        """The data sets of a sequence, none where it is absent."""
        return self.sequences.get(tag, [])


def parse(raw: bytes) -> DataSet:
    """The data set of a file.

    Raises:
        InputError: Where it is compressed, cut off, nested too deep or holds too many elements.
    """
    meta, start = _meta(raw)
    syntax = meta.text(0x00020010)
    if syntax == _DEFLATED:
        expected = "an uncompressed one was expected: nobody knows how large a deflated one is"
        raise InputError("the DICOM file is deflated", expected, "save it as Explicit VR Little Endian")
    if syntax not in (IMPLICIT, EXPLICIT, BIG):
        said = shown(syntax) if re.fullmatch(r"[\d.]+", syntax, re.ASCII) else "no identifier"
        found = f"the transfer syntax of the DICOM file is {said}"
        raise InputError(found, "one of waveforms was expected", "save it as Explicit VR Little Endian")
    walk = _Walk(memoryview(raw), ">" if syntax == BIG else "<")
    whole, _ = walk.data_set(start, len(raw), 0, explicit=syntax != IMPLICIT)
    coding = _CODINGS.get(whole.text(0x00080005).split("\\")[-1], "latin-1")
    for one in _every(whole):
        one.coding = coding
    return whole


def _meta(raw: bytes) -> tuple[DataSet, int]:
    """The elements of group 2, which name the transfer syntax, and where they end."""
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
    """What a file is that cannot be walked to its end."""
    return InputError("the DICOM file is broken or cut off", "a whole one was expected", "export it again")


class _Walk:
    """A walk through the elements of a file, which counts them."""

    def __init__(self, view: memoryview, order: str):
        self.view, self.order, self.left = view, order, _MOST_ELEMENTS

    def header(self, at: int, end: int, *, explicit: bool) -> tuple[int, bytes, int, int]:
        """Tag, type, length and place of the value of the element at ``at``."""
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
        """The data set from ``at`` on, and where it ends: at ``end`` or where it says so."""
        found = DataSet(self.order)
        while at < end and (depth or end - at >= 8):  # a few bytes behind the last element are filling
            tag, kind, length, at = self.header(at, end, explicit=explicit)
            if tag == _ITEM_END and depth:
                break
            if length == _UNKNOWN_LENGTH or kind == b"SQ" or (not explicit and self._is_sequence(at, length, end)):
                # A sequence of unknown type is written without types within (PS3.5, 6.2.2).
                inside = explicit and kind != b"UN"
                found.sequences[tag], at = self._sequence(at, length, end, depth, explicit=inside)
                continue
            if length > end - at:
                raise broken()
            found.values[tag] = self.view[at : at + length]
            at += length
        return found, at

    def _sequence(self, at: int, length: int, end: int, depth: int, *, explicit: bool) -> tuple[list[DataSet], int]:
        """The data sets of a sequence, and where it ends."""
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
        """Whether a value without a type begins as the first item of a sequence does, and can be one."""
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
