"""JSON reader: lists of numbers by lead, in one of the following unambiguous shapes.

    {"fs": 500, "unit": "mV", "leads": {"I": [0.1, …], "II": […]}}
    {"fs": 500, "unit": "mV", "leads": ["I", "II"], "signal": [[0.1, …], […]]}
    {"fs": 500, "unit": "mV", "I": [0.1, …], "II": […]}
    [0.1, …]

null is a missing sample; text is not accepted as a number. Exports of devices and FHIR Observations are detected here
and decoded in modules of their own, see ``_KINDS``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.json import fhir, fitbit, health, kardia, movesense, withings
from ecggen.io.formats.json.content import about, bare, folded, loaded, rate, samples
from ecggen.io.normalise import Found, find_lead, is_other, unnamed_channels
from ecggen.io.source import Source, chosen

_KINDS = (health, fhir, withings, fitbit, kardia, movesense)
"""Exports in a shape of their own: a module finds its recordings in a parsed file, and decodes one of them."""
_OPENING = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*(?:[-\d\[{\"\]]|null|NaN))")
_RATES = ("fs", "sfreq", "sampfreq", "samplefrequency", "samplingfrequency", "samplerate", "samplingrate")
_UNITS = ("unit", "units")
_NAMES = ("leads", "leadnames", "signames", "channels", "channelnames")
_SIGNALS = ("signal", "signals", "psignal", "data", "samples", "values", "ecg")
_AROUND = ("metadata", "meta", "header", "info", "attributes")
"""Keys of objects that may hold the other fields."""


def looks_like(source: Source) -> bool:
    """Whether a file is text and starts as an object or a list."""
    return _OPENING.match(source.head) is not None


def read(source: Source) -> Found:
    """Decode the requested recording, or the only one."""
    content = loaded(source)
    for kind in _KINDS:
        if recordings := kind.recordings(content):
            return kind.found(recordings[chosen(_numbered(recordings), source.record)])
    if source.record is not None:
        chosen([], source.record)
    return _found(content, source.channels)


def contents(source: Source) -> list[str]:
    """Numbers of the recordings of a file that holds several; their dates would be identifying."""
    content = loaded(source)
    recordings = next(filter(None, (kind.recordings(content) for kind in _KINDS)), [])
    return _numbered(recordings) if len(recordings) > 1 else []


def _numbered(recordings: Sequence[Any]) -> list[str]:
    return [str(number) for number in range(1, len(recordings) + 1)]


def _found(content: Any, channels: int | None) -> Found:
    """Decode a file of one of the plain shapes."""
    if isinstance(content, list):
        content = {"signal": content}
    if not isinstance(content, dict):
        raise _shapeless()
    fields = folded(content)
    for key in _AROUND:
        if isinstance(fields.get(key), dict):
            fields = folded(fields[key]) | fields
    names, rows = _signals(content, fields, channels)
    if len({len(row) for row in rows}) > 1:
        raise InputError("the leads of the file have different lengths", "one length was expected")
    rates = {rate(fields[key]) for key in _RATES if key in fields}
    if len(rates) > 1:
        raise InputError("the file gives two sampling rates", "one was expected", "delete the other")
    comments = fields.get("comments")
    texts = [line for line in comments if isinstance(line, str)] if isinstance(comments, list) else []
    own = tuple(line for line in texts if line.startswith("ecggen"))  # other comments may hold names
    units = _units(_first(fields, _UNITS), names)
    others = [key for key in _numbers(content) if key not in names and bare(key) not in _SIGNALS]
    notes = (f"{len(others)} other lists, of another length, were left out",) if others else ()
    return Found(np.stack(rows), names, units, next(iter(rates), None), own, about(fields), notes)


def _signals(content: dict, fields: dict, channels: int | None) -> tuple[tuple[str | None, ...], Sequence[np.ndarray]]:
    """Names of the leads, and their samples."""
    leads, signal = _first(fields, _NAMES), _first(fields, _SIGNALS)
    if isinstance(leads, list) and leads and all(isinstance(name, str) for name in leads):
        return tuple(leads), _table(signal, len(leads))
    if isinstance(signal, list) and signal and isinstance(signal[0], list):
        table = _table(signal, channels)
        return (None,) * len(table), table
    named = next((one for one in (leads, signal) if isinstance(one, dict) and one), None) or _lists(content)
    if not named or isinstance(leads, list):
        raise _shapeless()
    return tuple(None if bare(key) in _SIGNALS else key for key in named), [samples(one) for one in named.values()]


def _lists(content: dict) -> dict[str, list]:
    """Lists of numbers in the outer object that are signals or leads, and other lists of the same length."""
    lists = _numbers(content)
    known = [key for key in lists if bare(key) in _SIGNALS or find_lead(key)] or list(filter(is_other, lists))
    return {key: one for key, one in lists.items() if key in known or (known and len(one) == len(lists[known[0]]))}


def _numbers(content: dict) -> dict[str, list]:
    """Lists in the outer object that start with a number."""
    lists = {key: one for key, one in content.items() if isinstance(one, list) and one}
    return {key: one for key, one in lists.items() if isinstance(one[0], (int, float, type(None)))}


def _table(signal: Any, channels: int | None) -> Sequence[np.ndarray]:
    """Rows of samples as (channel, time), in whichever orientation the file holds them."""
    if not isinstance(signal, list) or not signal:
        raise _shapeless()
    if not isinstance(signal[0], list):
        signal = [signal]
    if not all(isinstance(row, list) for row in signal) or len({len(row) for row in signal}) > 1:
        raise InputError("the rows of the signal have different lengths", "one length was expected")
    across, along = len(signal), len(signal[0])
    if channels is None:
        channels = unnamed_channels(across, along)
    if (across == channels) == (along == channels):
        found = f"{channels} leads are named and the signal is {across} lists of {along}"
        raise InputError(found, "exactly one of the two numbers was expected to be the number of leads")
    return [samples(row) for row in (signal if across == channels else map(list, zip(*signal, strict=True)))]


def _units(unit: Any, names: Sequence[str | None]) -> tuple[str | None, ...]:
    """The unit of each lead: one for all, a list, or by name."""
    if unit is None or isinstance(unit, str):
        return (unit,) * len(names)
    units = unit if isinstance(unit, list) else [unit.get(name) for name in names] if isinstance(unit, dict) else []
    if len(units) != len(names) or not all(one is None or isinstance(one, str) for one in units):
        raise InputError("the file does not give one unit per lead", 'an entry such as "unit": "mV" was expected')
    return tuple(units)


def _first(fields: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((fields[key] for key in keys if key in fields), None)


def _shapeless() -> InputError:
    shape = '{"fs": 500, "unit": "mV", "leads": {"I": [0.1, …], "II": […]}}'
    other = '{"fs": 500, "unit": "mV", "leads": ["I", "II"], "signal": [[0.1, …], […]]}'
    return InputError("no signal was found in the JSON", f"{shape} or {other} was expected")
