"""WFDB records of several segments, joined: the parts of an interrupted recording, and the gaps between them.

In the fixed layout every segment has the same signals. In the variable one (MIMIC) a first segment without samples,
the layout, names all signals, and each further one holds some of them, known by their names. A segment is a record
beside the master header; what a master announces is compared with all its segments before anything is allocated.
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
"""Signals of all segments together."""


@dataclass(frozen=True)
class Joined:
    """What the segments of a record have in common.

    Attributes:
        fs: Frames a second.
        channels: All signals; of a fixed layout as the first segment describes them.
        pieces: Each segment with its header, None for a gap.
        comments: The comment lines of all headers.
        notes: What is worth saying of the joining.
    """

    fs: float | None
    channels: tuple[Channel, ...]
    pieces: tuple[tuple[Segment, Header | None], ...]
    comments: tuple[str, ...]
    notes: tuple[str, ...] = ()


def join(path: Path, master: Header) -> Joined:
    """The segments that a master header names, judged against each other.

    Raises:
        InputError: Where one is missing, is made of segments itself, or contradicts the master header.
    """
    headers = _headers(path, master)
    fs = _rate(master, headers)
    described = next(iter(headers.values()))
    if len(described.channels) != master.signals:
        found = f"the master header announces {master.signals} signals and its first segment {len(described.channels)}"
        raise InputError(found, "as many were expected")
    first = master.segments[0]
    variable = first.name != GAP and not first.frames
    pieces = tuple((part, headers.get(part.name)) for part in master.segments[variable:])
    for part in dict.fromkeys(part for part, header in pieces if header is not None):
        _check(path.parent, part, headers[part.name], described.channels, variable)
    total = sum(part.frames for part, _ in pieces)
    if master.frames not in (None, total):
        found = f"the master header says {master.frames} samples and its segments have {total}"
        raise InputError(found, "as many were expected", "fetch the record again")
    paused = sum(part.frames for part, header in pieces if header is None)
    notes = (f"segments joined: {len(pieces)}, with {paused} of {total} samples in gaps between them",)
    comments = [*master.comments, *(line for header in headers.values() for line in header.comments)]
    return Joined(fs, described.channels, pieces, tuple(dict.fromkeys(comments)), notes)


def joined(path: Path, parts: Joined, rows: Sequence[int]) -> np.ndarray:
    """Values (channel, time) of the channels ``rows``, NaN in the gaps and where a segment lacks a channel."""
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
    """The header of each segment by its name, in the master's order; gaps have none."""
    _at_most(_MOST_SEGMENTS, len(master.segments), "segments")
    headers = {name: _part(path, name) for name in dict.fromkeys(part.name for part in master.segments) if name != GAP}
    if not headers:
        raise InputError("the record is one gap", "at least one segment with samples was expected")
    parts = [headers[part.name] for part in master.segments if part.name != GAP]
    packed = [len(part.channels) for part in parts if not is_plain(part)]
    _at_most(_MOST_SIGNALS, sum(len(part.channels) for part in parts), "signals in its segments")
    _at_most(_MOST_PACKED, len(packed), "packed or compressed segments")
    _at_most(8 * _MOST_PACKED, sum(packed), "packed or compressed signals in its segments")
    return headers


def _at_most(limit: int, number: int, what: str) -> None:
    """An InputError where there are more than ``limit``: each takes its time to be opened."""
    if number > limit:
        raise InputError(f"the record has {number} {what}", f"at most {limit} are joined", "read a segment")


def _rate(master: Header, headers: dict[str, Header]) -> float | None:
    """Frames a second, on which master and segments agree."""
    rates = {header.fs for header in headers.values()} | ({master.fs} if master.fs else set())
    if len(rates) > 1:
        told = ", ".join(sorted(f"{rate:g} Hz" if rate else "none" for rate in rates))
        raise InputError(f"the segments differ in their sampling rate ({told})", "one was expected", "read a segment")
    return rates.pop()


def _part(path: Path, name: str) -> Header:
    """The header of a segment; it may not be made of segments, so that none can name itself."""
    own = path.with_name(f"{name}.hea")
    if name == path.stem:
        raise InputError("the record names itself as one of its segments", "other records were expected")
    if not own.is_file():
        raise InputError(f"the segment {shown(name)} is missing", "its header was expected beside the master header")
    header = parse(Source(own))
    if header.segments:
        raise InputError(f"the segment {shown(name)} is made of segments itself", "samples were expected in it")
    return header


def _check(folder: Path, part: Segment, header: Header, channels: Sequence[Channel], variable: bool) -> None:
    """An InputError where a segment contradicts the master header or holds other signals than the first."""
    held = header.frames or 0
    if part.frames != held or part.frames > frames(folder, header):
        found = f"the master header gives the segment {shown(part.name)} {part.frames} samples and it has {held}"
        raise InputError(found, "as many were expected", "fetch the record again")
    known = dict(zip(_keys(channels), channels, strict=True))
    here = dict(zip(_keys(header.channels), header.channels, strict=True))
    if not here.keys() <= known.keys() or (not variable and list(here) != list(known)):
        found = f"the segment {shown(part.name)} holds other signals than the first"
        raise InputError(found, "the same were expected", "read the segments one by one")
    if any(channel.per_frame != known[key].per_frame for key, channel in here.items()):
        found = f"the segment {shown(part.name)} has other sampling rates than the first"
        raise InputError(found, "the same were expected", "read the segments one by one")


def _keys(channels: Sequence[Channel]) -> list[tuple[str | None, int]]:
    """Each channel's name, and how many before it have the same."""
    seen: Counter[str | None] = Counter()
    keys = []
    for channel in channels:
        keys.append((channel.name, seen[channel.name]))
        seen[channel.name] += 1
    return keys


def _scale(channel: Channel, described: Channel) -> float:
    """How many of the layout's units one of a segment's is; NaN where the two cannot be compared."""
    if channel.unit == described.unit:
        return 1.0
    here, there = millivolts_or_none(channel.unit), millivolts_or_none(described.unit)
    return here / there if here and there else np.nan
