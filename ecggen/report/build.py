"""Make a report: measure every section, then write ``report.html`` and ``report.json``, both or neither."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecggen.core.errors import InputError
from ecggen.io.files import place
from ecggen.io.results import commit
from ecggen.report.inputs.cohort import Cohorts
from ecggen.report.render.document import Report, describe_sets, versions
from ecggen.report.render.page import page
from ecggen.report.scores import Section, not_measured
from ecggen.report.sections.amplitude import amplitude
from ecggen.report.sections.distribution import distribution
from ecggen.report.sections.fidelity import fidelity
from ecggen.report.sections.identity import identity
from ecggen.report.sections.intervals_and_beats import intervals
from ecggen.report.sections.limits import limits
from ecggen.report.sections.memorisation import memorisation
from ecggen.report.sections.paired import reconstruction
from ecggen.report.sections.rhythm import rhythm
from ecggen.report.sections.subgroups import subgroups
from ecggen.report.sections.two_sample import two_sample
from ecggen.report.sections.utility import utility
from ecggen.report.sections.validity import validity
from ecggen.report.sections.variability import variability

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Chapter:
    """A section's key and title, and the function that measures it."""

    key: str
    title: str
    make: Callable[[Cohorts], Section]


CHAPTERS = (
    Chapter("identity", "Identity", identity),
    Chapter("validity", "Validity", validity),
    Chapter("amplitude", "Amplitude and spectrum", amplitude),
    Chapter("rhythm", "Rhythm", rhythm),
    Chapter("variability", "Beat-to-beat variability", variability),
    Chapter("intervals", "Intervals and median beats", intervals),
    Chapter("distribution", "Distribution and diversity", distribution),
    Chapter("two_sample", "Two-sample test", two_sample),
    Chapter("fidelity", "Condition fidelity", fidelity),
    Chapter("reconstruction", "Reconstruction", reconstruction),
    Chapter("utility", "Utility", utility),
    Chapter("memorisation", "Memorisation", memorisation),
    Chapter("subgroups", "Subgroups", subgroups),
    Chapter("limits", "Limits", limits),
)
"""The sections in order."""


def write(
    cohorts: Cohorts,
    out: Path,
    overwrite: bool = False,
    progress: Progress = lambda what, share: None,
    chapters: Sequence[Chapter] = CHAPTERS,
) -> Report:
    """Make the report and write it to ``out`` and to a JSON file of the same name.

    Args:
        cohorts: The sets of ECGs.
        out: The HTML file.
        overwrite: Whether existing files may be replaced.
        progress: Called with the current step and the fraction done.
        chapters: The sections to measure.

    Raises:
        InputError: If a file exists, or ``out`` is not an .html file.
    """
    json_file = check_free(out, overwrite)
    report = make(cohorts, progress, chapters)
    text = json.dumps(report.as_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    out.parent.mkdir(parents=True, exist_ok=True)
    place({json_file: text.encode(), out: page(report).encode()})
    return report


def check_free(out: Path, overwrite: bool) -> Path:
    """Path of the JSON file, after checking that both files may be written.

    Raises:
        InputError: If a file exists and ``overwrite`` is not set, or ``out`` is not an .html file.
    """
    json_file = out.with_suffix(".json")
    if out.suffix not in (".html", ".htm"):
        raise InputError(f"the report is to be called {out.name}", "a name that ends in .html was expected")
    for path in (out, json_file):
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists", "a new file was expected", "choose another, or pass --overwrite")
    return json_file


def make(
    cohorts: Cohorts, progress: Progress = lambda what, share: None, chapters: Sequence[Chapter] = CHAPTERS
) -> Report:
    """Measure all sections."""
    began = time.monotonic()
    sections = []
    for done, chapter in enumerate(chapters):
        progress(f"{chapter.title.lower()}", done / len(chapters))
        sections.append(measured(chapter, cohorts))
    progress("writing", 1.0)
    classifier = cohorts.synthetic.classifier
    return Report(
        sections,
        describe_sets(cohorts),
        cohorts.seed,
        classifier.name if classifier else "",
        cohorts.ecg_text.name if cohorts.ecg_text else "",
        datetime.date.today().isoformat(),
        commit(),
        time.monotonic() - began,
        versions(),
    )


def measured(chapter: Chapter, cohorts: Cohorts) -> Section:
    """A section; if the records do not suffice for it, the reason. Other errors are raised."""
    try:
        return chapter.make(cohorts)
    except InputError as error:
        section = Section(chapter.key, chapter.title, "", f"Not measured: {error}.")
        section.scores.append(not_measured(chapter.title.lower(), str(error)))
        return section
