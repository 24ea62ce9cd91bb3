"""Stored samples of a WFDB signal file as integers (PhysioNet's signal(5)), from any frame on.

The formats of fixed size are unpacked with numpy, the compressed ones (FLAC) with libsndfile. The library wfdb, with
which the tests compare the result, takes 0.6 s to import, and parses the header by itself: it fails at a date in
another form and at the end of a record without a length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ecggen.io.formats.wfdb.header import FLAC, Channel
from ecggen.io.normalise import shown
from ecggen.io.source import with_library

_TYPES = {16: "<i2", 32: "<i4", 61: ">i2", 80: "u1", 160: "<u2"}
"""Formats of whole numbers, and their types in numpy."""

_PACKED = {24: (1, 3), 212: (2, 3), 310: (3, 4), 311: (3, 4)}
"""Formats of groups of samples: number of samples and bytes of a group."""

ZERO = {80: 128, 160: 32768}
"""Stored value of 0 in the formats without a sign; 0 in the others."""

LOWEST = {8: None, 16: -(2**15), 24: -(2**23), 32: -(2**31), 61: -(2**15), 80: 0, 160: 0, 212: -(2**11)}
LOWEST |= {310: -(2**9), 311: -(2**9), 508: -(2**7), 516: -(2**15), 524: -(2**23)}
"""Stored value of a missing sample."""

_DIFFERENCES = 2**22  # bytes of format 8 that are added at once


def digital(path: Path, channels: Sequence[Channel], first: int, length: int) -> np.ndarray:
    """Stored samples of a file.

    Args:
        path: The file.
        channels: All signals in it, in their order; of one format and offset.
        first: First frame.
        length: Number of frames; the file must hold them.

    Returns:
        Integers (frame, sample in frame).
    """
    form, offset = channels[0].format, channels[0].offset
    a_frame = sum(channel.per_frame for channel in channels)
    start, count = first * a_frame, length * a_frame
    if form in FLAC:
        return _from_flac(path, channels[0], len(channels), first, length)
    if form == 8:
        return _from_differences(path, channels, first, length)
    if form in _TYPES:
        dtype = np.dtype(_TYPES[form])
        return np.fromfile(path, dtype, count, offset=offset + start * dtype.itemsize).reshape(length, a_frame)
    samples, size = _PACKED[form]
    before = start % samples
    groups = -(-(before + count) // samples)
    raw = np.fromfile(path, np.uint8, groups * size, offset=offset + start // samples * size)
    raw = np.pad(raw, (0, groups * size - raw.size)) if raw.size < groups * size else raw
    return _UNPACK[form](raw.reshape(groups, size)).ravel()[before : before + count].reshape(length, a_frame)


def _from_24(raw: np.ndarray) -> np.ndarray:
    """Integers of three bytes, placed at the top of four and shifted back, which keeps the sign."""
    wide = np.zeros((len(raw), 4), np.uint8)
    wide[:, 1:] = raw
    return wide.view("<i4") >> 8


def _from_212(raw: np.ndarray) -> np.ndarray:
    """Pairs of 12 bits: the second byte holds the high bits of both samples."""
    made = np.empty((len(raw), 2), np.int16)
    made[:, 0] = raw[:, 0] | (raw[:, 1].astype(np.int16) & 15) << 8
    made[:, 1] = raw[:, 2] | (raw[:, 1].astype(np.int16) >> 4) << 8
    return made << 4 >> 4


def _from_310(raw: np.ndarray) -> np.ndarray:
    """Triples of 10 bits in two words: two samples at bits 1 to 10, the third in the five high bits of both."""
    words = raw.reshape(-1).view("<u2").reshape(-1, 2).astype(np.int16)
    third = (words[:, 0] >> 11 & 31) | (words[:, 1] >> 11 & 31) << 5
    return np.stack([words[:, 0] >> 1 & 1023, words[:, 1] >> 1 & 1023, third], 1) << 6 >> 6


def _from_311(raw: np.ndarray) -> np.ndarray:
    """Triples of 10 bits in the low bits of a word of 32."""
    words = raw.reshape(-1).view("<u4")
    return np.stack([(words >> at & 1023).astype(np.int16) for at in (0, 10, 20)], 1) << 6 >> 6


_UNPACK: dict[int, Callable[[np.ndarray], np.ndarray]] = {24: _from_24, 212: _from_212, 310: _from_310, 311: _from_311}


def _from_differences(path: Path, channels: Sequence[Channel], first: int, length: int) -> np.ndarray:
    """Format 8: each byte is the difference from the previous sample of its signal."""
    a_frame = sum(channel.per_frame for channel in channels)
    rows = np.repeat(np.arange(len(channels)), [channel.per_frame for channel in channels])
    levels = np.array([channel.initial for channel in channels], np.int64)
    at, most = 0, max(_DIFFERENCES // a_frame, 1)
    while at < first:
        count = min(most, first - at)
        raw = np.fromfile(path, np.int8, count * a_frame, offset=channels[0].offset + at * a_frame)
        np.add.at(levels, rows, raw.reshape(count, a_frame).sum(0, dtype=np.int64))
        at += count
    raw = np.fromfile(path, np.int8, length * a_frame, offset=channels[0].offset + first * a_frame)
    made = np.empty((length, a_frame), np.int64)
    for row, level in enumerate(levels):
        of_signal = raw.reshape(length, a_frame)[:, rows == row]
        made[:, rows == row] = level + np.cumsum(of_signal, dtype=np.int64).reshape(of_signal.shape)
    return made


def _from_flac(path: Path, channel: Channel, signals: int, first: int, length: int) -> np.ndarray:
    """Samples of a FLAC file, whose signals have equal numbers of samples per frame."""

    def opened() -> np.ndarray:
        import soundfile

        with soundfile.SoundFile(path) as file:
            file.seek(channel.offset + first * channel.per_frame)
            parts = []  # libsndfile cannot read more than 2**24 samples at once
            left = length * channel.per_frame
            while left:
                parts.append(file.read(min(left, 2**24 // signals), "int32", always_2d=True))
                left -= len(parts[-1])
                if not len(parts[-1]):
                    raise EOFError
            shift = 32 - {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}[file.subtype]
            return np.concatenate(parts) >> shift if parts else np.empty((0, signals), np.int32)

    made = with_library(f"FLAC file {shown(path.name)}", opened)
    # (time, signal) is rearranged to the order of the other formats: all samples of a signal in a frame follow it.
    return made.reshape(length, channel.per_frame, signals).swapaxes(1, 2).reshape(length, -1)
