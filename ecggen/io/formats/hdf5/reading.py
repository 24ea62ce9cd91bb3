"""HDF5 reader: data sets in the format of CODE-15 %, OpenSignals files of wearables, and plain arrays.

In plain files, arrays and attributes are found by the names of the npz format: ``signal``, ``leads``, ``fs``, ``unit``.
"""

from __future__ import annotations

import math

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats import npz
from ecggen.io.formats.hdf5 import code15, opensignals
from ecggen.io.formats.hdf5.file import Hdf5, opened
from ecggen.io.normalise import Found, listed
from ecggen.io.source import MOST_SAMPLES, Source, chosen, with_library

MAGIC = b"\x89HDF\r\n\x1a\n"
_ALSO = {
    "fs": ("fs", "sampling_rate", "sampling rate", "sampling_frequency", "sample_rate", "samplerate"),
    "leads": ("leads", "lead_names", "lead_name", "channels", "channel_names", "sig_name"),
    "unit": ("unit", "units"),
    "provenance": ("provenance",),
}
"""Names of attributes that correspond to the arrays of an npz file."""


def looks_like(source: Source) -> bool:
    """Whether a file starts with the signature of HDF5."""
    return source.content is None and source.opening.startswith(MAGIC)


def contents(source: Source) -> list[str]:
    """Names of the recordings, if there are several: exam numbers, devices, or records of a batch."""
    with opened(source.path) as file:
        if code15.is_code(file):
            names = list(code15.exams(file))
        elif devices := opensignals.devices(file):
            names = list(devices)
        else:
            return npz.numbers(_arrays(file, source.channels))
    return names if len(names) > 1 else []


def read(source: Source) -> Found:
    """Decode the requested recording."""
    with opened(source.path) as file:
        if code15.is_code(file):
            return code15.exam(file, source.record)
        if devices := opensignals.devices(file):
            return opensignals.device(file, list(devices.values())[chosen(list(devices), source.record)])
        return npz.one_of(_arrays(file, source.channels), source.record)


def _arrays(file: Hdf5, named: int | None) -> Found:
    """Arrays in the root group, and attributes, by the names of npz; one-dimensional arrays are channels."""
    tops = {
        path[1:]: metadata
        for path, metadata in file.objects.items()
        if path.count("/") == 1 and metadata["shape"] is not None
    }
    sizes = sum(math.prod(metadata["shape"]) for metadata in tops.values())
    if sizes > MOST_SAMPLES:
        raise InputError(f"the file holds {sizes} samples", f"at most {MOST_SAMPLES} are read", "split it")
    arrays = {
        name: file.array(f"/{name}")
        for name, metadata in tops.items()
        if metadata["kind"] in "biufU" and metadata["kind"]
    }
    attributes = [
        file.objects.get("/", {}).get("attributes", {}),
        *(metadata["attributes"] for metadata in tops.values()),
    ]
    for name, others in _ALSO.items():
        stated = next((one[other] for one in attributes for other in others if one.get(other) is not None), [])
        values = with_library("HDF5 file", np.array, stated)
        if name not in arrays and values.size and values.dtype.kind in "biufU":
            arrays[name] = values
    if not any(array.ndim in (2, 3) and array.dtype.kind != "U" for array in arrays.values()):
        return _waves(arrays)
    return npz.from_arrays(arrays, named)


def _waves(arrays: dict[str, np.ndarray]) -> Found:
    """One-dimensional arrays of equal length as channels, named as the arrays."""
    numbers = {name: one for name, one in arrays.items() if name not in _ALSO and one.dtype.kind != "U"}
    waves = {name: one for name, one in numbers.items() if one.ndim == 1 and one.size > 1}
    fs = npz.scalar(arrays, "fs")
    if len({wave.shape for wave in waves.values()}) != 1:
        here = listed(f"{name} {array.shape}" for name, array in arrays.items()) or "no array of numbers"
        raise InputError(f"it holds {here}", "'signal' (lead, time), or arrays (time,) of equal length, were expected")
    unit = npz.scalar(arrays, "unit")
    units = (str(unit) if unit is not None else None,) * len(waves)
    rate = float(fs) if isinstance(fs, int | float) else None
    return Found(np.stack(list(waves.values())).astype(np.float64), tuple(waves), units, rate)
