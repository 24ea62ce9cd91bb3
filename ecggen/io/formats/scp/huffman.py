"""SCP-ECG compression: Huffman codes, and differences between samples (EN 1064, annex C).

The bytes of a lead are one stream of bits. The start of a code is known only after decoding the previous one. The
decoder therefore looks up the length of the code at every bit position at once, and then follows the chain of codes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import accumulate, chain, repeat

import numpy as np

from ecggen.core.errors import InputError

_LONGEST = 16
"""Largest number of bits of a prefix, and of the number after it; the table of the standard has 10 and 16."""
_NONE = 255


@dataclass(frozen=True)
class Code:
    """A row of a Huffman table: a ``prefix`` of ``prefix_bits``, and a signed number in the rest of ``length`` bits."""

    prefix_bits: int
    length: int
    base: int
    prefix: int


def _standard() -> tuple[Code, ...]:
    """Table of the standard: 0; ones, a zero and a sign for ±1 to ±8; ten bits before a number of 8 or 16 bits."""
    near = (
        Code(ones + 2, ones + 2, sign * ones, ((1 << ones) - 1) << 2 | (sign < 0))
        for ones in range(1, 9)
        for sign in (1, -1)
    )
    return Code(1, 1, 0, 0), *near, Code(10, 18, 0, 0b1111111110), Code(10, 26, 0, 0b1111111111)


STANDARD = _standard()
"""The table that a file selects with the number 19999."""


def tables(section: bytes) -> tuple[Code, ...] | None:
    """Codes of section 2 (without its header); None if samples are not compressed.

    Raises:
        InputError: If it is truncated, its codes contradict each other, or it has several tables.
    """
    count = int.from_bytes(section[:2], "little")
    if count == 19999:
        return STANDARD
    if not section or not count:
        return None
    announced = int.from_bytes(section[2:4], "little")
    held = section[4 : 4 + 9 * announced]
    rows = list(struct.iter_unpack("<BBBhI", held[: len(held) // 9 * 9]))
    if count > 1 or any(mode != 1 for _, _, mode, _, _ in rows):
        raise InputError("the file uses several Huffman tables", "one was expected", "export it again")
    if not 0 < announced == len(rows) < _NONE:
        found = f"the Huffman table declares {announced} codes and holds {len(rows)}"
        raise InputError(found, "as many were expected", "export it again")
    if len(rows) == 1 and rows[0][:2] == (0, 16):  # means uncompressed numbers of 16 bits
        return None
    return tuple(Code(bits, length, base, _reversed(prefix, bits)) for bits, length, _, base, prefix in rows)


def decoded(packed: bytes, samples: int, codes: tuple[Code, ...] | None, difference: int) -> np.ndarray:
    """Decode the samples of one lead, in steps.

    Args:
        packed: Bytes of the lead.
        samples: Number of samples.
        codes: Huffman table; None for plain numbers of 16 bits.
        difference: 0 if the numbers are the samples, 1 or 2 for first or second differences.

    Raises:
        InputError: If the bytes hold fewer or more samples.
    """
    if codes is None:
        values = np.frombuffer(packed[: len(packed) // 2 * 2], "<i2").astype(np.int64)
    else:
        values = _unpacked(packed, samples, codes)
    # A padding byte extends a lead to an even number of bytes.
    if not samples <= len(values) <= samples + (codes is None):
        raise InputError(f"a lead holds {len(values)} samples", f"{samples} were expected", "export it again")
    values = values[:samples].copy()
    if difference == 2 and samples > 1:
        values[1] -= values[0]
        values[1:] = np.cumsum(values[1:])
    return np.cumsum(values) if difference else values


def _unpacked(packed: bytes, samples: int, codes: tuple[Code, ...]) -> np.ndarray:
    """Decode a stream of bits to numbers."""
    bits = len(packed) * 8
    if samples > bits:
        raise InputError(f"{samples} samples are declared in {bits} bits", "at least one bit each was expected")
    windows = _windows(packed)
    rows = _lookup(codes)[windows[:bits]]
    lengths = np.array([*(code.length for code in codes), *[0] * (_NONE + 1 - len(codes))])[rows]
    after = np.where(rows == _NONE, bits + 1, np.minimum(np.arange(bits) + lengths, bits + 1))
    # Positions past the end point to themselves, so that the chain never leaves the list.
    following = [*after.tolist(), bits + 1, bits + 1]
    starts = list(accumulate(chain([0], repeat(0, samples)), lambda at, _: following[at]))
    if samples and starts[-1] > bits:
        found = "the bytes of a lead are not valid Huffman codes"
        raise InputError(found, f"{samples} samples were expected", "export it again")
    if bits - starts[-1] >= 32:
        found = f"a lead holds {bits - starts[-1]} bits more than its {samples} samples need"
        raise InputError(found, "as many samples as declared were expected", "export it again")
    at = np.array(starts[:-1], np.int64)
    return _numbers(codes, rows[at], at, windows)


def _numbers(codes: tuple[Code, ...], rows: np.ndarray, at: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """The number of each code: its base plus the signed number after its prefix."""
    prefix = np.array([code.prefix_bits for code in codes])[rows]
    extra = np.array([code.length - code.prefix_bits for code in codes])[rows]
    after = windows[at + prefix] >> (16 - extra)
    signed = np.where((extra > 0) & (after >> np.maximum(extra - 1, 0) > 0), after - (1 << extra), after)
    return np.array([code.base for code in codes], np.int64)[rows] + signed


def _windows(packed: bytes) -> np.ndarray:
    """The 16 bits that start at each bit, padded with zeros."""
    data = np.frombuffer(packed + bytes(8), np.uint8).astype(np.int32)
    three = data[:-2] << 16 | data[1:-1] << 8 | data[2:]
    return (three[:, None] >> (8 - np.arange(8)) & 0xFFFF).ravel()


def _lookup(codes: tuple[Code, ...]) -> np.ndarray:
    """Index of the code with which each 16-bit number starts, ``_NONE`` if there is none."""
    table = np.full(1 << _LONGEST, _NONE, np.uint8)
    for row, code in enumerate(codes):
        if not (0 < code.prefix_bits <= _LONGEST and 0 <= code.length - code.prefix_bits <= _LONGEST):
            found = f"a Huffman code has a prefix of {code.prefix_bits} of {code.length} bits"
            expected = f"a prefix of 1 to {_LONGEST} bits, and a number of up to 16 bits, were expected"
            raise InputError(found, expected, "export it again")
        free = _LONGEST - code.prefix_bits
        room = slice(code.prefix << free, (code.prefix + 1) << free)
        if not (table[room] == _NONE).all():
            raise InputError("two Huffman codes have the same prefix", "unique ones were expected", "export it again")
        table[room] = row
    return table


def _reversed(prefix: int, bits: int) -> int:
    """A prefix with its first bit as the most significant; files store it as the least significant."""
    return sum((prefix >> bit & 1) << (bits - 1 - bit) for bit in range(min(bits, 32)))
