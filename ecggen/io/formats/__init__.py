"""Registry of the file formats: detection, reading and writing.

Formats are tried in order. More specific formats come before general ones, and CSV, which any table of numbers is,
comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.io.formats import ishne, kardia, npy, npz, unreadable, zip_archive
from ecggen.io.formats.avro import embraceplus
from ecggen.io.formats.csv import apple_watch, polar
from ecggen.io.formats.csv import movesense as csv_movesense
from ecggen.io.formats.csv import table as csv_table
from ecggen.io.formats.csv import withings as csv_withings
from ecggen.io.formats.dicom import reading as dicom_reading
from ecggen.io.formats.dicom import writing as dicom_writing
from ecggen.io.formats.edf import reading as edf_reading
from ecggen.io.formats.edf import writing as edf_writing
from ecggen.io.formats.hdf5 import reading as hdf5_reading
from ecggen.io.formats.json import reading as json_reading
from ecggen.io.formats.matlab import reading as matlab_reading
from ecggen.io.formats.opensignals import text as opensignals_text
from ecggen.io.formats.scp import reading as scp_reading
from ecggen.io.formats.wfdb import challenge
from ecggen.io.formats.wfdb import record as wfdb_record
from ecggen.io.formats.xml import aecg, cardiosoft, muse, sierra
from ecggen.io.metadata import About
from ecggen.io.normalise import Found
from ecggen.io.source import Source

Encode = Callable[[ECG, Path, About], dict[Path, bytes]]


@dataclass(frozen=True)
class Format:
    """A file format that ecggen reads.

    Attributes:
        name: Common name of the format.
        looks_like: Detects the format from the first bytes of a file.
        read: Decodes a file.
        contents: Lists the names of the recordings in a file; None for a format that holds one recording.
        beats: Lists those of them that are median or average beats of another recording; None if there are none.
    """

    name: str
    looks_like: Callable[[Source], bool]
    read: Callable[[Source], Found]
    contents: Callable[[Source], Sequence[str]] | None = None
    beats: Callable[[Source], Sequence[str]] | None = None


READ: tuple[Format, ...] = (
    Format("DICOM", dicom_reading.looks_like, dicom_reading.read, dicom_reading.contents, dicom_reading.beats),
    Format("EDF", edf_reading.looks_like, edf_reading.read),
    Format("ISHNE Holter", ishne.looks_like, ishne.read),
    Format("MATLAB", matlab_reading.looks_like, matlab_reading.read, matlab_reading.contents),
    Format("npz", npz.looks_like, npz.read, npz.contents),
    Format("npy", npy.looks_like, npy.read, npy.contents),
    Format("SCP-ECG", scp_reading.looks_like, scp_reading.read),
    Format("KardiaMobile's ATC", kardia.looks_like, kardia.read),
    Format("zip", zip_archive.looks_like, zip_archive.read, zip_archive.contents),
    Format("HDF5", hdf5_reading.looks_like, hdf5_reading.read, hdf5_reading.contents),
    Format("EmbracePlus's Avro", embraceplus.looks_like, embraceplus.read),
    Format("JSON", json_reading.looks_like, json_reading.read, json_reading.contents),
    Format("HL7 aECG", aecg.looks_like, aecg.read, aecg.contents, aecg.beats),
    Format("GE MUSE's XML", muse.looks_like, muse.read, muse.contents, muse.beats),
    Format("GE CardioSoft's XML", cardiosoft.looks_like, cardiosoft.read, cardiosoft.contents),
    Format("Philips' XML", sierra.looks_like, sierra.read),
    Format("WFDB", wfdb_record.looks_like, wfdb_record.read),
    Format("OpenSignals' text", opensignals_text.looks_like, opensignals_text.read, opensignals_text.contents),
    Format("Polar Sensor Logger's table", polar.looks_like, polar.read),
    Format("Movesense's CSV", csv_movesense.looks_like, csv_movesense.read),
    Format("Withings' CSV", csv_withings.looks_like, csv_withings.read, csv_withings.contents),
    Format("Apple Watch's CSV", apple_watch.looks_like, apple_watch.read),
    Format("CSV", csv_table.looks_like, csv_table.read),
)
"""Formats that can be read, in the order of detection."""

WRITE: dict[str, Encode] = {
    ".hea": wfdb_record.encode,
    ".mat": challenge.encode,
    ".csv": csv_table.encode,
    ".npz": npz.encode,
    ".edf": edf_writing.encode,
    ".dcm": dicom_writing.encode,
    ".xml": aecg.encode,
}
"""Formats that can be written: the encoder for each suffix, which returns the bytes of each file in writing order."""

GAPS = (".hea", ".mat", ".csv", ".npz", ".dcm")
"""Suffixes of the formats that have a value for a missing sample; EDF and aECG have none."""

FORMS = {
    "wfdb": ".hea",
    "challenge": ".mat",
    "csv": ".csv",
    "npz": ".npz",
    "edf": ".edf",
    "dicom": ".dcm",
    "aecg": ".xml",
}
"""Suffix of each format that can be written, by the names of the command line."""

SUFFIXES = (".hea", ".csv", ".tsv", ".npz", ".npy", ".edf", ".bdf", ".dcm", ".dicom", ".xml", ".scp", ".atc")
"""Suffixes of the files in a folder that are taken as recordings by name."""

LIKELY = (".ecg", ".mat", ".json", ".zip", ".h5", ".hdf5", ".avro", ".txt", ".asc", ".dat", ".tab")
"""Suffixes of recordings and of many other files; the content decides."""


def known(source: Source) -> Format:
    """Detect the format of a file from its content.

    Raises:
        InputError: If the format is unknown, or the file is empty or known to hold no recording.
    """
    if not source.opening:
        raise InputError("the file is empty", "a recording was expected")
    unreadable.refuse(source)
    for form in READ:
        if form.looks_like(source):
            return form
    names = ", ".join(form.name for form in READ[:-1])
    expected = f"{names} or {READ[-1].name} was expected"
    raise InputError("the format of the file is unknown", expected, "convert it first")
