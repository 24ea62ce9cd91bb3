"""The samples of a WFDB record, after PhysioNet's signal(5): sizes are checked before anything is allocated.

Formats of whole bytes, above all 16, in which nearly all 12-lead sets come, and 80, in which MIMIC comes, are decoded
here (wfdb takes 10 ms a record and 0.6 s to be imported); the others, among them the three compressed ones (FLAC), go
through wfdb, once it understands the header as it was understood here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.wfdb.header import BYTES, FLAC, Channel, Header
from ecggen.io.normalise import shown
from ecggen.io.source import MOST_SAMPLES

NO_VALUE = -32768
"""Stands in format 16 for a missing sample; in every format it is the lowest value."""

_PLAIN = {16: ("<i2", 0), 32: ("<i4", 0), 61: (">i2", 0), 80: ("u1", 128), 160: ("<u2", 32768)}
"""Formats of whole bytes: how numpy calls them, and what stands for zero."""


def decode(path: Path, header: Header, rows: Sequence[int], part: tuple[int, int] | None = None) -> np.ndarray:
    """Values (channel, time) in the header's units of the channels ``rows``, all with as many samples a frame.

    Args:
        path: The header.
        header: What it says.
        rows: Of the channels.
        part: First frame, and the one after the last; all by default.

    Raises:
        InputError: Where the files beside the header are not there, or hold less than it announces.
    """
    first, last = part or (0, frames(path.parent, header))
    length = last - first
    check_amount(length * sum(channel.per_frame for channel in header.channels))
    if not is_plain(header):
        return _by_wfdb(path, header, rows, first, length)
    places = {row: place for place, row in enumerate(rows)}
    values = np.empty((len(rows), length * header.channels[rows[0]].per_frame))
    for file, inside in _by_file(header).items():
        if places.keys().isdisjoint(inside):
            continue
        digital, end = _digital(path.parent / file, [header.channels[row] for row in inside], first, length), 0
        for row in inside:
            end += header.channels[row].per_frame
            if row in places:
                steps = digital[:, end - header.channels[row].per_frame : end].reshape(-1)
                values[places[row]] = _physical(steps, header.channels[row])
    return values


def is_plain(header: Header) -> bool:
    """Whether the samples are decoded here; else it takes wfdb some 10 ms."""
    return all(channel.format in _PLAIN for channel in header.channels)


def frames(folder: Path, header: Header) -> int:
    """Frames of a record, as the header and the sizes of its files agree.

    Raises:
        InputError: Where they do not.
    """
    files = _by_file(header)
    room = [_room(folder, file, [header.channels[row] for row in rows]) for file, rows in files.items()]
    length = min(room) if header.frames is None else header.frames
    if length > min(room):
        found = f"the header says {length} samples and the files hold {min(room)}"
        raise InputError(found, "as many were expected", "fetch the record again, or the header that belongs to it")
    return length


def check_amount(samples: int) -> None:
    """An InputError where a record holds more samples, in all channels, than are read at once."""
    if samples > MOST_SAMPLES:
        found = f"the record holds {samples} samples"
        raise InputError(
            found, f"at most {MOST_SAMPLES} in all its channels are read", "read a part: start and seconds"
        )


def _by_file(header: Header) -> dict[str, list[int]]:
    """The rows of each file, in the order of its samples."""
    files: dict[str, list[int]] = {}
    for row, channel in enumerate(header.channels):
        files.setdefault(channel.file, []).append(row)
    return files


def _physical(steps: np.ndarray, channel: Channel) -> np.ndarray:
    """Values in the channel's unit, NaN where a sample is missing."""
    values = steps - float(channel.baseline + _PLAIN[channel.format][1])
    values /= channel.gain
    values[steps == np.iinfo(steps.dtype).min] = np.nan
    return values


def _room(folder: Path, file: str, channels: Sequence[Channel]) -> int:
    """How many frames a file can hold."""
    layouts = {(channel.format, channel.offset) for channel in channels}
    if len(layouts) > 1:
        raise InputError(f"the signals in {shown(file)} differ in format or offset", "one of each was expected")
    [(form, offset)] = layouts
    if form == 0:
        raise InputError("the header describes signals without samples", "a file for each was expected")
    if not (folder / file).is_file():
        raise InputError(f"the samples {shown(file)} are missing", "they were expected beside the header")
    a_frame = sum(channel.per_frame for channel in channels)
    if form in FLAC:
        return _flac_room(folder / file, channels)
    return int(max((folder / file).stat().st_size - offset, 0) / BYTES[form] / a_frame + 1e-9)


def _flac_room(path: Path, channels: Sequence[Channel]) -> int:
    """How many frames a FLAC file announces, in the block that opens it (RFC 9639, section 8.2)."""
    with path.open("rb") as file:
        opening = file.read(42)
    # Sample rate (20 bits), channels − 1 (3), bits of a sample − 1 (5) and samples of a channel (36).
    packed = int.from_bytes(opening[18:26], "big")
    count, bits, samples = (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
    if len(opening) < 42 or opening[:4] != b"fLaC" or opening[4] & 127:
        raise InputError(f"the samples {shown(path.name)} are no FLAC file", "one was expected, as the header says")
    if count != len(channels) or bits > FLAC[channels[0].format]:
        found = f"{shown(path.name)} holds {count} signals of {bits} bits"
        raise InputError(found, f"{len(channels)} of at most {FLAC[channels[0].format]} were expected")
    per_frame = {channel.per_frame for channel in channels}
    if len(per_frame) > 1:
        raise InputError(f"the signals in {shown(path.name)} differ in rate", "one rate a FLAC file was expected")
    check_amount(count * samples)
    return max(samples - channels[0].offset, 0) // per_frame.pop()


def _digital(path: Path, channels: Sequence[Channel], first: int, length: int) -> np.ndarray:
    """Steps (frame, sample of a frame) of a file in a format of whole bytes, from frame ``first`` on."""
    a_frame = sum(channel.per_frame for channel in channels)
    dtype = np.dtype(_PLAIN[channels[0].format][0])
    offset = channels[0].offset + first * a_frame * dtype.itemsize
    return np.fromfile(path, dtype, length * a_frame, offset=offset).reshape(length, a_frame)


def _by_wfdb(path: Path, header: Header, rows: Sequence[int], first: int, length: int) -> np.ndarray:
    """Values as ``decode`` gives them, if wfdb understands the header as it was understood here."""
    import wfdb

    name = str(path.with_suffix("").absolute())
    here = [(one.file, one.format, one.per_frame, one.offset, one.gain, one.baseline) for one in header.channels]
    try:
        seen: Any = wfdb.rdheader(name)
        offsets = [offset or 0 for offset in seen.byte_offset]
        formats, per_frame = map(int, seen.fmt), seen.samps_per_frame
        there = zip(seen.file_name, formats, per_frame, offsets, seen.adc_gain, seen.baseline, strict=True)
        if (seen.fs, seen.sig_len, list(there)) == (header.fs or 250, header.frames, here):
            record: Any = wfdb.rdrecord(name, first, first + length, channels=list(rows), smooth_frames=False)
            samples = length * header.channels[rows[0]].per_frame
            return np.stack([signal[:samples] for signal in record.e_p_signal])
    except Exception as error:  # whatever a malformed file makes wfdb stumble over
        raise InputError("wfdb cannot decode the record", "a WFDB record was expected", "fetch it again") from error
    raise InputError("the header can be understood in two ways", "WFDB's standard form was expected", "rewrite it")
