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
from ecggen.io.formats.wfdb.samples import check_amount, decode, frames, is_plain
from ecggen.io.normalise import millivolts_or_none, shown
from ecggen.io.source import Source

_MOST_SEGMENTS = 1024
_MOST_PACKED = 256
_MOST_SIGNALS = 2**14
"""Largest number of signals over all segments."""


@dataclass(frozen=True)
class Joined:
    """The segments of a record, with their common properties.

    Attributes:
        fs: Frames per second.
        channels: All signals; for a fixed layout, as described by the first segment.
        pieces: Each segment with its header, None for a gap.
        comments: Comment lines of all headers.
        notes: Notes on the segments.
    """

    fs: float | None
    channels: tuple[Channel, ...]
    pieces: tuple[tuple[Segment, Header | None], ...]
    comments: tuple[str, ...]
    notes: tuple[str, ...] = ()


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
    pieces = tuple((part, headers.get(part.name)) for part in master.segments[variable:])
    for part in dict.fromkeys(part for part, header in pieces if header is not None):
        _check(path.parent, part, headers[part.name], described.channels, variable)
    total = sum(part.frames for part, _ in pieces)
    if master.frames not in (None, total):
        found = f"the master header declares {master.frames} samples and its segments have {total}"
        raise InputError(found, "as many were expected", "download the record again")
    paused = sum(part.frames for part, header in pieces if header is None)
    notes = (f"segments joined: {len(pieces)}, with {paused} of {total} samples in gaps between them",)
    comments = [*master.comments, *(line for header in headers.values() for line in header.comments)]
    return Joined(fs, described.channels, pieces, tuple(dict.fromkeys(comments)), notes)


def joined(path: Path, parts: Joined, rows: Sequence[int]) -> np.ndarray:
    """Values (channel, time) of the channels ``rows``; NaN in gaps and in segments without the channel."""
    per_frame = parts.channels[rows[0]].per_frame
    total = sum(part.frames for part, _ in parts.pieces)
    check_amount(total * sum(channel.per_frame for channel in parts.channels))
    values = np.full((len(rows), total * per_frame), np.nan)
    keys = _keys(parts.channels)
    wanted = [(place, row, keys[row]) for place, row in enumerate(rows)]
    at = 0
    for part, header in parts.pieces:
        here = {key: row for row, key in enumerate(_keys(header.channels))} if header is not None else {}
        found = [(place, row, here[key]) for place, row, key in wanted if key in here]
        if header is not None and found and part.frames:
            places, rows_there, rows_here = map(list, zip(*found, strict=True))
            piece = decode(path.with_name(f"{part.name}.hea"), header, rows_here)
            pairs = zip(rows_here, rows_there, strict=True)
            scales = [_scale(header.channels[one], parts.channels[other]) for one, other in pairs]
            values[places, at : at + piece.shape[1]] = piece * np.array(scales)[:, None]
        at += part.frames * per_frame
    return values


def _headers(path: Path, master: Header) -> dict[str, Header]:
    """The header of each segment by its name, in the order of the master header; gaps have none."""
    _at_most(_MOST_SEGMENTS, len(master.segments), "segments")
    headers = {name: _part(path, name) for name in dict.fromkeys(part.name for part in master.segments) if name != GAP}
    if not headers:
        raise InputError("the record consists of a gap", "at least one segment with samples was expected")
    parts = [headers[part.name] for part in master.segments if part.name != GAP]
    packed = [len(part.channels) for part in parts if not is_plain(part)]
    _at_most(_MOST_SIGNALS, sum(len(part.channels) for part in parts), "signals in its segments")
    _at_most(_MOST_PACKED, len(packed), "packed or compressed segments")
    _at_most(8 * _MOST_PACKED, sum(packed), "packed or compressed signals in its segments")
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


def _check(folder: Path, part: Segment, header: Header, channels: Sequence[Channel], variable: bool) -> None:
    """Raise InputError if a segment contradicts the master header or holds other signals than the first."""
    held = header.frames or 0
    if part.frames != held or part.frames > frames(folder, header):
        found = f"the master header gives the segment {shown(part.name)} {part.frames} samples and it has {held}"
        raise InputError(found, "as many were expected", "download the record again")
    known = dict(zip(_keys(channels), channels, strict=True))
    here = dict(zip(_keys(header.channels), header.channels, strict=True))
    if not here.keys() <= known.keys() or (not variable and list(here) != list(known)):
        found = f"the segment {shown(part.name)} holds other signals than the first"
        raise InputError(found, "the same were expected", "read the segments one by one")
    if any(channel.per_frame != known[key].per_frame for key, channel in here.items()):
        found = f"the segment {shown(part.name)} has other sampling rates than the first"
        raise InputError(found, "the same were expected", "read the segments one by one")


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
