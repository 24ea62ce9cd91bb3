"""ECGs of a watch as phones export them to JSON: Health Auto Export, and other programs that use HealthKit.

A recording holds its rate and ``voltageMeasurements``: for each sample an object with voltage and unit, or (from
react-native-health) a pair of seconds and volts. HealthKit defines one lead for a watch, similar to lead I.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.json.content import about, folded, rate, samples
from ecggen.io.normalise import Found

_VOLTAGES = "voltageMeasurements"
_UNITS = {"voltage": None, "microVolts": "uV", "milliVolts": "mV", "volts": "V"}
"""Keys of a sample, with the unit that the key implies."""


def recordings(content: Any) -> list[dict[str, Any]]:
    """The recordings of a watch in a file; empty if it holds none."""
    for key in ("data", "ecg", "recording"):
        if isinstance(content, dict) and isinstance(content.get(key), (dict, list)):
            content = content[key]
    many = content if isinstance(content, list) else [content]
    return [one for one in many if isinstance(one, dict) and isinstance(one.get(_VOLTAGES), list)]


def found(recording: dict[str, Any]) -> Found:
    """Decode one recording.

    Raises:
        InputError: If its samples differ in format or unit.
    """
    values, unit = _voltages(recording[_VOLTAGES])
    fields = folded(recording)
    lead, declared = fields.get("lead"), fields.get("numberofvoltagemeasurements")
    notes = [] if isinstance(lead, str) else ["the file names no lead; a watch records a lead similar to lead I"]
    if type(declared) is int and declared != len(values):
        notes.append(f"the file declares {str(declared)[:12]} samples and holds {len(values)}")
    fs = rate(fields.get("samplingfrequency"))
    name = lead if isinstance(lead, str) else "I"
    return Found(values[None], (name,), (unit,), fs, about=about(fields), notes=tuple(notes))


def _voltages(measured: list[Any]) -> tuple[np.ndarray, str | None]:
    """The samples of a recording, and their unit."""
    if measured and all(isinstance(one, list) and len(one) == 2 for one in measured):
        return samples([one[1] for one in measured]), "V"
    if not all(isinstance(one, dict) for one in measured):
        return samples(measured), None
    key = next((key for key in _UNITS if measured and key in measured[0]), None)
    if key is None or not all(key in one for one in measured):
        found_here = "a sample of the recording has no voltage"
        raise InputError(found_here, "one voltage per sample was expected", "export it again")
    units = {str(one.get("units", one.get("unit", _UNITS[key])) or "") for one in measured}
    if len(units) > 1:
        raise InputError("the samples of the recording differ in unit", "one unit was expected", "export it again")
    return samples([one[key] for one in measured]), next(iter(units)) or None
