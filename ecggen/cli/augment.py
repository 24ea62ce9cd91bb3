"""``ecggen augment``: more records of a class, in the form that PTB-XL's loaders read unchanged.

The order of work: see what the training data hold of the class, ask for records like those, draw, look at each with a
judge that has seen real ECGs only, write what passes, and tell what did not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ecggen.cli import console
from ecggen.cli.jobs.augmentation import COLUMNS, FORMS, Folder, Job, draw_pages, fill, summary
from ecggen.cli.jobs.generation import PICTURES, SAMPLED
from ecggen.cli.jobs.requests import MOST, Plan, digest
from ecggen.cli.options import Guidance, Json, Model, Seed, Steps, Text
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.augment.augmenter import Augmenter, Drawn, Limits
    from ecggen.cli.jobs.requests import Originals
    from ecggen.evaluators.classifier import Classifier
    from ecggen.generators.base import Generator

MOST_WARNINGS = 5
"""Classes that a warning is printed for; augment.json holds them all."""


def augment(
    out: Annotated[Path, Option(help="Folder for the records; it must not exist.")],
    data: Annotated[Path | None, Option(help="The training data: a PTB-XL folder, or one of its form.")] = None,
    class_: Annotated[
        list[str] | None,
        Option("--class", help="What is lacking: a statement (AFIB), subclass or superclass (MI); may be given again."),
    ] = None,
    balance: Annotated[
        str | None, Option(help="Even out a set of labels instead: superclasses, subclasses or statements.")
    ] = None,
    like: Annotated[Path | None, Option(help="Vary this recording instead, through the model's latent.")] = None,
    text: Text = None,
    n: Annotated[
        int | None, Option("-n", help="How many records (with --balance: at most; default as needed).")
    ] = None,
    vary: Annotated[bool, Option("--vary", help="Vary the training records themselves, not only their facts.")] = False,
    strength: Annotated[float, Option(help="How far a variation may go, to 1: any heart with its beats.")] = 0.8,
    model: Model = "flow",
    classifier: Annotated[
        str, Option(help="The classifier that looks at each record: a name, a folder, or none.")
    ] = "classifier",
    quantile: Annotated[
        float,
        Option(
            help="The classifier has a limit for each class, which this share of the class's real records would miss; all "
            "limits together miss more. 0 for no limits."
        ),
    ] = 0.05,
    max_attempts: Annotated[int, Option(help="Draws of a record before it is given up.")] = 8,
    folds: Annotated[str, Option(help="Folds of the training data; synthetic records go into no other.")] = (
        "1,2,3,4,5,6,7,8"
    ),
    format_: Annotated[
        str, Option("--format", help="ptb-xl, or challenge (PhysioNet Challenge files with SNOMED codes).")
    ] = "ptb-xl",
    high: Annotated[
        bool, Option("--high", help="Write records500 too, although the model knows nothing above its own rate.")
    ] = False,
    num_steps: Steps = None,
    guidance_scale: Guidance = None,
    seed: Seed = 0,
    plot_format: Annotated[str, Option(help="Form of the first pages: png, svg, pdf or none.")] = "png",
    shard: Annotated[str | None, Option(help="Only a part of the job, as 2/4: the second of four.")] = None,
    resume: Annotated[bool, Option("--resume", help="Go on with a job that was stopped.")] = False,
    cache: Annotated[Path | None, Option(help="Where packed data sets are kept (default ~/.cache/ecggen).")] = None,
    as_json: Json = False,
) -> None:
    """Draw more records of a class, with the ages, sexes, heart rates and other findings of those who have it.

    OUT gets the form of PTB-XL: ptbxl_database.csv with new patients in training folds only, scp_statements.csv,
    records100; beside it augment.csv with what was asked of each record and how often it was refused, and augment.json.
    A killed job goes on with --resume. Every record is marked SYNTHETIC. Not for diagnosis.
    """
    from ecggen.augment.augmenter import Augmenter, Rules
    from ecggen.evaluators import pretrained
    from ecggen.generators import checkpoint
    from ecggen.io.files import place
    from ecggen.networks import storage

    _check_request(class_, balance, like, text, data, n, vary)
    _check_formats(format_, plot_format)
    generator = checkpoint.load(model)
    generator = generator.with_sampling(num_steps, guidance_scale)
    looker = None if classifier == "none" else pretrained.load(classifier, "classifier")
    rules = Rules(quantile if looker else 0.0, max_attempts)
    with console.stages(quiet=as_json) as stage:
        plan = Plan(generator, data, _folds(folds), seed, cache, lambda share: stage("reading", share))
        asks, originals = plan.ask(class_ or [], balance, like, text, n, vary)
        if originals is not None:
            generator.check_variation(strength)
        if balance:
            console.err.print(f"{len(asks):,} records are asked for, to even out the {balance}", markup=False)
        sought = sorted({asked.sought for asked in asks} - {""})
        limits = plan.limits(looker, sought, rules.quantile)
        doubts = [] if originals else _doubts(storage.find(model), sought or sorted({*asks[0].codes}))
        job = Job(asks, plan.likes(asks), *plan.numbers(), format_, high or None)
        about = describe(job, generator, storage.find(model), looker, rules, limits, [*plan.notes, *doubts])
        about["requested"] |= {"seed": seed, "varied": strength if originals is not None else None}
        folder = Folder(out, job, shard, about, data)
        folder.open(resume)
        augmenter = Augmenter(generator, looker, rules, seed, limits)
        for doubt in _few(doubts):
            console.warn(doubt)
        fill(
            folder, _drawing(augmenter, originals, strength), generator.name, seed, lambda done: stage("drawing", done)
        )
    about = folder.close(summary(folder.rows()) | {"pictures": draw_pages(folder, plot_format)})
    place({out / "README.txt": readme(about).encode()})
    if as_json:
        console.print_json(about | {"folder": str(out)})
    else:
        console.print_text(in_words(about, out))


def describe(
    job: Job,
    generator: Generator,
    folder: Path,
    classifier: Classifier | None,
    rules: Any,
    limits: Limits,
    notes: Sequence[str],
) -> dict[str, Any]:
    """What was asked of which model, for augment.json."""
    from collections import Counter

    from ecggen import __version__
    from ecggen.cli.generate import licence

    how = {name: getattr(generator.sampling, name, None) for name in SAMPLED}
    return {
        "what": "SYNTHETIC electrocardiograms; not for diagnosis",
        "ecggen": __version__,
        "model": generator.name,
        "licence": licence(folder),
        "requested": {
            "records": len(job.asks),
            "requests": digest(repr((job.asks, job.likes)).encode()),
            "sought": dict(Counter(asked.sought for asked in job.asks if asked.sought).most_common()),
            "form": job.form,
            "high": job.high,
            "classifier": classifier.name if classifier else None,
            "quantile": rules.quantile,
            "tries": rules.tries,
            **how,
        },
        "limits": {name: [round(value, 4) for value in pair] for name, pair in limits.items()},
        "notes": list(notes),
    }


def in_words(about: dict[str, Any], out: Path) -> str:
    """What came out, for a person."""
    refused = ", ".join(f"{count} {why}" for why, count in about["refused"].items())
    sought = ", ".join(f"{name} {count}" for name, count in about["sought"].items())
    lines = [
        "SYNTHETIC; not for diagnosis",
        f"{about['written']} records in {out}" + (f": {sought}" if sought else ""),
        f"model {about['model']}, classifier {about['requested']['classifier'] or 'none'}",
        f"{about['draws']} draws; refused: {refused or 'none'}",
        *([f"{about['given_up']} records were given up: every try was refused"] if about["given_up"] else []),
        *(f"note: {note}" for note in about["notes"]),
        *(["pictures: " + ", ".join(about["pictures"])] if about["pictures"] else []),
    ]
    return "\n".join(lines)


def readme(about: dict[str, Any]) -> str:
    """What a person should know who finds the folder."""
    varied = "Each varies a person's record, which augment.csv names (like), and which may be recognised in it."
    lines = [
        "SYNTHETIC electrocardiograms; not for diagnosis.",
        *([varied] if about["requested"]["varied"] else []),
        "No record here is a person's. A model drew what usually goes with the words and facts it was told, and which",
        "statements a record shows is what was asked for, not what anybody found in it.",
        "",
        f"Made by ecggen {about['ecggen']}, model {about['model']}, seed {about['requested']['seed']}.",
        "Folds are those of training data; no synthetic record belongs into a test set.",
        *([f"Licence: {about['licence']}"] if about["licence"] else []),
        "",
        "Columns of augment.csv (of a part of a job: augment_1_of_4.csv and so on):",
        *(f"  {name}: {meaning}" for name, meaning in COLUMNS.items()),
    ]
    return "\n".join(lines) + "\n"


def _doubts(checkpoint: Path, classes: Sequence[str]) -> list[str]:
    """What to know of classes that the model cannot draw well, or of which nobody has measured it."""
    from ecggen.augment.capabilities import warning

    return [said for name in classes if (said := warning(checkpoint, name))]


def _drawing(augmenter: Augmenter, originals: Originals | None, strength: float) -> Callable[..., list[Drawn]]:
    return lambda asks: augmenter.draw(asks, originals(asks) if originals else None, strength)


def _check_request(class_, balance, like, text, data: Path | None, n: int | None, vary: bool) -> None:
    """An InputError where what is asked for contradicts itself."""
    given = {"--class": class_, "--balance": balance, "--like": like, "--text": text if like is None else None}
    named = [name for name, value in given.items() if value]
    if len(named) != 1:
        found = " and ".join(named) + " were given" if named else "nothing was asked for"
        raise InputError(found, "one of --class, --balance, --like or --text was expected")
    if data is None and (class_ or balance):
        raise InputError(f"{named[0]} was given without --data", "the training data's folder was expected")
    if vary and not (class_ or balance):
        raise InputError(f"--vary was given with {named[0]}", "--class or --balance was expected", "leave --vary out")
    if n is not None and not 1 <= n <= MOST:
        raise InputError(f"n is {n}", f"1 to {MOST:,} records were expected")


def _check_formats(format_: str, plot_format: str) -> None:
    for name, value, known in (("format", format_, FORMS), ("plot format", plot_format, PICTURES)):
        if value not in known:
            raise InputError(f"the {name} is {value!r}", f"one of {', '.join(known)} was expected")


def _few(doubts: Sequence[str]) -> list[str]:
    """The first doubts, and how many there are."""
    more = [f"… {len(doubts)} classes in all"] if len(doubts) > MOST_WARNINGS else []
    return [*doubts[:MOST_WARNINGS], *more]


def _folds(folds: str) -> tuple[int, ...]:
    try:
        found = tuple(dict.fromkeys(int(fold) for fold in folds.split(",")))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise InputError(f"the folds are {folds!r}", "numbers apart by commas were expected, as 1,2,3")
    return found
