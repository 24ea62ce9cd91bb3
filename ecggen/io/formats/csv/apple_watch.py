"""Apple Watch's CSV: a key and a value a line, then one sample a line, at 511–513 Hz and in µV.

Keys and words are in the watch's language and the decimal sign follows its locale, so the file is known by its
structure. Name and date of birth stand in it: they are never taken from it, and no message quotes a line.
"""

from __future__ import annotations

import csv
import re
from contextlib import suppress

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.metadata import About
from ecggen.io.normalise import Found, find_lead, is_unit
from ecggen.io.source import Source

_SAMPLE = re.compile(r'"?[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?"?', re.ASCII)
_RATE = re.compile(r"(\d{2,4}(?:[.,]\d+)?)\s*([^\d\s.,;]+)", re.ASCII)
_HERTZ = re.compile(r"h(er)?t?z|герц|赫|ヘルツ|헤르츠|χερτζ|herc|هرتز|हर्ट्ज|เฮิรตซ์", re.IGNORECASE)


def looks_like(source: Source) -> bool:
    """Whether a file opens with rows of which one holds a rate, and comes to one sample a line."""
    if not source.is_text or not source.head.strip():
        return False
    head, samples = _split(source.head)
    return bool(samples) and _rate(_values(head)) is not None


def read(source: Source) -> Found:
    """The recording in a file that looks like one."""
    return parse(source.text)


def parse(text: str) -> Found:
    """The recording in ``text``, which looks like one.

    Raises:
        InputError: Where a line among the samples is none; the line is given by its number only.
    """
    head, lines = _split(text)
    values = _values(head)
    at, fs = _rate(values) or (len(values), None)
    after = values[at + 1 :]  # the person stands before the rate
    unit = next(filter(is_unit, after), None)
    lead = next(filter(None, (find_lead(word) for value in after for word in (value, *value.split()))), "I")
    return Found(_samples(lines, len(head))[None], (lead,), (unit,), fs, about=_about(values[:at]))


def _about(person: list[str]) -> About:
    """What stands above the rate, whose keys are in any language: name, birth, day, and words on the heart."""
    name, birth, day, *words = [*person, "", "", ""]
    return About(
        personal={"name": name, "birth_date": birth, "recorded": day, "statements": "; ".join(filter(None, words))}
    )


def _split(text: str) -> tuple[list[str], list[str]]:
    """The lines before the first sample, and the others."""
    lines = [line.strip() for line in text.rstrip().replace("−", "-").split("\n")]
    first = next((at for at, line in enumerate(lines) if _SAMPLE.fullmatch(line)), len(lines))
    return lines[:first], lines[first:]


def _values(head: list[str]) -> list[str]:
    """The values of the rows; an unquoted decimal comma, which splits one, is put back."""
    return [",".join(next(csv.reader([line]), [])[1:]).strip() for line in head]


def _rate(values: list[str]) -> tuple[int, float] | None:
    """Where the sampling rate stands, and Hz: a number in hertz, else a number and a word at Apple's rates."""
    numbers = [(at, match) for at, value in enumerate(values) if (match := _RATE.fullmatch(value))]
    rates = [(at, float(match[1].replace(",", ".")), match[2]) for at, match in numbers]
    hertz = [(at, rate) for at, rate, word in rates if _HERTZ.match(word)]
    near = [(at, rate) for at, rate, _ in rates if 500 < rate < 525]
    return next(iter(hertz + near), None)


def _samples(lines: list[str], before: int) -> np.ndarray:
    """The samples; ``before`` lines stand above them."""
    with suppress(ValueError):  # quotes, decimal commas, or what is no number
        values = np.loadtxt(lines, comments=None, ndmin=1)
        if values.shape == (len(lines),):  # blank lines would be passed over
            return values
    for at, line in enumerate(lines, before + 1):
        if not _SAMPLE.fullmatch(line):
            raise InputError(f"line {at} is no sample", "one number a line was expected", "export the recording again")
    body = "\n".join(lines).replace('"', "")
    if "," in body and "." in body:
        raise InputError("the samples have decimal points and decimal commas", "one of the two was expected")
    return np.loadtxt(body.replace(",", ".").split("\n"), comments=None, ndmin=1)
