"""PhysioNet/Computing in Cardiology Challenges: the recordings of 2011, 2015 and 2021 as published.

- 2011 (Silva et al. 2011): twelve-lead ECGs of 10 s recorded with phones, which readers judged as acceptable or
  unacceptable. Only acceptable ones are recordings here, because leads of the others are missing, noisy or mixed up.
- 2015 (Clifford et al. 2015): five minutes before an alarm of an intensive care monitor. Only records with lead II and
  a PPG are recordings here. No patient is identified. Records whose beats are nearly identical, which mostly have
  neighbouring numbers, count as one patient (``cinc2015_patients.txt``).
- 2021 (Reyna et al. 2021): twelve-lead ECGs of several hospitals. The letters of a name tell the hospital.

Folds are a hash of the name of the record, or of the patient's first record, so that a split never changes.
"""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from pathlib import Path

from ecggen.data.pack import Recording, fold_of

ACCEPTABLE, QUALITY = "RECORDS-acceptable", "quality.csv"
"""Files of the Challenge 2011 with the judgements: a list of names, or a table with the columns record and quality."""
HOSPITALS = {
    "A": "CPSC 2018",
    "Q": "CPSC-Extra",
    "I": "INCART",
    "S": "PTB",
    "HR": "PTB-XL",
    "E": "Georgia",
    "JS": "Chapman-Shaoxing, Ningbo",
}
"""Source of the Challenge 2021's records, by the letters before the number in their names."""
_ALARM = re.compile(r"[abftv]\d{3}[ls]")
_OF_2021 = re.compile(rf"({'|'.join(HOSPITALS)})\d{{4,5}}")


def year(folder: Path) -> str:
    """Which Challenge a folder holds: "cinc2011", "cinc2015" or "cinc2021"; "" for any other folder."""
    if acceptable(folder):
        return "cinc2011"
    names = {file.stem for file in folder.rglob("*.hea")}
    if names and all(map(_ALARM.fullmatch, names)):
        return "cinc2015"
    return "cinc2021" if names and all(map(_OF_2021.fullmatch, names)) else ""


def acceptable(folder: Path) -> set[str]:
    """Names of the acceptable records of the Challenge 2011; empty for any other folder."""
    if (folder / ACCEPTABLE).is_file():
        return set((folder / ACCEPTABLE).read_text(encoding="utf-8", errors="replace").split())
    if not (folder / QUALITY).is_file():
        return set()
    with (folder / QUALITY).open(encoding="utf-8", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    return {str(row["record"]) for row in rows if row.get("record") and row.get("quality") == "acceptable"}


def challenge_2011(folder: Path) -> list[Recording]:
    """The acceptable records of the Challenge 2011."""
    chosen = acceptable(folder)
    files = sorted(file for file in folder.rglob("*.hea") if file.stem in chosen)
    return [Recording(file.stem, file, file.stem, fold_of(file.stem)) for file in files]


def challenge_2015(folder: Path) -> list[Recording]:
    """The records of the Challenge 2015 with lead II and a PPG (PLETH)."""
    files = sorted(file for file in folder.rglob("*.hea") if _holds(file, "II") and _holds(file, "PLETH"))
    patients = [patient_of_2015(file.stem) for file in files]
    both = zip(files, patients, strict=True)
    return [Recording(file.stem, file, patient, fold_of(patient), paired=True) for file, patient in both]


def patient_of_2015(name: str) -> str:
    """The first of the records of the Challenge 2015 that are likely of the same patient.

    Example:
        >>> patient_of_2015("v136s"), patient_of_2015("a104s")
        ('a134s', 'a104s')
    """
    return _patients().get(name, name)


@lru_cache
def _patients() -> dict[str, str]:
    """The patient of each record of the Challenge 2015 that does not stand alone."""
    lines = (Path(__file__).with_name("cinc2015_patients.txt")).read_text(encoding="utf-8").splitlines()
    groups = [line.split() for line in lines if line and not line.startswith("#")]
    return {name: group[0] for group in groups for name in group}


def _holds(header: Path, signal: str) -> bool:
    """Whether a line of a WFDB header ends with the name of a signal."""
    text = header.read_text(encoding="utf-8", errors="replace")
    return re.search(rf"^[^#].*\s{signal}\s*$", text, re.MULTILINE) is not None


def hospital(name: str) -> str:
    """Source of a record of the Challenge 2021; "" for any other name.

    Example:
        >>> hospital("training/georgia/g1/E00001"), hospital("00001_lr")
        ('Georgia', '')
    """
    found = _OF_2021.fullmatch(name.rpartition("/")[2])
    return HOSPITALS[found[1]] if found else ""
