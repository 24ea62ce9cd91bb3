"""``ecggen generate``: words and facts in, a folder of synthetic ECGs out, as many as are wanted.

The order of work: understand what is asked, open the folder, draw and write block by block, draw the first pages,
sum up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ecggen.cli import console
from ecggen.cli.jobs.generation import COLUMNS, SAMPLED, Folder, Job, draw_pages, write_records
from ecggen.cli.jobs.prompts import Prompt, read_prompts, supposed, understand, unread
from ecggen.cli.jobs.results import rounded
from ecggen.cli.options import Age, Guidance, HeartRate, Json, Model, Overwrite, Seed, Sex, Steps, Text
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.generators.base import Generator


def generate(
    out: Annotated[Path, Option(help="Folder for the records; it must not exist.")],
    text: Text = None,
    age: Age = None,
    sex: Sex = None,
    heart_rate: HeartRate = None,
    n: Annotated[int, Option("-n", help="How many records (of each prompt that does not say).")] = 1,
    prompts: Annotated[
        Path | None, Option(help="A CSV of prompts instead: columns text, age, sex, heart_rate, n, any of them.")
    ] = None,
    seconds: Annotated[float, Option(help="Duration of each record in seconds.")] = 10.0,
    fs: Annotated[float, Option("--fs", help="Sampling rate of the records in Hz.")] = 500.0,
    model: Model = "diffusion",
    num_steps: Steps = None,
    guidance_scale: Guidance = None,
    seed: Seed = 0,
    shard: Annotated[str | None, Option(help="Only a part of the job, as 2/4: the second of four.")] = None,
    format_: Annotated[
        str, Option("--format", help="Form of the records: wfdb, challenge, csv, npz, edf, dicom or aecg.")
    ] = "wfdb",
    plot_format: Annotated[str, Option(help="Form of the first pages: png, svg, pdf or none.")] = "png",
    overwrite: Overwrite = False,
    resume: Annotated[bool, Option("--resume", help="Go on with a job that was stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Generate twelve-lead ECGs from words and facts, or from nothing.

    Age, sex and heart rate that stand in the text are read there; options win over the text. OUT gets the records,
    each marked SYNTHETIC, records.csv with what was asked of each and what came out, the first pages as on paper,
    README.txt and generate.json. A killed job goes on with --resume. Not for diagnosis.
    """
    from ecggen.generators import checkpoint
    from ecggen.io.files import place
    from ecggen.networks import storage

    single = Prompt(text, age, sex, heart_rate, n)
    if prompts is not None and single != Prompt(n=n):
        expected = "--text, --age, --sex and --heart-rate stand in the columns of --prompts"
        raise InputError("both --prompts and a prompt were given", expected, "leave one of them out")
    asked = [single] if prompts is None else read_prompts(prompts, n)
    understood, notes = zip(*map(understand, asked), strict=True)
    job = Job(understood, seconds, fs, seed, format_, plot_format)
    part = job.part(shard)
    generator = checkpoint.load(model)
    generator = generator.with_sampling(num_steps, guidance_scale)
    said = [*dict.fromkeys(note for each in notes for note in each), *unread(understood, generator)]
    said += supposed(understood, generator)
    folder = Folder(out, job, shard, describe(job, generator, storage.find(model), said))
    folder.open(overwrite, resume)
    with console.progress("drawing", quiet=as_json) as share:
        write_records(generator, job, folder, share)
    about = folder.close(summary(job, folder.rows(), draw_pages(job, part, out)))
    place({out / "README.txt": readme(about, job).encode()})
    if as_json:
        console.print_json(about | {"folder": str(out)})
    else:
        console.print_text(in_words(about, job, out))


def describe(job: Job, generator: Generator, checkpoint: Path, notes: Sequence[str]) -> dict[str, Any]:
    """What was asked of which model, for generate.json."""
    from ecggen import __version__

    asked = {name: getattr(job, name) for name in ("seed", "seconds", "fs", "form")}
    how = {name: getattr(generator.sampling, name, None) for name in SAMPLED}
    return {
        "what": "SYNTHETIC electrocardiograms; not for diagnosis",
        "ecggen": __version__,
        "model": generator.name,
        "licence": licence(checkpoint),
        "requested": {"records": job.total, **asked, **how, "prompts": [asdict(prompt) for prompt in job.prompts]},
        "notes": list(notes),
    }


def summary(job: Job, rows: Sequence[dict[str, str]], pages: Sequence[str]) -> dict[str, Any]:
    """What came out: how many, and the heart rates beside those that were asked for."""
    from ecggen.core.rhythm import DETECTOR

    beating = [(float(row["heart_rate_measured"]), row["heart_rate"]) for row in rows if row["heart_rate_measured"]]
    rates = {
        "requested_median": [prompt.heart_rate for prompt in job.prompts if prompt.heart_rate is not None],
        "measured_median": [measured for measured, _ in beating],
        "median_distance": [abs(measured - float(requested)) for measured, requested in beating if requested],
    }
    return {
        "written": len(rows),
        "first": rows[0]["file"] if rows else None,
        "last": rows[-1]["file"] if rows else None,
        "pictures": list(pages),
        "heart_rate": {name: rounded(median(each)) if each else None for name, each in rates.items()}
        | {"without_beats": len(rows) - len(beating), "by": DETECTOR},
    }


def in_words(about: dict[str, Any], job: Job, out: Path) -> str:
    """The same for a person."""
    some = "" if about["written"] == job.total else f" of the job's {job.total}"
    ends = dict.fromkeys(name for name in (about["first"], about["last"]) if name)
    lines = [
        "SYNTHETIC; not for diagnosis",
        f"{about['written']} record{'s' * (about['written'] != 1)}{some}, {job.seconds:g} s at {job.fs:g} Hz: "
        f"{' … '.join(ends) or 'none'} in {out}",
        *_asked(about, job, 5),
        f"heart rate: {_rate_in_words(about['heart_rate'])}",
        *(["pictures: " + ", ".join(about["pictures"])] if about["pictures"] else []),
    ]
    return "\n".join(lines)


def readme(about: dict[str, Any], job: Job) -> str:
    """What a person should know who finds the folder."""
    lines = [
        "SYNTHETIC electrocardiograms; not for diagnosis.",
        "No record here is a person's. A model drew what usually goes with the words and facts it was told.",
        "",
        f"The whole job: {job.total} records of twelve leads in mV, {job.seconds:g} s at {job.fs:g} Hz.",
        f"Made by ecggen {about['ecggen']}.",
        *_asked(about, job, 50),
        *([f"Licence: {about['licence']}"] if about["licence"] else []),
        "",
        "Columns of records.csv (of a part of a job: records_1_of_4.csv and so on):",
        *(f"  {name}: {meaning}" for name, meaning in COLUMNS.items()),
    ]
    return "\n".join(lines) + "\n"


def _asked(about: dict[str, Any], job: Job, most: int) -> list[str]:
    """Model, prompts and notes in lines, of each kind at most so many."""
    from ecggen.generators.sampling import Sampling

    how = {name: about["requested"][name] for name in SAMPLED}
    told = "" if how["num_steps"] is None else f", {Sampling(**how).describe(observed=False, text_or_metadata=True)}"
    return [
        f"model {about['model']}{told}, seed {job.seed}",
        *_shown((f"understood: {prompt.in_words()}" for prompt in job.prompts), most),
        *_shown((f"note: {note}" for note in about["notes"]), most),
    ]


def _shown(lines: Iterable[str], most: int) -> list[str]:
    """The first lines, and how many more there are."""
    every = list(lines)
    return [*every[:most], *([f"… and {len(every) - most} more"] if len(every) > most else [])]


def _rate_in_words(rate: dict[str, Any]) -> str:
    measured, requested, off = rate["measured_median"], rate["requested_median"], rate["median_distance"]
    words = "" if requested is None else f"requested {requested:g}, measured "
    if measured is None:
        return f"{words}no beats were found"
    words += f"{measured:g} in the median" + ("" if off is None else f", {off:g} off in the median")
    return words + (f" ({rate['without_beats']} records without beats)" if rate["without_beats"] else "")


def licence(checkpoint: Path) -> str:
    """What the checkpoint's card says on the use of what it draws; "" where it says nothing."""
    card = checkpoint / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace").lower() if card.is_file() else ""
    if "cc-by-4.0" not in text and "cc by 4.0" not in text:
        return ""
    source = " P. Wagner et al., PTB-XL, doi 10.13026/kfzx-aw45." if "ptb-xl" in text else ""
    return f"CC BY 4.0, as the checkpoint's card says; name the data it was trained on.{source}"
