"""Parsing of JSON files: limits on size, no repeated keys, strict numbers, and metadata.

Of the other fields in a file, only those of the kinds in ``PERSONAL`` are read, as identifying metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.metadata import About, sex_of, years
from ecggen.io.source import Source, with_library

MOST_BYTES = 32 * 1024**2
"""Largest file in bytes; a list of the shortest texts takes twelve times as much memory."""
MOST_LISTS = 2**20
"""Largest number of lists and objects in a file; an empty one takes 24 times as much memory as its text."""

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:hz|hertz)?", re.ASCII | re.IGNORECASE)

_PERSONAL = {
    "name": ("name", "patient", "patientname", "subject", "firstname", "lastname", "surname"),
    "patient_id": (
        "id",
        "patientid",
        "subjectid",
        "identifier",
        "mrn",
        "uuid",
        "userid",
        "participantid",
        "participantidentifier",
    ),
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
        "starttime",
        "endtime",
        "interval",
        "recordedat",
        "utctime",
    ),
    "device_serial": ("device", "deviceid", "serial", "serialnumber", "source", "sourcename", "mac", "uri"),
    "institution": ("institution", "hospital", "department", "location", "site"),
    "people": ("performer", "physician", "doctor", "technician", "operator"),
    "statements": (
        "classification",
        "resultclassification",
        "algorithmdetermination",
        "afib",
        "interpretation",
        "diagnosis",
        "report",
        "note",
        "notes",
        "comment",
        "symptoms",
    ),
}
"""Keys of identifying metadata in lower case without punctuation, by kind."""


def loaded(source: Source) -> Any:
    """Parse the JSON in a file.

    Raises:
        InputError: If it is not valid JSON, too large, too deep, or repeats a key.
    """
    if source.size > MOST_BYTES:
        found = f"the file holds {source.size / 1024**2:.0f} MB"
        raise InputError(found, f"at most {MOST_BYTES // 1024**2} MB of JSON are read", "split it")
    text = source.text
    if text.count("[") + text.count("{") > MOST_LISTS:
        raise InputError("the JSON holds too many lists and objects", f"at most {MOST_LISTS} are read", "split it")
    return with_library("JSON", json.loads, text, object_pairs_hook=_once)


def objects(value: Any, key: str = "", depth: int = 8) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object in a parsed file, outer ones first, with the key of the object or of the list that holds it."""
    if isinstance(value, dict):
        yield key, value
        for name, inner in value.items() if depth else ():
            if isinstance(inner, (dict, list)):
                yield from objects(inner, name, depth - 1)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for one in value if depth else ():
            yield from objects(one, key, depth - 1)


def samples(values: Any) -> np.ndarray:
    """Convert a list of numbers to an array (time,); null becomes NaN.

    Raises:
        InputError: If an element is not a number or null, or is too large.
    """
    if not isinstance(values, list) or not set(map(type, values)) <= {int, float, type(None)}:
        found = "a list of samples holds other values"
        raise InputError(found, "numbers, or null for a missing sample, were expected")
    try:
        return np.array(values, np.float64)  # converts None to NaN
    except OverflowError as error:
        raise InputError("a sample has hundreds of digits", "a voltage was expected") from error


def rate(value: Any) -> float | None:
    """Parse a sampling rate in Hz: 500, or "500 Hz"; None if ``value`` is None.

    Raises:
        InputError: If it is something else.
    """
    if value is None:
        return None
    if type(value) in (int, float) and 0 < value < 1e9:
        return float(value)
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not 0 < float(match[1]) < 1e9:
        raise InputError("the sampling rate in the file is not a positive number", "a number such as 500 was expected")
    return float(match[1])


def folded(content: Mapping[str, Any]) -> dict[str, Any]:
    """An object with normalised keys (see ``bare``); of keys that become equal, the first is kept."""
    plain: dict[str, Any] = {}
    for key, value in content.items():
        plain.setdefault(bare(key), value)
    return plain


def bare(key: str) -> str:
    """A key in lower case without punctuation."""
    return re.sub(r"[^a-z0-9]", "", key.casefold())


def about(content: Mapping[str, Any]) -> About:
    """Metadata of the patient in an object with normalised keys."""
    personal = {kind: " ".join(texts(content.get(key)) for key in keys) for kind, keys in _PERSONAL.items()}
    age, sex = (texts(content.get(key)) for key in ("age", "sex" if "sex" in content else "gender"))
    return About(years(age) if age else None, sex_of(sex), personal=personal)


def texts(value: Any, depth: int = 4) -> str:
    """All texts and numbers in a value, in one line of limited length."""
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)[:200]
    if not depth or not isinstance(value, (list, dict)):
        return ""
    inside = list(value.values() if isinstance(value, dict) else value)[:10]
    return " ".join(filter(None, (texts(one, depth - 1) for one in inside)))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; a repeated key would hide a lead and is rejected."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise InputError("a key occurs twice in an object of the JSON", "each key once was expected", "rename one")
    return content
