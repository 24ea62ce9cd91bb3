"""The output folder of ``ecggen augment``: records in a format for loaders, a table, and a description of the job.

A record is complete when its files exist *and* its line is in the table. A record that was given up has a line as well,
so a resumed job does not attempt it again. Numbers of records and patients are above those of the training data, so
both folders can be used together.
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

from ecggen.cli.jobs.findings import statements_met
from ecggen.cli.jobs.findings import summary as criteria_summary
from ecggen.cli.jobs.results import rounded
from ecggen.cli.jobs.resuming import mark_of, part_of, same_job, shard_of
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.augment.augmenter import Drawn
    from ecggen.data.population import Request
    from ecggen.data.ptb_xl import PtbXlFolder
    from ecggen.io import About

COLUMNS = {
    "index": "number of the record in the job, from 0",
    "ecg_id": "number of the record in the folder; blank if every attempt was refused",
    "sought": "requested class; blank for none",
    "codes": "all requested SCP statements, separated by spaces",
    "text": "text of the condition",
    "age": "requested age in years",
    "sex": "requested sex, M or F",
    "heart_rate": "requested heart rate in beats per minute",
    "heart_rate_measured": "measured heart rate in beats per minute",
    "like": "training record whose metadata or waveform was varied",
    "fold": "fold of that record and of the synthetic one",
    "attempts": "number of draws",
    "refused": "reasons for refused draws, separated by |",
    "probability": "the classifier's probability of the requested class",
    "statements": "those of codes that have a diagnostic criterion; blank if every attempt was refused",
    "criteria_met": "those of them whose criterion the record meets",
    "model": "name of the checkpoint and the first digits of the SHA-256 of its weights",
    "seed": "seed of the job",
    "synthetic": "True for every record of this table",
}
"""Columns of augment.csv with their meaning."""

FORMATS = ("ptb-xl", "challenge")
"""Output formats: a folder in the format of PTB-XL, or PhysioNet Challenge files with SNOMED codes."""
PLOTS = 4
"""Maximum number of records that are plotted."""


@dataclass(frozen=True)
class Job:
    """All requested records, including those of other shards.

    Attributes:
        requests: The requests, numbered from 0.
        likes: Name of the record that each request varies; "" for none.
        first_record: ``ecg_id`` of request 0.
        first_patient: ``patient_id`` of request 0.
        format: One of ``FORMATS``.
        high: Whether to write records at 500 Hz as well; None to decide by the model's sampling rate.
    """

    requests: Sequence[Request]
    likes: Sequence[str]
    first_record: int
    first_patient: int
    format: str
    high: bool | None

    def part(self, shard: str | None) -> range:
        """Indices of the records of a shard."""
        from ecggen.augment.augmenter import BLOCK

        return part_of(len(self.requests), BLOCK, shard)

    def about(self, request: Request) -> About:
        """Metadata that the files of a record state."""
        from ecggen.io import About

        patient = str(self.first_patient + request.index)
        return About(request.age, request.sex, request.codes, request.text, patient, request.fold)


class Folder:
    """The output folder of a job: its existing records, and writing new ones.

    Args:
        out: Path of the folder.
        job: The whole job.
        shard: The part to write.
        about: For augment.json; ``model`` and ``requested`` must agree with an existing description.
        like: PTB-XL folder whose table of statements is copied; None for ecggen's own table.
    """

    def __init__(self, out: Path, job: Job, shard: str | None, about: dict[str, Any], like: Path | None):
        mark = mark_of(shard)
        self.out, self.job, self.shard, self.about, self.like = out, job, shard, about, like
        self.part, self.table = job.part(shard), f"ptbxl_database{mark}.csv"
        self.list, self.description = out / f"augment{mark}.csv", out / f"augment{mark}.json"
        self.lines: dict[int, str] = {}
        self.records: PtbXlFolder | None = None

    def open(self, resume: bool) -> None:
        """Prepare the folder.

        Raises:
            InputError: If it exists already, or holds a job with other settings.
        """
        begun = sorted(self.out.glob("augment*.json")) if self.out.is_dir() else []
        further = begun and (resume or (self.shard is not None and not self.description.exists()))
        empty = not self.out.exists() or (self.out.is_dir() and all(map(_is_waiting, self.out.iterdir())))
        if not (further or empty):
            do = "continue with --resume" if begun else "choose another"
            raise InputError(f"{self.out} exists", "a new folder was expected", do)
        for path in begun:
            same_job(self.out, path, self.about, "augment")
        self.out.mkdir(parents=True, exist_ok=True)
        self._describe(self.about | {"complete": False})  # first of all: other shards recognise the folder by it
        if self.job.format == "ptb-xl":
            from ecggen.data.ptb_xl import PtbXlFolder

            self.records = PtbXlFolder(self.out, self.like, self.table)
        self._take_over()
        self._store(self.about | {"complete": False})

    def missing(self) -> list[Request]:
        """Requests of this part that have no line in the table yet."""
        return [self.job.requests[index] for index in self.part if index not in self.lines]

    def add(self, drawn: Drawn, model: str, seed: int, findings: tuple[str, str] = ("", "")) -> None:
        """Write a record and its line, or only the line of a record that was given up.

        Args:
            drawn: The record.
            model: Name of the generator.
            seed: Seed of the job.
            findings: Its requested statements with a criterion, and those whose criterion it meets.
        """
        from ecggen.core.rhythm import heart_rate, r_peaks
        from ecggen.data.prompts import format_cell

        request, ecg = drawn.requested, drawn.ecg
        number = None if ecg is None else self.job.first_record + request.index
        values = asdict(request) | {
            "ecg_id": number,
            "codes": " ".join(request.codes),
            "like": self.job.likes[request.index],
        }
        values |= {"attempts": drawn.attempts, "refused": " | ".join(drawn.refused), "model": model, "seed": seed}
        probability = None if drawn.probability is None else round(drawn.probability, 4)
        values |= {"probability": probability, "synthetic": True}
        values |= dict(zip(("statements", "criteria_met"), findings, strict=True))
        if ecg is not None and number is not None:
            self._write(number, drawn)
            values["heart_rate_measured"] = rounded(heart_rate(r_peaks(ecg)[0]))
        line = StringIO()
        csv.writer(line, lineterminator="\n").writerow(format_cell(values.get(name)) for name in COLUMNS)
        with self.list.open("a", encoding="utf-8", newline="") as file:
            file.write(line.getvalue())
        self.lines[request.index] = line.getvalue()

    def rows(self) -> list[dict[str, str]]:
        """The current rows of the table, ordered by index."""
        return list(csv.DictReader((self.lines[index] for index in sorted(self.lines)), list(COLUMNS)))

    def close(self, results: dict[str, Any]) -> dict[str, Any]:
        """Write augment.json with the results and return its content; the last shard merges all tables."""
        from ecggen.data.ptb_xl import join

        self._store(about := self.about | {"complete": True} | results)
        if self.job.format == "ptb-xl":
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
        elif number not in self.records:  # a complete record may lack its line in the table
            self.records.add(drawn.ecg, about, number=number, high=self.job.high)

    def file_of(self, number: int) -> Path:
        """Path of a record's file."""
        if self.records is None:
            return self._challenge(number).with_suffix(".hea")
        from ecggen.data.ptb_xl import record_name

        return self.out / f"{record_name(number, 'lr')}.hea"

    def record_of(self, row: dict[str, str]) -> str:
        """Path of a record's file in the folder, from its row of the table."""
        return str(self.file_of(int(row["ecg_id"])).relative_to(self.out))

    def _challenge(self, number: int) -> Path:
        return self.out / f"S{number:06d}.mat"

    def _is_there(self, number: str) -> bool:
        """Whether the record of a line is complete; a record that was given up has no files."""
        if not number:
            return True
        if self.records is not None:
            return int(number) in self.records
        files = (self._challenge(int(number)), self._challenge(int(number)).with_suffix(".hea"))
        return all(file.is_file() for file in files)

    def _take_over(self) -> None:
        """Keep the lines of complete records; remove partial files of an interrupted job."""
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
        """Write augment.json and the sorted table, each atomically."""
        from ecggen.io.files import place

        lines = ",".join(COLUMNS) + "\n" + "".join(self.lines[index] for index in sorted(self.lines))
        place({self.list: lines.encode()})
        self._describe(about)

    def _describe(self, about: dict[str, Any]) -> None:
        from ecggen.io.files import place

        place({self.description: (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode()})


def fill(folder: Folder, draw: Callable[[Sequence[Request]], list[Drawn]], model: str, seed: int, report) -> None:
    """Generate the missing records of the folder block by block, and write them.

    Blocks are always generated as a whole, so a resumed job writes identical files.
    """
    from ecggen.augment.augmenter import BLOCK

    missing = {request.index for request in folder.missing()}
    for start in sorted({index // BLOCK * BLOCK for index in missing}):
        block = [
            drawn for drawn in draw(folder.job.requests[start : start + BLOCK]) if drawn.requested.index in missing
        ]
        for drawn, findings in zip(block, _findings(block), strict=True):
            folder.add(drawn, model, seed, findings)
        report(len(folder.lines) / len(folder.part))


def _findings(block: Sequence[Drawn]) -> list[tuple[str, str]]:
    """Requested statements with a criterion, and those that are met, of each record; none of those given up."""
    from ecggen.core.ecg import ECG

    kept = [drawn for drawn in block if drawn.ecg is not None]
    if not kept:
        return [("", "")] * len(block)
    ecgs = ECG.cat([drawn.ecg for drawn in kept if drawn.ecg is not None])
    found = iter(statements_met(ecgs, [one.requested.codes for one in kept], [one.requested.sex for one in kept]))
    return [("", "") if drawn.ecg is None else next(found) for drawn in block]


def summary(rows: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Numbers of records per class, of draws, of refused draws by reason, and of records that meet criteria."""
    written = [row for row in rows if row["ecg_id"]]
    reasons = Counter(why for row in rows for why in row["refused"].split(" | ") if why)
    draws = sum(int(row["attempts"]) for row in rows)
    return {
        "written": len(written),
        "given_up": len(rows) - len(written),
        "draws": draws,
        "refused": dict(reasons.most_common()),
        "accepted_share": rounded(len(written) / draws) if draws else None,
        "sought": dict(Counter(row["sought"] for row in written if row["sought"]).most_common()),
        "statements": dict(Counter(code for row in written for code in row["codes"].split()).most_common()),
        "criteria": criteria_summary(written),
    }


def plot_first_records(folder: Folder, plot_format: str) -> list[str]:
    """Plot the first record of each class, or the first record if there are no classes; return the file names."""
    from ecggen import viz
    from ecggen.data.prompts import shorten
    from ecggen.io import read

    written = [row for row in folder.rows() if row["ecg_id"]]
    firsts = list({row["sought"]: row for row in reversed(written)}.values())[::-1][:PLOTS]
    names = []
    for row in firsts if plot_format != "none" else ():
        number = int(row["ecg_id"])
        names.append(f"overview_{number}.{plot_format}")
        if not (folder.out / names[-1]).exists():
            ecg = read(folder.file_of(number), check=False, allow_contradiction=True)
            figure = viz.draw(ecg, title=f"{number}: {shorten(row['text'], 100)}", caption=_caption(row))
            viz.save(figure, folder.out / names[-1])
    return names


def _caption(row: dict[str, str]) -> str:
    """Caption of a plot: the requested metadata."""
    metadata = (("age", row["age"]), ("sex", row["sex"]), ("heart rate", row["heart_rate"]))
    return "requested: " + ("; ".join(f"{name} {value}" for name, value in metadata if value) or "no metadata")


def _is_waiting(path: Path) -> bool:
    """Whether this is the temporary file of a description that another shard is writing."""
    return path.name.startswith(".augment") and path.suffix == ".tmp"


def _is_complete(description: Path) -> bool:
    try:
        return json.loads(description.read_text(encoding="utf-8")).get("complete") is True
    except (OSError, ValueError):
        return False
