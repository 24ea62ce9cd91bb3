"""``ecggen generate``: generate a folder of twelve-lead ECGs from text and metadata.

Steps: parse the prompts, open the folder, generate and write records block by block, plot the first records, summarise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ecggen.cli import console
from ecggen.cli.jobs import findings
from ecggen.cli.jobs.generation import COLUMNS, SAMPLED, Folder, Job, plot_first_records, write_records
from ecggen.cli.jobs.images import Images, add_images, check_style
from ecggen.cli.jobs.prompts import prior_notes, read_words, truncation_notes
from ecggen.cli.options import (
    Age,
    GuidanceScale,
    HeartRate,
    Json,
    Model,
    NumSteps,
    Overwrite,
    Resume,
    Seed,
    Sex,
    Shard,
    Text,
)
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.generators.base import Generator


def generate(
    out: Annotated[Path, Option(help="Output folder; it must not exist.")],
    text: Text = None,
    age: Age = None,
    sex: Sex = None,
    heart_rate: HeartRate = None,
    n: Annotated[int, Option("-n", help="Number of records (for each prompt without its own number).")] = 1,
    prompts: Annotated[
        Path | None, Option(help="CSV file of prompts with any of the columns text, age, sex, heart_rate, n.")
    ] = None,
    seconds: Annotated[float, Option(help="Duration of a record in seconds.")] = 10.0,
    fs: Annotated[float, Option("--fs", help="Sampling rate in Hz.")] = 500.0,
    model: Model = "flow",
    num_steps: NumSteps = None,
    guidance_scale: GuidanceScale = None,
    seed: Seed = 0,
    shard: Shard = None,
    format_: Annotated[
        str, Option("--format", help="File format: wfdb, challenge, csv, npz, edf, dicom or aecg.")
    ] = "wfdb",
    plot_format: Annotated[
        str, Option(help="Format of the plots of the first records: png, svg, pdf or none.")
    ] = "png",
    images: Images = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    strict: Annotated[
        bool, Option(help="Refuse a prompt with words that are not understood or values outside of the training data.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Generate twelve-lead ECGs from text and metadata, or unconditionally.

    Age, sex and heart rate are read from the text; options take precedence. The output folder holds the records, each
    marked SYNTHETIC, records.csv with the condition and the measured heart rate of each record, plots of the first
    records, README.txt and generate.json. Use --resume to continue an interrupted job. Not for diagnosis.
    """
    from ecggen.data.prompts import Prompt, parse_prompt, read_prompts
    from ecggen.generators import checkpoint
    from ecggen.io.files import place
    from ecggen.networks import storage

    single = Prompt(text, age, sex, heart_rate, n)
    if prompts is not None and single != Prompt(n=n):
        expected = "either --prompts or --text, --age, --sex and --heart-rate were expected"
        raise InputError("both --prompts and a prompt were given", expected, "omit one of them")
    given = [single] if prompts is None else read_prompts(prompts, n)
    parsed, parse_notes = zip(*map(parse_prompt, given), strict=True)
    understood, doubts = read_words(parsed)
    if strict and doubts:
        raise InputError(doubts[0], "only what the models have learnt was expected", "leave --strict or the words out")
    check_style(images)
    job = Job(parsed, seconds, fs, seed, format_, plot_format)
    part = job.part(shard)
    generator = checkpoint.load(model).with_sampling(num_steps, guidance_scale)
    notes = [*dict.fromkeys(note for each in parse_notes for note in each), *truncation_notes(parsed, generator)]
    notes += [*prior_notes(parsed, generator), *doubts]
    about = describe(job, generator, storage.find(model), notes) | {"understood": understood}
    folder = Folder(out, job, shard, about)
    folder.open(overwrite, resume)
    with console.progress("generating", quiet=as_json) as share:
        write_records(generator, job, folder, share)
    with console.progress("drawing pages", quiet=as_json or images is None) as share:
        pictures = add_images(out, folder.rows(), lambda row: row["file"], images, seed, shard, share)
    about = folder.close(summary(folder.rows(), plot_first_records(job, part, out)) | pictures)
    place({out / "README.txt": readme(about, job).encode()})
    if as_json:
        console.print_json(about | {"folder": str(out)})
    else:
        console.print_text(as_text(about, job, out))


def describe(job: Job, generator: Generator, checkpoint: Path, notes: Sequence[str]) -> dict[str, Any]:
    """The request and the model, for generate.json."""
    from ecggen import __version__
    from ecggen.generators.checkpoint import licence

    settings = {name: getattr(job, name) for name in ("seed", "seconds", "fs", "format")}
    sampling = {name: getattr(generator.sampling_from_text, name, None) for name in SAMPLED}
    return {
        "what": "SYNTHETIC electrocardiograms; not for diagnosis",
        "ecggen": __version__,
        "model": generator.name,
        "licence": licence(checkpoint),
        "requested": {
            "records": job.total,
            **settings,
            **sampling,
            "prompts": [asdict(prompt) for prompt in job.prompts],
        },
        "notes": list(notes),
    }


def summary(rows: Sequence[dict[str, str]], plots: Sequence[str]) -> dict[str, Any]:
    """The number of records, their files and plots, and requested and measured heart rates, for generate.json."""
    from ecggen.data.prompts import heart_rate_summary

    def rates(name: str) -> list[float | None]:
        return [float(row[name]) if row[name] else None for row in rows]

    return {
        "written": len(rows),
        "first": rows[0]["file"] if rows else None,
        "last": rows[-1]["file"] if rows else None,
        "plots": list(plots),
        "heart_rate": heart_rate_summary(rates("heart_rate"), rates("heart_rate_measured")),
        "criteria": findings.summary(rows),
    }


def as_text(about: dict[str, Any], job: Job, out: Path) -> str:
    """The summary as text."""
    part = "" if about["written"] == job.total else f" of {job.total}"
    ends = dict.fromkeys(name for name in (about["first"], about["last"]) if name)
    lines = [
        "SYNTHETIC; not for diagnosis",
        f"generated: {about['written']}{part} record{'s' * (about['written'] != 1)}, {job.seconds:g} s at {job.fs:g} "
        f"Hz: {' … '.join(ends) or 'none'} in {out}",
        *_request_lines(about, job, 5),
        f"heart rate: {_rate_as_text(about['heart_rate'])}",
        *_first(findings.as_lines(about["criteria"]), 8),
        *(["plots:     " + ", ".join(about["plots"])] if about["plots"] else []),
        *([f"images:    {about['images']['written']} in images"] if "images" in about else []),
    ]
    return "\n".join(lines)


def readme(about: dict[str, Any], job: Job) -> str:
    """README.txt of the folder."""
    lines = [
        "SYNTHETIC electrocardiograms; not for diagnosis.",
        "No record here comes from a patient. A generative model sampled each record given the condition below.",
        "",
        f"The whole job: {job.total} records of twelve leads in mV, {job.seconds:g} s at {job.fs:g} Hz.",
        f"Generated with ecggen {about['ecggen']}.",
        *_request_lines(about, job, 50),
        *([f"licence:   {about['licence']}"] if about["licence"] else []),
        "",
        "Columns of records.csv (for a part of a job: records_1_of_4.csv etc.):",
        *(f"  {name}: {meaning}" for name, meaning in COLUMNS.items()),
    ]
    return "\n".join(lines) + "\n"


def _request_lines(about: dict[str, Any], job: Job, most: int) -> list[str]:
    """Prompts, model and notes as lines; at most ``most`` prompts and ``most`` notes."""
    from ecggen.generators.sampling import Sampling

    sampling = {name: about["requested"][name] for name in SAMPLED}
    how = ""
    if sampling["num_steps"] is not None:
        how = (
            f", {Sampling(**sampling).describe(observed=False, text_or_metadata=any(one.text for one in job.prompts))}"
        )
    return [
        *_first((f"condition: {prompt.describe()}" for prompt in job.prompts), most),
        *_first((f"understood: {found}" for found in about.get("understood", {}).values()), most),
        f"model:     {about['model']}{how}, seed {job.seed}",
        *_first((f"note:      {note}" for note in about["notes"]), most),
    ]


def _first(lines: Iterable[str], most: int) -> list[str]:
    """The first lines, and the number of the others."""
    every = list(lines)
    return [*every[:most], *([f"… and {len(every) - most} more"] if len(every) > most else [])]


def _rate_as_text(rate: dict[str, Any]) -> str:
    """Requested and measured heart rate as text."""
    measured, requested, distance = rate["measured_median"], rate["requested_median"], rate["median_distance"]
    text = "" if requested is None else f"requested {requested:g}, "
    if measured is None:
        return f"{text}measured none (no beats were found)"
    text += f"measured {measured:g} (median)" + ("" if distance is None else f", median difference {distance:g}")
    return text + (f"; no beats in {rate['without_beats']} records" if rate["without_beats"] else "")
