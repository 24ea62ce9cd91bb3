"""Finding the recordings of a folder: an archive as published (``ARCHIVES``), or any folder of recordings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas

from ecggen.core.errors import InputError
from ecggen.data import challenges, ludb
from ecggen.data.mimic_iv_ecg import LISTED, mimic_iv_ecg
from ecggen.data.pack import FOLDS, Recording, fold_of
from ecggen.io import About, records
from ecggen.io.metadata import years

DATABASE = "ptbxl_database.csv"


def recordings(folder: Path | str) -> list[Recording]:
    """The recordings of a folder: those of an archive that is recognised by its files, or any other.

    Raises:
        InputError: If there is no such folder, or no recording in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", "a PTB-XL folder or a folder of recordings was expected")
    found = ARCHIVES.get(archive(folder), plain)(folder)
    if not found:
        raise InputError(f"{folder} holds no recording", "WFDB, CSV or npz files were expected")
    return found


def archive(folder: Path) -> str:
    """The archive that a folder holds, a key of ``ARCHIVES``; "" for any other folder."""
    if (folder / DATABASE).is_file():
        return "ptb-xl"
    if (folder / LISTED).is_file():
        return "mimic-iv-ecg"
    if ludb.files(folder):
        return "ludb"
    return challenges.year(folder) or ("bidmc" if _bidmc_files(folder) else "")


def ptb_xl(folder: Path) -> list[Recording]:
    """PTB-XL as published (Wagner et al. 2020): records at 100 Hz, with age, sex, report, patient and fold."""
    table = _database(folder)
    needed = ["ecg_id", "patient_id", "age", "sex", "report", "strat_fold", "filename_lr"]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(
            f"{folder / DATABASE} lacks the columns {', '.join(missing)}",
            "PTB-XL's published columns were expected",
        )
    rows: list[dict[str, Any]] = table.to_dict(orient="records")  # type: ignore[call-overload]
    return [_of_row(folder, number, row) for number, row in enumerate(rows, 2)]


def _database(folder: Path) -> pandas.DataFrame:
    try:
        return pandas.read_csv(folder / DATABASE)
    except (ValueError, UnicodeDecodeError) as error:  # pandas' own errors are ValueErrors
        found = f"{folder / DATABASE} cannot be read as a table"
        raise InputError(found, "PTB-XL's published columns were expected", "fetch it again") from error


def _of_row(folder: Path, number: int, row: dict[str, Any]) -> Recording:
    """The recording of a row; ``number`` is its line in the table.

    Raises:
        InputError: If a number is invalid, the sex is neither 0 nor 1, the statements are not a dict, or the file lies
            outside the folder.
    """
    try:
        if not _is_inside(row["filename_lr"]) or _known(row["sex"]) not in (0.0, 1.0, None):
            raise ValueError
        return Recording(
            name=f"{int(row['ecg_id']):05d}",
            path=folder / f"{row['filename_lr']}.hea",
            patient=str(row["patient_id"]),
            fold=int(row["strat_fold"]),
            age=_known(row["age"]),
            sex=_known(row["sex"]),
            report=row["report"] if isinstance(row["report"], str) else "",
            codes=_codes(row.get("scp_codes")),
        )
    except (ValueError, TypeError) as error:
        raise InputError(
            f"line {number} of {folder / DATABASE} holds an invalid number, invalid statements or "
            "another folder's file",
            "ecg_id, strat_fold, age, sex (0 or 1), scp_codes (as {'SR': 0.0}) and files of this folder were expected",
            "correct the line",
        ) from error


def _is_inside(name: object) -> bool:
    """Whether a name in the table is a path inside its folder."""
    return isinstance(name, str) and not Path(name).is_absolute() and ".." not in Path(name).parts


def abouts(folder: Path) -> dict[Path, About]:
    """Metadata of each file of a PTB-XL folder, at 100 and at 500 Hz, from its table."""
    table = _database(folder)
    found = {}
    for recording, (_, row) in zip(ptb_xl(folder), table.iterrows(), strict=True):
        about = About(
            age=None if recording.age is None else years(f"{recording.age:g}"),
            sex=None if recording.sex is None else "MF"[int(recording.sex)],
            codes=tuple(recording.codes.split()),
            report=recording.report,
            patient=recording.patient,
            fold=recording.fold,
        )
        names = (row.get("filename_lr"), row.get("filename_hr"))
        found |= {folder / f"{name}.hea": about for name in names if _is_inside(name)}
    return found


def _codes(cell: object) -> str:
    """Statements of a cell such as ``{'NORM': 100.0}``. A likelihood of 0 means "not specified", not "absent".

    Raises:
        ValueError: If the cell is neither empty nor such a text.
    """
    if not isinstance(cell, str):
        return ""
    if not re.fullmatch(r"\{\s*(?:'[^']+'\s*:\s*[-+.\w]+\s*(?:,\s*|(?=\})))*\}", cell.strip()):
        raise ValueError
    return " ".join(re.findall(r"'([^']+)'\s*:", cell))


def _known(value: float) -> float | None:
    """A number of a table, or None for an empty cell."""
    return None if value != value else float(value)


def bidmc(folder: Path) -> list[Recording]:
    """BIDMC as published (Pimentel et al. 2016): recordings with a PPG and lead II; empty for any other folder.

    CSV files are used if they exist, in the folder or in its ``bidmc_csv``, otherwise WFDB files. Several recordings
    may come from one patient, who stays in one fold: sorted patients are assigned to the folds in turn. Metadata are
    read from ``…_Fix.txt`` or from the comments of a WFDB header. Without either, each recording is its own patient.
    """
    files = _bidmc_files(folder)
    names = [f"bidmc_{re.sub('[^0-9]', '', file.stem)}" for file in files]
    about = [_about(file, name) for file, name in zip(files, names, strict=True)]
    subject = r"matched wdb ID: *(\w+)|/matched/(\w+)"
    patients = [_first_group(subject, text) or name for text, name in zip(about, names, strict=True)]
    fold = {patient: 1 + at % FOLDS for at, patient in enumerate(sorted(set(patients)))}
    return [
        Recording(
            name=name,
            path=file,
            patient=patient,
            fold=fold[patient],
            age=_number(_first_group(r"\bage\b\W*([0-9]+)", text)),
            sex={"M": 0.0, "F": 1.0}.get(_first_group(r"\b(?:gender|sex)\b\W*([MF])\b", text).upper()),
            paired=True,
        )
        for name, file, patient, text in zip(names, files, patients, about, strict=True)
    ]


def _bidmc_files(folder: Path) -> list[Path]:
    inner = folder / "bidmc_csv"
    places = [(folder, "bidmc_[0-9]*_Signals.csv"), (inner, "bidmc_[0-9]*_Signals.csv"), (folder, "bidmc[0-9]*.hea")]
    files = next(filter(None, (sorted(place.glob(pattern)) for place, pattern in places)), [])
    return [file for file in files if not file.stem.endswith("n")]  # bidmc01n holds the monitor's numbers


def _about(file: Path, name: str) -> str:
    """The text on the patient of a BIDMC recording; "" if there is none."""
    beside = (file.with_name(f"{name}_Fix.txt"), file.parent / "bidmc_csv" / f"{name}_Fix.txt")
    places = [*beside, *([file] if file.suffix == ".hea" else [])]
    place = next((place for place in places if place.is_file()), None)
    return "" if place is None else place.read_text(encoding="utf-8", errors="replace")


def _first_group(pattern: str, text: str) -> str:
    """The first matched group of ``pattern`` in ``text``, or ""."""
    match = re.search(pattern, text, re.IGNORECASE)
    return next(filter(None, match.groups()), "") if match else ""


def _number(text: str) -> float | None:
    """A number, or None for an empty text. "90+" is read as 90, as for PTB-XL's ages above 89."""
    return float(text) if text else None


def plain(folder: Path) -> list[Recording]:
    """Any folder of recordings: each file is a patient, and its fold is a hash of its name."""
    found = []
    for path in records(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        found.append(Recording(name=name, path=path, patient=name, fold=fold_of(name)))
    return found


ARCHIVES: dict[str, Callable[[Path], list[Recording]]] = {
    "ptb-xl": ptb_xl,
    "mimic-iv-ecg": mimic_iv_ecg,
    "ludb": ludb.recordings,
    "cinc2011": challenges.challenge_2011,
    "cinc2015": challenges.challenge_2015,
    "cinc2021": plain,
    "bidmc": bidmc,
}
"""Archives that are recognised by their files, with the function that finds their recordings."""
PAIRED = ("bidmc", "cinc2015")
"""Archives of recordings with lead II and a PPG."""
