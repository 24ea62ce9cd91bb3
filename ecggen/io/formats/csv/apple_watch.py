"""Reader of Apple Watch CSV: lines of key and value, then one sample per line, at 511–513 Hz and in µV.

Keys and values are in the language of the watch and the decimal sign follows its locale, so the format is detected by
structure. The file holds name and date of birth; messages therefore never quote a line.
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
    """Whether a file starts with rows of which one holds a rate, followed by one sample per line."""
    if not source.is_text or not source.head.strip():
        return False
    head, samples = _split(source.head)
    return bool(samples) and _rate(_values(head)) is not None


def read(source: Source) -> Found:
    """Decode a file."""
    return parse(source.text)


def parse(text: str) -> Found:
    """Decode ``text``, which has been detected as this format.

    Raises:
        InputError: If a line among the samples is not a sample; the message gives its number only.
    """
    head, lines = _split(text)
    values = _values(head)
    at, fs = _rate(values) or (len(values), None)
    after = values[at + 1 :]  # identifying metadata comes before the rate
    unit = next(filter(is_unit, after), None)
    lead = next(filter(None, (find_lead(word) for value in after for word in (value, *value.split()))), "I")
    return Found(_samples(lines, len(head))[None], (lead,), (unit,), fs, about=_about(values[:at]))


def _about(values: list[str]) -> About:
    """Metadata before the rate, whose keys are in any language: name, birth, day, and classification."""
    name, birth, day, *texts = [*values, "", "", ""]
    return About(
        personal={"name": name, "birth_date": birth, "recorded": day, "statements": "; ".join(filter(None, texts))}
    )


def _split(text: str) -> tuple[list[str], list[str]]:
    """The lines before the first sample, and the others."""
    lines = [line.strip() for line in text.rstrip().replace("−", "-").split("\n")]
    first = next((at for at, line in enumerate(lines) if _SAMPLE.fullmatch(line)), len(lines))
    return lines[:first], lines[first:]


def _values(head: list[str]) -> list[str]:
    """The values of the rows; a value split at an unquoted decimal comma is joined again."""
    return [",".join(next(csv.reader([line]), [])[1:]).strip() for line in head]


def _rate(values: list[str]) -> tuple[int, float] | None:
    """Row and value of the sampling rate: a number in Hz, else a number with a unit in the range of Apple's rates."""
    numbers = [(at, match) for at, value in enumerate(values) if (match := _RATE.fullmatch(value))]
    rates = [(at, float(match[1].replace(",", ".")), match[2]) for at, match in numbers]
    hertz = [(at, rate) for at, rate, word in rates if _HERTZ.match(word)]
    near = [(at, rate) for at, rate, _ in rates if 500 < rate < 525]
    return next(iter(hertz + near), None)


def _samples(lines: list[str], before: int) -> np.ndarray:
    """The samples, which follow ``before`` lines."""
    with suppress(ValueError):  # quotes, decimal commas, or other text
        values = np.loadtxt(lines, comments=None, ndmin=1)
        if values.shape == (len(lines),):  # blank lines would be skipped
            return values
    for at, line in enumerate(lines, before + 1):
        if not _SAMPLE.fullmatch(line):
            found = f"line {at} is not a sample"
            raise InputError(found, "one number per line was expected", "export the recording again")
    body = "\n".join(lines).replace('"', "")
    if "," in body and "." in body:
        raise InputError("the samples have both decimal points and decimal commas", "one of the two was expected")
    return np.loadtxt(body.replace(",", ".").split("\n"), comments=None, ndmin=1)
