"""``ecggen report``: a quality report on synthetic ECGs of any origin."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.options import Json, Overwrite, Seed
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from ecggen.report.render.document import Report

COLOURS = {"pass": "green", "warn": "yellow", "fail": "bold red", "not measured": "dim"}


def report(
    synthetic: Annotated[
        Path, Argument(help="Synthetic ECGs: a folder (WFDB, CSV, npz), or one .npz, .npy, .hea or .csv file.")
    ],
    real: Annotated[Path, Option(help="Real ECGs, preferably the training data of the generator.")],
    out: Annotated[Path, Option(help="Output file, e.g. report.html; report.json is written to the same folder.")],
    holdout: Annotated[Path | None, Option(help="Real ECGs of other patients, for memorisation and utility.")] = None,
    paired: Annotated[Path | None, Option(help="True ECG of each synthetic one, with the same names.")] = None,
    fs: Annotated[float | None, Option("--fs", help="Sampling rate in Hz, for files that do not state it.")] = None,
    unit: Annotated[str | None, Option(help="mV, uV or V, for files that do not state it.")] = None,
    leads: Annotated[
        str | None,
        Option(
            help="Channel names of files without them, e.g. I,II,V1 or standard (the twelve leads, or I,II,V1–V6 of "
            "eight channels); otherwise the leads to use."
        ),
    ] = None,
    real_leads: Annotated[
        str | None,
        Option(help="Channel names of the real ECGs (--real, --holdout, --paired), if they are others than --leads."),
    ] = None,
    given: Annotated[
        str | None, Option(help="Recorded leads of a reconstruction, e.g. I; they are not scored.")
    ] = None,
    real_folds: Annotated[str | None, Option(help="Folds to use of a PTB-XL folder in --real, e.g. 1-8.")] = None,
    holdout_folds: Annotated[
        str | None, Option(help="Folds to use of a PTB-XL folder in --holdout, e.g. 9,10.")
    ] = None,
    limit: Annotated[int, Option(help="Maximum number of records per set, chosen at random; 0 for all.", min=0)] = 1000,
    classifier: Annotated[
        str | None, Option(help="Name or folder of a classifier, or none (default: the shipped one).")
    ] = None,
    features: Annotated[
        list[Path] | None,
        Option(help="Folder of ECGFounder or ECG-FM weights (safetensors) for further features; repeatable."),
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Evaluate synthetic ECGs of any origin against real ones, and write an HTML file and JSON.

    The report has fourteen sections. Each holds scores with 95 % intervals, the real-real reference (the same score
    between two sets of real records) and a verdict: pass, warn, fail or not measured. Unreadable files are left out and
    listed. No network connection and no ecggen model are needed.
    """
    from ecggen.report.build import check_free, write
    from ecggen.report.inputs.load import ReportRequest, load_cohorts
    from ecggen.report.inputs.open import FileDefaults

    check_free(out, overwrite)
    request = ReportRequest(
        synthetic,
        real,
        holdout,
        paired,
        FileDefaults.of(fs, unit, leads),
        limit,
        seed,
        classifier or "",
        FileDefaults.of(None, None, given).leads,
        folds(real_folds),
        folds(holdout_folds),
        tuple(features or ()),
        FileDefaults.of(None, None, real_leads).leads,
    )
    with console.stages(quiet=as_json) as stage:
        made = write(load_cohorts(request, stage), out, overwrite, stage)
    if as_json:
        console.print_json(made.as_json())
        return
    console.out.print(table(made))
    console.print_text(f"report: {out}\nall numbers: {out.with_suffix('.json')}")


def folds(text: str | None) -> tuple[int, ...]:
    """The folds in an option such as "1-8" or "9,10"; none for an empty option.

    Raises:
        InputError: If the option is invalid.

    Example:
        >>> folds("1-3,5")
        (1, 2, 3, 5)
    """
    if not text:
        return ()
    found: list[int] = []
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", part)
        if match is None or not 1 <= int(match[1]) <= int(match[2] or match[1]) <= 10:
            raise InputError(f"the folds are {text!r}", "numbers from 1 to 10 were expected, e.g. 1-8 or 9,10")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(sorted(set(found)))


def table(made: Report) -> Table:
    """The verdicts, one line per section."""
    from rich.markup import escape
    from rich.table import Table

    rows = Table(title=made.summary, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("", "verdict", ""):
        rows.add_column(column)
    for section in made.sections:
        verdict = f"[{COLOURS[section.verdict]}]{section.verdict}[/]"
        rows.add_row(section.title, verdict, escape(section.headline))
    return rows
