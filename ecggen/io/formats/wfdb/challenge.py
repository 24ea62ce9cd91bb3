"""Writer of records in the format of the PhysioNet Challenges 2020 and 2021: a WFDB header and a MATLAB matrix ``val``.

A MATLAB 4 file is a header of 20 bytes, a name, and the matrix by columns. With a name of four bytes and 16-bit
integers, its samples are those of WFDB format 16 at an offset of 24 bytes, so that WFDB and MATLAB read the same file.
The gain in the header has no baseline in brackets, which the programs of the Challenges cannot parse. Diagnoses are
SNOMED CT codes. The WFDB reader reads these records.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.io.formats.snomed import to_snomed
from ecggen.io.formats.wfdb.comments import challenge_lines
from ecggen.io.formats.wfdb.record import GAIN, header_lines, steps
from ecggen.io.metadata import About

_INT16 = 30  # MATLAB 4: little-endian, a full matrix of 16-bit integers
_NAME = b"val\0"


def encode(ecg: ECG, path: Path, about: About) -> dict[Path, bytes]:
    """Encode one record; the samples are written first, so that a header never refers to missing samples.

    Raises:
        InputError: If the samples exceed the range, or ``path`` is not a valid name of a record.
    """
    digital = steps(ecg, path)
    numbers, without = to_snomed(about.codes)
    header = header_lines(ecg.leads, ecg.fs, digital, path.with_suffix(".mat").name, f"16+24 {GAIN}/mV")
    header += challenge_lines(ecg, replace(about, codes=numbers), without)
    matrix = struct.pack("<5i", _INT16, *digital.shape, 0, len(_NAME)) + _NAME
    return {
        path.with_suffix(".mat"): matrix + np.ascontiguousarray(digital.T).tobytes(),
        path.with_suffix(".hea"): ("\n".join(header) + "\n").encode(),
    }
