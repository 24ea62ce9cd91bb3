"""Names and units of the columns: none, one or two rows above the numbers, or the last comment above them.

A row of names may also consist of numbers: pandas writes ``0,1`` above columns without names. Names that are neither
leads nor other known signals are dropped, because they may be patient data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.csv.dialect import NUMBER, QUOTES, is_value
from ecggen.io.normalise import find_lead, is_other, is_unit

TIME_NAME = re.compile(
    r"(?:.*time(?:s|stamps?)?|t|ts|secs?|seconds|m?s|milliseconds|(?:unix|epoch)(?:[ _]time)?|date|clock|utc)"
    r"(?:_(s|sec|ms|us|ns))?",
    re.IGNORECASE,
)
"""Name of a column of times, with a suffix for its unit."""
COUNT_NAME = re.compile(r"sample(?:[ _]?(?:no|number|index)\.?)?|index|#|no\.?|unnamed: 0", re.IGNORECASE)
"""Name of a column of sample numbers."""

_TITLE = re.compile(r"\s*(.*?)\s*(?:[\[(]([^\[\]()]*)[\])])?\s*", re.DOTALL)
_UNIT_AFTER = re.compile(r"(.+?)[\s_/,:]+([mnuµμ]v)", re.IGNORECASE)
_ECG = re.compile(r"(?:.*[^a-z])?e[ck]g(?:[^a-z].*)?", re.IGNORECASE)
_AROUND = QUOTES + "()[]"  # a row of units may have them in brackets
_DECIMALS = re.compile(r"[-+]?\d*[.,](\d+)")

STEPS = 5.0
"""A row of numbers above a table is a row of names if it differs from the next by this many of the largest steps."""


@dataclass(frozen=True)
class Titles:
    """Rows above the numbers.

    Attributes:
        above: Number of these rows.
        names: Name of each column, or None.
        units: Unit of each column as written, or None.
    """

    above: int
    names: tuple[str | None, ...]
    units: tuple[str | None, ...]


def rows_above(rows: Sequence[Sequence[str]]) -> int:
    """Number of rows of names, and of units below them, above the numbers; ``rows`` are the first of the table."""
    if not rows or (all(map(is_value, rows[0])) and not _numbers_columns(rows)):
        return 0
    below = [bare for cell in (rows[1] if len(rows) > 1 else ()) if (bare := cell.strip(_AROUND))]
    return 2 if any(map(is_unit, below)) and not any(map(is_value, below)) else 1


def titles_of(rows: Sequence[Sequence[str]], columns: int) -> Titles:
    """The names and units in the rows above the numbers.

    Raises:
        InputError: If there are not as many names as columns; a first column may lack a name, as R writes it.
    """
    if not rows:
        return Titles(0, (None,) * columns, (None,) * columns)
    above = [[""] * (len(row) == columns - 1 > 0) + list(row) for row in rows]
    for row in above:
        if len(row) != columns:
            do = "give every column one name"
            raise InputError(f"there are {len(row)} names for {columns} columns", "one for each was expected", do)
    split = [_split(cell.strip(QUOTES)) for cell in above[0]]
    units = [unit for _, unit in split] if len(above) == 1 else [cell.strip(_AROUND) for cell in above[1]]
    return Titles(len(rows), _known([name for name, _ in split]), tuple(unit or None for unit in units))


def from_comment(comment: str, columns: int) -> Titles | None:
    """Names in the comment above the numbers, as ``numpy.savetxt`` writes them; None if it is another comment."""
    for pattern in (r"[,;\t]", r"\s+", r"\s{2,}"):
        cells = re.split(pattern, comment.strip())
        if len(cells) == columns and all(_is_known(_split(cell.strip(QUOTES))[0] or "lead") for cell in cells):
            return titles_of([cells], columns)
    return None


def is_count(name: str | None) -> bool:
    """Whether a column holds sample numbers; pandas and R give the column of row numbers no name."""
    return name is not None and (name == "" or COUNT_NAME.fullmatch(name) is not None)


def _split(cell: str) -> tuple[str, str | None]:
    """Name and unit of a column: ``II [µV]``, ``II (µV)``, ``II_uV``."""
    title = _TITLE.fullmatch(cell)
    name, unit = (title[1], title[2]) if title else (cell, None)
    after = None if unit else _UNIT_AFTER.fullmatch(name)
    return (after[1], after[2]) if after else (name, unit)


def _known(names: list[str]) -> tuple[str | None, ...]:
    """Names of the columns; None for all if none is the name of a channel. A column of row numbers has no name, ""."""
    values = [name for name in names if name and is_value(name) and not name.isdecimal()]
    kept = any(map(_is_known, filter(None, names))) and not values  # a date or a sample: not a row of names
    return tuple(name if kept and not name.isdecimal() else name and None for name in names)


def _is_known(name: str) -> bool:
    return bool(find_lead(name) or is_other(name) or TIME_NAME.fullmatch(name) or _ECG.fullmatch(name))


def _numbers_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row numbers the columns: 0, 1, 2 … or 1, 2, 3 …, after an empty cell above row numbers."""
    cells = [cell.strip(QUOTES) for cell in rows[0]] or [""]
    bare, below = cells[not cells[0] :], rows[1:]
    counts = [[str(number + first) for number in range(len(bare))] for first in (0, 1)]
    if not bare or bare not in counts or not below or len(below[0]) != len(cells):
        return False
    if not cells[0]:
        return bool(below[0][0].strip())
    if [row[0].strip() for row in below[:2]] == [str(int(cells[0]) + at) for at in (1, 2)][: len(below)]:
        return False  # the first column counts the samples
    return len(bare) > 2 or _has_other_decimals(below) or _is_far(bare, below)


def _has_other_decimals(below: Sequence[Sequence[str]]) -> bool:
    """Whether all numbers below have the same number of decimals, which the first row lacks."""
    found = [_DECIMALS.fullmatch(cell.strip(QUOTES)) for row in below for cell in row]
    return len({match and len(match[1]) for match in found}) == 1 and found[0] is not None


def _is_far(first: list[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first row differs from the next by more than the rows below differ from each other."""
    if len(below) < 5 or any(len(row) != len(first) or not all(map(NUMBER.fullmatch, row)) for row in below):
        return False
    numbers = np.array([[float(cell.replace(",", ".") or "nan") for cell in row] for row in below])
    jump = np.abs(numbers[0] - np.array(first, float))
    return bool((jump > STEPS * np.abs(np.diff(numbers, axis=0)).max(0)).all())
