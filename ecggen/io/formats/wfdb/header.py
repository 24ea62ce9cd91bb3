"""Parser of WFDB headers (.hea): a record line, then one line per signal or, in a master header, per segment.

The format is PhysioNet's header(5). Ambiguous numbers and paths out of the folder are rejected here. The sizes of the
signal files are compared with the header when they are opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.normalise import shown
from ecggen.io.source import Source

GAP = "~"
"""Name in place of a file: a gap between segments, or a signal of a layout segment."""

BYTES = {8: 1, 16: 2, 24: 3, 32: 4, 61: 2, 80: 1, 160: 2, 212: 1.5, 310: 4 / 3, 311: 4 / 3}
"""Bytes per sample of each format of fixed size."""

FLAC = {508: 8, 516: 16, 524: 24}
"""Bits per sample of each compressed format."""

_MOST_BYTES = 1024**2
_MOST_SIGNALS = 512
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# Time and date at the end have many formats in real headers and are not parsed.
_RECORD = re.compile(
    rf"(\S+?)(?:/(\d{{1,9}}))?\s+(\d{{1,9}})(?:\s+({_NUMBER})(?:/\S*)?(?:\s+(\d{{1,18}})(?:\s(.*))?)?)?", re.ASCII
)
_SEGMENT = re.compile(r"(\S+)\s+(\d{1,18})", re.ASCII)
_STORED = re.compile(r"(\d{1,3})(?:x(\d{1,4}))?(?::(\d{1,18}))?(?:\+(\d{1,18}))?", re.ASCII)
_WHOLE = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_GAIN = re.compile(rf"({_NUMBER})(?:\(([-+]?\d{{1,18}})\))?(?:/(\S+))?", re.ASCII)


@dataclass(frozen=True)
class Channel:
    """A signal line of the header.

    Attributes:
        file: Name of the signal file; ``GAP`` for a signal without samples.
        format: Format of the samples.
        per_frame: Samples per frame.
        skew: Number of frames of this signal in the file before the first frame of the record.
        offset: Number of bytes (of a compressed file: samples) before the first sample in the file.
        gain: Steps per ``unit``; NaN if the line gives none.
        baseline: Step that corresponds to 0.
        initial: Value from which format 8 counts.
        unit: Unit of the signal.
        name: Description of the signal, if any.
        problem: Why the samples have no values in ``unit``, if so.
    """

    file: str
    format: int
    per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    initial: int
    unit: str
    name: str | None
    problem: InputError | None = None


@dataclass(frozen=True)
class Segment:
    """A segment line of a master header: the name of a record, or ``GAP``, and its number of frames."""

    name: str
    frames: int


@dataclass(frozen=True)
class Header:
    """The header of a record; values that it does not state are None.

    Attributes:
        fs: Frames per second, the rate of a signal with one sample per frame.
        frames: Number of frames.
        signals: Number of signals in the record line.
        channels: Signal lines; empty in a master header.
        segments: Segment lines of a master header.
        comments: Lines that start with ``#``.
        recorded: Time and date in the record line.
    """

    fs: float | None
    frames: int | None
    signals: int
    channels: tuple[Channel, ...]
    segments: tuple[Segment, ...]
    comments: tuple[str, ...]
    recorded: str


def opens_as_header(source: Source) -> bool:
    """Whether a file starts with a record line and a signal line with the name of a file."""
    lines = [line.strip() for line in source.head.split("\n") if line.strip() and not line.startswith("#")]
    record, signal = [*lines, "", ""][:2]
    return bool(_RECORD.fullmatch(record) and re.match(r"\S*[A-Za-z]\S*\s+\d+(?:[x:+]\d+)*(?:\s|$)", signal))


def parse(source: Source) -> Header:
    """Parse the header in a file.

    Raises:
        InputError: If a number is ambiguous, or a path leads out of the folder.
    """
    if source.size > _MOST_BYTES:
        raise InputError("the header holds more than 1 MB", "a text of some lines was expected")
    lines = [line.strip() for line in source.text.split("\n") if line.strip()]
    comments = tuple(line for line in lines if line.startswith("#"))
    lines = [line for line in lines if not line.startswith("#")]
    record = _RECORD.fullmatch(lines[0]) if lines else None
    if record is None:
        raise InputError("the header does not start with a record line", "'name signals rate samples' was expected")
    name, parts, signals, fs, frames, recorded = record.groups()
    if not is_plain(name):
        name = lines[0].split()[0]
        raise InputError(f"the name of the record is {shown(name)}", "a name without a path was expected")
    if fs and not 0 < float(fs) < np.inf:
        found = f"the sampling rate in the header is {fs} Hz"
        raise InputError(found, "a positive rate was expected", "correct the header")
    declared, what = (signals, "signals") if parts is None else (parts, "segments")
    if not len(lines) - 1 == int(declared) > 0:
        found = f"the header declares {declared} {what} and describes {len(lines) - 1}"
        raise InputError(found, "as many were expected")
    if int(signals) > _MOST_SIGNALS:
        raise InputError(f"the header declares {signals} signals", f"at most {_MOST_SIGNALS} were expected")
    numbered = enumerate(lines[1:], 1)
    channels = tuple(_channel(number, line) for number, line in numbered) if parts is None else ()
    segments = tuple(_segment(number, line) for number, line in numbered)
    rate, long = float(fs) if fs else None, int(frames or 0) or None
    return Header(rate, long, int(signals), channels, segments, comments, recorded or "")


def is_plain(name: str) -> bool:
    """Whether ``name`` is a file name, and not a path, drive, address, or WFDB's sign for stdin or gaps."""
    return re.fullmatch(r"(?![.-]*$)(?!\.)[-\w.]+", name) is not None


def _is_path(name: str) -> bool:
    """Whether an invalid name is a path, which messages may quote; any other text may hold patient data."""
    return re.fullmatch(r"[.-]+|.*[/\\].*", name) is not None


def _segment(number: int, line: str) -> Segment:
    """Parse the segment line 'name frames'."""
    match = _SEGMENT.fullmatch(line)
    here = f"segment line {number} of the header"
    if match is None:
        raise InputError(f"{here} is not a name and a length", "'name samples' was expected")
    if match[1] != GAP and not is_plain(match[1]):
        found = f"points to {shown(match[1])}" if _is_path(match[1]) else "names no record"
        raise InputError(f"{here} {found}", "a record in the folder of the header was expected")
    return Segment(match[1], int(match[2]))


def _channel(number: int, line: str) -> Channel:
    """Parse the signal line 'file format gain(baseline)/unit resolution zero first checksum block name'.

    A line without a gain is a problem only where the signal is used; without a format, other signals are unknown too.
    """
    file, form, gain, _, zero, first, _, _, name = (line.split(None, 8) + [""] * 8)[:9]
    stored, scale = _STORED.fullmatch(form), _GAIN.fullmatch(gain)
    here = f"signal line {number} of the header"
    absent = file == GAP and stored is not None and int(stored[1]) == 0
    if not is_plain(file) and not absent:
        found = f"points to {shown(file)}" if _is_path(file) else "names no file"
        raise InputError(f"{here} {found}", "a file in the folder of the header was expected")
    if stored is None or not (absent or int(stored[1]) in BYTES | FLAC) or stored[2] == "0":
        expected = f"one of the formats {', '.join(map(str, BYTES | FLAC))} was expected"
        found = f"the format {shown(form)}" if stored else "no format"  # other text may hold patient data
        raise InputError(f"{here} gives {found}", expected, "convert it, for example with WFDB's xform")
    problem = None
    if scale is None or not 0 < float(scale[1]) < np.inf:
        found = f"{here} gives {'the gain ' + shown(gain) if scale else 'no gain'}"
        expected = "a positive number of steps per mV was expected"
        problem = InputError(found, expected, "correct the gain in the header")
    factor, baseline, unit = scale.groups() if scale is not None else ("nan", None, None)
    return Channel(
        file=file,
        format=int(stored[1]),
        per_frame=int(stored[2] or 1),
        skew=int(stored[3] or 0),
        offset=int(stored[4] or 0),
        gain=np.nan if problem else float(factor),
        baseline=int(baseline or _whole(zero)),
        initial=_whole(first),
        unit=unit or "mV",  # default of the standard
        name=name or None,
        problem=problem,
    )


def _whole(text: str) -> int:
    return int(text) if _WHOLE.fullmatch(text) else 0
