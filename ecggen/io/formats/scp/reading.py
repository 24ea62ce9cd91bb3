"""SCP-ECG reader (EN 1064, ISO 11073-91064): a European standard for electrocardiographs, with numbered sections.

The reader decodes the patient (section 1), the Huffman table (2), the leads (3), the QRS complexes (4), the reference
beat (5) and the rhythm (6). Samples may be plain or Huffman coded, differences, with the reference beat subtracted,
and decimated between the QRS complexes ("bimodal"). Checksums of all sections that samples depend on are verified.
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
"""Largest number of leads: twelve, repeated as one or two strips; the standard numbers 85 leads."""
_HEADER = 16
_AGAIN = "export it again"

_FURTHER = dict(enumerate(("V7", *(f"V{chest}R" for chest in range(2, 8)), "VX", "VY", "VZ"), 9))
_FURTHER |= {66: "V8", 67: "V9", 68: "V8R", 69: "V9R"}
"""Names of the further leads by their number in the standard."""


@dataclass(frozen=True)
class Lead:
    """A row of section 3: first and last sample, counted from 1, and number of the lead in the standard."""

    first: int
    last: int
    code: int

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Beats:
    """Section 4: positions of the QRS complexes, in samples counted from 1.

    Attributes:
        milliseconds: Duration of the reference beat.
        fiducial: Sample of the reference beat that is aligned with the QRS complex.
        subtracted: For each subtraction of the reference beat: beat type, first sample, QRS complex, last sample.
        protected: First and last sample of each segment that is not decimated.
    """

    milliseconds: int
    fiducial: int
    subtracted: tuple[tuple[int, ...], ...]
    protected: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Rhythm:
    """Header of section 5 or 6, with the bytes of each lead."""

    nanovolts: int
    interval: int
    difference: int
    thinned: bool
    packed: tuple[bytes, ...]


def looks_like(source: Source) -> bool:
    """Whether a file starts with section 0, which holds the pointers to all sections, itself included."""
    opening = source.opening
    if len(opening) < 32 or opening[8:10] != b"\0\0":
        return False
    # Files before version 1.3 lack this tag; they are detected by the pointer to section 0 that follows it.
    return opening[16:22] == b"SCPECG" or (opening[22:24] == b"\0\0" and opening[28:32] == b"\7\0\0\0")


def read(source: Source) -> Found:
    """Decode the rhythm of a file."""
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
    """The sections that are not empty, without their headers."""
    found: dict[int, bytes] = {}
    rows = [row for row in struct.iter_unpack("<HII", _pointers(raw)) if 0 < row[0] <= 11 and row[1] > _HEADER]
    if sum(length for _, length, _ in rows) > len(raw):
        raise InputError("the sections are longer than the file", "a complete file was expected", _AGAIN)
    for number, length, index in rows:
        section = raw[index - 1 : index - 1 + length] if index else b""
        if len(section) < length or number in found:
            found_here = f"section {number} lies outside the file, or occurs twice"
            raise InputError(found_here, "a complete file was expected")
        checksum, own, size = struct.unpack_from("<HHI", section)
        if own != number or not _HEADER < size <= length:
            found_here = f"there is no section {number} at the position in the file header"
            raise InputError(found_here, "a complete file was expected")
        if number in (2, 3, 4, 5, 6) and binascii.crc_hqx(section[2:size], 0xFFFF) != checksum:
            found_here = f"the checksum of section {number} is wrong"
            raise InputError(found_here, "unchanged bytes were expected", _AGAIN)
        found[number] = section[_HEADER:size]
    return found


def _pointers(raw: bytes) -> bytes:
    """The rows of section 0, ten bytes each."""
    size = int.from_bytes(raw[10:14], "little")
    if not 22 < 6 + size <= min(len(raw), 6 + _HEADER + 1023 * 10):
        raise InputError("the length of section 0 does not fit the file", "a complete file was expected", _AGAIN)
    rows = raw[6 + _HEADER : 6 + size]
    return rows[: len(rows) // 10 * 10]


def _leads(section: bytes) -> tuple[int, list[Lead]]:
    """Flags and leads of section 3."""
    count, flags = (*section[:2], 0, 0)[:2]
    rows = section[2 : 2 + 9 * count]
    if not 0 < count <= _MOST_LEADS or len(rows) < 9 * count:
        found = f"section 3 declares {count} leads in {len(section)} bytes"
        raise InputError(found, f"up to {_MOST_LEADS} leads of nine bytes each were expected", _AGAIN)
    leads = [Lead(*row) for row in struct.iter_unpack("<IIB", rows)]
    last = max(lead.last for lead in leads)
    # Leads may be recorded one after another, but together they fill the time.
    if not all(0 < lead.first <= lead.last for lead in leads) or last > sum(lead.samples for lead in leads):
        raise InputError("a lead of section 3 has no samples", "a first and a last sample were expected", _AGAIN)
    if last * count > MOST_SAMPLES:
        found = f"section 3 declares {last} samples in {count} leads"
        raise InputError(found, f"at most {MOST_SAMPLES} over all leads were expected", _AGAIN)
    return flags, leads


def _rhythm(section: bytes, leads: int) -> Rhythm:
    """Section 5 or 6."""
    start = 6 + 2 * leads
    if len(section) < start:
        raise InputError("a section of samples is truncated", "a complete file was expected", _AGAIN)
    nanovolts, interval, difference, thinned = struct.unpack_from("<HHBB", section)
    lengths = struct.unpack_from(f"<{leads}H", section, 6)
    if not nanovolts or not interval or difference > 2 or len(section) < start + sum(lengths):
        found = f"{nanovolts} nV, {interval} µs, difference {difference} and {sum(lengths)} bytes of samples"
        expected = "positive numbers that match the content were expected"
        raise InputError(f"a section declares {found}", expected, _AGAIN)
    ends = list(accumulate(lengths, initial=start))
    packed = tuple(section[first:last] for first, last in pairwise(ends))
    return Rhythm(nanovolts, interval, difference, bool(thinned), packed)


def _factor(rhythm: Rhythm, reference: Rhythm | None) -> int:
    """Decimation factor between the QRS complexes; 1 if the rhythm is not decimated."""
    if reference is None:
        if rhythm.thinned:
            raise InputError("the rhythm is decimated and section 5 is missing", "its factor was expected", _AGAIN)
        return 1
    factor, rest = divmod(rhythm.interval, reference.interval)
    if rest or not 1 <= factor <= 4:
        found = f"samples are {rhythm.interval} µs apart, and those of the reference beat {reference.interval} µs"
        raise InputError(found, "a ratio of 1 to 4 was expected", _AGAIN)
    return factor


def _beats(section: bytes, *, needed: bool) -> Beats:
    """Section 4; without rows if no sample depends on it."""
    if not needed:
        return Beats(0, 0, (), ())
    milliseconds, fiducial, count = struct.unpack("<HHH", section[:6].ljust(6, b"\0"))
    rows, rest = section[6 : 6 + 14 * count], section[6 + 14 * count :]
    if len(rows) < 14 * count:
        raise InputError(f"section 4 declares {count} beats", "as many rows were expected in it", _AGAIN)
    subtracted = tuple(struct.iter_unpack("<HIII", rows))
    # In versions before 1.3, the protected segments are the subtracted ones and are not stored again.
    stored = len(rest) >= 8 * count
    protected = struct.iter_unpack("<II", rest[: 8 * count]) if stored else ((row[1], row[3]) for row in subtracted)
    return Beats(milliseconds, fiducial, subtracted, tuple(protected))


def _lead(
    lead: Lead,
    packed: bytes,
    codes: tuple[scp_huffman.Code, ...] | None,
    rhythm: Rhythm,
    beats: Beats,
    factor: int,
) -> np.ndarray:
    """Samples of one lead in steps."""
    if factor == 1:
        return scp_huffman.decoded(packed, lead.samples, codes, rhythm.difference)
    parts = _parts(lead, beats.protected)
    stored = [count if whole else sum(divmod(count, factor)) for whole, count in parts]
    kept = scp_huffman.decoded(packed, sum(stored), codes, rhythm.difference)
    pieces = np.split(kept, np.cumsum(stored)[:-1])
    return np.concatenate(
        [
            piece if whole else _interpolated(piece, count, factor)
            for piece, (whole, count) in zip(pieces, parts, strict=True)
        ]
    )


def _parts(lead: Lead, protected: Sequence[Sequence[int]]) -> list[tuple[bool, int]]:
    """Segments of the lead in order: whether it is protected (not decimated), and its number of samples."""
    parts, at = [], lead.first
    for begin, end in protected:
        begin, end = max(begin, lead.first), min(end, lead.last)
        if end < begin:
            continue
        if begin < at:
            raise InputError("the QRS complexes of section 4 overlap", "successive ones were expected", _AGAIN)
        parts += [(False, begin - at), (True, end - begin + 1)]
        at = end + 1
    return [part for part in [*parts, (False, lead.last - at + 1)] if part[1]]


def _interpolated(kept: np.ndarray, count: int, factor: int) -> np.ndarray:
    """Interpolate ``count`` samples from means of ``factor`` samples each; the remainder was stored unchanged."""
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
    """Add the reference beat to ``values`` (lead, time) in nV at the positions where it was subtracted."""
    if reference is None:
        raise InputError("the subtracted reference beat is not in the file", "section 5 was expected", _AGAIN)
    zones = [(first, qrs, last) for kind, first, qrs, last in beats.subtracted if kind == 0 and first]
    if sum(max(last - first, 0) for first, _, last in zones) > values.shape[1]:
        raise InputError("the beats of section 4 overlap", "successive ones were expected", _AGAIN)
    for row, (lead, packed) in enumerate(zip(leads, reference.packed, strict=True)):
        samples = beats.milliseconds * 1000 // reference.interval
        beat = reference.nanovolts * scp_huffman.decoded(packed, samples, codes, reference.difference)
        for first, qrs, last in zones:
            at = np.arange(max(first, lead.first), min(last, lead.last) + 1)
            of_beat = at - qrs + beats.fiducial - 1
            here = (of_beat >= 0) & (of_beat < len(beat))
            values[row, at[here] - 1] += beat[of_beat[here]]


def _rate(interval: float) -> float:
    """Sampling rate in Hz from an interval in µs, which is stored as an integer: 3906 is 256 Hz."""
    rate = 1e6 / interval
    whole = float(round(rate))
    return whole if abs(whole - rate) < 2e-4 * rate else rate


def _notes(raw: bytes, leads: Sequence[Lead], flags: int, factor: int) -> tuple[str, ...]:
    """Changes to the samples, and doubts about them."""
    checksum, size = struct.unpack_from("<HI", raw)
    notes = []
    if size > len(raw) or binascii.crc_hqx(raw[2:size], 0xFFFF) != checksum:
        notes.append("the checksum of the file is wrong, those of its samples are correct")
    if factor > 1:
        notes.append(f"between QRS complexes the file holds means of {factor} samples, which were interpolated")
    if flags & 1:
        notes.append("the reference beat was added to all beats from which it had been subtracted")
    if len({(lead.first, lead.last) for lead in leads}) > 1 or not flags & 4:
        notes.append("the file does not state that all leads were recorded simultaneously")
    return tuple(notes)
