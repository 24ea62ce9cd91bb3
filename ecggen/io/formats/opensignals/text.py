r"""Reader of OpenSignals text files (.txt) of BITalino, biosignalsplux and RespiBAN.

    # OpenSignals Text File Format. Version 1
    # {"20:16:…": {"sensor": ["ECG"], "column": ["nSeq", "I1", …, "A2"], "resolution": [4, 1, …, 10], …}}
    # EndOfHeader
    0\t0\t0\t0\t0\t463

The second line describes each device by its address; the columns of several devices follow each other. ``label`` and
``sensor`` have one entry per analogue channel, ``resolution`` one per channel or per column. ``nSeq`` counts the
samples and shows which were lost in transmission (PLUX, "OpenSignals Sensor File Specifications (.TXT Format)";
BITalino, "OpenSignals ASCII File Format").
"""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.channels import assigns, picked
from ecggen.io.formats.opensignals import sensors
from ecggen.io.formats.opensignals.sensors import Sensor, nth
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_SAMPLES, MOST_TEXT, Source, chosen, with_library

_OPENING = "# OpenSignals Text File Format"
_END = b"# EndOfHeader"
_LONGEST_HEADER = 2**18
_STEP = 2**24


@dataclass(frozen=True)
class _Device:
    """A device of the file: its address, its description, and the number of columns before its own."""

    address: str
    metadata: dict[str, Any]
    before: int

    @property
    def columns(self) -> list[Any] | None:
        """Names of the columns of the device; None in files of old versions."""
        columns = self.metadata.get("column")
        return columns if isinstance(columns, list) and columns else None


def looks_like(source: Source) -> bool:
    """Whether a file starts with the name of the format."""
    return source.head.startswith(_OPENING)


def contents(source: Source) -> list[str]:
    """Numbers of the devices, if there are several."""
    devices = _devices(_header(source)[0])
    return _numbered(devices) if len(devices) > 1 else []


def read(source: Source) -> Found:
    """Decode the ECG and the PPG of a device; all analogue channels if the file does not name the sensors.

    Samples that were lost in transmission are NaN. Of a file above ``MOST_TEXT`` bytes, only the requested segment is
    decoded.

    Raises:
        InputError: If the header does not describe the columns, or a row holds other values than numbers.
    """
    header, begin = _header(source)
    devices = _devices(header)
    device = devices[chosen(_numbered(devices), source.record)]
    rows = _Rows(source, begin, sensors.rate(device.metadata))
    channels = _channels(device, rows.width)
    names = _names(device, list(channels.values()))
    kept = picked(names, source.wanted if assigns(source.wanted) else ())
    kept = kept or [row for row, sensor in enumerate(channels.values()) if sensor.is_wanted] or list(range(len(names)))
    used, at = [list(channels.values())[row] for row in kept], [list(channels)[row] for row in kept]
    numbers, begins, lasts = rows.columns([device.before + (_index(device.columns, "nSeq") or 0), *at])
    values, lost = _with_gaps(
        np.stack([one.values(row) for one, row in zip(used, numbers[1:], strict=True)]), numbers[0]
    )
    left_out = [names[row] or f"channel {row + 1}" for row in range(len(names)) if row not in kept]
    notes = sensors.notes(used, left_out) + ([f"{lost} samples were lost in transmission"] if lost else [])
    return Found(
        values,
        tuple(names[row] for row in kept),
        tuple(sensor.unit for sensor in used),
        rows.fs,
        about=sensors.about(device.metadata, device.address),
        notes=tuple(notes),
        begins=begins,
        lasts=lasts,
        numbers=tuple(row + 1 for row in kept),
    )


def _header(source: Source) -> tuple[dict[str, Any], int]:
    """The description of the devices, and the position of the first row in bytes."""
    opening = bytes(source.mapped[:_LONGEST_HEADER])
    end = opening.find(_END)
    if end < 0:
        raise InputError("the header of the file has no end", "a line '# EndOfHeader' was expected", "export it again")
    lines = (line.lstrip("# ") for line in opening[:end].decode("utf-8", "replace").splitlines())
    text = next((line for line in lines if line.startswith("{")), "{}")
    header = with_library("header of the file", json.loads, text)
    newline = opening.find(b"\n", end)
    return header, len(opening) if newline < 0 else newline + 1


def _devices(header: dict[str, Any]) -> list[_Device]:
    """The devices of a file in the order of their columns."""
    devices: list[_Device] = []
    before = 0
    for address, metadata in header.items():
        if isinstance(metadata, dict):
            devices.append(_Device(address, metadata, before))
            before += len(devices[-1].columns or ())
    if not devices:
        do = "export it again with its header"
        raise InputError("the header describes no device", "its sensors and sampling rate were expected", do)
    return devices


def _numbered(devices: list[_Device]) -> list[str]:
    return [f"device {number}" for number in range(1, len(devices) + 1)]


def _labels(device: _Device) -> list[Any]:
    """Labels of the analogue channels of a device, or their sensors in files of old versions."""
    stated = (device.metadata.get(key) for key in ("label", "sensor"))
    return next((values for values in stated if isinstance(values, list) and values), [])


def _names(device: _Device, found: list[Sensor]) -> list[str | None]:
    """The sensor of each channel; its label if the sensor is not stated."""
    labels = [label if isinstance(label, str) and label.strip() else None for label in _labels(device)]
    return [sensor.name or label for sensor, label in zip(found, labels, strict=True)]


def _channels(device: _Device, width: int) -> dict[int, Sensor]:
    """The sensor of each column of the file that holds an analogue channel of a device.

    Raises:
        InputError: If the header names no channels, or more than the columns of the file.
    """
    labels, own = _labels(device), device.columns
    size = len(own) if own else width
    resolution = device.metadata.get("resolution")
    by_column = isinstance(resolution, list) and len(resolution) == size != len(labels)
    found: dict[int, Sensor] = {}
    for order, label in enumerate(labels):
        at = _index(own, label)
        at = size - len(labels) + order if at is None else at
        bits = nth(resolution, at if by_column else order)
        name = nth(device.metadata.get("sensor"), order)
        found[device.before + at] = sensors.sensor(name, bits, device.metadata.get("convertedValues"))
    if not found or min(found) < 0 or max(found) >= width:
        here = f"the header describes {len(labels)} channels and the rows have {width} columns"
        raise InputError(here, "one column per channel was expected", "export it again")
    return found


def _index(values: list[Any] | None, value: Any) -> int | None:
    return values.index(value) if values and value in values else None


class _Rows:
    """The rows of a file, from ``begin`` in bytes, of which a large file is decoded in part."""

    def __init__(self, source: Source, begin: int, fs: float | None):
        self.source, self.begin, self.fs = source, begin, fs
        first = bytes(source.mapped[begin : begin + 2**16]).lstrip().split(b"\n")[0]
        self.width = len(first.split())

    def columns(self, columns: list[int]) -> tuple[np.ndarray, float, float | None]:
        """Columns of the requested rows (column, row), their start in seconds, and the duration of a cut recording.

        Raises:
            InputError: If a row holds other values than numbers, or too many are requested.
        """
        start, rows, lasts, fs = 0, None, None, self.fs or self.source.fs or 1.0
        if self.source.size > MOST_TEXT:
            total = self._count()
            start, end = self.source.part(fs, total, len(columns))
            rows, lasts = end - start, total / fs
        options = {"usecols": columns, "skiprows": start, "max_rows": rows, "ndmin": 2, "comments": None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an empty table, which is rejected below
            if self.source.content is None:
                with self.source.path.open("rb") as file:
                    file.seek(self.begin)
                    table = with_library("table of samples", np.loadtxt, file, **options)
            else:
                file = io.BytesIO(self.source.content[self.begin :])
                table = with_library("table of samples", np.loadtxt, file, **options)
        if not table.size:
            raise InputError("the file holds no samples", "a row for each sample was expected", "export it again")
        return table.T, start / fs, lasts

    def _count(self) -> int:
        """Number of rows of the file."""
        mapped = self.source.mapped
        parts = (np.frombuffer(mapped[at : at + _STEP], np.uint8) for at in range(self.begin, len(mapped), _STEP))
        lines = sum(int(np.count_nonzero(part == ord("\n"))) for part in parts)
        return lines + (mapped[-1] != ord("\n"))


def _with_gaps(values: np.ndarray, counter: np.ndarray) -> tuple[np.ndarray, int]:
    """The values (channel, time) with NaN for lost samples, and the number of these.

    The counter starts again at 16 (BITalino) or at another power of two. A counter that does not count is ignored.
    """
    if len(counter) < 2 or not (np.isfinite(counter).all() and counter.min() >= 0 and counter.max() < 2**53):
        return values, 0
    modulus = next(2.0**bits for bits in (4, 8, 12, 15, 16, 24, 32, 53) if counter.max() < 2**bits)
    steps = np.mod(np.diff(counter), modulus)
    if np.mean(steps == 1) < 0.9:
        return values, 0
    steps = np.maximum(steps, 1)
    lost = int(steps.sum()) - len(steps)
    if lost > 20 * len(counter) or (lost + len(counter)) * len(values) > MOST_SAMPLES:
        raise InputError("more samples were lost than recorded", "one recording was expected", "split it")
    at = np.r_[0, np.cumsum(steps).astype(np.int64)]
    whole = np.full((len(values), at[-1] + 1), np.nan)
    whole[:, at] = values
    return whole, lost
