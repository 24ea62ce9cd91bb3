"""From material to files: every section in its order, then ``report.html`` and ``report.json``, whole or not at all."""

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
from ecggen.report.inputs.cohort import Material
from ecggen.report.render.document import Report, sets_of, versions
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
from ecggen.report.sections.utility import utility
from ecggen.report.sections.validity import validity

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Chapter:
    """A section's key and title, and what makes it."""

    key: str
    title: str
    make: Callable[[Material], Section]


CHAPTERS = (
    Chapter("identity", "Identity", identity),
    Chapter("validity", "Validity", validity),
    Chapter("amplitude", "Amplitude and spectrum", amplitude),
    Chapter("rhythm", "Rhythm", rhythm),
    Chapter("intervals", "Intervals and median beats", intervals),
    Chapter("distribution", "Distribution and diversity", distribution),
    Chapter("fidelity", "Condition fidelity", fidelity),
    Chapter("reconstruction", "Reconstruction", reconstruction),
    Chapter("utility", "Utility", utility),
    Chapter("memorisation", "Memorisation", memorisation),
    Chapter("subgroups", "Subgroups", subgroups),
    Chapter("limits", "Limits", limits),
)
"""The sections in their order."""


def write(
    material: Material,
    out: Path,
    overwrite: bool = False,
    progress: Progress = lambda what, share: None,
    chapters: Sequence[Chapter] = CHAPTERS,
) -> Report:
    """Make the report and write it as ``out`` and, with the suffix .json, beside it.

    Raises:
        InputError: Where a file is there already, or is no .html.
    """
    json_file = check_free(out, overwrite)
    report = make(material, progress, chapters)
    text = json.dumps(report.as_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    out.parent.mkdir(parents=True, exist_ok=True)
    place({json_file: text.encode(), out: page(report).encode()})
    return report


def check_free(out: Path, overwrite: bool) -> Path:
    """The JSON file's path, after making sure that both files may be written."""
    json_file = out.with_suffix(".json")
    if out.suffix not in (".html", ".htm"):
        raise InputError(f"the report is to be called {out.name}", "a name that ends in .html was expected")
    for path in (out, json_file):
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists", "a new file was expected", "choose another, or pass --overwrite")
    return json_file


def make(
    material: Material, progress: Progress = lambda what, share: None, chapters: Sequence[Chapter] = CHAPTERS
) -> Report:
    """The report of this material."""
    began = time.monotonic()
    sections = []
    for done, chapter in enumerate(chapters):
        progress(f"{chapter.title.lower()}", done / len(chapters))
        sections.append(measured(chapter, material))
    progress("writing", 1.0)
    classifier = material.synthetic.classifier
    return Report(
        sections,
        sets_of(material),
        material.seed,
        classifier.name if classifier else "",
        material.ecg_text.name if material.ecg_text else "",
        datetime.date.today().isoformat(),
        commit(),
        time.monotonic() - began,
        versions(),
    )


def measured(chapter: Chapter, material: Material) -> Section:
    """A section, or why the records do not let it be measured; errors of the program are not hidden."""
    try:
        return chapter.make(material)
    except InputError as error:
        section = Section(chapter.key, chapter.title, "", f"Not measured: {error}.")
        section.scores.append(not_measured(chapter.title.lower(), str(error)))
        return section
