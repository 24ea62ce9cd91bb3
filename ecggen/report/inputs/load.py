"""The report's door: paths in, ``Material`` out.

The order of work: list what lies at each path, choose which records are used, read them, bring all sets into one
form, open the classifier. What cannot be used is left out and named; only where nothing is left to report on does it
end in an ``InputError``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecggen.core.ecg import INDEPENDENT_LEADS, check_leads, determined_by
from ecggen.core.errors import InputError
from ecggen.evaluators import foundation, pretrained
from ecggen.evaluators.classifier import Classifier
from ecggen.evaluators.ecg_text import ECGTextEncoder
from ecggen.report.inputs.cohort import ECGSet, Material, Studied
from ecggen.report.inputs.discovery import Entry, Record, listed
from ecggen.report.inputs.harmonise import Form, brought, common, form_of, misfit
from ecggen.report.inputs.open import Said
from ecggen.report.inputs.selection import drawn, of_others, paired

CLASSIFIER, ECG_TEXT = "classifier", "ecg_text"
"""Names of the shipped judging networks."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Asked:
    """What a report is asked for.

    Attributes:
        synthetic: File or folder of the ECGs that are judged.
        real: Of real ones, those the generator was trained on if they are known.
        holdout: Of real ones of other patients.
        truth: Of the true ECGs of the synthetic ones.
        said: What the files leave open.
        limit: Most records of each set, drawn at random; 0 for all.
        seed: Seed of every choice.
        judge: Name or folder of the classifier; "none" for no classifier, "" for the shipped one if it is there.
        given: Leads that a reconstruction was given; none where its files say it themselves.
        real_folds: Folds of a PTB-XL folder that ``real`` means; all where none are named.
        holdout_folds: Likewise of ``holdout``.
        features: Folders of further networks on whose features the sets are compared.
    """

    synthetic: Path
    real: Path
    holdout: Path | None = None
    truth: Path | None = None
    said: Said = field(default_factory=Said)
    limit: int = 1000
    seed: int = 0
    classifier: str = ""
    given: tuple[str, ...] = ()
    real_folds: tuple[int, ...] = ()
    holdout_folds: tuple[int, ...] = ()
    features: tuple[Path, ...] = ()


def enter(asked: Asked, progress: Progress = lambda what, share: None) -> Material:
    """Everything that a report needs.

    Raises:
        InputError: Where a set holds no usable record, or the sets have no lead in common.
    """
    if asked.given:
        check_leads(asked.given)
    notes: list[str] = []
    extractors = tuple(foundation.load(folder) for folder in asked.features)
    sets = read_sets(entries(asked, notes), asked, progress, notes)
    synthetic = sets["synthetic"]
    classifier = open_classifier(asked.classifier, synthetic.ecg.leads, notes)
    studied = {name: Studied(one, classifier, progress) for name, one in sets.items()}
    origin = synthetic.ecg.provenance
    return Material(
        studied["synthetic"],
        studied["real"],
        studied.get("holdout"),
        studied.get("truth"),
        _pair(classifier, synthetic),
        asked.given or (origin.recorded if origin and "truth" in sets else ()),
        asked.seed,
        notes=tuple(notes),
        extractors=extractors,
    )


def entries(asked: Asked, notes: list[str]) -> dict[str, list[Entry]]:
    """The files and rows that are used of each set; truths stand in the order of their synthetic records."""
    found = {"synthetic": listed(asked.synthetic, asked.said), "real": listed(asked.real, asked.said, asked.real_folds)}
    if asked.holdout is not None:
        found["holdout"] = of_others(listed(asked.holdout, asked.said, asked.holdout_folds), found["real"], notes)
    truths = None
    if asked.truth is not None:
        truths = paired(found["synthetic"], listed(asked.truth, asked.said), notes)
    if truths is not None:
        found["synthetic"] = truths[0]
    rows = {
        name: drawn(some, asked.limit, asked.seed + number, name, notes)
        for number, (name, some) in enumerate(found.items())
    }
    if truths is not None:
        found["truth"], rows["truth"] = truths[1], rows["synthetic"]
    return {name: [some[row] for row in rows[name]] for name, some in found.items()}


def read_sets(chosen: dict[str, list[Entry]], asked: Asked, progress: Progress, notes: list[str]) -> dict[str, ECGSet]:
    """All sets in one form; of pairs, those of which both sides can be used.

    Raises:
        InputError: Where a set holds no usable record, or the sets have no lead in common.
    """
    sources = {"synthetic": asked.synthetic, "real": asked.real, "holdout": asked.holdout, "truth": asked.truth}
    read, left_out = {}, {}
    for name, some in chosen.items():
        read[name], left_out[name] = _read(some, name, progress)
    records = {name: [one for some in read[name] for one in some] for name in read}
    for name, some in records.items():
        if not some:
            reason = next(iter(left_out[name].values()), "it holds none")
            raise InputError(f"no {name} record can be used; the first: {reason}")
    form = _agreed({name: form_of(some) for name, some in records.items()}, notes)
    if "truth" in records:
        whole = _whole_pairs(read["synthetic"], read["truth"], form)
        notes += _lost(len(records["synthetic"]), len(whole))
        records["synthetic"], records["truth"] = [ours for ours, _ in whole], [theirs for _, theirs in whole]
    return {
        name: brought(some, form, Path(sources[name] or name).name, left_out[name]) for name, some in records.items()
    }


def open_classifier(name: str, leads: Sequence[str], notes: list[str]) -> Classifier | None:
    """The classifier, if there is one that can see these leads; ``name`` as in ``Asked``.

    Raises:
        InputError: Where the classifier that is named is none.
    """
    lacking = [lead for lead in INDEPENDENT_LEADS if lead not in determined_by(leads)]
    if name == "none" or lacking:
        why = f"it sees twelve leads, and {', '.join(lacking)} do not follow" if lacking else "none was wanted"
        notes.append(f"There is no classifier ({why}): what rests on its features is not measured.")
        return None
    try:
        return pretrained.load(name or CLASSIFIER, "classifier")
    except InputError:
        if name:
            raise
        notes.append("The shipped judge is not installed: what rests on its features is not measured.")
        return None


def _pair(classifier: Classifier | None, synthetic: ECGSet) -> ECGTextEncoder | None:
    """The shipped ECG–text encoders, where a classifier is wanted and there are texts to compare with."""
    if classifier is None or not any(synthetic.texts):
        return None
    try:
        return pretrained.load(ECG_TEXT, "ecg_text")
    except InputError:
        return None


def _read(chosen: Sequence[Entry], name: str, progress: Progress) -> tuple[list[list[Record]], dict[str, str]]:
    """The records of each entry, none where it cannot be read, and why not."""
    records, left_out = [], {}
    for done, entry in enumerate(chosen, 1):
        try:
            records.append(entry.load())
        except InputError as error:
            records.append([])
            left_out[entry.name] = str(error)
        progress(f"reading {name} records", done / len(chosen))
    return records, left_out


def _agreed(forms: dict[str, Form], notes: list[str]) -> Form:
    """The common form of all sets, said where they differ."""
    form = common(list(forms.values()))
    if any(one != form for one in forms.values()):
        each = "; ".join(f"{name} {one}" for name, one in forms.items())
        notes.append(f"The sets differ in form ({each}); all are judged as {form}.")
    return form


def _whole_pairs(
    synthetic: Sequence[Sequence[Record]], truth: Sequence[Sequence[Record]], form: Form
) -> list[tuple[Record, Record]]:
    """The pairs of which both sides could be read and fit the form."""
    pairs = [
        pair
        for ours, theirs in zip(synthetic, truth, strict=True)
        if len(ours) == len(theirs)
        for pair in zip(ours, theirs, strict=True)
    ]
    return [pair for pair in pairs if not any(misfit(one.ecg, form) for one in pair)]


def _lost(records: int, whole: int) -> list[str]:
    lost = records - whole
    return [f"{lost} pairs were left out: one side of each cannot be used."] if lost else []
