"""``ecggen augment``: generate more records of a class, in the format of PTB-XL.

Steps: read the training data, make the requests, generate draws, check each with a classifier trained on real ECGs
only, write the accepted ones, and report the refused ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from typer import Option

from ecggen.cli import console
from ecggen.cli.jobs import findings
from ecggen.cli.jobs.augmentation import COLUMNS, FORMATS, Folder, Job, fill, plot_first_records, summary
from ecggen.cli.jobs.generation import PLOT_FORMATS, SAMPLED
from ecggen.cli.jobs.images import Images, add_images, check_style
from ecggen.cli.options import Cache, GuidanceScale, Json, Model, NumSteps, Resume, Seed, Shard, Text
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.augment.augmenter import Augmenter, Drawn, Limits, Rules
    from ecggen.augment.requests import Originals, Plan
    from ecggen.data.population import Request
    from ecggen.evaluators.classifier import Classifier
    from ecggen.generators.base import Generator
    from ecggen.generators.hearts.variation import Keep

KEPT = {
    "heart": "has the heartbeats of a patient's record (like in augment.csv) in a new rhythm: it is NOT anonymous",
    "rhythm": "has the times of the heartbeats of a patient's record (like in augment.csv), which identify it",
    "both": "has the heartbeats of a patient's record (like in augment.csv) at their times: it is NOT anonymous",
}
"""What README.txt says of records that keep a part of a patient's record."""
MOST_WARNINGS = 5
"""Maximum number of warnings on classes that are printed; augment.json holds all of them."""


def augment(
    out: Annotated[Path, Option(help="Output folder; it must not exist.")],
    data: Annotated[Path | None, Option(help="Training data: a PTB-XL folder, or a folder in its format.")] = None,
    class_: Annotated[
        list[str] | None,
        Option("--class", help="Class to generate: a statement (AFIB), subclass or superclass (MI); repeatable."),
    ] = None,
    balance: Annotated[
        str | None, Option(help="Balance a set of labels instead: superclasses, subclasses or statements.")
    ] = None,
    like: Annotated[Path | None, Option(help="Vary this recording instead.")] = None,
    text: Text = None,
    n: Annotated[
        int | None, Option("-n", help="Number of records (with --balance: the maximum; default: as needed).")
    ] = None,
    vary: Annotated[bool, Option("--vary", help="Vary the training records themselves.")] = False,
    keep: Annotated[
        str | None,
        Option(help="What a variation keeps: heart (the beats, in a new rhythm), rhythm (of another heart), or both."),
    ] = None,
    strength: Annotated[
        float | None,
        Option(
            help="Without --keep: strength of a variation through the model's latent, from 0 (the original) to 1 "
            "(independent of it); by default 0.8."
        ),
    ] = None,
    model: Model = "flow",
    classifier: Annotated[
        str, Option(help="Classifier that checks each draw: a shipped name, a checkpoint folder, or none.")
    ] = "classifier",
    quantile: Annotated[
        float,
        Option(
            help="Share of a class's real records that the classifier's limit for the class would refuse; all limits "
            "together refuse more. 0 for no limits."
        ),
    ] = 0.05,
    max_attempts: Annotated[int, Option(help="Maximum number of draws for a record.")] = 8,
    folds: Annotated[
        str, Option(help="Folds of the training data to use; synthetic records are assigned to these folds only.")
    ] = "1,2,3,4,5,6,7,8",
    format_: Annotated[
        str, Option("--format", help="ptb-xl, or challenge (PhysioNet Challenge files with SNOMED codes).")
    ] = "ptb-xl",
    high: Annotated[
        bool, Option("--high", help="Write 500 Hz records as well, without content above the model's bandwidth.")
    ] = False,
    num_steps: NumSteps = None,
    guidance_scale: GuidanceScale = None,
    seed: Seed = 0,
    plot_format: Annotated[
        str, Option(help="Format of the plots of the first records: png, svg, pdf or none.")
    ] = "png",
    images: Images = None,
    shard: Shard = None,
    resume: Resume = False,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Generate more records of a class, with the metadata and co-occurring findings of its training records.

    The output folder has the format of PTB-XL: ptbxl_database.csv with new patients in training folds only,
    scp_statements.csv and records100. It also holds augment.csv, with the request and the refused draws of each record,
    and augment.json. Use --resume to continue an interrupted job. Every record is marked SYNTHETIC. Not for diagnosis.
    """
    from ecggen.augment.augmenter import Augmenter, Rules
    from ecggen.augment.requests import Plan
    from ecggen.evaluators import pretrained
    from ecggen.generators import checkpoint
    from ecggen.generators.base import STRENGTH
    from ecggen.io.files import place
    from ecggen.networks import storage

    _check_request(class_, balance, like, text, data, n, vary, keep)
    _check_formats(format_, plot_format)
    check_style(images)
    generator = checkpoint.load(model).with_sampling(num_steps, guidance_scale)
    checking = None if classifier == "none" else pretrained.load(classifier, "classifier")
    rules = Rules(quantile if checking else 0.0, max_attempts)
    with console.stages(quiet=as_json) as stage:
        plan = Plan(generator, data, _folds(folds), seed, cache, lambda share: stage("reading", share))
        if like is not None or vary:
            generator.check_variation(strength, keep)
        kept = cast("Keep | None", keep)
        requests, originals = _requests(plan, class_ or [], balance, like, text, n, vary, kept)
        if balance:
            console.err.print(f"requested: {len(requests):,} records, to balance the {balance}", markup=False)
        sought = sorted({request.sought for request in requests} - {""})
        limits = plan.limits(checking, sought, rules.quantile)
        found = storage.find(model)
        warnings = [] if originals else _capability_warnings(found, sought or sorted({*requests[0].codes}))
        job = Job(requests, plan.likes(requests), *plan.numbers(), format_, high or None)
        about = describe(job, generator, found, checking, rules, limits, [*plan.notes, *warnings])
        about["requested"] |= {"seed": seed, "varied": (keep or strength or STRENGTH) if originals else None}
        folder = Folder(out, job, shard, about, data)
        folder.open(resume)
        augmenter = Augmenter(generator, checking, rules, seed, limits)
        for warning in _first(warnings):
            console.warn(warning)
        draw = _drawing(augmenter, originals, strength, kept)
        fill(folder, draw, generator.name, seed, lambda done: stage("generating", done))
        written = [row for row in folder.rows() if row["ecg_id"]]
        pictures = add_images(
            out, written, folder.record_of, images, seed, shard, lambda done: stage("drawing pages", done)
        )
    about = summary(folder.rows())
    about["criteria_warnings"] = findings.shortfalls(about["criteria"])
    for warning in _first(about["criteria_warnings"]):
        console.warn(warning)
    about = folder.close(about | {"plots": plot_first_records(folder, plot_format)} | pictures)
    place({out / "README.txt": readme(about).encode()})
    if as_json:
        console.print_json(about | {"folder": str(out)})
    else:
        console.print_text(as_text(about, out))


def describe(
    job: Job,
    generator: Generator,
    folder: Path,
    classifier: Classifier | None,
    rules: Rules,
    limits: Limits,
    notes: Sequence[str],
) -> dict[str, Any]:
    """The request, the model and the rules, for augment.json."""
    from collections import Counter

    from ecggen import __version__
    from ecggen.augment.requests import digest
    from ecggen.generators.checkpoint import licence

    sampling = {name: getattr(generator.sampling_from_text, name, None) for name in SAMPLED}
    return {
        "what": "SYNTHETIC electrocardiograms; not for diagnosis",
        "ecggen": __version__,
        "model": generator.name,
        "licence": licence(folder),
        "requested": {
            "records": len(job.requests),
            "requests": digest(repr((job.requests, job.likes)).encode()),
            "sought": dict(Counter(request.sought for request in job.requests if request.sought).most_common()),
            "format": job.format,
            "high": job.high,
            "classifier": classifier.name if classifier else None,
            "quantile": rules.quantile,
            "max_attempts": rules.max_attempts,
            **sampling,
        },
        "limits": {name: [round(value, 4) for value in pair] for name, pair in limits.items()},
        "notes": list(notes),
    }


def as_text(about: dict[str, Any], out: Path) -> str:
    """The summary as text."""
    refused = ", ".join(f"{count} {why}" for why, count in about["refused"].items())
    sought = ", ".join(f"{name} {count}" for name, count in about["sought"].items())
    given_up = f"given up:  {about['given_up']} records, because every attempt was refused"
    lines = [
        "SYNTHETIC; not for diagnosis",
        f"generated: {about['written']} records in {out}" + (f" ({sought})" if sought else ""),
        f"model:     {about['model']}, classifier {about['requested']['classifier'] or 'none'}",
        f"attempts:  {about['draws']} draws; refused: {refused or 'none'}",
        *([given_up] if about["given_up"] else []),
        *(f"note:      {note}" for note in about["notes"]),
        *_lines(about["criteria"]),
        *(["plots:     " + ", ".join(about["plots"])] if about["plots"] else []),
        *([f"images:    {about['images']['written']} in images"] if "images" in about else []),
    ]
    return "\n".join(lines)


def _lines(found: dict[str, dict[str, Any]], most: int = 8) -> list[str]:
    """The first lines on criteria, of the most frequently requested statements, and the number of the others."""
    ordered = dict(sorted(found.items(), key=lambda one: -one[1]["requested"]))
    more = [f"… and {len(found) - most} more criteria, see augment.json"] if len(found) > most else []
    return [*findings.as_lines(ordered)[:most], *more]


def readme(about: dict[str, Any]) -> str:
    """README.txt of the folder."""
    varied = about["requested"]["varied"]
    what = KEPT.get(
        varied, "varies a patient's record, named in augment.csv (like); that record may be recognised in it"
    )
    lines = [
        "SYNTHETIC electrocardiograms; not for diagnosis.",
        *([f"Each record {what}."] if varied else []),
        "No record here was recorded from a patient. A generative model sampled it given a text and metadata. Its",
        "statements are the requested ones; nobody has confirmed them in the record.",
        "",
        f"Generated with ecggen {about['ecggen']}, model {about['model']}, seed {about['requested']['seed']}.",
        "Folds are those of the training data; no synthetic record belongs into a test set.",
        *([f"Licence: {about['licence']}"] if about["licence"] else []),
        "",
        "Columns of augment.csv (for a part of a job: augment_1_of_4.csv etc.):",
        *(f"  {name}: {meaning}" for name, meaning in COLUMNS.items()),
    ]
    return "\n".join(lines) + "\n"


def _requests(
    plan: Plan,
    classes: Sequence[str],
    labels: str | None,
    like: Path | None,
    text: str | None,
    n: int | None,
    vary: bool,
    keep: Keep | None,
) -> tuple[list[Request], Originals | None]:
    """The requests, and the function that returns the recordings to vary; None to generate new ECGs."""
    from ecggen.augment.requests import FEW, MANY, MOST

    if like is not None:
        return plan.like(like, text, n or FEW, keep)
    if text is not None:
        return plan.of_text(text, n or FEW), None
    requests = plan.balanced(labels, n or MOST) if labels else plan.of_classes(classes, n or MANY)
    return requests, plan.originals if vary else None


def _capability_warnings(checkpoint: Path, classes: Sequence[str]) -> list[str]:
    """Warnings on classes that the model generates badly, or for which this was not measured."""
    from ecggen.augment.capabilities import warning

    return [found for name in classes if (found := warning(checkpoint, name))]


def _drawing(
    augmenter: Augmenter, originals: Originals | None, strength: float | None, keep: Keep | None
) -> Callable[..., list[Drawn]]:
    def draw(requests: Sequence[Request]) -> list[Drawn]:
        return augmenter.draw(requests, originals(requests) if originals else None, strength, keep=keep)

    return draw


def _check_request(class_, balance, like, text, data: Path | None, n: int | None, vary: bool, keep) -> None:
    """Raise an InputError if options contradict each other or are missing."""
    from ecggen.augment.requests import MOST

    given = {"--class": class_, "--balance": balance, "--like": like, "--text": text if like is None else None}
    named = [name for name, value in given.items() if value]
    if len(named) != 1:
        found = " and ".join(named) + " were given" if named else "nothing was requested"
        raise InputError(found, "one of --class, --balance, --like or --text was expected")
    if data is None and (class_ or balance):
        raise InputError(f"{named[0]} was given without --data", "the folder of the training data was expected")
    if vary and not (class_ or balance):
        raise InputError(f"--vary was given with {named[0]}", "--class or --balance was expected", "omit --vary")
    if keep and not (vary or like):
        raise InputError("--keep was given", "--like or --vary was expected with it", "omit --keep")
    if n is not None and not 1 <= n <= MOST:
        raise InputError(f"n is {n}", f"1 to {MOST:,} records were expected")


def _check_formats(format_: str, plot_format: str) -> None:
    for name, value, known in (("format", format_, FORMATS), ("plot format", plot_format, PLOT_FORMATS)):
        if value not in known:
            raise InputError(f"the {name} is {value!r}", f"one of {', '.join(known)} was expected")


def _first(warnings: Sequence[str]) -> list[str]:
    """The first warnings, and the number of all."""
    more = [f"… {len(warnings)} warnings in all, see augment.json"] if len(warnings) > MOST_WARNINGS else []
    return [*warnings[:MOST_WARNINGS], *more]


def _folds(folds: str) -> tuple[int, ...]:
    """Folds in an option, separated by commas."""
    try:
        found = tuple(dict.fromkeys(int(fold) for fold in folds.split(",")))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise InputError(f"the folds are {folds!r}", "numbers separated by commas were expected, e.g. 1,2,3")
    return found
