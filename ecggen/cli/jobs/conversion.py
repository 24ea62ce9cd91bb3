"""Jobs of ``ecggen convert``: many recordings are converted to another format one by one; jobs can be resumed.

The table ``convert.csv`` holds one line per recording: the new file, changes, doubts, or the reason of a refusal. A
recording is complete when its files exist *and* its line is in the table. Median and average beats that a file holds
beside a recording are left out.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecggen.cli.jobs.patients import Patients
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.core.ecg import ECG
    from ecggen.data.ptb_xl import PtbXlFolder
    from ecggen.io import About

COLUMNS = {
    "source": "path of the file in the input folder",
    "record": "name of the recording in the file; blank for a file with one recording",
    "file": "new file; blank if the recording was refused",
    "changes": "changes, separated by |",
    "doubts": "doubts about the quality of the recording, separated by |",
    "dropped": "kinds of identifying metadata that were removed, separated by |",
    "refused": "reason if there is no new file; blank otherwise",
}
"""Columns of convert.csv with their meaning."""

TABLE, SUMMARY = "convert.csv", "convert.json"
PTB_XL = "ptb-xl"
"""The format that is a folder: a table, and records at 100 and 500 Hz."""
VERSION = 2
"""Version of the records of a job: 2 leaves out median and average beats."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""Errors after which no other file can be written either."""


@dataclass(frozen=True)
class Options:
    """How the recordings of a job are read and written; the other attributes are arguments of ``ecggen.io.read``.

    Attributes:
        format: One of ``formats()``.
        resample: New sampling rate in Hz, or None.
        personal: Whether to keep identifying metadata.
    """

    format: str = "wfdb"
    leads: tuple[str, ...] | None = None
    fs: float | None = None
    unit: str | None = None
    gain: float | None = None
    baseline: float | None = None
    start: float = 0.0
    seconds: float | None = None
    resample: float | None = None
    personal: bool = False


@dataclass(frozen=True)
class Converted:
    """A converted recording before it is written; ``about`` holds the patient's number, which is never written."""

    ecg: ECG
    about: About
    changes: tuple[str, ...]
    doubts: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass
class Summary:
    """Numbers of converted and refused recordings, of messages and, in a folder with folds, of patients."""

    converted: int = 0
    already: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    patients: Mapping[str, int] = field(default_factory=dict)

    def add(self, row: dict[str, str]) -> None:
        """Count a line of the table."""
        for name in ("changes", "doubts", "dropped"):
            getattr(self, name).update(filter(None, row[name].split(" | ")))
        if row["refused"]:
            self.refused[row["refused"]] += 1
        else:
            self.converted += 1

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON values; refusals are counted by message, without the file name."""
        counts = {name: dict(getattr(self, name).most_common()) for name in ("changes", "doubts", "dropped", "refused")}
        patients = {"patients": dict(self.patients)} if self.patients else {}
        return {"converted": self.converted, "already_there": self.already, **patients, **counts}


def convert_recording(path: Path, record: str | None, options: Options, about: About | None = None) -> Converted:
    """Read a recording with standard lead names in standard order, in mV, at the requested sampling rate.

    Args:
        path: The file.
        record: Name of the recording if the file holds several.
        options: How to read it.
        about: Metadata from the table of a data set; None to use those of the file.

    Raises:
        InputError: If it cannot be read; no other exception is raised.
    """
    from ecggen.core.ecg import STANDARD_LEADS
    from ecggen.io import reading
    from ecggen.io.inspection import gap_doubts, refusals

    read = reading(
        path,
        record=record,
        leads=options.leads,
        fs=options.fs,
        unit=options.unit,
        gain=options.gain,
        baseline=options.baseline,
        start=options.start,
        seconds=options.seconds,
        check=False,
        personal=True,
        gaps=True,
    )
    ecg, changes = read.ecg, list(read.changes)
    doubts = (*refusals(ecg[:1]), *gap_doubts(ecg[:1]))
    ordered = tuple(lead for lead in STANDARD_LEADS if lead in ecg.leads)
    if options.leads is None and ordered != ecg.leads:
        ecg = ecg.pick(*ordered)
        changes.append("leads put into standard order")
    if options.resample is not None and options.resample != ecg.fs:
        changes.append(f"{ecg.fs:g} → {options.resample:g} Hz")
        ecg = ecg.resample(options.resample)
    number = read.about.number if read.about.number is not None else read.about.patient_number()
    about = replace(about or (read.about if options.personal else read.about.anonymous()), number=number)
    return Converted(ecg, about, tuple(changes), doubts, () if options.personal else read.dropped)


def lost_metadata(path: Path, about: About) -> list[str]:
    """Identifying metadata that should be kept but that the written file cannot hold."""
    from ecggen.io import reading

    if not about.personal:
        return []
    kept = reading(path, check=False, gaps=True).dropped
    return _lost(kind for kind in about.personal if kind not in kept)


def _lost(kinds: Iterable[str]) -> list[str]:
    lost = ", ".join(kind.replace("_", " ") for kind in kinds)
    return [f"this format cannot hold: {lost}"] if lost else []


def formats() -> dict[str, str]:
    """Formats for the recordings of a folder, with the suffix of the file in the table."""
    from ecggen.io.formats import FORMS

    return FORMS | {PTB_XL: ".hea"}


class Job:
    """Conversion of all recordings of a folder, or of a file with several recordings.

    Args:
        source: Input folder or file.
        out: Output folder.
        options: How the recordings are read and written.

    Raises:
        InputError: If the format is unknown.
    """

    def __init__(self, source: Path, out: Path, options: Options):
        if options.format not in formats():
            raise InputError(f"the format is {options.format!r}", f"one of {', '.join(formats())} was expected")
        self.source, self.out, self.options, self.suffix = source, out, options, formats()[options.format]
        self.table: PtbXlFolder | None = None
        self.files: Sequence[Path] = []
        self.root = source if source.is_dir() else source.parent
        self.done: dict[tuple[str, str], dict[str, str]] = {}
        self.names = {TABLE, SUMMARY}
        self.patients = Patients()

    def open(self, overwrite: bool, resume: bool) -> None:
        """Prepare the output folder.

        Raises:
            InputError: If it exists already, is inside the input folder, or holds a job with other settings.
        """
        if overwrite and resume:
            raise InputError("both --overwrite and --resume were given", "one of them was expected")
        if self.source.is_dir() and self.out.resolve().is_relative_to(self.source.resolve()):
            raise InputError(f"{self.out} is inside {self.source}", "a folder outside of it was expected")
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"{self.out} is a file", "a folder was expected", "choose another")
        self.files = self._found()
        if self.out.exists() and any(self.out.iterdir()) and not (overwrite or resume):
            begun = (self.out / SUMMARY).is_file()
            do = "continue with --resume, or pass --overwrite" if begun else "choose another, or pass --overwrite"
            raise InputError(f"{self.out} exists", "a new folder was expected", do)
        before = self._before() if resume else []
        self.out.mkdir(parents=True, exist_ok=True)
        if self.options.format == PTB_XL:
            self._open_table(overwrite)
        self._take_over(before)
        self._store({"complete": False})

    def _open_table(self, overwrite: bool) -> None:
        """Open the table of an output folder in PTB-XL's format; ``overwrite`` removes its rows."""
        from ecggen.data.ptb_xl import PtbXlFolder
        from ecggen.data.sources import DATABASE

        if overwrite:
            (self.out / DATABASE).unlink(missing_ok=True)
        self.table = PtbXlFolder(self.out, like=self.source if self.source.is_dir() else None)

    def run(self, progress: Callable[[float], None]) -> Summary:
        """Convert the remaining recordings, and return the summary of all.

        Raises:
            OSError: If a file cannot be written; the table holds the recordings that were converted before.
        """
        summary, rows = Summary(already=len(self.done)), []
        self._store_table(list(self.done.values()))
        with (self.out / TABLE).open("a", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(COLUMNS), lineterminator="\n")
            self._recall_patients()
            for at, path in enumerate(self.files):
                for record in self._records(path):
                    key = (self._source_name(path), record or "")
                    rows.append(self.done.get(key) or self._row(path, record, len(rows) + 1))
                    if key not in self.done:
                        table.writerow(rows[-1])
                        file.flush()
                    summary.add(rows[-1])
                progress((at + 1) / len(self.files))
        if self.table is not None:
            summary.patients = self.patients.summary(summary.converted)
        self._store_table(rows)
        self._store({"complete": True} | summary.as_dict())
        return summary

    def _row(self, path: Path, record: str | None, number: int) -> dict[str, str]:
        """Convert recording ``number`` of the job, and return its line of the table."""
        row = dict.fromkeys(COLUMNS, "") | {"source": self._source_name(path), "record": record or ""}
        try:
            new = convert_recording(path, record, self.options, self.metadata.get(path))
            row["file"], left_out = self._write(new, path, record, number)
        except InputError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL:
                raise error.__cause__ from error  # every other recording would fail as well
            return row | {"refused": str(error).removeprefix(f"{path.name}: ")}
        messages = {"changes": (*new.changes, *left_out), "doubts": new.doubts, "dropped": new.dropped}
        return row | {name: " | ".join(values) for name, values in messages.items()}

    def _write(self, new: Converted, path: Path, record: str | None, number: int) -> tuple[str, list[str]]:
        """Write a recording; return its file name, and messages on what the format cannot hold."""
        from ecggen.cli.jobs.measuring import measure
        from ecggen.io import write

        if self.table is not None:
            return self._add(self.table, new, path, number)
        place = self.out / f"{self._name(path, record)}{self.suffix}"
        if any(file.exists() and file.samefile(path) for file in (place, place.with_suffix(".hea"))):
            raise InputError("the new file would replace the recording", do="choose another folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        about = replace(new.about, measured=measure(new.ecg, place.suffix))
        write(new.ecg, place, overwrite=True, about=about)
        return place.relative_to(self.out).as_posix(), lost_metadata(place, new.about)

    def _add(self, table: PtbXlFolder, new: Converted, path: Path, number: int) -> tuple[str, list[str]]:
        """Add a recording to a folder in PTB-XL's format; a recording from such a folder keeps its number."""
        from ecggen.data.ptb_xl import record_name

        had = re.fullmatch(r"0*([1-9]\d*)_[lh]r", path.stem) if self.metadata else None
        number = int(had[1]) if had else number
        if number in table:  # interrupted after the row of PTB-XL's table, before the line of ours
            self.patients.add(new.about, table.patients[number])
            return f"{record_name(number, 'lr')}.hea", []
        patient = self.patients.of(new.about, number)
        unknown = table.add(new.ecg, replace(new.about, patient=patient), number=number)
        self.patients.add(new.about, patient)
        left_out = [f"codes that are not statements of PTB-XL left out: {', '.join(unknown)}"] if unknown else []
        left_out += _lost(kind for kind in new.about.personal if kind != "recorded")
        return f"{record_name(number, 'lr')}.hea", left_out

    def _recall_patients(self) -> None:
        """Read the patients of the records that were converted before; only a folder with folds has patients."""
        if self.table is None:
            return
        paths = {self._source_name(path): path for path in self.files}
        for (source, record), row in self.done.items():
            path = paths.get(source, self.root / source)
            pseudonym = self.table.patients[int(Path(row["file"]).stem.partition("_")[0])]
            self.patients.recall(path, record or None, self.metadata.get(path), pseudonym)

    def _name(self, path: Path, record: str | None) -> str:
        """A unique name for a recording, of characters that every format and file system accepts."""
        parts = [*path.relative_to(self.root).with_suffix("").parts, *([record] if record else [])]
        name = "/".join(re.sub(r"[^-\w]+", "_", part, flags=re.ASCII).strip("_") or "record" for part in parts)
        number, unique = 1, name
        while f"{unique}{self.suffix}".casefold() in self.names:
            number, unique = number + 1, f"{name}_{number + 1}"
        self.names.add(f"{unique}{self.suffix}".casefold())
        return unique

    def _source_name(self, path: Path) -> str:
        """Path of a file for the table; undecodable names are escaped."""
        name = path.relative_to(self.root).as_posix()
        return name.encode("utf-8", "backslashreplace").decode()

    def _found(self) -> Sequence[Path]:
        """The files that may hold recordings; for PTB-XL's format, one of the two sampling rates of a record."""
        from ecggen.io import records

        if not self.source.exists():
            raise InputError(f"there is no {self.source}", "a file or a folder was expected", "check its name")
        if self.source.is_file():
            return [self.source]
        if self.options.format != PTB_XL or not self.metadata:
            return records(self.source)
        of_record: dict[str, Path] = {}
        for path in sorted(path for path in self.metadata if path.is_file()):
            of_record[path.stem.removesuffix("_lr").removesuffix("_hr")] = (
                path  # records500 comes last and takes precedence
            )
        return [of_record[stem] for stem in sorted(of_record)]

    def _records(self, path: Path) -> Iterator[str | None]:
        """Names of the recordings of a file; None for a file with one recording, or an unreadable one."""
        from ecggen.io import rhythms

        try:
            names = rhythms(path)
        except InputError:
            names = []
        yield from names or [None]

    @cached_property
    def metadata(self) -> dict[Path, About]:
        """Metadata of the files from the table of a folder in PTB-XL's format."""
        from ecggen.data.sources import DATABASE, abouts

        return abouts(self.source) if (self.source / DATABASE).is_file() else {}

    def _before(self) -> list[dict[str, str]]:
        """The table of a job that was begun with the same settings.

        Raises:
            InputError: If there is no such job.
        """
        try:
            about = json.loads((self.out / SUMMARY).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{self.out} holds no {SUMMARY}", "an interrupted job was expected") from error
        if not isinstance(about, dict) or about.get("requested") != self._settings():
            found = f"{self.out} was begun with other settings or by another release"
            raise InputError(found, "the same job was expected", "choose another folder")
        if not (self.out / TABLE).is_file():
            return []
        with (self.out / TABLE).open(encoding="utf-8", newline="") as file:
            return [row for row in csv.DictReader(file) if row.keys() == COLUMNS.keys() and None not in row.values()]

    def _take_over(self, before: list[dict[str, str]]) -> None:
        """Keep complete recordings; remove partial files of an interrupted job."""
        for path in self.out.rglob(".*.tmp"):
            if re.fullmatch(r"\..+\.[0-9a-f]{8}\.tmp", path.name):
                path.unlink(missing_ok=True)
        for row in before:
            if row["file"] and self._is_complete(row["file"]):
                self.done[row["source"], row["record"]] = row
                self.names.add(row["file"].casefold())

    def _is_complete(self, name: str) -> bool:
        """Whether the files of a recording exist; each was written to a temporary file and renamed, the header last."""
        path = self.out / name
        number = path.stem.partition("_")[0]
        if self.table is not None:
            return number.isdecimal() and int(number) in self.table
        second = {"wfdb": ".dat", "challenge": ".hea"}.get(self.options.format, self.suffix)
        return path.is_file() and path.with_suffix(second).is_file()

    def _settings(self) -> dict[str, Any]:
        """The settings that identify a job."""
        place = hashlib.sha256(str(self.source.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
        return {
            "source": self.source.name,
            "place": place,
            "version": VERSION,
            **vars(self.options),
            "leads": list(self.options.leads or []),
        }

    def _store_table(self, rows: Sequence[dict[str, str]]) -> None:
        """Write convert.csv atomically."""
        from ecggen.io.files import place

        text = io.StringIO()
        table = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        place({self.out / TABLE: text.getvalue().encode()})

    def _store(self, about: dict[str, Any]) -> None:
        """Write convert.json atomically."""
        from ecggen.io.files import place

        text = json.dumps({"requested": self._settings()} | about, indent=1, ensure_ascii=False) + "\n"
        place({self.out / SUMMARY: text.encode()})
