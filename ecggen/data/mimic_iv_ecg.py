"""MIMIC-IV-ECG 1.0 as published (Gow et al. 2023): about 800,000 ECGs of 160,000 patients, described by two tables.

The tables are large, so only the columns in use are read. The machine's statements on an ECG form its report. The
tables hold no age and no sex. Both are read from MIMIC-IV's ``patients.csv`` (or ``patients.csv.gz``) if that file,
which has its own data use agreement, lies in the folder. All dates of a patient are shifted by the same amount, so the
age at an ECG follows from the years.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas

from ecggen.core.errors import InputError
from ecggen.data.pack import Recording, fold_of

LISTED = "record_list.csv"
MEASURED = "machine_measurements.csv"
PATIENTS = ("patients.csv", "patients.csv.gz")
STATEMENTS = tuple(f"report_{i}" for i in range(18))
OLDEST = 90.0
"""Age assigned to patients over 89; MIMIC-IV gives them an anchor age of 91."""

_INSIDE = r"(?!/)(?!.*\.\.)[-\w./]+"
"""A relative path that stays inside its folder."""


def mimic_iv_ecg(folder: Path) -> list[Recording]:
    """The recordings of MIMIC-IV-ECG with patient, fold and report, and with age and sex where they are available.

    The fold is a hash of the patient's identifier: all records of a patient share a fold, and the split never changes.

    Raises:
        InputError: If a table is missing or not as published, or names a file outside the folder.
    """
    listed = _table(folder / LISTED, {"subject_id": "int64", "study_id": "int64", "ecg_time": "str", "path": "str"})
    outside = np.flatnonzero(~listed.path.str.fullmatch(_INSIDE).fillna(False).to_numpy(bool))
    if len(outside):
        raise InputError(
            f"line {outside[0] + 2} of {folder / LISTED} names no file of this folder",
            "a path such as files/p1000/p10000032/s40689238/40689238 was expected",
            "correct the line",
        )
    subjects, of = np.unique(listed.subject_id.to_numpy(), return_inverse=True)
    patients = [str(subject) for subject in subjects]
    folds = [fold_of(patient) for patient in patients]
    age, sex = _age_and_sex(folder, subjects, of, listed.ecg_time)
    reports = listed.study_id.map(_reports(folder / MEASURED)).fillna("")
    columns = (listed.study_id.tolist(), listed.path.tolist(), of.tolist(), age, sex, reports.tolist())
    return [
        Recording(str(study), folder / f"{path}.hea", patients[at], folds[at], age, sex, report)
        for study, path, at, age, sex, report in zip(*columns, strict=True)
    ]


def _table(file: Path, kinds: Mapping[str, str]) -> pandas.DataFrame:
    """The columns of a table that ``kinds`` names, with their types."""
    expected = f"{LISTED} and {MEASURED} of MIMIC-IV-ECG 1.0 and MIMIC-IV's {PATIENTS[0]}, as published, were expected"
    if not file.is_file():
        raise InputError(f"{file} is missing", expected, "fetch it from physionet.org/content/mimic-iv-ecg")
    try:
        missing = [name for name in kinds if name not in pandas.read_csv(file, nrows=0).columns]
        table = None if missing else pandas.read_csv(file, usecols=list(kinds), dtype=dict(kinds))  # type: ignore[arg-type]
    except (ValueError, OSError, EOFError, zlib.error) as error:  # pandas' own errors are ValueErrors
        raise InputError(f"{file} cannot be read as a table", expected, "fetch it again") from error
    if table is None:
        raise InputError(f"{file} lacks the columns {', '.join(missing)}", expected, "fetch it again")
    return table


def _reports(file: Path) -> pandas.Series:
    """The machine's statements on each study, joined by commas."""
    table = _table(file, {"study_id": "int64"} | dict.fromkeys(STATEMENTS, "category"))
    reports = np.full(len(table), "", object)
    for name in STATEMENTS:
        column = table[name].cat
        words = np.array([*(str(statement).strip() for statement in column.categories), ""], object)[column.codes]
        here = words != ""
        reports[here] = np.where(reports[here] == "", words[here], reports[here] + ", " + words[here])
    return pandas.Series(reports, table.study_id).loc[~table.study_id.duplicated().to_numpy()]


def _age_and_sex(
    folder: Path, subjects: np.ndarray, of: np.ndarray, times: pandas.Series
) -> tuple[list[float | None], list[float | None]]:
    """Age and sex at each ECG; ``of`` is the index of its patient in ``subjects``. None where unknown."""
    file = next((folder / name for name in PATIENTS if (folder / name).is_file()), None)
    if file is None:
        return [None] * len(of), [None] * len(of)
    kinds = {"subject_id": "int64", "gender": "str", "anchor_age": "float64", "anchor_year": "float64"}
    about = _table(file, kinds).drop_duplicates("subject_id").set_index("subject_id").reindex(subjects)
    anchor_age, anchor_year = (about[name].to_numpy(float)[of] for name in ("anchor_age", "anchor_year"))
    years = pandas.Series(pandas.to_numeric(times.str[:4], errors="coerce"))
    age = anchor_age + years.to_numpy(float) - anchor_year
    age = np.where((age > OLDEST - 1) | (anchor_age > OLDEST - 1), OLDEST, np.where(age < 0, np.nan, age))
    return _known(age), _known(about.gender.map({"M": 0.0, "F": 1.0}).to_numpy(float)[of])


def _known(values: np.ndarray) -> list[float | None]:
    """Numbers, with None in place of NaN."""
    return np.where(np.isnan(values), None, values.astype(object)).tolist()  # type: ignore[arg-type]
