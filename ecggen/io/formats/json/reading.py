"""JSON: lists of numbers under the names of their leads, in the few shapes that leave nothing in doubt.

    {"fs": 500, "unit": "mV", "leads": {"I": [0.1, …], "II": […]}}
    {"fs": 500, "unit": "mV", "leads": ["I", "II"], "signal": [[0.1, …], […]]}
    {"fs": 500, "unit": "mV", "I": [0.1, …], "II": […]}
    [0.1, …]

null is a missing sample; text is no number. What a phone exports of a watch, and FHIR's Observations, are told apart
here and read in ``health_json`` and ``fhir_json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.json import fhir, health
from ecggen.io.formats.json.content import about, bare, folded, loaded, rate, samples
from ecggen.io.normalise import Found, find_lead, is_other
from ecggen.io.source import Source, chosen

_OPENING = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*(?:[-\d\[{\"\]]|null|NaN))")
_RATES = ("fs", "sfreq", "sampfreq", "samplefrequency", "samplingfrequency", "samplerate", "samplingrate")
_UNITS = ("unit", "units")
_NAMES = ("leads", "leadnames", "signames", "channels", "channelnames")
_SIGNALS = ("signal", "signals", "psignal", "data", "samples", "values", "ecg")
_AROUND = ("metadata", "meta", "header", "info", "attributes")
"""Keys of objects in which the others may stand."""


def looks_like(source: Source) -> bool:
    """Whether a file is text and opens as an object or a list."""
    return _OPENING.match(source.head) is not None


def read(source: Source) -> Found:
    """The recording in a file, or the one asked for."""
    content = loaded(source)
    for several, one in ((health.recordings, health.found), (fhir.recordings, fhir.found)):
        if recordings := several(content):
            return one(recordings[chosen(_numbered(recordings), source.record)])
    if source.record is not None:
        chosen([], source.record)
    return _found(content, source.channels)


def contents(source: Source) -> list[str]:
    """Numbers of the recordings, for a file that holds several; their dates are personal."""
    content = loaded(source)
    recordings = health.recordings(content) or fhir.recordings(content)
    return _numbered(recordings) if len(recordings) > 1 else []


def _numbered(recordings: Sequence[Any]) -> list[str]:
    return [str(number) for number in range(1, len(recordings) + 1)]


def _found(content: Any, channels: int | None) -> Found:
    """The recording in a file that is of nobody's own form."""
    if isinstance(content, list):
        content = {"signal": content}
    if not isinstance(content, dict):
        raise _shapeless()
    said = folded(content)
    for key in _AROUND:
        if isinstance(said.get(key), dict):
            said = folded(said[key]) | said
    names, rows = _signals(content, said, channels)
    if len({len(row) for row in rows}) > 1:
        raise InputError("the leads of the file are of different length", "one length was expected")
    rates = {rate(said[key]) for key in _RATES if key in said}
    if len(rates) > 1:
        raise InputError("the file gives two sampling rates", "one was expected", "delete the other")
    comments = said.get("comments")
    said_here = comments if isinstance(comments, list) else []
    lines = [
        line for line in said_here if isinstance(line, str) and line.startswith("ecggen")
    ]  # others may name people
    units = _units(_first(said, _UNITS), names)
    beside = [key for key in _numbers(content) if key not in names and bare(key) not in _SIGNALS]
    notes = (f"{len(beside)} lists beside the leads, of another length, were left out",) if beside else ()
    return Found(np.stack(rows), names, units, next(iter(rates), None), tuple(lines), about(said), notes)


def _signals(content: dict, said: dict, channels: int | None) -> tuple[tuple[str | None, ...], Sequence[np.ndarray]]:
    """The names of the leads and their samples."""
    leads, signal = _first(said, _NAMES), _first(said, _SIGNALS)
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
    """The lists of numbers in the file's own object: the signal, leads, and what is as long as they are."""
    lists = _numbers(content)
    known = [key for key in lists if bare(key) in _SIGNALS or find_lead(key)] or list(filter(is_other, lists))
    return {key: one for key, one in lists.items() if key in known or (known and len(one) == len(lists[known[0]]))}


def _numbers(content: dict) -> dict[str, list]:
    """The lists in the file's own object that begin with a number."""
    lists = {key: one for key, one in content.items() if isinstance(one, list) and one}
    return {key: one for key, one in lists.items() if isinstance(one[0], (int, float, type(None)))}


def _table(signal: Any, channels: int | None) -> Sequence[np.ndarray]:
    """Rows of samples as (channel, time), whichever way the file holds them."""
    if channels is None:
        raise InputError("the file does not name its leads", do="name them in order, as in leads=['I', 'II']")
    if not isinstance(signal, list) or not signal:
        raise _shapeless()
    if not isinstance(signal[0], list):
        signal = [signal]
    if not all(isinstance(row, list) for row in signal) or len({len(row) for row in signal}) > 1:
        raise InputError("the rows of the signal are of different length", "one length was expected")
    across, along = len(signal), len(signal[0])
    if (across == channels) == (along == channels):
        found = f"{channels} leads are named and the signal is {across} lists of {along}"
        raise InputError(found, "one of the two numbers, not both, was expected to be the leads'")
    return [samples(row) for row in (signal if across == channels else map(list, zip(*signal, strict=True)))]


def _units(unit: Any, names: Sequence[str | None]) -> tuple[str | None, ...]:
    """The unit of each lead: one for all, a list, or by name."""
    if unit is None or isinstance(unit, str):
        return (unit,) * len(names)
    said = unit if isinstance(unit, list) else [unit.get(name) for name in names] if isinstance(unit, dict) else []
    if len(said) != len(names) or not all(one is None or isinstance(one, str) for one in said):
        raise InputError("the units in the file are not one for each lead", 'as in "unit": "mV" was expected')
    return tuple(said)


def _first(said: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((said[key] for key in keys if key in said), None)


def _shapeless() -> InputError:
    shape = '{"fs": 500, "unit": "mV", "leads": {"I": [0.1, …], "II": […]}}'
    other = '{"fs": 500, "unit": "mV", "leads": ["I", "II"], "signal": [[0.1, …], […]]}'
    return InputError("the JSON holds no signal that ecggen can find", f"{shape} or {other} was expected")
