"""``ecggen augment``: more records of a class, in the form that PTB-XL's loaders read unchanged.

The order of work: see what the training data hold of the class, ask for records like those, draw, look at each with a
judge that has seen real ECGs only, write what passes, and tell what did not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ecggen.cli import console
from ecggen.cli.augmented import COLUMNS, FORMS, Folder, Job, draw_pages, fill, numbers_above, summary
from ecggen.cli.jobs import PICTURES
from ecggen.cli.opening import Guidance, Json, Model, Seed, Steps, Text
from ecggen.errors import InputError

if TYPE_CHECKING:
    from ecggen.augmenting import Augmenter, Drawn, Limits
    from ecggen.data import Pack, Recording
    from ecggen.data.classes import Asked, Population
    from ecggen.ecg import ECG
    from ecggen.generator import Generator
    from ecggen.io import About
    from ecggen.judges.classifier import Classifier

    Originals = Callable[[Sequence[Asked]], ECG]

MOST = 1_000_000
MOST_WARNINGS = 5
WITHOUT_CLASS = 500
"""Records without the classes that are read beside those with them, to tell the judge's limits."""


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
    judge: Annotated[
        str, Option(help="The classifier that looks at each record: a name, a folder, or none.")
    ] = "judge",
    quantile: Annotated[
        float,
        Option(
            help="The judge has a limit for each class, which this share of the class's real records would miss; all "
            "limits together miss more. 0 for no limits."
        ),
    ] = 0.05,
    tries: Annotated[int, Option(help="Draws of a record before it is given up.")] = 8,
    folds: Annotated[str, Option(help="Folds of the training data; synthetic records go into no other.")] = (
        "1,2,3,4,5,6,7,8"
    ),
    form: Annotated[str, Option(help="ptb-xl, or challenge (PhysioNet Challenge files with SNOMED codes).")] = "ptb-xl",
    high: Annotated[
        bool, Option("--high", help="Write records500 too, although the model knows nothing above its own rate.")
    ] = False,
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Seed = 0,
    picture: Annotated[str, Option(help="Form of the first pages: png, svg, pdf or none.")] = "png",
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
    from ecggen import checkpoint
    from ecggen.augmenting import Augmenter, Rules
    from ecggen.io.files import place
    from ecggen.judges import storing

    _check_request(class_, balance, like, text, data, n, form, picture)
    generator = checkpoint.load(model)
    generator.set_sampling(steps, guidance)
    looker = None if judge == "none" else storing.load(judge, "classifier")
    rules = Rules(quantile if looker else 0.0, tries)
    with console.stages(quiet=as_json) as stage:
        plan = _Plan(generator, data, _folds(folds), seed, cache, lambda share: stage("reading", share))
        if like is not None:
            asks, originals = plan.like(like, text, n or 10)
        elif text is not None:
            asks, originals = plan.worded(text, n or 10), None
        else:
            asks = plan.balanced(balance, n) if balance else plan.of_classes(class_ or [], n or 100)
            originals = plan.originals if vary else None
            if balance:
                console.err.print(f"{len(asks):,} records are asked for, to even out the {balance}", markup=False)
        sought = sorted({asked.sought for asked in asks} - {""})
        limits = plan.limits(looker, sought, rules.quantile)
        doubts = [] if originals else _doubts(checkpoint.find(model), sought or sorted({*asks[0].codes}))
        job = Job(asks, plan.likes(asks), *plan.numbers(), form, high or None)
        about = describe(job, generator, checkpoint.find(model), looker, rules, limits, [*plan.notes, *doubts])
        about["asked"] |= {"seed": seed, "varied": strength if originals is not None else None}
        folder = Folder(out, job, shard, about, data)
        folder.open(resume)
        augmenter = Augmenter(generator, looker, rules, seed, limits)
        for doubt in _few(doubts):
            console.warn(doubt)
        fill(
            folder, _drawing(augmenter, originals, strength), generator.name, seed, lambda done: stage("drawing", done)
        )
    about = folder.close(summary(folder.rows()) | {"pictures": draw_pages(folder, picture)})
    place({out / "README.txt": readme(about).encode()})
    if as_json:
        console.tell_json(about | {"folder": str(out)})
    else:
        console.tell(in_words(about, out))


class _Plan:
    """What the training data say of the classes, and the requests that follow from it."""

    def __init__(self, generator: Generator, data: Path | None, folds: Sequence[int], seed: int, cache, report):
        self.generator, self.data, self.folds, self.seed = generator, data, folds, seed
        self.cache, self.report = cache, report
        self.notes: list[str] = []
        self.pack: Pack | None = None
        self.named: list[str] = []

    def of_classes(self, names: Sequence[str], n: int) -> list[Asked]:
        """``n`` requests, the classes in turn."""
        from ecggen.data.classes import class_name

        names = list(dict.fromkeys(class_name(name) for name in names))
        population = self._population(names)
        self.notes += [f"{len(population.showing(name))} training records show {name}" for name in names]
        every = [population.of_class(name, n, self.seed) for name in names]
        return [every[index % len(names)][index] for index in range(n)]

    def balanced(self, labels: str, most: int | None) -> list[Asked]:
        """Requests that even out a set of labels."""
        from ecggen.data.classes import LABELS

        if labels not in LABELS:
            raise InputError(f"the labels are {labels!r}", f"one of {', '.join(LABELS)} was expected")
        population = self._population()
        asks = population.balanced(LABELS[labels](), self.seed, MOST if most is None else most)
        if not asks:
            raise InputError(f"the {labels} are even already", "labels of which some are rarer were expected")
        return asks

    def worded(self, text: str, n: int) -> list[Asked]:
        """``n`` requests in the user's words, told to people as the training data hold them."""
        codes = _said(text)
        asks = _nobody(n, self.folds[0])
        if self.data:
            asks = self._population(told=False).with_statements(codes, n, self.seed)
        self.notes.append(f"the words were read as {' '.join(codes) or 'no statement'}")
        self.named = [""] * n
        return [replace(asked, text=" ".join(text.split()), codes=codes, heart_rate=None) for asked in asks]

    def like(self, path: Path, text: str | None, n: int) -> tuple[list[Asked], Originals]:
        """``n`` requests like one recording, and what gives that recording for each."""
        from ecggen.data.statements import codes as known
        from ecggen.data.statements import describe as say
        from ecggen.io import reading
        from ecggen.io.formats.snomed import to_scp
        from ecggen.rhythm import heart_rate, r_peaks

        found = reading(path)
        about = self._about(path, found.about)
        codes = tuple(code for code in to_scp(about.codes)[0] if code in known()) if text is None else _said(text)
        ecg = _first_window(found.ecg, self.generator.preprocessor.seconds)
        rate = heart_rate(r_peaks(ecg)[0])
        told = ", ".join(map(say, codes)) if text is None else " ".join(text.split())
        one = replace(_nobody(1, self.folds[0])[0], codes=codes, text=told, age=about.age, sex=about.sex)
        fold = about.fold if about.fold in self.folds else self.folds[0]
        asks = [replace(one, index=index, heart_rate=rate and round(rate, 1), fold=fold) for index in range(n)]
        known_here = (
            about is not found.about
        )  # a file of the training data has a number; another's name may be a person's
        self.named = [path.stem if known_here else f"recording {_hash(ecg.signal.numpy().tobytes())[:8]}"] * n
        return asks, lambda part: replace(ecg, signal=ecg.signal.expand(len(part), -1, -1))

    def _about(self, path: Path, own: About) -> About:
        """What the training data's table says of a file of theirs; else what the file itself says."""
        from ecggen.data.sources import DATABASE, abouts

        if self.data is None or not (self.data / DATABASE).is_file():
            return own
        return abouts(self.data.resolve()).get(path.with_suffix(".hea").resolve(), own)

    def originals(self, asks: Sequence[Asked]) -> ECG:
        """The training record of each request."""
        assert self.pack is not None
        return self.pack.ecg([asked.like for asked in asks])

    def likes(self, asks: Sequence[Asked]) -> list[str]:
        """Name of the record that each request is like."""
        return self.named or [self.pack.index.name.iloc[asked.like] if self.pack else "" for asked in asks]

    def limits(self, judge: Classifier | None, names: Sequence[str], quantile: float) -> Limits:
        """The judge's limits, told from the training records."""
        from ecggen.augmenting import MOST_FOR_LIMITS, limits_of
        from ecggen.data.classes import Population

        if judge is None or not quantile:
            return {}
        if self.pack is None:
            self.notes.append("the judge has no limits without training records: it refuses nothing")
            return {}
        import numpy as np

        chosen = np.sort(np.random.default_rng(0).permutation(len(self.pack))[:MOST_FOR_LIMITS])
        limits = limits_of(judge, self.pack.ecg(chosen), Population.of(self.pack, chosen), names, quantile)
        few = [name for name in names if name not in limits]
        self.notes += [
            f"too few training records for a limit of {name}: no draw is refused for lacking it" for name in few
        ]
        return limits

    def numbers(self) -> tuple[int, int]:
        """Numbers of the first record and patient."""
        return numbers_above([(one.name, one.patient) for one in self._recordings()] if self.data else [])

    def _recordings(self) -> list[Recording]:
        from ecggen import data as datasets

        assert self.data is not None
        return datasets.recordings(self.data)

    def _population(self, names: Sequence[str] = (), told: bool = True) -> Population:
        """The training records; where classes are named, those that show them and some others.

        Raises:
            InputError: Where there are none, none shows a class, or ``told`` and none says what it shows.
        """
        import numpy as np

        from ecggen import data as datasets
        from ecggen.data.classes import Population

        every = [one for one in self._recordings() if one.fold in self.folds]
        if told and every and not any(one.codes for one in every):
            found = f"no training record of {self.data} says which statements it shows"
            raise InputError(found, "PTB-XL's column scp_codes was expected", "ask with --text instead")
        if not every:
            raise InputError(
                f"folds {list(self.folds)} of {self.data} hold no record", "training records were expected"
            )
        if names:
            every = _with_some_others(every, names)
        self.pack = datasets.pack(every, self.generator.preprocessor, self.cache, self.report)
        for name, reason in list(self.pack.left_out.items())[:5]:
            self.notes.append(f"training record {name} was left out: {reason}")
        if len(self.pack.left_out) > 5:
            self.notes.append(f"… and {len(self.pack.left_out) - 5} more were left out")
        return Population.of(self.pack, np.arange(len(self.pack)))


def describe(
    job: Job,
    generator: Generator,
    folder: Path,
    judge: Classifier | None,
    rules: Any,
    limits: Limits,
    notes: Sequence[str],
) -> dict[str, Any]:
    """What was asked of which model, for augment.json."""
    from collections import Counter

    from ecggen import __version__
    from ecggen.cli.generate import licence

    how = {name: getattr(generator.sampling, name, None) for name in ("steps", "guidance")}
    return {
        "what": "SYNTHETIC electrocardiograms; not for diagnosis",
        "ecggen": __version__,
        "model": generator.name,
        "licence": licence(folder),
        "asked": {
            "records": len(job.asks),
            "requests": _hash(repr((job.asks, job.likes)).encode()),
            "sought": dict(Counter(asked.sought for asked in job.asks if asked.sought).most_common()),
            "form": job.form,
            "high": job.high,
            "judge": judge.name if judge else None,
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
        f"model {about['model']}, judge {about['asked']['judge'] or 'none'}",
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
        *([varied] if about["asked"]["varied"] else []),
        "No record here is a person's. A model drew what usually goes with the words and facts it was told, and which",
        "statements a record shows is what was asked for, not what anybody found in it.",
        "",
        f"Made by ecggen {about['ecggen']}, model {about['model']}, seed {about['asked']['seed']}.",
        "Folds are those of training data; no synthetic record belongs into a test set.",
        *([f"Licence: {about['licence']}"] if about["licence"] else []),
        "",
        "Columns of augment.csv (of a part of a job: augment_1_of_4.csv and so on):",
        *(f"  {name}: {meaning}" for name, meaning in COLUMNS.items()),
    ]
    return "\n".join(lines) + "\n"


def _doubts(checkpoint: Path, classes: Sequence[str]) -> list[str]:
    """What to know of classes that the model cannot draw well, or of which nobody has measured it."""
    from ecggen.drawable import warning

    return [said for name in classes if (said := warning(checkpoint, name))]


def _drawing(augmenter: Augmenter, originals: Originals | None, strength: float) -> Callable[..., list[Drawn]]:
    return lambda asks: augmenter.draw(asks, originals(asks) if originals else None, strength)


def _check_request(class_, balance, like, text, data: Path | None, n: int | None, form: str, picture: str) -> None:
    """An InputError where what is asked for contradicts itself."""
    given = {"--class": class_, "--balance": balance, "--like": like, "--text": text if like is None else None}
    named = [name for name, value in given.items() if value]
    if len(named) != 1:
        found = " and ".join(named) + " were given" if named else "nothing was asked for"
        raise InputError(found, "one of --class, --balance, --like or --text was expected")
    if data is None and (class_ or balance):
        raise InputError(f"{named[0]} was given without --data", "the training data's folder was expected")
    if n is not None and not 1 <= n <= MOST:
        raise InputError(f"n is {n}", f"1 to {MOST:,} records were expected")
    for name, value, known in (("form", form, FORMS), ("picture", picture, PICTURES)):
        if value not in known:
            raise InputError(f"the {name} is {value!r}", f"one of {', '.join(known)} was expected")


def _with_some_others(every: Sequence[Recording], names: Sequence[str]) -> list[Recording]:
    """The recordings that show one of the classes, and ``WITHOUT_CLASS`` others, in their order."""
    import numpy as np

    from ecggen.data.classes import showing

    codes = [one.codes.split() for one in every]
    shown = np.concatenate([showing(codes, name) for name in names])
    order = np.random.default_rng(0).permutation(len(every))
    return [every[at] for at in np.union1d(shown, order[~np.isin(order, shown)][:WITHOUT_CLASS])]


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


def _nobody(n: int, fold: int) -> list[Asked]:
    """Requests of which nothing is known."""
    from ecggen.data.classes import Asked

    return [Asked(index, "", (), "", None, None, None, fold, -1) for index in range(n)]


def _said(text: str) -> tuple[str, ...]:
    """The statements that a text says."""
    from ecggen import wording
    from ecggen.data.statements import codes

    _, said, _ = wording.load().read([text])
    return tuple(code for code, probability in zip(codes(), said[0].tolist(), strict=True) if probability > 0.5)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _first_window(ecg: ECG, seconds: float) -> ECG:
    """The beginning of a recording, as long as the model's window.

    Raises:
        InputError: Where it is shorter, or the file holds several.
    """
    if len(ecg) != 1:
        raise InputError(f"the file holds {len(ecg)} records", "one was expected")
    if ecg.seconds < seconds - 0.05:
        raise InputError(f"the recording lasts {ecg.seconds:.1f} s", f"at least {seconds:g} s were expected")
    return replace(ecg, signal=ecg.signal[..., : round(seconds * ecg.fs)])
