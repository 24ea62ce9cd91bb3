"""A job of ``ecggen convert``: many recordings brought into another form, one by one, and further where it was stopped.

The list ``convert.csv`` tells of every recording what became of it: the file, what was changed, what is doubtful, or
why it was refused. A recording is done when its files are whole *and* its line stands in the list.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.core.ecg import ECG
    from ecggen.data.ptb_xl import PtbXlFolder
    from ecggen.io import About

COLUMNS = {
    "source": "the file that was read, in the folder that was given",
    "record": "name of the recording in it; blank for a file that is one recording",
    "file": "the new file; blank where it was refused",
    "changes": "what was changed, apart by |",
    "doubts": "what speaks against the recording, apart by |",
    "dropped": "kinds of what identifies a person that the source holds and the new file does not, apart by |",
    "refused": "why there is no new file; blank where there is one",
}
"""Columns of convert.csv, with what they mean."""

LIST, SUMMARY = "convert.csv", "convert.json"
PTB_XL = "ptb-xl"
"""The form that is a folder: a table, and records at 100 and 500 Hz."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""What a disk says that will take no other file either."""


@dataclass(frozen=True)
class Way:
    """How every recording of a job is read and written; arguments of ``ecggen.io.read`` by their names.

    Attributes:
        form: One of ``forms()``.
        resample: Hz to bring it to, or None.
        personal: Whether to keep what identifies somebody.
    """

    form: str = "wfdb"
    leads: tuple[str, ...] | None = None
    fs: float | None = None
    unit: str | None = None
    start: float = 0.0
    seconds: float | None = None
    resample: float | None = None
    personal: bool = False


@dataclass(frozen=True)
class Converted:
    """A recording in its new form, not yet written."""

    ecg: ECG
    about: About
    changes: tuple[str, ...]
    doubts: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass
class Summary:
    """What became of the recordings."""

    converted: int = 0
    already: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, row: dict[str, str]) -> None:
        """Count a line of the list."""
        for name in ("changes", "doubts", "dropped"):
            getattr(self, name).update(filter(None, row[name].split(" | ")))
        if row["refused"]:
            self.refused[row["refused"]] += 1
        else:
            self.converted += 1

    def as_dict(self) -> dict[str, Any]:
        """The same for a program; refusals by their sentence without the file's name."""
        counts = {name: dict(getattr(self, name).most_common()) for name in ("changes", "doubts", "dropped", "refused")}
        return {"converted": self.converted, "already_there": self.already, **counts}


def converted(path: Path, record: str | None, way: Way, about: About | None = None) -> Converted:
    """A recording read and put right: standard names in standard order, mV, and the rate that is asked for.

    Args:
        path: The file.
        record: Which recording in it, where it holds several.
        way: How.
        about: What its data set says of it, where that is more than the file says.

    Raises:
        InputError: Where it cannot be read; nothing else is raised.
    """
    from ecggen.core.ecg import STANDARD_LEADS
    from ecggen.io import reading
    from ecggen.io.inspection import refusals

    read = reading(
        path,
        record=record,
        leads=way.leads,
        fs=way.fs,
        unit=way.unit,
        start=way.start,
        seconds=way.seconds,
        check=False,
        personal=way.personal,
    )
    ecg, changes = read.ecg, list(read.changes)
    doubts = tuple(refusals(ecg[:1]))
    ordered = tuple(lead for lead in STANDARD_LEADS if lead in ecg.leads)
    if way.leads is None and ordered != ecg.leads:
        ecg = ecg.pick(*ordered)
        changes.append("leads put into standard order")
    if way.resample is not None and way.resample != ecg.fs:
        changes.append(f"{ecg.fs:g} → {way.resample:g} Hz")
        ecg = ecg.resample(way.resample)
    return Converted(ecg, about or read.about, tuple(changes), doubts, () if way.personal else read.dropped)


def without_place(path: Path, about: About) -> list[str]:
    """What was to be kept of what identifies somebody, and does not stand in the file that was written."""
    from ecggen.io import reading

    if not about.personal:
        return []
    kept = reading(path, check=False).dropped
    return _no_place(kind for kind in about.personal if kind not in kept)


def _no_place(kinds: Iterable[str]) -> list[str]:
    lost = ", ".join(kind.replace("_", " ") for kind in kinds)
    return [f"no place in this form for: {lost}"] if lost else []


def forms() -> dict[str, str]:
    """What a folder's recordings can be written as, with the suffix of the file that a line of the list names."""
    from ecggen.io.formats import FORMS

    return FORMS | {PTB_XL: ".hea"}


class Job:
    """The recordings of a folder, or of a file that holds several, on their way into a folder.

    Args:
        source: The folder, or the file.
        out: The folder for the new files.
        way: How they are read and written.
    """

    def __init__(self, source: Path, out: Path, way: Way):
        if way.form not in forms():
            raise InputError(f"the form is {way.form!r}", f"one of {', '.join(forms())} was expected")
        self.source, self.out, self.way, self.suffix = source, out, way, forms()[way.form]
        self.table: PtbXlFolder | None = None
        self.files: Sequence[Path] = []
        self.root = source if source.is_dir() else source.parent
        self.done: dict[tuple[str, str], dict[str, str]] = {}
        self.names = {LIST, SUMMARY}

    def open(self, overwrite: bool, resume: bool) -> None:
        """Make the folder ready.

        Raises:
            InputError: Where it is taken, lies in the folder that is read, or was begun otherwise.
        """
        if overwrite and resume:
            raise InputError("both --overwrite and --resume were given", "one of them was expected")
        if self.source.is_dir() and self.out.resolve().is_relative_to(self.source.resolve()):
            raise InputError(f"{self.out} lies in {self.source}", "a folder outside of it was expected")
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"{self.out} is a file", "a folder was expected", "choose another")
        self.files = self._found()
        if self.out.exists() and any(self.out.iterdir()) and not (overwrite or resume):
            begun = (self.out / SUMMARY).is_file()
            do = "go on with --resume, or pass --overwrite" if begun else "choose another, or pass --overwrite"
            raise InputError(f"{self.out} exists", "a new folder was expected", do)
        before = self._before() if resume else []
        self.out.mkdir(parents=True, exist_ok=True)
        if self.way.form == PTB_XL:
            self._open_table(overwrite)
        self._take_over(before)
        self._store({"complete": False})

    def _open_table(self, overwrite: bool) -> None:
        """The table of a folder of PTB-XL's form, without what stood in it where that is to be replaced."""
        from ecggen.data.ptb_xl import PtbXlFolder
        from ecggen.data.sources import DATABASE

        if overwrite:
            (self.out / DATABASE).unlink(missing_ok=True)
        self.table = PtbXlFolder(self.out, like=self.source if self.source.is_dir() else None)

    def run(self, progress: Callable[[float], None]) -> Summary:
        """Convert what is not done yet, and return what became of all.

        Raises:
            OSError: Where the disk refuses; what was done before stands in the list.
        """
        summary, rows = Summary(already=len(self.done)), []
        self._store_list(list(self.done.values()))
        with (self.out / LIST).open("a", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(COLUMNS), lineterminator="\n")
            for at, path in enumerate(self.files):
                for record in self._records(path):
                    key = (self._told(path), record or "")
                    rows.append(self.done.get(key) or self._row(path, record, len(rows) + 1))
                    if key not in self.done:
                        table.writerow(rows[-1])
                        file.flush()
                    summary.add(rows[-1])
                progress((at + 1) / len(self.files))
        self._store_list(rows)
        self._store({"complete": True} | summary.as_dict())
        return summary

    def _row(self, path: Path, record: str | None, number: int) -> dict[str, str]:
        """Convert a recording, the job's ``number``-th, and tell of it."""
        row = dict.fromkeys(COLUMNS, "") | {"source": self._told(path), "record": record or ""}
        try:
            new = converted(path, record, self.way, self.metadata.get(path))
            row["file"], left_out = self._write(new, path, record, number)
        except InputError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL:
                raise error.__cause__ from error  # every other recording would be refused as well
            return row | {"refused": str(error).removeprefix(f"{path.name}: ")}
        told = {"changes": (*new.changes, *left_out), "doubts": new.doubts, "dropped": new.dropped}
        return row | {name: " | ".join(values) for name, values in told.items()}

    def _write(self, new: Converted, path: Path, record: str | None, number: int) -> tuple[str, list[str]]:
        """Write a recording; the name of its file in the folder, and what the form had no place for."""
        from ecggen.io import write

        if self.table is not None:
            return self._add(self.table, new, path, number)
        place = self.out / f"{self._name(path, record)}{self.suffix}"
        if any(file.exists() and file.samefile(path) for file in (place, place.with_suffix(".hea"))):
            raise InputError("the new file would take the place of the recording", do="choose another folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        write(new.ecg, place, overwrite=True, about=new.about)
        return place.relative_to(self.out).as_posix(), without_place(place, new.about)

    def _add(self, table: PtbXlFolder, new: Converted, path: Path, number: int) -> tuple[str, list[str]]:
        """Add a recording to a folder of PTB-XL's form, under the number that it had in such a folder."""
        from ecggen.data.ptb_xl import record_name

        had = re.fullmatch(r"0*([1-9]\d*)_[lh]r", path.stem) if self.metadata else None
        number = int(had[1]) if had else number
        if number in table:  # it was stopped between the table's row and the list's
            return f"{record_name(number, 'lr')}.hea", []
        strange = table.add(new.ecg, new.about, number=number)
        left_out = [f"codes that are no statement of PTB-XL left out: {', '.join(strange)}"] if strange else []
        left_out += _no_place(kind for kind in new.about.personal if kind != "recorded")
        return f"{record_name(number, 'lr')}.hea", left_out

    def _name(self, path: Path, record: str | None) -> str:
        """A name that no other recording of the job has, of signs that every format and system takes."""
        parts = [*path.relative_to(self.root).with_suffix("").parts, *([record] if record else [])]
        name = "/".join(re.sub(r"[^-\w]+", "_", part, flags=re.ASCII).strip("_") or "record" for part in parts)
        number, unique = 1, name
        while f"{unique}{self.suffix}".casefold() in self.names:
            number, unique = number + 1, f"{name}_{number + 1}"
        self.names.add(f"{unique}{self.suffix}".casefold())
        return unique

    def _told(self, path: Path) -> str:
        """A file as the list tells of it; a name that is no text, in escapes."""
        name = path.relative_to(self.root).as_posix()
        return name.encode("utf-8", "backslashreplace").decode()

    def _found(self) -> Sequence[Path]:
        """The files that may hold recordings; for PTB-XL's form, one of the two rates of a record."""
        from ecggen.io import records

        if not self.source.exists():
            raise InputError(f"there is no {self.source}", "a file or a folder was expected", "check its name")
        if self.source.is_file():
            return [self.source]
        if self.way.form != PTB_XL or not self.metadata:
            return records(self.source)
        of_record: dict[str, Path] = {}
        for path in sorted(path for path in self.metadata if path.is_file()):
            of_record[path.stem.removesuffix("_lr").removesuffix("_hr")] = path  # records500 comes last
        return [of_record[stem] for stem in sorted(of_record)]

    def _records(self, path: Path) -> Iterator[str | None]:
        """The recordings of a file; None for one that is a recording, or that cannot be opened."""
        from ecggen.io import contents

        try:
            names = contents(path)
        except InputError:
            names = []
        yield from names or [None]

    @cached_property
    def metadata(self) -> dict[Path, About]:
        """What the database of a PTB-XL-shaped folder says of its files."""
        from ecggen.data.sources import DATABASE, abouts

        return abouts(self.source) if (self.source / DATABASE).is_file() else {}

    def _before(self) -> list[dict[str, str]]:
        """The list of a job that was begun in the same way."""
        try:
            about = json.loads((self.out / SUMMARY).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{self.out} holds no {SUMMARY}", "a job that was begun was expected") from error
        if not isinstance(about, dict) or about.get("requested") != self._asked():
            raise InputError(f"{self.out} was begun otherwise", "the same job was expected", "choose another folder")
        if not (self.out / LIST).is_file():
            return []
        with (self.out / LIST).open(encoding="utf-8", newline="") as file:
            return [row for row in csv.DictReader(file) if row.keys() == COLUMNS.keys() and None not in row.values()]

    def _take_over(self, before: list[dict[str, str]]) -> None:
        """Keep what was done and is whole; remove what was left half written."""
        for path in self.out.rglob(".*.tmp"):
            if re.fullmatch(r"\..+\.[0-9a-f]{8}\.tmp", path.name):
                path.unlink(missing_ok=True)
        for row in before:
            if row["file"] and self._is_whole(row["file"]):
                self.done[row["source"], row["record"]] = row
                self.names.add(row["file"].casefold())

    def _is_whole(self, name: str) -> bool:
        """Whether the files of a recording are there; each was written elsewhere and then renamed, header last."""
        path = self.out / name
        number = path.stem.partition("_")[0]
        if self.table is not None:
            return number.isdecimal() and int(number) in self.table
        beside = {"wfdb": ".dat", "challenge": ".hea"}.get(self.way.form, self.suffix)
        return path.is_file() and path.with_suffix(beside).is_file()

    def _asked(self) -> dict[str, Any]:
        """What tells two jobs apart."""
        place = hashlib.sha256(str(self.source.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
        return {"source": self.source.name, "place": place, **vars(self.way), "leads": list(self.way.leads or [])}

    def _store_list(self, rows: Sequence[dict[str, str]]) -> None:
        from ecggen.io.files import place

        text = io.StringIO()
        table = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        place({self.out / LIST: text.getvalue().encode()})

    def _store(self, about: dict[str, Any]) -> None:
        from ecggen.io.files import place

        text = json.dumps({"requested": self._asked()} | about, indent=1, ensure_ascii=False) + "\n"
        place({self.out / SUMMARY: text.encode()})
