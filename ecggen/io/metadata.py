"""Metadata of a recording: fields that are kept, and identifying fields that are removed by default.

Names, dates of birth, numbers of patients and devices, the time of a recording, and free text (which may contain
names) are removed unless they are requested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

PERSONAL = {
    "name": "the patient's name",
    "patient_id": "the number or code of the patient",
    "birth_date": "the date of birth",
    "recorded": "the day and time of the recording",
    "device_serial": "the serial number or address of the device",
    "institution": "the hospital, department or place",
    "people": "names of physicians, nurses or technicians",
    "statements": "free text: findings, comments, symptoms",
}
"""Kinds of identifying metadata, with a description."""


@dataclass(frozen=True)
class About:
    """Metadata of the patient and the recording.

    Attributes:
        age: Years, or None.
        sex: "M" or "F", or None.
        codes: Diagnoses as coded in the file: SNOMED CT (numbers) or SCP statements (letters).
        report: The report, if its publisher has de-identified it; other free text belongs to ``personal``.
        patient: Pseudonym by which a data set groups the records of one patient.
        fold: Fold of the data set that the patient belongs to, or None.
        personal: Identifying metadata by the kinds of ``PERSONAL``; empty unless the file holds it.
    """

    age: float | None = None
    sex: str | None = None
    codes: tuple[str, ...] = ()
    report: str = ""
    patient: str = ""
    fold: int | None = None
    personal: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        kept = {kind: " ".join(text.split()) for kind, text in self.personal.items() if text and text.strip()}
        assert kept.keys() <= PERSONAL.keys(), f"{kept.keys() - PERSONAL.keys()} are not in PERSONAL"
        object.__setattr__(self, "personal", kept)

    def lines(self) -> list[str]:
        """``key: value`` lines for the comments of a file; ``parse`` reads them back."""
        metadata = {
            "age": "" if self.age is None else f"{self.age:g}",
            "sex": self.sex or "",
            "codes": " ".join(self.codes),
            "report": " ".join(self.report.split()),
        }
        known = [f"{key}: {value}" for key, value in metadata.items() if value]
        return known + [f"personal-{kind}: {text}" for kind, text in self.personal.items()]

    @staticmethod
    def parse(lines: Sequence[str]) -> About:
        """Parse the output of ``lines``; other lines are ignored."""
        stated = dict(line.split(": ", 1) for line in lines if ": " in line)
        personal = {kind: stated[f"personal-{kind}"] for kind in PERSONAL if f"personal-{kind}" in stated}
        age, sex, codes = years(stated.get("age", "")), sex_of(stated.get("sex", "")), stated.get("codes", "").split()
        return About(age, sex, tuple(codes), stated.get("report", ""), personal=personal)

    def anonymous(self) -> About:
        """The metadata without identifying fields."""
        return replace(self, personal={})


def years(text: str) -> float | None:
    """Parse an age ("74", "074Y", "18 M", ">89") as years; None if it is no age. 300 stands for over 89, giving 90.

    Example:
        >>> years("074Y"), years("18 M"), years("unknown")
        (74.0, 1.5, None)
    """
    bare = text.strip().upper().lstrip(">").rstrip("+").strip()
    unit = {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}.get(bare[-1:], 1.0)
    number = bare.rstrip("YMWD").strip()
    if not number.replace(".", "", 1).isdecimal() or not number.isascii():
        return None
    age = float(number) / unit
    return age if age <= 130 else 90.0 if age == 300 else None


def sex_of(text: str) -> str | None:
    """Parse a sex (male, F, Female, w …) as "M" or "F"; None if it is unknown."""
    word = text.strip().casefold()
    known = {"m": "M", "male": "M", "man": "M", "f": "F", "female": "F", "woman": "F", "w": "F", "männlich": "M"}
    return (known | {"weiblich": "F"}).get(word)
