"""Patients of a folder that is converted: one pseudonym, and so one fold, for each patient's number in the files.

The pseudonym is the number of the patient's first record in the new folder. Which number of a patient belongs to which
pseudonym is known in memory only and stored nowhere; a resumed job reads the numbers of the files that were converted
before again. A hash of the number would reveal it to anyone who tries all numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.io.metadata import About


@dataclass
class Patients:
    """Pseudonyms of the patients of a job.

    Attributes:
        pseudonyms: Pseudonym of each patient's number.
        seen: Pseudonyms of all patients, including those without a number.
        unnumbered: Number of records whose file states no number of the patient.
        forgotten: Number of earlier records whose file cannot be read any more.
    """

    pseudonyms: dict[str, str] = field(default_factory=dict, repr=False)
    seen: set[str] = field(default_factory=set, repr=False)
    unnumbered: int = 0
    forgotten: int = 0

    def of(self, about: About, record: int) -> str:
        """Pseudonym of the patient of record number ``record``: that of a table, or of the patient's first record."""
        key = about.patient_number()
        if about.patient or not key:
            return about.patient or str(record)
        return self.pseudonyms.get(key, str(record))

    def add(self, about: About, pseudonym: str) -> None:
        """Count a record that was converted, and remember the pseudonym of its patient."""
        key = about.patient_number()
        self.seen.add(pseudonym)
        if not about.patient and key:
            self.pseudonyms.setdefault(key, pseudonym)
        self.unnumbered += not (about.patient or key)

    def recall(self, path: Path, record: str | None, table: About | None, pseudonym: str) -> None:
        """Read the patient of a record that was converted before; ``table`` is its metadata in a table, if any."""
        from ecggen.io.files import decode

        try:
            self.add(table or decode(path, record).about, pseudonym)
        except (InputError, OSError):
            self.seen.add(pseudonym)
            self.forgotten += 1

    def summary(self, records: int) -> Mapping[str, int]:
        """Numbers of patients, of records, and of records without the patient's number."""
        return {
            "patients": len(self.seen),
            "records": records,
            "without_a_number": self.unnumbered,
            "earlier_unreadable": self.forgotten,
        }
