"""EDF, EDF+ and BDF reader: a header of fixed ASCII fields, and records of 16-bit (BDF: 24-bit) samples.

Specification: Kemp et al. 1992 and the EDF+ paper of 2003 (edfplus.info). The reader uses numpy only and compares
every size in the header with the size of the file before it allocates memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.rates import kept
from ecggen.io.metadata import About, sex_of, years
from ecggen.io.normalise import Found, find_lead, is_other, listed
from ecggen.io.source import Source, check_amount

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
"""Names of the months in EDF+, independent of the language."""

_EDF, _BDF = b"0       ", b"\xffBIOSEMI"
_MOST_SIGNALS = 256
_MOST_PIECES = 200_000  # records of an interrupted recording: two days of one-second records
_MOST_ANNOTATIONS = 2**21  # bytes of annotations that are parsed
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)
_ONSET = re.compile(rb"([-+]\d{1,12}(?:\.\d{0,12})?)(?:\x15[\d.]*)?\x14")
_TEXT = re.compile(rb"[-+][\d.]+(?:\x15[\d.]*)?\x14(.+)", re.DOTALL)


@dataclass(frozen=True)
class Signal:
    """A signal in the header; the physical range ``low``–``high`` in ``unit`` is stored as ``bottom``–``top``.

    ``problem`` says why the samples have no values in ``unit``, if so.
    """

    label: str
    unit: str | None
    low: float
    high: float
    bottom: int
    top: int
    samples: int
    at: int
    problem: InputError | None = None

    @property
    def is_annotation(self) -> bool:
        """Whether it holds annotations instead of samples."""
        return self.label in ("EDF Annotations", "BDF Annotations")


@dataclass(frozen=True)
class Header:
    """The header; ``records`` is -1 if the recording was not finished, ``width`` is the number of bytes per sample."""

    patient: str
    recording: str
    start: str
    kind: str
    size: int
    records: int
    seconds: float
    signals: tuple[Signal, ...]
    width: int

    @property
    def record_bytes(self) -> int:
        """Size of a data record in bytes."""
        return self.width * sum(signal.samples for signal in self.signals)


def looks_like(source: Source) -> bool:
    """Whether a file starts as EDF or BDF and states the size of its header."""
    return source.opening[:8] in (_EDF, _BDF) and source.opening[184:192].strip().isdigit()


def read(source: Source) -> Found:
    """Decode the signals at the rate that most leads have.

    Raises:
        InputError: If the header is wrong, records overlap in time, or there are too many samples.
    """
    header = parse(bytes(source.mapped[: 256 * (_MOST_SIGNALS + 1)]))
    every, notes = _records(header, source.mapped)
    chosen, per_signal, unusable = _chosen(header, source)
    per_record = len(chosen) * per_signal
    onsets = _onsets(header, every) if header.kind.endswith("+D") else None
    first, last, cut, end = _part(source, header.seconds, len(every), onsets, per_record)
    data = every[first:last]
    left_out = [signal.label for signal in header.signals if not (signal in chosen or signal.is_annotation)]
    notes += [f"channels at another rate, or status channels, left out: {listed(left_out)}"] if left_out else []
    values = np.full((len(chosen), len(data) * per_signal), np.nan)
    for row, signal in enumerate(chosen):
        if row not in unusable:
            _decode(signal, data, header.width, values[row])
    fs = per_signal / header.seconds
    if onsets is not None:
        values, gaps = _placed(values, onsets[first:last], fs)
        values = values if end is None else _extended(values, onsets[first], cut[0], end, fs)
        notes += gaps
    texts = _texts(header, every)
    ours = dict(text.split(": ", 1) for text in texts if text.startswith("ecggen-") and ": " in text)
    values, unpadded = _unpadded(values, ours.get("ecggen-samples", ""), first * per_signal, len(data))
    names, units = tuple(signal.label or None for signal in chosen), tuple(signal.unit for signal in chosen)
    comments = tuple(text for text in texts if text.startswith("ecggen"))
    about = _about(header, texts, ours.get("ecggen-codes", ""))
    fs = _exact(fs, ours.get("ecggen-fs", ""))
    numbers = tuple(header.signals.index(signal) + 1 for signal in chosen)
    return Found(values, names, units, fs, comments, about, (*notes, *unpadded), *cut, unusable, numbers)


def _part(
    source: Source, seconds: float, records: int, onsets: np.ndarray | None, per_record: int
) -> tuple[int, int, tuple[float, float | None], float | None]:
    """Records (first, last + 1) to decode, the start and the duration for ``Found``, and the end in seconds if needed.

    Args:
        source: The file and the requested segment.
        seconds: Duration of a record in seconds.
        records: Number of records.
        onsets: Start times of the records in seconds from the first, of an interrupted recording.
        per_record: Number of samples to decode of a record, over all signals.
    """
    if onsets is None:
        first, last = source.part(1 / seconds, records, per_record)
        return first, last, (first * seconds, records * seconds) if last - first < records else (0.0, None), None
    lasts = onsets[-1] + seconds
    if not np.all(np.diff(onsets) >= 0):
        check_amount(records * per_record, per_record / seconds)
        return 0, records, (0.0, None), None  # refused by ``_placed``, which names the record
    count = math.ceil(lasts / seconds - 1e-9)
    begin, end = (seconds * place for place in source.part(1 / seconds, count, per_record))
    if (begin, end) == (0.0, count * seconds):
        check_amount(records * per_record, per_record / seconds)  # records may overlap, which ``_placed`` refuses
        return 0, records, (0.0, None), None
    inside = np.flatnonzero((onsets + seconds > begin + 1e-9) & (onsets < end - 1e-9))
    if not len(inside):
        found = f"the recording is interrupted (EDF+D), and holds nothing from {begin:g} to {end:g} s"
        raise InputError(found, "a segment with samples was requested", "request another segment")
    first, last = int(inside[0]), int(inside[-1]) + 1
    check_amount((last - first) * per_record, per_record / seconds)
    return first, last, (min(begin, float(onsets[first])), float(lasts)), min(end, float(lasts))


def _extended(values: np.ndarray, onset: float, begin: float, end: float, fs: float) -> np.ndarray:
    """The samples from ``onset`` on, with missing samples before and after them, from ``begin`` to ``end`` seconds."""
    before = round((onset - begin) * fs)
    after = max(round((end - begin) * fs) - before - values.shape[-1], 0)
    return np.pad(values, ((0, 0), (before, after)), constant_values=np.nan)


def parse(raw: bytes) -> Header:
    """Parse the header at the start of ``raw``.

    Raises:
        InputError: If a field is not a number, or sizes contradict each other.
    """
    if len(raw) < 256:
        raise InputError("the EDF header is truncated", "at least 256 bytes were expected", "export it again")
    width = 3 if raw.startswith(_BDF) else 2
    size, count = _whole(raw[184:192], "the size of the header"), _whole(raw[252:256], "the number of signals")
    if not 0 < count <= _MOST_SIGNALS or size != 256 * (count + 1) or size > len(raw):
        found = f"the EDF header declares {count} signals and {size} bytes"
        raise InputError(found, f"1 to {_MOST_SIGNALS} signals, and 256 bytes plus 256 per signal, were expected")
    records = _whole(raw[236:244], "the number of records")
    seconds = _real(raw[244:252], "the duration of a record")
    if records < -1 or seconds < 1e-6:
        found = f"the EDF header declares {records} records of {seconds:g} s"
        raise InputError(found, "positive numbers were expected", "export it again")
    signals: list[Signal] = []
    for number in range(count):
        last = signals[-1] if signals else None
        signals.append(_signal(raw, number, count, last.at + last.samples * width if last else 0))
    patient, recording, start, kind = (_text(raw[a:b]) for a, b in ((8, 88), (88, 168), (168, 184), (192, 236)))
    return Header(patient, recording, start, kind, size, records, seconds, tuple(signals), width)


def _signal(raw: bytes, number: int, count: int, at: int) -> Signal:
    """Parse the signal of this number; the header stores each field for all signals in turn."""

    def field(before: int, length: int) -> bytes:
        start = 256 + count * before + number * length
        return raw[start : start + length]

    here = f" of signal {number + 1}"
    samples = _whole(field(216, 8), "the number of samples" + here)
    if samples < 1:
        found = f"signal {number + 1} of the EDF header has {samples} samples per record"
        raise InputError(found, "at least one was expected", "correct the header")
    label, unit = _text(field(0, 16)), _text(field(96, 8)) or None
    try:
        low, high = _real(field(104, 8), "the physical minimum" + here), _real(field(112, 8), "the maximum" + here)
        bottom, top = _whole(field(120, 8), "the digital minimum" + here), _whole(field(128, 8), "the maximum" + here)
        if low == high or bottom >= top:
            found = f"signal {number + 1} of the EDF header ranges from {low:g} to {high:g}, stored as {bottom} to "
            found += str(top)
            raise InputError(found, "different values, and a rising stored range, were expected", "correct the header")
    except InputError as error:  # other signals can be decoded
        return Signal(label, unit, np.nan, np.nan, 0, 1, samples, at, error)
    return Signal(label, unit, low, high, bottom, top, samples, at)


def _records(header: Header, raw: memoryview) -> tuple[np.ndarray, list[str]]:
    """The bytes of the records, (record, byte), and notes on their number."""
    there = (len(raw) - header.size) // header.record_bytes
    records = there if header.records == -1 else header.records
    if not 0 < records <= there:
        found = f"the EDF header declares {records} records of {header.record_bytes} bytes and the file holds {there}"
        raise InputError(found, "at least one, and as many as declared, were expected", "copy or export it again")
    notes = [f"the recording was not finished: {there} records were counted"] if header.records == -1 else []
    over = len(raw) - header.size - records * header.record_bytes
    notes += [f"{over} bytes after the last complete record were ignored"] if over else []
    size = records * header.record_bytes
    return np.frombuffer(raw, np.uint8, size, header.size).reshape(records, -1), notes


def _chosen(header: Header, source: Source) -> tuple[list[Signal], int, dict[int, InputError]]:
    """Signals to decode, their number of samples per record, and those that cannot be decoded, with the reason.

    By default, these are the signals at the most frequent rate of the leads, or of those that may be leads if none is
    named.
    """
    plain = [signal for signal in header.signals if not signal.is_annotation and signal.label != "Status"]
    leads = [signal for signal in plain if find_lead(signal.label)]
    named = [signal for signal in plain if re.match("e[ck]g", signal.label, re.IGNORECASE)]
    likely = leads or named or [signal for signal in plain if not is_other(signal.label)] or plain
    if not likely:
        raise InputError("the EDF file holds annotations only", "a signal was expected", "choose another file")
    rates = [signal.samples for signal in likely]
    rate = max(rates, key=lambda samples: (rates.count(samples), samples))
    numbers = [header.signals.index(signal) + 1 for signal in plain]
    names = [signal.label or None for signal in plain]
    rows, rate, others = kept(names, [signal.samples for signal in plain], rate, source, numbers)
    chosen = [plain[row] for row in rows]
    problems = {row: signal.problem for row, signal in enumerate(chosen) if signal.problem}
    return chosen, int(rate), others | problems


def _decode(signal: Signal, data: np.ndarray, width: int, row: np.ndarray) -> None:
    """Decode the samples of a signal to its unit, in place into ``row``, which may hold millions of samples."""
    stored = np.ascontiguousarray(data[:, signal.at : signal.at + signal.samples * width])
    if width == 3:  # 24 bits are placed at the top of 32 and shifted back, which keeps the sign
        wide = np.zeros((len(data), signal.samples, 4), np.uint8)
        wide[..., 1:] = stored.reshape(*wide.shape[:2], 3)
        steps = wide.view("<i4").ravel() >> 8
    else:
        steps = stored.view("<i2").ravel()
    np.subtract(steps, float(signal.bottom), out=row)
    row *= (signal.high - signal.low) / (signal.top - signal.bottom)
    row += signal.low


def _texts(header: Header, data: np.ndarray) -> list[str]:
    """The annotations without their times."""
    found = []
    for signal in header.signals:
        if signal.is_annotation:
            end = signal.at + signal.samples * header.width
            most = max(_MOST_ANNOTATIONS // (end - signal.at), 1)
            pieces = data[:most, signal.at : end].tobytes()[:_MOST_ANNOTATIONS].split(b"\0")
            matches = (_TEXT.fullmatch(piece) for piece in pieces if piece)
            found += [text for match in matches if match for text in match[1].split(b"\x14") if text]
    return [text.decode("utf-8", errors="replace") for text in found]


def _onsets(header: Header, data: np.ndarray) -> np.ndarray:
    """Start times of the records in seconds, from the first annotation of each record."""
    keeper = next((signal for signal in header.signals if signal.is_annotation), None)
    if keeper is None or len(data) > _MOST_PIECES:
        found = f"the recording is interrupted (EDF+D), and its {len(data)} records "
        found += "are too many" if keeper else "have no start times"
        raise InputError(found, "a time for each record was expected", "export it as continuous (EDF+C)")
    end = keeper.at + min(keeper.samples * header.width, 64)
    matches = [_ONSET.match(row.tobytes()) for row in data[:, keeper.at : end]]
    if None in matches:
        found = f"the recording is interrupted (EDF+D), and record {matches.index(None) + 1} has no start time"
        raise InputError(found, "a time for each record was expected", "export it as continuous (EDF+C)")
    onsets = np.array([float(match[1]) for match in matches if match])
    return onsets - onsets[0]


def _placed(values: np.ndarray, onsets: np.ndarray, fs: float) -> tuple[np.ndarray, list[str]]:
    """The samples at the times of their records, NaN in the gaps."""
    per = values.shape[-1] // len(onsets)
    starts = np.rint((onsets - onsets[0]) * fs)
    # Times are rounded: a record that starts within one sample of the end of another follows it directly.
    gaps = np.flatnonzero(np.abs(np.diff(starts) - per) > 1) + 1
    if np.any(np.diff(starts) < per - 1):
        at = int(np.argmax(np.diff(starts) < per - 1)) + 2
        found = f"record {at} of the interrupted recording (EDF+D) starts before the end of the previous one"
        raise InputError(found, "records in order were expected", "export it again")
    if not len(gaps):
        return values, []
    check_amount((starts[-1] + per) * len(values), fs * len(values))
    edges = [0, *gaps, len(onsets)]
    pieces = [(int(starts[a]), values[:, a * per : b * per]) for a, b in pairwise(edges)]
    at, piece = pieces[-1]
    whole = np.full((len(values), at + piece.shape[-1]), np.nan)
    for at, piece in pieces:
        whole[:, at : at + piece.shape[-1]] = piece
    lost = (whole.shape[-1] - values.shape[-1]) / fs
    return whole, [f"the recording is interrupted: {lost:.3f} s in {len(gaps)} gaps hold no samples"]


def _unpadded(values: np.ndarray, stated: str, before: int, records: int) -> tuple[np.ndarray, list[str]]:
    """Remove the padding of the last record of a file written by ecggen.

    Args:
        values: Decoded samples (channel, time).
        stated: Length of the recording in the annotation of ecggen, "" if absent.
        before: Number of samples before ``values`` that were not decoded.
        records: Number of decoded records.
    """
    length = values.shape[-1]
    count = int(stated) - before if re.fullmatch(r"\d{1,9}", stated, re.ASCII) else length
    if not max(length - records, 0) < count < length:
        return values, []
    return values[:, :count], [f"padding of the last record removed: cut from {length} to {count} samples"]


def _exact(fs: float, stated: str) -> float:
    """The rate in the annotation of ecggen, if the eight characters of a record's duration could not represent it."""
    exact = float(stated) if _NUMBER.fullmatch(stated) else fs
    return exact if abs(exact - fs) < 0.01 * fs else fs


def _about(header: Header, texts: Sequence[str], codes: str) -> About:
    """Metadata; plain EDF has no subfields, so that all of its text may hold names and is identifying."""
    personal = {"statements": "; ".join(text for text in texts if not text.startswith("ecggen"))}
    recorded = "" if header.start == "01.01.8500.00.00" else header.start
    parts = header.patient.split()
    if len(parts) < 4 or parts[1] not in ("M", "F", "X"):
        return About(personal=personal | {"recorded": recorded, "name": header.patient, "people": header.recording})
    code, sex, birth, name, *more = ("" if part == "X" else part for part in parts)
    fields = [*("" if word in ("X", "ecggen") else word for word in header.recording.split()), "", "", "", "", ""][:5]
    day = _day(fields[1]) or _short_day(recorded)
    born = _day(birth)
    stated = next((years(word[4:]) for word in more if word.casefold().startswith("age_")), None)
    age = stated if stated is not None or not (day and born and born <= day) else (day - born).days // 365.25
    personal |= {
        "name": " ".join([name, *(word for word in more if not word.casefold().startswith("age_"))]).replace("_", " "),
        "patient_id": f"{code} {fields[2]}",
        "birth_date": born.isoformat() if born else birth,
        "recorded": f"{day.isoformat()} {header.start[8:].replace('.', ':')}" if day else recorded,
        "people": fields[3].replace("_", " "),
        "device_serial": fields[4],
    }
    return About(age, sex_of(sex), tuple(codes.split()), personal=personal, number=code)


def _day(text: str) -> date | None:
    """Parse a date of EDF+, 02-AUG-1951."""
    match = re.fullmatch(r"(\d{2})-([A-Z]{3})-(\d{4})", text.upper(), re.ASCII)
    if match is None or match[2] not in MONTHS:
        return None
    try:
        return date(int(match[3]), MONTHS.index(match[2]) + 1, int(match[1]))
    except ValueError:
        return None


def _short_day(text: str) -> date | None:
    """Parse a date of the header, 02.08.51; the years 85 to 99 are 1985 to 1999."""
    match = re.match(r"(\d{2})\.(\d{2})\.(\d{2})", text, re.ASCII)
    if match is None:
        return None
    try:
        return date((1900 if int(match[3]) >= 85 else 2000) + int(match[3]), int(match[2]), int(match[1]))
    except ValueError:
        return None


def _text(field: bytes) -> str:
    return field.decode("latin-1").replace("\0", " ").strip()


def _whole(field: bytes, what: str) -> int:
    text = _text(field)
    if not re.fullmatch(r"[-+]?\d{1,8}", text, re.ASCII):
        raise InputError(f"{what} in the EDF header is not an integer", "an integer was expected", "export it again")
    return int(text)


def _real(field: bytes, what: str) -> float:
    text = _text(field).replace(",", ".")
    if not (_NUMBER.fullmatch(text) and abs(float(text)) < 1e30):
        raise InputError(f"{what} in the EDF header is not a number", "a number was expected", "export it again")
    return float(text)
