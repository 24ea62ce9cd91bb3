"""Patient data of SCP-ECG: section 1 (fields of tag, length and value), and the report of section 8."""

from __future__ import annotations

import struct

from ecggen.io.metadata import About

_MOST_BYTES = 2**16
"""Number of bytes of a section that are read; a field rarely has more than 64."""
_YEARS = {1: 1.0, 2: 12.0, 3: 52.18, 4: 365.25, 5: 8766.0}
_SEX = {1: "M", 2: "F"}
_TEXTS = {
    "name": (1, 0, 3),
    "patient_id": (2, 31),
    "institution": (16, 17, 18, 19, 23),
    "people": (20, 21, 22),
    "statements": (13, 30, 35),
}
"""Tags of section 1 that hold text, by kind."""


def about(section: bytes, report: bytes) -> About:
    """Metadata of section 1; the report of section 8 is free text and therefore identifying."""
    section, report = section[:_MOST_BYTES], report[:_MOST_BYTES]
    fields: dict[int, list[bytes]] = {}
    at = 0
    while at + 3 <= len(section) and section[at] != 255:
        tag, size = struct.unpack_from("<BH", section, at)
        fields.setdefault(tag, []).append(section[at + 3 : at + 3 + size])
        at += 3 + size
    one = {tag: values[0] for tag, values in fields.items()}
    born, recorded = _date(one.get(5, b"")), _date(one.get(25, b""))
    texts = {
        kind: " ".join(_text(value) for tag in tags for value in fields.get(tag, [])) for kind, tags in _TEXTS.items()
    }
    texts["statements"] += f" {_sentences(report)}"
    day = [*recorded, *one.get(26, b"")] if recorded else []
    personal = texts | {
        "birth_date": "-".join(f"{part:02}" for part in born),
        "recorded": "-".join(f"{part:02}" for part in day[:3]) + "".join(f" {part:02}" for part in day[3:]),
        "device_serial": _serial(one.get(14, b"")),
    }
    age, sex = _age(one.get(4, b""), born, recorded), _SEX.get((*one.get(8, b""), 0)[0])
    return About(age, sex, personal=personal, number=_text(one.get(2, b"")))


def _sentences(section: bytes) -> str:
    """Statements of section 8, which follow a date, each with a number and a length."""
    statements, at = [], 9
    while at + 3 <= len(section):
        size = int.from_bytes(section[at + 1 : at + 3], "little")
        statements.append(_text(section[at + 3 : at + 3 + size]))
        at += 3 + size
    return " ".join(statements)


def _age(field: bytes, born: tuple[int, ...], recorded: tuple[int, ...]) -> float | None:
    """Age in years: as stored, or the full years between the dates of birth and recording."""
    number, unit = struct.unpack("<HB", field) if len(field) == 3 else (0, 0)
    if unit in _YEARS and number / _YEARS[unit] <= 130:
        return number / _YEARS[unit]
    if not born or not recorded:
        return None
    age = recorded[0] - born[0] - (recorded[1:] < born[1:])
    return float(age) if 0 <= age <= 130 else None


def _date(field: bytes) -> tuple[int, ...]:
    """Year, month and day; empty if there is no date."""
    date = struct.unpack("<HBB", field) if len(field) == 4 else (0, 0, 0)
    return date if all(date) else ()


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("latin-1")


def _serial(device: bytes) -> str:
    """Serial number of the device: the second text after the 36 fixed bytes of the field."""
    return (*(text.decode("latin-1") for text in device[36:].split(b"\0")), "", "")[1]
