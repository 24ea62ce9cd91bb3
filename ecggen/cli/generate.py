"""``ecggen generate``: words and facts in, a folder of synthetic ECGs out, as many as are wanted.

A job is a list of records with indices from 0 on. Record ``i`` follows from (seed, ``i``) alone, so a job can be cut
into shards and stopped at any time: what is written is whole, and the rest comes out as it would have. Records are
drawn in blocks that begin at fixed indices, and a block is always drawn whole, because a processor's rounding depends
on the size of a batch: so even the bytes are the same on one machine. The order of work: understand what is asked,
open the folder, draw and write block by block, draw the first pages, sum up.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import statistics
import unicodedata
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ecggen.cli import console
from ecggen.cli.opening import Json, Overwrite
from ecggen.errors import InputError
from ecggen.facts import facts_in

if TYPE_CHECKING:
    from ecggen.condition import Condition
    from ecggen.ecg import ECG
    from ecggen.generator import Generator

BLOCK = 64
"""Most records that are drawn at once."""

BLOCK_SAMPLES = 1_000_000
"""Most samples of a lead in a block: long records are drawn few at a time, so that memory stays small."""

MOST_RECORDS = 1_000_000
MOST_TEXT = 2000
"""Longest text in characters; what follows is cut."""

PAGES = 4
"""Records that are drawn as on paper."""

SECONDS = (2.0, 3600.0)
RATES = (50.0, 2000.0)
FORMS = {"wfdb": ".hea", "csv": ".csv", "npz": ".npz"}
PICTURES = ("png", "svg", "pdf", "none")

PROMPT_COLUMNS = ("text", "age", "sex", "heart_rate", "n")
"""Columns of a file of prompts."""

COLUMNS = {
    "index": "number of the record in the job, from 0",
    "file": "its file in this folder",
    "prompt": "line of the file of prompts that asked for it; blank without one",
    "text": "the words the model was told; blank for none",
    "age": "years the model was told; blank for none",
    "sex": "M or F the model was told; blank for none",
    "heart_rate": "beats per minute the model was told; blank for none",
    "heart_rate_obtained": "beats per minute of the R peaks in the record; blank where fewer than two were found",
    "seconds": "duration",
    "fs": "samples per second",
    "model": "name of the checkpoint and the first digits of its weights' SHA-256",
    "seed": "seed of the job: with index, model, steps and guidance it gives the record again",
    "steps": "steps of the sampler; blank for a model that draws in one pass",
    "guidance": "how much more than learnt the words and facts were followed; blank likewise",
    "synthetic": "True: no record of this list is a person's",
}
"""Columns of records.csv, with what they mean."""


def generate(
    out: Annotated[Path, Option(help="Folder for the records; it must not exist.")],
    text: Annotated[str | None, Option(help="What the ECG is to show, in words.")] = None,
    age: Annotated[float | None, Option(help="Age in years.")] = None,
    sex: Annotated[str | None, Option(help="M or F.")] = None,
    heart_rate: Annotated[float | None, Option(help="Heart rate in beats per minute.")] = None,
    n: Annotated[int, Option("-n", help="How many records (of each prompt that does not say).")] = 1,
    prompts: Annotated[
        Path | None, Option(help="A CSV of prompts instead: columns text, age, sex, heart_rate, n, any of them.")
    ] = None,
    seconds: Annotated[float, Option(help="Duration of each record in seconds.")] = 10.0,
    fs: Annotated[float, Option("--fs", help="Sampling rate of the records in Hz.")] = 500.0,
    model: Annotated[str, Option(help="A shipped checkpoint's name, or a checkpoint folder.")] = "diffusion",
    steps: Annotated[int | None, Option(help="Steps of the sampler (default: the checkpoint's).")] = None,
    guidance: Annotated[
        float | None, Option(help="How strongly words and facts are followed: 1 as learnt (default: the checkpoint's).")
    ] = None,
    seed: Annotated[int, Option(help="The same seed gives the same records.")] = 0,
    shard: Annotated[str | None, Option(help="Only a part of the job, as 2/4: the second of four.")] = None,
    form: Annotated[str, Option(help="Form of the records: wfdb, csv or npz.")] = "wfdb",
    picture: Annotated[str, Option(help="Form of the first pages: png, svg, pdf or none.")] = "png",
    overwrite: Overwrite = False,
    resume: Annotated[bool, Option("--resume", help="Go on with a job that was stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Generate twelve-lead ECGs from words and facts, or from nothing.

    Age, sex and heart rate that stand in the text are read there; options win over the text. OUT gets the records,
    each marked SYNTHETIC, records.csv with what was asked of each and what came out, the first pages as on paper,
    README.txt and generate.json. A killed job goes on with --resume. Not for diagnosis.
    """
    from ecggen import checkpoint

    single = Prompt(text, age, sex, heart_rate, n)
    if prompts is not None and single != Prompt(n=n):
        expected = "--text, --age, --sex and --heart-rate stand in the columns of --prompts"
        raise InputError("both --prompts and a prompt were given", expected, "leave one of them out")
    asked = [single] if prompts is None else read_prompts(prompts, n)
    understood, notes = zip(*(understand(prompt) for prompt in asked), strict=True)
    job = Job(understood, seconds, fs, seed, form, picture)
    part = job.part(shard)
    generator = checkpoint.load(model)
    generator.set_sampling(steps, guidance)
    said = [*_joined(notes), *_unread(understood, generator)]
    folder = Folder(out, job, shard, describe(job, generator, checkpoint.find(model), said))
    folder.open(overwrite, resume)
    with console.progress("drawing", quiet=as_json) as share:
        write_records(generator, job, folder, share)
    pages = draw_pages(job, part, out)
    about = folder.close(summary(job, folder.rows(), pages))
    if as_json:
        console.tell_json(about | {"folder": str(out)})
    else:
        console.tell(in_words(about, job, out))


@dataclass(frozen=True)
class Prompt:
    """What is asked of some records.

    Attributes:
        text: What the ECG is to show; None for no words.
        age: Years.
        sex: "M" or "F" (once understood).
        heart_rate: Beats per minute.
        n: How many records.
        line: Line of the file of prompts; 0 for the command line.
    """

    text: str | None = None
    age: float | None = None
    sex: str | None = None
    heart_rate: float | None = None
    n: int = 1
    line: int = 0

    def in_words(self) -> str:
        """The prompt as the terminal shows it."""
        parts = [f'text "{shortened(self.text, 200)}"'] if self.text else []
        parts += [f"age {self.age:g}"] if self.age is not None else []
        parts += [f"sex {self.sex}"] if self.sex else []
        parts += [f"heart rate {self.heart_rate:g}"] if self.heart_rate is not None else []
        return "; ".join(parts) or "nothing"


@dataclass(frozen=True)
class Job:
    """All records that are asked for, whatever part of them is written here.

    Attributes:
        prompts: Understood prompts; their records follow one another.
        seconds: Duration of a record.
        fs: Its rate in Hz.
        seed: Seed of all records.
        form: One of ``FORMS``.
        picture: One of ``PICTURES``.
    """

    prompts: tuple[Prompt, ...]
    seconds: float
    fs: float
    seed: int
    form: str
    picture: str

    def __post_init__(self):
        for name, value, (low, high), unit in (
            ("records", self.total, (1, MOST_RECORDS), ""),
            ("seconds", self.seconds, SECONDS, "s"),
            ("fs", self.fs, RATES, "Hz"),
        ):
            if not low <= value <= high:
                expected = f"{low:g} to {high:,.0f} {unit}".strip() + " were expected"
                raise InputError(f"{name} is {value:g} {unit}".strip(), expected)
        for name, value, known in (("form", self.form, FORMS), ("picture", self.picture, PICTURES)):
            if value not in known:
                raise InputError(f"the {name} is {value!r}", f"one of {', '.join(known)} was expected")

    @cached_property
    def ends(self) -> list[int]:
        """Index after the last record of each prompt."""
        ends = [0]
        for prompt in self.prompts:
            ends.append(ends[-1] + prompt.n)
        return ends[1:]

    @property
    def total(self) -> int:
        """Records of the whole job."""
        return self.ends[-1]

    @property
    def samples(self) -> int:
        """Samples of a lead."""
        return round(self.seconds * self.fs)

    @property
    def block(self) -> int:
        """Records of a block."""
        return max(1, min(BLOCK, BLOCK_SAMPLES // self.samples))

    def prompt(self, index: int) -> Prompt:
        """The prompt of a record."""
        return self.prompts[bisect_right(self.ends, index)]

    def file(self, index: int) -> str:
        """Name of a record's file."""
        return f"{index:0{max(5, len(str(self.total - 1)))}d}{FORMS[self.form]}"

    def part(self, shard: str | None) -> range:
        """Indices of the records of a shard ("2/4"); all without one. Shards of large jobs hold whole blocks."""
        one, of = (1, 1) if shard is None else _shard(shard)
        unit = self.block if self.total >= of * self.block else 1
        units = math.ceil(self.total / unit)
        return range(min(self.total, units * (one - 1) // of * unit), min(self.total, units * one // of * unit))

    def pages(self) -> list[int]:
        """The records that are drawn as on paper: the first of each prompt, or the first of the only one."""
        firsts = [0, *self.ends[:-1]] if len(self.prompts) > 1 else range(self.total)
        return list(firsts[:PAGES])

    def condition(self, indices: range) -> Condition:
        """What the model is told of these records."""
        from ecggen.condition import Condition

        prompts = [self.prompt(index) for index in indices]
        return (
            Condition.none(len(prompts), self.samples / self.fs, self.fs)
            .with_text([prompt.text or "" for prompt in prompts])
            .with_facts(*([getattr(prompt, name) for prompt in prompts] for name in ("age", "sex", "heart_rate")))
        )


def read_prompts(path: Path, n: int = 1) -> list[Prompt]:
    """The prompts in a CSV file, as they stand there.

    Args:
        path: UTF-8; commas, semicolons or tabs apart; a first line with names out of ``PROMPT_COLUMNS``.
        n: Records of a prompt that does not say.

    Raises:
        InputError: Naming line and column, where the file is missing, empty, or holds what cannot be read.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError(f"{path} cannot be read ({reason})", "a CSV file of prompts was expected") from error
    first = content.split("\n", 1)[0]
    reader = csv.reader(StringIO(content, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_columns(path, header)
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}", "a line of a CSV file was expected") from error
    if not rows:
        raise InputError(f"{path} holds no prompt", "a line for each was expected below the names of the columns")
    return [_prompt(path, line, header, row, n) for line, row in rows]


def understand(prompt: Prompt) -> tuple[Prompt, list[str]]:
    """The prompt as the model will be told it, and what the person should know of the difference.

    The text loses control characters and runs of blanks; facts that stand in it are read; given ones win.

    Raises:
        InputError: On a blank text, or a fact or a number of records out of range.
    """
    where = f"line {prompt.line} of the prompts: " if prompt.line else ""
    if not 1 <= prompt.n <= MOST_RECORDS:
        raise InputError(f"{where}n is {prompt.n}", f"1 to {MOST_RECORDS:,} records were expected")
    text, notes = _clean(prompt.text, where)
    said = facts_in(text or "")
    notes += list(said.notes)
    facts: dict[str, Any] = {}
    for name in ("age", "sex", "heart_rate"):
        given = _checked(name, getattr(prompt, name), where)
        read = _checked(name, getattr(said, name), f"{where}in the text, ")
        if None not in (given, read) and given != read:
            wins = f"{name.replace('_', ' ')} {_cell(given)} was given and wins"
            notes.append(f"{wins}; the text, left as it is, says {_cell(read)}")
        facts[name] = read if given is None else given
    if text is None and not any(value is not None for value in facts.values()):
        notes.append("nothing was asked: hearts of any kind are drawn")
    return replace(prompt, text=text, **facts), [where + note for note in notes]


def write_records(
    generator: Generator, job: Job, folder: Folder, progress: Callable[[float], None] | None = None
) -> None:
    """Draw the records that the folder lacks, block by block, and write each when it is drawn."""
    lacking = {index for index in folder.part if index not in folder.kept}
    for start in sorted({index // job.block * job.block for index in lacking}):
        block = range(start, min(start + job.block, job.total))
        condition = job.condition(block)
        drawn = generator.sample(condition, job.seed, first=start)
        for at, index in ((at, index) for at, index in enumerate(block) if index in lacking):
            origin = replace(drawn.provenance, condition=condition[at : at + 1].describe())  # type: ignore[type-var]
            folder.add(index, replace(drawn[at], provenance=origin), generator)
            if progress is not None:
                progress(len(folder.kept) / len(folder.part))


class Folder:
    """The folder of a job: what lies there already, and the writing of more.

    A record is complete when its files are there *and* its line stands in the list, in this order: whatever stopped
    the job, no line speaks of a file that is not whole.

    Args:
        out: The folder.
        job: The whole job.
        shard: The part that is written here; its list and its description have names of their own.
        about: What ``describe`` says; kept in generate.json.
    """

    def __init__(self, out: Path, job: Job, shard: str | None, about: dict[str, Any]):
        mark = "" if shard is None else "_{}_of_{}".format(*_shard(shard))
        self.out, self.job, self.shard, self.about = out, job, shard, about
        self.part = job.part(shard)
        self.list, self.description = out / f"records{mark}.csv", out / f"generate{mark}.json"
        self.kept: dict[int, str] = {}  # lines of the list: a million of them must fit into memory

    def open(self, overwrite: bool, resume: bool) -> None:
        """Make the folder ready.

        Raises:
            InputError: Where it is taken, or what lies there was asked for otherwise.
        """
        if overwrite and resume:
            raise InputError("both --overwrite and --resume were given", "one of them was expected")
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"{self.out} is a file", "a folder was expected", "choose another name")
        others = sorted(self.out.glob("generate*.json"))
        taken = self.out.is_dir() and any(self.out.iterdir())
        if taken and not overwrite and not others:
            raise InputError(f"{self.out} exists", "a new folder was expected", "choose another")
        if not overwrite and not resume and (self.description.exists() or (taken and self.shard is None)):
            raise InputError(
                f"{self.out} exists", "a new folder was expected", "go on with --resume, or pass --overwrite"
            )
        for path in others:
            if not (overwrite and path == self.description):
                self._compare(path)
        self.out.mkdir(parents=True, exist_ok=True)
        self._tidy(self._listed() if overwrite or resume else [], overwrite)
        _store(self.description, json.dumps(self.about | {"complete": False}, indent=1, ensure_ascii=False) + "\n")
        self._store_list()

    def add(self, index: int, ecg: ECG, generator: Generator) -> None:
        """Write a record and its line in the list."""
        from ecggen.io import write
        from ecggen.rhythm import heart_rate, r_peaks

        write(ecg, self.out / self.job.file(index), overwrite=True)
        prompt, how = self.job.prompt(index), generator.sampling
        values = {
            "index": index,
            "file": self.job.file(index),
            "prompt": prompt.line or None,
            "text": prompt.text,
            "age": prompt.age,
            "sex": prompt.sex,
            "heart_rate": prompt.heart_rate,
            "heart_rate_obtained": _rounded(heart_rate(r_peaks(ecg)[0])),
            "seconds": ecg.seconds,
            "fs": ecg.fs,
            "model": generator.name,
            "seed": self.job.seed,
            "steps": None if how is None else how.steps,
            "guidance": None if how is None else how.guidance,
            "synthetic": True,
        }
        self.kept[index] = _line(_cell(values[name]) for name in COLUMNS)
        with self.list.open("a", encoding="utf-8", newline="") as file:
            file.write(self.kept[index])

    def rows(self) -> list[dict[str, str]]:
        """The list as it stands, in the order of the records."""
        return list(csv.DictReader((self.kept[index] for index in sorted(self.kept)), list(COLUMNS)))

    def close(self, results: dict[str, Any]) -> dict[str, Any]:
        """Put the list in order, write what was asked and what came out, and return it."""
        self._store_list()
        about = self.about | {"complete": True} | results
        _store(self.description, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
        _store(self.out / "README.txt", readme(about, self.job))
        return about

    def _compare(self, path: Path) -> None:
        """An InputError where the folder holds another job than this one."""
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
            before = {"model": there["model"]} | there["asked"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} cannot be read", "what ecggen generate wrote was expected") from error
        for name, value in json.loads(json.dumps({"model": self.about["model"]} | self.about["asked"])).items():
            if before.get(name) != value:
                was, now = (shortened(str(each), 80) for each in (before.get(name), value))
                found = f"{self.out} was begun with {name} {was}, now it is {now}"
                raise InputError(found, "the same job was expected", "choose another folder")

    def _listed(self) -> list[dict[str, str]]:
        """Whole lines of the list that lies there."""
        if not self.list.is_file():
            return []
        lines = self.list.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        rows = list(csv.DictReader(whole))
        return [row for row in rows if set(row) == set(COLUMNS) and None not in row.values() and row["index"].isdigit()]

    def _tidy(self, listed: list[dict[str, str]], overwrite: bool) -> None:
        """Keep the complete records, or on ``overwrite`` none; remove what a killed job left half written."""
        for temporary in self.out.glob(".*.tmp"):
            stem = re.fullmatch(r"\.(\d{5,})\.\w+\.\w+\.tmp", temporary.name)
            if stem and int(stem[1]) in self.part:
                temporary.unlink(missing_ok=True)
        for row in listed:
            index = int(row["index"])
            if overwrite:
                self._remove(row["file"])
            elif index in self.part and row["file"] == self.job.file(index) and self._whole(index):
                self.kept[index] = _line(row[name] for name in COLUMNS)
        if overwrite:
            for page in self.out.glob("overview_*"):
                if re.fullmatch(r"overview_\d{5,}\.(png|svg|pdf)", page.name):
                    page.unlink()

    def _remove(self, name: str) -> None:
        """Remove a record that an earlier job wrote; nothing else can be meant by a name of digits."""
        if re.fullmatch(r"\d{5,}\.(hea|csv|npz)", name):
            for path in (self.out / name, (self.out / name).with_suffix(".dat")):
                path.unlink(missing_ok=True)

    def _whole(self, index: int) -> bool:
        """Whether the files of a record are there; each was written elsewhere and then renamed, header last."""
        file = self.out / self.job.file(index)
        if self.job.form != "wfdb":
            return file.is_file()
        samples = file.with_suffix(".dat")
        return file.is_file() and samples.is_file() and samples.stat().st_size == 2 * 12 * self.job.samples

    def _store_list(self) -> None:
        """Write the list anew, in order."""
        _store(self.list, _line(COLUMNS) + "".join(self.kept[index] for index in sorted(self.kept)))


def draw_pages(job: Job, part: range, out: Path) -> list[str]:
    """The first records of the job that lie in ``part``, drawn as on paper; names of the pictures."""
    if job.picture == "none":
        return []
    from ecggen import plot as paper
    from ecggen.io import read

    names = []
    for index in (index for index in job.pages() if index in part):
        record = Path(job.file(index))
        name = f"overview_{record.stem}.{job.picture}"
        if not (out / name).exists():
            ecg = read(out / record, check=False, allow_contradiction=True)
            prompt = job.prompt(index)
            title = f"{record.stem}: {prompt.text}" if prompt.text else record.stem
            with warnings.catch_warnings():  # a letter that the font lacks is drawn as a box
                warnings.filterwarnings("ignore", "Glyph")
                figure = paper.draw(ecg, title=title, caption=f"asked: {replace(prompt, text=None).in_words()}")
                paper.save(figure, out / name)
        names.append(name)
    return names


def describe(job: Job, generator: Generator, checkpoint: Path, notes: Sequence[str]) -> dict[str, Any]:
    """What was asked of which model, for generate.json."""
    from ecggen import __version__

    how = generator.sampling
    return {
        "what": "SYNTHETIC electrocardiograms; not for diagnosis",
        "ecggen": __version__,
        "model": generator.name,
        "licence": _licence(checkpoint),
        "asked": {
            "records": job.total,
            "seed": job.seed,
            "seconds": job.seconds,
            "fs": job.fs,
            "form": job.form,
            "steps": None if how is None else how.steps,
            "guidance": None if how is None else how.guidance,
            "prompts": [asdict(prompt) for prompt in job.prompts],
        },
        "notes": list(notes),
    }


def summary(job: Job, rows: Sequence[dict[str, str]], pages: Sequence[str]) -> dict[str, Any]:
    """What came out: how many, and the heart rates beside those that were asked for."""
    from ecggen.rhythm import DETECTOR

    obtained = [float(row["heart_rate_obtained"]) for row in rows if row["heart_rate_obtained"]]
    both = [row for row in rows if row["heart_rate_obtained"] and row["heart_rate"]]
    off = [abs(float(row["heart_rate_obtained"]) - float(row["heart_rate"])) for row in both]
    asked = [prompt.heart_rate for prompt in job.prompts if prompt.heart_rate is not None]
    return {
        "written": len(rows),
        "first": rows[0]["file"] if rows else None,
        "last": rows[-1]["file"] if rows else None,
        "pictures": list(pages),
        "heart_rate": {
            "asked_median": _rounded(statistics.median(asked)) if asked else None,
            "obtained_median": _rounded(statistics.median(obtained)) if obtained else None,
            "median_distance": _rounded(statistics.median(off)) if off else None,
            "without_beats": len(rows) - len(obtained),
            "by": DETECTOR,
        },
    }


def in_words(about: dict[str, Any], job: Job, out: Path) -> str:
    """The same for a person."""
    asked, rate = about["asked"], about["heart_rate"]
    how = "" if asked["steps"] is None else f", {asked['steps']} steps, guidance {asked['guidance']:g}"
    some = "" if about["written"] == job.total else f" of the job's {job.total}"
    ends = dict.fromkeys(name for name in (about["first"], about["last"]) if name)
    lines = [
        "SYNTHETIC; not for diagnosis",
        f"{about['written']} record{'s' * (about['written'] != 1)}{some}, {job.seconds:g} s at {job.fs:g} Hz: "
        f"{' … '.join(ends) or 'none'} in {out}",
        f"model {about['model']}{how}, seed {job.seed}",
        *_shown(f"understood: {prompt.in_words()}" for prompt in job.prompts),
        f"heart rate: {_rate_in_words(rate)}",
        *(["pictures: " + ", ".join(about["pictures"])] if about["pictures"] else []),
        *_shown(f"note: {note}" for note in about["notes"]),
    ]
    return "\n".join(lines)


def readme(about: dict[str, Any], job: Job) -> str:
    """What a person should know who finds the folder."""
    asked = about["asked"]
    how = "" if asked["steps"] is None else f", {asked['steps']} steps, guidance {asked['guidance']:g}"
    lines = [
        "SYNTHETIC electrocardiograms; not for diagnosis.",
        "No record here is a person's. A model drew what usually goes with the words and facts it was told.",
        "",
        f"Made by ecggen {about['ecggen']}, model {about['model']}{how}, seed {job.seed}.",
        f"The whole job: {job.total} records of twelve leads in mV, {job.seconds:g} s at {job.fs:g} Hz.",
        *([f"Licence: {about['licence']}"] if about["licence"] else []),
        "",
        "Asked:",
        *_shown((f"  {prompt.n} × {prompt.in_words()}" for prompt in job.prompts), 50),
        *(["", "Notes:", *_shown((f"  {note}" for note in about["notes"]), 50)] if about["notes"] else []),
        "",
        "Columns of records.csv (of a part of a job: records_1_of_4.csv and so on):",
        *(f"  {name}: {meaning}" for name, meaning in COLUMNS.items()),
    ]
    return "\n".join(lines) + "\n"


def shortened(text: str | None, most: int) -> str:
    """The beginning of a text."""
    text = text or ""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _shown(lines: Iterable[str], most: int = 5) -> list[str]:
    """The first lines, and how many more there are."""
    every = list(lines)
    return [*every[:most], *([f"… and {len(every) - most} more"] if len(every) > most else [])]


def _rate_in_words(rate: dict[str, Any]) -> str:
    obtained, asked, off = rate["obtained_median"], rate["asked_median"], rate["median_distance"]
    words = "no beats were found" if obtained is None else f"{obtained:g} in the median"
    if asked is not None:
        words = f"asked {asked:g}, obtained {words}" + ("" if off is None else f", {off:g} off in the median")
    lacking = rate["without_beats"]
    return words + (f" ({lacking} records without beats)" if lacking and obtained is not None else "")


def _clean(text: str | None, where: str) -> tuple[str | None, list[str]]:
    """A text as it may stand in any file or on a terminal, no longer than is read; and what became of it."""
    if text is None:
        return None, []
    plain = " ".join("".join(map(_shown_as, text)).split())
    if not plain:
        raise InputError(f"{where}the text is blank", "words were expected", "leave --text out to ask for nothing")
    odd = any(_shown_as(letter) != letter and not letter.isspace() for letter in text)
    notes = ["characters that cannot be shown were taken out of the text"] if odd else []
    if len(plain) > MOST_TEXT:
        notes.append(f"the text has {len(plain)} characters; the first {MOST_TEXT} were taken")
    if not re.search(r"[a-z0-9]", unicodedata.normalize("NFKD", plain).lower()):
        notes.append("the text holds no Latin letter or digit: no word of it is known to the model")
    return plain[:MOST_TEXT].strip(), notes


def _shown_as(letter: str) -> str:
    """A character, or what stands for one that cannot be shown."""
    kind = unicodedata.category(letter)
    if kind == "Cf":  # soft hyphens, joiners and direction marks stand inside of words
        return ""
    return " " if kind in ("Cc", "Cs", "Zl", "Zp") else letter


def _checked(name: str, value: float | str | None, where: str) -> float | str | None:
    """A fact as the model is told it."""
    from ecggen.condition import FACTS

    if value is None:
        return None
    what = name.replace("_", " ")
    if name == "sex":
        letter = str(value).strip()[:1].upper()
        if letter not in ("M", "F"):
            raise InputError(f"{where}{what} is {value!r}", "'M' or 'F' was expected")
        return letter
    low, high = FACTS[name]
    if not low <= float(value) <= high:
        raise InputError(f"{where}{what} is {value:g}", f"{low:g} to {high:g} was expected")
    return float(value)


def _unread(prompts: Sequence[Prompt], generator: Generator) -> list[str]:
    """Notes on words beyond those that the model's encoder reads."""
    from ecggen.nn.text import words_of

    limits = (getattr(module, "words", None) for module in generator.modules())
    most = next((limit for limit in limits if isinstance(limit, int)), None)
    if most is None:
        return []
    return [
        f"{f'line {prompt.line} of the prompts: ' if prompt.line else ''}the model reads {most} words; the last "
        f"{len(words) - most} of the text are left out"
        for prompt in prompts
        if len(words := words_of(prompt.text or "")) > most
    ]


def _joined(notes: Sequence[list[str]]) -> list[str]:
    return list(dict.fromkeys(note for each in notes for note in each))


def _check_columns(path: Path, header: list[str]) -> None:
    """An InputError where the first line does not name the columns of prompts."""
    known = f"some of {', '.join(PROMPT_COLUMNS)} were expected"
    if not any(header):
        raise InputError(f"{path} is empty", known, "name the columns in its first line")
    for name in header:
        if name not in PROMPT_COLUMNS:
            raise InputError(f"{path} has the column {shortened(name, 40)!r}", known)
        if header.count(name) > 1:
            raise InputError(f"{path} has the column {name!r} twice", "each once was expected")


def _prompt(path: Path, line: int, header: list[str], row: list[str], n: int) -> Prompt:
    """One line of a file of prompts."""
    if len(row) > len(header):
        found = f"{path}, line {line} has {len(row)} cells for {len(header)} columns"
        raise InputError(found, "a cell for each column was expected", "put a text that holds commas in quotes")
    values: dict[str, Any] = {}
    for name, cell in zip(header, (cell.strip() for cell in row), strict=False):
        if name in ("text", "sex"):
            values[name] = cell or None
        elif cell:
            values[name] = _number(path, line, name, cell)
    return replace(Prompt(n=n, line=line), **values)


def _number(path: Path, line: int, name: str, cell: str) -> float | int:
    """A cell as a number; of records, a whole one."""
    try:
        number = float(cell)
        if not math.isfinite(number) or (name == "n" and number != int(number)):
            raise ValueError
    except ValueError:
        found = f"{path}, line {line}, column {name!r} holds {shortened(cell, 40)!r}"
        raise InputError(found, f"a {'whole ' if name == 'n' else ''}number was expected") from None
    return int(number) if name == "n" else number


def _shard(shard: str) -> tuple[int, int]:
    """ "2/4" as (2, 4)."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", shard.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"the shard is {shortened(shard, 40)!r}", "as 2/4, the second of four, was expected")
    return int(match[1]), int(match[2])


def _licence(checkpoint: Path) -> str:
    """What the checkpoint's card says on the use of what it draws; "" where it says nothing."""
    card = checkpoint / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace").lower() if card.is_file() else ""
    if "cc-by-4.0" not in text and "cc by 4.0" not in text:
        return ""
    source = " P. Wagner et al., PTB-XL, doi 10.13026/kfzx-aw45." if "ptb-xl" in text else ""
    return f"CC BY 4.0, as the checkpoint's card says; name the data it was trained on.{source}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _cell(value: Any) -> str:
    """A value in the list: blank for None, a number without needless digits."""
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _line(cells: Iterable[str]) -> str:
    """A line of a CSV file."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _store(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
