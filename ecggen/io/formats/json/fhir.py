"""FHIR Observation: one component per lead, its samples as numbers in a text (SampledData, HL7 FHIR R4 and R5).

A sample is number · ``factor`` + ``origin``; samples are ``period`` milliseconds apart. The entries E, L and U mark
samples that were in error, or below or above the measurable range. They are treated as missing.
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
"""Offset of the lead codes in IEEE 11073-10101: 131329 is lead I."""


def recordings(content: Any) -> list[dict[str, Any]]:
    """Observations with samples in a file: the Observation itself, or those of a Bundle."""
    if not isinstance(content, dict) or content.get("resourceType") not in ("Observation", "Bundle"):
        return []
    entries = content.get("entry") if content["resourceType"] == "Bundle" else [{"resource": content}]
    resources = [entry.get("resource") for entry in _objects(entries)]
    found = [one for one in resources if isinstance(one, dict) and _components(one)]
    if not found:
        raise InputError("the FHIR resource holds no samples", "an Observation with SampledData was expected")
    return found


def found(observation: dict[str, Any]) -> Found:
    """Decode one Observation.

    Raises:
        InputError: If its leads differ in length, or a value is not a number.
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
        notes.append(f"{lost} samples are marked as errors or as outside of the measurable range")
    names, units = tuple(_name(code) for code, _ in kept), tuple(_unit(data) for _, data in kept)
    return Found(np.stack(rows), names, units, fs, about=about(folded(observation)), notes=tuple(notes))


def _components(observation: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """Code and SampledData of each component, or of the Observation itself."""
    parts = [observation, *_objects(observation.get("component"))]
    held = [(part.get("code"), part.get("valueSampledData")) for part in parts]
    return [(code, data) for code, data in held if isinstance(data, dict) and isinstance(data.get("data"), str)]


def _name(code: Any) -> str | None:
    """The text of a code that is the name of a lead, else its first text."""
    concept = code if isinstance(code, dict) else {}
    texts = [coding.get(key) for coding in _objects(concept.get("coding")) for key in ("code", "display")]
    texts = [text for text in [*texts, concept.get("text")] if isinstance(text, str) and text]
    bare = [re.sub(r"^MDC_ECG_ELEC_POTL_", "", text) for text in texts]
    bare = [f"MDC 2:{int(text) - _MDC_LEADS}" if re.fullmatch(r"131[34]\d\d", text) else text for text in bare]
    return next((text for text in bare if find_lead(text)), texts[0] if texts else None)


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none if it is not a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _samples(data: dict[str, Any]) -> np.ndarray:
    """The samples of a component in its unit."""
    if data.get("dimensions", 1) != 1:
        found_here = "a component holds several interleaved signals"
        raise InputError(found_here, "one signal per component was expected", "write one per component")
    origin = data.get("origin")
    zero = origin.get("value", 0) if isinstance(origin, dict) else 0
    factor = data.get("factor", 1)
    if any(type(number) not in (int, float) for number in (zero, factor)):
        raise InputError("the origin or the factor of the samples is not a number", "numbers were expected")
    try:
        numbers = np.array([np.nan if word in _MISSING else float(word) for word in data["data"].split()], np.float64)
        return numbers * float(factor) + float(zero)
    except (ValueError, OverflowError) as error:
        raise InputError("a sample is not a number", "numbers, or E, L and U, were expected") from error


def _rate(data: dict[str, Any]) -> float:
    """Sampling rate of a component in Hz, from its period in milliseconds."""
    period: Any = data.get("period", data.get("interval"))
    if type(period) not in (int, float) or not 1e-6 < period < 1e6 or data.get("intervalUnit", "ms") != "ms":
        raise InputError("the period is not a number of milliseconds", "a positive number was expected")
    hertz = 1000 / period
    # Periods are rounded in files: 1.953 ms is 512 Hz.
    return float(round(hertz)) if abs(hertz - round(hertz)) < 2e-4 * hertz else hertz


def _unit(data: dict[str, Any]) -> str | None:
    """The unit of a component, from its origin."""
    origin = data.get("origin")
    units = [origin.get(key) for key in ("code", "unit")] if isinstance(origin, dict) else []
    return next((unit for unit in units if isinstance(unit, str) and unit), None)
