"""Rows of numbers, parsed in blocks: the text of a block takes ten times as much memory as its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.csv.dialect import MISSING, NUMBER, QUOTES, Dialect
from ecggen.io.formats.csv.times import seconds_of

AT_ONCE = 20_000
"""Number of lines that are parsed at a time."""


@dataclass(frozen=True)
class Lines:
    """Lines of a file that hold rows of a table.

    Attributes:
        texts: The lines.
        numbers: Number of each line in the file.
    """

    texts: list[str]
    numbers: np.ndarray

    def __getitem__(self, part: slice) -> Lines:
        return Lines(self.texts[part], self.numbers[part])

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Columns:
    """What the columns of a table hold.

    Attributes:
        count: Number of columns.
        times: Columns of times of day or dates, which are text.
        day: Day from which times with a date are counted (``times.day_of``).
        others: Columns that may hold text, because they are no leads.
        named: Whether the columns have names, so that the user can choose others than one with text.
    """

    count: int
    times: tuple[int, ...]
    day: int | None
    others: frozenset[int]
    named: bool = False


def parse(lines: Lines, dialect: Dialect, columns: Columns) -> tuple[np.ndarray, dict[int, InputError]]:
    """Parse rows of cells.

    Returns:
        The numbers (column, time), NaN for missing samples and for text; and the columns that hold text instead of
        samples, with the first such cell as an error.

    Raises:
        InputError: If a row has another number of cells, or a cell of columns without names is not a number.
    """
    blocks = [lines[first : first + AT_ONCE] for first in range(0, len(lines), AT_ONCE)]
    texts: dict[int, list[str]] = {column: [] for column in columns.times}
    wrong: dict[int, InputError] = {}
    parts = [_quickly(block, dialect, columns, texts, wrong) for block in blocks]
    table = np.concatenate(parts, axis=1)
    for column, cells in texts.items():
        table[column] = seconds_of(cells, columns.day)
    return table, wrong


def _quickly(
    lines: Lines, dialect: Dialect, columns: Columns, texts: dict[int, list[str]], wrong: dict[int, InputError]
) -> np.ndarray:
    """Parse a block with numpy; cell by cell if it holds empty cells, text, quotes, or rows of different lengths."""
    sign = dialect.separator
    numeric = [column for column in range(columns.count) if column not in columns.times]
    table = np.full((columns.count, len(lines)), np.nan)
    try:
        chosen = numeric if columns.times else None  # numpy checks the number of cells only without a choice
        values = np.loadtxt(dialect.plain(lines.texts), delimiter=sign, comments=None, ndmin=2, usecols=chosen).T
        if values.shape != (len(numeric), len(lines)) or (columns.times and not _are_equal(lines, dialect, columns)):
            return _by_cell(lines, dialect, columns, texts, wrong)
    except ValueError:
        return _by_cell(lines, dialect, columns, texts, wrong)
    table[numeric] = values
    last = max(columns.times, default=-1)
    for line in lines.texts if columns.times else ():
        cells = line.split(sign, last + 1)
        for column in columns.times:
            texts[column].append(cells[column])
    return table


def _are_equal(lines: Lines, dialect: Dialect, columns: Columns) -> bool:
    """Whether all lines have the same number of cells, and no quote that may hold a separator."""
    if dialect.separator is None:
        return all(len(line.split()) == columns.count for line in lines.texts)
    return all(line.count(dialect.separator) == columns.count - 1 and '"' not in line for line in lines.texts)


def _by_cell(
    lines: Lines, dialect: Dialect, columns: Columns, texts: dict[int, list[str]], wrong: dict[int, InputError]
) -> np.ndarray:
    """Parse a block cell by cell."""
    rows = dialect.rows(lines.texts)
    for number, row in zip(lines.numbers, rows, strict=True):
        if len(row) != columns.count:
            found = f"line {number} has {len(row)} cells"
            raise InputError(found, f"the first row has {columns.count}", "correct or remove this line")
    table = np.full((columns.count, len(rows)), np.nan)
    for column, cells in enumerate(zip(*rows, strict=True)):
        if column in columns.times:
            texts[column] += cells
            continue
        bare = [cell.strip(QUOTES) for cell in cells]
        points = [cell.replace(",", ".") for cell in bare] if dialect.comma else bare
        try:
            table[column] = [float("nan" if cell.lower() in MISSING else cell) for cell in points]
        except ValueError:
            if column in columns.others:
                continue
            error = wrong.setdefault(column, _no_number(lines, bare, column))
            if not columns.named:
                raise error from None
    return table


def _no_number(lines: Lines, cells: list[str], column: int) -> InputError:
    """The error for the first cell that is not a number."""
    wrong = (
        number
        for number, cell in zip(lines.numbers, cells, strict=True)
        if cell.lower() not in MISSING and not NUMBER.fullmatch(cell)
    )
    line = next(islice(wrong, 1), lines.numbers[0])
    do = "correct this cell, or leave it empty if the sample is missing"
    return InputError(f"line {line}, column {column + 1} is not a number", "a sample was expected", do)
