"""EDF+ writer: fixed physical ranges, and record lengths for which no sample is added or lost.

The physical range is ±5 mV or ±32.767 mV; a range fitted to the signal fails on a flat lead. The header gives the
rate only as samples per record divided by a duration of eight characters. If these cannot represent the rate exactly,
an annotation holds it. Another annotation holds the length of the recording if the last record had to be padded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.io.formats.edf.reading import MONTHS
from ecggen.io.metadata import About
from ecggen.io.normalise import provenance_lines, rate_text

RANGES = (5.0, 32.767)
"""Physical ranges in mV above and below zero, with steps of 0.15 and 1 µV; the first that holds a lead is used."""

_TOP = 32767  # −32768 is left out, so that 0 mV is stored as 0
_LARGEST_RECORD = 61_440  # bytes, the limit of EDF of 1992
_LARGER = 16  # factor by which a record may exceed the limit to avoid padding; EDFlib reads 10 MB
_RECORDS = 64  # data records that are encoded at once
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def encode(ecg: ECG, path: Path, about: About) -> dict[Path, bytes]:
    """Encode one record in steps of 0.15 µV (1 µV for a lead that exceeds 5 mV).

    Raises:
        InputError: If a lead exceeds 32.767 mV, or the header cannot represent the rate.
    """
    peaks = ecg.signal[0].abs().amax(-1).numpy()
    whole = pieces(ecg, ecg.samples, peaks, lambda first, last: replace(ecg, signal=ecg.signal[..., first:last]), about)
    return {path: b"".join(whole)}


def pieces(ecg: ECG, samples: int, peaks: np.ndarray, part: Callable[[int, int], ECG], about: About) -> Iterator[bytes]:
    """The bytes of a file in pieces: the header, then data records.

    Args:
        ecg: Leads, rate and provenance.
        samples: Number of samples per lead.
        peaks: Largest absolute value of each lead in mV.
        part: Returns the leads of a range of samples.
        about: Metadata.

    Raises:
        InputError: As ``encode``.
    """
    ranges = [_range(lead, float(peak)) for lead, peak in zip(ecg.leads, peaks, strict=True)]
    lines = provenance_lines(ecg) + ([f"ecggen-codes: {' '.join(about.codes)}"] if about.codes else [])
    notes = 100 + sum(len(line.encode()) + 5 for line in lines)
    per, seconds = record_of(samples, ecg.fs, max((_LARGEST_RECORD - notes) // (2 * len(ecg.leads)), 1000))
    records = -(-samples // per)
    if per / float(seconds) != ecg.fs:
        lines.append(f"ecggen-fs: {rate_text(ecg.fs)}")
    if records * per != samples:
        lines.append(f"ecggen-samples: {samples}")
    texts = _annotations(lines, records, seconds)
    rows = [*zip(ecg.leads, ranges, [per] * len(ranges), strict=True), (None, 0.0, texts.shape[1] // 2)]
    yield _header(ecg, about, records, seconds, rows)
    for first in range(0, records, _RECORDS):
        some = texts[first : first + _RECORDS]
        block = part(first * per, min((first + len(some)) * per, samples))
        yield np.concatenate([_steps(block, ranges, len(some), per), some], 1).tobytes()


def record_of(samples: int, fs: float, room: int) -> tuple[int, str]:
    """Number of samples per data record, at most about ``room``, and its duration in seconds as text of the header.

    The length nearest to one second is used among those that divide the recording and give its rate exactly. If there
    is none, the longest one that divides it is used, which may exceed ``room``. If that is too long (a prime number of
    samples), the last record is padded.
    """
    dividing = {
        part for one in range(1, math.isqrt(samples) + 1) if samples % one == 0 for part in (one, samples // one)
    }
    # Records of a few samples would hold more annotations than signal.
    shortest = min(room, samples, fs) / 10
    fitting = [per for per in dividing if shortest <= per <= room]
    large = [per for per in dividing if room < per <= _LARGER * room]
    exact = [per for per in fitting if _duration(per, fs) and per / float(_duration(per, fs)) == fs]
    if exact:
        per = min(exact, key=lambda per: abs(math.log(per / fs)))
    elif fitting or large:
        per = max(fitting) if fitting else min(large)
    else:
        per = -(-samples // -(-samples // room))
    if not _duration(per, fs):
        expected = "a rate that EDF can represent was expected"
        raise InputError(f"the sampling rate is {fs:g} Hz", expected, "resample it first")
    return per, _duration(per, fs)


def _duration(per: int, fs: float) -> str:
    """Duration of ``per`` samples in at most eight characters; "" if they do not represent it to 1 %."""
    seconds = per / fs
    if not 0 < seconds < 1e8:
        return ""
    whole = len(str(int(seconds)))
    text = f"{seconds:.{max(7 - whole, 0)}f}"[:8]
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text if abs(float(text) / seconds - 1) < 0.01 else ""


def _range(lead: str, peak: float) -> float:
    """The narrowest range of ``RANGES`` that holds a lead."""
    for limit in RANGES:
        if peak <= limit:
            return limit
    found = f"lead {lead} reaches {peak:.3f} mV"
    raise InputError(found, f"at most {RANGES[-1]} mV were expected", "write .csv or .npz")


def _steps(ecg: ECG, ranges: Sequence[float], records: int, per: int) -> np.ndarray:
    """Stored samples, (record, byte); the last record is padded with the last sample."""
    scale = _TOP / np.array(ranges)[:, None]
    steps = np.clip(np.rint(ecg.signal[0].double().numpy() * scale), -_TOP, _TOP).astype("<i2")
    steps = np.pad(steps, ((0, 0), (0, records * per - ecg.samples)), mode="edge")
    rows = steps.reshape(len(ecg.leads), records, per).swapaxes(0, 1)
    return np.ascontiguousarray(rows).reshape(records, -1).view(np.uint8)


def _annotations(lines: Sequence[str], records: int, seconds: str) -> np.ndarray:
    """Annotations, (record, byte): the start time of each record and, in the first, the lines."""
    plain = (" ".join(_CONTROL.sub(" ", line).split()) for line in lines)
    texts = [f"+{Decimal(seconds) * record:f}\x14\x14\0".encode() for record in range(records)]
    texts[0] += b"".join(f"+0\x14{line}\x14\0".encode() for line in plain)
    longest = max(map(len, texts))
    filled = b"".join(text.ljust(longest + longest % 2, b"\0") for text in texts)
    return np.frombuffer(filled, np.uint8).reshape(records, -1)


def _header(ecg: ECG, about: About, records: int, seconds: str, rows: Sequence[tuple[str | None, float, int]]) -> bytes:
    """Header for signals ``rows``: lead (None for the annotations), range in mV, samples per record."""
    synthetic = ecg.provenance is not None and bool(ecg.provenance.generated)
    recorded = _moment(about.personal.get("recorded", ""))
    recorded = recorded if recorded and 1985 <= recorded.year <= 2084 else None  # the header has two-digit years
    day = f"{recorded.day:02}-{MONTHS[recorded.month - 1]}-{recorded.year}" if recorded else "X"
    recording = f"Startdate {day} X X ecggen" + (" SYNTHETIC_not_for_diagnosis" if synthetic else "")
    start = f"{recorded:%d.%m.%y%H.%M.%S}" if recorded else "01.01.8500.00.00"
    top = ("0", 8), (_patient(about), 80), (recording, 80), (start, 16), (256 * (len(rows) + 1), 8), ("EDF+C", 44)
    fields = [*top, (records, 8), (seconds, 8), (len(rows), 4)]
    fields += [(f"ECG {lead}" if lead else "EDF Annotations", 16) for lead, _, _ in rows]
    fields += [("", 80) for _ in rows]
    fields += [("mV" if lead else "", 8) for lead, _, _ in rows]
    fields += [(f"{-limit:g}" if lead else "-1", 8) for lead, limit, _ in rows]
    fields += [(f"{limit:g}" if lead else "1", 8) for lead, limit, _ in rows]
    fields += [(-_TOP if lead else -_TOP - 1, 8) for lead, _, _ in rows]
    fields += [(_TOP, 8) for _ in rows] + [("", 80) for _ in rows]
    fields += [(samples, 8) for _, _, samples in rows] + [("", 32) for _ in rows]
    return b"".join(str(value).encode("ascii").ljust(width) for value, width in fields)


def _patient(about: About) -> str:
    """Code, sex, date of birth and name, with X for unknown fields, and the age."""
    born = _moment(about.personal.get("birth_date", ""))
    birth = f"{born.day:02}-{MONTHS[born.month - 1]}-{born.year}" if born else "X"
    code, name = (_word(about.personal.get(kind, "")) for kind in ("patient_id", "name"))
    age = f" age_{about.age:g}" if about.age is not None else ""
    return f"{code} {about.sex or 'X'} {birth} {name}"[: 80 - len(age)] + age


def _word(text: str) -> str:
    """A text as one ASCII word; X if it is empty."""
    return re.sub(r"[^!-~]", "_", text.strip().encode("ascii", "replace").decode())[:40] or "X"


def _moment(text: str) -> datetime | None:
    """Parse an ISO date, with or without a time; None if it is none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
