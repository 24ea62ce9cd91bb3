"""Reader of Polar Sensor Logger tables: the ECG of a chest strap, one row per sample with times of phone and strap.

The times of the strap in nanoseconds give the rate (130 Hz) and show which samples were lost in transmission. The
strap records none of the twelve leads. The file names no lead, so that the user must assign one.
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
    """Whether a file starts with the column names of the logger."""
    return _TITLES.match(source.head.lstrip()) is not None


def read(source: Source) -> Found:
    """Decode a file; lost samples are NaN.

    Raises:
        InputError: If a row is not a sample, or the times of the strap give no rate.
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
    notes = ["a chest strap records none of the twelve leads: the lead was assigned by the user"]
    if len(whole) > len(values):
        notes.append(f"{len(whole) - len(values)} samples were lost in transmission")
    about = About(personal={"recorded": rows[0].split(";")[0]})
    return Found(whole[None], (None,), (unit[1] if unit else None,), fs, about=about, notes=tuple(notes))


def _columns(rows: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Times of the strap in nanoseconds, and the samples."""
    # A double does not hold 18 digits.
    times, values = np.empty(len(rows), np.int64), np.empty(len(rows))
    for number, row in enumerate(rows):
        match = _ROW.fullmatch(row.strip())
        if match is None:
            found = f"line {number + 2} is not a sample"
            raise InputError(found, "two times and a voltage were expected", "export it again")
        times[number], values[number] = int(match[1]), float(match[2])
    return times, values


def _numbered(times: np.ndarray) -> tuple[float, np.ndarray]:
    """Sampling rate in Hz and index of each sample, from the times in nanoseconds."""
    steps = np.diff(times)
    if len(steps) < 2 or steps.min() <= 0:
        raise InputError("the times of the strap do not increase", "rising times were expected", "export it again")
    median = float(np.median(steps))
    # A step of 1.5 times the median or more is a gap.
    step = float(steps[steps < 1.5 * median].mean())
    ahead = np.maximum(np.rint(steps / step), 1)
    if ahead.sum() >= MOST_SAMPLES or ahead.sum() > 20 * len(times):
        raise InputError("the times of the strap have gaps that are too long", "one recording was expected", "split it")
    rate = 1e9 / step
    whole = float(round(rate))
    return whole if abs(whole - rate) < 1e-3 * rate else rate, np.r_[0, np.cumsum(ahead.astype(np.int64))]
