"""Reader of the PPG (``bvp``, 64 Hz) in Avro files of the Empatica EmbracePlus, of fifteen minutes each.

The file holds one record with the fields of Empatica's manual: ``rawData.bvp`` with ``timestampStart`` in µs since
1970, ``samplingFrequency`` and ``values``, and further the other sensors, the participant and the serial number.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ecggen.core.errors import InputError
from ecggen.io.formats.avro.container import MAGIC, Wanted, first_record
from ecggen.io.metadata import About
from ecggen.io.normalise import Found, listed
from ecggen.io.source import Source

_WANTED: Wanted = {
    "deviceSn": {},
    "enrollment": {"participantID": {}, "siteID": {}, "studyID": {}, "organizationID": {}},
    "rawData": {"bvp": {"timestampStart": {}, "samplingFrequency": {}, "values": {}}},
}
_STAMPS = (1e14, 1e16)  # µs: 1973 to 2286


def looks_like(source: Source) -> bool:
    """Whether a file is an Avro container."""
    return source.opening.startswith(MAGIC)


def read(source: Source) -> Found:
    """Decode the PPG of a file."""
    schema, session, more = first_record(source, _WANTED)
    raw = _within(session, "rawData")
    bvp = _within(raw, "bvp")
    values, fs = bvp.get("values"), bvp.get("samplingFrequency")
    if values is None or not isinstance(fs, float):
        found = "the Avro file holds no samples of a PPG (rawData, bvp, values)"
        raise InputError(found, "a file of an Empatica EmbracePlus was expected", "choose another part of the session")
    notes = [f"sensors not read: {listed(others)}"] if (others := _other_sensors(schema)) else []
    notes += ["the file holds further records, which are not read"] if more else []
    return Found(values[None], ("BVP",), (None,), fs, about=_about(session, bvp), notes=tuple(notes))


def _within(value: Any, name: str) -> dict[str, Any]:
    """The fields in a field; empty if it is absent."""
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _about(session: dict[str, Any], bvp: dict[str, Any]) -> About:
    """Participant, device and time, which are all identifying metadata."""
    numbers = [number for number in _within(session, "enrollment").values() if isinstance(number, str) and number]
    serial, start = session.get("deviceSn"), bvp.get("timestampStart")
    recorded = _moment(start) if isinstance(start, int) and _STAMPS[0] < start < _STAMPS[1] else ""
    serial = serial if isinstance(serial, str) else ""
    return About(personal={"device_serial": serial, "patient_id": ", ".join(numbers), "recorded": recorded})


def _moment(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds")


def _other_sensors(schema: dict[str, Any]) -> list[str]:
    """Names of the other sensors in the schema."""
    raw = next((field["type"] for field in schema.get("fields", ()) if field["name"] == "rawData"), None)
    fields = raw.get("fields", ()) if isinstance(raw, dict) else ()
    return [str(field["name"]) for field in fields if field["name"] != "bvp"]
