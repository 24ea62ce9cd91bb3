"""CSV reader and writer: one column per lead, with or without names, units and times.

Files of ecggen hold rate, unit and provenance in ``#`` lines above the names. In other files, a column of times may
give the rate, the unit may follow a name (``II [µV]``) or be in a row below, and names may be missing. Leads may be
rows. Messages give rows and columns by number, because a cell may hold patient data.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.io.formats.csv import parts, times, titles, transposed, values
from ecggen.io.formats.csv.dialect import dialect_of, is_value
from ecggen.io.formats.csv.layout import FIRST, Layout, layout_of, lines_of, stated_rate, unit_of_times
from ecggen.io.formats.csv.values import Lines
from ecggen.io.metadata import About
from ecggen.io.normalise import Found, is_unit, provenance_lines, rate_text
from ecggen.io.source import MOST_SAMPLES, MOST_TEXT, Source

_OURS = re.compile(r"(?:fs|unit|age|sex|codes|report|personal-\w+|ecggen[-\w]*): ")
_WORDS = {1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}

MOST_LINES = 2**22
"""Largest number of lines that are read at once: nine hours at 130 Hz."""


LEAST = 64
"""Least number of cells in the first bytes of a table of numbers."""


def looks_like(source: Source) -> bool:
    """Whether a file is text and neither markup nor JSON."""
    return source.is_text and not re.match(r"\s*[<{\[]", source.head)


def is_numbers(source: Source) -> bool:
    """Whether the first bytes of a file are a table of numbers, and not any other text."""
    lines, notes = lines_of(source.head)
    try:
        layout = layout_of(lines.texts[: max(len(lines) - 1, 1)], notes)
        rows = layout.dialect.rows(lines.texts[layout.titles.above :])
    except InputError:
        return False
    cells = [cell for row in rows for cell in row]
    return len(cells) >= LEAST and all(map(is_value, cells[:-1]))


def read(source: Source) -> Found:
    """Decode a file, or the requested part of a large one."""
    if source.size <= MOST_TEXT:
        return parse(source.text)
    part = parts.part_of(source)
    try:
        found = decode(part.layout, part.lines, part.notes)
    except InputError:
        found = None
    if found is None or found.unusable:  # once more, with the numbers of the lines in the file, for the message
        found = decode(part.layout, parts.numbered(source, part), part.notes)
    return replace(found, begins=part.begins, lasts=part.lasts)


def parse(text: str) -> Found:
    """Decode a table.

    Raises:
        InputError: If rows hold other values than numbers, or have different lengths.
    """
    if text.count("\n") > MOST_LINES:
        raise InputError(f"the file has more than {MOST_LINES} lines", "at most that many were expected", "split it")
    lines, notes = lines_of(text)
    dialect = dialect_of(lines.texts[:FIRST])
    if len(lines) and transposed.is_transposed(len(dialect.rows(lines.texts[-1:])[-1]), len(lines)):
        lines, dialect = transposed.turned(lines, dialect)
        layout = layout_of(lines.texts, notes, dialect)
        found = decode(layout, lines[layout.titles.above :], notes)
        return replace(found, notes=(transposed.NOTE, *found.notes))
    layout = layout_of(lines.texts, notes, dialect)
    return decode(layout, lines[layout.titles.above :], notes)


def decode(layout: Layout, lines: Lines, notes: tuple[str, ...]) -> Found:
    """Decode rows of numbers, with the metadata of the ``#`` lines.

    Raises:
        InputError: If a row does not fit ``layout``, or the times contradict the stated rate.
    """
    table, wrong = values.parse(lines, layout.dialect, layout.columns)
    names, units = layout.titles.names, layout.titles.units
    stated = dict(note.split(": ", 1) for note in notes if ": " in note)
    measured, remarks = _measured(layout, table)
    fs = _agreed_rate(stated_rate(notes), measured)
    kept = [column for column in range(len(names)) if column not in layout.times]
    if not kept:
        raise InputError("the table holds times only", "a column of samples was expected", "export the samples")
    counts = [column for column in kept if titles.is_count(names[column])]
    own = [unit if unit and is_unit(unit) else stated.get("unit") for unit in units]
    samples, gaps = _placed(table[kept], [table[column] for column in (*layout.times, *counts)])
    about = About.parse(notes)
    others = [note for note in notes if note.strip() and not _OURS.match(note)]
    about = replace(about, personal={**about.personal, **({"statements": "; ".join(others)} if others else {})})
    channels, own = tuple(names[at] for at in kept), tuple(own[at] for at in kept)
    numbers = tuple(at + 1 for at in kept)
    unusable = {row: wrong[at] for row, at in enumerate(kept) if at in wrong}
    return Found(samples, channels, own, fs, notes, about, (*remarks, *gaps), unusable=unusable, numbers=numbers)


def encode(ecg: ECG, path: Path, about: About) -> dict[Path, bytes]:
    """Encode one record, one column per lead, in mV with 6 significant digits; cells of missing samples are empty."""
    return {path: b"".join(pieces(ecg, [ecg], about))}


def pieces(ecg: ECG, blocks: Iterable[ECG], about: About) -> Iterator[bytes]:
    """The bytes of a file in pieces: the heading for leads, rate and provenance of ``ecg``, then the rows of blocks."""
    notes = [f"fs: {rate_text(ecg.fs)} Hz", "unit: mV", *about.lines(), *provenance_lines(ecg)]
    yield ("".join(f"# {note}\n" for note in notes) + ",".join(ecg.leads) + "\n").encode()
    for block in blocks:
        rows = io.StringIO()
        np.savetxt(rows, block.signal[0].numpy().T, "%.6g", ",")
        # With one lead, "nan" stays: a blank line would not be a row.
        yield (rows.getvalue() if len(ecg.leads) == 1 else rows.getvalue().replace("nan", "")).encode()


def _measured(layout: Layout, table: np.ndarray) -> tuple[float | None, tuple[str, ...]]:
    """Sampling rate in Hz from the first column of times that gives one, and a note if their unit was inferred."""
    for column in layout.times:
        found = times.grid(table[column])
        unit, inferred = unit_of_times(layout, column, found, table[column][0]) if found else (None, False)
        if found and unit:
            word = _WORDS.get(unit) if inferred else None
            return times.rate(found, unit), (f"the times were taken as {word}",) if word else ()
    return None, ()


def _agreed_rate(stated: float | None, measured: float | None) -> float | None:
    """Sampling rate in Hz from a ``#`` line, which a column of times must not contradict."""
    if stated is not None and measured and abs(stated / measured - 1) > 0.01:
        found = f"the line '# fs' gives {stated:g} Hz, and the times give {measured:g} Hz"
        raise InputError(found, "one rate was expected", "correct the file")
    return measured if stated is None else stated


def _placed(values: np.ndarray, counters: list[np.ndarray]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The samples at the positions given by their times or numbers; missing samples are NaN."""
    found = next((found for counter in counters if (found := times.grid(counter))), None)
    if found is None:
        return values, ("the times are irregular: samples were taken as successive",) if counters else ()
    length = int(found.places[-1]) + 1
    if length == values.shape[-1]:
        return values, ()
    if length * len(values) > MOST_SAMPLES:
        do = "read a part without them"
        raise InputError("the times have gaps that are too long", f"at most {MOST_SAMPLES} samples were expected", do)
    whole = np.full((len(values), length), np.nan)
    whole[:, found.places] = values
    return whole, (f"{length - len(found.places)} samples are missing according to the times",)
