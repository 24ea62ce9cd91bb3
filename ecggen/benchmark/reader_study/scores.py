"""What the readers of a blinded pack could tell: accuracy with its interval, per reader and together.

Intervals are Wilson's (JASA 1927;22:209). Where one holds one half, the answers cannot be told from a coin's.
Agreement between readers is Cohen's kappa for two and Fleiss' for more, on the ECGs that all of them answered.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecggen.benchmark.reader_study.pack import ANSWERS, COLUMNS, FORMAT
from ecggen.core.errors import InputError

MEANT = {"real": "real", "r": "real"} | dict.fromkeys(("synthetic", "s", "fake", "generated"), "synthetic")
"""What readers write, and what they mean by it."""
LEVEL = 0.95
_MOST = 4 * 1024**2


@dataclass(frozen=True)
class Answers:
    """One reader's.

    Attributes:
        reader: Name or sign.
        said: By number; a blank answer is missing here.
        confidence: By number, 1 to 5, where it was given.
    """

    reader: str
    said: dict[str, str]
    confidence: dict[str, float]


def score(sheets: Sequence[Path], key: Mapping[str, str]) -> dict[str, Any]:
    """Accuracy, sensitivity, specificity and agreement of all readers.

    Args:
        sheets: Filled-in sheets; one may hold several readers.
        key: The right answer by number, as ``read_key`` gives it.

    Raises:
        InputError: Where no sheet can be used.
    """
    readers: dict[str, Answers] = {}
    refused: dict[str, str] = {}
    for path in sheets:
        try:
            found = read_sheet(path, key)
            again = [one.reader for one in found if one.reader in readers]
            if again:
                raise InputError(f"{path.name} holds reader {again[0]!r} again", "one set of answers each was expected")
        except InputError as error:
            refused[path.name] = str(error)
        else:
            readers |= {one.reader: one for one in found}
    if not readers:
        raise InputError(f"no sheet can be used; the first: {next(iter(refused.values()), 'none was given')}")
    every = list(readers.values())
    right, asked = (sum(part) for part in zip(*(_right(one, key) for one in every), strict=True))
    return {
        "format": FORMAT,
        "ecgs": len(key),
        "readers": {one.reader: _of_reader(one, key) for one in every},
        "pooled": _proportion(right, asked) | {"verdict": _verdict(right, asked)},
        "agreement": agreement(every),
        "refused": refused,
    }


def read_key(path: Path) -> dict[str, str]:
    """The right answer by number.

    Raises:
        InputError: Where the file is no key.
    """
    text = _text(path)
    try:
        about = json.loads(text)
        answers = {str(number): str(one["answer"]) for number, one in about["answers"].items()}
        whole = about["format"] == FORMAT and answers and set(answers.values()) <= set(ANSWERS)
    except (ValueError, KeyError, TypeError, AttributeError):
        whole, answers = False, {}
    if not whole:
        raise InputError(f"{path.name} is no key", "the key.json of a reading pack was expected")
    return answers


def read_sheet(path: Path, key: Mapping[str, str]) -> list[Answers]:
    """The answers in a sheet, one for each reader; who has no name goes by the only name in it, or by the file's.

    Raises:
        InputError: Where it is no sheet, or not of this pack.
    """
    rows = _rows(path)
    named = {row["reader"] for row in rows if row["reader"]}
    nameless = named.pop() if len(named) == 1 else path.stem
    readers: dict[str, Answers] = {}
    seen = set()
    for row in rows:
        reader, number = row["reader"] or nameless, row["number"]
        if number not in key:
            found = f"{path.name} answers ECG {number[:20]!r}"
            raise InputError(found, f"1 to {len(key)} were expected, as in the key")
        if (reader, number) in seen:
            raise InputError(f"{path.name} answers ECG {number} twice", "one answer was expected")
        seen.add((reader, number))
        one = readers.setdefault(reader, Answers(reader, {}, {}))
        _take(one, number, row["answer"], row["confidence"], path.name)
    if not any(one.said for one in readers.values()):
        raise InputError(f"{path.name} holds no answer", "real or synthetic was expected for each number")
    return list(readers.values())


def _rows(path: Path) -> list[dict[str, str]]:
    """Rows of a sheet as cells of ``COLUMNS``, however a spreadsheet has saved it; empty ones are left out."""
    text = _text(path)
    separator = max(",;\t", key=text.split("\n", 1)[0].count)
    table = csv.DictReader(io.StringIO(text), delimiter=separator)
    try:
        head = {(name or "").strip().lower(): name for name in table.fieldnames or ()}
        lacking = [name for name in COLUMNS[:2] if name not in head]
        if lacking:
            raise InputError(f"{path.name} lacks the column {lacking[0]}", f"{', '.join(COLUMNS)} were expected")
        rows = [{name: _cell(row, head.get(name)) for name in COLUMNS} for row in table]
    except csv.Error as error:
        raise InputError(f"{path.name} is no table", "the sheet of a reading pack was expected") from error
    return [row | {"number": row["number"].removesuffix(".0")} for row in rows if row["number"] or row["answer"]]


def _cell(row: Mapping[str, Any], name: str | None) -> str:
    value = row.get(name) if name is not None else None
    return value.strip() if isinstance(value, str) else ""


def _text(path: Path) -> str:
    """A small file's text."""
    try:
        if path.stat().st_size > _MOST:
            raise InputError(f"{path.name} holds {path.stat().st_size} bytes", "a small file was expected")
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror})", "a readable file was expected") from error
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        return raw.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")


def _take(one: Answers, number: str, answer: str, confidence: str, file: str) -> None:
    """Put an answer down; a blank one is left out."""
    if not answer:
        return
    meant = MEANT.get(answer.lower())
    if meant is None:
        raise InputError(f"{file} answers {answer[:20]!r} for ECG {number}", "real or synthetic was expected")
    one.said[number] = meant
    if confidence:
        try:
            sure = float(confidence.replace(",", "."))
        except ValueError:
            sure = np.nan
        if not 1 <= sure <= 5:
            raise InputError(f"{file} gives the confidence {confidence[:20]!r} for ECG {number}", "1 to 5 was expected")
        one.confidence[number] = sure


def _right(one: Answers, key: Mapping[str, str], of: str = "") -> tuple[int, int]:
    """Right answers and answers of a reader, on the ECGs that are ``of`` one kind."""
    asked = [number for number in one.said if not of or key[number] == of]
    return sum(one.said[number] == key[number] for number in asked), len(asked)


def _of_reader(one: Answers, key: Mapping[str, str]) -> dict[str, Any]:
    right, asked = _right(one, key)
    sure: dict[bool, list[float]] = {True: [], False: []}
    for at, confidence in one.confidence.items():
        sure[one.said[at] == key[at]].append(confidence)
    return _proportion(right, asked) | {
        "missing": len(key) - asked,
        "sensitivity": _proportion(*_right(one, key, "synthetic")),
        "specificity": _proportion(*_right(one, key, "real")),
        "mean_confidence_when_right": float(np.mean(sure[True])) if sure[True] else None,
        "mean_confidence_when_wrong": float(np.mean(sure[False])) if sure[False] else None,
        "verdict": _verdict(right, asked),
    }


def _proportion(right: int, asked: int) -> dict[str, Any]:
    """A share with its 95 % interval."""
    share, interval = (right / asked, list(wilson(right, asked))) if asked else (None, None)
    return {"right": right, "answers": asked, "accuracy": share, "interval": interval}


def wilson(right: int, asked: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    from scipy.stats import binomtest

    found = binomtest(right, asked).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def _verdict(right: int, asked: int) -> str:
    """What the interval says of chance."""
    if not asked:
        return "nothing was answered"
    low, high = wilson(right, asked)
    if low <= 0.5 <= high:
        return "cannot be told from chance"
    return "tells them apart" if low > 0.5 else "tells them apart, but takes one for the other"


def agreement(readers: Sequence[Answers]) -> dict[str, Any]:
    """Kappa between readers on the ECGs that all of them answered; None where it is not defined."""
    shared = sorted(set.intersection(*(set(one.said) for one in readers)))
    name = "" if len(readers) < 2 else "Cohen's kappa" if len(readers) == 2 else "Fleiss' kappa"
    about: dict[str, Any] = {"definition": name, "readers": len(readers), "ecgs": len(shared), "kappa": None}
    if len(readers) < 2 or not shared:
        return about
    said = np.array([[one.said[number] == "synthetic" for number in shared] for one in readers], float)
    return about | {"kappa": cohen(*said) if len(readers) == 2 else fleiss(said)}


def cohen(a: np.ndarray, b: np.ndarray) -> float | None:
    """Cohen's kappa (1960) of two readers' answers (ecg,) of 0 and 1; None where both always say the same one."""
    by_chance = float(a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()))
    return None if by_chance == 1 else float(((a == b).mean() - by_chance) / (1 - by_chance))


def fleiss(said: np.ndarray) -> float | None:
    """Fleiss' kappa (1971) of answers (reader, ecg) of 0 and 1; None where all always say the same one."""
    count = len(said)
    ones = said.sum(0)
    agreed = float((ones * (ones - 1) + (count - ones) * (count - ones - 1)).mean() / (count * (count - 1)))
    by_chance = float(said.mean() ** 2 + (1 - said.mean()) ** 2)
    return None if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)
