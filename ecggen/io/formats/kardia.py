"""Reader of KardiaMobile .atc files: blocks of name, length, data and checksum (AliveCor, ATC specification 1.7).

One block gives the rate and the voltage per step, and one block per lead holds the samples. A device with three
electrodes writes all six limb leads. The block with phone, device and time is identifying metadata.
"""

from __future__ import annotations

import binascii
import struct

import numpy as np

from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.io.metadata import About
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_SAMPLES, Source

MAGIC = b"ALIVE\0\0\0"
_AGAIN = "export it again"
_MOST_BLOCKS = 1000
"""Largest number of blocks; a recording has up to fifty: leads, average and median beats, notes."""
_LEADS = dict(zip((b"ecg " if n == 0 else b"ecg%x" % (n + 1) for n in range(12)), STANDARD_LEADS, strict=True))
_INFO = struct.Struct("32s40s44s32s32s32s52s")
_FILTERS = {4: "mains", 8: "low pass", 16: "baseline", 32: "notch", 64: "enhanced"}


def looks_like(source: Source) -> bool:
    """Whether a file starts with the signature."""
    return source.opening.startswith(MAGIC)


def read(source: Source) -> Found:
    """Decode the leads of a file."""
    blocks = _blocks(source.raw)
    rate, nanovolts, flags = _format(blocks.get(b"fmt ", b""))
    if any(len(data) % 2 for name, data in blocks.items() if name in _LEADS):
        raise InputError("a lead ends within a sample", "two bytes per sample were expected", _AGAIN)
    leads = {name: np.frombuffer(data, "<i2") for name, data in blocks.items() if name in _LEADS}
    if not leads or sum(map(len, leads.values())) > MOST_SAMPLES:
        raise InputError("the file holds no lead, or too many samples", "blocks named 'ecg ' were expected", _AGAIN)
    values = np.full((len(leads), max(map(len, leads.values()))), np.nan)
    for row, samples in zip(values, leads.values(), strict=True):
        row[: len(samples)] = samples * float(nanovolts)
    names = tuple(_LEADS[name] for name in leads)
    about = About(personal=_personal(blocks.get(b"info", b"")))
    return Found(values, names, ("nV",) * len(leads), float(rate), about=about, notes=_notes(flags))


def _blocks(raw: bytes) -> dict[bytes, bytes]:
    """The data of each block by its name; a repeated block of samples is rejected."""
    blocks: dict[bytes, bytes] = {}
    at = len(MAGIC) + 4
    for _ in range(_MOST_BLOCKS):
        if at == len(raw):
            return blocks
        name, size = struct.unpack("<4sI", raw[at : at + 8].ljust(8, b"\0"))
        end = at + 8 + size
        if end + 4 > len(raw):
            found = f"a block of {size} bytes starts {len(raw) - at} bytes before the end of the file"
            raise InputError(found, "a complete file was expected", _AGAIN)
        if name in _LEADS or name == b"fmt ":
            if name in blocks:
                raise InputError("a block occurs twice", "each lead once was expected", _AGAIN)
            if not _is_sum(raw[end : end + 4], raw[at:end]):
                raise InputError("the checksum of a block is wrong", "unchanged bytes were expected", _AGAIN)
        blocks[name] = raw[at + 8 : end]
        at = end + 4
    raise InputError(f"the file holds more than {_MOST_BLOCKS} blocks", "a recording was expected", _AGAIN)


def _is_sum(written: bytes, block: bytes) -> bool:
    """Whether a checksum is right: AliveCor's writer adds the bytes, its specification requires CRC-32."""
    added = int(np.frombuffer(block, np.uint8).sum(dtype=np.uint64)) & 0xFFFFFFFF
    return int.from_bytes(written, "little") in (added, binascii.crc32(block))


def _format(block: bytes) -> tuple[int, int, int]:
    """Sampling rate in Hz, nV per step, and the flags of the filters."""
    form, rate, nanovolts, flags = struct.unpack("<BHHB", block[:6].ljust(6, b"\0"))
    if form != 1 or not rate or not nanovolts:
        found = f"the format block gives format {form}, {rate} Hz and {nanovolts} nV"
        raise InputError(found, "format 1 and positive numbers were expected", _AGAIN)
    return rate, nanovolts, flags


def _notes(flags: int) -> tuple[str, ...]:
    """A note on the filters that the device has applied."""
    filters = [name for bit, name in _FILTERS.items() if flags & bit]
    return (f"filters applied by the device: {', '.join(filters)}",) if filters else ()


def _personal(block: bytes) -> dict[str, str]:
    """Identifying metadata: time, number of the recording, phone and device."""
    texts = [text.split(b"\0")[0].decode("utf-8", "replace") for text in _INFO.unpack(block[:264].ljust(264, b"\0"))]
    recorded, recording, phone, _, _, _, device = texts
    return {"recorded": recorded, "patient_id": recording, "device_serial": f"{phone} {device}"}
