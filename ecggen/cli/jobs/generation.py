"""Jobs of ``ecggen generate``: many records, generated in blocks and shards, that can be interrupted and resumed.

The records of a job have indices from 0. Record ``i`` depends on (seed, ``i``) only, so a job can be split into shards
and interrupted at any time. Blocks start at fixed indices and are always generated as a whole: rounding depends on the
batch size, so this makes the files identical to the byte on one machine.
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

from ecggen.cli.jobs.findings import findings_met
from ecggen.cli.jobs.results import rounded
from ecggen.cli.jobs.resuming import mark_of, part_of, same_job
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.conditioning.condition import Condition
    from ecggen.core.ecg import ECG
    from ecggen.data.prompts import Prompt
    from ecggen.generators.base import Generator

BLOCK = 64
"""Maximum number of records in a batch."""

BLOCK_SAMPLES = 1_000_000
"""Maximum number of samples per lead in a block; limits the memory for long records."""

PLOTS = 4
"""Number of records that are plotted."""

PLOT_FORMATS = ("png", "svg", "pdf", "none")

COLUMNS = {
    "index": "number of the record in the job, from 0",
    "file": "its file in this folder",
    "prompt": "line of the prompt in the CSV file; blank without one",
    "text": "text of the condition; blank for none",
    "age": "requested age in years; blank for none",
    "sex": "requested sex, M or F; blank for none",
    "heart_rate": "requested heart rate in beats per minute; blank for none",
    "heart_rate_measured": "measured heart rate in beats per minute; blank if fewer than two R peaks were found",
    "seconds": "duration in seconds",
    "fs": "sampling rate in Hz",
    "model": "name of the checkpoint and the first digits of the SHA-256 of its weights",
    "seed": "seed of the job; with index, model and the following four columns it reproduces the record",
    "num_steps": "number of sampler steps; blank for models that sample in one pass",
    "guidance_scale": "scale of classifier-free guidance; blank for models that sample in one pass",
    "pag_scale": "scale of perturbed-attention guidance; blank for models that sample in one pass",
    "guidance_interval": "noise level below which guidance is applied; blank for models that sample in one pass",
    "statements": "statements requested in the text that have a diagnostic criterion, separated by spaces",
    "criteria_met": "those of them whose criterion the record meets",
    "synthetic": "True for every record of this table",
}
"""Columns of records.csv with their meaning."""

SAMPLED = ("num_steps", "guidance_scale", "stronger_scale", "pag_scale", "guidance_interval")
"""Sampling options of a job. The column ``guidance_scale`` has the scale of the record's own text."""

_LINE = re.compile(r"^((\d+),(\d{5,}\.[a-z]{3}),.*,True\n)", re.MULTILINE)
# A complete line of the table, with its index and file; a file name of digits is always a record.


@dataclass(frozen=True)
class Job:
    """All requested records, including those of other shards.

    Attributes:
        prompts: Parsed prompts; their records follow one another.
        seconds: Duration of a record.
        fs: Sampling rate in Hz.
        seed: Seed of all records.
        format: One of ``ecggen.io.formats.FORMS``.
        plot_format: One of ``PLOT_FORMATS``.
    """

    prompts: tuple[Prompt, ...]
    seconds: float
    fs: float
    seed: int
    format: str
    plot_format: str

    def __post_init__(self):
        from ecggen.data.prompts import MOST_RECORDS

        for name, value, (low, high), unit in (
            ("records", self.total, (1, MOST_RECORDS), ""),
            ("seconds", self.seconds, (2.0, 3600.0), " s"),
            ("fs", self.fs, (50.0, 2000.0), " Hz"),
        ):
            if not low <= value <= high:
                raise InputError(f"{name} is {value:g}{unit}", f"{low:g} to {high:,.0f}{unit} were expected")
        formats = (("format", self.format, _suffixes()), ("plot format", self.plot_format, PLOT_FORMATS))
        for name, value, known in formats:
            if value not in known:
                raise InputError(f"the {name} is {value!r}", f"one of {', '.join(known)} was expected")

    @cached_property
    def ends(self) -> list[int]:
        """Index after the last record of each prompt."""
        return list(accumulate(prompt.n for prompt in self.prompts))

    @property
    def total(self) -> int:
        """Number of records of the whole job."""
        return self.ends[-1]

    @property
    def samples(self) -> int:
        """Samples per lead."""
        return round(self.seconds * self.fs)

    @property
    def block(self) -> int:
        """Number of records in a block."""
        return max(1, min(BLOCK, BLOCK_SAMPLES // self.samples))

    def prompt(self, index: int) -> Prompt:
        """The prompt of a record."""
        return self.prompts[bisect_right(self.ends, index)]

    def file(self, index: int) -> str:
        """Name of a record's file."""
        return f"{index:0{max(5, len(str(self.total - 1)))}d}{_suffixes()[self.format]}"

    def part(self, shard: str | None) -> range:
        """Indices of the records of a shard ("2/4"); all without one. In large jobs, shards consist of whole blocks."""
        return part_of(self.total, self.block, shard)

    def plotted(self) -> list[int]:
        """Indices of the records to plot: the first of each prompt, or the first ones of a single prompt."""
        firsts = [0, *self.ends[:-1]] if len(self.prompts) > 1 else range(self.total)
        return list(firsts[:PLOTS])

    def condition(self, indices: range) -> Condition:
        """The condition of these records."""
        from ecggen.data.prompts import condition_of

        return condition_of([self.prompt(index) for index in indices], self.samples / self.fs, self.fs)


class Folder:
    """The output folder of a job: its existing records, and writing new ones.

    A record is complete when its files exist *and* its line is in the table. The line is written last, so no line
    refers to an incomplete file if the job is interrupted.

    Args:
        out: Path of the folder.
        job: The whole job.
        shard: The part to write; its table and its description have names of their own.
        about: Content of generate.json; ``model`` and ``requested`` must agree with an existing description.
    """

    def __init__(self, out: Path, job: Job, shard: str | None, about: dict[str, Any]):
        mark = mark_of(shard)
        self.out, self.job, self.shard, self.about, self.part = out, job, shard, about, job.part(shard)
        self.list, self.description = out / f"records{mark}.csv", out / f"generate{mark}.json"
        self.kept: dict[int, str] = {}  # lines of the table: a million of them must fit into memory

    def open(self, overwrite: bool, resume: bool) -> None:
        """Prepare the folder.

        Raises:
            InputError: If it exists already, or holds a job with other settings.
        """
        if overwrite and resume:
            raise InputError("both --overwrite and --resume were given", "one of them was expected")
        begun = sorted(self.out.glob("generate*.json"))
        further = begun and (resume or (self.shard is not None and not self.description.exists()))
        empty = not self.out.exists() or (self.out.is_dir() and not any(self.out.iterdir()))
        if self.out.is_file() or not (overwrite or further or empty):
            do = "continue with --resume, or pass --overwrite" if begun else "choose another"
            raise InputError(f"{self.out} exists", "a new folder was expected", do)
        for path in begun:
            if not (overwrite and path == self.description):
                same_job(self.out, path, self.about, "generate")
        self.out.mkdir(parents=True, exist_ok=True)
        self._take_over(overwrite)
        self._store(self.about | {"complete": False})

    def add(self, index: int, ecg: ECG, generator: Generator, findings: tuple[str, str] = ("", "")) -> None:
        """Write a record and its line of the table; ``findings`` are its requested statements and those it shows."""
        from ecggen.cli.jobs.measuring import measure
        from ecggen.core.rhythm import heart_rate, r_peaks
        from ecggen.data.prompts import format_cell
        from ecggen.io import About, write

        prompt, file = self.job.prompt(index), self.out / self.job.file(index)
        write(ecg, file, overwrite=True, about=About(prompt.age, prompt.sex, measured=measure(ecg, file.suffix)))
        values = asdict(prompt) | {"index": index, "file": self.job.file(index), "prompt": prompt.line or None}
        sampling = generator.sampling_without_leads(prompt.text or None)
        values |= asdict(sampling) if sampling else {}
        values |= {"seconds": ecg.seconds, "fs": ecg.fs, "model": generator.name, "seed": self.job.seed}
        values |= dict(zip(("statements", "criteria_met"), findings, strict=True))
        values |= {"heart_rate_measured": rounded(heart_rate(r_peaks(ecg)[0])), "synthetic": True}
        line = StringIO()
        csv.writer(line, lineterminator="\n").writerow(format_cell(values.get(name)) for name in COLUMNS)
        self.kept[index] = line.getvalue()
        with self.list.open("a", encoding="utf-8", newline="") as file:
            file.write(self.kept[index])

    def rows(self) -> list[dict[str, str]]:
        """The current rows of the table, ordered by index."""
        return list(csv.DictReader((self.kept[index] for index in sorted(self.kept)), list(COLUMNS)))

    def close(self, results: dict[str, Any]) -> dict[str, Any]:
        """Sort the table, write generate.json with the results, and return its content."""
        self._store(about := self.about | {"complete": True} | results)
        return about

    def _take_over(self, overwrite: bool) -> None:
        """Keep complete records, or none with ``overwrite``; remove partial files."""
        for path in self.out.glob(".*.tmp"):
            index = re.fullmatch(r"\.(\d{5,})\.\w+\.\w+\.tmp", path.name)
            if index and int(index[1]) in self.part:
                path.unlink(missing_ok=True)
        text = self.list.read_text(encoding="utf-8", errors="replace") if self.list.is_file() else ""
        for line, number, name in re.findall(_LINE, text):
            file, index = self.out / name, int(number)
            if overwrite:
                plots = (file.with_name(f"overview_{file.stem}.{name}") for name in PLOT_FORMATS)
                pictures = (self.out / "images" / f"{file.stem}{suffix}" for suffix in (".png", ".json"))
                for path in (file, file.with_suffix(".dat"), file.with_suffix(".hea"), *plots, *pictures):
                    path.unlink(missing_ok=True)
            elif index in self.part and name == self.job.file(index) and self._is_complete(file):
                self.kept[index] = line

    def _is_complete(self, file: Path) -> bool:
        """Whether the files of a record exist; each was written to a temporary file and renamed, the header last."""
        samples = file.with_suffix(".dat")
        full = self.job.format != "wfdb" or (samples.is_file() and samples.stat().st_size == 24 * self.job.samples)
        return full and file.is_file() and (self.job.format != "challenge" or file.with_suffix(".hea").is_file())

    def _store(self, about: dict[str, Any]) -> None:
        """Write generate.json and the sorted table, each atomically."""
        from ecggen.io.files import place

        text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
        lines = ",".join(COLUMNS) + "\n" + "".join(self.kept[index] for index in sorted(self.kept))
        place({self.description: text.encode(), self.list: lines.encode()})


def write_records(generator: Generator, job: Job, folder: Folder, progress: Callable[[float], None]) -> None:
    """Generate the missing records of the folder block by block, and write them."""
    missing = {index for index in folder.part if index not in folder.kept}
    for start in sorted({index // job.block * job.block for index in missing}):
        block = range(start, min(start + job.block, job.total))
        condition = job.condition(block)
        ecgs = generator.sample(condition, job.seed, first=start)
        findings = findings_met(ecgs, [job.prompt(index).text for index in block])
        for at, index in ((at, index) for at, index in enumerate(block) if index in missing):
            origin = replace(ecgs.provenance, condition=condition[at : at + 1].describe())  # type: ignore[type-var]
            folder.add(index, replace(ecgs[at], provenance=origin), generator, findings[at])
            progress(len(folder.kept) / len(folder.part))


def plot_first_records(job: Job, part: range, out: Path) -> list[str]:
    """Plot the first records of the job that are in ``part``; return the file names."""
    if job.plot_format == "none":
        return []
    from ecggen import viz
    from ecggen.io import read

    names = []
    for index in (index for index in job.plotted() if index in part):
        record, prompt = Path(job.file(index)), job.prompt(index)
        names.append(f"overview_{record.stem}.{job.plot_format}")
        if not (out / names[-1]).exists():
            ecg = read(out / record, check=False, allow_contradiction=True)
            title = f"{record.stem}: {prompt.text}" if prompt.text else record.stem
            with warnings.catch_warnings():  # characters missing in the font become boxes
                warnings.filterwarnings("ignore", "Glyph")
                figure = viz.draw(ecg, title=title, caption=_caption(prompt))
                viz.save(figure, out / names[-1])
    return names


def _caption(prompt: Prompt) -> str:
    """Caption of a plot: the requested metadata."""
    metadata = replace(prompt, text=None, n=1, line=0)
    if metadata == type(prompt)():
        return "requested: text only" if prompt.text else "unconditional"
    return f"requested: {metadata.describe()}"


def _suffixes() -> dict[str, str]:
    """File suffixes of the formats that can be written."""
    from ecggen.io.formats import FORMS

    return FORMS
