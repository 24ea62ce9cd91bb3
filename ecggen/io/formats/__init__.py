"""All formats, each in a file of its own: how it is known, read and written.

The order matters where one form contains another: JSON and XML before words and columns, and CSV, which any table of
numbers is, last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.io.about import About
from ecggen.io.door import Found
from ecggen.io.formats import (
    aecg_format,
    apple_watch,
    avro_format,
    challenge_format,
    csv_format,
    dicom_format,
    dicom_writing,
    edf_format,
    edf_writing,
    hdf5_format,
    json_format,
    kardia_format,
    muse_format,
    npz_format,
    polar_format,
    scp_format,
    sierra_format,
    wfdb_format,
    zip_format,
)
from ecggen.io.source import Source

_PICKLE = re.compile(rb"\x80[\x02-\x05][\x95}(\])cXq]|[}\]]q\0|\([dl]p\d+\n|c(?:copy_reg|numpy|__builtin__)\S*\n")
"""How pickles begin: a protocol's number, else a dict, a list or the name of what is to be called."""

Encode = Callable[[ECG, Path, About], dict[Path, bytes]]


@dataclass(frozen=True)
class Format:
    """A form of file that ecggen reads.

    Attributes:
        name: What people call it.
        looks_like: Whether a file is of this form, by its opening.
        read: What it says, in its own words.
        contents: Names of its recordings, for a form that can hold several; None for one that holds one.
    """

    name: str
    looks_like: Callable[[Source], bool]
    read: Callable[[Source], Found]
    contents: Callable[[Source], Sequence[str]] | None = None


READ: tuple[Format, ...] = (
    Format("DICOM", dicom_format.looks_like, dicom_format.read, dicom_format.contents),
    Format("EDF", edf_format.looks_like, edf_format.read),
    Format("npz", npz_format.looks_like, npz_format.read, npz_format.contents),
    Format("SCP-ECG", scp_format.looks_like, scp_format.read),
    Format("KardiaMobile's ATC", kardia_format.looks_like, kardia_format.read),
    Format("zip", zip_format.looks_like, zip_format.read, zip_format.contents),
    Format("HDF5", hdf5_format.looks_like, hdf5_format.read, hdf5_format.contents),
    Format("EmbracePlus's Avro", avro_format.looks_like, avro_format.read),
    Format("JSON", json_format.looks_like, json_format.read, json_format.contents),
    Format("HL7 aECG", aecg_format.looks_like, aecg_format.read, aecg_format.contents),
    Format("GE MUSE's XML", muse_format.looks_like, muse_format.read, muse_format.contents),
    Format("Philips' XML", sierra_format.looks_like, sierra_format.read),
    Format("WFDB", wfdb_format.looks_like, wfdb_format.read),
    Format("Polar Sensor Logger's table", polar_format.looks_like, polar_format.read),
    Format("Apple Watch's CSV", apple_watch.looks_like, apple_watch.read),
    Format("CSV", csv_format.looks_like, csv_format.read),
)
"""What can be read, in the order in which it is tried."""

WRITE: dict[str, Encode] = {
    ".hea": wfdb_format.encode,
    ".mat": challenge_format.encode,
    ".csv": csv_format.encode,
    ".npz": npz_format.encode,
    ".edf": edf_writing.encode,
    ".dcm": dicom_writing.encode,
    ".xml": aecg_format.encode,
}
"""What can be written: a suffix, and what makes the bytes, in the order in which files take their names."""

FORMS = {
    "wfdb": ".hea",
    "challenge": ".mat",
    "csv": ".csv",
    "npz": ".npz",
    "edf": ".edf",
    "dicom": ".dcm",
    "aecg": ".xml",
}
"""What can be written, by the names that commands take."""

SUFFIXES = (".hea", ".csv", ".tsv", ".npz", ".edf", ".bdf", ".dcm", ".xml", ".scp", ".atc")
"""Names under which recordings are looked for in a folder."""

LIKELY = (".json", ".zip", ".h5", ".hdf5", ".avro", ".txt")
"""Names that recordings have, and many other files as well: their content decides."""


def known(source: Source) -> Format:
    """The form that a file's content shows.

    Raises:
        InputError: Where it shows none.
    """
    if not source.opening:
        raise InputError("the file is empty", "a recording was expected")
    _refuse_pickle(source.opening)
    for form in READ:
        if form.looks_like(source):
            return form
    names = ", ".join(form.name for form in READ[:-1])
    expected = f"{names} or {READ[-1].name} was expected"
    raise InputError("the file is in no format that ecggen reads", expected, "convert it first")


def _refuse_pickle(opening: bytes) -> None:
    """An InputError for Python's pickle, which PPG-DaLiA and WESAD hold: whoever opens one runs what is in it."""
    if _PICKLE.match(opening):
        found = "the file is a pickle, which can run programs when it is opened"
        use = "use the others of the set: S1_RespiBAN.h5 for the ECG, the zip of the E4 (BVP.csv) for the PPG"
        raise InputError(found, "a recording was expected", use)
