"""Reader of Withings' ``signal.csv``: one recording per line, with its rate and a list of samples in quotes.

The table is part of the archive that Withings sends of one's own data. Its README gives the units: µV for a watch, mV
for a blood pressure monitor, which is worn on an arm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.json.withings import placed
from ecggen.io.metadata import About
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_SAMPLES, Source, chosen

_TITLES = re.compile(r'"?date"?,"?type"?,"?frequency"?,"?duration"?,"?wearposition"?,"?signal"?[,\n]')
_CELL = r'"?([^,\n"]{0,40})"?'
_ROW = re.compile(rf'^{_CELL},{_CELL},{_CELL},{_CELL},{_CELL},"\[([^\]\n]*)\]"(.*)$', re.MULTILINE)
_ARMS = (2, 3)
"""Positions of a blood pressure monitor, whose samples are in mV."""


@dataclass(frozen=True)
class _Recording:
    """The cells of a line."""

    date: str
    rate: str
    position: str
    samples: str
    remarks: str


def looks_like(source: Source) -> bool:
    """Whether a file starts with the names of this table."""
    return _TITLES.match(source.head) is not None


def contents(source: Source) -> list[str]:
    """Numbers of the ECGs, if there are several."""
    count = len(_recordings(source))
    return [str(number) for number in range(1, count + 1)] if count > 1 else []


def read(source: Source) -> Found:
    """Decode the requested recording.

    Raises:
        InputError: If there is none, a sample is not a number, or the line gives no rate.
    """
    recordings = _recordings(source)
    number = chosen([str(number) for number in range(1, len(recordings) + 1)], source.record)
    one = recordings[number]
    if not re.fullmatch(r"\d{1,5}(?:\.\d{1,6})?", one.rate.strip(), re.ASCII):
        found = f"recording {number + 1}, column 3 is not a sampling rate"
        raise InputError(found, "a number of Hz was expected", "export it again")
    position = int(one.position) if one.position.strip().isdecimal() else None
    lead, note = placed(position)
    unit = "mV" if position in _ARMS else "uV"
    personal = {"recorded": one.date, "statements": one.remarks.strip(", ")}
    values = _samples(one.samples, number)
    return Found(values[None], (lead,), (unit,), float(one.rate), about=About(personal=personal), notes=(note,))


def _recordings(source: Source) -> list[_Recording]:
    """The ECGs of the table; a blood pressure monitor also records sounds.

    Raises:
        InputError: If there is none.
    """
    rows = _ROW.findall(source.text)
    found = [
        _Recording(date, rate, position, samples, remarks)
        for date, kind, rate, _, position, samples, remarks in rows
        if kind.strip().lower() in ("ecg", "")
    ]
    if not found:
        do = "record an ECG with the device, and export the data again"
        raise InputError(f"none of the {len(rows)} recordings in the table is an ECG", "an ECG was expected", do)
    return found


def _samples(text: str, number: int) -> np.ndarray:
    """The numbers of a list."""
    cells = text.split(",")
    if len(cells) > MOST_SAMPLES:
        raise InputError(f"recording {number + 1} has {len(cells)} samples", f"at most {MOST_SAMPLES} were expected")
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError:
        found = f"recording {number + 1} holds a sample that is not a number"
        raise InputError(found, "a list of numbers was expected", "export it again") from None
