"""A record as the PhysioNet Challenges of 2020 and 2021 publish it: a WFDB header beside MATLAB's matrix ``val``.

A MATLAB 4 file is a header of 20 bytes, a name, and the matrix, column after column; with a name of four bytes and
16-bit integers its samples lie as in WFDB's format 16, 24 bytes in, so that WFDB and MATLAB read the same file. The
header's gain has no baseline in brackets, which the Challenges' programs cannot parse, and diagnoses are numbers of
SNOMED CT. It is read as any WFDB record is.
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
    """One record; the samples come first, so that no header ever describes missing ones.

    Raises:
        InputError: Where the samples do not fit, or ``path`` is no name for a record.
    """
    digital = steps(ecg, path)
    numbers, without = to_snomed(about.codes)
    header = header_lines(ecg, digital, path.with_suffix(".mat").name, f"16+24 {GAIN}/mV")
    header += challenge_lines(ecg, replace(about, codes=numbers), without)
    matrix = struct.pack("<5i", _INT16, *digital.shape, 0, len(_NAME)) + _NAME
    return {
        path.with_suffix(".mat"): matrix + np.ascontiguousarray(digital.T).tobytes(),
        path.with_suffix(".hea"): ("\n".join(header) + "\n").encode(),
    }
