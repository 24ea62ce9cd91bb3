"""Values of a WFDB record (PhysioNet's signal(5)); sizes are checked before memory is allocated.

A signal that cannot be decoded (no gain, no file, a truncated file) refuses nothing as long as another signal is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.wfdb.digital import LOWEST, ZERO, digital
from ecggen.io.formats.wfdb.header import BYTES, FLAC, Channel, Header
from ecggen.io.normalise import shown

NO_VALUE = LOWEST[16]
"""Missing sample in format 16."""

_MOST_PER_BYTE = 2**13
"""Upper limit of the samples per byte of a FLAC file: 65,535 equal samples take at least eight bytes."""


@dataclass(frozen=True)
class Extent:
    """What the signal files of a record hold.

    Attributes:
        frames: Number of frames of the record.
        aligned: Number of frames of the record for which all usable signals have samples, after their skew.
        room: Number of frames in each usable file.
        unusable: Rows of the signals that cannot be decoded, with the reason.
    """

    frames: int
    aligned: int
    room: Mapping[str, int]
    unusable: Mapping[int, InputError]


def extent(folder: Path, header: Header) -> Extent:
    """Compare a header with the sizes of the signal files.

    Raises:
        InputError: If no signal can be decoded.
    """
    room: dict[str, int] = {}
    unusable = {row: channel.problem for row, channel in enumerate(header.channels) if channel.problem}
    for file, rows in _by_file(header).items():
        try:
            room[file] = _room(folder, file, [header.channels[row] for row in rows])
            if header.frames is not None and header.frames > room[file]:
                found = f"the header declares {header.frames} samples and the files hold {room.pop(file)}"
                raise InputError(found, "as many were expected", "download the record again")
        except InputError as error:
            unusable |= dict.fromkeys(rows, error)
    usable = [channel for row, channel in enumerate(header.channels) if row not in unusable]
    if not usable:
        raise unusable[min(unusable)]
    frames = min(room[channel.file] for channel in usable) if header.frames is None else header.frames
    aligned = min(room[channel.file] - channel.skew for channel in usable)
    return Extent(frames, max(min(frames, aligned), 0), room, unusable)


def decode(folder: Path, header: Header, rows: Sequence[int], part: tuple[int, int], found: Extent) -> np.ndarray:
    """Decode the channels ``rows``, which must have equal numbers of samples per frame.

    Args:
        folder: Folder of the signal files.
        header: The parsed header.
        rows: Rows of the channels.
        part: Range of frames (first, last + 1) to decode.
        found: What the signal files hold.

    Returns:
        Values (channel, time) in the units of the header; NaN for samples that are missing or outside of the file, and
        for channels that cannot be decoded.
    """
    first, last = part
    per_frame = header.channels[rows[0]].per_frame
    values = np.full((len(rows), (last - first) * per_frame), np.nan)
    places = {row: place for place, row in enumerate(rows) if row not in found.unusable}
    for file, members in _by_file(header).items():
        channels = [header.channels[row] for row in members]
        ends = list(accumulate(channel.per_frame for channel in channels))
        for skew in sorted({header.channels[row].skew for row in members if row in places}):
            begin, end = first + skew, min(last + skew, found.room[file])
            stored = digital(folder / file, channels, begin, end - begin) if begin < end else np.empty((0, ends[-1]))
            for row, channel, stop in zip(members, channels, ends, strict=True):
                if row in places and channel.skew == skew:
                    steps = stored[:, stop - per_frame : stop].reshape(-1)
                    values[places[row], : steps.size] = _physical(steps, channel)
    return values


def _by_file(header: Header) -> dict[str, list[int]]:
    """Rows of the channels in each file, in the order of its samples."""
    files: dict[str, list[int]] = {}
    for row, channel in enumerate(header.channels):
        files.setdefault(channel.file, []).append(row)
    return files


def _physical(steps: np.ndarray, channel: Channel) -> np.ndarray:
    """Values in the unit of the channel; missing samples are NaN."""
    values = steps - float(channel.baseline + ZERO.get(channel.format, 0))
    values /= channel.gain
    if (lowest := LOWEST[channel.format]) is not None:
        values[steps == lowest] = np.nan
    return values


def _room(folder: Path, file: str, channels: Sequence[Channel]) -> int:
    """Number of frames that a file can hold."""
    layouts = {(channel.format, channel.offset) for channel in channels}
    if len(layouts) > 1:
        raise InputError(f"the signals in {shown(file)} differ in format or offset", "equal ones were expected")
    [(form, offset)] = layouts
    if form == 0:
        raise InputError("the header describes signals without samples", "a file for each was expected")
    if not (folder / file).is_file():
        raise InputError(f"the file {shown(file)} is missing", "it was expected in the folder of the header")
    a_frame = sum(channel.per_frame for channel in channels)
    if form in FLAC:
        return _flac_room(folder / file, channels)
    return int(max((folder / file).stat().st_size - offset, 0) / BYTES[form] / a_frame + 1e-9)


def _flac_room(path: Path, channels: Sequence[Channel]) -> int:
    """Number of frames of a FLAC file, from its first metadata block (RFC 9639, section 8.2)."""
    with path.open("rb") as file:
        opening = file.read(42)
    # Sample rate (20 bits), channels − 1 (3), bits of a sample − 1 (5) and samples of a channel (36).
    packed = int.from_bytes(opening[18:26], "big")
    count, bits, samples = (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
    if len(opening) < 42 or opening[:4] != b"fLaC" or opening[4] & 127:
        found = f"the file {shown(path.name)} is not a FLAC file"
        raise InputError(found, "one was expected by the header")
    if count != len(channels) or bits > FLAC[channels[0].format]:
        found = f"{shown(path.name)} holds {count} signals of {bits} bits"
        raise InputError(found, f"{len(channels)} of at most {FLAC[channels[0].format]} were expected")
    if samples > _MOST_PER_BYTE * path.stat().st_size:
        found = f"{shown(path.name)} declares {samples} samples per signal and holds {path.stat().st_size} bytes"
        raise InputError(found, "fewer were expected", "download the record again")
    per_frame = {channel.per_frame for channel in channels}
    if len(per_frame) > 1:
        raise InputError(f"the signals in {shown(path.name)} differ in rate", "one rate per FLAC file was expected")
    return max(samples - channels[0].offset, 0) // per_frame.pop()
