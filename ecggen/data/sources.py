"""Where recordings come from: a PTB-XL folder as published, or any folder of recordings."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pandas

from ecggen.data.packing import Recording
from ecggen.errors import InputError
from ecggen.io import records

DATABASE = "ptbxl_database.csv"
FOLDS = 10


def recordings(folder: Path | str) -> list[Recording]:
    """The recordings of a PTB-XL folder (known by its database CSV), or of any other folder.

    Raises:
        InputError: Where there is no such folder, or no recording in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", "a PTB-XL folder or a folder of recordings was expected")
    found = ptb_xl(folder) if (folder / DATABASE).is_file() else plain(folder)
    if not found:
        raise InputError(f"{folder} holds no recording", "WFDB, CSV or npz files were expected")
    return found


def ptb_xl(folder: Path) -> list[Recording]:
    """PTB-XL as published (Wagner et al. 2020): records at 100 Hz, with age, sex, report, patient and fold."""
    table = pandas.read_csv(folder / DATABASE)
    needed = ["ecg_id", "patient_id", "age", "sex", "report", "strat_fold", "filename_lr"]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(
            f"{folder / DATABASE} lacks the columns {', '.join(missing)}",
            "PTB-XL's published columns were expected",
        )
    rows: list[dict[str, Any]] = table.to_dict(orient="records")  # type: ignore[call-overload]
    return [
        Recording(
            name=f"{int(row['ecg_id']):05d}",
            path=folder / f"{row['filename_lr']}.hea",
            patient=str(row["patient_id"]),
            fold=int(row["strat_fold"]),
            age=_known(row["age"]),
            sex=_known(row["sex"]),
            report=row["report"] if isinstance(row["report"], str) else "",
        )
        for row in rows
    ]


def _known(value: float) -> float | None:
    """A number of a table, or None where the cell is empty."""
    return None if value != value else float(value)


def plain(folder: Path) -> list[Recording]:
    """Any folder: each file is a patient, and its name decides its fold, so that the split never changes."""
    found = []
    for path in records(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        found.append(Recording(name=name, path=path, patient=name, fold=1 + zlib.crc32(name.encode()) % FOLDS))
    return found
