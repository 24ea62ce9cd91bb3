"""Samples of a WFDB record (PhysioNet's signal(5)); sizes are checked before memory is allocated.

Formats of whole bytes are decoded here, above all 16 (most 12-lead data sets) and 80 (MIMIC): wfdb takes 10 ms per
record and 0.6 s to import. The other formats, including the three compressed ones (FLAC), are decoded by wfdb, if it
parses the header to the same values.
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
"""Missing sample in format 16; in every format, the lowest value marks a missing sample."""

_PLAIN = {16: ("<i2", 0), 32: ("<i4", 0), 61: (">i2", 0), 80: ("u1", 128), 160: ("<u2", 32768)}
"""Formats of whole bytes: numpy type, and offset of zero."""


def decode(path: Path, header: Header, rows: Sequence[int], part: tuple[int, int] | None = None) -> np.ndarray:
    """Decode the channels ``rows``, which must have equal numbers of samples per frame.

    Args:
        path: Path of the header.
        header: The parsed header.
        rows: Rows of the channels.
        part: Range of frames (first, last + 1); all by default.

    Returns:
        Values (channel, time) in the units of the header.

    Raises:
        InputError: If signal files are missing, or hold less than the header declares.
    """
    first, last = part or (0, frames(path.parent, header))
    length = last - first
    check_amount(length * sum(channel.per_frame for channel in header.channels))
    if not is_plain(header):
        return _by_wfdb(path, header, rows, first, length)
    places = {row: place for place, row in enumerate(rows)}
    values = np.empty((len(rows), length * header.channels[rows[0]].per_frame))
    for file, members in _by_file(header).items():
        if places.keys().isdisjoint(members):
            continue
        digital, end = _digital(path.parent / file, [header.channels[row] for row in members], first, length), 0
        for row in members:
            end += header.channels[row].per_frame
            if row in places:
                steps = digital[:, end - header.channels[row].per_frame : end].reshape(-1)
                values[places[row]] = _physical(steps, header.channels[row])
    return values


def is_plain(header: Header) -> bool:
    """Whether the samples are decoded here and not by wfdb."""
    return all(channel.format in _PLAIN for channel in header.channels)


def frames(folder: Path, header: Header) -> int:
    """Number of frames of a record.

    Raises:
        InputError: If the header declares more than the signal files hold.
    """
    files = _by_file(header)
    room = [_room(folder, file, [header.channels[row] for row in rows]) for file, rows in files.items()]
    length = min(room) if header.frames is None else header.frames
    if length > min(room):
        found = f"the header declares {length} samples and the files hold {min(room)}"
        raise InputError(found, "as many were expected", "download the record again")
    return length


def check_amount(samples: int) -> None:
    """Raise InputError if a record holds more samples, over all channels, than are read at once."""
    if samples > MOST_SAMPLES:
        found = f"the record holds {samples} samples"
        raise InputError(
            found, f"at most {MOST_SAMPLES} over all channels are read", "read a segment: start and seconds"
        )


def _by_file(header: Header) -> dict[str, list[int]]:
    """Rows of the channels in each file, in the order of its samples."""
    files: dict[str, list[int]] = {}
    for row, channel in enumerate(header.channels):
        files.setdefault(channel.file, []).append(row)
    return files


def _physical(steps: np.ndarray, channel: Channel) -> np.ndarray:
    """Values in the unit of the channel; missing samples are NaN."""
    values = steps - float(channel.baseline + _PLAIN[channel.format][1])
    values /= channel.gain
    values[steps == np.iinfo(steps.dtype).min] = np.nan
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
    per_frame = {channel.per_frame for channel in channels}
    if len(per_frame) > 1:
        raise InputError(f"the signals in {shown(path.name)} differ in rate", "one rate per FLAC file was expected")
    check_amount(count * samples)
    return max(samples - channels[0].offset, 0) // per_frame.pop()


def _digital(path: Path, channels: Sequence[Channel], first: int, length: int) -> np.ndarray:
    """Steps (frame, sample in frame) of a file in a format of whole bytes, starting at frame ``first``."""
    a_frame = sum(channel.per_frame for channel in channels)
    dtype = np.dtype(_PLAIN[channels[0].format][0])
    offset = channels[0].offset + first * a_frame * dtype.itemsize
    return np.fromfile(path, dtype, length * a_frame, offset=offset).reshape(length, a_frame)


def _by_wfdb(path: Path, header: Header, rows: Sequence[int], first: int, length: int) -> np.ndarray:
    """Values as returned by ``decode``, if wfdb parses the header to the same values."""
    import wfdb

    name = str(path.with_suffix("").absolute())
    own = [(one.file, one.format, one.per_frame, one.offset, one.gain, one.baseline) for one in header.channels]
    try:
        parsed: Any = wfdb.rdheader(name)
        offsets = [offset or 0 for offset in parsed.byte_offset]
        formats, per_frame = map(int, parsed.fmt), parsed.samps_per_frame
        theirs = zip(parsed.file_name, formats, per_frame, offsets, parsed.adc_gain, parsed.baseline, strict=True)
        if (parsed.fs, parsed.sig_len, list(theirs)) == (header.fs or 250, header.frames, own):
            record: Any = wfdb.rdrecord(name, first, first + length, channels=list(rows), smooth_frames=False)
            samples = length * header.channels[rows[0]].per_frame
            return np.stack([signal[:samples] for signal in record.e_p_signal])
    except Exception as error:  # wfdb raises many kinds of exceptions on malformed files
        raise InputError("wfdb cannot decode the record", "a WFDB record was expected", "download it again") from error
    raise InputError("the header is ambiguous", "the standard format of WFDB was expected", "correct the header")
