"""SCP-ECG (EN 1064, ISO 11073-91064): the standard of European electrocardiographs, in numbered sections.

Read are the patient (section 1), the Huffman table (2), the leads (3), the QRS complexes (4), the reference beat (5)
and the rhythm (6): plain or Huffman coded, as differences, with the reference beat subtracted, and thinned out
between the QRS complexes ("bimodal"). Each section carries a checksum, and one that a sample depends on must be right.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.scp import huffman as scp_huffman
from ecggen.io.formats.scp import patient as scp_patient
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_SAMPLES, Source

_MOST_LEADS = 40
"""Twelve, and the same again as a strip or two; 85 leads have a number in the standard."""
_HEADER = 16
_AGAIN = "export it again"

_FURTHER = dict(enumerate(("V7", *(f"V{chest}R" for chest in range(2, 8)), "VX", "VY", "VZ"), 9))
_FURTHER |= {66: "V8", 67: "V9", 68: "V8R", 69: "V9R"}
"""The standard's numbers of leads that are none of the twelve."""


@dataclass(frozen=True)
class Lead:
    """A row of section 3: the first and the last sample, counted from 1, and the standard's number of the lead."""

    first: int
    last: int
    code: int

    @property
    def samples(self) -> int:
        """How many samples it has."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Beats:
    """Section 4: where the QRS complexes lie, in samples counted from 1.

    Attributes:
        milliseconds: How long the reference beat lasts.
        fiducial: The sample of the reference beat that lies on the QRS complex's own.
        subtracted: Type of the beat, first sample, QRS complex and last sample of each subtraction of the beat.
        protected: First and last sample of each part that is not thinned out.
    """

    milliseconds: int
    fiducial: int
    subtracted: tuple[tuple[int, ...], ...]
    protected: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Rhythm:
    """The head of section 5 or 6, with the bytes of each lead."""

    nanovolts: int
    interval: int
    difference: int
    thinned: bool
    packed: tuple[bytes, ...]


def looks_like(source: Source) -> bool:
    """Whether a file opens with section 0, which points to the others, itself first."""
    opening = source.opening
    if len(opening) < 32 or opening[8:10] != b"\0\0":
        return False
    # Files before version 1.3 lack the word; they have the pointer to section 0 right behind it.
    return opening[16:22] == b"SCPECG" or (opening[22:24] == b"\0\0" and opening[28:32] == b"\7\0\0\0")


def read(source: Source) -> Found:
    """The rhythm in a file."""
    raw = source.raw
    sections = _sections(raw)
    if 3 not in sections or 6 not in sections:
        raise InputError("the file holds no rhythm", "the sections 3 (leads) and 6 (samples) were expected", _AGAIN)
    flags, leads = _leads(sections[3])
    rhythm = _rhythm(sections[6], len(leads))
    codes = scp_huffman.tables(sections.get(2, b""))
    reference = _rhythm(sections[5], len(leads)) if 5 in sections and (flags & 1 or rhythm.thinned) else None
    factor = _factor(rhythm, reference)
    beats = _beats(sections.get(4, b""), needed=factor > 1 or bool(flags & 1))
    decoded = [_lead(*lead, codes, rhythm, beats, factor) for lead in zip(leads, rhythm.packed, strict=True)]
    values = np.full((len(leads), max(lead.last for lead in leads)), np.nan)
    for row, (lead, steps) in enumerate(zip(leads, decoded, strict=True)):
        values[row, lead.first - 1 : lead.last] = rhythm.nanovolts * steps
    if flags & 1:
        _add_reference(values, leads, beats, reference, codes)
    interval = rhythm.interval / factor
    names = tuple(_FURTHER.get(lead.code, f"SCP:{lead.code}") for lead in leads)
    notes = _notes(raw, leads, flags, factor)
    about = scp_patient.about(sections.get(1, b""), sections.get(8, b""))
    return Found(values, names, ("nV",) * len(leads), _rate(interval), about=about, notes=notes)


def _sections(raw: bytes) -> dict[int, bytes]:
    """The sections with something in them, without their headers."""
    found: dict[int, bytes] = {}
    rows = [row for row in struct.iter_unpack("<HII", _pointers(raw)) if 0 < row[0] <= 11 and row[1] > _HEADER]
    if sum(length for _, length, _ in rows) > len(raw):
        raise InputError("the sections are together longer than the file", "a whole file was expected", _AGAIN)
    for number, length, index in rows:
        section = raw[index - 1 : index - 1 + length] if index else b""
        if len(section) < length or number in found:
            raise InputError(f"section {number} lies outside the file, or twice in it", "a whole file was expected")
        checksum, own, size = struct.unpack_from("<HHI", section)
        if own != number or not _HEADER < size <= length:
            raise InputError(f"there is no section {number} where the file points to", "a whole file was expected")
        if number in (2, 3, 4, 5, 6) and binascii.crc_hqx(section[2:size], 0xFFFF) != checksum:
            found_here = f"the checksum of section {number} is wrong"
            raise InputError(found_here, "bytes as the device wrote them were expected", _AGAIN)
        found[number] = section[_HEADER:size]
    return found


def _pointers(raw: bytes) -> bytes:
    """The rows of section 0, ten bytes each."""
    size = int.from_bytes(raw[10:14], "little")
    if not 22 < 6 + size <= min(len(raw), 6 + _HEADER + 1023 * 10):
        raise InputError("section 0 has no length that the file has room for", "a whole file was expected", _AGAIN)
    rows = raw[6 + _HEADER : 6 + size]
    return rows[: len(rows) // 10 * 10]


def _leads(section: bytes) -> tuple[int, list[Lead]]:
    """The flags of section 3, and its leads."""
    count, flags = (*section[:2], 0, 0)[:2]
    rows = section[2 : 2 + 9 * count]
    if not 0 < count <= _MOST_LEADS or len(rows) < 9 * count:
        found = f"section 3 announces {count} leads in {len(section)} bytes"
        raise InputError(found, f"up to {_MOST_LEADS}, nine bytes each, were expected", _AGAIN)
    leads = [Lead(*row) for row in struct.iter_unpack("<IIB", rows)]
    last = max(lead.last for lead in leads)
    # Leads may follow one another, but between them they fill the time.
    if not all(0 < lead.first <= lead.last for lead in leads) or last > sum(lead.samples for lead in leads):
        raise InputError("a lead of section 3 has no samples", "a first and a last one were expected", _AGAIN)
    if last * count > MOST_SAMPLES:
        found = f"section 3 announces {last} samples in {count} leads"
        raise InputError(found, f"at most {MOST_SAMPLES} in all were expected", _AGAIN)
    return flags, leads


def _rhythm(section: bytes, leads: int) -> Rhythm:
    """Section 5 or 6."""
    start = 6 + 2 * leads
    if len(section) < start:
        raise InputError("a section of samples is cut off", "a whole file was expected", _AGAIN)
    nanovolts, interval, difference, thinned = struct.unpack_from("<HHBB", section)
    lengths = struct.unpack_from(f"<{leads}H", section, 6)
    if not nanovolts or not interval or difference > 2 or len(section) < start + sum(lengths):
        found = f"{nanovolts} nV, {interval} µs, difference {difference} and {sum(lengths)} bytes of samples"
        raise InputError(f"a section announces {found}", "what it holds, and numbers above zero, were expected", _AGAIN)
    ends = list(accumulate(lengths, initial=start))
    packed = tuple(section[first:last] for first, last in pairwise(ends))
    return Rhythm(nanovolts, interval, difference, bool(thinned), packed)


def _factor(rhythm: Rhythm, reference: Rhythm | None) -> int:
    """How many samples became one between the QRS complexes; 1 where none were thinned out."""
    if reference is None:
        if rhythm.thinned:
            raise InputError("the rhythm is thinned out and no section 5 says how much", "one was expected", _AGAIN)
        return 1
    factor, rest = divmod(rhythm.interval, reference.interval)
    if rest or not 1 <= factor <= 4:
        found = f"samples stand {rhythm.interval} µs apart, and those of the reference beat {reference.interval} µs"
        raise InputError(found, "one to four times as much was expected", _AGAIN)
    return factor


def _beats(section: bytes, *, needed: bool) -> Beats:
    """Section 4; without rows where nothing depends on it."""
    if not needed:
        return Beats(0, 0, (), ())
    milliseconds, fiducial, count = struct.unpack("<HHH", section[:6].ljust(6, b"\0"))
    rows, rest = section[6 : 6 + 14 * count], section[6 + 14 * count :]
    if len(rows) < 14 * count:
        raise InputError(f"section 4 announces {count} beats", "as many were expected in it", _AGAIN)
    subtracted = tuple(struct.iter_unpack("<HIII", rows))
    # Versions before 1.3 protect what they subtract, and do not say it again.
    said = len(rest) >= 8 * count
    protected = struct.iter_unpack("<II", rest[: 8 * count]) if said else ((row[1], row[3]) for row in subtracted)
    return Beats(milliseconds, fiducial, subtracted, tuple(protected))


def _lead(
    lead: Lead,
    packed: bytes,
    codes: tuple[scp_huffman.Code, ...] | None,
    rhythm: Rhythm,
    beats: Beats,
    factor: int,
) -> np.ndarray:
    """The samples of one lead, in its steps."""
    if factor == 1:
        return scp_huffman.decoded(packed, lead.samples, codes, rhythm.difference)
    parts = _parts(lead, beats.protected)
    stored = [count if whole else sum(divmod(count, factor)) for whole, count in parts]
    kept = scp_huffman.decoded(packed, sum(stored), codes, rhythm.difference)
    pieces = np.split(kept, np.cumsum(stored)[:-1])
    return np.concatenate(
        [
            piece if whole else _drawn_between(piece, count, factor)
            for piece, (whole, count) in zip(pieces, parts, strict=True)
        ]
    )


def _parts(lead: Lead, protected: Sequence[Sequence[int]]) -> list[tuple[bool, int]]:
    """The lead as parts that are whole (protected) or thinned out, with their samples, in order."""
    parts, at = [], lead.first
    for begin, end in protected:
        begin, end = max(begin, lead.first), min(end, lead.last)
        if end < begin:
            continue
        if begin < at:
            raise InputError("the QRS complexes of section 4 overlap", "one after the other was expected", _AGAIN)
        parts += [(False, begin - at), (True, end - begin + 1)]
        at = end + 1
    return [part for part in [*parts, (False, lead.last - at + 1)] if part[1]]


def _drawn_between(kept: np.ndarray, count: int, factor: int) -> np.ndarray:
    """``count`` samples, of which each ``factor`` became their mean; the rest at the end stayed as it was."""
    means = count // factor
    if not means:
        return kept.astype(np.float64)
    middles = factor * np.arange(means) + factor // 2
    return np.append(np.interp(np.arange(means * factor), middles, kept[:means]), kept[means:])


def _add_reference(
    values: np.ndarray,
    leads: Sequence[Lead],
    beats: Beats,
    reference: Rhythm | None,
    codes: tuple[scp_huffman.Code, ...] | None,
) -> None:
    """Add the reference beat to ``values`` (lead, time) in nV wherever it was subtracted."""
    if reference is None:
        raise InputError("the reference beat was subtracted and is not in the file", "section 5 was expected", _AGAIN)
    zones = [(first, qrs, last) for kind, first, qrs, last in beats.subtracted if kind == 0 and first]
    if sum(max(last - first, 0) for first, _, last in zones) > values.shape[1]:
        raise InputError("the beats of section 4 overlap", "one after the other was expected", _AGAIN)
    for row, (lead, packed) in enumerate(zip(leads, reference.packed, strict=True)):
        samples = beats.milliseconds * 1000 // reference.interval
        beat = reference.nanovolts * scp_huffman.decoded(packed, samples, codes, reference.difference)
        for first, qrs, last in zones:
            at = np.arange(max(first, lead.first), min(last, lead.last) + 1)
            of_beat = at - qrs + beats.fiducial - 1
            here = (of_beat >= 0) & (of_beat < len(beat))
            values[row, at[here] - 1] += beat[of_beat[here]]


def _rate(interval: float) -> float:
    """Hz of an interval in µs, which the file holds without decimals: 3906 is 256 Hz."""
    rate = 1e6 / interval
    whole = float(round(rate))
    return whole if abs(whole - rate) < 2e-4 * rate else rate


def _notes(raw: bytes, leads: Sequence[Lead], flags: int, factor: int) -> tuple[str, ...]:
    """What was done, and what is doubtful."""
    checksum, size = struct.unpack_from("<HI", raw)
    said = []
    if size > len(raw) or binascii.crc_hqx(raw[2:size], 0xFFFF) != checksum:
        said.append("the checksum of the file is wrong, those of its samples are right")
    if factor > 1:
        said.append(f"between the QRS complexes the file holds the mean of {factor} samples each; lines join them")
    if flags & 1:
        said.append("the reference beat, which the file holds apart, was added to every beat that it was taken from")
    if len({(lead.first, lead.last) for lead in leads}) > 1 or not flags & 4:
        said.append("the file does not say that all its leads were recorded at the same time")
    return tuple(said)
