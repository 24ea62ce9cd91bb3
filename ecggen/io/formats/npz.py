"""npz: numpy's archive; the one format that holds a batch.

ecggen writes ``signal`` (record, lead, time) float32, ``leads``, ``fs``, ``unit``, ``provenance``, and what is known
of the patient as ``about``. Other people's archives are read where one array can be the signal; what else is missing,
the user says.
"""

from __future__ import annotations

import io
import math
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.io.formats.zip_archive import opened
from ecggen.io.metadata import About
from ecggen.io.normalise import Found, listed, provenance_lines, shown
from ecggen.io.source import Source, chosen

MAGIC = b"PK\x03\x04"
_MOST_BYTES = 2 * 1024**3
_ANYWAY, _RATIO = 2**27, 20
"""Bytes that are unpacked whatever they were packed into, and how many times its size a larger archive may hold."""


def looks_like(source: Source) -> bool:
    """Whether a file is an archive that holds arrays, or is broken so that nobody can tell what it holds."""
    if source.content is not None or not source.opening.startswith(MAGIC):
        return False
    try:
        with opened(source.path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except Exception:  # zipfile raises a dozen kinds over a broken archive
        return True


def read(source: Source) -> Found:
    """The signal in an archive: a batch, or the record that is asked for."""
    return one_of(from_arrays(load(source.path), source.channels), source.record)


def contents(source: Source) -> list[str]:
    """Numbers of the records of a batch; empty where there is one."""
    return numbers(from_arrays(load(source.path), source.channels))


def one_of(found: Found, record: str | None) -> Found:
    """The record of a batch that is asked for; all of it where none is."""
    if record is None:
        return found
    records = found.values if found.values.ndim == 3 else found.values[None]
    return replace(found, values=records[chosen(_counted(len(records)), record)])


def numbers(found: Found) -> list[str]:
    """Numbers of the records of a batch; empty where there is one."""
    return _counted(len(found.values)) if found.values.ndim == 3 and len(found.values) > 1 else []


def _counted(records: int) -> list[str]:
    return [str(number) for number in range(1, records + 1)]


def from_arrays(arrays: dict[str, np.ndarray], named: int | None) -> Found:
    """What arrays say that are called as ecggen calls them (see ``encode``).

    Args:
        arrays: By name.
        named: How many channels the user has named, if any.
    """
    leads = tuple(map(str, np.ravel(arrays.get("leads", []))))
    values = _signal(arrays, len(leads) or named)
    channels = values.shape[-2]
    fs, unit = scalar(arrays, "fs"), scalar(arrays, "unit")
    if isinstance(fs, str):
        raise InputError(f"fs in the archive is {shown(fs)}", "a number of Hz was expected")
    comments = tuple(map(str, np.ravel(arrays.get("provenance", []))))
    units = (str(unit) if unit is not None else None,) * channels
    about = About.parse(tuple(map(str, np.ravel(arrays.get("about", [])))))
    return Found(values, leads or (None,) * channels, units, fs, comments, about)


def encode(ecg: ECG, path: Path, about: About) -> dict[Path, bytes]:
    """The batch as an archive."""
    words = {"provenance": provenance_lines(ecg)} | ({"about": about.lines()} if about.lines() else {})
    arrays = {
        "signal": ecg.signal.numpy(),
        "leads": np.array(ecg.leads),
        "fs": np.array(ecg.fs),
        "unit": np.array("mV"),
        **{name: np.array(lines, dtype=np.str_) for name, lines in words.items()},
    }
    archive = io.BytesIO()
    np.savez_compressed(archive, allow_pickle=False, **arrays)
    return {path: archive.getvalue()}


def load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of numbers and of words; Python objects are never unpacked."""
    try:
        with opened(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            size = sum(member.file_size for member in members)
            if size > max(_ANYWAY, _RATIO * path.stat().st_size):
                times = size // max(path.stat().st_size, 1)
                found = f"the archive unpacks to {size} bytes, {times} times its size"
                raise InputError(found, f"at most {_RATIO} times were expected", "save it without compression")
            if size > _MOST_BYTES:
                raise InputError(f"the archive unpacks to {size} bytes", f"at most {_MOST_BYTES} are read", "split it")
            names = [member.filename[:-4] for member in members if _is_plain(archive, member)]
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in names}
        if not all(map(_is_text, found.values())):
            raise InputError("the archive holds words that are no text", do="save it again")
        return found
    except (InputError, OSError):
        raise
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds over a broken archive
        raise InputError("the archive is broken", "what numpy.savez writes was expected", "save it again") from error


def _is_plain(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Whether the member holds numbers or words. It must hold what it announces: numpy allocates first."""
    form = np.lib.format
    with archive.open(member) as file:
        header = form.read_array_header_1_0 if form.read_magic(file) == (1, 0) else form.read_array_header_2_0
        shape, _, dtype = header(file)
    if math.prod(shape) * max(dtype.itemsize, 1) > member.file_size:
        raise InputError(f"{shown(member.filename)} announces more than it holds", do="save it again")
    return dtype.kind in "fiuU"


def _is_text(array: np.ndarray) -> bool:
    """Whether the signs of words are such; numpy takes any four bytes for one, and Python none above the last."""
    if array.dtype.kind != "U" or not array.size or not array.dtype.itemsize:
        return True
    native = array.astype(array.dtype.newbyteorder("="))
    return int(np.ascontiguousarray(native).reshape(-1).view(np.uint32).max()) <= sys.maxunicode


def scalar(arrays: dict[str, np.ndarray], name: str) -> float | str | None:
    """The one value that an array holds; None where there is no such array, or more in it."""
    array = arrays.get(name, np.array([]))
    return array.item() if array.size == 1 else None


def _signal(arrays: dict[str, np.ndarray], channels: int | None) -> np.ndarray:
    """The one array that can be the signal, as (…, channel, time)."""
    fitting = {name: one for name, one in arrays.items() if one.dtype.kind != "U" and one.ndim in (2, 3)}
    if "signal" not in fitting and len(fitting) != 1:
        here = listed(f"{name} {array.shape}" for name, array in arrays.items()) or "no array of numbers"
        raise InputError(f"it holds {here}", "one array (lead, time), or 'signal', was expected")
    values = fitting.get("signal", next(iter(fitting.values())))
    # Short words hold exactly what they held; a large batch need not take twice the memory.
    values = values.astype(
        np.float32 if values.dtype.itemsize <= (4 if values.dtype.kind == "f" else 2) else np.float64
    )
    across, along = values.shape[-2:]
    if channels is None:
        raise InputError("the file does not name its leads", do="name them in order, as in leads=['I', 'II']")
    if across == channels and "leads" in arrays:  # as ecggen writes it
        return values
    if (across == channels) == (along == channels):
        found = f"{channels} leads are named and the array has shape {values.shape}"
        raise InputError(found, "one of its last two axes, not both, was expected to be as long")
    return values if across == channels else values.swapaxes(-1, -2)
