"""CSV reader and writer: one column per lead with its name, separated by comma, semicolon or tab.

Files of ecggen hold rate, unit and provenance in ``#`` lines above the names. In other files, a column of times may
give the rate, the unit may follow a name (``II [µV]``) or be in a row below, and names may be missing. Messages give
rows and columns by number, because a cell may hold patient data.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.io.metadata import About
from ecggen.io.normalise import Found, find_lead, is_other, is_unit, provenance_lines, rate_text
from ecggen.io.source import MOST_SAMPLES, Source

_TITLE = re.compile(r"\s*(.*?)\s*(?:[\[(]([^\[\]()]*)[\])])?\s*", re.DOTALL)
_TIME = re.compile(r"(?:.*time(?:stamp)?|t|seconds|ms)(?:_(s|ms|us|ns))?", re.IGNORECASE)
_COUNT = re.compile(r"sample(?:[ _]?(?:no|number|index)\.?)?|index|#|no\.?", re.IGNORECASE)
_OURS = re.compile(r"(?:fs|unit|age|sex|codes|report|personal-\w+|ecggen[-\w]*): ")
_NUMBER = re.compile(r"\s*(?:[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[-+]?\d+)?|nan|[-+]?inf)?\s*", re.IGNORECASE)
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "μs": 1e-6, "ns": 1e-9}

MOST_LINES = 2**22
"""Largest number of lines of a file: nine hours at 130 Hz."""
AT_ONCE = 20_000
"""Number of lines that are parsed at a time."""

SLOWEST = 20.0
"""Rate in Hz below which times without a unit are not taken as seconds."""

Texts = Sequence[str | None]


def looks_like(source: Source) -> bool:
    """Whether a file is text and neither markup nor JSON."""
    return source.is_text and not re.match(r"\s*[<{\[]", source.head)


def read(source: Source) -> Found:
    """Decode a file."""
    return parse(source.text)


def parse(text: str) -> Found:
    """Decode a table.

    Raises:
        InputError: If rows hold other values than numbers, or have different lengths.
    """
    if text.count("\n") > MOST_LINES:
        raise InputError(f"the file has more than {MOST_LINES} lines", "at most that many were expected", "split it")
    lines = text.split("\n")
    notes = tuple(line.lstrip("# ") for line in lines if line.startswith("#"))
    kept = np.array([at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")], np.intp)
    lines, kept = [lines[at] for at in kept], kept + 1
    separator = next((sign for sign in ";\t" if lines and sign in lines[0]), ",")
    top = _rows(lines[:3], separator)
    above = _titles(top[:2])
    if len(lines) == above:
        raise InputError("the file holds no row of numbers", "columns of samples were expected")
    columns = len(top[above])
    titles = [_TITLE.fullmatch(cell.strip(" '")) for cell in top[0]] if above else [None] * columns
    names = [title[1] if title else None for title in titles]
    if not any(name and (find_lead(name) or is_other(name)) for name in names):
        names = [None] * len(names)  # not names of channels: they may be patient data
    units = [title[2] if title else None for title in titles]
    if above == 2:
        units = [cell.strip(" '") for cell in top[1]]
    if not len(names) == len(units) == columns:
        raise InputError(f"there are {len(names)} names for {columns} columns", "one for each was expected")
    return _found(_numbers(lines[above:], kept[above:], names, separator), names, units, notes)


def encode(ecg: ECG, path: Path, about: About) -> dict[Path, bytes]:
    """Encode one record, one column per lead, in mV with 6 significant digits."""
    notes = [f"fs: {rate_text(ecg.fs)} Hz", "unit: mV", *about.lines(), *provenance_lines(ecg)]
    file = io.StringIO()
    file.writelines(f"# {note}\n" for note in notes)
    np.savetxt(file, ecg.signal[0].numpy().T, "%.6g", ",", header=",".join(ecg.leads), comments="")
    return {path: file.getvalue().encode()}


def _rows(lines: list[str], separator: str) -> list[list[str]]:
    """The cells of each line."""
    try:
        rows = list(csv.reader(lines, delimiter=separator))
    except csv.Error:
        rows = []
    if len(rows) != len(lines):  # a quote may hold a line break
        raise InputError("the file cannot be split into cells", "one row of a table per line was expected")
    return rows


def _titles(rows: Sequence[Sequence[str]]) -> int:
    """Number of rows of names, and of units below them, above the numbers."""
    if not rows or all(map(_NUMBER.fullmatch, rows[0])):
        return 0
    below = [cell.strip(" '") for row in rows[1:] for cell in row]
    return 2 if any(map(is_unit, below)) and not any(map(_NUMBER.fullmatch, below)) else 1


def _numbers(lines: list[str], at: np.ndarray, names: Texts, separator: str) -> np.ndarray:
    """Parse lines as (column, time), in blocks, because their text takes ten times as much memory as the numbers.

    Args:
        lines: Rows of numbers.
        at: Number of each line in the file.
        names: Names of the columns.
        separator: Separator of the cells; a comma may be the decimal sign if the separator is another one.
    """
    parts = []
    for first in range(0, len(lines), AT_ONCE):
        part = lines[first : first + AT_ONCE]
        try:
            plain = [line.replace(",", ".") for line in part] if separator != "," else part
            parts.append(np.loadtxt(plain, delimiter=separator, comments=None, ndmin=2).T)
            whole = parts[-1].shape == (len(names), len(part))
        except ValueError:  # empty cells, text, quotes, or rows of different lengths
            whole = False
        if not whole:
            rows = _rows(part, separator)
            parts[first // AT_ONCE :] = [_table(rows, at[first : first + AT_ONCE], names, separator != ",")]
    return np.concatenate(parts, axis=1)


def _table(rows: list[list[str]], at: np.ndarray, names: Texts, comma: bool) -> np.ndarray:
    """Rows as (column, time), NaN for empty cells; only columns that are not leads may hold text."""
    for line, row in zip(at, rows, strict=True):
        if len(row) != len(names):
            raise InputError(f"line {line} has {len(row)} cells", f"the first row has {len(names)}")
    table = np.full((len(names), len(rows)), np.nan)
    for column, cells in enumerate(zip(*rows, strict=True)):
        points = (cell.replace(",", ".") for cell in cells) if comma else cells
        try:
            table[column] = [float(cell or "nan") for cell in points]
        except ValueError:
            if not is_other(names[column] or "lead"):
                wrong = (line for line, cell in zip(at, cells, strict=True) if not _NUMBER.fullmatch(cell))
                line = next(wrong, at[0])
                found = f"line {line}, column {column + 1} is not a number"
                raise InputError(found, "a sample was expected") from None
    return table


def _found(table: np.ndarray, names: Texts, units: Texts, notes: tuple[str, ...]) -> Found:
    """The decoded table without its times, with the metadata of the ``#`` lines."""
    stated = dict(note.split(": ", 1) for note in notes if ": " in note)
    times = [column for column, name in enumerate(names) if name and _TIME.fullmatch(name)]
    counts = [column for column, name in enumerate(names) if name and _COUNT.fullmatch(name)]
    kept = [column for column in range(len(names)) if column not in times]
    rates = [_rate(table[column], _seconds(names[column] or "", units[column] or "")) for column in times]
    fs = _agreed_rate(stated.get("fs", "").removesuffix("Hz").strip(), next(filter(None, rates), None))
    own = [unit if unit and is_unit(unit) else stated.get("unit") for unit in units]
    values, gaps = _placed(table[kept], [table[column] for column in (*times, *counts)])
    about = About.parse(notes)
    others = [note for note in notes if note.strip() and not _OURS.match(note)]
    about = replace(about, personal={**about.personal, **({"statements": "; ".join(others)} if others else {})})
    return Found(values, tuple(names[at] for at in kept), tuple(own[at] for at in kept), fs, notes, about, gaps)


def _agreed_rate(stated: str, measured: float | None) -> float | None:
    """Sampling rate in Hz from a ``#`` line, which a column of times must not contradict."""
    if not stated:
        return measured
    if not _NUMBER.fullmatch(stated):
        found = "the line '# fs' of the file gives no number"
        raise InputError(found, "a line such as '# fs: 500 Hz' was expected")
    if measured and abs(float(stated) / measured - 1) > 0.01:
        found = f"the line '# fs' gives {stated} Hz, and the times give {measured:g} Hz"
        raise InputError(found, "one rate was expected", "correct the file")
    return float(stated)


def _placed(values: np.ndarray, counters: list[np.ndarray]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The samples at the positions given by their times or numbers; missing samples are NaN."""
    places = next((places for counter in counters if (places := _places(counter)) is not None), None)
    if places is None:
        return values, ("the times are irregular: samples were taken as successive",) if counters else ()
    length = int(places[-1]) + 1
    if length == values.shape[-1]:
        return values, ()
    if length * len(values) > MOST_SAMPLES:
        found = "the times have gaps that are too long"
        raise InputError(found, f"at most {MOST_SAMPLES} samples, including gaps, were expected")
    whole = np.full((len(values), length), np.nan)
    whole[:, places] = values
    return whole, (f"{length - len(places)} samples are missing according to the times",)


def _places(times: np.ndarray) -> np.ndarray | None:
    """Sample index of each row from its time; None if the times are not on a regular grid."""
    if len(times) < 2 or not np.isfinite(times).all() or times[-1] <= times[0]:
        return None
    # Rounded times (BIDMC's have five digits) deviate by less than one sample; a gap makes them deviate further.
    even = np.arange(len(times))
    if np.abs(times - times[0] - even * (times[-1] - times[0]) / even[-1]).max() <= (times[-1] - times[0]) / even[-1]:
        return even
    steps = np.diff(times)
    step = steps[steps < 1.5 * np.median(steps)].mean()
    places = np.r_[0, np.rint(steps / step).cumsum()] if step > 0 else np.zeros(1)
    on_grid = len(places) == len(times) and np.abs(times - times[0] - step * places).max() <= step
    return places.astype(np.intp) if on_grid and np.diff(places).min() >= 1 and places[-1] <= MOST_SAMPLES else None


def _seconds(name: str, unit: str) -> float | None:
    """Seconds per unit of a column of times; None if it has no known unit."""
    suffix = _TIME.fullmatch(name)
    stated = unit or (suffix[1] if suffix and suffix[1] else name)
    return _SECONDS.get(stated.strip().casefold())


def _rate(times: np.ndarray, unit: float | None) -> float | None:
    """Sampling rate in Hz from a column of times; None if they are irregular or their unit is unclear."""
    places = _places(times)
    if places is None:
        return None
    step = (times[-1] - times[0]) / places[-1]
    if unit is None and step > 1 / SLOWEST:  # milliseconds or sample numbers
        return None
    rate = float(1 / (step * (unit or 1.0)))
    # Times with three decimals give the rate to 1 in 10,000 over ten seconds.
    return float(round(rate)) if abs(rate - round(rate)) < 2e-4 * rate else rate
