"""A job of ``ecggen generate``: many records, drawn in blocks, in shards, and further where it was stopped.

A job is a list of records with indices from 0 on. Record ``i`` follows from (seed, ``i``) alone, so a job can be cut
into shards and stopped at any time: what is written is whole, and the rest comes out as it would have. Records are
drawn in blocks that begin at fixed indices, and a block is always drawn whole, because a processor's rounding depends
on the size of a batch: so even the bytes are the same on one machine.
"""

from __future__ import annotations

import csv
import json
import re
import warnings
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from io import StringIO
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecggen.cli.jobs.prompts import MOST_RECORDS, Prompt, cell
from ecggen.cli.jobs.results import rounded
from ecggen.cli.jobs.resuming import mark_of, part_of, same_job
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.conditioning.condition import Condition
    from ecggen.core.ecg import ECG
    from ecggen.generators.base import Generator

BLOCK = 64
"""Most records that are drawn at once."""

BLOCK_SAMPLES = 1_000_000
"""Most samples of a lead in a block: long records are drawn few at a time, so that memory stays small."""

PAGES = 4
"""Records that are drawn as on paper."""

PICTURES = ("png", "svg", "pdf", "none")

COLUMNS = {
    "index": "number of the record in the job, from 0",
    "file": "its file in this folder",
    "prompt": "line of the file of prompts that asked for it; blank without one",
    "text": "the words the model was told; blank for none",
    "age": "years the model was told; blank for none",
    "sex": "M or F the model was told; blank for none",
    "heart_rate": "beats per minute the model was told; blank for none",
    "heart_rate_measured": "beats per minute of the R peaks in the record; blank where fewer than two were found",
    "seconds": "duration",
    "fs": "samples per second",
    "model": "name of the checkpoint and the first digits of its weights' SHA-256",
    "seed": "seed of the job: with index, model and the four that follow it gives the record again",
    "num_steps": "steps of the sampler; blank for a model that draws in one pass",
    "guidance_scale": "how much more than learnt the words and facts were followed; blank likewise",
    "pag_scale": "how much more than learnt each draw was made one whole; blank likewise",
    "guidance_interval": "share of noise below which both acted; blank likewise",
    "synthetic": "True: no record of this list is a person's",
}
"""Columns of records.csv, with what they mean."""

SAMPLED = ("num_steps", "guidance_scale", "pag_scale", "guidance_interval")
"""Columns that tell how a draw was sampled."""

_LINE = re.compile(r"^((\d+),(\d{5,}\.[a-z]{3}),.*,True\n)", re.MULTILINE)
# A whole line of the list, its index and its file: a name of digits can mean nothing but a record.


@dataclass(frozen=True)
class Job:
    """All records that are asked for, whatever part of them is written here.

    Attributes:
        prompts: Understood prompts; their records follow one another.
        seconds: Duration of a record.
        fs: Its rate in Hz.
        seed: Seed of all records.
        form: One of ``ecggen.io.formats.FORMS``.
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
            ("seconds", self.seconds, (2.0, 3600.0), " s"),
            ("fs", self.fs, (50.0, 2000.0), " Hz"),
        ):
            if not low <= value <= high:
                raise InputError(f"{name} is {value:g}{unit}", f"{low:g} to {high:,.0f}{unit} were expected")
        for name, value, known in (("form", self.form, _forms()), ("picture", self.picture, PICTURES)):
            if value not in known:
                raise InputError(f"the {name} is {value!r}", f"one of {', '.join(known)} was expected")

    @cached_property
    def ends(self) -> list[int]:
        """Index after the last record of each prompt."""
        return list(accumulate(prompt.n for prompt in self.prompts))

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
        return f"{index:0{max(5, len(str(self.total - 1)))}d}{_forms()[self.form]}"

    def part(self, shard: str | None) -> range:
        """Indices of the records of a shard ("2/4"); all without one. Shards of large jobs hold whole blocks."""
        return part_of(self.total, self.block, shard)

    def pages(self) -> list[int]:
        """The records that are drawn as on paper: the first of each prompt, or the first of the only one."""
        firsts = [0, *self.ends[:-1]] if len(self.prompts) > 1 else range(self.total)
        return list(firsts[:PAGES])

    def condition(self, indices: range) -> Condition:
        """What the model is told of these records."""
        from ecggen.conditioning.condition import METADATA, Condition

        prompts = [self.prompt(index) for index in indices]
        metadata = {name: [getattr(prompt, name) for prompt in prompts] for name in METADATA}
        known = Condition.none(len(prompts), self.samples / self.fs, self.fs).with_metadata(**metadata)
        return known.with_text([prompt.text or "" for prompt in prompts], parse=False)


class Folder:
    """The folder of a job: what lies there already, and the writing of more.

    A record is complete when its files are there *and* its line stands in the list, in this order: whatever stopped
    the job, no line speaks of a file that is not whole.

    Args:
        out: The folder.
        job: The whole job.
        shard: The part that is written here; its list and its description have names of their own.
        about: For generate.json; its ``model`` and ``asked`` must be those of what lies there already.
    """

    def __init__(self, out: Path, job: Job, shard: str | None, about: dict[str, Any]):
        mark = mark_of(shard)
        self.out, self.job, self.shard, self.about, self.part = out, job, shard, about, job.part(shard)
        self.list, self.description = out / f"records{mark}.csv", out / f"generate{mark}.json"
        self.kept: dict[int, str] = {}  # lines of the list: a million of them must fit into memory

    def open(self, overwrite: bool, resume: bool) -> None:
        """Make the folder ready.

        Raises:
            InputError: Where it is taken, or what lies there was asked for otherwise.
        """
        if overwrite and resume:
            raise InputError("both --overwrite and --resume were given", "one of them was expected")
        begun = sorted(self.out.glob("generate*.json"))
        further = begun and (resume or (self.shard is not None and not self.description.exists()))
        empty = not self.out.exists() or (self.out.is_dir() and not any(self.out.iterdir()))
        if self.out.is_file() or not (overwrite or further or empty):
            do = "go on with --resume, or pass --overwrite" if begun else "choose another"
            raise InputError(f"{self.out} exists", "a new folder was expected", do)
        for path in begun:
            if not (overwrite and path == self.description):
                same_job(self.out, path, self.about, "generate")
        self.out.mkdir(parents=True, exist_ok=True)
        self._take_over(overwrite)
        self._store(self.about | {"complete": False})

    def add(self, index: int, ecg: ECG, generator: Generator) -> None:
        """Write a record and its line in the list."""
        from ecggen.core.rhythm import heart_rate, r_peaks
        from ecggen.io import write

        write(ecg, self.out / self.job.file(index), overwrite=True)
        prompt = self.job.prompt(index)
        values = asdict(prompt) | {"index": index, "file": self.job.file(index), "prompt": prompt.line or None}
        values |= asdict(generator.sampling) if generator.sampling else {}
        values |= {"seconds": ecg.seconds, "fs": ecg.fs, "model": generator.name, "seed": self.job.seed}
        values |= {"heart_rate_measured": rounded(heart_rate(r_peaks(ecg)[0])), "synthetic": True}
        line = StringIO()
        csv.writer(line, lineterminator="\n").writerow(cell(values.get(name)) for name in COLUMNS)
        self.kept[index] = line.getvalue()
        with self.list.open("a", encoding="utf-8", newline="") as file:
            file.write(self.kept[index])

    def rows(self) -> list[dict[str, str]]:
        """The list as it stands, in the order of the records."""
        return list(csv.DictReader((self.kept[index] for index in sorted(self.kept)), list(COLUMNS)))

    def close(self, results: dict[str, Any]) -> dict[str, Any]:
        """Put the list in order, write what was asked and what came out, and return it."""
        self._store(about := self.about | {"complete": True} | results)
        return about

    def _take_over(self, overwrite: bool) -> None:
        """Keep the complete records that lie there, or on ``overwrite`` none; remove what was left half written."""
        for path in self.out.glob(".*.tmp"):
            index = re.fullmatch(r"\.(\d{5,})\.\w+\.\w+\.tmp", path.name)
            if index and int(index[1]) in self.part:
                path.unlink(missing_ok=True)
        text = self.list.read_text(encoding="utf-8", errors="replace") if self.list.is_file() else ""
        for line, number, name in re.findall(_LINE, text):
            file, index = self.out / name, int(number)
            if overwrite:
                pages = (file.with_name(f"overview_{file.stem}.{picture}") for picture in PICTURES)
                for path in (file, file.with_suffix(".dat"), file.with_suffix(".hea"), *pages):
                    path.unlink(missing_ok=True)
            elif index in self.part and name == self.job.file(index) and self._is_whole(file):
                self.kept[index] = line

    def _is_whole(self, file: Path) -> bool:
        """Whether the files of a record are there; each was written elsewhere and then renamed, header last."""
        samples = file.with_suffix(".dat")
        full = self.job.form != "wfdb" or (samples.is_file() and samples.stat().st_size == 24 * self.job.samples)
        return full and file.is_file() and (self.job.form != "challenge" or file.with_suffix(".hea").is_file())

    def _store(self, about: dict[str, Any]) -> None:
        """Write generate.json and the list in order, each whole or not at all."""
        from ecggen.io.files import place

        text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
        lines = ",".join(COLUMNS) + "\n" + "".join(self.kept[index] for index in sorted(self.kept))
        place({self.description: text.encode(), self.list: lines.encode()})


def write_records(generator: Generator, job: Job, folder: Folder, progress: Callable[[float], None]) -> None:
    """Draw the records that the folder lacks, block by block, and write each when it is drawn."""
    lacking = {index for index in folder.part if index not in folder.kept}
    for start in sorted({index // job.block * job.block for index in lacking}):
        block = range(start, min(start + job.block, job.total))
        condition = job.condition(block)
        drawn = generator.sample(condition, job.seed, first=start)
        for at, index in ((at, index) for at, index in enumerate(block) if index in lacking):
            origin = replace(drawn.provenance, condition=condition[at : at + 1].describe())  # type: ignore[type-var]
            folder.add(index, replace(drawn[at], provenance=origin), generator)
            progress(len(folder.kept) / len(folder.part))


def draw_pages(job: Job, part: range, out: Path) -> list[str]:
    """The first records of the job that lie in ``part``, drawn as on paper; names of the pictures."""
    if job.picture == "none":
        return []
    from ecggen import viz
    from ecggen.io import read

    names = []
    for index in (index for index in job.pages() if index in part):
        record, prompt = Path(job.file(index)), job.prompt(index)
        names.append(f"overview_{record.stem}.{job.picture}")
        if not (out / names[-1]).exists():
            ecg = read(out / record, check=False, allow_contradiction=True)
            title = f"{record.stem}: {prompt.text}" if prompt.text else record.stem
            with warnings.catch_warnings():  # a letter that the font lacks is drawn as a box
                warnings.filterwarnings("ignore", "Glyph")
                figure = viz.draw(ecg, title=title, caption=f"asked: {replace(prompt, text=None).in_words()}")
                viz.save(figure, out / names[-1])
    return names


def _forms() -> dict[str, str]:
    """Suffixes of what can be written, by the names of the forms."""
    from ecggen.io.formats import FORMS

    return FORMS
