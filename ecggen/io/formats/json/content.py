"""What a file of JSON holds, read carefully: bounded in size, nothing said twice, numbers that are numbers.

Of what stands beside the samples only the kinds of ``PERSONAL`` are taken, and only as personal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.metadata import About, sex_of, years
from ecggen.io.source import Source, with_library

MOST_BYTES = 32 * 1024**2
"""Bytes of a file: a list of the shortest texts takes twelve times as much memory."""
MOST_LISTS = 2**20
"""Lists and objects in a file; an empty one takes 24 times as much memory as its text."""

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:hz|hertz)?", re.ASCII | re.IGNORECASE)

_PERSONAL = {
    "name": ("name", "patient", "patientname", "subject", "firstname", "lastname", "surname"),
    "patient_id": ("id", "patientid", "subjectid", "identifier", "mrn", "uuid"),
    "birth_date": ("birthdate", "dob", "dateofbirth", "birthday"),
    "recorded": (
        "date",
        "datetime",
        "start",
        "startdate",
        "end",
        "enddate",
        "recorded",
        "recordeddate",
        "timestamp",
        "effectivedatetime",
        "effectiveperiod",
        "effectiveinstant",
        "issued",
        "acquisitiondate",
    ),
    "device_serial": ("device", "deviceid", "serial", "serialnumber", "source", "sourcename", "mac"),
    "institution": ("institution", "hospital", "department", "location", "site"),
    "people": ("performer", "physician", "doctor", "technician", "operator"),
    "statements": ("classification", "interpretation", "diagnosis", "report", "note", "notes", "comment", "symptoms"),
}
"""Keys that hold what identifies somebody, without case and signs, by kind."""


def loaded(source: Source) -> Any:
    """What the JSON in a file holds.

    Raises:
        InputError: Where it is none, too large, too deep, or says something twice.
    """
    if source.size > MOST_BYTES:
        found = f"the file holds {source.size / 1024**2:.0f} MB"
        raise InputError(found, f"at most {MOST_BYTES // 1024**2} MB of JSON are read", "split it")
    text = source.text
    if text.count("[") + text.count("{") > MOST_LISTS:
        raise InputError("the JSON holds too many lists and objects", f"at most {MOST_LISTS} are read", "split it")
    return with_library("JSON", json.loads, text, object_pairs_hook=_once)


def samples(values: Any) -> np.ndarray:
    """A list of numbers as (time,); null is NaN.

    Raises:
        InputError: Where it is none: text, true, or a number too large to be one.
    """
    if not isinstance(values, list) or not set(map(type, values)) <= {int, float, type(None)}:
        raise InputError("a list of samples holds something else", "numbers, or null for a missing one, were expected")
    try:
        return np.array(values, np.float64)  # in which None is NaN
    except OverflowError as error:
        raise InputError("a sample has hundreds of digits", "a voltage was expected") from error


def rate(value: Any) -> float | None:
    """Hz as a file says it: 500, or "500 Hz"; None where it says nothing.

    Raises:
        InputError: Where it says something else.
    """
    if value is None:
        return None
    if type(value) in (int, float) and 0 < value < 1e9:
        return float(value)
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not 0 < float(match[1]) < 1e9:
        raise InputError("the sampling rate in the file is no number above zero", "as in 500 was expected")
    return float(match[1])


def folded(content: Mapping[str, Any]) -> dict[str, Any]:
    """An object by its keys without case and signs; of keys that are then alike, the first."""
    plain: dict[str, Any] = {}
    for key, value in content.items():
        plain.setdefault(bare(key), value)
    return plain


def bare(key: str) -> str:
    """A key without case and signs."""
    return re.sub(r"[^a-z0-9]", "", key.casefold())


def about(content: Mapping[str, Any]) -> About:
    """What an object, given by its folded keys, says of the patient."""
    personal = {kind: " ".join(texts(content.get(key)) for key in keys) for kind, keys in _PERSONAL.items()}
    age, sex = (texts(content.get(key)) for key in ("age", "sex" if "sex" in content else "gender"))
    return About(years(age) if age else None, sex_of(sex), personal=personal)


def texts(value: Any, depth: int = 4) -> str:
    """All that a value says, in one line, as far as a line reaches."""
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)[:200]
    if not depth or not isinstance(value, (list, dict)):
        return ""
    inside = list(value.values() if isinstance(value, dict) else value)[:10]
    return " ".join(filter(None, (texts(one, depth - 1) for one in inside)))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that stands twice would hide a lead."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise InputError("a key stands twice in an object of the JSON", "each once was expected", "rename one")
    return content
