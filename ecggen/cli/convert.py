"""``ecggen convert``: one form of file to another, with names, order and units put right, for one or for thousands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.jobs.conversion import LIST, Job, Summary, Way, converted, without_place
from ecggen.cli.options import Json, Leads, Overwrite, Personal, Rate, Record, Seconds, Start, Unit, named_leads
from ecggen.core.errors import InputError

MOST_SENTENCES = 8
"""Of each kind in a summary."""

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")

if TYPE_CHECKING:
    from ecggen.cli.jobs.conversion import Converted


def convert(
    source: Annotated[
        Path,
        Argument(metavar="IN", help="A recording, a file that holds several, or a folder.", show_default=False),
    ],
    out: Annotated[
        Path,
        Argument(help="The new file, whose suffix tells its form (.hea is WFDB), or a folder.", show_default=False),
    ],
    format_: Annotated[
        str | None,
        Option(
            "--format", help="Format of the files in a folder: wfdb, challenge, edf, dicom, aecg, csv, npz or ptb-xl."
        ),
    ] = None,
    record: Record = None,
    leads: Leads = None,
    fs: Rate = None,
    unit: Unit = None,
    start: Start = 0.0,
    seconds: Seconds = None,
    resample: Annotated[float | None, Option(help="Bring it to another rate in Hz (anti-aliased).")] = None,
    personal: Personal = False,
    overwrite: Overwrite = False,
    resume: Annotated[bool, Option("--resume", help="Go on with a folder where it was stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Convert a recording, or all in a folder, and say what was changed, what is doubtful and what was refused.

    Leads get their standard names and order, the unit becomes mV. Names, birth dates, numbers of patients and
    devices, days and free text stay behind. A folder gets a list, convert.csv, with a line for each recording.
    """
    way = Way(format_ or "wfdb", named_leads(leads), fs, unit, start, seconds, resample, personal)
    if _is_one(source, out, format_, record):
        if resume:
            raise InputError("--resume was given for one recording", "a folder was expected")
        _tell(*_one(source, record, way, out, overwrite), as_json=as_json)
        return
    if record is not None:
        raise InputError("--record was given for a folder", "a file was expected", "name the new file, as in OUT.hea")
    job = Job(source, out, way)
    job.open(overwrite, resume)
    with console.progress("converting", quiet=as_json) as share:
        summary = job.run(share)
    if as_json:
        console.print_json(summary.as_dict() | {"list": str(out / LIST)})
    else:
        console.print_text(in_words(summary, out))
    if not summary.converted:
        raise InputError(f"none of the recordings in {source} could be converted", do=f"see {out / LIST}")


def _is_one(source: Path, out: Path, form: str | None, record: str | None) -> bool:
    """Whether one recording goes into one file."""
    from ecggen.io.formats import WRITE

    if source.is_dir() or form is not None or out.is_dir():
        return False
    if out.suffix in WRITE or record is not None:
        return True
    from ecggen.io import contents

    return not contents(source) and bool(out.suffix)  # an unknown suffix is then named


def _one(source: Path, record: str | None, way: Way, out: Path, overwrite: bool) -> tuple[Converted, list[str]]:
    from ecggen.io import write

    new = converted(source, record, way)
    written = write(new.ecg, out, overwrite=overwrite, about=new.about)
    new = replace(new, changes=(*new.changes, *without_place(out, new.about)))
    return new, [str(path) for path in written]


def _tell(new: Converted, written: list[str], as_json: bool) -> None:
    from ecggen.io.metadata import PERSONAL

    ecg = new.ecg
    if as_json:
        told = {"changes": new.changes, "doubts": new.doubts, "dropped": new.dropped}
        console.print_json({"written": written, "leads": ecg.leads, "fs": ecg.fs, "seconds": ecg.seconds} | told)
        return
    console.print_text(f"{', '.join(ecg.leads)}; {ecg.seconds:g} s at {ecg.fs:g} Hz")
    for title, sentences in (("changed", new.changes), ("doubt", new.doubts), ("left behind", new.dropped)):
        for sentence in sentences:
            console.print_text(f"{title}: {PERSONAL.get(sentence, sentence)}")
    console.print_text(f"written: {', '.join(written)}")


def in_words(summary: Summary, out: Path) -> str:
    """The summary for a person: each sentence with the number of recordings it is true of."""
    from ecggen.io.metadata import PERSONAL

    before = f", {summary.already} of them before" if summary.already else ""
    lines = [f"{summary.converted} recordings converted{before}, {summary.refused.total()} refused; see {out / LIST}"]
    for title, counts in (
        ("changed", summary.changes),
        ("doubtful", summary.doubts),
        ("left behind", Counter({PERSONAL[kind]: number for kind, number in summary.dropped.items()})),
        ("refused", summary.refused),
    ):
        alike = together(counts)
        lines += [f"  {title:11} {number:6d} × {sentence}" for sentence, number in alike[:MOST_SENTENCES]]
        if len(alike) > MOST_SENTENCES:
            lines.append(f"  {title:11} and {len(alike) - MOST_SENTENCES} sentences more")
    return "\n".join(lines)


def together(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Sentences that differ only in their numbers as one, with the span of each number; the most frequent first."""
    alike: dict[str, list[tuple[list[str], int]]] = {}
    for sentence, number in counts.items():
        alike.setdefault(_NUMBER.sub("{}", sentence.replace("{", "(").replace("}", ")")), []).append(
            (_NUMBER.findall(sentence), number)
        )
    told = [
        (shape.format(*(_span(values) for values in zip(*(numbers for numbers, _ in found), strict=True))), found)
        for shape, found in alike.items()
    ]
    return sorted(((text, sum(number for _, number in found)) for text, found in told), key=lambda pair: -pair[1])


def _span(numbers: Iterable[str]) -> str:
    low, *_, high = sorted([*numbers] * 2, key=float)
    return low if low == high else f"{low}…{high}"
