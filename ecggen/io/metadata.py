"""Metadata of a recording: fields that are kept, and identifying fields that are removed by default.

Names, dates of birth, numbers of patients and devices, the time of a recording, and free text (which may contain
names) are removed unless they are requested.
"""

from __future__ import annotations

import re
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

_NO_PATIENT = re.compile(
    r"[\W_0x]*|(un)?known|un(bekannt|identified)|anon(ym\w*)?|de-?identified|none|no id|null|nan|n/?a|test|synthetic"
)
"""Placeholders that devices and anonymising programs write in place of a patient's number."""


HOLDS_MEASUREMENTS = (".dcm", ".xml")
"""Suffixes of the formats that have a place for measurements."""


@dataclass(frozen=True)
class Measurements:
    """Global measurements of a record, which viewers display above the leads; None for one that is not certain.

    Attributes:
        heart_rate: Beats per minute.
        pr_ms: Onset of P to onset of QRS in ms.
        qrs_ms: Duration of QRS in ms.
        qt_ms: Onset of QRS to end of T in ms.
        qtc_ms: QT corrected for the heart rate by Fridericia's formula, in ms.
        axis_deg: Frontal QRS axis in degrees: 0 to the left, 90 to the feet.
    """

    heart_rate: float | None = None
    pr_ms: float | None = None
    qrs_ms: float | None = None
    qt_ms: float | None = None
    qtc_ms: float | None = None
    axis_deg: float | None = None

    def line(self) -> str:
        """How they were measured, as a comment for the file."""
        if self == Measurements():
            return "ecggen-intervals: none, because no beats are certain"
        return "ecggen-intervals: measured by ecggen, medians over the beats; QTc by Fridericia's formula"

    def named(self) -> dict[str, float]:
        """The certain measurements, rounded, by the names of the attributes."""
        return {name: round(value) for name, value in vars(self).items() if value is not None}


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
        number: Number by which the file identifies the patient, to group files of one patient; "" if it states none,
            None if the format does not tell it from other numbers in ``personal``. It is never written, and removed
            with the identifying metadata.
        measured: Measurements for formats that hold them; None if nothing was measured. They are written, not read.
    """

    age: float | None = None
    sex: str | None = None
    codes: tuple[str, ...] = ()
    report: str = ""
    patient: str = ""
    fold: int | None = None
    personal: Mapping[str, str] = field(default_factory=dict)
    number: str | None = field(default=None, repr=False, compare=False)
    measured: Measurements | None = None

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
        return replace(self, personal={}, number=None)

    def patient_number(self) -> str:
        """The number by which the file identifies the patient, in one spelling; "" for none or a placeholder.

        Example:
            >>> About(number=" P-17 ").patient_number(), About(number="ANONYMOUS").patient_number()
            ('p-17', '')
        """
        stated = self.personal.get("patient_id", "") if self.number is None else self.number
        number = " ".join(stated.casefold().split())
        return "" if _NO_PATIENT.fullmatch(number) else number


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
