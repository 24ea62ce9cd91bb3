"""``ecggen turing``: a blinded pack of real and synthetic ECGs for readers, and the scores of their answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.options import Json, Overwrite, Seed
from ecggen.core.errors import InputError

SPARE = 4
"""Times as many records are read as are wanted: some have flaws."""


def turing(
    files: Annotated[
        list[Path] | None, Argument(help="The synthetic ECGs, a folder or a file; with --score, further sheets.")
    ] = None,
    real: Annotated[Path | None, Option(help="Real ECGs, a folder or a file.")] = None,
    n: Annotated[int, Option("-n", help="How many of each.", min=1)] = 20,
    out: Annotated[Path | None, Option(help="Folder for the pack: pages.html, sheet.csv, key.json.")] = None,
    sheets: Annotated[list[Path] | None, Option("--score", help="A filled-in sheet to be scored.")] = None,
    key: Annotated[Path | None, Option(help="The pack's key.json, for --score.")] = None,
    fs: Annotated[float | None, Option("--fs", help="Sampling rate in Hz of files that do not say it.")] = None,
    unit: Annotated[str | None, Option(help="mV, uV or V, of files that do not say it.")] = None,
    leads: Annotated[str | None, Option(help="Names of the channels of files that do not name them.")] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Make a blinded reading pack, or score the sheets that came back.

    `ecggen turing SYNTHETIC --real REAL -n 20 --out pack` draws 20 real and 20 synthetic ECGs alike, in random order,
    with a sheet to fill in and the key apart. `ecggen turing --score sheet.csv --key pack/key.json` tells what the
    readers could tell. None of the pages is for diagnosis.
    """
    if sheets:
        _score([*sheets, *(files or [])], key, as_json)
        return
    if not files or len(files) != 1 or real is None or out is None:
        several = len(files or []) > 1
        found = f"{len(files or [])} paths were given" if several else "SYNTHETIC, --real or --out is missing"
        raise InputError(found, "SYNTHETIC --real REAL --out FOLDER was expected, or --score SHEET --key KEY")
    _make(files[0], real, n, seed, out, (fs, unit, leads), overwrite, as_json)


def _make(
    synthetic: Path,
    real: Path,
    n: int,
    seed: int,
    out: Path,
    said: tuple[float | None, str | None, str | None],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Draw the pack."""
    from ecggen.benchmark.reader_study.pack import pack
    from ecggen.report.inputs.load import Asked, entries, read_sets
    from ecggen.report.inputs.open import Said

    notes: list[str] = []
    asked = Asked(synthetic, real, said=Said.of(*said), limit=SPARE * n, seed=seed)
    with console.stages(quiet=as_json) as stage:
        sets = read_sets(entries(asked, notes), asked, stage, notes)
    paths = pack(sets["synthetic"], sets["real"], n, seed).write(out, overwrite)
    if as_json:
        console.print_json({"n": n, "seed": seed, "files": [str(path) for path in paths]})
        return
    pages, sheet, key = paths
    console.print_text(f"to the readers: {pages} (print at 100 %) and {sheet}")
    console.print_text(f"keep apart: {key}")


def _score(sheets: list[Path], key: Path | None, as_json: bool) -> None:
    """Tell what the readers could tell."""
    from ecggen.benchmark.reader_study.scores import read_key, score

    if key is None:
        raise InputError("sheets are to be scored without a key", do="give the pack's key.json with --key")
    found = score(sheets, read_key(key))
    if as_json:
        console.print_json(found)
        return
    for name, why in found["refused"].items():
        console.print_text(f"left out: {name}: {why}")
    for reader, one in found["readers"].items():
        console.print_text(f"{reader}: {_line(one)}; {one['missing']} unanswered")
        console.print_text(f"  synthetic found: {_share(one['sensitivity'])}; real known: {_share(one['specificity'])}")
    console.print_text(f"all readers: {_line(found['pooled'])}")
    agreed = found["agreement"]
    if agreed["kappa"] is not None:
        console.print_text(f"agreement: {agreed['definition']} {agreed['kappa']:.2f} on {agreed['ecgs']} ECGs")


def _line(one: dict[str, Any]) -> str:
    return f"{_share(one)}: {one['verdict']}"


def _share(one: dict[str, Any]) -> str:
    """Right answers of all, with the interval."""
    if not one["answers"]:
        return "none answered"
    low, high = one["interval"]
    share = f"{100 * one['accuracy']:.0f} % (95 %: {100 * low:.0f}–{100 * high:.0f} %)"
    return f"{one['right']} of {one['answers']} right, {share}"
