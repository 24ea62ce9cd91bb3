"""What lies at a path: anybody's recordings, one entry each, opened only when they are wanted.

A path is a file that holds one record or many (.npy, .npz, .csv, .hea) or a folder: as ``ecggen generate`` writes it
(with its list), as PTB-XL is published (with its database), or with recordings and nothing else.
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
from ecggen.core.ecg import ECG, check_rate
from ecggen.core.errors import InputError
from ecggen.data.sources import DATABASE
from ecggen.io.normalise import LEFT_OUT, agreed, millivolts
from ecggen.report.inputs.open import Said, opened

LISTS = "records*.csv"
"""Lists of records that ``ecggen generate`` writes; other people's need a column ``file`` and any of ``METADATA``."""
METADATA = ("patient", "codes", "text", "age", "sex", "heart_rate")
"""What may be known of a record: columns of a list, or arrays of an archive beside its signal."""
SEXES = {"m": 0.0, "male": 0.0, "0": 0.0, "0.0": 0.0, "f": 1.0, "female": 1.0, "1": 1.0, "1.0": 1.0}


@dataclass(frozen=True)
class Record:
    """One record and what is known of it, as the attributes of ``ECGSet`` say."""

    name: str
    ecg: ECG
    patient: str = ""
    codes: str = ""
    text: str = ""
    age: float = np.nan
    sex: float = np.nan
    asked_rate: float = np.nan


@dataclass(frozen=True)
class Entry:
    """A file, or a row of an array.

    Attributes:
        name: Its name in its folder; rows of an array have a number.
        load: Reads its records; an InputError where it cannot.
        patient: Its patient, where one is known.
        named: Whether the name is somebody's choice, so that the same name elsewhere means the same heart.
    """

    name: str
    load: Callable[[], list[Record]]
    patient: str = ""
    named: bool = True


def listed(path: Path, said: Said, folds: Sequence[int] = ()) -> list[Entry]:
    """What lies at ``path``.

    Args:
        path: A file or a folder.
        said: What its files may leave open.
        folds: Of PTB-XL's ten folds those to use; all where none are named.

    Raises:
        InputError: Where nothing is there, or no recording.
    """
    if path.is_dir():
        database = (path / DATABASE).is_file()
        if folds and not database:
            raise InputError(f"folds of {path.name} are asked for", f"a PTB-XL folder with its {DATABASE} was expected")
        return _database(path, said, folds) if database else _lists(path, said) or _plain(path, said)
    if path.suffix == ".npy" and path.is_file():
        return _array(path, said)
    return _file(path, said)


def _records(path: Path, name: str, said: Said, known: Mapping[str, Any]) -> list[Record]:
    """The records of a file; a batch's are numbered, and may bring what is known of each."""
    ecg = opened(path, said)
    rows = _beside(path, len(ecg)) if path.suffix == ".npz" else [{}] * len(ecg)
    names = [name] if len(ecg) == 1 else [f"{name}[{row}]" for row in range(len(ecg))]
    return [Record(names[at], ecg[at], **_facts({**known, **rows[at]})) for at in range(len(ecg))]


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    """``METADATA`` of a list's or an archive's row as attributes of a ``Record``."""
    words = {name: str(row.get(name) or "") for name in ("patient", "codes", "text")}
    sex = SEXES.get(str(row.get("sex", "")).strip().lower(), np.nan)
    return words | {"age": _number(row.get("age")), "sex": sex, "asked_rate": _number(row.get("heart_rate"))}


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return np.nan


def _beside(path: Path, n: int) -> list[dict[str, Any]]:
    """What an archive holds beside its signal, a row a record."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            known = {
                name: arrays[name].tolist() for name in METADATA if name in arrays.files and arrays[name].ndim == 1
            }
    except ValueError as error:
        do = "save words with .astype(str)"
        raise InputError(f"{path.name} holds Python objects", "numbers and words were expected", do) from error
    for name, column in known.items():
        if len(column) != n:
            raise InputError(
                f"{path.name} holds {len(column)} values of {name} for {n} records", "one each was expected"
            )
    return [{name: column[row] for name, column in known.items()} for row in range(n)]


def _file(path: Path, said: Said) -> list[Entry]:
    """One file; a batch in it becomes an entry a record."""
    records = _records(path, path.stem, said, {})
    if len(records) == 1:
        return [Entry(path.stem, lambda: records)]
    return [Entry(one.name, partial(list, [one]), one.patient, named=False) for one in records]


def _array(path: Path, said: Said) -> list[Entry]:
    """A ``.npy`` of (record, lead, time), (record, time, lead) or, of one lead, (record, time); opened row by row."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path.name} is no array of numbers", "what numpy.save writes was expected") from error
    if not said.leads:
        do = "name them in order: --leads I,II,V1,… or --leads standard"
        raise InputError(f"{path.name} has shape {array.shape} and does not name its leads", do=do)
    if array.ndim == 2 and len(said.leads) == 1:
        array = array[:, None]
    if array.ndim != 3 or array.dtype.kind not in "fiu":
        found = f"{path.name} has shape {array.shape} and holds {array.dtype}"
        raise InputError(found, "numbers of (record, lead, time) or (record, time, lead) were expected")
    across, along = array.shape[1:]
    if (across == len(said.leads)) == (along == len(said.leads)):
        found = f"{len(said.leads)} leads are named and {path.name} has shape {array.shape}"
        raise InputError(found, "one of its last two axes, not both, was expected to be as long")
    fs = agreed(f"the sampling rate of {path.name}", "--fs", None, said.fs, check_rate)
    scale = agreed(f"the unit of {path.name}", "--unit", None, said.unit, millivolts)
    turned = across != len(said.leads)
    kept = [row for row, lead in enumerate(said.leads) if lead != LEFT_OUT]
    leads = tuple(said.leads[row] for row in kept)

    def load(row: int, name: str) -> list[Record]:
        wave = array[row].T if turned else array[row]
        return [Record(name, ECG(torch.from_numpy(np.asarray(wave[kept] * scale, np.float32)), leads, fs))]

    names = [f"{path.stem}[{row}]" for row in range(len(array))]
    return [Entry(name, partial(load, row, name), named=False) for row, name in enumerate(names)]


def _plain(folder: Path, said: Said) -> list[Entry]:
    """Every recording in a folder."""
    return [Entry(one.name, partial(_records, one.path, one.name, said, {})) for one in data.recordings(folder)]


def _database(folder: Path, said: Said, folds: Sequence[int]) -> list[Entry]:
    """A PTB-XL folder, with age, sex, report, statements and patient."""
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
                said,
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


def _lists(folder: Path, said: Said) -> list[Entry]:
    """The records that the lists of a folder name; empty where it has no such list."""
    return [
        Entry(name, partial(_records, folder / row["file"], name, said, row), row.get("patient") or "")
        for path in sorted(folder.glob(LISTS))
        for row in _rows(path)
        if (name := Path(row["file"]).with_suffix("").as_posix())
    ]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a list that name a file within its folder; none where it is no list of files."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        table = csv.DictReader(file)
        if "file" not in (table.fieldnames or ()):
            return
        for row in table:
            place = Path(row["file"] or ".")
            if row["file"] and not place.is_absolute() and ".." not in place.parts:
                yield {key: value for key, value in row.items() if key and isinstance(value, str)}
