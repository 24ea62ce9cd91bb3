"""``ecggen evaluate``: a protocol file run on a checkpoint, with the baselines beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.opening import Guidance, Steps

if TYPE_CHECKING:
    from rich.table import Table


def evaluate(
    protocol: Annotated[Path, Argument(help="A protocol file, as evaluation/protocols/one_lead.toml.")],
    data: Annotated[Path, Option(help="The PTB-XL or BIDMC folder, or any folder of recordings.")],
    out: Annotated[Path, Option(help="The JSON file of results.")],
    model: Annotated[str, Option(help="A shipped checkpoint's name, or a checkpoint folder.")] = "vae",
    baselines: Annotated[bool, Option(help="Score the baselines as well.")] = True,
    limit: Annotated[int, Option(help="Most records to score; 0 for all.")] = 0,
    draws: Annotated[int | None, Option(help="Draws of each estimate (default: the protocol's).")] = None,
    steps: Steps = None,
    guidance: Guidance = None,
    add: Annotated[bool, Option("--add", help="Add this model's scores to those in OUT.")] = False,
    cache: Annotated[Path | None, Option(help="Where packed data sets are kept (default ~/.cache/ecggen).")] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace OUT if it exists.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Score a generator on real recordings, beside what needs no network.

    Every record goes the way a user's recording goes. A reconstruction scores the point estimate (the mean of the
    draws) on leads that were neither given nor follow from the given ones; a translation scores lead II out of a PPG.
    Intervals are 95 %, from a bootstrap over patients.
    """
    from ecggen.errors import InputError
    from ecggen.evaluation import protocol as protocols

    if out.exists() and not (overwrite or add):
        raise InputError(f"{out} exists", "a new file was expected", "choose another, or pass --overwrite or --add")
    changes = {} if draws is None else {"draws": draws}
    with console.stages(quiet=as_json) as report:
        results = protocols.run(protocol, data, model, baselines, limit, cache, report, changes, steps, guidance)
    if add and out.exists():
        results = protocols.added(results, json.loads(out.read_text(encoding="utf-8")))
    protocols.store(results, out, overwrite or add)
    if as_json:
        console.tell_json(results)
    else:
        console.out.print(table(results))
        console.tell(f"all numbers: {out}")


def table(results: dict[str, Any]) -> Table:
    """The scores, a line for each generator and baseline."""
    return TABLES[results["settings"]["kind"]](results)


def _reconstruction(results: dict[str, Any]) -> Table:
    """r, RMSE and the band's coverage."""
    from rich.table import Table

    given = ", ".join(results["settings"]["given"])
    shown = Table(title=f"{results['protocol']}: {given} given, {results['n']} records, 95 % intervals over patients")
    for column in ("", "r", "RMSE (mV)", "inside the band", "seconds"):
        shown.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        inside = f"{score['band']['inside']:.3f}" if "band" in score else ""
        shown.add_row(name, _within(score, "r"), _within(score, "rmse_mv"), inside, f"{score['seconds']:.0f}")
    return shown


def _translation(results: dict[str, Any]) -> Table:
    """Heart rate, timing and waveform of lead II out of a PPG."""
    from rich.box import SIMPLE
    from rich.table import Table

    shown = Table(
        title=f"{results['protocol']}: PPG given, lead II scored, {results['n']} windows of "
        f"{len(results['recordings'])} recordings and {results['patients']} patients, 95 % intervals over patients",
        caption="rate: heart rate off per minute; F1 and r after one constant delay per recording is removed",
        box=SIMPLE,
    )
    for column in ("", "rate\nmedian", "rate\nmean", "F1\n50 ms", "F1\n150 ms", "r", "F1 50 ms\nas drawn"):
        shown.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        rate, removed = score["heart_rate_error"], score["delay_removed"]
        shown.add_row(
            name,
            f"{rate['median']:.1f}",
            f"{rate['mean']:.1f}\n{rate['mean_interval'][0]:.1f}–{rate['mean_interval'][1]:.1f}",
            *(_above(removed, measure) for measure in ("f1_50", "f1_150", "r")),
            _above(score["as_drawn"], "f1_50"),
        )
    return shown


def _above(score: dict[str, Any], measure: str) -> str:
    """A score above its interval."""
    low, high = score[f"{measure}_interval"]
    return f"{score[measure]:.2f}\n{low:.2f}–{high:.2f}"


def _within(score: dict[str, Any], measure: str) -> str:
    """A score with its interval."""
    low, high = score[f"{measure}_interval"]
    return f"{score[measure]:.3f} ({low:.3f}–{high:.3f})"


TABLES = {"reconstruction": _reconstruction, "translation": _translation}
"""How each kind of protocol is shown."""
