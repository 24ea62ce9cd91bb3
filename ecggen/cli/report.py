"""``ecggen report``: how good are these synthetic ECGs, whoever made them?"""

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
        Path, Argument(help="The ECGs to judge: a folder (WFDB, CSV, npz), or one .npz, .npy, .hea or .csv file.")
    ],
    real: Annotated[Path, Option(help="Real ECGs, those the generator was trained on if you have them.")],
    out: Annotated[Path, Option(help="The report, as report.html; report.json is written beside it.")],
    holdout: Annotated[Path | None, Option(help="Real ECGs of other patients, for memorisation and utility.")] = None,
    paired: Annotated[Path | None, Option(help="The true ECG of each synthetic one, by the same names.")] = None,
    fs: Annotated[float | None, Option("--fs", help="Sampling rate in Hz of files that do not say it.")] = None,
    unit: Annotated[str | None, Option(help="mV, uV or V, of files that do not say it.")] = None,
    leads: Annotated[
        str | None,
        Option(help="Names of the channels of files that do not name them, as I,II,V1 or standard; else leads to use."),
    ] = None,
    given: Annotated[
        str | None, Option(help="Leads that a reconstruction was given, as I: they are not scored.")
    ] = None,
    real_folds: Annotated[str | None, Option(help="Of a PTB-XL folder in --real, these folds only, as 1-8.")] = None,
    holdout_folds: Annotated[str | None, Option(help="Of a PTB-XL folder in --holdout, these folds only.")] = None,
    limit: Annotated[int, Option(help="Most records of each set, drawn at random; 0 for all.", min=0)] = 1000,
    classifier: Annotated[
        str | None, Option(help="Name or folder of a judging network, or none (default: the shipped one).")
    ] = None,
    features: Annotated[
        list[Path] | None,
        Option(help="Folder of ECGFounder or ECG-FM weights (safetensors) to compare features of as well."),
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Judge synthetic ECGs of any origin against real ones, and write it down as one HTML file and JSON.

    Twelve sections, each with its scores, the floor that reality sets against itself, an interval and a verdict: pass,
    warn, fail or not measured. What cannot be read is left out and named. Neither a network connection nor an ecggen
    model is needed.
    """
    from ecggen.report.build import check_free, write
    from ecggen.report.inputs.load import Asked, enter
    from ecggen.report.inputs.open import Said

    check_free(out, overwrite)
    asked = Asked(
        synthetic,
        real,
        holdout,
        paired,
        Said.of(fs, unit, leads),
        limit,
        seed,
        classifier or "",
        Said.of(None, None, given).leads,
        folds(real_folds),
        folds(holdout_folds),
        tuple(features or ()),
    )
    with console.stages(quiet=as_json) as stage:
        made = write(enter(asked, stage), out, overwrite, stage)
    if as_json:
        console.print_json(made.as_json())
        return
    console.out.print(table(made))
    console.print_text(f"report: {out}\nall numbers: {out.with_suffix('.json')}")


def folds(text: str | None) -> tuple[int, ...]:
    """ "1-8" or "9,10" as numbers; nothing for nothing.

    Raises:
        InputError: Where it is neither.
    """
    if not text:
        return ()
    found: list[int] = []
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", part)
        if match is None or not 1 <= int(match[1]) <= int(match[2] or match[1]) <= 10:
            raise InputError(f"the folds are {text!r}", "numbers from 1 to 10 were expected, as 1-8 or 9,10")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(sorted(set(found)))


def table(made: Report) -> Table:
    """The verdicts, a line for each section."""
    from rich.markup import escape
    from rich.table import Table

    shown = Table(title=made.summary, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("", "verdict", ""):
        shown.add_column(column)
    for section in made.sections:
        verdict = f"[{COLOURS[section.verdict]}]{section.verdict}[/]"
        shown.add_row(section.title, verdict, escape(section.headline))
    return shown
