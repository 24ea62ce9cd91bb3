"""Prompts: what is requested of generated ECGs, read from a CSV file or from options, and how far the ECGs agree.

A ``Prompt`` holds a text, metadata and a number of records. ``parse_prompt`` reads metadata in the text and checks the
values; ``condition_of`` turns prompts into a condition for a generator. ``heart_rate_summary`` compares requested and
measured heart rates.
"""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

from ecggen.conditioning.condition import METADATA, Condition
from ecggen.conditioning.metadata_in_text import metadata_in
from ecggen.core.errors import InputError
from ecggen.core.rhythm import DETECTOR

COLUMNS = ("text", "age", "sex", "heart_rate", "n")
"""Columns of a CSV file of prompts."""

MOST_RECORDS = 1_000_000
"""Maximum number of records of a prompt and of a job."""
MOST_TEXT = 2000
"""Maximum length of a text in characters; longer texts are truncated."""


@dataclass(frozen=True)
class Prompt:
    """The condition that is requested for one or more records.

    Attributes:
        text: Findings in words; None for no text.
        age: Years.
        sex: "M" or "F" (after ``parse_prompt``).
        heart_rate: Beats per minute.
        n: Number of records.
        line: Line in the CSV file of prompts; 0 for the command line.

    Example:
        >>> Prompt("atrial fibrillation", age=74, n=2).describe()
        'text "atrial fibrillation"; age 74'
    """

    text: str | None = None
    age: float | None = None
    sex: str | None = None
    heart_rate: float | None = None
    n: int = 1
    line: int = 0

    @property
    def where(self) -> str:
        """Prefix of messages about this prompt."""
        return f"line {self.line} of the prompts: " if self.line else ""

    def describe(self) -> str:
        """The prompt in one line; "unconditional" if it is empty."""
        parts = [f'text "{shorten(self.text, 200)}"'] if self.text else []
        metadata = {"age": self.age, "sex": self.sex, "heart rate": self.heart_rate}
        parts += [f"{name} {format_cell(value)}" for name, value in metadata.items() if value is not None]
        return "; ".join(parts) or "unconditional"


def read_prompts(path: Path, n: int = 1) -> list[Prompt]:
    """Read the prompts of a CSV file, without checking their values.

    Args:
        path: UTF-8 file with commas, semicolons or tabs. The first line holds names from ``COLUMNS``.
        n: Number of records for prompts without their own number.

    Raises:
        InputError: If the file is missing, empty or invalid; the message names line and column.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError(f"{path} cannot be read ({reason})", "a CSV file of prompts was expected") from error
    first = content.split("\n", 1)[0]
    reader = csv.reader(StringIO(content, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    try:
        header = _header(path, next(reader, []))
        rows = [(reader.line_num, row) for row in reader if any(each.strip() for each in row)]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}", "a line of a CSV file was expected") from error
    if not rows:
        raise InputError(f"{path} holds no prompt", "at least one line below the column names was expected")
    return [_prompt(f"{path}, line {line}", line, header, row, n) for line, row in rows]


def parse_prompt(prompt: Prompt) -> tuple[Prompt, list[str]]:
    """Clean the text of a prompt, read metadata in it, and check all values.

    Control characters and repeated whitespace are removed from the text. Given metadata take precedence over metadata
    in the text.

    Returns:
        The prompt as it conditions the generator, and notes on every change and decision.

    Raises:
        InputError: If the text is blank, or a value or the number of records is out of range.

    Example:
        >>> parse_prompt(Prompt("74-year-old woman, 130 bpm"))[0].describe()
        'text "74-year-old woman, 130 bpm"; age 74; sex F; heart rate 130'
    """
    if not 1 <= prompt.n <= MOST_RECORDS:
        raise InputError(f"{prompt.where}n is {prompt.n}", f"1 to {MOST_RECORDS:,} records were expected")
    text, notes = _clean(prompt.text, prompt.where)
    in_text = metadata_in(text or "")
    notes += in_text.notes
    metadata: dict[str, Any] = {}
    for name in METADATA:
        what = name.replace("_", " ")
        given = _checked(name, getattr(prompt, name), f"{prompt.where}{what}")
        read = _checked(name, getattr(in_text, name), f"{prompt.where}in the text, {what}")
        if None not in (given, read) and given != read:
            notes.append(f"{what} {format_cell(given)} is used; the text, which is unchanged, says {format_cell(read)}")
        metadata[name] = read if given is None else given
    if text is None and not any(value is not None for value in metadata.values()):
        notes.append("no condition was given: generation is unconditional")
    return replace(prompt, text=text, **metadata), [prompt.where + note for note in notes]


def condition_of(prompts: Sequence[Prompt], seconds: float, fs: float) -> Condition:
    """The condition of one record per prompt: text and metadata.

    Args:
        prompts: Prompts from ``parse_prompt``.
        seconds: Duration of a record.
        fs: Sampling rate in Hz.
    """
    metadata = {name: [getattr(prompt, name) for prompt in prompts] for name in METADATA}
    condition = Condition.none(len(prompts), seconds, fs).with_metadata(**metadata)
    return condition.with_text([prompt.text or "" for prompt in prompts], parse=False)


def heart_rate_summary(requested: Sequence[float | None], measured: Sequence[float | None]) -> dict[str, Any]:
    """Compare requested and measured heart rates, one of each per record, in beats per minute.

    Args:
        requested: None for records without a requested heart rate.
        measured: None for records in which fewer than two beats were found.

    Returns:
        ``requested_median``, ``measured_median``, ``median_distance`` (median absolute difference), each rounded to
        0.1 or None; ``without_beats``, the number of records without a measured rate; ``by``, the R-peak detector.

    Example:
        >>> heart_rate_summary([130, 130, None], [120, None, 70])["median_distance"]
        10
    """
    pairs = zip(requested, measured, strict=True)
    rates = {
        "requested_median": [rate for rate in requested if rate is not None],
        "measured_median": [rate for rate in measured if rate is not None],
        "median_distance": [abs(one - other) for one, other in pairs if one is not None and other is not None],
    }
    medians = {name: round(median(each), 1) if each else None for name, each in rates.items()}
    return {**medians, "without_beats": sum(rate is None for rate in measured), "by": DETECTOR}


def shorten(text: str, most: int) -> str:
    """The first ``most`` characters of a text, with an ellipsis if it is longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def format_cell(value: Any) -> str:
    """A value as a table cell: blank for None, numbers without trailing zeros.

    Example:
        >>> format_cell(130.0), format_cell(None)
        ('130', '')
    """
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _header(path: Path, cells: list[str]) -> list[str]:
    """The column names, each from ``COLUMNS`` and at most once."""
    known = f"some of {', '.join(COLUMNS)} were expected"
    header = [name.strip().lower() for name in cells]
    if not any(header):
        raise InputError(f"{path} is empty", known, "name the columns in the first line")
    for at, name in enumerate(header):
        if name not in COLUMNS or name in header[:at]:
            twice = " twice" if name in COLUMNS else ""
            raise InputError(f"{path} has the column {shorten(name, 40)!r}{twice}", known)
    return header


def _prompt(where: str, line: int, header: list[str], row: list[str], n: int) -> Prompt:
    """One line of a file of prompts."""
    if len(row) > len(header):
        found = f"{where} has {len(row)} cells for {len(header)} columns"
        raise InputError(found, "a cell for each column was expected", "quote a text that contains commas")
    values: dict[str, Any] = {"n": n, "line": line}
    for name, content in zip(header, map(str.strip, row), strict=False):
        if content:
            values[name] = content if name in ("text", "sex") else _number(where, name, content)
    return Prompt(**values)


def _number(where: str, name: str, content: str) -> float | int:
    """A cell as a number; ``n`` must be a whole number."""
    try:
        number = float(content)
        if not math.isfinite(number) or (name == "n" and number != int(number)):
            raise ValueError
    except ValueError:
        found = f"{where}, column {name!r} holds {shorten(content, 40)!r}"
        raise InputError(found, f"a {'whole ' if name == 'n' else ''}number was expected") from None
    return int(number) if name == "n" else number


def _clean(text: str | None, where: str) -> tuple[str | None, list[str]]:
    """A text that any file and terminal can show, truncated to ``MOST_TEXT``; and notes on the changes."""
    if text is None:
        return None, []
    # Format characters (joiners, directions) stand inside words; other unprintable ones separate words.
    letters = (letter for letter in text if unicodedata.category(letter) != "Cf")
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in letters).split())
    if not plain:
        raise InputError(f"{where}the text is blank", "words were expected", "omit --text for unconditional generation")
    odd = any(not letter.isprintable() and not letter.isspace() for letter in text)
    notes = ["unprintable characters were removed from the text"] if odd else []
    if len(plain) > MOST_TEXT:
        notes.append(f"the text has {len(plain)} characters; the first {MOST_TEXT} are used")
    if not re.search(r"[a-z0-9]", unicodedata.normalize("NFKD", plain).lower()):
        notes.append("the text holds no Latin letter or digit: the model knows no word of it")
    return plain[:MOST_TEXT].strip(), notes


def _checked(name: str, value: float | str | None, what: str) -> float | str | None:
    """A value of the metadata, normalised.

    Raises:
        InputError: If it is out of range.
    """
    if value is None:
        return None
    if name == "sex":
        letter = str(value).strip()[:1].upper()
        if letter not in ("M", "F"):
            raise InputError(f"{what} is {value!r}", "'M' or 'F' was expected")
        return letter
    low, high = METADATA[name]
    if not low <= float(value) <= high:
        raise InputError(f"{what} is {value:g}", f"{low:g} to {high:g} was expected")
    return float(value)
