"""OpenSignals HDF5: biosignalsplux, BITalino, and the RespiBAN of PPG-DaLiA.

A file has one group per device, named by its address, with the sampling rate, the resolution in bits and the date. Its
subgroup ``raw`` has an array of counts per channel. ECGs are converted to mV by the transfer function of the
manufacturer. The file does not state the electrode positions, so that the user must name the lead.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.hdf5.file import Attributes, Hdf5
from ecggen.io.metadata import About
from ecggen.io.normalise import Found, listed
from ecggen.io.source import MOST_SAMPLES

SPAN = 3.0
"""Range of the converter in mV: 3 V at a gain of 1000 (biosignalsplux), 3.3 V at 1100 (BITalino)."""

_CHANNEL = re.compile(r"(/[^/]+)/raw/channel_(\d{1,3})")
_ECG = re.compile(r"e[ck]g.*", re.IGNORECASE)
_PULSE = re.compile(r".*(bvp|ppg|pleth|pulse).*", re.IGNORECASE)


@dataclass(frozen=True)
class _Channel:
    """A channel: its array, number of samples, sensor and resolution in bits; unknown values are None."""

    path: str
    samples: int
    sensor: str | None
    bits: int | None

    @property
    def is_ecg(self) -> bool:
        return bool(self.sensor and _ECG.fullmatch(self.sensor))

    @property
    def is_wanted(self) -> bool:
        return self.is_ecg or bool(self.sensor and _PULSE.fullmatch(self.sensor))


def devices(file: Hdf5) -> dict[str, str]:
    """The group of each device by a number; the group is named by the address of the device."""
    found = (_CHANNEL.fullmatch(path) for path in file.objects if file.shape(path))
    groups = dict.fromkeys(match[1] for match in found if match)
    return {f"device {number}": group for number, group in enumerate(groups, 1)}


def device(file: Hdf5, group: str) -> Found:
    """Decode the ECG and the PPG of one device; all channels if the file does not name the sensors."""
    metadata = file.objects.get(group, {}).get("attributes", {})
    channels = _channels(file, metadata, group)
    kept = [channel for channel in channels if channel.is_wanted] or channels
    length = Counter(channel.samples for channel in kept).most_common(1)[0][0]
    kept = [channel for channel in kept if channel.samples == length]
    if length * len(kept) > MOST_SAMPLES:
        found = f"the recording holds {length * len(kept)} samples"
        raise InputError(found, f"at most {MOST_SAMPLES} were expected", "split it")
    values = np.stack([_values(file, channel) for channel in kept])
    left_out = [channel.sensor or channel.path.rpartition("/")[2] for channel in channels if channel not in kept]
    notes = [f"channels not read: {listed(left_out)}"] if left_out else []
    if any(_is_converted(channel) for channel in kept):
        notes.append(f"counts of the ECG converted with a range of {SPAN:g} mV, as specified by the manufacturer")
    units = tuple("mV" if _is_converted(channel) else None for channel in kept)
    names = tuple(channel.sensor for channel in kept)
    return Found(values, names, units, _rate(metadata), about=_about(metadata, group), notes=tuple(notes))


def _channels(file: Hdf5, metadata: Attributes, group: str) -> list[_Channel]:
    """Channels of a device in the order of their numbers, which is that of its lists."""
    found = ((match, path) for path in file.objects if (match := _CHANNEL.fullmatch(path)) and match[1] == group)
    paths = [path for _, path in sorted((int(match[2]), path) for match, path in found if file.shape(path))]
    return [_channel(file, metadata, order, path) for order, path in enumerate(paths)]


def _channel(file: Hdf5, metadata: Attributes, order: int, path: str) -> _Channel:
    """A channel, described by its own attributes, else by the lists of its device."""
    own = file.objects[path]["attributes"]
    stated = _nth(own.get("sensor") or own.get("label"), 0) or _nth(metadata.get("sensor"), order)
    sensor = stated if isinstance(stated, str) and stated.strip() else None
    bits = _nth(metadata.get("resolution"), order)
    known = isinstance(bits, int) and 1 <= bits <= 32
    return _Channel(path, math.prod(file.shape(path) or (0,)), sensor, bits if known else None)


def _nth(values: Any, order: int) -> Any:
    """An element of a list; a single value applies to all."""
    if not isinstance(values, list):
        return values
    return values[order] if order < len(values) else None


def _is_converted(channel: _Channel) -> bool:
    return channel.is_ecg and channel.bits is not None


def _values(file: Hdf5, channel: _Channel) -> np.ndarray:
    """Values in mV for an ECG of known resolution, else counts."""
    counts = file.array(channel.path).ravel().astype(np.float64)
    return (counts / 2.0**channel.bits - 0.5) * SPAN if channel.is_ecg and channel.bits else counts


def _rate(metadata: Attributes) -> float | None:
    fs = _nth(metadata.get("sampling rate"), 0)
    return float(fs) if isinstance(fs, int | float) else None


def _about(metadata: Attributes, group: str) -> About:
    """Address of the device, date and comment, which are all identifying metadata."""
    day = " ".join(str(metadata.get(name, "")) for name in ("date", "time"))
    address = str(metadata.get("macaddress") or group.strip("/"))
    return About(personal={"device_serial": address, "recorded": day, "statements": str(metadata.get("comments", ""))})
