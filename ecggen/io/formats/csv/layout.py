"""Layout of a table: dialect, names, units, and which columns are times."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.csv import times, titles
from ecggen.io.formats.csv.dialect import NUMBER, QUOTES, TIME, Dialect, dialect_of
from ecggen.io.formats.csv.titles import Titles
from ecggen.io.formats.csv.values import Columns, Lines
from ecggen.io.normalise import find_lead, is_other

FIRST = 64
"""Number of first lines from which the layout of a table is found."""

_RATE = re.compile(r"fs: *([^ ]*) *(?:Hz)?", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """How a table is to be read.

    Attributes:
        dialect: Separator and decimal sign.
        titles: Names and units, and the number of rows that hold them.
        columns: What the columns hold.
        times: Columns of times, which are no channels.
    """

    dialect: Dialect
    titles: Titles
    columns: Columns
    times: tuple[int, ...]


def lines_of(text: str, first: int = 1) -> tuple[Lines, tuple[str, ...]]:
    """The lines of a text that hold cells, numbered from ``first``, and the comments without their sign."""
    lines = text.split("\n")
    notes = tuple(line.lstrip("# ") for line in lines if line.startswith("#"))
    kept = np.array([at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")], np.intp)
    return Lines([lines[at] for at in kept], kept + first), notes


def layout_of(lines: list[str], notes: tuple[str, ...], dialect: Dialect | None = None) -> Layout:
    """The layout of a table, from its first lines and the comments above them.

    Raises:
        InputError: If there is no row of numbers, or there are not as many names as columns.
    """
    dialect = dialect or dialect_of(lines[:FIRST])
    rows = dialect.rows(lines[:FIRST])
    above = titles.rows_above(rows)
    if len(rows) == above:
        raise InputError("the file holds no row of numbers", "columns of samples were expected", "check its content")
    columns = len(rows[above])
    cells = [dialect.title(line, columns) for line in lines[:above]]
    if above and len(cells[0]) == 1 and columns == 2 and dialect.separator == ",":  # one column with decimal commas
        return layout_of(lines, notes, Dialect(";", comma=True))
    named = titles.from_comment(notes[-1], columns) if notes and not above else None
    named = named or titles.titles_of(cells, columns)
    body = [row for row in rows[above:] if len(row) == columns]
    kinds = [_kind(name, [row[at] for row in body], dialect) for at, name in enumerate(named.names)]
    names = tuple("" if kind == "empty" else name for name, kind in zip(named.names, kinds, strict=True))
    clocks = tuple(at for at, kind in enumerate(kinds) if kind == "clock")
    others = frozenset(at for at, name in enumerate(names) if is_other("lead" if name is None else name) or kinds[at])
    day = next((times.day_of(row[at]) for row in body[:1] for at in clocks), None)
    held = Columns(columns, clocks, day, others, any(names))
    time = tuple(at for at, kind in enumerate(kinds) if kind in ("clock", "time"))
    return Layout(dialect, replace(named, names=names, above=above), held, time)


def stated_rate(notes: tuple[str, ...]) -> float | None:
    """Sampling rate in Hz in the ``#`` lines.

    Raises:
        InputError: If the line gives no number.
    """
    text = next((match[1] for note in notes if (match := _RATE.fullmatch(note.strip()))), "")
    if text and not NUMBER.fullmatch(text):
        expected = "a line such as '# fs: 500 Hz' was expected"
        raise InputError("the line '# fs' of the file gives no number", expected, "correct this line")
    return float(text.replace(",", ".")) if text else None


def unit_of_times(layout: Layout, column: int, found: times.Grid, origin: float) -> tuple[float | None, bool]:
    """Seconds per unit of a column of times, None if it is unclear; and whether it was inferred from the numbers."""
    if column in layout.columns.times:
        return 1.0, False
    name, unit = layout.titles.names[column] or "", layout.titles.units[column] or ""
    match = titles.TIME_NAME.fullmatch(name)
    stated = times.stated_unit(name, unit, match and match[1])
    return (stated, False) if stated else (times.inferred_unit(origin, found.step), True)


def _kind(name: str | None, cells: list[str], dialect: Dialect) -> str:
    """What a column holds beside samples: "clock" (times as text), "time" (as numbers), "empty", or "" for none."""
    bare = [cell.strip(QUOTES) for cell in cells]
    if not any(bare):
        return "empty" if name is None else ""
    if all(TIME.fullmatch(cell) and not NUMBER.fullmatch(cell) for cell in bare if cell):
        return "clock"
    if name and find_lead(name):
        return ""
    if name and titles.TIME_NAME.fullmatch(name):
        return "time"
    if all(map(NUMBER.fullmatch, bare)) and not (name and is_other(name)):
        points = [cell.replace(",", ".") if dialect.comma else cell for cell in bare]
        numbers = [float(cell.strip() or "nan") for cell in points]
        return "time" if times.is_since_1970(np.array(numbers)) else ""
    return ""
