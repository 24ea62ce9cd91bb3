"""The folder that ``ecggen augment`` fills: records in the form that loaders read, a list, and what was asked.

A record is done when its files are whole *and* its line stands in the list; a record that was given up has a line as
well, so that a job that goes on does not try it again. Numbers of records and patients lie above those of the training
data, so that both folders can be used together.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecggen.cli.jobs.prompts import cell, shortened
from ecggen.cli.jobs.results import rounded
from ecggen.cli.jobs.resuming import mark_of, part_of, same_job, shard_of
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.augment.augmenter import Drawn
    from ecggen.data.population import Asked
    from ecggen.data.ptb_xl import PtbXlFolder
    from ecggen.io import About

COLUMNS = {
    "index": "number of the record in the job, from 0",
    "ecg_id": "its number in the folder; blank where every try was refused",
    "sought": "the class it was to show; blank for none in particular",
    "codes": "all SCP statements it was to show, apart by blanks",
    "text": "the words the model was told",
    "age": "years the model was told",
    "sex": "M or F the model was told",
    "heart_rate": "beats per minute the model was told",
    "heart_rate_measured": "beats per minute of the R peaks in the record",
    "like": "the training record whose facts were varied, or the ECG that was varied",
    "fold": "fold of that record, and of this one",
    "tries": "how often it was drawn",
    "refused": "why the refused draws were refused, apart by |",
    "probability": "the classifier's probability of the class that was asked for",
    "model": "name of the checkpoint and the first digits of its weights' SHA-256",
    "seed": "seed of the job",
    "synthetic": "True: no record of this list is a person's",
}
"""Columns of augment.csv, with what they mean."""

FORMS = ("ptb-xl", "challenge")
"""What can be written: a folder of PTB-XL's form, or PhysioNet Challenge files with SNOMED codes."""
PAGES = 4
"""Records that are drawn as on paper."""
ROOM = 100_000
"""Numbers of records begin at a multiple of it above those of the training data."""
PATIENTS = 900_000_000
"""Numbers of patients lie above it: no data set that is known counts so far."""


@dataclass(frozen=True)
class Job:
    """All records that are asked for, whatever part of them is written here.

    Attributes:
        asks: The requests, numbered from 0 on.
        likes: Name of the record that each request varies; "" for none.
        first_record: ``ecg_id`` of request 0.
        first_patient: ``patient_id`` of request 0.
        form: One of ``FORMS``.
        high: Whether records at 500 Hz are written as well; None as the model's rate allows.
    """

    asks: Sequence[Asked]
    likes: Sequence[str]
    first_record: int
    first_patient: int
    form: str
    high: bool | None

    def part(self, shard: str | None) -> range:
        """Indices of a shard's records."""
        from ecggen.augment.augmenter import BLOCK

        return part_of(len(self.asks), BLOCK, shard)

    def about(self, asked: Asked) -> About:
        """What the record's files say of it."""
        from ecggen.io import About

        patient = str(self.first_patient + asked.index)
        return About(asked.age, asked.sex, asked.codes, asked.text, patient, asked.fold)


class Folder:
    """What lies there already, and the writing of more.

    Args:
        out: The folder.
        job: The whole job.
        shard: The part that is written here.
        about: For augment.json; its ``model`` and ``asked`` must be those of what lies there already.
        like: PTB-XL, whose table of statements is taken over; None for ecggen's own.
    """

    def __init__(self, out: Path, job: Job, shard: str | None, about: dict[str, Any], like: Path | None):
        mark = mark_of(shard)
        self.out, self.job, self.shard, self.about, self.like = out, job, shard, about, like
        self.part, self.table = job.part(shard), f"ptbxl_database{mark}.csv"
        self.list, self.description = out / f"augment{mark}.csv", out / f"augment{mark}.json"
        self.lines: dict[int, str] = {}
        self.records: PtbXlFolder | None = None

    def open(self, resume: bool) -> None:
        """Make the folder ready.

        Raises:
            InputError: Where it is taken, or what lies there was asked for otherwise.
        """
        begun = sorted(self.out.glob("augment*.json")) if self.out.is_dir() else []
        further = begun and (resume or (self.shard is not None and not self.description.exists()))
        empty = not self.out.exists() or (self.out.is_dir() and all(map(_is_waiting, self.out.iterdir())))
        if not (further or empty):
            do = "go on with --resume" if begun else "choose another"
            raise InputError(f"{self.out} exists", "a new folder was expected", do)
        for path in begun:
            same_job(self.out, path, self.about, "augment")
        self.out.mkdir(parents=True, exist_ok=True)
        self._describe(self.about | {"complete": False})  # first of all: other shards know the folder by it
        if self.job.form == "ptb-xl":
            from ecggen.data.ptb_xl import PtbXlFolder

            self.records = PtbXlFolder(self.out, self.like, self.table)
        self._take_over()
        self._store(self.about | {"complete": False})

    def lacking(self) -> list[Asked]:
        """Requests of this part that have no line yet."""
        return [self.job.asks[index] for index in self.part if index not in self.lines]

    def add(self, drawn: Drawn, model: str, seed: int) -> None:
        """Write a record and its line, or the line of one that was given up."""
        from ecggen.core.rhythm import heart_rate, r_peaks

        asked, ecg = drawn.requested, drawn.ecg
        number = None if ecg is None else self.job.first_record + asked.index
        values = asdict(asked) | {"ecg_id": number, "codes": " ".join(asked.codes), "like": self.job.likes[asked.index]}
        values |= {"tries": drawn.tries, "refused": " | ".join(drawn.refused), "model": model, "seed": seed}
        probability = None if drawn.probability is None else round(drawn.probability, 4)
        values |= {"probability": probability, "synthetic": True}
        if ecg is not None and number is not None:
            self._write(number, drawn)
            values["heart_rate_measured"] = rounded(heart_rate(r_peaks(ecg)[0]))
        line = StringIO()
        csv.writer(line, lineterminator="\n").writerow(cell(values.get(name)) for name in COLUMNS)
        with self.list.open("a", encoding="utf-8", newline="") as file:
            file.write(line.getvalue())
        self.lines[asked.index] = line.getvalue()

    def rows(self) -> list[dict[str, str]]:
        """The list as it stands, in the order of the records."""
        return list(csv.DictReader((self.lines[index] for index in sorted(self.lines)), list(COLUMNS)))

    def close(self, results: dict[str, Any]) -> dict[str, Any]:
        """Write what came out; the table gets its records in order, and the last shard that ends joins those of all."""
        from ecggen.data.ptb_xl import join

        self._store(about := self.about | {"complete": True} | results)
        if self.job.form == "ptb-xl":
            of = 1 if self.shard is None else shard_of(self.shard)[1]
            marks = [""] if self.shard is None else [mark_of(f"{one}/{of}") for one in range(1, of + 1)]
            if all(_is_complete(self.out / f"augment{mark}.json") for mark in marks):
                join(self.out, [f"ptbxl_database{mark}.csv" for mark in marks])
        return about

    def _write(self, number: int, drawn: Drawn) -> None:
        from ecggen.io import write

        assert drawn.ecg is not None
        about = self.job.about(drawn.requested)
        if self.records is None:
            write(drawn.ecg, self._challenge(number), overwrite=True, about=about)
        elif number not in self.records:  # a line may be lacking where the record is whole
            self.records.add(drawn.ecg, about, number=number, high=self.job.high)

    def file_of(self, number: int) -> Path:
        """The file of a record."""
        if self.records is None:
            return self._challenge(number).with_suffix(".hea")
        from ecggen.data.ptb_xl import record_name

        return self.out / f"{record_name(number, 'lr')}.hea"

    def _challenge(self, number: int) -> Path:
        return self.out / f"S{number:06d}.mat"

    def _is_there(self, number: str) -> bool:
        """Whether the record of a line is whole; one that was given up has none."""
        if not number:
            return True
        if self.records is not None:
            return int(number) in self.records
        files = (self._challenge(int(number)), self._challenge(int(number)).with_suffix(".hea"))
        return all(file.is_file() for file in files)

    def _take_over(self) -> None:
        """Keep the lines of records that are whole; remove what a killed job left half written."""
        own = {self.list.name, self.description.name, self.table}
        for path in self.out.rglob(".*.tmp"):
            number = re.match(r"\.S?(\d+)[._]", path.name)
            mine = number and int(number[1]) - self.job.first_record in self.part
            if mine or path.name[1:].rsplit(".", 2)[0] in own:
                path.unlink(missing_ok=True)
        text = self.list.read_text(encoding="utf-8", errors="replace") if self.list.is_file() else ""
        for line in text.splitlines(keepends=True)[1:]:
            cells = next(csv.reader([line]), [])
            row = dict(zip(COLUMNS, cells, strict=False))
            whole = line.endswith("\n") and len(cells) == len(COLUMNS) and row["index"].isdecimal()
            if whole and int(row["index"]) in self.part and self._is_there(row["ecg_id"]):
                self.lines[int(row["index"])] = line

    def _store(self, about: dict[str, Any]) -> None:
        """Write the list in order and augment.json, each whole or not at all."""
        from ecggen.io.files import place

        lines = ",".join(COLUMNS) + "\n" + "".join(self.lines[index] for index in sorted(self.lines))
        place({self.list: lines.encode()})
        self._describe(about)

    def _describe(self, about: dict[str, Any]) -> None:
        from ecggen.io.files import place

        place({self.description: (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode()})


def fill(folder: Folder, draw: Callable[[Sequence[Asked]], list[Drawn]], model: str, seed: int, report) -> None:
    """Draw what the folder lacks, block by block, and write each record when its block is drawn.

    A block is always drawn whole, so that a job that goes on writes the same bytes.
    """
    from ecggen.augment.augmenter import BLOCK

    lacking = {asked.index for asked in folder.lacking()}
    for start in sorted({index // BLOCK * BLOCK for index in lacking}):
        for drawn in draw(folder.job.asks[start : start + BLOCK]):
            if drawn.requested.index in lacking:
                folder.add(drawn, model, seed)
        report(len(folder.lines) / len(folder.part))


def summary(rows: Sequence[dict[str, str]]) -> dict[str, Any]:
    """What came out: how many of each class, how many draws were refused and why."""
    written = [row for row in rows if row["ecg_id"]]
    reasons = Counter(why for row in rows for why in row["refused"].split(" | ") if why)
    draws = sum(int(row["tries"]) for row in rows)
    return {
        "written": len(written),
        "given_up": len(rows) - len(written),
        "draws": draws,
        "refused": dict(reasons.most_common()),
        "accepted_share": rounded(len(written) / draws) if draws else None,
        "sought": dict(Counter(row["sought"] for row in written if row["sought"]).most_common()),
        "statements": dict(Counter(code for row in written for code in row["codes"].split()).most_common()),
    }


def draw_pages(folder: Folder, picture: str) -> list[str]:
    """The first record of each class (of any, without classes), drawn as on paper; names of the pictures."""
    from ecggen import viz
    from ecggen.io import read

    written = [row for row in folder.rows() if row["ecg_id"]]
    firsts = list({row["sought"]: row for row in reversed(written)}.values())[::-1][:PAGES]
    names = []
    for row in firsts if picture != "none" else ():
        number = int(row["ecg_id"])
        names.append(f"overview_{number}.{picture}")
        if not (folder.out / names[-1]).exists():
            ecg = read(folder.file_of(number), check=False, allow_contradiction=True)
            figure = viz.draw(ecg, title=f"{number}: {shortened(row['text'], 100)}", caption=_asked_of(row))
            viz.save(figure, folder.out / names[-1])
    return names


def _asked_of(row: dict[str, str]) -> str:
    metadata = (("age", row["age"]), ("sex", row["sex"]), ("heart rate", row["heart_rate"]))
    return "asked: " + ("; ".join(f"{name} {value}" for name, value in metadata if value) or "nothing else")


def numbers_above(recordings: Sequence[tuple[str, str]]) -> tuple[int, int]:
    """Numbers of the first synthetic record and patient, above those of names and patients of a training set."""
    records = [int(name) for name, _ in recordings if name.isdecimal()]
    patients = [int(patient.removesuffix(".0")) for _, patient in recordings if patient.removesuffix(".0").isdecimal()]
    first = (max(records, default=0) // ROOM + 1) * ROOM
    highest = max(patients, default=0)
    base = PATIENTS if highest < PATIENTS else (highest // PATIENTS + 1) * PATIENTS
    return first, base + first


def _is_waiting(path: Path) -> bool:
    """Whether this is a description that another shard is just writing."""
    return path.name.startswith(".augment") and path.suffix == ".tmp"


def _is_complete(description: Path) -> bool:
    try:
        return json.loads(description.read_text(encoding="utf-8")).get("complete") is True
    except (OSError, ValueError):
        return False
