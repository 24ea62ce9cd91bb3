"""How SCP-ECG packs samples: Huffman codes, and differences from sample to sample (EN 1064, annex C).

A lead's bytes are one stream of bits. Where each code begins is only known after the one before it, so the length
of the code that would begin at every bit is looked up for all bits at once, and the chain is then followed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import accumulate, chain, repeat

import numpy as np

from ecggen.core.errors import InputError

_LONGEST = 16
"""Bits of a prefix, and of the number behind it, at most; the standard's own table has 10 and 16."""
_NONE = 255


@dataclass(frozen=True)
class Code:
    """A row of a Huffman table: ``prefix`` of so many bits, then a signed number in the rest of ``length`` bits."""

    prefix_bits: int
    length: int
    base: int
    prefix: int


def _standard() -> tuple[Code, ...]:
    """The standard's table: 0; ones, a zero and a sign for ±1 to ±8; ten bits before a number of 8 or 16 bits."""
    near = (
        Code(ones + 2, ones + 2, sign * ones, ((1 << ones) - 1) << 2 | (sign < 0))
        for ones in range(1, 9)
        for sign in (1, -1)
    )
    return Code(1, 1, 0, 0), *near, Code(10, 18, 0, 0b1111111110), Code(10, 26, 0, 0b1111111111)


STANDARD = _standard()
"""The table that a file means by the number 19999."""


def tables(section: bytes) -> tuple[Code, ...] | None:
    """The codes that section 2 (without its header) names; None where it says that nothing is packed.

    Raises:
        InputError: Where it is cut off, its codes contradict each other, or it changes between tables.
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
        raise InputError("the file changes between several Huffman tables", "one was expected", "export it again")
    if not 0 < announced == len(rows) < _NONE:
        found = f"the Huffman table announces {announced} codes and holds {len(rows)}"
        raise InputError(found, "as many were expected", "export it again")
    if len(rows) == 1 and rows[0][:2] == (0, 16):  # the standard's way to say: numbers of 16 bits
        return None
    return tuple(Code(bits, length, base, _reversed(prefix, bits)) for bits, length, _, base, prefix in rows)


def decoded(packed: bytes, samples: int, codes: tuple[Code, ...] | None, difference: int) -> np.ndarray:
    """The ``samples`` of one lead, in its steps.

    Args:
        packed: The lead's bytes.
        samples: How many samples they hold.
        codes: The Huffman table; None for plain numbers of 16 bits.
        difference: 0 where the numbers are the samples, 1 or 2 for their first or second differences.

    Raises:
        InputError: Where the bytes hold fewer or more.
    """
    if codes is None:
        values = np.frombuffer(packed[: len(packed) // 2 * 2], "<i2").astype(np.int64)
    else:
        values = _unpacked(packed, samples, codes)
    # An odd byte fills a lead up to a whole number of words.
    if not samples <= len(values) <= samples + (codes is None):
        raise InputError(f"a lead holds {len(values)} samples", f"{samples} were expected", "export it again")
    values = values[:samples].copy()
    if difference == 2 and samples > 1:
        values[1] -= values[0]
        values[1:] = np.cumsum(values[1:])
    return np.cumsum(values) if difference else values


def _unpacked(packed: bytes, samples: int, codes: tuple[Code, ...]) -> np.ndarray:
    """The numbers that a stream of bits holds."""
    bits = len(packed) * 8
    if samples > bits:
        raise InputError(f"{samples} samples are announced in {bits} bits", "a bit each at least was expected")
    windows = _windows(packed)
    rows = _lookup(codes)[windows[:bits]]
    lengths = np.array([*(code.length for code in codes), *[0] * (_NONE + 1 - len(codes))])[rows]
    behind = np.where(rows == _NONE, bits + 1, np.minimum(np.arange(bits) + lengths, bits + 1))
    # One past the end stays there: the chain never leaves the list.
    following = [*behind.tolist(), bits + 1, bits + 1]
    starts = list(accumulate(chain([0], repeat(0, samples)), lambda at, _: following[at]))
    if samples and starts[-1] > bits:
        raise InputError("a lead's bytes are no Huffman codes", f"{samples} samples were expected", "export it again")
    if bits - starts[-1] >= 32:
        found = f"a lead holds {bits - starts[-1]} bits more than its {samples} samples need"
        raise InputError(found, "as many samples as the file announces were expected", "export it again")
    at = np.array(starts[:-1], np.int64)
    return _numbers(codes, rows[at], at, windows)


def _numbers(codes: tuple[Code, ...], rows: np.ndarray, at: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """The number of each code: its base, and the signed number behind its prefix."""
    prefix = np.array([code.prefix_bits for code in codes])[rows]
    extra = np.array([code.length - code.prefix_bits for code in codes])[rows]
    behind = windows[at + prefix] >> (16 - extra)
    signed = np.where((extra > 0) & (behind >> np.maximum(extra - 1, 0) > 0), behind - (1 << extra), behind)
    return np.array([code.base for code in codes], np.int64)[rows] + signed


def _windows(packed: bytes) -> np.ndarray:
    """The 16 bits from every bit on, and some beyond the end, which are zeros."""
    data = np.frombuffer(packed + bytes(8), np.uint8).astype(np.int32)
    three = data[:-2] << 16 | data[1:-1] << 8 | data[2:]
    return (three[:, None] >> (8 - np.arange(8)) & 0xFFFF).ravel()


def _lookup(codes: tuple[Code, ...]) -> np.ndarray:
    """Which code any 16 bits begin with, ``_NONE`` where there is none."""
    table = np.full(1 << _LONGEST, _NONE, np.uint8)
    for row, code in enumerate(codes):
        if not (0 < code.prefix_bits <= _LONGEST and 0 <= code.length - code.prefix_bits <= _LONGEST):
            found = f"a Huffman code has {code.prefix_bits} of {code.length} bits"
            raise InputError(found, f"1 to {_LONGEST}, and a number of up to 16 bits, were expected", "export it again")
        free = _LONGEST - code.prefix_bits
        room = slice(code.prefix << free, (code.prefix + 1) << free)
        if not (table[room] == _NONE).all():
            raise InputError("two Huffman codes begin alike", "one meaning for each was expected", "export it again")
        table[room] = row
    return table


def _reversed(prefix: int, bits: int) -> int:
    """A prefix with its first bit highest; files store it lowest."""
    return sum((prefix >> bit & 1) << (bits - 1 - bit) for bit in range(min(bits, 32)))
