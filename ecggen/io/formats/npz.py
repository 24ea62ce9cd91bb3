"""npz reader and writer: numpy archives, the only format that holds a batch.

Files of ecggen hold ``signal`` (record, lead, time) float32, ``leads``, ``fs``, ``unit``, ``provenance``, and metadata
as ``about``. Other archives are read if exactly one array can be the signal; the user gives missing values.
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
from ecggen.io.normalise import Found, listed, provenance_lines, shown, unnamed_channels
from ecggen.io.source import Source, chosen

MAGIC = b"PK\x03\x04"
_MOST_BYTES = 2 * 1024**3
_ANYWAY, _RATIO = 2**27, 20
"""Unpacked size in bytes that is always accepted, and largest ratio of unpacked to packed size above it."""


def looks_like(source: Source) -> bool:
    """Whether a file is an archive that holds arrays, or a broken archive."""
    if source.content is not None or not source.opening.startswith(MAGIC):
        return False
    try:
        with opened(source.path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except Exception:  # zipfile raises many kinds of exceptions on a broken archive
        return True


def read(source: Source) -> Found:
    """Decode the signal of an archive: a batch, or the requested record."""
    return one_of(from_arrays(load(source.path), source.channels), source.record)


def contents(source: Source) -> list[str]:
    """Numbers of the records of a batch; empty if there is one."""
    return numbers(from_arrays(load(source.path), source.channels))


def one_of(found: Found, record: str | None) -> Found:
    """The requested record of a batch; the whole batch by default."""
    if record is None:
        return found
    records = found.values if found.values.ndim == 3 else found.values[None]
    return replace(found, values=records[chosen(_counted(len(records)), record)])


def numbers(found: Found) -> list[str]:
    """Numbers of the records of a batch; empty if there is one."""
    return _counted(len(found.values)) if found.values.ndim == 3 and len(found.values) > 1 else []


def _counted(records: int) -> list[str]:
    return [str(number) for number in range(1, records + 1)]


def from_arrays(arrays: dict[str, np.ndarray], named: int | None) -> Found:
    """Decode arrays that are named as in ``encode``.

    Args:
        arrays: Arrays by name.
        named: Number of channels that the user has named, if any.
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
    """Encode a batch."""
    texts = {"provenance": provenance_lines(ecg)} | ({"about": about.lines()} if about.lines() else {})
    arrays = {
        "signal": ecg.signal.numpy(),
        "leads": np.array(ecg.leads),
        "fs": np.array(ecg.fs),
        "unit": np.array("mV"),
        **{name: np.array(lines, dtype=np.str_) for name, lines in texts.items()},
    }
    archive = io.BytesIO()
    np.savez_compressed(archive, allow_pickle=False, **arrays)
    return {path: archive.getvalue()}


def load(path: Path) -> dict[str, np.ndarray]:
    """Load the arrays of numbers and texts; Python objects are never unpickled.

    Raises:
        InputError: If the archive is broken or too large.
    """
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
            raise InputError("the archive holds invalid text", do="save it again")
        return found
    except (InputError, OSError):
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many kinds of exceptions on a broken archive
        raise InputError("the archive is broken", "a file of numpy.savez was expected", "save it again") from error


def _is_plain(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Whether a member holds numbers or texts; its declared size is checked, because numpy allocates it first."""
    form = np.lib.format
    with archive.open(member) as file:
        header = form.read_array_header_1_0 if form.read_magic(file) == (1, 0) else form.read_array_header_2_0
        shape, _, dtype = header(file)
    if math.prod(shape) * max(dtype.itemsize, 1) > member.file_size:
        raise InputError(f"{shown(member.filename)} declares more than it holds", do="save it again")
    return dtype.kind in "fiuU"


def _is_text(array: np.ndarray) -> bool:
    """Whether the code points of texts are valid; numpy accepts any four bytes, and Python only valid code points."""
    if array.dtype.kind != "U" or not array.size or not array.dtype.itemsize:
        return True
    native = array.astype(array.dtype.newbyteorder("="))
    return int(np.ascontiguousarray(native).reshape(-1).view(np.uint32).max()) <= sys.maxunicode


def scalar(arrays: dict[str, np.ndarray], name: str) -> float | str | None:
    """The single value of an array; None if there is no such array or it has several values."""
    array = arrays.get(name, np.array([]))
    return array.item() if array.size == 1 else None


def _signal(arrays: dict[str, np.ndarray], channels: int | None) -> np.ndarray:
    """The one array that can be the signal, as (…, channel, time)."""
    fitting = {name: one for name, one in arrays.items() if one.dtype.kind != "U" and one.ndim in (2, 3)}
    if "signal" not in fitting and len(fitting) != 1:
        here = listed(f"{name} {array.shape}" for name, array in arrays.items()) or "no array of numbers"
        raise InputError(f"it holds {here}", "one array (lead, time), or 'signal', was expected")
    values = fitting.get("signal", next(iter(fitting.values())))
    # float32 represents short types exactly and takes half the memory for a large batch.
    values = values.astype(
        np.float32 if values.dtype.itemsize <= (4 if values.dtype.kind == "f" else 2) else np.float64
    )
    across, along = values.shape[-2:]
    if channels is None:
        channels = unnamed_channels(across, along)
    if across == channels and "leads" in arrays:  # as ecggen writes it
        return values
    if (across == channels) == (along == channels):
        found = f"{channels} leads are named and the array has shape {values.shape}"
        raise InputError(found, "exactly one of its last two axes was expected to have this length")
    return values if across == channels else values.swapaxes(-1, -2)
