"""WFDB reader and writer: PhysioNet's text header (.hea) with binary samples (.dat, or .mat as in the Challenges).

The wfdb library assumes 250 Hz and 200 units/mV if a header does not state them, trusts any declared length, and
follows paths and segments that refer to themselves. The header is therefore parsed and checked here (``header``),
compared with the sizes of the signal files (``samples``), and these are decoded (``digital``). A signal with several
samples per frame has a higher rate; a record is read at the rate of most of its leads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.io.formats.rates import kept
from ecggen.io.formats.wfdb.comments import about_of, comment_lines
from ecggen.io.formats.wfdb.header import Channel, opens_as_header, parse
from ecggen.io.formats.wfdb.samples import NO_VALUE
from ecggen.io.formats.wfdb.segments import Joined, alone, join, joined
from ecggen.io.metadata import About
from ecggen.io.normalise import Found, find_lead, listed, rate_text, shown
from ecggen.io.source import MOST_SAMPLES, Source

GAIN = 1000
"""Units per mV in written files: steps of 1 µV, up to ±32.767 mV."""


def looks_like(source: Source) -> bool:
    """Whether a file has the suffix of a header, or starts as one."""
    return source.path.suffix == ".hea" or opens_as_header(source)


def read(source: Source) -> Found:
    """Decode the record of a header; segments are joined."""
    if source.content is not None:
        found = "the archive member is a WFDB header"
        raise InputError(found, "its samples were expected with it", "unpack the archive and read the header")
    header = parse(source)
    parts = join(source.path, header) if header.segments else alone(source.path, header)
    rows, per_frame, others = _kept(parts.channels, source)
    first, last = _part(source, parts)
    values, unusable = joined(source.path.parent, parts, rows, (first, last), per_frame)
    channels = [parts.channels[row] for row in rows]
    fs = None if parts.fs is None else parts.fs * per_frame
    names, units = zip(*((channel.name, channel.unit) for channel in channels), strict=True)
    own = tuple(line for line in parts.comments if line.strip("# \t").startswith("ecggen"))
    about = about_of(parts.comments, header.recorded)
    numbers = tuple(row + 1 for row in rows)
    whole = parts.fs is None or (first, last) == (0, parts.frames)
    cut = (0.0, None) if whole or parts.fs is None else (first / parts.fs, parts.frames / parts.fs)
    return Found(
        values, names, units, fs, own, about, (*_left_out(parts, rows), *parts.notes), *cut, others | unusable, numbers
    )


def _part(source: Source, parts: Joined) -> tuple[int, int]:
    """Range of frames to decode."""
    a_frame = sum(channel.per_frame for channel in parts.channels)
    if parts.fs:
        return source.part(parts.fs, parts.frames, a_frame)
    if parts.frames * a_frame > MOST_SAMPLES:
        found = f"the header states no sampling rate, and the record holds {parts.frames} samples per signal"
        raise InputError(found, "a segment in seconds was expected", "add the rate to the first line of the header")
    return 0, parts.frames


def encode(ecg: ECG, path: Path, about: About) -> dict[Path, bytes]:
    """Encode one record in format 16; the samples are written first, so that a header never refers to missing ones."""
    digital = steps(ecg, path)
    samples = path.with_suffix(".dat")
    header = header_lines(ecg.leads, ecg.fs, digital, samples.name, f"16 {GAIN}(0)/mV") + comment_lines(ecg, about)
    return {samples: np.ascontiguousarray(digital.T).tobytes(), path: ("\n".join(header) + "\n").encode()}


def steps(ecg: ECG, path: Path) -> np.ndarray:
    """Samples of one record for WFDB: (lead, time) int16, 1 µV per step, ``NO_VALUE`` for missing samples.

    Raises:
        InputError: If they exceed the range, or ``path`` is not a valid name of a record.
    """
    if not re.fullmatch(r"[-\w]+", path.stem, re.ASCII):
        raise InputError(f"a WFDB record cannot be named {shown(path.stem)}", "letters, digits, '_', '-' were expected")
    whole = np.rint(ecg.signal[0].double().numpy() * GAIN)
    missing = ~np.isfinite(whole)
    for lead, peak in zip(ecg.leads, np.abs(np.where(missing, 0, whole)).max(1), strict=True):
        if peak >= -NO_VALUE:
            found = f"lead {lead} reaches {peak / GAIN:.3f} mV"
            raise InputError(found, "at most 32.767 mV were expected for WFDB", "write .csv or .npz")
    return np.where(missing, NO_VALUE, whole).astype("<i2")


def header_lines(leads: Sequence[str], fs: float, digital: np.ndarray, file: str, stored: str) -> list[str]:
    """Record line and signal lines for samples (lead, time) in ``file``; ``stored`` is their format and gain."""
    signals = [
        f"{file} {stored} 16 0 {row[0]} {row.sum(dtype=np.int16)} 0 {lead}"
        for lead, row in zip(leads, digital, strict=True)
    ]
    return [f"{Path(file).stem} {len(leads)} {rate_text(fs)} {digital.shape[1]}", *signals]


def _kept(channels: Sequence[Channel], source: Source) -> tuple[list[int], int, dict[int, InputError]]:
    """Rows of the channels to decode, their samples per frame, and those with another number, with the error.

    By default, these are the channels at the most frequent rate of the leads, or of all channels if no lead is named.
    """
    leads = [channel.per_frame for channel in channels if channel.name and find_lead(channel.name)]
    rates = leads or [channel.per_frame for channel in channels]
    most = max(sorted(set(rates)), key=rates.count)
    names, per_frame = [channel.name for channel in channels], [channel.per_frame for channel in channels]
    rows, rate, others = kept(names, per_frame, most, source)
    return rows, int(rate), others


def _left_out(parts: Joined, kept: Sequence[int]) -> list[str]:
    """A note on the channels at another rate."""
    names = [channel.name or f"channel {row + 1}" for row, channel in enumerate(parts.channels) if row not in kept]
    return [f"channels at another rate left out: {listed(names)}"] if names else []
