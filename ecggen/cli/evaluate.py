"""``ecggen evaluate``: a protocol file run on a checkpoint, with the baselines beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ecggen.cli import console

if TYPE_CHECKING:
    from rich.table import Table


def evaluate(
    protocol: Annotated[Path, Argument(help="A protocol file, as evaluation/protocols/one_lead.toml.")],
    data: Annotated[Path, Option(help="The PTB-XL folder, or any folder of recordings.")],
    out: Annotated[Path, Option(help="The JSON file of results.")],
    model: Annotated[str, Option(help="A shipped checkpoint's name, or a checkpoint folder.")] = "vae",
    baselines: Annotated[bool, Option(help="Score the baselines as well.")] = True,
    limit: Annotated[int, Option(help="Most records to score; 0 for all.")] = 0,
    cache: Annotated[Path | None, Option(help="Where packed data sets are kept (default ~/.cache/ecggen).")] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace OUT if it exists.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Score a generator on real recordings, beside what needs no network.

    Every record goes the way a user's recording goes. Scores are of the point estimate (the mean of the draws) on
    leads that were neither given nor follow from the given ones, with 95 % intervals from a bootstrap over patients.
    """
    from ecggen.errors import InputError
    from ecggen.evaluation import protocol as protocols

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists", "a new file was expected", "choose another, or pass --overwrite")
    with console.stages(quiet=as_json) as report:
        results = protocols.run(protocol, data, model, baselines, limit, cache, report)
    protocols.store(results, out, overwrite)
    if as_json:
        console.tell_json(results)
    else:
        console.out.print(table(results))
        console.tell(f"all numbers: {out}")


def table(results: dict[str, Any]) -> Table:
    """The scores, a line for each generator and baseline."""
    from rich.table import Table

    given = ", ".join(results["settings"]["given"])
    shown = Table(title=f"{results['protocol']}: {given} given, {results['n']} records, 95 % intervals over patients")
    for column in ("", "r", "RMSE (mV)", "inside the band", "seconds"):
        shown.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        inside = f"{score['band']['inside']:.3f}" if "band" in score else ""
        low, high = score["r_interval"]
        below, above = score["rmse_mv_interval"]
        shown.add_row(
            name,
            f"{score['r']:.3f} ({low:.3f}–{high:.3f})",
            f"{score['rmse_mv']:.3f} ({below:.3f}–{above:.3f})",
            inside,
            f"{score['seconds']:.0f}",
        )
    return shown
