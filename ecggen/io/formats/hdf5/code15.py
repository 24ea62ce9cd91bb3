"""CODE-15 %, CODE-test and SaMi-Trop: Brazilian ECGs in HDF5, ``tracings`` (record, 4096, 12) at 400 Hz.

Shorter recordings are padded with zeros at both ends (Ribeiro et al., doi.org/10.5281/zenodo.4916206, .3765780 and
.4905618). The data sets do not state their unit, and their descriptions contradict each other ("scale 1e-4 V",
"multiplied by 1000"). The authors state millivolts on request.
"""

from __future__ import annotations

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.hdf5.file import Hdf5
from ecggen.io.normalise import Found
from ecggen.io.source import chosen

LEADS = ("DI", "DII", "DIII", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Order of the leads in CODE-15 % and SaMi-Trop."""
TEST_LEADS = ("DI", "DII", "DIII", "AVL", "AVF", "AVR", "V1", "V2", "V3", "V4", "V5", "V6")
"""Order of the leads in CODE-test."""
LENGTH = 4096
RATE = 400.0

_MOST_EXAMS = 2**20
_UNIT = (
    "the file does not state its unit: taken as mV, as its publishers recommend; its amplitudes are 1.6 to 2 times "
    "those of other data sets"
)


def is_code(file: Hdf5) -> bool:
    """Whether a file holds ``tracings`` of twelve leads."""
    shape = file.shape("/tracings")
    return shape is not None and len(shape) == 3 and shape[-1] == len(LEADS)


def exams(file: Hdf5) -> dict[str, int]:
    """The row of each exam by its number; padding rows, with the number 0, are omitted."""
    rows = (file.shape("/tracings") or (0,))[0]
    if rows > _MOST_EXAMS:
        raise InputError(f"the file holds {rows} recordings", f"at most {_MOST_EXAMS} were expected", "split it")
    if file.shape("/exam_id") != (rows,) or file.objects["/exam_id"]["kind"] not in "iu":
        return {str(row + 1): row for row in range(rows)}
    return {str(exam): row for row, exam in enumerate(file.array("/exam_id").tolist()) if exam}


def exam(file: Hdf5, record: str | None) -> Found:
    """Decode one exam, without the padding."""
    rows = exams(file)
    values = file.array("/tracings", list(rows.values())[chosen(list(rows), record)]).T.astype(np.float64)
    known = values.shape[1] == LENGTH
    there = np.flatnonzero((values != 0).any(0))
    if not len(there):
        raise InputError("the recording holds only zeros", "samples were expected", "choose another recording")
    first, last = there[0], there[-1] + 1
    notes = [f"padding removed: {first} samples before and {values.shape[1] - last} after the recording"]
    notes = notes if last - first < values.shape[1] else []
    leads = lead_order(values)
    notes += ["aVR follows aVL and aVF, according to Goldberger's equation"] if leads is TEST_LEADS else []
    notes += [_UNIT] if known else []
    units = ("mV" if known else None,) * len(leads)
    return Found(values[:, first:last], leads, units, RATE if known else None, notes=tuple(notes))


def lead_order(values: np.ndarray) -> tuple[str, ...]:
    """The order of the leads, detected by the row that satisfies aVR = −(I + II)/2."""
    deviation = [np.abs(values[row] + (values[0] + values[1]) / 2).mean() for row in (3, 5)]
    return TEST_LEADS if deviation[1] < 0.1 * deviation[0] else LEADS
