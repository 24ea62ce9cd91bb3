"""What a file says besides the samples: facts that may go on, and what identifies a person, which stays behind.

A name, a date of birth, a number of a patient or a device, the day of a recording, and free text (which may name
people) are dropped unless somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

PERSONAL = {
    "name": "the patient's name",
    "patient_id": "a number or code of the patient",
    "birth_date": "the date of birth",
    "recorded": "the day and time of the recording",
    "device_serial": "the serial number or address of the device",
    "institution": "the hospital, department or place",
    "people": "names of physicians, nurses or technicians",
    "statements": "free text: findings, comments, symptoms",
}
"""What can identify somebody, by kind."""


@dataclass(frozen=True)
class About:
    """What a file says of the patient and the recording.

    Attributes:
        age: Years, or None.
        sex: "M" or "F", or None.
        codes: Diagnoses as the file codes them: SNOMED CT (numbers) or SCP statements (words).
        report: The report, where its publisher has cleared it of names; other free text is personal.
        patient: An identifier without meaning, by which a data set keeps records of one patient together.
        fold: Number of the part of a data set's split that the patient belongs to, or None.
        personal: What identifies somebody, by the kinds of ``PERSONAL``; empty unless a file holds it.
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
        assert kept.keys() <= PERSONAL.keys(), f"{kept.keys() - PERSONAL.keys()} are no kinds of PERSONAL"
        object.__setattr__(self, "personal", kept)

    def lines(self) -> list[str]:
        """``key: value`` lines for a file's comments; ``parse`` reads them back."""
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
        """What ``lines`` wrote; other lines are passed over."""
        said = dict(line.split(": ", 1) for line in lines if ": " in line)
        personal = {kind: said[f"personal-{kind}"] for kind in PERSONAL if f"personal-{kind}" in said}
        age, sex, codes = years(said.get("age", "")), sex_of(said.get("sex", "")), said.get("codes", "").split()
        return About(age, sex, tuple(codes), said.get("report", ""), personal=personal)

    def anonymous(self) -> About:
        """The same without what identifies somebody."""
        return replace(self, personal={})


def years(text: str) -> float | None:
    """An age in years as files write it ("74", "074Y", "18 M", ">89"), or None where it is none (or 300: over 89)."""
    bare = text.strip().upper().lstrip(">").rstrip("+").strip()
    unit = {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}.get(bare[-1:], 1.0)
    number = bare.rstrip("YMWD").strip()
    if not number.replace(".", "", 1).isdecimal() or not number.isascii():
        return None
    age = float(number) / unit
    return age if age <= 130 else 90.0 if age == 300 else None


def sex_of(text: str) -> str | None:
    """ "M" or "F" of what files write (male, F, Female, w …), or None."""
    word = text.strip().casefold()
    known = {"m": "M", "male": "M", "man": "M", "f": "F", "female": "F", "woman": "F", "w": "F", "männlich": "M"}
    return (known | {"weiblich": "F"}).get(word)
