"""``ecggen evaluate``: a protocol file run on a checkpoint, with the baselines beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.options import Guidance, Steps

if TYPE_CHECKING:
    from rich.table import Table


def evaluate(
    protocol: Annotated[
        str | None,
        Argument(
            help="A protocol: one_lead, three_leads, ppg, text, wording, unconditional, augmentation, diagnoses, "
            "memorisation, or a file."
        ),
    ] = None,
    data: Annotated[
        list[Path] | None, Option(help="The PTB-XL or BIDMC folder, or any folder of recordings; may be given again.")
    ] = None,
    out: Annotated[Path, Option(help="The folder of the results, or one JSON file.")] = Path("results"),
    model: Annotated[
        list[str] | None,
        Option(
            help="A shipped checkpoint's name, a checkpoint folder, or baseline:mean, regression, nearest, simulator."
        ),
    ] = None,
    all_: Annotated[bool, Option("--all", help="Every protocol by every shipped generator and baseline.")] = False,
    baselines: Annotated[bool, Option(help="Score the baselines of a reconstruction or translation as well.")] = True,
    limit: Annotated[int, Option(help="Most records to score; 0 for as many as the protocol says.")] = 0,
    num_draws: Annotated[int | None, Option(help="Draws of each estimate (default: the protocol's).")] = None,
    num_steps: Steps = None,
    guidance_scale: Guidance = None,
    cache: Annotated[Path | None, Option(help="Where packed data sets are kept (default ~/.cache/ecggen).")] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Score again what has been scored.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Score generators on real recordings by a protocol, beside what needs no network.

    Results of several models stand side by side in OUT/PROTOCOL.json; what is there already is not scored again, so
    that a stopped --all goes on where it was. A reconstruction scores leads that were neither given nor follow from
    the given ones; a translation scores lead II out of a PPG; a generation goes through the sections of the quality
    report; an augmentation trains classifiers with and without drawn records, and keeps what it has done in
    PROTOCOL_cells: a stopped one goes on from there. Intervals are 95 %, over patients.
    """
    from ecggen.benchmark import matrix
    from ecggen.benchmark import run as protocols
    from ecggen.core.errors import InputError

    if all_ == (protocol is not None):
        raise InputError("either a protocol or --all", "one of them was expected", "as in: ecggen evaluate one_lead")
    files = list(matrix.shipped().values()) if all_ else [matrix.find(str(protocol))]
    models = model or ([*matrix.MODELS, *matrix.BASELINES] if all_ else ["vae"])
    changes = {} if num_draws is None else {"draws": num_draws}
    asked = {
        "--limit": limit or None,
        "--num-draws": num_draws,
        "--num-steps": num_steps,
        "--guidance-scale": guidance_scale,
    }
    options = ", ".join(name for name, value in asked.items() if value is not None)
    with console.stages(quiet=as_json) as report:

        def score(file: Path, which: str) -> dict[str, Any]:
            with_own = baselines and not matrix.place(out, file).exists()
            kept = matrix.cells_of(out, file)
            return protocols.run(
                file, data or [], which, with_own, limit, cache, report, changes, num_steps, guidance_scale, kept
            )

        failed = matrix.run(files, models, out, score, lambda what: report(what, 0.0), overwrite, options)
    for file in files:
        if matrix.place(out, file).is_file():
            results = json.loads(matrix.place(out, file).read_text(encoding="utf-8"))
            _draw(results, matrix.place(out, file))
            _tell(results, matrix.place(out, file), as_json)
    if failed:
        raise InputError(f"{len(failed)} could not be scored: {'; '.join(failed)}")


def _draw(results: dict[str, Any], place: Path) -> None:
    """The picture beside the results of an augmentation."""
    if results["settings"]["kind"] == "augmentation":
        from ecggen.benchmark.augmentation import plot

        plot.save(results, place.with_suffix(".png"))


def _tell(results: dict[str, Any], place: Path, as_json: bool) -> None:
    """Show the scores of a protocol."""
    if as_json:
        console.print_json(results)
    else:
        console.out.print(table(results))
        console.print_text(f"all numbers: {place}")


def table(results: dict[str, Any]) -> Table:
    """The scores, a line for each generator and baseline."""
    return TABLES[results["settings"]["kind"]](results)


def _reconstruction(results: dict[str, Any]) -> Table:
    """r, RMSE and the band's coverage."""
    from rich.table import Table

    given = ", ".join(results["settings"]["given"])
    shown = Table(title=f"{results['protocol']}: {given} given, {results['n']} records, 95 % intervals over patients")
    for column in ("", "r", "RMSE (mV)", "coverage", "seconds"):
        shown.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        inside = f"{score['interval']['coverage']:.3f}" if "interval" in score else ""
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


def _generation(results: dict[str, Any]) -> Table:
    """The verdict of each section, and the features' distance."""
    from rich.table import Table

    told = ", ".join(results["settings"]["conditions"]) or "nothing"
    shown = Table(title=f"{results['protocol']}: told {told}; {results['n']} ECGs drawn for each generator")
    for column in ("", *results["settings"]["metrics"], "ms per ECG"):
        shown.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        verdicts = [score["sections"][key]["verdict"] for key in results["settings"]["metrics"]]
        shown.add_row(name, *verdicts, f"{score['ms_per_ecg']:.0f}")
    return shown


def _panel(results: dict[str, Any]) -> Table:
    """Correlation and variance of one draw and of the mean of many."""
    from rich.table import Table

    given = ", ".join(results["settings"]["given"])
    shown = Table(title=f"{results['protocol']}: {given} given, {results['n']} records")
    for column in ("", "drawn", "verdict", "r", "variance ratio"):
        shown.add_column(column, justify="left" if column in ("", "drawn") else "right")
    for name, score in results["scores"].items():
        for drawn, section in score["sections"].items():
            values = {one["name"]: one["value"] for one in section["scores"]}
            cells = [f"{values[key]:.3f}" if values.get(key) is not None else "" for key in ("Pearson's r", "variance")]
            shown.add_row(name, drawn, section["verdict"], *cells)
    return shown


def _wording(results: dict[str, Any]) -> Table:
    """How probable the classifier finds what was asked, by how it was asked."""
    from rich.table import Table

    shown = Table(title=f"{results['protocol']}: probability of the finding, {results['n']} ECGs for each text")
    columns = ("said", "paraphrase", "denial", "nothing")
    for column in ("", *columns):
        shown.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        shown.add_row(name, *(f"{score['mean'][column]:.2f}" for column in columns))
    return shown


def _augmentation(results: dict[str, Any]) -> Table:
    """What drawn records are worth to a classifier: beside real ones, over nothing and over the best without them."""
    from rich.box import SIMPLE
    from rich.table import Table

    told = "gains in thousandths, 95 %; the best: of all that needs no generator, chosen on the test set in its favour"
    shown = Table(
        title=f"{results['protocol']}: macro AUROC of {results['settings']['labels']}", caption=told, box=SIMPLE
    )
    for column in ("", "AUROC", "over nothing", "over the best"):
        shown.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        for best in score["best_without_generator"]:
            points = [point for point in score["points"] if point["fraction"] == best["fraction"]]
            plain = next(point for point in points if "n_real" in point)
            shown.add_row(f"{name.split('@')[0]}, {plain['n_real']} real records", f"{plain['auroc']:.3f}")
            for point in points:
                if "over_best" in point or (
                    point is not plain and point["arm"] == best["arm"] and point["share"] == best["share"]
                ):
                    shown.add_row(*_gained(point))
            shown.add_section()
        for arm, moved in score["transfer"].items():
            areas = [f"{moved[key]['auroc']:.3f}" for key in ("trtr", "tstr", "trts")]
            shown.add_row(
                f"{arm} alone: TRTR, TSTR, TRTS", ", ".join(areas), "TSTR / TRTR", _within(moved, "tstr_over_trtr")
            )
    return shown


def _gained(point: dict[str, Any]) -> list[str]:
    """An arm's line: its AUROC and what it gains."""
    cells = [f"  {point['arm']}, {point['share']:.0%}", f"{point['auroc']:.3f}"]
    for what in ("gain", "over_best"):
        if what in point:
            value, low, high = (1000 * one for one in (point[what], *point[f"{what}_interval"]))
            cells.append(f"{value:+.0f} ({low:+.0f} to {high:+.0f})")
        else:
            cells.append("the best")
    return cells


def _diagnoses(results: dict[str, Any]) -> Table:
    """How many statements can be drawn."""
    from rich.table import Table

    from ecggen.augment.capabilities import VERDICTS

    shown = Table(title=f"{results['protocol']}: {results['settings']['n']} ECGs asked for each statement")
    for column in ("", *VERDICTS, "mean AUROC", "of real records"):
        shown.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        found = score["overall"]["statements"]
        areas = [f"{found[key]:.3f}" if key in found else "" for key in ("auroc", "real")]
        shown.add_row(name, *(str(found["verdicts"][verdict]) for verdict in VERDICTS), *areas)
    return shown


def _memorisation(results: dict[str, Any]) -> Table:
    """Verdict and scores, whose ideal stands beside them."""
    from rich.table import Table

    shown = Table(title=f"{results['protocol']}: {results['n']} training records and as many held-out ones are told")
    for column in ("", "", "value", "95 %", "by chance", "verdict"):
        shown.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        shown.add_row(name, "", "", "", "", score["verdict"])
        for one in score["scores"]:
            known = one["value"] is not None
            ends = "–".join(f"{end:.3f}" for end in one["interval"]) if known else ""
            cells = [f"{one[key]:.3f}" if known else "" for key in ("value", "floor")]
            shown.add_row("", one["name"], cells[0], ends, cells[1], one["verdict"])
    return shown


TABLES = {
    "reconstruction": _reconstruction,
    "translation": _translation,
    "panel": _panel,
    "generation": _generation,
    "wording": _wording,
    "augmentation": _augmentation,
    "diagnoses": _diagnoses,
    "memorisation": _memorisation,
}
"""How each kind of protocol is shown."""
