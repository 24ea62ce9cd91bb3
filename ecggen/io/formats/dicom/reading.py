"""DICOM waveform reader: 12-lead, General and Ambulatory ECG (PS3.3, A.34 and C.10.9).

A file holds groups of channels that share a rate: the rhythm, and often a median beat. The rhythm is read by default.
A value is sample · sensitivity · correction + baseline, in the unit of the channel.
"""

from __future__ import annotations

import re
from datetime import date

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.dicom.elements import DataSet, parse
from ecggen.io.metadata import About, sex_of, years
from ecggen.io.normalise import Found, find_lead
from ecggen.io.source import MOST_SAMPLES, Source, chosen

PATIENT, PATIENT_ID = "SYNTHETIC^ECGGEN", "SYNTHETIC"
"""Patient name and ID in synthetic files."""

UNDATED = "19700101000000"
"""Time for required elements if the time of the recording is unknown."""

CONTINUED = "ecggen+:"
"""Prefix of an annotation that continues the previous line."""

_WAVEFORMS, _CHANNELS, _LABEL, _ORIGINALITY = 0x54000100, 0x003A0200, 0x003A0020, 0x003A0004
_SOURCE, _UNITS, _SENSITIVITY, _CORRECTION, _BASELINE = 0x003A0208, 0x003A0211, 0x003A0210, 0x003A0212, 0x003A0213
_CODE, _SCHEME, _MEANING = 0x00080100, 0x00080102, 0x00080104
_ANNOTATIONS, _ANNOTATION, _CONCEPTS = 0x0040B020, 0x00700006, 0x0040A168
_STORED = {(8, "SB"): "i1", (8, "UB"): "u1", (16, "SS"): "i2", (16, "US"): "u2", (32, "SL"): "i4", (32, "UL"): "u4"}
_TIME = re.compile(r"(\d\d)(\d\d)(\d\d)", re.ASCII)
_BEAT = re.compile("median|beat|average|template")
_KIND = re.compile("rhythm|median|beat|average|template|strip|lead|group|ecg", re.IGNORECASE)
_MOST_CHANNELS = 256
_GAP = 0.2  # seconds for which all channels must have a padding value that samples can have as well

_PERSONAL = {
    "name": (0x00100010, 0x00101001, 0x00101005),
    "patient_id": (0x00100020, 0x00101000, 0x00080050, 0x00380010),
    "birth_date": (0x00100030,),
    "device_serial": (0x00181000,),
    "institution": (0x00080080, 0x00080081, 0x00081010, 0x00081040, 0x00380300, 0x00380400, 0x00101040),
    "people": (0x00080090, 0x00081048, 0x00081050, 0x00081060, 0x00081070, 0x00321032),
    "statements": (0x00081030, 0x0008103E, 0x00104000, 0x001021B0, 0x00384000, 0x00321030, 0x00401002),
}
"""Tags of identifying metadata, by kind; times and annotations are combined from several elements."""


def looks_like(source: Source) -> bool:
    """Whether DICM follows the preamble."""
    return source.opening[128:132] == b"DICM"


def contents(source: Source) -> list[str]:
    """Names of the groups of channels; empty if there is one."""
    groups = _groups(parse(source.raw))
    return _names(groups) if len(groups) > 1 else []


def beats(source: Source) -> list[str]:
    """Names of the groups that are a median or average beat of another group."""
    groups = _groups(parse(source.raw))
    names = _names(groups)
    return [names[at] for at in _beats(groups)]


def read(source: Source) -> Found:
    """Decode the requested group of channels, or the rhythm.

    Raises:
        InputError: If the file holds no waveform, or declares other samples than it holds.
    """
    whole = parse(source.raw)
    groups = _groups(whole)
    names = _names(groups)
    at = chosen(names, source.record) if source.record else _rhythm(groups, names)
    group = groups[at]
    channels = group.items(_CHANNELS)
    values, notes = _samples(group, len(channels))
    if len(groups) > 1:
        notes.append(f"{len(groups) - 1} of {len(groups)} groups of channels (such as a median beat) left out")
    scaled, unusable = [], {}
    for row, channel in enumerate(channels):
        try:
            scaled.append(_scale(channel))
        except InputError as error:
            scaled.append((np.nan, 0.0, None))
            unusable[row] = error
    scales, offsets, units = zip(*scaled, strict=True)
    values *= np.array(scales)[:, None]
    values += np.array(offsets)[:, None]
    rate = group.number(0x003A001A)
    lines = "\n".join(line.text(_ANNOTATION) for line in whole.items(_ANNOTATIONS)).replace("\n" + CONTINUED, "")
    lines = lines.split("\n")
    comments = tuple(line for line in lines if line.startswith("ecggen"))
    return Found(
        values,
        tuple(map(_name, channels)),
        units,
        rate,
        comments,
        _about(whole, lines),
        tuple(notes),
        unusable=unusable,
    )


def _groups(whole: DataSet) -> list[DataSet]:
    groups = whole.items(_WAVEFORMS)
    if not groups:
        raise InputError("the DICOM file holds no waveform", "an ECG was expected", "choose another file of the study")
    return groups


def _names(groups: list[DataSet]) -> list[str]:
    """A name for each group: its label if it is unique and describes a kind of waveform."""
    labels = [label if _KIND.search(label := group.text(_LABEL)) else "" for group in groups]
    return [
        label if label and labels.count(label) == 1 else f"{label or 'group'} {number}"
        for number, label in enumerate(labels, 1)
    ]


def _rhythm(groups: list[DataSet], names: list[str]) -> int:
    """Index of the rhythm: the group labelled so, else the only group that is no beat of another."""
    rhythm = [at for at, group in enumerate(groups) if "rhythm" in group.text(_LABEL).casefold()]
    beats_of_others = set(_beats(groups))
    others = [at for at in range(len(groups)) if at not in beats_of_others]
    for candidates in (rhythm, others):
        if len(candidates) == 1:
            return candidates[0]
    return chosen(names, None)


def _beats(groups: list[DataSet]) -> list[int]:
    """Indices of the groups that are beats of another group, by label, or derived without a label while others are
    original; empty if all are.
    """
    labels = [group.text(_LABEL).casefold() for group in groups]
    derived = [group.text(_ORIGINALITY) == "DERIVED" for group in groups]
    some = not all(derived)
    found = [
        at
        for at, label in enumerate(labels)
        if "rhythm" not in label and (_BEAT.search(label) or (derived[at] and some))
    ]
    return found if len(found) < len(groups) else []


def _samples(group: DataSet, described: int) -> tuple[np.ndarray, list[str]]:
    """Stored samples (channel, time) with NaN for padding, and notes."""
    channels, samples = group.integer(0x003A0005) or 0, group.integer(0x003A0010) or 0
    bits, form, data = group.integer(0x54001004) or 0, group.text(0x54001006), group.values.get(0x54001010)
    if form in ("MB", "AB"):
        found = f"the samples have the audio encoding {form}"
        raise InputError(found, "8, 16 or 32 bits in linear steps were expected", "export the ECG again")
    if (bits, form) not in _STORED:
        stated = f"interpretation {form}" if re.fullmatch("[A-Z]{2}", form, re.ASCII) else "an unknown interpretation"
        found = f"the samples have {bits} bits and {stated}"
        raise InputError(found, "16 bits and interpretation SS were expected", "export the ECG again")
    if not (0 < channels == described <= _MOST_CHANNELS and samples > 0):
        found = f"the group declares {channels} channels of {samples} samples and describes {described}"
        raise InputError(found, "at least one channel, and as many as declared, were expected", "export it again")
    if data is None or len(data) < channels * samples * bits // 8:
        found = f"the group declares {channels} × {samples} samples of {bits} bits and holds {len(data or b'')} bytes"
        raise InputError(found, "as many were expected", "export it again")
    if channels * samples > MOST_SAMPLES:
        found = f"the group holds {channels} × {samples} samples"
        raise InputError(found, f"at most {MOST_SAMPLES} were expected", "split it")
    kind = np.dtype(group.order + _STORED[bits, form])
    stored = np.frombuffer(data, kind, channels * samples).reshape(samples, channels).T
    return _unpadded(stored, group)


def _unpadded(stored: np.ndarray, group: DataSet) -> tuple[np.ndarray, list[str]]:
    """Replace padding by NaN.

    Some devices declare 0 as the padding value and also store 0 µV as 0. A padding value that a channel can have is
    therefore treated as a gap only if all channels have it for at least ``_GAP`` seconds.
    """
    values = stored.astype(np.float64)
    padding = bytes(group.values.get(0x5400100A, b""))
    if len(padding) < stored.dtype.itemsize:
        return values, []
    value = int(np.frombuffer(padding, stored.dtype, 1)[0])
    missing = stored == value
    ambiguous = np.array([_can_be_signal(row, value) for row in stored])
    if ambiguous.any():
        missing = np.where(ambiguous[:, None], _long_runs(missing.all(0), group.number(0x003A001A) or 0), missing)
    values[missing] = np.nan
    count = int(missing.sum())
    return values, [f"{count} samples have the padding value of the file and are missing"] if count else []


def _can_be_signal(row: np.ndarray, value: int) -> bool:
    """Whether a value lies in or near the range of the other samples and is not an extreme of the data type."""
    info = np.iinfo(row.dtype)
    others = row[row != value]
    if value in (info.min, info.max) or not others.size:
        return False
    low, high = float(others.min()), float(others.max())
    return 1.5 * low - 0.5 * high <= value <= 1.5 * high - 0.5 * low


def _long_runs(padded: np.ndarray, fs: float) -> np.ndarray:
    """The samples of ``padded`` (time,) that are true in runs of at least ``_GAP`` seconds."""
    edges = np.flatnonzero(np.diff(np.r_[False, padded, False].astype(np.int8))).reshape(-1, 2)
    long = edges[np.diff(edges, axis=1).ravel() >= max(_GAP * fs, 2)]
    missing = np.zeros(len(padded), bool)
    for first, last in long:
        missing[first:last] = True
    return missing


def _scale(channel: DataSet) -> tuple[float, float, str | None]:
    """Value of a step, offset, and unit; the unit is unknown without a sensitivity."""
    units = channel.items(_UNITS)
    numbers = []
    for tag, default in ((_SENSITIVITY, 1.0), (_CORRECTION, 1.0), (_BASELINE, 0.0)):
        number = channel.number(tag) if channel.text(tag) else default
        if number is None or abs(number) > 1e30 or (number == 0 and default):
            found = "the sensitivity, its correction or the baseline of a channel is not a number, or 0"
            raise InputError(found, "numbers were expected", "correct the file")
        numbers.append(number)
    unit = units[0].text(_CODE) if units and channel.text(_SENSITIVITY) else ""
    return numbers[0] * numbers[1], numbers[2], unit or None


def _name(channel: DataSet) -> str | None:
    """Name of a channel: the meaning of the code of its source, or its label, if that is a lead; else the code.

    Raises:
        InputError: If code and meaning are different leads.
    """
    sources = channel.items(_SOURCE)
    code, scheme, meaning = (sources[0].text(tag) for tag in (_CODE, _SCHEME, _MEANING)) if sources else ("", "", "")
    if scheme == "MDC" and re.fullmatch(r"131\d{3}", code, re.ASCII):  # partition 2 in 16 bits above the number
        code = f"2:{int(code) - 2 * 65536}"
    coded = find_lead(f"{scheme} {code}" if scheme == "MDC" else code) if scheme in ("MDC", "SCPECG") else None
    meaning = meaning.replace("(Einthoven)", "").strip()  # Lead I in the files of electrocardiographs
    texts = [meaning] if scheme in ("MDC", "SCPECG") and meaning else [meaning, channel.text(0x003A0203)]
    named = next(filter(None, map(find_lead, texts)), None)
    if coded and named and coded != named:
        found = f"a channel has the code of lead {coded} and the name of lead {named}"
        raise InputError(found, "one lead was expected", "correct the file")
    if coded and named:
        return next(text for text in texts if find_lead(text) == named)
    if coded:
        return f"MDC {code}" if scheme == "MDC" else code
    return next((text for text in texts if text and find_lead(text) == named), code or None)


def _about(whole: DataSet, lines: list[str]) -> About:
    """Metadata of the patient and the recording."""
    codes = [concept for line in whole.items(_ANNOTATIONS) for concept in line.items(_CONCEPTS)]
    scheme = ("SCT", "99SCP")
    known = tuple(code.text(_CODE) for code in codes if code.text(_SCHEME) in scheme and code.text(_CODE))
    sex = sex_of(whole.text(0x00100040))
    personal = {kind: "; ".join(filter(None, map(whole.text, tags))) for kind, tags in _PERSONAL.items()}
    statements = [personal["statements"], *(line for line in lines if not line.startswith("ecggen"))]
    personal["statements"] = "; ".join(filter(None, statements))
    moment = whole.text(0x0008002A) or whole.text(0x00080020) + whole.text(0x00080030)
    moment = "" if moment == UNDATED else moment
    born, then = _day(whole.text(0x00100030)), _day(moment)
    time = _TIME.sub(r"\1:\2:\3", moment[8:14])
    personal["recorded"] = f"{then} {time}" if then else moment
    personal["birth_date"] = str(born or personal["birth_date"])
    age = years(whole.text(0x00101010))
    if age is None and born and then and born <= then:
        age = float((then - born).days // 365.25)
    number = whole.text(0x00100020)
    if number == PATIENT_ID:
        personal, number = {}, ""
    return About(age, sex, known, personal=personal, number=number)


def _day(text: str) -> date | None:
    match = re.match(r"(\d{4})(\d{2})(\d{2})", text, re.ASCII)
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None
