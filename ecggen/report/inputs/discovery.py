"""List the recordings at a path, one entry each; an entry is read only when it is used.

A path is a file with one or more records (.npy, .npz, .csv, .hea) or a folder: the output of ``ecggen generate`` with
its list of records, PTB-XL with its database, or any folder of recordings.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen import data
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS, check_rate
from ecggen.core.errors import InputError, argument
from ecggen.data.sources import DATABASE
from ecggen.io.channels import agreed_leads, assigns, wanted
from ecggen.io.normalise import Found, agreed, millivolts, unnamed_channels
from ecggen.report.inputs.open import FileDefaults, open_recording

LISTS = "records*.csv"
"""Lists of records as ``ecggen generate`` writes them; other lists need a column ``file`` and any of ``METADATA``."""
METADATA = ("patient", "codes", "text", "age", "sex", "heart_rate")
"""Metadata of a record: columns of a list, or arrays of an archive in addition to its signal."""
SEXES = {"m": 0.0, "male": 0.0, "0": 0.0, "0.0": 0.0, "f": 1.0, "female": 1.0, "1": 1.0, "1.0": 1.0}


@dataclass(frozen=True)
class Record:
    """One record and its metadata; the attributes are those of ``ECGSet``."""

    name: str
    ecg: ECG
    patient: str = ""
    codes: str = ""
    text: str = ""
    age: float = np.nan
    sex: float = np.nan
    requested_heart_rate: float = np.nan


@dataclass(frozen=True)
class Entry:
    """A file, or a row of an array.

    Attributes:
        name: Name in its folder; rows of an array have a number.
        load: Reads the records; raises an InputError if it cannot.
        patient: The patient, or "" if it is not known.
        named: Whether the name identifies the record, so that the same name in another set means the same record.
    """

    name: str
    load: Callable[[], list[Record]]
    patient: str = ""
    named: bool = True


def list_entries(path: Path, defaults: FileDefaults, folds: Sequence[int] = ()) -> list[Entry]:
    """The entries at ``path``.

    Args:
        path: A file or a folder.
        defaults: Sampling rate, unit and leads of files that do not state them.
        folds: Folds of a PTB-XL folder to use; all if empty.

    Raises:
        InputError: If ``path`` does not exist or holds no recording.
    """
    if path.is_dir():
        database = (path / DATABASE).is_file()
        if folds and not database:
            raise InputError(f"folds of {path.name} were given", f"a PTB-XL folder with its {DATABASE} was expected")
        return _database(path, defaults, folds) if database else _lists(path, defaults) or _plain(path, defaults)
    if path.suffix == ".npy" and path.is_file():
        return _array(path, defaults)
    return _file(path, defaults)


def _records(path: Path, name: str, defaults: FileDefaults, known: Mapping[str, Any]) -> list[Record]:
    """The records of a file with their metadata; records of a batch are numbered."""
    ecg = open_recording(path, defaults)
    rows = _archive_metadata(path, len(ecg)) if path.suffix == ".npz" else [{}] * len(ecg)
    names = [name] if len(ecg) == 1 else [f"{name}[{row}]" for row in range(len(ecg))]
    return [Record(names[at], ecg[at], **_metadata({**known, **rows[at]})) for at in range(len(ecg))]


def _metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    """``METADATA`` of a row of a list or an archive as attributes of a ``Record``."""
    texts = {name: str(row.get(name) or "") for name in ("patient", "codes", "text")}
    sex = SEXES.get(str(row.get("sex", "")).strip().lower(), np.nan)
    return texts | {"age": _number(row.get("age")), "sex": sex, "requested_heart_rate": _number(row.get("heart_rate"))}


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return np.nan


def _archive_metadata(path: Path, n: int) -> list[dict[str, Any]]:
    """Metadata in an archive, one row for each record."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            known = {
                name: arrays[name].tolist() for name in METADATA if name in arrays.files and arrays[name].ndim == 1
            }
    except ValueError as error:
        do = "save text with .astype(str)"
        raise InputError(f"{path.name} holds Python objects", "numbers and text were expected", do) from error
    for name, column in known.items():
        if len(column) != n:
            raise InputError(
                f"{path.name} holds {len(column)} values of {name} for {n} records", "one each was expected"
            )
    return [{name: column[row] for name, column in known.items()} for row in range(n)]


def _file(path: Path, defaults: FileDefaults) -> list[Entry]:
    """The entries of one file, one for each record."""
    records = _records(path, path.stem, defaults, {})
    if len(records) == 1:
        return [Entry(path.stem, lambda: records)]
    return [Entry(one.name, partial(list, [one]), one.patient, named=False) for one in records]


def _array(path: Path, defaults: FileDefaults) -> list[Entry]:
    """A ``.npy`` of (record, lead, time), (record, time, lead) or, for one lead, (record, time); read row by row."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path.name} is no array of numbers", "a file of numpy.save was expected") from error
    if not defaults.leads:
        do = f"name them in order: {argument(leads='I,II,V1')} or {argument(leads='standard')}"
        raise InputError(f"{path.name} has shape {array.shape} and does not name its leads", do=do)
    if array.ndim == 2 and len(defaults.leads) == 1:
        array = array[:, None]
    if array.ndim != 3 or array.dtype.kind not in "fiu":
        found = f"{path.name} has shape {array.shape} and holds {array.dtype}"
        raise InputError(found, "numbers of (record, lead, time) or (record, time, lead) were expected")
    across, along = array.shape[1:]
    named = of_standard(defaults.leads, (across, along))
    entries = wanted(named)
    count = unnamed_channels(across, along) if assigns(entries) else len(named)
    if (across == count) == (along == count):
        found = f"{count} leads are named and {path.name} has shape {array.shape}"
        expected = "one of its last two axes, not both, was expected to be as long"
        raise InputError(found, expected, "name the leads of the real set with --real-leads if they are others")
    fs = agreed(f"the sampling rate of {path.name}", "fs", None, defaults.fs, check_rate)
    scale = agreed(f"the unit of {path.name}", "unit", None, defaults.unit, millivolts)
    transposed = across != count
    kept, leads = agreed_leads(Found(np.empty((count, 0)), (None,) * count, (None,) * count), entries)

    def load(row: int, name: str) -> list[Record]:
        wave = array[row].T if transposed else array[row]
        return [Record(name, ECG(torch.from_numpy(np.asarray(wave[kept] * scale, np.float32)), tuple(leads), fs))]

    names = [f"{path.stem}[{row}]" for row in range(len(array))]
    return [Entry(name, partial(load, row, name), named=False) for row, name in enumerate(names)]


def of_standard(leads: tuple[str, ...], axes: tuple[int, int]) -> tuple[str, ...]:
    """The names of the channels: for the twelve standard leads and an array of eight, the independent leads.

    Example:
        >>> of_standard(STANDARD_LEADS, (8, 5000))
        ('I', 'II', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6')
    """
    eight = leads == STANDARD_LEADS and len(leads) not in axes and len(INDEPENDENT_LEADS) in axes
    return INDEPENDENT_LEADS if eight else leads


def _plain(folder: Path, defaults: FileDefaults) -> list[Entry]:
    """Every recording in a folder; those of a known archive are read as it needs (``Recording.read``)."""
    return [_entry(one, defaults) for one in data.recordings(folder)]


def _entry(one: data.Recording, defaults: FileDefaults) -> Entry:
    if type(one).read is data.Recording.read:
        return Entry(one.name, partial(_records, one.path, one.name, defaults, {}))
    return Entry(one.name, lambda: [Record(one.name, one.read(), one.patient)], one.patient)


def _database(folder: Path, defaults: FileDefaults, folds: Sequence[int]) -> list[Entry]:
    """The records of a PTB-XL folder, with age, sex, report, statements and patient."""
    chosen = [one for one in data.recordings(folder) if not folds or one.fold in folds]
    if not chosen:
        raise InputError(f"folds {', '.join(map(str, folds))} of {folder.name} hold no record", "records were expected")
    return [
        Entry(
            one.name,
            partial(
                _records,
                one.path,
                one.name,
                defaults,
                {
                    "patient": one.patient,
                    "codes": one.codes,
                    "text": one.report,
                    "age": one.age,
                    "sex": "" if one.sex is None else one.sex,
                },
            ),
            one.patient,
        )
        for one in chosen
    ]


def _lists(folder: Path, defaults: FileDefaults) -> list[Entry]:
    """The records in the lists of a folder; empty if it has no list."""
    return [
        Entry(name, partial(_records, folder / row["file"], name, defaults, row), row.get("patient") or "")
        for path in sorted(folder.glob(LISTS))
        for row in _rows(path)
        if (name := Path(row["file"]).with_suffix("").as_posix())
    ]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a list that name a file within its folder; none if it is not a list of files."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        table = csv.DictReader(file)
        if "file" not in (table.fieldnames or ()):
            return
        for row in table:
            place = Path(row["file"] or ".")
            if row["file"] and not place.is_absolute() and ".." not in place.parts:
                yield {key: value for key, value in row.items() if key and isinstance(value, str)}
