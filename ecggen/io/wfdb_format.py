"""WFDB: PhysioNet's text header (.hea) beside binary samples (.dat, or .mat as in the Challenges).

The wfdb library takes 250 Hz and 200 units/mV where a header says nothing, believes any length, and follows
paths. So the header is read and judged here, against the sizes of the files that lie beside it. Format 16, in
which nearly all 12-lead sets come, is decoded here too (wfdb takes 3 ms a record and 0.6 s to be imported); the
other formats go through wfdb.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecggen.ecg import ECG
from ecggen.errors import InputError
from ecggen.io.about import About
from ecggen.io.door import Found, provenance_lines, rate_text, shown
from ecggen.io.source import Source

GAIN = 1000
"""Units per mV in what is written: steps of 1 µV, up to ±32.767 mV."""

_NO_VALUE = -32768
_MOST_SAMPLES = 2**28
_BYTES = {8: 1, 16: 2, 24: 3, 32: 4, 61: 2, 80: 1, 160: 2, 212: 1.5, 310: 4 / 3, 311: 4 / 3}
"""Bytes of a sample in each format; the compressed formats (508, 516, 524) are not read."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# Time and date, which come last, have many forms in real headers: they are passed over.
_RECORD = re.compile(rf"(\S+)\s+(\d{{1,9}})(?:\s+({_NUMBER})(?:/\S*)?(?:\s+(\d{{1,18}})(?:\s.*)?)?)?", re.ASCII)
_STORED = re.compile(r"(\d{1,3})(?:x1)?(?:\+(\d{1,18}))?", re.ASCII)
_GAIN = re.compile(rf"({_NUMBER})(?:\(([-+]?\d{{1,18}})\))?(?:/(\S+))?", re.ASCII)


@dataclass(frozen=True)
class Channel:
    """A signal line of the header; ``gain`` in steps per ``unit``."""

    file: str
    format: int
    offset: int
    gain: float
    baseline: int
    unit: str
    name: str | None


@dataclass(frozen=True)
class Header:
    """The header of a record; None where it does not say."""

    fs: float | None
    samples: int | None
    channels: tuple[Channel, ...]
    comments: tuple[str, ...]


def looks_like(source: Source) -> bool:
    """Whether a file is called a header, or opens as one: a record line, then a signal line with a file's name."""
    if source.path.suffix == ".hea":
        return True
    lines = [line.strip() for line in source.head.split("\n") if line.strip() and not line.startswith("#")]
    record, signal = [*lines, "", ""][:2]
    return bool(_RECORD.fullmatch(record) and re.match(r"\S*[A-Za-z]\S*\s+\d+", signal))


def read(source: Source) -> Found:
    """The record whose header this is."""
    path, header = source.path, parse(source.text)
    files: dict[str, list[int]] = {}
    for row, channel in enumerate(header.channels):
        files.setdefault(channel.file, []).append(row)
    frames = _frames(header, path.parent, files)
    if all(channel.format == 16 for channel in header.channels):
        values = np.empty((len(header.channels), frames))
        for file, rows in files.items():
            values[rows] = _format_16(path.parent / file, [header.channels[row] for row in rows], frames)
    else:
        values = _by_wfdb(path, header)[:, :frames]
    names, units = zip(*((channel.name, channel.unit) for channel in header.channels), strict=True)
    return Found(values, names, units, header.fs, header.comments)


def parse(text: str) -> Header:
    """The header that ``text`` holds.

    Raises:
        InputError: Where it leaves a number in doubt, holds several segments, or points out of its folder.
    """
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    comments = tuple(line for line in lines if line.startswith("#"))
    lines = [line for line in lines if not line.startswith("#")]
    record = _RECORD.fullmatch(lines[0]) if lines else None
    if record is None:
        raise InputError("the header does not begin with a record line", "'name signals rate samples' was expected")
    name, signals, fs, samples = record.groups()
    if re.fullmatch(r"[-\w.]+/\d+", name):
        raise InputError("the record has several segments", "one was expected", "read a segment, or join them first")
    if not _is_plain(name):
        raise InputError(f"the record is called {shown(name)}", "a name without a path was expected")
    if fs and not 0 < float(fs) < np.inf:
        raise InputError(f"the header says {fs} Hz", "a positive rate was expected", "correct the header")
    if not len(lines) - 1 == int(signals) > 0:
        raise InputError(
            f"the header announces {signals} signals and describes {len(lines) - 1}", "as many were expected"
        )
    channels = tuple(_channel(number, line) for number, line in enumerate(lines[1:], 1))
    return Header(float(fs) if fs else None, int(samples or 0) or None, channels, comments)


def encode(ecg: ECG, path: Path, about: About) -> dict[Path, bytes]:
    """One record in format 16; the samples come first, so that no header ever describes missing ones."""
    if not re.fullmatch(r"[-\w]+", path.stem, re.ASCII):
        raise InputError(
            f"a WFDB record cannot be called {shown(path.stem)}", "letters, digits, '_', '-' were expected"
        )
    steps = np.rint(ecg.signal[0].double().numpy() * GAIN)
    for lead, peak in zip(ecg.leads, np.abs(steps).max(1), strict=True):
        if peak >= -_NO_VALUE:
            found = f"lead {lead} reaches {peak / GAIN:.3f} mV"
            raise InputError(found, "at most 32.767 mV were expected, which is all WFDB holds", "write .csv or .npz")
    digital = steps.astype("<i2")
    lines = [f"{path.stem} {len(ecg.leads)} {rate_text(ecg.fs)} {ecg.samples}"]
    for lead, row in zip(ecg.leads, digital, strict=True):
        checksum = row.sum(dtype=np.int16)
        lines.append(f"{path.stem}.dat 16 {GAIN}(0)/mV 16 0 {row[0]} {checksum} 0 {lead}")
    lines += [f"# {line}" for line in provenance_lines(ecg)]
    return {
        path.with_suffix(".dat"): np.ascontiguousarray(digital.T).tobytes(),
        path: ("\n".join(lines) + "\n").encode(),
    }


def _channel(number: int, line: str) -> Channel:
    """The signal line 'file format gain(baseline)/unit resolution zero first checksum block name'."""
    file, form, gain, _, zero, _, _, _, name = (line.split(None, 8) + [""] * 8)[:9]
    stored, scale = _STORED.fullmatch(form), _GAIN.fullmatch(gain)
    here = f"signal line {number} of the header"
    if not _is_plain(file):
        raise InputError(f"{here} points to {shown(file)}", "a file beside the header was expected")
    if stored is None or int(stored[1]) not in _BYTES:
        expected = f"one sample a frame in one of the formats {', '.join(map(str, _BYTES))} was expected"
        raise InputError(f"{here} gives the format {shown(form)}", expected, "convert it, as with WFDB's xform")
    if scale is None or not 0 < float(scale[1]) < np.inf:
        raise InputError(
            f"{here} gives {'the gain ' + shown(gain) if gain else 'no gain'}",
            "a positive number of steps per mV was expected",
            "write the right gain into the header",
        )
    baseline = scale[2] or (zero if re.fullmatch(r"[-+]?\d{1,18}", zero, re.ASCII) else "0")
    unit = scale[3] or "mV"  # the standard's default
    return Channel(file, int(stored[1]), int(stored[2] or 0), float(scale[1]), int(baseline), unit, name or None)


def _is_plain(name: str) -> bool:
    """Whether ``name`` is a file's name and no path, drive or address, nor WFDB's signs for stdin and gaps."""
    return re.fullmatch(r"(?![.-]*$)(?!\.)[-\w.]+", name) is not None


def _frames(header: Header, folder: Path, files: dict[str, list[int]]) -> int:
    """Samples of a signal, as the header and the sizes of its files agree; nothing is allocated before."""
    room = []
    for file, rows in files.items():
        layouts = {(header.channels[row].format, header.channels[row].offset) for row in rows}
        if len(layouts) > 1:
            raise InputError(f"the signals in {shown(file)} differ in format or offset", "one of each was expected")
        if not (folder / file).is_file():
            raise InputError(f"the samples {shown(file)} are missing", "they were expected beside the header")
        [(form, offset)] = layouts
        stored = max((folder / file).stat().st_size - offset, 0)
        room.append(int(stored / _BYTES[form] / len(rows) + 1e-9))
    frames = min(room) if header.samples is None else header.samples
    if frames > min(room):
        found = f"the header says {frames} samples and the files hold {min(room)}"
        raise InputError(found, "as many were expected", "fetch the record again, or the header that belongs to it")
    if frames * len(header.channels) > _MOST_SAMPLES:
        raise InputError(f"the record holds {frames} samples a lead", f"{_MOST_SAMPLES} in all are read", "cut it")
    return frames


def _format_16(path: Path, channels: list[Channel], frames: int) -> np.ndarray:
    """Physical values (channel, time) of a file of little-endian 16-bit samples."""
    digital = np.fromfile(path, "<i2", frames * len(channels), offset=channels[0].offset)
    digital = digital.reshape(-1, len(channels)).T
    baseline = np.array([[float(channel.baseline)] for channel in channels])
    values = (digital - baseline) / np.array([[channel.gain] for channel in channels])
    values[digital == _NO_VALUE] = np.nan
    return values


def _by_wfdb(path: Path, header: Header) -> np.ndarray:
    """Physical values (channel, time), decoded by wfdb if it understands the header as it was understood here."""
    import wfdb

    name = str(path.with_suffix("").absolute())
    here = [(one.file, one.format, one.gain, one.baseline) for one in header.channels]
    try:
        seen: Any = wfdb.rdheader(name)
        there = zip(seen.file_name, map(int, seen.fmt), seen.adc_gain, seen.baseline, strict=True)
        if (seen.fs, seen.sig_len, list(there)) == (header.fs or 250, header.samples, here):
            record: Any = wfdb.rdrecord(name)
            return record.p_signal.T
    except Exception as error:  # whatever a malformed file makes wfdb stumble over
        raise InputError("wfdb cannot decode the record", "a WFDB record was expected", "fetch it again") from error
    raise InputError("the header can be understood in two ways", "WFDB's standard form was expected", "rewrite it")
