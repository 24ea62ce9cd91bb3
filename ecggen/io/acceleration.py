"""Acceleration beside a PPG: in which seconds the recorder was moved.

The acceleration is that of channels named ACC… in the same file, or the ``ACC.csv`` beside the ``BVP.csv`` of an
Empatica E4 (three starts in seconds since 1970, three rates, then samples of three axes). Its unit does not matter: a
recorder at rest measures 1 g, which is the median.
"""

from __future__ import annotations

import io
import re
from datetime import datetime
from pathlib import Path

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats import zip_archive
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_BYTES, Source

MOVED = 0.1
"""Standard deviation of the acceleration within a second, in g, from which the recorder was moved."""

_NAME = re.compile(r"acc.*", re.IGNORECASE)


def movement(path: Path, record: str | None, found: Found, fs: float, start: float, seconds: float) -> tuple[bool, ...]:
    """Whether the recorder was moved in each second of a part of a recording; empty without an acceleration.

    Args:
        path: The file of the PPG.
        record: Which recording, if the file holds several.
        found: Its decoded content.
        fs: Its sampling rate in Hz.
        start: Start of the part in s.
        seconds: Duration of the part.
    """
    rows = [row for row, name in enumerate(found.names) if name and _NAME.fullmatch(name.strip())]
    if rows:
        return _moved(found.values[rows], fs, start - found.begins, seconds)
    text = _beside(path, record)
    if text is None:
        return ()
    try:
        table = np.genfromtxt(io.BytesIO(text), delimiter=",", dtype=float, ndmin=2).T
    except ValueError:
        return ()
    if table.shape[1] < 3 or not 1.0 <= table[0, 1] <= 1000.0:
        return ()
    own = found.about.personal.get("recorded")
    late = table[0, 0] - datetime.fromisoformat(str(own)).timestamp() if own else 0.0
    return _moved(table[:, 2:], float(table[0, 1]), start - (late if abs(late) < 3600 else 0.0), seconds)


def _beside(path: Path, record: str | None) -> bytes | None:
    """Content of ``ACC.csv`` beside the PPG of an E4; None if there is none."""
    try:
        if path.is_file() and zip_archive.looks_like(Source(path)):
            return zip_archive.beside(Source(path, record=record), "ACC.csv")
    except InputError:
        return None
    file = path.with_name("ACC.csv")
    if path.name != "BVP.csv" or not file.is_file() or file.stat().st_size > MOST_BYTES:
        return None
    return file.read_bytes()


def _moved(axes: np.ndarray, fs: float, start: float, seconds: float) -> tuple[bool, ...]:
    """Whether the acceleration (axis, time) varies in each second from ``start``.

    Example:
        >>> still = np.ones((1, 64))
        >>> _moved(np.c_[still, still + 0.5 * np.sin(np.arange(64))], 32, 0.0, 4.0)
        (False, False, True, True)
    """
    size = np.sqrt((np.nan_to_num(axes) ** 2).sum(0))
    gravity = float(np.median(size))
    if gravity <= 0:
        return ()
    found = []
    for second in range(int(np.ceil(seconds))):
        part = size[max(0, round((start + second) * fs)) : max(0, round((start + second + 1) * fs))]
        found.append(bool(len(part) > 1 and part.std() > MOVED * gravity))
    return tuple(found)
