"""ECGs of Withings (BPM Core, Move ECG, ScanWatch): the answer of the service "Heart v2 - Get", or a list of answers.

``signal`` is in µV, ``sampling_frequency`` in Hz; ``wearposition`` tells where the device was worn
(developer.withings.com/api-reference, operation heartv2-get).
"""

from __future__ import annotations

from typing import Any

from ecggen.core.errors import InputError
from ecggen.io.formats.json.content import about, folded, objects, rate, samples
from ecggen.io.normalise import Found

UNIT = "uV"
_ARMS = {0: "right wrist", 1: "left wrist", 2: "right arm", 3: "left arm"}
"""Positions at which the ECG is measured between both arms; others are feet, legs and chest."""


def recordings(content: Any) -> list[dict[str, Any]]:
    """The answers in a file that hold a signal; empty if it is no answer of this service.

    Raises:
        InputError: If the file is the list of recordings, which holds numbers of signals only.
    """
    found: list[dict[str, Any]] = []
    for key, one in objects(content):
        if isinstance(one.get("signal"), list) and "sampling_frequency" in one:
            if "wearposition" in one or key == "body":
                found.append(one)
        elif "signalid" in one and key == "ecg":
            found_here = "the file is Withings' list of recordings, without their signals"
            do = "request each signal with the service 'Heart v2 - Get' and its signalid"
            raise InputError(found_here, "a list of samples was expected", do)
    return found


def found(recording: dict[str, Any]) -> Found:
    """Decode one recording.

    Raises:
        InputError: If a sample is not a number.
    """
    values = samples(recording["signal"])
    lead, note = placed(recording.get("wearposition"))
    fs = rate(recording["sampling_frequency"])
    return Found(values[None], (lead,), (UNIT,), fs, about=about(folded(recording)), notes=(note,))


def placed(position: Any) -> tuple[str, str]:
    """Channel recorded at a ``wearposition`` (lead I between both arms, else "ECG"), with a sentence about it.

    Example:
        >>> placed(1)
        ('I', 'the file names no lead; a device on the left wrist that the other hand touches records lead I')
    """
    place = _ARMS.get(position) if type(position) is int else None
    if position is not None and place is None:
        return "ECG", "the file names no lead, and the device was worn at neither wrist nor arm"
    where = f"the {place}" if place else "a wrist"
    return "I", f"the file names no lead; a device on {where} that the other hand touches records lead I"
