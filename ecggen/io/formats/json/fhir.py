"""FHIR's Observation: a component a lead, its samples as numbers in one text (SampledData, HL7 FHIR R4 and R5).

A sample is its number times ``factor`` plus ``origin``; they stand ``period`` milliseconds apart. The words E, L and U
stand for samples that were in error, or below or above what could be measured: they are missing here.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.json.content import about, folded
from ecggen.io.normalise import Found, find_lead
from ecggen.io.source import MOST_SAMPLES

_MISSING = ("E", "L", "U")
_MDC_LEADS = 2 << 16 | 0x100
"""Number of IEEE 11073-10101 in front of those of the leads: 131329 is lead I."""


def recordings(content: Any) -> list[dict[str, Any]]:
    """The Observations with samples in a file: itself, or those of a Bundle."""
    if not isinstance(content, dict) or content.get("resourceType") not in ("Observation", "Bundle"):
        return []
    entries = content.get("entry") if content["resourceType"] == "Bundle" else [{"resource": content}]
    resources = [entry.get("resource") for entry in _objects(entries)]
    found = [one for one in resources if isinstance(one, dict) and _components(one)]
    if not found:
        raise InputError("the FHIR resource holds no samples", "an Observation with SampledData was expected")
    return found


def found(observation: dict[str, Any]) -> Found:
    """What one Observation says.

    Raises:
        InputError: Where its leads differ in length, or a number is none.
    """
    components = _components(observation)
    rates = [_rate(data) for _, data in components]
    fs = Counter(rates).most_common(1)[0][0]
    kept = [component for component, own in zip(components, rates, strict=True) if own == fs]
    rows = [_samples(data) for _, data in kept]
    if len({len(row) for row in rows}) > 1 or sum(map(len, rows)) > MOST_SAMPLES:
        raise InputError("the components differ in length, or are too long", "one length for all was expected")
    notes = []
    if len(kept) < len(components):
        notes.append(f"{len(components) - len(kept)} channels at another rate were left out")
    lost = sum(int(np.isnan(row).sum()) for row in rows)
    if lost:
        notes.append(f"{lost} samples are marked as in error, or as beyond what could be measured")
    names, units = tuple(_name(code) for code, _ in kept), tuple(_unit(data) for _, data in kept)
    return Found(np.stack(rows), names, units, fs, about=about(folded(observation)), notes=tuple(notes))


def _components(observation: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """The code and the SampledData of each component, or of the Observation itself."""
    parts = [observation, *_objects(observation.get("component"))]
    held = [(part.get("code"), part.get("valueSampledData")) for part in parts]
    return [(code, data) for code, data in held if isinstance(data, dict) and isinstance(data.get("data"), str)]


def _name(code: Any) -> str | None:
    """The lead that a code means, else the first of its texts."""
    said = code if isinstance(code, dict) else {}
    words = [coding.get(key) for coding in _objects(said.get("coding")) for key in ("code", "display")]
    words = [word for word in [*words, said.get("text")] if isinstance(word, str) and word]
    bare = [re.sub(r"^MDC_ECG_ELEC_POTL_", "", word) for word in words]
    bare = [f"MDC 2:{int(word) - _MDC_LEADS}" if re.fullmatch(r"131[34]\d\d", word) else word for word in bare]
    return next((word for word in bare if find_lead(word)), words[0] if words else None)


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _samples(data: dict[str, Any]) -> np.ndarray:
    """The samples of a component in its unit."""
    if data.get("dimensions", 1) != 1:
        raise InputError("a component holds several signals in turn", "one was expected", "write one a component")
    origin = data.get("origin")
    zero = origin.get("value", 0) if isinstance(origin, dict) else 0
    factor = data.get("factor", 1)
    if any(type(number) not in (int, float) for number in (zero, factor)):
        raise InputError("the origin or the factor of the samples is no number", "numbers were expected")
    try:
        numbers = np.array([np.nan if word in _MISSING else float(word) for word in data["data"].split()], np.float64)
        return numbers * float(factor) + float(zero)
    except (ValueError, OverflowError) as error:
        raise InputError("a sample is no number", "numbers, or E, L and U, were expected") from error


def _rate(data: dict[str, Any]) -> float:
    """Hz of a component, from the milliseconds between its samples."""
    period: Any = data.get("period", data.get("interval"))
    if type(period) not in (int, float) or not 1e-6 < period < 1e6 or data.get("intervalUnit", "ms") != "ms":
        raise InputError("the time between samples is no number of milliseconds", "a period was expected")
    hertz = 1000 / period
    # Periods are rounded in files: 1.953 ms is 512 Hz.
    return float(round(hertz)) if abs(hertz - round(hertz)) < 2e-4 * hertz else hertz


def _unit(data: dict[str, Any]) -> str | None:
    """The unit that the origin of a component says."""
    origin = data.get("origin")
    said = [origin.get(key) for key in ("code", "unit")] if isinstance(origin, dict) else []
    return next((word for word in said if isinstance(word, str) and word), None)
