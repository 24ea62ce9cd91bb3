"""Load the sets of a report: from paths to ``Cohorts``.

Steps: list the files of each path, select the records, read them, bring all sets to one signal format, and load the
classifier. Records that cannot be used are left out and listed in the report. An ``InputError`` is raised only if a
set has no usable record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ecggen.core.ecg import INDEPENDENT_LEADS, check_leads, determined_by
from ecggen.core.errors import InputError
from ecggen.evaluators import foundation, pretrained
from ecggen.evaluators.classifier import Classifier
from ecggen.evaluators.ecg_text import ECGTextEncoder
from ecggen.report.inputs.cohort import Cohorts, ECGSet, MeasuredSet
from ecggen.report.inputs.discovery import Entry, Record, list_entries
from ecggen.report.inputs.harmonise import SignalFormat, common_format, format_of, harmonised, misfit
from ecggen.report.inputs.open import FileDefaults
from ecggen.report.inputs.selection import exclude_patients, limit_entries, pair_entries

CLASSIFIER, ECG_TEXT = "classifier", "ecg_text"
"""Names of the shipped checkpoints."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class ReportRequest:
    """Files and options of a report.

    Attributes:
        synthetic: File or folder of the synthetic ECGs.
        real: File or folder of real ECGs, those the generator was trained on if they are known.
        holdout: File or folder of real ECGs of other patients.
        truth: File or folder of the true ECGs of the synthetic ones.
        defaults: Sampling rate, unit and leads of files that do not state them.
        limit: Largest number of records of each set, selected at random; 0 for all.
        seed: Seed of all random choices.
        classifier: Name or folder of the classifier; "none" for no classifier, "" for the shipped one if installed.
        given: Leads that a reconstruction was given; empty if its files state them.
        real_folds: Folds of a PTB-XL folder in ``real``; all if empty.
        holdout_folds: Folds of a PTB-XL folder in ``holdout``; all if empty.
        features: Folders of further networks on whose features the sets are compared.
        real_leads: Leads of the files of ``real``, ``holdout`` and ``truth`` that do not state them, if they are others
            than those of ``defaults``.
    """

    synthetic: Path
    real: Path
    holdout: Path | None = None
    truth: Path | None = None
    defaults: FileDefaults = field(default_factory=FileDefaults)
    limit: int = 1000
    seed: int = 0
    classifier: str = ""
    given: tuple[str, ...] = ()
    real_folds: tuple[int, ...] = ()
    holdout_folds: tuple[int, ...] = ()
    features: tuple[Path, ...] = ()
    real_leads: tuple[str, ...] = ()

    @property
    def real_defaults(self) -> FileDefaults:
        """Values for files of real ECGs that do not state them."""
        return replace(self.defaults, leads=self.real_leads or self.defaults.leads)


def load_cohorts(request: ReportRequest, progress: Progress = lambda what, share: None) -> Cohorts:
    """Load and harmonise the sets of a report, and load the networks.

    Args:
        request: Files and options.
        progress: Called with the current step and the fraction done.

    Raises:
        InputError: If a set has no usable record, or the sets have no lead in common.
    """
    if request.given:
        check_leads(request.given)
    notes: list[str] = []
    extractors = tuple(foundation.load(folder) for folder in request.features)
    sets = read_sets(select_entries(request, notes), request, progress, notes)
    synthetic = sets["synthetic"]
    classifier = open_classifier(request.classifier, synthetic.ecg.leads, notes)
    measured = {name: MeasuredSet(one, classifier, progress) for name, one in sets.items()}
    origin = synthetic.ecg.provenance
    return Cohorts(
        measured["synthetic"],
        measured["real"],
        measured.get("holdout"),
        measured.get("truth"),
        _open_ecg_text(classifier, synthetic),
        request.given or (origin.recorded if origin and "truth" in sets else ()),
        request.seed,
        notes=tuple(notes),
        extractors=extractors,
    )


def select_entries(request: ReportRequest, notes: list[str]) -> dict[str, list[Entry]]:
    """The selected entries of each set; true records are in the order of their synthetic records."""
    found = {
        "synthetic": list_entries(request.synthetic, request.defaults),
        "real": list_entries(request.real, request.real_defaults, request.real_folds),
    }
    if request.holdout is not None:
        found["holdout"] = exclude_patients(
            list_entries(request.holdout, request.real_defaults, request.holdout_folds), found["real"], notes
        )
    truths = None
    if request.truth is not None:
        truths = pair_entries(found["synthetic"], list_entries(request.truth, request.real_defaults), notes)
    if truths is not None:
        found["synthetic"] = truths[0]
    rows = {
        name: limit_entries(some, request.limit, request.seed + number, name, notes)
        for number, (name, some) in enumerate(found.items())
    }
    if truths is not None:
        found["truth"], rows["truth"] = truths[1], rows["synthetic"]
    return {name: [some[row] for row in rows[name]] for name, some in found.items()}


def read_sets(
    chosen: dict[str, list[Entry]], request: ReportRequest, progress: Progress, notes: list[str]
) -> dict[str, ECGSet]:
    """All sets in one signal format; of pairs, those in which both records can be used.

    Raises:
        InputError: If a set has no usable record, or the sets have no lead in common.
    """
    sources = {"synthetic": request.synthetic, "real": request.real, "holdout": request.holdout, "truth": request.truth}
    read, left_out = {}, {}
    for name, some in chosen.items():
        read[name], left_out[name] = _read(some, name, progress)
    records = {name: [one for some in read[name] for one in some] for name in read}
    for name, some in records.items():
        if not some:
            reason = next(iter(left_out[name].values()), "it holds none")
            raise InputError(f"no {name} record can be used; the first: {reason}")
    target = _agreed({name: format_of(some) for name, some in records.items()}, notes)
    if "truth" in records:
        whole = _whole_pairs(read["synthetic"], read["truth"], target)
        notes += _lost(len(records["synthetic"]), len(whole))
        records["synthetic"], records["truth"] = [one for one, _ in whole], [one for _, one in whole]
    return {
        name: harmonised(some, target, Path(sources[name] or name).name, left_out[name])
        for name, some in records.items()
    }


def open_classifier(name: str, leads: Sequence[str], notes: list[str]) -> Classifier | None:
    """The classifier; None if none is wanted or installed, or the leads do not suffice for it.

    Args:
        name: As in ``ReportRequest``.
        leads: Leads of the synthetic set.
        notes: A reason is appended if there is no classifier.

    Raises:
        InputError: If the named checkpoint is not a classifier.
    """
    lacking = [lead for lead in INDEPENDENT_LEADS if lead not in determined_by(leads)]
    if name == "none" or lacking:
        why = "none was wanted"
        if lacking:
            why = f"it needs twelve leads, and {', '.join(lacking)} do not follow from the given ones"
        notes.append(f"There is no classifier ({why}): scores on its features are not measured.")
        return None
    try:
        return pretrained.load(name or CLASSIFIER, "classifier")
    except InputError:
        if name:
            raise
        notes.append("The shipped classifier is not installed: scores on its features are not measured.")
        return None


def _open_ecg_text(classifier: Classifier | None, synthetic: ECGSet) -> ECGTextEncoder | None:
    """The shipped ECG–text encoder, if a classifier is used and there are texts."""
    if classifier is None or not any(synthetic.texts):
        return None
    try:
        return pretrained.load(ECG_TEXT, "ecg_text")
    except InputError:
        return None


def _read(chosen: Sequence[Entry], name: str, progress: Progress) -> tuple[list[list[Record]], dict[str, str]]:
    """The records of each entry, empty if it cannot be read, and the reasons by name."""
    records, left_out = [], {}
    for done, entry in enumerate(chosen, 1):
        try:
            records.append(entry.load())
        except InputError as error:
            records.append([])
            left_out[entry.name] = str(error)
        progress(f"reading {name} records", done / len(chosen))
    return records, left_out


def _agreed(formats: dict[str, SignalFormat], notes: list[str]) -> SignalFormat:
    """The common format of all sets; a note if they differ."""
    target = common_format(list(formats.values()))
    if any(one != target for one in formats.values()):
        each = "; ".join(f"{name} {one}" for name, one in formats.items())
        notes.append(f"The sets differ in format ({each}); all are converted to {target}.")
    return target


def _whole_pairs(
    synthetic: Sequence[Sequence[Record]], truth: Sequence[Sequence[Record]], target: SignalFormat
) -> list[tuple[Record, Record]]:
    """The pairs in which both records could be read and fit the format."""
    pairs = [
        pair
        for generated, true in zip(synthetic, truth, strict=True)
        if len(generated) == len(true)
        for pair in zip(generated, true, strict=True)
    ]
    return [pair for pair in pairs if not any(misfit(one.ecg, target) for one in pair)]


def _lost(records: int, whole: int) -> list[str]:
    lost = records - whole
    return [f"{lost} pairs were left out: one side of each cannot be used."] if lost else []
