"""npy reader: a single numpy array (lead, time), (time, lead), (record, lead, time), or (time,).

The array has neither names nor rate nor unit; the user gives them. Python objects are never unpickled.
"""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.npz import numbers, one_of
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_SAMPLES, Source

_MAGIC = b"\x93NUMPY"
MOST_LEADS = 64
"""Length of an axis up to which it can be that of the leads."""


def looks_like(source: Source) -> bool:
    """Whether a file starts as an array."""
    return source.opening.startswith(_MAGIC)


def read(source: Source) -> Found:
    """Decode the array, or the requested record of a batch.

    Raises:
        InputError: If it is broken, holds something else than numbers, or its axes cannot be told apart.
    """
    return one_of(_found(source), source.record)


def contents(source: Source) -> list[str]:
    """Numbers of the records of a batch; empty if there is one."""
    return numbers(_found(source))


def _found(source: Source) -> Found:
    """The array with its axes in order; the requested segment only, if the rate is known."""
    values = _oriented(_array(source), source.channels)
    channels, samples = values.shape[-2:]
    found = Found(values, (None,) * channels, (None,) * channels)
    if source.fs and (source.start or source.seconds is not None):
        records = math.prod(values.shape[:-2])
        first, last = source.part(source.fs, samples, channels * records)
        part = values[..., first:last]
        found = replace(found, values=part, begins=first / source.fs, lasts=samples / source.fs)
    if found.values.size > MOST_SAMPLES:
        found_here = f"the array has {values.size} numbers"
        do = "give start, seconds and fs, or split it"
        raise InputError(found_here, f"at most {MOST_SAMPLES} are read at once", do)
    exact = found.values.dtype.itemsize <= (4 if found.values.dtype.kind == "f" else 2)
    return replace(found, values=np.array(found.values, np.float32 if exact else np.float64))


def _array(source: Source) -> np.ndarray:
    """The array, memory-mapped; its declared size is checked first, because numpy allocates it."""
    form = np.lib.format
    try:
        with source.path.open("rb") if source.content is None else io.BytesIO(source.content) as file:
            header = form.read_array_header_1_0 if form.read_magic(file) == (1, 0) else form.read_array_header_2_0
            shape, fortran, dtype = header(file)
            begin = file.tell()
    except (InputError, OSError):
        raise
    except Exception as error:  # numpy raises many kinds of exceptions on a broken header
        raise InputError("the array is broken", "a file of numpy.save was expected", "save it again") from error
    if dtype.kind not in "fiu":
        found = "the array holds Python objects" if dtype.hasobject else f"the array holds {dtype.name}"
        raise InputError(found, "numbers were expected", "save it as float32: np.save(path, array.astype('float32'))")
    count = math.prod(shape)
    if min(shape, default=0) <= 0:
        found = f"the array has shape {shape}"
        raise InputError(found, "(lead, time), (time, lead) or (record, lead, time) was expected", "reshape it")
    if count * dtype.itemsize > source.size - begin:
        raise InputError("the array is truncated", f"{count} numbers were expected", "save it again")
    flat = np.frombuffer(source.mapped[begin : begin + count * dtype.itemsize], dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _oriented(values: np.ndarray, channels: int | None) -> np.ndarray:
    """The array as (…, lead, time): the axis of the leads has as many entries as are named, or is the shorter one."""
    if values.ndim == 1:
        return values[None]
    if values.ndim not in (2, 3):
        found = f"the array has shape {values.shape}"
        raise InputError(found, "(lead, time), (time, lead) or (record, lead, time) was expected", "reshape it")
    across, along = values.shape[-2:]
    if channels is not None and (across == channels) != (along == channels):
        return values if across == channels else values.swapaxes(-1, -2)
    if across == along or min(across, along) > MOST_LEADS:
        found = f"the array has shape {values.shape}, and its axes cannot be told apart"
        raise InputError(found, "(lead, time) with the names of all leads was expected", "name the leads")
    return values if across < along else values.swapaxes(-1, -2)
