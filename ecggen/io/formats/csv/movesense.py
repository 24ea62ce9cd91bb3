"""Reader of Movesense tables: a time in ms and one sample per line, as apps of the chest sensor export them.

    timestamp,ecg                                     whole counts of /Meas/ECG, 0.38147 µV each
    Timestamp_ms,Value,Relative Time:,…,UTC Time:,…   mV: the data logger tool of the manufacturer

The names are also used by other devices. A table is read as Movesense's if its samples are whole numbers and its times
have one of the rates of the sensor. The sensor records none of the twelve leads, so that the user must assign one.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from ecggen.io.formats.csv import table
from ecggen.io.formats.json.movesense import MICROVOLTS, RATES
from ecggen.io.metadata import About
from ecggen.io.normalise import Found
from ecggen.io.source import Source

_COUNTS = re.compile(r'"?timestamp"?,"?ecg"?\s*\n\s*\d{1,13},-?\d{1,8}\s*\n')
_LOGGER = re.compile(r"Timestamp_ms,Value,Relative Time:,([^,\n]*),UTC Time:,([^,\n]*)\n")
_NOTE = "a chest strap records none of the twelve leads: the lead was assigned by the user"


def looks_like(source: Source) -> bool:
    """Whether a file starts as one of the two tables."""
    return bool(_COUNTS.match(source.head) or _LOGGER.match(source.head))


def read(source: Source) -> Found:
    """Decode a file; lost samples are NaN."""
    logger = _LOGGER.match(source.head)
    if logger:
        found = table.parse(source.text.replace(logger[0], "time (ms),ECG (mV)\n", 1))
        return replace(found, about=About(personal={"recorded": logger[2]}), notes=(_NOTE, *found.notes))
    found = table.read(source)
    samples = found.values[np.isfinite(found.values)]
    if len(found.names) != 1 or found.fs not in RATES or (samples != np.rint(samples)).any():
        return found
    counts = (
        f"whole numbers at {found.fs:g} Hz: counts of {MICROVOLTS:.5f} µV, as of a Movesense sensor "
        "(for another device, write its unit into the first line: timestamp,ecg (mV))"
    )
    notes = (_NOTE, counts, *found.notes)
    return replace(found, values=MICROVOLTS * found.values, names=("ECG",), units=("uV",), notes=notes)
