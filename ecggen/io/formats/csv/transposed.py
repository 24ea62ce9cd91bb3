"""Tables with leads as rows: twelve rows of 5000 columns, with or without a name in the first column."""

from __future__ import annotations

from collections.abc import Sequence

from ecggen.core.errors import InputError
from ecggen.io.formats.csv.dialect import NUMBER, QUOTES, Dialect, is_value
from ecggen.io.formats.csv.values import Lines
from ecggen.io.normalise import find_lead

WIDE = 100
"""Number of columns from which the columns are samples: no recording has as many leads."""
MOST_ROWS = 64
"""Largest number of rows that can be leads."""
NOTE = "the table has leads as rows: it was transposed"


def is_transposed(columns: int, rows: int) -> bool:
    """Whether a table of this size has leads as rows."""
    return columns >= WIDE and rows <= MOST_ROWS


def turned(lines: Lines, dialect: Dialect) -> tuple[Lines, Dialect]:
    """The table with leads as columns.

    Raises:
        InputError: If rows hold other values than a name and numbers, or have different lengths.
    """
    rows = [[cell.strip(QUOTES) for cell in dialect.rows([text])[0]] for text in lines.texts]
    if all(not row[-1] for row in rows):  # a separator at the end of each line
        rows = [row[:-1] for row in rows]
    for number, row in zip(lines.numbers, rows, strict=True):
        if len(row) != len(rows[0]):
            found = f"line {number} has {len(row)} cells"
            raise InputError(found, f"the first row has {len(rows[0])}", "correct or remove this line")
        wrong = next((at for at, cell in enumerate(row[1:], 2) if not is_value(cell)), None)
        if wrong is not None:
            do = "correct this cell, or leave it empty if the sample is missing"
            raise InputError(f"line {number}, column {wrong} is not a number", "a sample was expected", do)
    first, *others = rows
    if others and _counts(first):
        rows = others
    elif others and (not first[0] or not (NUMBER.fullmatch(first[0]) or find_lead(first[0]))):
        rows = [["index" if _counts(first[1:]) else first[0], *first[1:]], *others]
    texts = [";".join(cells) for cells in zip(*rows, strict=True)]
    return Lines(texts, lines.numbers[:1].repeat(len(texts))), Dialect(";", comma=dialect.comma)


def _counts(cells: Sequence[str]) -> bool:
    """Whether cells number the samples: 0, 1, 2 … or 1, 2, 3 …"""
    return any(list(cells) == [str(at) for at in range(first, first + len(cells))] for first in (0, 1))
