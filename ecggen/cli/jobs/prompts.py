"""What is asked of ``ecggen generate``: prompts of one line each, from options or a CSV file, and what they mean."""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecggen.conditioning.metadata_in_text import metadata_in
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.generators.base import Generator

COLUMNS = ("text", "age", "sex", "heart_rate", "n")
"""Columns of a file of prompts."""

MOST_RECORDS = 1_000_000
MOST_TEXT = 2000
"""Longest text in characters; what follows is cut."""


@dataclass(frozen=True)
class Prompt:
    """What is asked of some records.

    Attributes:
        text: What the ECG is to show; None for no words.
        age: Years.
        sex: "M" or "F" (once understood).
        heart_rate: Beats per minute.
        n: How many records.
        line: Line of the file of prompts; 0 for the command line.
    """

    text: str | None = None
    age: float | None = None
    sex: str | None = None
    heart_rate: float | None = None
    n: int = 1
    line: int = 0

    @property
    def where(self) -> str:
        """How a sentence about this prompt begins."""
        return f"line {self.line} of the prompts: " if self.line else ""

    def in_words(self) -> str:
        """The prompt as the terminal shows it."""
        parts = [f'text "{shortened(self.text, 200)}"'] if self.text else []
        metadata = {"age": self.age, "sex": self.sex, "heart rate": self.heart_rate}
        parts += [f"{name} {cell(value)}" for name, value in metadata.items() if value is not None]
        return "; ".join(parts) or "nothing"


def read_prompts(path: Path, n: int = 1) -> list[Prompt]:
    """The prompts in a CSV file, as they stand there.

    Args:
        path: UTF-8; commas, semicolons or tabs apart; a first line with names out of ``COLUMNS``.
        n: Records of a prompt that does not say.

    Raises:
        InputError: Naming line and column, where the file is missing, empty, or holds what cannot be read.
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
        raise InputError(f"{path} holds no prompt", "a line for each was expected below the names of the columns")
    return [_prompt(f"{path}, line {line}", line, header, row, n) for line, row in rows]


def understand(prompt: Prompt) -> tuple[Prompt, list[str]]:
    """The prompt as the model will be told it, and what the person should know of the difference.

    The text loses control characters and runs of blanks; facts that stand in it are read; given ones win.

    Raises:
        InputError: On a blank text, or a fact or a number of records out of range.
    """
    from ecggen.conditioning.condition import METADATA

    if not 1 <= prompt.n <= MOST_RECORDS:
        raise InputError(f"{prompt.where}n is {prompt.n}", f"1 to {MOST_RECORDS:,} records were expected")
    text, notes = _clean(prompt.text, prompt.where)
    said = metadata_in(text or "")
    notes += said.notes
    metadata: dict[str, Any] = {}
    for name in METADATA:
        what = name.replace("_", " ")
        given = _checked(name, getattr(prompt, name), f"{prompt.where}{what}")
        read = _checked(name, getattr(said, name), f"{prompt.where}in the text, {what}")
        if None not in (given, read) and given != read:
            notes.append(f"{what} {cell(given)} was given and wins; the text, left as it is, says {cell(read)}")
        metadata[name] = read if given is None else given
    if text is None and not any(value is not None for value in metadata.values()):
        notes.append("nothing was asked: hearts of any kind are drawn")
    return replace(prompt, text=text, **metadata), [prompt.where + note for note in notes]


def unread(prompts: Iterable[Prompt], generator: Generator) -> list[str]:
    """Notes on words beyond those that the model's encoder reads."""
    from ecggen.networks.text import words_of

    limits = (getattr(module, "words", None) for module in generator.modules())
    most = next((limit for limit in limits if isinstance(limit, int)), math.inf)
    lengths = ((prompt.where, len(words_of(prompt.text or ""))) for prompt in prompts)
    over = ((where, length - most) for where, length in lengths if length > most)
    return [f"{where}the model reads {most} words; the last {more} of the text are left out" for where, more in over]


def supposed(prompts: Iterable[Prompt], generator: Generator) -> list[str]:
    """A note where somebody has to be drawn before an ECG can be."""
    wordless = any(not (prompt.text or "").strip() for prompt in prompts)
    if generator.patient_prior is None or not wordless:
        return []
    return ["where no words are told, findings, age, sex and heart rate are drawn as they go together in training data"]


def shortened(text: str, most: int) -> str:
    """The beginning of a text."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def cell(value: Any) -> str:
    """A value in a table: blank for None, a number without needless digits."""
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _header(path: Path, cells: list[str]) -> list[str]:
    """The names of the columns, each of ``COLUMNS`` at most once."""
    known = f"some of {', '.join(COLUMNS)} were expected"
    header = [name.strip().lower() for name in cells]
    if not any(header):
        raise InputError(f"{path} is empty", known, "name the columns in its first line")
    for at, name in enumerate(header):
        if name not in COLUMNS or name in header[:at]:
            twice = " twice" if name in COLUMNS else ""
            raise InputError(f"{path} has the column {shortened(name, 40)!r}{twice}", known)
    return header


def _prompt(where: str, line: int, header: list[str], row: list[str], n: int) -> Prompt:
    """One line of a file of prompts."""
    if len(row) > len(header):
        found = f"{where} has {len(row)} cells for {len(header)} columns"
        raise InputError(found, "a cell for each column was expected", "put a text that holds commas in quotes")
    values: dict[str, Any] = {"n": n, "line": line}
    for name, content in zip(header, map(str.strip, row), strict=False):
        if content:
            values[name] = content if name in ("text", "sex") else _number(where, name, content)
    return Prompt(**values)


def _number(where: str, name: str, content: str) -> float | int:
    """A cell as a number; of records, a whole one."""
    try:
        number = float(content)
        if not math.isfinite(number) or (name == "n" and number != int(number)):
            raise ValueError
    except ValueError:
        found = f"{where}, column {name!r} holds {shortened(content, 40)!r}"
        raise InputError(found, f"a {'whole ' if name == 'n' else ''}number was expected") from None
    return int(number) if name == "n" else number


def _clean(text: str | None, where: str) -> tuple[str | None, list[str]]:
    """A text as it may stand in any file or on a terminal, no longer than is read; and what became of it."""
    if text is None:
        return None, []
    letters = (
        letter for letter in text if unicodedata.category(letter) != "Cf"
    )  # joiners, directions: inside of words
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in letters).split())
    if not plain:
        raise InputError(f"{where}the text is blank", "words were expected", "leave --text out to ask for nothing")
    odd = any(not letter.isprintable() and not letter.isspace() for letter in text)
    notes = ["characters that cannot be shown were taken out of the text"] if odd else []
    if len(plain) > MOST_TEXT:
        notes.append(f"the text has {len(plain)} characters; the first {MOST_TEXT} were taken")
    if not re.search(r"[a-z0-9]", unicodedata.normalize("NFKD", plain).lower()):
        notes.append("the text holds no Latin letter or digit: no word of it is known to the model")
    return plain[:MOST_TEXT].strip(), notes


def _checked(name: str, value: float | str | None, what: str) -> float | str | None:
    """A fact as the model is told it."""
    from ecggen.conditioning.condition import METADATA

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
