"""Evaluation of a blinded reader study: accuracy with its interval, per reader and pooled.

Intervals are Wilson's (JASA 1927;22:209). If an interval contains 0.5, the accuracy does not differ significantly from
chance. Agreement between readers is Cohen's kappa for two readers and Fleiss' kappa for more, on the ECGs that all of
them answered.
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

ACCEPTED = {"real": "real", "r": "real"} | dict.fromkeys(("synthetic", "s", "fake", "generated"), "synthetic")
"""Accepted answers and their meaning."""
LEVEL = 0.95
_MOST = 4 * 1024**2


@dataclass(frozen=True)
class Answers:
    """Answers of one reader.

    Attributes:
        reader: Name or pseudonym.
        given: Answer by number, without unanswered ECGs.
        confidence: Confidence by number, 1 to 5, if given.
    """

    reader: str
    given: dict[str, str]
    confidence: dict[str, float]


def score(sheets: Sequence[Path], key: Mapping[str, str]) -> dict[str, Any]:
    """Accuracy, sensitivity, specificity and agreement of all readers.

    Args:
        sheets: Completed answer sheets; a sheet may contain several readers.
        key: Correct answer by number, from ``read_key``.

    Raises:
        InputError: If no sheet is valid.
    """
    readers: dict[str, Answers] = {}
    refused: dict[str, str] = {}
    for path in sheets:
        try:
            found = read_sheet(path, key)
            again = [one.reader for one in found if one.reader in readers]
            if again:
                raise InputError(
                    f"{path.name} has reader {again[0]!r} again", "one set of answers per reader was expected"
                )
        except InputError as error:
            refused[path.name] = str(error)
        else:
            readers |= {one.reader: one for one in found}
    if not readers:
        raise InputError(f"no sheet is valid; the first: {next(iter(refused.values()), 'none was given')}")
    every = list(readers.values())
    right, answered = (sum(part) for part in zip(*(_right(one, key) for one in every), strict=True))
    return {
        "format": FORMAT,
        "ecgs": len(key),
        "readers": {one.reader: _of_reader(one, key) for one in every},
        "pooled": _proportion(right, answered) | {"verdict": _verdict(right, answered)},
        "agreement": agreement(every),
        "refused": refused,
    }


def read_key(path: Path) -> dict[str, str]:
    """Correct answer by number.

    Raises:
        InputError: If the file is not a key.
    """
    text = _text(path)
    try:
        about = json.loads(text)
        answers = {str(number): str(one["answer"]) for number, one in about["answers"].items()}
        whole = about["format"] == FORMAT and answers and set(answers.values()) <= set(ANSWERS)
    except (ValueError, KeyError, TypeError, AttributeError):
        whole, answers = False, {}
    if not whole:
        raise InputError(f"{path.name} is not a key", "the key.json of a reader study was expected")
    return answers


def read_sheet(path: Path, key: Mapping[str, str]) -> list[Answers]:
    """The answers in a sheet, by reader. Rows without a name get the only name in the sheet, or the file's name.

    Raises:
        InputError: If it is not an answer sheet, or not of this study.
    """
    rows = _rows(path)
    named = {row["reader"] for row in rows if row["reader"]}
    nameless = named.pop() if len(named) == 1 else path.stem
    readers: dict[str, Answers] = {}
    answered_numbers = set()
    for row in rows:
        reader, number = row["reader"] or nameless, row["number"]
        if number not in key:
            found = f"{path.name} answers ECG {number[:20]!r}"
            raise InputError(found, f"1 to {len(key)} were expected, as in the key")
        if (reader, number) in answered_numbers:
            raise InputError(f"{path.name} answers ECG {number} twice", "one answer was expected")
        answered_numbers.add((reader, number))
        one = readers.setdefault(reader, Answers(reader, {}, {}))
        _take(one, number, row["answer"], row["confidence"], path.name)
    if not any(one.given for one in readers.values()):
        raise InputError(f"{path.name} has no answer", "real or synthetic was expected for each number")
    return list(readers.values())


def _rows(path: Path) -> list[dict[str, str]]:
    """Rows of a sheet by ``COLUMNS``, in any CSV dialect of spreadsheets; empty rows are dropped."""
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
        raise InputError(f"{path.name} is not a table", "the answer sheet of a reader study was expected") from error
    return [row | {"number": row["number"].removesuffix(".0")} for row in rows if row["number"] or row["answer"]]


def _cell(row: Mapping[str, Any], name: str | None) -> str:
    value = row.get(name) if name is not None else None
    return value.strip() if isinstance(value, str) else ""


def _text(path: Path) -> str:
    """A small file's text."""
    try:
        if path.stat().st_size > _MOST:
            raise InputError(f"{path.name} has {path.stat().st_size} bytes", "a small file was expected")
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror})", "a readable file was expected") from error
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        return raw.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")


def _take(one: Answers, number: str, answer: str, confidence: str, file: str) -> None:
    """Add an answer; an empty one is skipped."""
    if not answer:
        return
    accepted = ACCEPTED.get(answer.lower())
    if accepted is None:
        raise InputError(f"{file} answers {answer[:20]!r} for ECG {number}", "real or synthetic was expected")
    one.given[number] = accepted
    if confidence:
        try:
            value = float(confidence.replace(",", "."))
        except ValueError:
            value = np.nan
        if not 1 <= value <= 5:
            raise InputError(f"{file} gives the confidence {confidence[:20]!r} for ECG {number}", "1 to 5 was expected")
        one.confidence[number] = value


def _right(one: Answers, key: Mapping[str, str], of: str = "") -> tuple[int, int]:
    """Numbers of correct answers and of answers of a reader; with ``of``, on the ECGs of one kind."""
    answered = [number for number in one.given if not of or key[number] == of]
    return sum(one.given[number] == key[number] for number in answered), len(answered)


def _of_reader(one: Answers, key: Mapping[str, str]) -> dict[str, Any]:
    right, answered = _right(one, key)
    confidences: dict[bool, list[float]] = {True: [], False: []}
    for at, confidence in one.confidence.items():
        confidences[one.given[at] == key[at]].append(confidence)
    return _proportion(right, answered) | {
        "missing": len(key) - answered,
        "sensitivity": _proportion(*_right(one, key, "synthetic")),
        "specificity": _proportion(*_right(one, key, "real")),
        "mean_confidence_when_right": float(np.mean(confidences[True])) if confidences[True] else None,
        "mean_confidence_when_wrong": float(np.mean(confidences[False])) if confidences[False] else None,
        "verdict": _verdict(right, answered),
    }


def _proportion(right: int, answered: int) -> dict[str, Any]:
    """Accuracy with its 95 % interval."""
    share, interval = (right / answered, list(wilson(right, answered))) if answered else (None, None)
    return {"right": right, "answers": answered, "accuracy": share, "interval": interval}


def wilson(right: int, answered: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion.

    Example:
        >>> low, high = wilson(10, 20)
        >>> round(low, 3), round(high, 3)
        (0.299, 0.701)
    """
    from scipy.stats import binomtest

    found = binomtest(right, answered).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def _verdict(right: int, answered: int) -> str:
    """Verdict from the interval and chance (0.5)."""
    if not answered:
        return "no answers"
    low, high = wilson(right, answered)
    if low <= 0.5 <= high:
        return "not significantly different from chance"
    return "distinguishes real from synthetic" if low > 0.5 else "distinguishes them, with reversed labels"


def agreement(readers: Sequence[Answers]) -> dict[str, Any]:
    """Kappa between readers on the ECGs that all of them answered; None if undefined."""
    shared = sorted(set.intersection(*(set(one.given) for one in readers)))
    name = "" if len(readers) < 2 else "Cohen's kappa" if len(readers) == 2 else "Fleiss' kappa"
    about: dict[str, Any] = {"definition": name, "readers": len(readers), "ecgs": len(shared), "kappa": None}
    if len(readers) < 2 or not shared:
        return about
    answers = np.array([[one.given[number] == "synthetic" for number in shared] for one in readers], float)
    return about | {"kappa": cohen(*answers) if len(readers) == 2 else fleiss(answers)}


def cohen(a: np.ndarray, b: np.ndarray) -> float | None:
    """Cohen's kappa (1960) of two readers' answers (ecg,) of 0 and 1; None if all answers are equal.

    Example:
        >>> cohen(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0]))
        0.5
    """
    by_chance = float(a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()))
    return None if by_chance == 1 else float(((a == b).mean() - by_chance) / (1 - by_chance))


def fleiss(answers: np.ndarray) -> float | None:
    """Fleiss' kappa (1971) of answers (reader, ecg) of 0 and 1; None if all answers are equal.

    Example:
        >>> fleiss(np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]))
        1.0
    """
    count = len(answers)
    ones = answers.sum(0)
    agreed = float((ones * (ones - 1) + (count - ones) * (count - ones - 1)).mean() / (count * (count - 1)))
    by_chance = float(answers.mean() ** 2 + (1 - answers.mean()) ** 2)
    return None if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)
