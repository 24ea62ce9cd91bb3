"""Dialect of a text table: what separates its cells, and its decimal sign.

Cells are separated by semicolons, tabs, commas, or white space (``numpy.savetxt``, ``.asc``). A comma is the decimal
sign if the separator is another one. The rows of numbers decide, because names above them may hold any character.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ecggen.core.errors import InputError

NUMBER = re.compile(r"\s*(?:[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[-+]?\d+)?|nan|[-+]?inf)?\s*", re.IGNORECASE)
"""A number, with a decimal point or comma, or an empty cell."""

MISSING = frozenset({"", "-", "--", "na", "n/a", "#n/a", "nan", "null", "none"})
"""Texts of a missing sample, in lower case; PhysioBank writes ``-``."""

_DATE = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
_CLOCK = r"(?:\d{1,4}:)?\d{1,2}:\d{1,2}(?:[.,:]\d{1,9})?\s*(?:[ap]\.?m\.?)?"
TIME = re.compile(
    rf"\W*(?:(?P<day>{_DATE})(?:[T\s]+(?P<at>{_CLOCK}))?|(?P<clock>{_CLOCK})(?:\s+(?P<date>{_DATE}))?)"
    r"\s*(?:Z|UTC|[-+]\d{2}:?\d{2})?\W*",
    re.IGNORECASE | re.ASCII,
)
"""A date, a time of day or both: ISO 8601, ``hh:mm:ss.mmm``, ``mm:ss.mmm``, ``[17:30:49.000 26/03/2024]``."""

QUOTES = " \t'\""
"""Characters around a cell that do not belong to it."""


@dataclass(frozen=True)
class Dialect:
    """How lines are split into cells.

    Attributes:
        separator: Separator of the cells; None for white space.
        comma: Whether a comma is the decimal sign.
    """

    separator: str | None = ","
    comma: bool = False

    def rows(self, lines: Sequence[str]) -> list[list[str]]:
        """The cells of each line.

        Raises:
            InputError: If a cell extends over several lines.
        """
        if self.separator is None:
            return [line.split() for line in lines]
        try:
            rows = list(csv.reader(lines, delimiter=self.separator, skipinitialspace=True))
        except csv.Error:
            rows = []
        if len(rows) != len(lines):  # a quote may hold a line break
            do = "remove quotes that are not closed"
            raise InputError("the file cannot be split into cells", "one row of a table per line was expected", do)
        return rows

    def title(self, line: str, columns: int) -> list[str]:
        """The cells of a line of names; a name in a table without separators may consist of words and a unit."""
        if self.separator is not None:
            return self.rows([line])[0]
        splits = (re.split(pattern, line.strip()) for pattern in (r"\s+", r"\s+(?![(\[])", r"\s{2,}|\t"))
        return next((cells for cells in splits if len(cells) in (columns, columns - 1)), line.split())

    def plain(self, lines: list[str]) -> list[str]:
        """Lines with decimal points."""
        return [line.replace(",", ".") for line in lines] if self.comma else lines


def dialect_of(lines: Sequence[str]) -> Dialect:
    """The dialect of a table, from its first lines.

    Example:
        >>> dialect_of(["0.1, 0.2"]), dialect_of(["0,1 0,2"])
        (Dialect(separator=',', comma=False), Dialect(separator=None, comma=True))
    """
    line = lines[-1] if lines else ""
    for separator in ";\t":
        if separator in line.strip():
            return Dialect(separator, comma=True)
    if "," in line and all(map(is_value, line.rstrip(", ").split(","))):
        return Dialect(",")
    words = line.split()
    if len(words) > 1 and all(map(is_value, words[len(words) > 2 :])):  # a row may begin with the name of a lead
        return Dialect(None, comma="," in line)
    return Dialect(",")


def is_value(cell: str) -> bool:
    """Whether a cell can be in a row of numbers: a number, a time, or a sign of a missing sample."""
    bare = cell.strip(QUOTES)
    return NUMBER.fullmatch(bare) is not None or bare.lower() in MISSING or TIME.fullmatch(bare) is not None
