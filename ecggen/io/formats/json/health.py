"""A watch's electrocardiograms as phones export them in JSON: Health Auto Export, and others after HealthKit.

Each recording holds its rate and ``voltageMeasurements``: an object a sample with its voltage and unit, or (as
react-native-health writes) a pair of seconds and volts. HealthKit knows one lead of a watch, one like lead I.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.json.content import about, folded, rate, samples
from ecggen.io.normalise import Found

_VOLTAGES = "voltageMeasurements"
_UNITS = {"voltage": None, "microVolts": "uV", "milliVolts": "mV", "volts": "V"}
"""Keys of a sample, and the unit that the key itself says."""


def recordings(content: Any) -> list[dict[str, Any]]:
    """The recordings in a file; empty where it holds none of a watch."""
    for key in ("data", "ecg", "recording"):
        if isinstance(content, dict) and isinstance(content.get(key), (dict, list)):
            content = content[key]
    many = content if isinstance(content, list) else [content]
    return [one for one in many if isinstance(one, dict) and isinstance(one.get(_VOLTAGES), list)]


def found(recording: dict[str, Any]) -> Found:
    """What one recording says.

    Raises:
        InputError: Where its samples differ in form or in unit.
    """
    values, unit = _voltages(recording[_VOLTAGES])
    said = folded(recording)
    lead, announced = said.get("lead"), said.get("numberofvoltagemeasurements")
    notes = [] if isinstance(lead, str) else ["the file names no lead; a watch records one like lead I"]
    if type(announced) is int and announced != len(values):
        notes.append(f"the file announces {str(announced)[:12]} samples and holds {len(values)}")
    fs = rate(said.get("samplingfrequency"))
    name = lead if isinstance(lead, str) else "I"
    return Found(values[None], (name,), (unit,), fs, about=about(said), notes=tuple(notes))


def _voltages(measured: list[Any]) -> tuple[np.ndarray, str | None]:
    """The samples of a recording, and their unit."""
    if measured and all(isinstance(one, list) and len(one) == 2 for one in measured):
        return samples([one[1] for one in measured]), "V"
    if not all(isinstance(one, dict) for one in measured):
        return samples(measured), None
    key = next((key for key in _UNITS if measured and key in measured[0]), None)
    if key is None or not all(key in one for one in measured):
        raise InputError("a sample of the recording has no voltage", "one each was expected", "export it again")
    units = {str(one.get("units", one.get("unit", _UNITS[key])) or "") for one in measured}
    if len(units) > 1:
        raise InputError("the samples of the recording differ in unit", "one was expected", "export it again")
    return samples([one[key] for one in measured]), next(iter(units)) or None
