"""``ecggen convert``: convert one recording or a whole folder to another format, with standard leads in mV."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.jobs.conversion import TABLE, Job, Options, Summary, convert_recording, lost_metadata
from ecggen.cli.options import (
    Baseline,
    Gain,
    Json,
    Leads,
    Overwrite,
    Personal,
    Rate,
    Record,
    Resume,
    Seconds,
    Start,
    Unit,
    named_leads,
)
from ecggen.core.errors import InputError

MOST_LINES = 8
"""Maximum number of lines per kind of message in a summary."""

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")

if TYPE_CHECKING:
    from ecggen.cli.jobs.conversion import Converted


def convert(
    source: Annotated[
        Path,
        Argument(metavar="IN", help="A recording, a file with several recordings, or a folder.", show_default=False),
    ],
    out: Annotated[
        Path,
        Argument(help="Output file, whose suffix selects the format (.hea is WFDB), or a folder.", show_default=False),
    ],
    format_: Annotated[
        str | None,
        Option(
            "--format",
            help="Format of the files in an output folder: wfdb, challenge, edf, dicom, aecg, csv, npz or ptb-xl.",
        ),
    ] = None,
    record: Record = None,
    leads: Leads = None,
    fs: Rate = None,
    unit: Unit = None,
    gain: Gain = None,
    baseline: Baseline = None,
    start: Start = 0.0,
    seconds: Seconds = None,
    resample: Annotated[float | None, Option(help="New sampling rate in Hz, with an anti-aliasing filter.")] = None,
    personal: Personal = False,
    overwrite: Overwrite = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Convert a recording, or all recordings of a folder, and report changes, doubts and refusals.

    Leads get their standard names and order, and the unit becomes mV. Identifying metadata (names, birth dates, numbers
    of patients and devices, dates, free text) are removed unless --personal is given. An output folder holds
    convert.csv with one line per recording.
    """
    scale = (fs, unit, gain, baseline)
    options = Options(format_ or "wfdb", named_leads(leads), *scale, start, seconds, resample, personal)
    if _is_one(source, out, format_, record):
        if resume:
            raise InputError("--resume was given for one recording", "a folder was expected")
        _report(*_convert_one(source, record, options, out, overwrite), as_json=as_json)
        return
    if record is not None:
        raise InputError("--record was given for a folder", "a file was expected", "name the output file, e.g. OUT.hea")
    job = Job(source, out, options)
    job.open(overwrite, resume)
    with console.progress("converting", quiet=as_json) as share:
        summary = job.run(share)
    if as_json:
        console.print_json(summary.as_dict() | {"list": str(out / TABLE)})
    else:
        console.print_text(as_text(summary, out))
    if not summary.converted:
        raise InputError(f"none of the recordings in {source} could be converted", do=f"see {out / TABLE}")


def _is_one(source: Path, out: Path, format_: str | None, record: str | None) -> bool:
    """Whether one recording is converted to one file."""
    from ecggen.io.formats import WRITE

    if source.is_dir() or format_ is not None or out.is_dir():
        return False
    if out.suffix in WRITE or record is not None:
        return True
    from ecggen.io import contents

    return not contents(source) and bool(out.suffix)  # an unknown suffix is reported by write


def _convert_one(
    source: Path, record: str | None, options: Options, out: Path, overwrite: bool
) -> tuple[Converted, list[str]]:
    from ecggen.cli.jobs.measuring import measure
    from ecggen.io import write

    new = convert_recording(source, record, options)
    about = replace(new.about, measured=measure(new.ecg, out.suffix))
    written = write(new.ecg, out, overwrite=overwrite, about=about)
    new = replace(new, changes=(*new.changes, *lost_metadata(out, new.about)))
    return new, [str(path) for path in written]


def _report(new: Converted, written: list[str], as_json: bool) -> None:
    from ecggen.io.metadata import PERSONAL

    ecg = new.ecg
    if as_json:
        messages = {"changes": new.changes, "doubts": new.doubts, "dropped": new.dropped}
        console.print_json({"written": written, "leads": ecg.leads, "fs": ecg.fs, "seconds": ecg.seconds} | messages)
        return
    console.print_text(f"{', '.join(ecg.leads)}; {ecg.seconds:g} s at {ecg.fs:g} Hz")
    for title, sentences in (("changed", new.changes), ("doubt", new.doubts), ("removed", new.dropped)):
        for sentence in sentences:
            console.print_text(f"{title}: {PERSONAL.get(sentence, sentence)}")
    console.print_text(f"written: {', '.join(written)}")


def as_text(summary: Summary, out: Path) -> str:
    """The summary as text: each message with its number of recordings."""
    from ecggen.io.metadata import PERSONAL

    before = f", {summary.already} of them earlier" if summary.already else ""
    lines = [f"{summary.converted} recordings converted{before}, {summary.refused.total()} refused; see {out / TABLE}"]
    lines += [f"  {sentence}" for sentence in patient_lines(summary.patients)]
    for title, counts in (
        ("changed", summary.changes),
        ("doubt", summary.doubts),
        ("removed", Counter({PERSONAL[kind]: number for kind, number in summary.dropped.items()})),
        ("refused", summary.refused),
    ):
        merged = merge_counts(counts)
        lines += [f"  {title:11} {number:6d} × {message}" for message, number in merged[:MOST_LINES]]
        if len(merged) > MOST_LINES:
            lines.append(f"  {title:11} and {len(merged) - MOST_LINES} more messages")
    return "\n".join(lines)


def patient_lines(patients: Mapping[str, int]) -> list[str]:
    """Sentences on the patients of a folder with folds; empty without one.

    Example:
        >>> patient_lines({"patients": 2, "records": 3, "without_a_number": 1, "earlier_unreadable": 0})
        ['2 patients in 3 records; 1 without a number of the patient counts as a patient of its own']
    """
    if not patients:
        return []
    own, lost = patients["without_a_number"], patients["earlier_unreadable"]
    text = f"{_counted(patients['patients'], 'patient')} in {_counted(patients['records'], 'record')}"
    if own:
        text += f"; {own} without a number of the patient count{'s' * (own == 1)} as "
        text += "a patient of its own" if own == 1 else "patients of their own"
    unknown = f"{lost} earlier recordings cannot be read any more: their patients are not recognised in others"
    return [text, *([unknown] if lost else [])]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def merge_counts(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Merge messages that differ only in their numbers; the most frequent come first.

    Example:
        >>> merge_counts({"it lasts 3 s": 2, "it lasts 5 s": 1})
        [('it lasts 3…5 s', 3)]
    """
    groups: dict[str, list[tuple[list[str], int]]] = {}
    for message, number in counts.items():
        template = _NUMBER.sub("{}", message.replace("{", "(").replace("}", ")"))
        groups.setdefault(template, []).append((_NUMBER.findall(message), number))
    merged = []
    for template, found in groups.items():
        spans = (_span(values) for values in zip(*(numbers for numbers, _ in found), strict=True))
        merged.append((template.format(*spans), sum(number for _, number in found)))
    return sorted(merged, key=lambda pair: -pair[1])


def _span(numbers: Iterable[str]) -> str:
    """The range of some numbers."""
    low, *_, high = sorted([*numbers] * 2, key=float)
    return low if low == high else f"{low}…{high}"
