"""``ecggen evaluate``: run a benchmark protocol on generators and baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.options import Cache, GuidanceScale, Json, NumSteps

if TYPE_CHECKING:
    from rich.table import Table


def evaluate(
    protocol: Annotated[
        str | None,
        Argument(
            help="Protocol: one_lead, three_leads, one_lead_outside, three_leads_outside, ppg, ppg_icu, text, wording, "
            "unconditional, augmentation, augmentation_rare, augmentation_network, augmentation_same_part, diagnoses, "
            "memorisation, or a TOML file."
        ),
    ] = None,
    data: Annotated[
        list[Path] | None, Option(help="Folder of PTB-XL, another archive or any recordings; repeatable.")
    ] = None,
    out: Annotated[Path, Option(help="Folder of the results, or one JSON file.")] = Path("results"),
    model: Annotated[
        list[str] | None,
        Option(
            help="Generator (gan, vae, flow, diffusion, or a checkpoint folder) or baseline (baseline:mean, "
            "baseline:regression, baseline:nearest, baseline:simulator); repeatable."
        ),
    ] = None,
    all_: Annotated[
        bool, Option("--all", help="Run every protocol with every shipped generator and baseline.")
    ] = False,
    baselines: Annotated[bool, Option(help="Score the baselines of the protocol as well.")] = True,
    limit: Annotated[int, Option(help="Maximum number of records; 0 for the protocol's.")] = 0,
    num_draws: Annotated[int | None, Option(help="Draws per point estimate (default: the protocol's).")] = None,
    num_steps: NumSteps = None,
    guidance_scale: GuidanceScale = None,
    cache: Cache = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Repeat finished evaluations.")] = False,
    as_json: Json = False,
) -> None:
    """Run a benchmark protocol on generators and baselines.

    Results of several models are collected in one JSON file per protocol; one_lead_outside and three_leads_outside have
    one file per archive. Finished evaluations are not repeated, so an interrupted run continues where it stopped.
    Reconstruction protocols score the generated leads, translation protocols lead II generated from a PPG. Generation
    protocols use the sections of the quality report. The augmentation protocol trains classifiers with and without
    synthetic records. Intervals are 95 % over patients.
    """
    from ecggen.benchmark import matrix
    from ecggen.benchmark import run as protocols
    from ecggen.core.errors import InputError

    if all_ == (protocol is not None):
        found = "both a protocol and --all were given" if all_ else "no protocol was given"
        raise InputError(found, "a protocol or --all was expected", "for example: ecggen evaluate one_lead")
    files = list(matrix.shipped().values()) if all_ else [matrix.find(str(protocol))]
    models = model or ([*matrix.MODELS, *matrix.BASELINES] if all_ else ["vae"])
    changes = {} if num_draws is None else {"draws": num_draws}
    given = {
        "--limit": limit or None,
        "--num-draws": num_draws,
        "--num-steps": num_steps,
        "--guidance-scale": guidance_scale,
    }
    options = ", ".join(name for name, value in given.items() if value is not None)
    todo = matrix.tasks(files, data or [])
    with console.stages(quiet=as_json) as report:

        def score(task: matrix.Task, which: str) -> dict[str, Any]:
            with_baselines = baselines and not matrix.place(out, task).exists()
            kept = matrix.cells_of(out, task)
            changed = (changes, num_steps, guidance_scale)
            return protocols.run(task.file, task.folders, which, with_baselines, limit, cache, report, *changed, kept)

        failed = matrix.run(todo, models, out, score, lambda what: report(what, 0.0), overwrite, options)
    for target in (matrix.place(out, task) for task in todo):
        if target.is_file():
            results = json.loads(target.read_text(encoding="utf-8"))
            _plot(results, target)
            _print(results, target, as_json)
    if failed:
        raise InputError(f"{len(failed)} could not be scored: {'; '.join(failed)}")


def _plot(results: dict[str, Any], place: Path) -> None:
    """Plot the results of an augmentation protocol next to their JSON file."""
    if results["settings"]["kind"] == "augmentation":
        from ecggen.benchmark.augmentation import plot

        plot.save(results, place.with_suffix(".png"))


def _print(results: dict[str, Any], place: Path, as_json: bool) -> None:
    """Print the scores of a protocol."""
    if as_json:
        console.print_json(results)
    else:
        console.out.print(table(results))
        console.print_text(f"all numbers: {place}")


def table(results: dict[str, Any]) -> Table:
    """The scores as a table, one line per generator and baseline."""
    return TABLES[results["settings"]["kind"]](results)


def _reconstruction(results: dict[str, Any]) -> Table:
    """r, RMSE and coverage of the prediction interval."""
    from rich.table import Table

    given = ", ".join(results["settings"]["given"])
    rows = Table(title=f"{results['protocol']}: {given} given, {results['n']} records, 95 % intervals over patients")
    for column in ("", "r", "RMSE (mV)", "coverage", "width (mV)", "seconds"):
        rows.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        interval = score.get("interval", {})
        parts = [f"{interval[key]:.3f}" if key in interval else "" for key in ("coverage", "width_mv")]
        rows.add_row(name, _within(score, "r"), _within(score, "rmse_mv"), *parts, f"{score['seconds']:.0f}")
        for hospital, one in score.get("hospitals", {}).items():
            parts = [f"{one[key]:.3f}" if key in one else "" for key in ("coverage", "width_mv")]
            rows.add_row(f"  {hospital}, n {one['n']}", *(_maybe(one, key) for key in ("r", "rmse_mv")), *parts, "")
    return rows


def _maybe(score: dict[str, Any], measure: str) -> str:
    """A score, with its interval if it has one."""
    return _within(score, measure) if score[f"{measure}_interval"] else f"{score[measure]:.3f}"


def _translation(results: dict[str, Any]) -> Table:
    """Heart rate, timing and waveform of lead II generated from a PPG."""
    from rich.box import SIMPLE
    from rich.table import Table

    rows = Table(
        title=f"{results['protocol']}: PPG given, lead II scored, {results['n']} windows of "
        f"{len(results['recordings'])} recordings and {results['patients']} patients, 95 % intervals over patients",
        caption="rate: error of the heart rate per minute; F1 and r after removal of one constant delay per recording",
        box=SIMPLE,
    )
    for column in ("", "rate\nmedian", "rate\nmean", "F1\n50 ms", "F1\n150 ms", "r", "F1 50 ms\nwith delay"):
        rows.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        rate, removed = score["heart_rate_error"], score["delay_removed"]
        rows.add_row(
            name,
            f"{rate['median']:.1f}",
            f"{rate['mean']:.1f}\n{rate['mean_interval'][0]:.1f}–{rate['mean_interval'][1]:.1f}",
            *(_above(removed, measure) for measure in ("f1_50", "f1_150", "r")),
            _above(score["as_drawn"], "f1_50"),
        )
    return rows


def _above(score: dict[str, Any], measure: str) -> str:
    """A score, and its interval in the next line."""
    low, high = score[f"{measure}_interval"]
    return f"{score[measure]:.2f}\n{low:.2f}–{high:.2f}"


def _within(score: dict[str, Any], measure: str) -> str:
    """A score with its interval."""
    low, high = score[f"{measure}_interval"]
    return f"{score[measure]:.3f} ({low:.3f}–{high:.3f})"


def _generation(results: dict[str, Any]) -> Table:
    """The verdict of each section of the quality report."""
    from rich.table import Table

    given = ", ".join(results["settings"]["conditions"]) or "none"
    rows = Table(title=f"{results['protocol']}: condition: {given}; {results['n']} ECGs per generator")
    for column in ("", *results["settings"]["metrics"], "ms per ECG"):
        rows.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        verdicts = [score["sections"][key]["verdict"] for key in results["settings"]["metrics"]]
        rows.add_row(name, *verdicts, f"{score['ms_per_ecg']:.0f}")
    return rows


def _panel(results: dict[str, Any]) -> Table:
    """Correlation and variance of one draw and of the mean of several draws."""
    from rich.table import Table

    given = ", ".join(results["settings"]["given"])
    rows = Table(title=f"{results['protocol']}: {given} given, {results['n']} records")
    for column in ("", "estimate", "verdict", "r", "variance ratio"):
        rows.add_column(column, justify="left" if column in ("", "estimate") else "right")
    for name, score in results["scores"].items():
        for estimate, section in score["sections"].items():
            values = {one["name"]: one["value"] for one in section["scores"]}
            cells = [f"{values[key]:.3f}" if values.get(key) is not None else "" for key in ("Pearson's r", "variance")]
            rows.add_row(name, estimate, section["verdict"], *cells)
    return rows


def _wording(results: dict[str, Any]) -> Table:
    """The classifier's probability of the requested finding, by wording of the request."""
    from rich.table import Table

    rows = Table(title=f"{results['protocol']}: probability of the finding, {results['n']} ECGs per text")
    versions = ("said", "paraphrase", "sentence", "combined", "german", "swedish", "denial", "nothing")
    columns = [one for one in versions if any(one in score["mean"] for score in results["scores"].values())]
    for column in ("", *columns, "negation"):
        rows.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        cells = [f"{score['mean'][one]:.2f}" if one in score["mean"] else "" for one in columns]
        rows.add_row(name, *cells, score.get("verdicts", {}).get("denial", ""))
    return rows


def _augmentation(results: dict[str, Any]) -> Table:
    """Gain of a classifier by synthetic records, over no augmentation and over the best without a generator."""
    from rich.box import SIMPLE
    from rich.table import Table

    note = "gains in thousandths with 95 % intervals; best: the best method without a generator, chosen on the test set"
    rows = Table(
        title=f"{results['protocol']}: macro AUROC of {results['settings']['labels']}", caption=note, box=SIMPLE
    )
    for column in ("", "AUROC", "over none", "over best"):
        rows.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        for best in score["best_without_generator"]:
            points = [point for point in score["points"] if point["fraction"] == best["fraction"]]
            plain = next(point for point in points if "n_real" in point)
            rows.add_row(f"{name.split('@')[0]}, {plain['n_real']} real records", f"{plain['auroc']:.3f}")
            for point in points:
                if "over_best" in point or (
                    point is not plain and point["arm"] == best["arm"] and point["share"] == best["share"]
                ):
                    rows.add_row(*_gained(point))
            rows.add_section()
        for arm, moved in score["transfer"].items():
            areas = [f"{moved[key]['auroc']:.3f}" for key in ("trtr", "tstr", "trts")]
            rows.add_row(
                f"{arm} alone: TRTR, TSTR, TRTS", ", ".join(areas), "TSTR / TRTR", _within(moved, "tstr_over_trtr")
            )
    return rows


def _rare_statements(results: dict[str, Any]) -> Table:
    """AUPRC of rare statements: mean over the statements, gains by added records, and statements with a difference."""
    from rich.box import SIMPLE
    from rich.table import Table

    note = "gains in thousandths with 95 % intervals over the test patients"
    title = (
        f"{results['protocol']}: mean AUPRC of {len(results['labels'])} rare statements, {results['n']} real records"
    )
    rows = Table(title=title, caption=note, box=SIMPLE)
    for column in ("added", "AUPRC", "gain", "better", "worse"):
        rows.add_column(column, justify="left" if column == "added" else "right")
    for name, score in results["scores"].items():
        for arm, one in score["arms"].items():
            cells = [f"{name.split('@')[0]}: {arm}" if arm == "synthetic" else arm, f"{one['auprc']:.3f}"]
            if "gain" in one:
                value, low, high = (1000 * part for part in (one["gain"], *one["gain_interval"]))
                cells += [f"{value:+.0f} ({low:+.0f} to {high:+.0f})", str(len(one["above"])), str(len(one["below"]))]
            rows.add_row(*cells)
        rows.add_section()
    return rows


def _gained(point: dict[str, Any]) -> list[str]:
    """The line of an arm: its AUROC and its gains."""
    cells = [f"  {point['arm']}, {point['share']:.0%}", f"{point['auroc']:.3f}"]
    for what in ("gain", "over_best"):
        if what in point:
            value, low, high = (1000 * one for one in (point[what], *point[f"{what}_interval"]))
            cells.append(f"{value:+.0f} ({low:+.0f} to {high:+.0f})")
        else:
            cells.append("best")
    return cells


def _diagnoses(results: dict[str, Any]) -> Table:
    """Number of statements by verdict."""
    from rich.table import Table

    from ecggen.augment.capabilities import VERDICTS

    rows = Table(title=f"{results['protocol']}: {results['settings']['n']} ECGs requested per statement")
    for column in ("", *VERDICTS, "mean AUROC", "on real records", "criteria met / real"):
        rows.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        found = score["overall"]["statements"]
        areas = [f"{found[key]:.3f}" if key in found else "" for key in ("auroc", "real")]
        ratio = score["overall"].get("criteria", {}).get("ratio")
        areas.append("" if ratio is None else f"{ratio:.2f}")
        rows.add_row(name, *(str(found["verdicts"][verdict]) for verdict in VERDICTS), *areas)
    return rows


def _memorisation(results: dict[str, Any]) -> Table:
    """Verdict and scores with their chance level."""
    from rich.table import Table

    rows = Table(title=f"{results['protocol']}: conditions of {results['n']} training and as many held-out records")
    for column in ("", "", "value", "95 %", "by chance", "verdict"):
        rows.add_column(column, justify="left" if not column else "right")
    for name, score in results["scores"].items():
        rows.add_row(name, "", "", "", "", score["verdict"])
        for one in score["scores"]:
            measured = one["value"] is not None
            ends = "–".join(f"{end:.3f}" for end in one["interval"]) if measured else ""
            cells = [f"{one[key]:.3f}" if measured else "" for key in ("value", "floor")]
            rows.add_row("", one["name"], cells[0], ends, cells[1], one["verdict"])
    return rows


TABLES = {
    "reconstruction": _reconstruction,
    "translation": _translation,
    "panel": _panel,
    "generation": _generation,
    "wording": _wording,
    "augmentation": _augmentation,
    "rare_statements": _rare_statements,
    "diagnoses": _diagnoses,
    "memorisation": _memorisation,
}
"""Table of each kind of protocol."""
