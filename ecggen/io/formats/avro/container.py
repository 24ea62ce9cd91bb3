"""Parser of the Avro object container: a schema in JSON, then records without separators between their fields.

Only the requested fields are decoded; all others are skipped. Lengths are checked against the size of the file, and
the number of values is limited. An array of 2⁶⁰ items of zero bytes, or a record that contains itself, therefore
raises InputError at once. Written from the specification of Apache Avro 1.11.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.source import MOST_BYTES, MOST_SAMPLES, Source, with_library

MAGIC = b"Obj\x01"
MOST_STEPS = 2**17
"""Largest number of values that are parsed one by one; samples are not among them."""

_DEEPEST = 32
_LONGEST_SCHEMA = 2**20
_NUMBERS = {"float": np.dtype("<f4"), "double": np.dtype("<f8")}
_WIDTHS = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_WHOLE = ("int", "long", "enum")
_SIMPLE = {*_WIDTHS, "int", "long", "bytes", "string"}

Wanted = dict[str, "Wanted"]
"""Requested fields, with the requested fields in them; empty for a complete value."""


@dataclass
class _Bytes:
    """Bytes with a read position."""

    content: bytes
    at: int = 0
    steps: int = 0
    named: dict[str, Any] = field(default_factory=dict)

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        first, self.at = self.at, self.at + size
        if size < 0 or self.at > len(self.content):
            raise InputError("the Avro file ends within a value", "a complete file was expected", "export it again")
        return self.content[first : self.at]

    def long(self) -> int:
        """The next integer: seven bits per byte, least significant first, with the sign in the lowest bit."""
        number = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            if byte < 128:
                return number >> 1 ^ -(number & 1)
        raise InputError("an integer in the Avro file is too long", do="export it again")


def first_record(source: Source, wanted: Wanted) -> tuple[dict[str, Any], Any, bool]:
    """The schema, the requested fields of the first record, and whether more records follow.

    Raises:
        InputError: If the file is broken, truncated, or has an unsupported compression.
    """
    return with_library("Avro file", _first_record, source.raw, wanted)


def _first_record(content: bytes, wanted: Wanted) -> tuple[dict[str, Any], Any, bool]:
    file = _Bytes(content, len(MAGIC))
    header = _value({"type": "map", "values": "bytes"}, file, {}, "", 0)
    if len(header["avro.schema"]) > _LONGEST_SCHEMA:
        found = "the schema of the Avro file is too long"
        raise InputError(found, f"at most {_LONGEST_SCHEMA} bytes were expected")
    schema = json.loads(header["avro.schema"])
    mark = file.take(16)
    count, size = file.long(), file.long()
    packed = file.take(size)
    if count < 1 or file.take(16) != mark:
        raise InputError("the Avro file holds no complete record", "one was expected", "export it again")
    block = _Bytes(_unpacked(packed, header.get("avro.codec", b"null")))
    return schema, _value(schema, block, wanted, "", 0), count > 1 or file.at < len(content)


def _unpacked(packed: bytes, codec: bytes) -> bytes:
    """Decompress a block, up to the limit of its size."""
    if codec == b"null":
        return packed
    if codec != b"deflate":
        raise InputError("the Avro file has an unsupported compression", "none or deflate was expected")
    content = zlib.decompressobj(-15).decompress(packed, MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        found = f"the Avro file unpacks to more than {MOST_BYTES // 1024**2} MB"
        raise InputError(found, "a recording of some hours was expected", "split it")
    return content


def _value(schema: Any, file: _Bytes, wanted: Wanted | None, space: str, depth: int) -> Any:
    """Parse the next value by its schema; None if it is not requested."""
    file.steps += 1
    if file.steps > MOST_STEPS or depth > _DEEPEST:
        raise InputError("the Avro file is nested too deeply or holds too many values", "a recording was expected")
    if isinstance(schema, list):
        return _value(_branch(schema, file.long()), file, wanted, space, depth + 1)
    if isinstance(schema, str) and schema not in _SIMPLE:
        schema, space = file.named[schema if "." in schema else f"{space}.{schema}"]
    schema = {"type": schema} if isinstance(schema, str) else schema
    kind = schema["type"]
    if not isinstance(kind, str) or kind not in (*_SIMPLE, "record", "array", "map", "enum", "fixed"):
        return _value(kind, file, wanted, space, depth + 1)
    if kind in ("record", "enum", "fixed"):
        space = _remember(schema, file, space)
    if kind == "record":
        return _record(schema, file, wanted, space, depth)
    if kind == "array":
        return _array(schema["items"], file, wanted, space, depth)
    if kind == "map":
        return _map(schema["values"], file, wanted, space, depth)
    value = _simple(kind, schema, file)
    return None if wanted is None else value


def _branch(schema: list[Any], which: int) -> Any:
    """The schema of a union with this index; a negative index must not count from the end."""
    if not 0 <= which < len(schema):
        raise InputError("the Avro file does not follow its schema", do="export it again")
    return schema[which]


def _remember(schema: dict[str, Any], file: _Bytes, space: str) -> str:
    """Store a named type for later references; return the namespace of the names in it."""
    name, given = schema["name"], schema.get("namespace", space)
    name = name if "." in name else f"{given}.{name}"
    space = name.rpartition(".")[0]
    file.named[name] = (schema, space)
    return space


def _record(schema: dict[str, Any], file: _Bytes, wanted: Wanted | None, space: str, depth: int) -> dict[str, Any]:
    """The requested fields by name."""
    values = {}
    for one in schema["fields"]:
        name = one["name"]
        inner = None if wanted is None else wanted.get(name)
        value = _value(one["type"], file, inner, space, depth + 1)
        if inner is not None:
            values[name] = value
    return values


def _map(schema: Any, file: _Bytes, wanted: Wanted | None, space: str, depth: int) -> dict[str, Any]:
    """All values by key."""
    values = {}
    while count := _count(file):
        for _ in range(count):
            key = file.take(file.long()).decode()
            values[key] = _value(schema, file, wanted, space, depth + 1)
    return values


def _array(items: Any, file: _Bytes, wanted: Wanted | None, space: str, depth: int) -> np.ndarray | None:
    """The numbers in an array; None if it holds anything else."""
    kind = items["type"] if isinstance(items, dict) else items
    parts = []
    while count := _count(file):
        if isinstance(kind, str) and kind in _NUMBERS:
            parts.append(np.frombuffer(file.take(count * _WIDTHS[kind]), _NUMBERS[kind]))
        elif isinstance(kind, str) and kind in _WHOLE:
            packed = _packed_integers(file, count)
            parts += [] if wanted is None else [_integers(packed)]
        else:
            for _ in range(count):
                _value(items, file, None, space, depth + 1)
    if wanted is None or not parts:
        return None
    return np.concatenate(parts).astype(np.float64)


def _count(file: _Bytes) -> int:
    """Number of items in the next block of an array or map; a negative number is followed by a size in bytes."""
    file.steps += 1
    if file.steps > MOST_STEPS:
        raise InputError("the Avro file holds too many values", "a recording was expected")
    count = file.long()
    if count < 0:
        file.long()
    return abs(count)


def _packed_integers(file: _Bytes, count: int) -> np.ndarray:
    """The bytes of the next integers: each ends with its first byte below 128."""
    if count > MOST_SAMPLES:
        raise InputError("the Avro file holds too many values", "a recording of some hours was expected")
    ahead = np.frombuffer(file.content, np.uint8)[file.at : file.at + 10 * count]
    ends = np.flatnonzero(ahead < 128)[:count]
    if len(ends) < count:
        raise InputError("the Avro file ends within a value", "a complete file was expected", "export it again")
    return np.frombuffer(file.take(int(ends[-1]) + 1), np.uint8)


def _integers(packed: np.ndarray) -> np.ndarray:
    """Decode integers: seven bits per byte, least significant first, with the sign in the lowest bit."""
    ends = np.flatnonzero(packed < 128)
    starts = np.r_[0, ends[:-1] + 1]
    place = np.arange(len(packed)) - np.repeat(starts, ends - starts + 1)
    bits = (packed & 127).astype(np.uint64) << np.minimum(7 * place, 63).astype(np.uint64)
    zigzag = np.add.reduceat(bits, starts)
    return (zigzag >> np.uint64(1)).astype(np.int64) ^ -(zigzag & np.uint64(1)).astype(np.int64)


def _simple(kind: str, schema: Any, file: _Bytes) -> Any:
    """Parse the next value of a primitive type."""
    if kind in ("bytes", "string"):
        content = file.take(file.long())
        return content.decode(errors="replace") if kind == "string" else content
    if kind == "fixed":
        return file.take(int(schema["size"]))
    if kind in _WHOLE:
        return file.long()
    content = file.take(_WIDTHS[kind])
    return float(np.frombuffer(content, _NUMBERS[kind])[0]) if kind in _NUMBERS else content
