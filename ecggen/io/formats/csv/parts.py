"""A part of a large table: only the lines of the part are parsed, and the file is never in memory as a whole.

A column of times is searched by bisection, which reads some hundred lines. Without times, lines are counted.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

import numpy as np

from ecggen.core.errors import InputError, argument
from ecggen.io.formats.csv import long_text, times, values
from ecggen.io.formats.csv.layout import Layout, layout_of, lines_of, stated_rate, unit_of_times
from ecggen.io.formats.csv.long_text import LongText, decoded
from ecggen.io.formats.csv.values import Lines
from ecggen.io.source import EXCERPT, MOST_TEXT, Source

_HEAD = 2**18
"""First bytes, from which the layout and the rate are found."""
_LONGEST_CLOCK = 82_800.0
"""Seconds up to which times of day without dates are searched: 23 hours."""


@dataclass(frozen=True)
class Part:
    """The lines of a part.

    Attributes:
        layout: How they are to be read.
        lines: Lines of numbers, numbered from 1.
        place: Place of the first line in the file in bytes.
        notes: Comments above the table.
        begins: Start of the part in seconds.
        lasts: Duration of the whole recording in seconds.
    """

    layout: Layout
    lines: Lines
    place: int
    notes: tuple[str, ...]
    begins: float
    lasts: float


@dataclass(frozen=True)
class _Timed:
    """The column of times by which a part is found: its column, the first time, the step, and seconds per unit."""

    column: int
    origin: float
    step: float
    unit: float


def part_of(source: Source) -> Part:
    """Find the requested part of a table.

    Raises:
        InputError: If no part is requested, it is too large or not in the file, or the sampling rate is unknown.
    """
    with long_text.opened(source) as text:
        table = _Table.of(text)
        source = _requested(source, table)
        return _by_time(source, text, table, table.timed) if table.timed else _by_count(source, text, table)


def numbered(source: Source, part: Part) -> Lines:
    """The lines of a part with their numbers in the file, for messages."""
    with long_text.opened(source) as text:
        blocks = range(0, part.place, long_text.BLOCK)
        above = sum(text.bytes(place, min(long_text.BLOCK, part.place - place)).count(b"\n") for place in blocks)
    return Lines(part.lines.texts, part.lines.numbers + above)


@dataclass(frozen=True)
class _Table:
    """What the first lines of a table show.

    Attributes:
        layout: How the lines are to be read.
        notes: Comments above the table.
        body: Place of the first row of numbers in bytes.
        row_bytes: Mean length of a row in bytes.
        timed: The column of times, if it is regular.
    """

    layout: Layout
    notes: tuple[str, ...]
    body: int
    row_bytes: float
    timed: _Timed | None

    @staticmethod
    def of(text: LongText) -> _Table:
        """Decode the first lines.

        Raises:
            InputError: If they are in UTF-16, too long, or no table.
        """
        head = text.bytes(0, _HEAD)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputError("the file is in UTF-16", "UTF-8 was expected for a large table", "save it as UTF-8")
        starts = [0, *(np.flatnonzero(np.frombuffer(head, np.uint8) == 10) + 1).tolist()]
        if len(starts) == 1:
            found = f"the first line is longer than {_HEAD // 1024} kB"
            raise InputError(found, "one row of samples per line was expected", "save one column per lead")
        lines, notes = lines_of(decoded(head[: starts[-1]]))
        layout = layout_of(lines.texts, notes)
        rows = lines[layout.titles.above :]
        body = starts[int(rows.numbers[0]) - 1]
        size = (starts[-1] - body) / len(rows)
        return _Table(layout, notes, body, size, _timed(layout, rows, (text.size - body) / size))

    def fs(self, source: Source) -> float | None:
        """Sampling rate in Hz that the times, the comments or the user give."""
        return 1 / (self.timed.step * self.timed.unit) if self.timed else stated_rate(self.notes) or source.fs

    def time(self, line: str) -> float:
        """The time in a line of numbers, in its own unit; times of day without a date may lie on the next day."""
        assert self.timed
        values_here, _ = values.parse(Lines([line], np.zeros(1, np.intp)), self.layout.dialect, self.layout.columns)
        time = float(values_here[self.timed.column, 0])
        clock = self.timed.column in self.layout.columns.times and self.layout.columns.day is None
        return time + 86_400.0 if clock and time < self.timed.origin else time


def _timed(layout: Layout, rows: Lines, number: float) -> _Timed | None:
    """The first column of times that the first rows show to be regular; None if there is none."""
    table, _ = values.parse(rows, layout.dialect, layout.columns)
    for column in layout.times:
        found = times.grid(table[column])
        unit = unit_of_times(layout, column, found, table[column][0])[0] if found else None
        dated = column not in layout.columns.times or layout.columns.day is not None
        if found and unit and (dated or number * found.step * unit < _LONGEST_CLOCK):
            return _Timed(column, float(table[column][0]), found.step, unit)
    return None


def _requested(source: Source, table: _Table) -> Source:
    """The request; an excerpt, if no part is requested and one is accepted."""
    if source.start or source.seconds is not None:
        return source
    seconds = _readable(table, source)
    if source.excerpt:
        return replace(source, seconds=seconds)
    part = argument(start=0, seconds=seconds)
    found = f"the file holds {source.size / 1024**2:.0f} MB"
    expected = f"at most {MOST_TEXT // 1024**2} MB of text are read at once"
    raise InputError(found, expected, f"read a part of it: {part}" if part else "split it")


def _readable(table: _Table, source: Source) -> float:
    """Duration in seconds that can be read at once."""
    return max(float(int(min(EXCERPT, 0.8 * MOST_TEXT / table.row_bytes / (table.fs(source) or 500.0)))), 1.0)


def _by_time(source: Source, text: LongText, table: _Table, timed: _Timed) -> Part:
    """The part between two times.

    Raises:
        InputError: If the part is not in the file, or too large.
    """
    last = table.time(text.last_line)
    fs = 1 / (timed.step * timed.unit)
    lasts = (last - timed.origin) * timed.unit + 1 / fs
    if not lasts > 0:
        raise InputError("the last time is before the first", "rising times were expected", "sort or split the table")
    source.part(fs, round(lasts * fs))  # refuses a part outside the recording
    target = timed.origin + source.start / timed.unit
    first = _place(text, table, target)
    following, line = text.line_after(first)
    if line and table.time(line) - target <= 0.5 * timed.step:
        first = following
    end = text.size
    if source.seconds is not None:
        end = text.line_after(_place(text, table, target + source.seconds / timed.unit + 2 * timed.step))[0]
    lines = _lines(source, text, table, first, end, None)
    begins = (table.time(lines.texts[0]) - timed.origin) * timed.unit
    return Part(table.layout, lines, first, table.notes, begins, lasts)


def _place(text: LongText, table: _Table, time: float) -> int:
    """Place of the last line whose time is not after ``time``, or of the first line."""
    low, high = table.body, text.size
    while True:
        middle, line = text.line_after((low + high) // 2)
        if middle >= high:  # few lines are left
            middle, line = text.line_after(low)
            if middle >= high:
                return low
        if table.time(line) <= time:
            low = middle
        else:
            high = middle


def _by_count(source: Source, text: LongText, table: _Table) -> Part:
    """The part between two rows, of a table without times.

    Raises:
        InputError: If the sampling rate is unknown, the part is not in the file, or it is too large.
    """
    fs = table.fs(source)
    if fs is None:
        raise InputError("the file does not state its sampling rate", do=f"give it with {argument('fs')}")
    counts = [0]
    for place in range(table.body, text.size, long_text.BLOCK):
        counts.append(counts[-1] + len(text.ends(place)))
    rows = counts[-1] + (text.bytes(text.size - 1, 1) != b"\n")
    first, last = source.part(fs, rows)
    places = []
    for row in (first, last):
        block = bisect_right(counts, row - 1) - 1
        after = table.body + block * long_text.BLOCK
        places.append(int(after + text.ends(after)[row - 1 - counts[block]]) + 1 if 0 < row <= counts[-1] else 0)
    begin, end = places[0] or table.body, places[1] or text.size
    lines = _lines(source, text, table, begin, end, last - first)
    return Part(table.layout, lines, begin, table.notes, first / fs, rows / fs)


def _lines(source: Source, text: LongText, table: _Table, first: int, end: int, rows: int | None) -> Lines:
    """The lines between two places, numbered from 1.

    Raises:
        InputError: If they are too many, or not as many as ``rows``.
    """
    if end - first > MOST_TEXT:
        part = argument(start=source.start, seconds=_readable(table, source))
        found = f"this part holds {(end - first) / 1024**2:.0f} MB of text"
        expected = f"at most {MOST_TEXT // 1024**2} MB are read at once"
        raise InputError(found, expected, f"read less of it: {part}" if part else "split it")
    lines = lines_of(decoded(text.bytes(first, end - first)))[0]
    if not len(lines) or rows not in (None, len(lines)):
        found = "there are comments or blank lines between the rows of numbers"
        raise InputError(found, "one row of samples per line was expected", "remove them")
    return lines
