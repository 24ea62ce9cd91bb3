"""Reader of ISHNE Holter files (.ecg): a header of 522 bytes, a block of text, and samples of 16 bits in turn.

Specification: Badilini, "The ISHNE Holter standard output file format", Ann Noninvasive Electrocardiol 1998; 3: 263.
All numbers are little-endian. The resolution of a lead is the number of nV per step. The header states the number of
samples of a lead; some programs write that of all leads together, and the size of the file decides. A day of twelve
leads holds more than a gigabyte: only the requested segment is decoded.
"""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.metadata import About
from ecggen.io.normalise import Found
from ecggen.io.source import Source

MAGIC, ANNOTATIONS = b"ISHNE1.0", b"ANN  1.0"
HEADER = 522
"""Size of the fixed header in bytes."""

NO_VALUE = -32768
"""Missing sample."""

_FIELDS = struct.Struct("<8sHiiiih40s40s20shh3h3h3h3hh12h12h12hh40sh80s80s88s")
_MOST_LEADS = 12
_MOST_TEXT = 2**20  # bytes between the header and the samples
_LEADS = (None, None, "X", "Y", "Z", "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_LEADS += ("ES", "AS", "AI")
"""Lead of each code; 0 is unknown and 1 any bipolar lead."""
_SEX = {1: "M", 2: "F"}


@dataclass(frozen=True)
class Header:
    """The header; ``resolutions`` are in nV per step, ``begins`` is the first byte of the samples."""

    begins: int
    samples: int
    fs: float
    names: tuple[str | None, ...]
    resolutions: tuple[int, ...]
    about: About
    notes: tuple[str, ...]


def looks_like(source: Source) -> bool:
    """Whether a file starts with the signature of a recording or of annotations."""
    return source.opening.startswith((MAGIC, ANNOTATIONS))


def read(source: Source) -> Found:
    """Decode the requested segment of all leads."""
    header = parse(source)
    count = len(header.names)
    first, last = source.part(header.fs, header.samples, count)
    begin = header.begins + 2 * count * first
    stored = np.frombuffer(source.mapped, "<i2", (last - first) * count, begin).reshape(-1, count).T
    values = stored * np.array(header.resolutions, float)[:, None]
    values[stored == NO_VALUE] = np.nan
    unusable = {
        row: InputError(
            f"the resolution of lead {row + 1} is {resolution} nV",
            "a positive resolution was expected",
            "export it again",
        )
        for row, resolution in enumerate(header.resolutions)
        if resolution <= 0
    }
    values[list(unusable)] = np.nan
    cut = (first / header.fs, header.samples / header.fs) if (first, last) != (0, header.samples) else (0.0, None)
    return Found(
        values, header.names, ("nV",) * count, header.fs, (), header.about, header.notes, *cut, unusable=unusable
    )


def parse(source: Source) -> Header:
    """Parse the header, and compare it with the size of the file.

    Raises:
        InputError: If the file holds annotations, is truncated, or its header contradicts itself.
    """
    if source.opening.startswith(ANNOTATIONS):
        found = "the file holds the beat annotations of an ISHNE recording (ANN)"
        raise InputError(found, "its samples were expected", "give the .ecg file of the same recording")
    if len(source.opening) < HEADER:
        raise InputError("the ISHNE header is truncated", f"{HEADER} bytes were expected", "copy it again")
    _, stated, _, samples, _, begins, _, *rest = _FIELDS.unpack_from(source.opening)
    first_name, last_name, code, sex, _ = rest[:5]
    birth, recorded, _, start = rest[5:8], rest[8:11], rest[11:14], rest[14:17]
    count, rate = rest[17], rest[56]
    if not 0 < count <= _MOST_LEADS or rate <= 0 or not HEADER <= begins <= HEADER + _MOST_TEXT:
        found = f"the ISHNE header declares {count} leads at {rate} Hz, and samples from byte {begins}"
        expected = f"1 to {_MOST_LEADS} leads, a positive rate, and samples behind the header were expected"
        raise InputError(found, expected, "export it again")
    here = max(source.size - begins, 0) // (2 * count)
    length, notes = _length(samples, here, count)
    if binascii.crc_hqx(source.mapped[10:begins], 0xFFFF) != stated:
        notes += ["the checksum of the header does not match, so that leads, rate or resolution may be wrong"]
    personal = {
        "name": " ".join(map(_text, (first_name, last_name))),
        "patient_id": _text(code),
        "birth_date": _day(birth),
        "recorded": f"{_day(recorded)} {start[0]:02}:{start[1]:02}:{start[2]:02}" if _day(recorded) else "",
        "statements": " ".join(_text(bytes(source.mapped[HEADER : min(begins, HEADER + 4096)])).split()),
    }
    age = _age(birth, recorded)
    names = tuple(_LEADS[one] if 0 <= one < len(_LEADS) else None for one in rest[18 : 18 + count])
    about = About(age, _SEX.get(sex), personal=personal, number=_text(code))
    return Header(begins, length, float(rate), names, tuple(rest[42 : 42 + count]), about, tuple(notes))


def _length(stated: int, here: int, count: int) -> tuple[int, list[str]]:
    """Number of samples of a lead, with a note if the header states another number."""
    if not here:
        raise InputError("the ISHNE file holds no samples", "at least one per lead was expected", "copy it again")
    if stated in (here, here * count) or stated <= 0:
        return here, []
    if stated < here:
        return stated, [f"{here - stated} samples per lead after the declared {stated} were ignored"]
    found = f"the ISHNE header declares {stated} samples per lead and the file holds {here}"
    raise InputError(found, "as many were expected", "copy or export it again")


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("latin-1").strip()


def _day(parts: list[int]) -> str:
    """A date of day, month and year; "" if it is not stated."""
    day, month, year = parts
    return f"{year:04}-{month:02}-{day:02}" if 0 < day <= 31 and 0 < month <= 12 and 1800 < year < 3000 else ""


def _age(birth: list[int], recorded: list[int]) -> float | None:
    """Whole years between two dates; None if one of them is not stated."""
    if not (_day(birth) and _day(recorded)):
        return None
    years = recorded[2] - birth[2] - ((recorded[1], recorded[0]) < (birth[1], birth[0]))
    return float(years) if 0 <= years <= 130 else None
