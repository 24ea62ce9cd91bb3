"""Sensors of OpenSignals files: which are read, and the transfer function of the ECG, for text and HDF5 alike.

The ECG sensors of biosignalsplux (3 V at a gain of 1000) and of BITalino (3.3 V at 1100) have the same range:
ECG in mV = (count / 2^bits - 1/2) · 3 (PLUX, data sheets "Electrocardiography (ECG) Sensor"). Files do not state the
electrode positions, so that the user must name the lead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.io.metadata import About
from ecggen.io.normalise import listed

SPAN = 3.0
"""Range of the converter in mV at the input of an ECG sensor."""

_ECG = re.compile(r"e[ck]g.*", re.IGNORECASE)
_PULSE = re.compile(r".*(bvp|ppg|pleth|pulse).*", re.IGNORECASE)
_BITALINO = re.compile(r"(?<=.)bit(rev)?$", re.IGNORECASE)
"""End of the names of BITalino's sensors: ECGBIT, ECGBITREV."""


@dataclass(frozen=True)
class Sensor:
    """The sensor of a channel.

    Attributes:
        name: "ECG", "BVP" …; None if the file does not state it, or states "RAW".
        bits: Resolution of the converter, or None.
        converted: Whether OpenSignals has converted the values to the unit of the sensor, which is mV for an ECG.
    """

    name: str | None
    bits: int | None
    converted: bool = False

    @property
    def is_ecg(self) -> bool:
        """Whether the file says that the sensor records an ECG."""
        return bool(self.name and _ECG.fullmatch(self.name))

    @property
    def is_wanted(self) -> bool:
        """Whether the sensor records an ECG or a pulse wave."""
        return self.is_ecg or bool(self.name and _PULSE.fullmatch(self.name))

    @property
    def unit(self) -> str | None:
        """mV for an ECG whose conversion is known, else None."""
        return "mV" if self.is_ecg and (self.bits or self.converted) else None

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """The values of the channel in ``unit``, from the numbers in the file; counts if the unit is unknown."""
        if self.converted or not self.unit or not self.bits:
            return numbers
        return (numbers / 2.0**self.bits - 0.5) * SPAN


def sensor(name: Any, bits: Any, converted: Any = 0) -> Sensor:
    """A sensor as described by a file; invalid descriptions count as missing."""
    stated = _BITALINO.sub("", name.strip()) if isinstance(name, str) else ""
    stated = None if stated.casefold() in ("", "raw") else stated
    known = type(bits) is int and 1 <= bits <= 32
    return Sensor(stated, bits if known else None, converted in (1, True))


def notes(kept: Iterable[Sensor], left_out: Iterable[str]) -> list[str]:
    """Sentences on the channels that were left out, and on the conversion of the others."""
    names = listed(left_out)
    sentences = [f"channels not read: {names}"] if names else []
    if any(one.unit and not one.converted for one in kept):
        sentences.append(f"counts of the ECG converted with a range of {SPAN:g} mV, as specified by the manufacturer")
    return sentences


def rate(metadata: Mapping[str, Any]) -> float | None:
    """Sampling rate of a device in Hz."""
    fs = nth(metadata.get("sampling rate"), 0)
    return float(fs) if type(fs) in (int, float) and 0 < fs < 1e9 else None


def about(metadata: Mapping[str, Any], address: str) -> About:
    """Address of a device, date and comment, which are all identifying metadata."""
    day = " ".join(str(metadata.get(name, "")) for name in ("date", "time"))
    stated = str(metadata.get("macaddress") or address)
    return About(personal={"device_serial": stated, "recorded": day, "statements": str(metadata.get("comments", ""))})


def nth(values: Any, order: int) -> Any:
    """An element of a list, None outside of it; a single value applies to all."""
    if not isinstance(values, list):
        return values
    return values[order] if 0 <= order < len(values) else None
