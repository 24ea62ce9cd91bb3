"""``ecggen turing``: a blinded reader study of real and synthetic ECGs, and the scores of the answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.options import Json, Overwrite, Seed
from ecggen.core.errors import InputError

SPARE = 4
"""Factor by which more records are read than used, because some are invalid."""


def turing(
    files: Annotated[
        list[Path] | None, Argument(help="Synthetic ECGs, a folder or a file; with --score, further answer sheets.")
    ] = None,
    real: Annotated[Path | None, Option(help="Real ECGs, a folder or a file.")] = None,
    n: Annotated[int, Option("-n", help="Number of real and of synthetic ECGs.", min=1)] = 20,
    out: Annotated[Path | None, Option(help="Output folder: pages.html, sheet.csv, key.json.")] = None,
    sheets: Annotated[list[Path] | None, Option("--score", help="Completed answer sheet to score; repeatable.")] = None,
    key: Annotated[Path | None, Option(help="key.json of the reader study, for --score.")] = None,
    fs: Annotated[float | None, Option("--fs", help="Sampling rate in Hz, for files that do not state it.")] = None,
    unit: Annotated[str | None, Option(help="mV, uV or V, for files that do not state it.")] = None,
    leads: Annotated[str | None, Option(help="Channel names, for files without them.")] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Prepare a blinded reader study, or score its answer sheets.

    `ecggen turing SYNTHETIC --real REAL -n 20 --out study` plots 20 real and 20 synthetic ECGs in the same style and in
    random order, with an answer sheet and a separate key. `ecggen turing --score sheet.csv --key study/key.json` scores
    how well readers distinguish them. Not for diagnosis.
    """
    if sheets:
        _score([*sheets, *(files or [])], key, as_json)
        return
    if not files or len(files) != 1 or real is None or out is None:
        several = len(files or []) > 1
        found = f"{len(files or [])} paths were given" if several else "SYNTHETIC, --real or --out is missing"
        raise InputError(found, "SYNTHETIC --real REAL --out FOLDER was expected, or --score SHEET --key KEY")
    _prepare(files[0], real, n, seed, out, (fs, unit, leads), overwrite, as_json)


def _prepare(
    synthetic: Path,
    real: Path,
    n: int,
    seed: int,
    out: Path,
    said: tuple[float | None, str | None, str | None],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the reader study."""
    from ecggen.benchmark.reader_study.pack import pack
    from ecggen.report.inputs.load import ReportRequest, read_sets, select_entries
    from ecggen.report.inputs.open import FileDefaults

    notes: list[str] = []
    request = ReportRequest(synthetic, real, defaults=FileDefaults.of(*said), limit=SPARE * n, seed=seed)
    with console.stages(quiet=as_json) as stage:
        sets = read_sets(select_entries(request, notes), request, stage, notes)
    paths = pack(sets["synthetic"], sets["real"], n, seed).write(out, overwrite)
    if as_json:
        console.print_json({"n": n, "seed": seed, "files": [str(path) for path in paths]})
        return
    pages, sheet, key = paths
    console.print_text(f"for the readers: {pages} (print at 100 %) and {sheet}")
    console.print_text(f"keep separate: {key}")


def _score(sheets: list[Path], key: Path | None, as_json: bool) -> None:
    """Score the answer sheets."""
    from ecggen.benchmark.reader_study.scores import read_key, score

    if key is None:
        raise InputError("--score was given without a key", do="pass the study's key.json with --key")
    found = score(sheets, read_key(key))
    if as_json:
        console.print_json(found)
        return
    for name, why in found["refused"].items():
        console.print_text(f"left out: {name}: {why}")
    for reader, one in found["readers"].items():
        console.print_text(f"{reader}: {_line(one)}; {one['missing']} unanswered")
        console.print_text(
            f"  synthetic recognised: {_share(one['sensitivity'])}; real recognised: {_share(one['specificity'])}"
        )
    console.print_text(f"all readers: {_line(found['pooled'])}")
    agreed = found["agreement"]
    if agreed["kappa"] is not None:
        console.print_text(f"agreement: {agreed['definition']} {agreed['kappa']:.2f} on {agreed['ecgs']} ECGs")


def _line(one: dict[str, Any]) -> str:
    return f"{_share(one)}: {one['verdict']}"


def _share(one: dict[str, Any]) -> str:
    """Correct answers with the interval of their share."""
    if not one["answers"]:
        return "no answers"
    low, high = one["interval"]
    share = f"{100 * one['accuracy']:.0f} % (95 %: {100 * low:.0f}–{100 * high:.0f} %)"
    return f"{one['right']} of {one['answers']} correct, {share}"
