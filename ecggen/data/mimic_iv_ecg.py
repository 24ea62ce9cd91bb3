"""MIMIC-IV-ECG 1.0 as published (Gow et al. 2023): some 800,000 ECGs of 160,000 patients, told of in two tables.

Tables of this size are read column by column. What the machine said of an ECG is its report. Age and sex are not in
them: they are taken from MIMIC-IV's own ``patients.csv`` (or ``patients.csv.gz``), which is lent on other terms, where
it was put into the folder. All dates of a patient are shifted alike, so that ages follow from years.
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
"""What anyone over 89 counts as; MIMIC-IV says 91 of them, in the year it calls the anchor."""

_INSIDE = r"(?!/)(?!.*\.\.)[-\w./]+"
"""A name that leads to a file in its folder."""


def mimic_iv_ecg(folder: Path) -> list[Recording]:
    """The recordings of MIMIC-IV-ECG, with patient, fold and report, and with age and sex where they are at hand.

    The fold follows from the patient's number: a patient is never torn, and the split never changes.

    Raises:
        InputError: Where a table is missing or not as published, or names a file outside of the folder.
    """
    listed = _table(folder / LISTED, {"subject_id": "int64", "study_id": "int64", "ecg_time": "str", "path": "str"})
    outside = np.flatnonzero(~listed.path.str.fullmatch(_INSIDE).fillna(False).to_numpy(bool))
    if len(outside):
        raise InputError(
            f"line {outside[0] + 2} of {folder / LISTED} names no file of this folder",
            "a path as files/p1000/p10000032/s40689238/40689238 was expected",
            "correct the line",
        )
    subjects, of = np.unique(listed.subject_id.to_numpy(), return_inverse=True)
    patients = [str(subject) for subject in subjects]
    folds = [fold_of(patient) for patient in patients]
    age, sex = _facts(folder, subjects, of, listed.ecg_time)
    reports = listed.study_id.map(_reports(folder / MEASURED)).fillna("")
    columns = (listed.study_id.tolist(), listed.path.tolist(), of.tolist(), age, sex, reports.tolist())
    return [
        Recording(str(study), folder / f"{path}.hea", patients[at], folds[at], age, sex, report)
        for study, path, at, age, sex, report in zip(*columns, strict=True)
    ]


def _table(file: Path, kinds: Mapping[str, str]) -> pandas.DataFrame:
    """The columns of a table whose names and types are given, and no others."""
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
    """What the machine said of each study, its statements one after the other."""
    table = _table(file, {"study_id": "int64"} | dict.fromkeys(STATEMENTS, "category"))
    said = np.full(len(table), "", object)
    for name in STATEMENTS:
        column = table[name].cat
        words = np.array([*(str(statement).strip() for statement in column.categories), ""], object)[column.codes]
        here = words != ""
        said[here] = np.where(said[here] == "", words[here], said[here] + ", " + words[here])
    return pandas.Series(said, table.study_id).loc[~table.study_id.duplicated().to_numpy()]


def _facts(
    folder: Path, subjects: np.ndarray, of: np.ndarray, times: pandas.Series
) -> tuple[list[float | None], list[float | None]]:
    """Age and sex at each ECG, ``of`` which of the ``subjects`` it is; None where they are not known."""
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
    """Numbers, None where they are none."""
    return np.where(np.isnan(values), None, values.astype(object)).tolist()  # type: ignore[arg-type]
