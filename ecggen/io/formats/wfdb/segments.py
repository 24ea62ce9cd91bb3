"""WFDB records of several segments: the parts of an interrupted recording are joined, with gaps between them.

In the fixed layout, all segments have the same signals. In the variable layout (MIMIC), a first segment without
samples names all signals, and each further segment holds some of them, identified by name. A segment is a record in
the folder of the master header. The master header is compared with all segments before memory is allocated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.wfdb.header import GAP, Channel, Header, Segment, parse
from ecggen.io.formats.wfdb.samples import Extent, decode, extent
from ecggen.io.normalise import millivolts_or_none, shown
from ecggen.io.source import Source

_MOST_SEGMENTS = 1024
_MOST_SIGNALS = 2**14
"""Largest number of signals over all segments."""


@dataclass(frozen=True)
class Piece:
    """A part of a record: its number of frames, and its header and what its files hold; None for a gap."""

    frames: int
    header: Header | None = None
    found: Extent | None = None


@dataclass(frozen=True)
class Joined:
    """The segments of a record, with their common properties.

    Attributes:
        fs: Frames per second.
        channels: All signals; for a fixed layout, as described by the first segment.
        pieces: The segments and gaps in order of time.
        comments: Comment lines of all headers.
        notes: Notes on the segments.
    """

    fs: float | None
    channels: tuple[Channel, ...]
    pieces: tuple[Piece, ...]
    comments: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Number of frames of the record, with gaps."""
        return sum(piece.frames for piece in self.pieces)


def alone(path: Path, header: Header) -> Joined:
    """A record without segments, up to the last frame that all usable signals have after their skew.

    Raises:
        InputError: If no signal can be decoded, or no frame is common to all usable signals.
    """
    found = extent(path.parent, header)
    if found.frames and not found.aligned:
        skew = max(channel.skew for channel in header.channels)
        raise InputError(f"the header gives a skew of {skew} frames", f"less than {found.frames} were expected")
    lost = found.frames - found.aligned
    notes = (f"the signals were aligned by their skew, and the last {lost} frames left out",) if lost else ()
    return Joined(header.fs, header.channels, (Piece(found.aligned, header, found),), header.comments, notes)


def join(path: Path, master: Header) -> Joined:
    """Read and check the headers of the segments that a master header names.

    Raises:
        InputError: If a segment is missing, consists of segments itself, or contradicts the master header.
    """
    headers = _headers(path, master)
    fs = _rate(master, headers)
    described = next(iter(headers.values()))
    if len(described.channels) != master.signals:
        found = f"the master header declares {master.signals} signals and its first segment {len(described.channels)}"
        raise InputError(found, "as many were expected")
    first = master.segments[0]
    variable = first.name != GAP and not first.frames
    parts = master.segments[variable:]
    checked = {
        part: _check(path.parent, part, headers[part.name], described.channels, variable)
        for part in dict.fromkeys(part for part in parts if part.name != GAP)
    }
    pieces = tuple(checked.get(part, Piece(part.frames)) for part in parts)
    total = sum(part.frames for part in parts)
    if master.frames not in (None, total):
        found = f"the master header declares {master.frames} samples and its segments have {total}"
        raise InputError(found, "as many were expected", "download the record again")
    paused = sum(piece.frames for piece in pieces if piece.header is None)
    notes = (f"segments joined: {len(pieces)}, with {paused} of {total} samples in gaps between them",)
    comments = [*master.comments, *(line for header in headers.values() for line in header.comments)]
    return Joined(fs, described.channels, pieces, tuple(dict.fromkeys(comments)), notes)


def joined(
    folder: Path, parts: Joined, rows: Sequence[int], part: tuple[int, int], per_frame: int
) -> tuple[np.ndarray, dict[int, InputError]]:
    """Decode the channels ``rows`` of a record.

    Args:
        folder: Folder of the signal files.
        parts: The record.
        rows: Rows of the channels.
        part: Range of frames (first, last + 1) to decode.
        per_frame: Number of samples per frame of the channels to decode.

    Returns:
        Values (channel, time), NaN in gaps, in segments without the channel, and for channels with another number of
        samples per frame; and the places in ``rows`` that cannot be decoded, with the reason.
    """
    values = np.full((len(rows), (part[1] - part[0]) * per_frame), np.nan)
    unusable: dict[int, InputError] = {}
    keys = _keys(parts.channels)
    decoded = [(place, keys[row]) for place, row in enumerate(rows) if parts.channels[row].per_frame == per_frame]
    at = 0
    for piece in parts.pieces:
        first, last = max(part[0] - at, 0), min(part[1] - at, piece.frames)
        if piece.header is not None and piece.found is not None and first < last:
            here = {key: row for row, key in enumerate(_keys(piece.header.channels))}
            rows_here = {place: here[key] for place, key in decoded if key in here}
            begin = (at + first - part[0]) * per_frame
            span = slice(begin, begin + (last - first) * per_frame)
            if rows_here:
                found = decode(folder, piece.header, list(rows_here.values()), (first, last), piece.found)
                for (place, row), wave in zip(rows_here.items(), found, strict=True):
                    values[place, span] = wave * _scale(piece.header.channels[row], parts.channels[rows[place]])
                    if row in piece.found.unusable:
                        unusable[place] = piece.found.unusable[row]
        at += piece.frames
    return values, unusable


def _headers(path: Path, master: Header) -> dict[str, Header]:
    """The header of each segment by its name, in the order of the master header; gaps have none."""
    _at_most(_MOST_SEGMENTS, len(master.segments), "segments")
    headers = {name: _part(path, name) for name in dict.fromkeys(part.name for part in master.segments) if name != GAP}
    if not headers:
        raise InputError("the record consists of a gap", "at least one segment with samples was expected")
    parts = [headers[part.name] for part in master.segments if part.name != GAP]
    _at_most(_MOST_SIGNALS, sum(len(part.channels) for part in parts), "signals in its segments")
    return headers


def _at_most(limit: int, number: int, what: str) -> None:
    """Raise InputError if there are more than ``limit``, because opening each one takes time."""
    if number > limit:
        raise InputError(f"the record has {number} {what}", f"at most {limit} are joined", "read a segment")


def _rate(master: Header, headers: dict[str, Header]) -> float | None:
    """Frames per second of the master header and all segments."""
    rates = {header.fs for header in headers.values()} | ({master.fs} if master.fs else set())
    if len(rates) > 1:
        listed = ", ".join(sorted(f"{rate:g} Hz" if rate else "none" for rate in rates))
        raise InputError(f"the segments differ in their sampling rate ({listed})", "one was expected", "read a segment")
    return rates.pop()


def _part(path: Path, name: str) -> Header:
    """The header of a segment, which must not consist of segments itself, so that references cannot be circular."""
    own = path.with_name(f"{name}.hea")
    if name == path.stem:
        raise InputError("the record names itself as a segment", "other records were expected")
    if not own.is_file():
        raise InputError(f"the segment {shown(name)} is missing", "its header was expected with the master header")
    header = parse(Source(own))
    if header.segments:
        raise InputError(f"the segment {shown(name)} consists of segments itself", "samples were expected in it")
    return header


def _check(folder: Path, part: Segment, header: Header, channels: Sequence[Channel], variable: bool) -> Piece:
    """The piece of a segment.

    Raises:
        InputError: If the segment contradicts the master header or holds other signals than the first.
    """
    there = extent(folder, header)
    if part.frames != there.frames and not (header.frames is None and part.frames < there.frames):
        found = f"the master header gives the segment {shown(part.name)} {part.frames} samples and it has "
        raise InputError(found + str(there.frames), "as many were expected", "download the record again")
    known = dict(zip(_keys(channels), channels, strict=True))
    here = dict(zip(_keys(header.channels), header.channels, strict=True))
    if not here.keys() <= known.keys() or (not variable and list(here) != list(known)):
        found = f"the segment {shown(part.name)} holds other signals than the first"
        raise InputError(found, "the same were expected", "read the segments one by one")
    if any(channel.per_frame != known[key].per_frame for key, channel in here.items()):
        found = f"the segment {shown(part.name)} has other sampling rates than the first"
        raise InputError(found, "the same were expected", "read the segments one by one")
    return Piece(part.frames, header, there)


def _keys(channels: Sequence[Channel]) -> list[tuple[str | None, int]]:
    """The name of each channel, with the number of previous channels of this name."""
    counts: Counter[str | None] = Counter()
    keys = []
    for channel in channels:
        keys.append((channel.name, counts[channel.name]))
        counts[channel.name] += 1
    return keys


def _scale(channel: Channel, described: Channel) -> float:
    """Factor from the unit of a segment to that of the layout; NaN if they cannot be compared."""
    if channel.unit == described.unit:
        return 1.0
    here, there = millivolts_or_none(channel.unit), millivolts_or_none(described.unit)
    return here / there if here and there else np.nan
