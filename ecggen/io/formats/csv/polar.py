"""A Polar chest strap's ECG as Polar Sensor Logger writes it: a row a sample, with the time of the phone and the strap.

The strap counts nanoseconds, so its times give the rate (130 Hz) and show where samples were lost on the way to the
phone. It lies across the chest and records none of the twelve leads: the file names none, and its user must say which
lead it shall stand for.
"""

from __future__ import annotations

import re

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.metadata import About
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_SAMPLES, Source

_TITLES = re.compile(r"phone timestamp;sensor timestamp \[ns\];(?:timestamp \[ms\];)?ecg \[(.{1,2}v)\]", re.IGNORECASE)
_ROW = re.compile(r"[^;\n]{0,40};\s*(\d{1,18})\s*;(?:[^;\n]{0,40};)?\s*([-+]?\d{1,9}(?:\.\d{1,9})?)\s*;?", re.ASCII)
_MOST_ROWS = 2**21


def looks_like(source: Source) -> bool:
    """Whether a file opens with the names of the logger's columns."""
    return _TITLES.match(source.head.lstrip()) is not None


def read(source: Source) -> Found:
    """The recording in a file; NaN where samples were lost.

    Raises:
        InputError: Where a row is no sample, or the strap's times do not give a rate.
    """
    text = source.text.strip()
    if text.count("\n") > _MOST_ROWS:
        raise InputError(f"the file has more than {_MOST_ROWS} rows", "up to 4 hours are read", "split it")
    titles, *rows = text.split("\n")
    unit = _TITLES.match(titles)
    times, values = _columns(rows)
    fs, numbers = _numbered(times)
    whole = np.full(numbers[-1] + 1, np.nan)
    whole[numbers] = values
    notes = ["the strap records none of the twelve leads: what it is read as is its user's word"]
    if len(whole) > len(values):
        notes.append(f"{len(whole) - len(values)} samples were lost between strap and phone")
    about = About(personal={"recorded": rows[0].split(";")[0]})
    return Found(whole[None], (None,), (unit[1] if unit else None,), fs, about=about, notes=tuple(notes))


def _columns(rows: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The strap's times in nanoseconds, and the samples."""
    # A double holds no 18 digits.
    times, values = np.empty(len(rows), np.int64), np.empty(len(rows))
    for number, row in enumerate(rows):
        match = _ROW.fullmatch(row.strip())
        if match is None:
            found = f"line {number + 2} is no sample"
            raise InputError(found, "two times and a voltage were expected", "export it again")
        times[number], values[number] = int(match[1]), float(match[2])
    return times, values


def _numbered(times: np.ndarray) -> tuple[float, np.ndarray]:
    """Hz, and the number of each sample, of the strap's times in nanoseconds."""
    steps = np.diff(times)
    if len(steps) < 2 or steps.min() <= 0:
        raise InputError("the strap's times do not grow", "a time for each sample was expected", "export it again")
    usual = float(np.median(steps))
    # A packet comes as a whole: a step of one and a half and more is a gap.
    step = float(steps[steps < 1.5 * usual].mean())
    ahead = np.maximum(np.rint(steps / step), 1)
    if ahead.sum() >= MOST_SAMPLES or ahead.sum() > 20 * len(times):
        raise InputError("the strap's times lie too far apart", "one recording was expected", "split it")
    rate = 1e9 / step
    whole = float(round(rate))
    return whole if abs(whole - rate) < 1e-3 * rate else rate, np.r_[0, np.cumsum(ahead.astype(np.int64))]
