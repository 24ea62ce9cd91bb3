"""Answers of a reader study that is read on a screen: one sheet per reader, stored after every answer, so that a reader
can stop and resume. The sheets are those that ``scores.score`` reads, with the time of each answer as a further column.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

from ecggen.benchmark.reader_study.pack import ANSWERS, COLUMNS, KEY, PAGES
from ecggen.core.errors import InputError
from ecggen.io.files import place

FOLDER = "answers"
"""Folder of the sheets in that of the study."""
TIME = "seconds"
"""Further column of the sheets: seconds from the first sight of an ECG to its answer."""
LONGEST_NAME = 60


@dataclass(frozen=True)
class Study:
    """A reader study made by ``ecggen turing``.

    Attributes:
        folder: Its folder.
        drawings: The ECGs as SVG, in the order of their numbers.
    """

    folder: Path
    drawings: tuple[str, ...]

    @staticmethod
    def open(folder: Path) -> Study:
        """Open the folder of a study. The key is not read.

        Raises:
            InputError: If it is not one.
        """
        pages = folder / PAGES
        if not pages.is_file():
            expected = f"a folder with {PAGES} was expected"
            raise InputError(f"{folder} is no reader study", expected, "make one with ecggen turing")
        drawings = tuple(re.findall(r"<svg.*?</svg>", pages.read_text(encoding="utf-8"), re.DOTALL))
        if not drawings:
            raise InputError(f"{pages} holds no ECG", "the pages of a reader study were expected")
        return Study(folder, drawings)

    @property
    def key_is_near(self) -> bool:
        """Whether the key lies in the folder, where a reader who has access to this computer could open it."""
        return (self.folder / KEY).is_file()


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        answer: "real" or "synthetic".
        confidence: 1 (a guess) to 5 (certain).
        seconds: Time from the first sight of the ECG.
    """

    answer: str
    confidence: int
    seconds: float


@dataclass
class Sheet:
    """The answers of one reader.

    Attributes:
        study: The study.
        reader: Name or pseudonym.
        answers: By number, from 1.
    """

    study: Study
    reader: str
    answers: dict[int, Answer] = field(default_factory=dict)

    @staticmethod
    def open(study: Study, reader: str) -> Sheet:
        """The sheet of a reader, with the answers that were given before.

        Raises:
            InputError: If the name is blank or too long, or a stored sheet is damaged.
        """
        name = " ".join(reader.split())
        if not name or len(name) > LONGEST_NAME or not re.search(r"\w", name):
            expected = f"letters were expected, at most {LONGEST_NAME} signs"
            raise InputError(f"the name of the reader is {name[:80]!r}", expected, "enter a name or a pseudonym")
        sheet = Sheet(study, name)
        if sheet.path.is_file():
            sheet._load()
        return sheet

    @property
    def path(self) -> Path:
        """The file of the sheet."""
        return self.study.folder / FOLDER / (re.sub(r"\W+", "_", self.reader.casefold()).strip("_") + ".csv")

    @property
    def next(self) -> int | None:
        """The first number without an answer; None if there is none."""
        return next((number for number in range(1, len(self.study.drawings) + 1) if number not in self.answers), None)

    def give(self, number: int, answer: Answer) -> None:
        """Store an answer.

        Raises:
            InputError: If the number or the answer is not one of this study.
        """
        if not 1 <= number <= len(self.study.drawings):
            raise InputError(f"there is no ECG {number}", f"1 to {len(self.study.drawings)} were expected")
        if answer.answer not in ANSWERS or not 1 <= answer.confidence <= 5:
            found = f"the answer is {answer.answer!r} with confidence {answer.confidence}"
            raise InputError(found, f"{' or '.join(ANSWERS)} and 1 to 5 were expected")
        self.answers[number] = answer
        self.path.parent.mkdir(exist_ok=True)
        place({self.path: self.text().encode()})

    def text(self) -> str:
        """The sheet as CSV, with a line for every ECG."""
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\n")
        table.writerow([*COLUMNS, TIME])
        for number in range(1, len(self.study.drawings) + 1):
            one = self.answers.get(number)
            given = (
                (one.answer, one.confidence, self.reader, f"{one.seconds:.1f}") if one else ("", "", self.reader, "")
            )
            table.writerow([number, *given])
        return out.getvalue()

    def _load(self) -> None:
        try:
            rows = list(csv.DictReader(io.StringIO(self.path.read_text(encoding="utf-8"))))
            for row in rows:
                if row["answer"]:
                    number = int(row["number"])
                    self.answers[number] = Answer(row["answer"], int(row["confidence"]), float(row[TIME] or 0))
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            found = f"{self.path.name} is damaged"
            raise InputError(found, "an answer sheet of this study was expected", "move it away") from error
        self.reader = next((row["reader"] for row in rows if row.get("reader")), self.reader)
