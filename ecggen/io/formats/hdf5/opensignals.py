"""OpenSignals HDF5: biosignalsplux, BITalino, and the RespiBAN of PPG-DaLiA.

A file has one group per device, named by its address, with the sampling rate, the resolution in bits and the date. Its
subgroup ``raw`` has an array of counts per channel. Sensors and their conversion are as in the text format.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.hdf5.file import Attributes, Hdf5
from ecggen.io.formats.opensignals import sensors
from ecggen.io.formats.opensignals.sensors import Sensor, nth
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_SAMPLES

_CHANNEL = re.compile(r"(/[^/]+)/raw/channel_(\d{1,3})")


@dataclass(frozen=True)
class _Channel:
    """A channel: its array, number of samples and sensor."""

    path: str
    samples: int
    sensor: Sensor


def devices(file: Hdf5) -> dict[str, str]:
    """The group of each device by a number; the group is named by the address of the device."""
    found = (_CHANNEL.fullmatch(path) for path in file.objects if file.shape(path))
    groups = dict.fromkeys(match[1] for match in found if match)
    return {f"device {number}": group for number, group in enumerate(groups, 1)}


def device(file: Hdf5, group: str) -> Found:
    """Decode the ECG and the PPG of one device; all channels if the file does not name the sensors."""
    metadata = file.objects.get(group, {}).get("attributes", {})
    channels = _channels(file, metadata, group)
    kept = [channel for channel in channels if channel.sensor.is_wanted] or channels
    length = Counter(channel.samples for channel in kept).most_common(1)[0][0]
    kept = [channel for channel in kept if channel.samples == length]
    if length * len(kept) > MOST_SAMPLES:
        found = f"the recording holds {length * len(kept)} samples"
        raise InputError(found, f"at most {MOST_SAMPLES} were expected", "split it")
    values = np.stack([_values(file, channel) for channel in kept])
    used = [channel.sensor for channel in kept]
    left_out = [channel.sensor.name or channel.path.rpartition("/")[2] for channel in channels if channel not in kept]
    names, units = tuple(one.name for one in used), tuple(one.unit for one in used)
    about = sensors.about(metadata, group.strip("/"))
    return Found(values, names, units, sensors.rate(metadata), about=about, notes=tuple(sensors.notes(used, left_out)))


def _channels(file: Hdf5, metadata: Attributes, group: str) -> list[_Channel]:
    """Channels of a device in the order of their numbers, which is that of its lists."""
    found = ((match, path) for path in file.objects if (match := _CHANNEL.fullmatch(path)) and match[1] == group)
    paths = [path for _, path in sorted((int(match[2]), path) for match, path in found if file.shape(path))]
    return [_channel(file, metadata, order, path) for order, path in enumerate(paths)]


def _channel(file: Hdf5, metadata: Attributes, order: int, path: str) -> _Channel:
    """A channel, described by its own attributes, else by the lists of its device."""
    own = file.objects[path]["attributes"]
    stated = nth(own.get("sensor") or own.get("label"), 0) or nth(metadata.get("sensor"), order)
    described = sensors.sensor(stated, nth(metadata.get("resolution"), order))
    return _Channel(path, math.prod(file.shape(path) or (0,)), described)


def _values(file: Hdf5, channel: _Channel) -> np.ndarray:
    """Values in mV for an ECG of known resolution, else counts."""
    return channel.sensor.values(file.array(channel.path).ravel().astype(np.float64))
