"""Tables for the choice of a generator: best by task, calibration of uncertainty, preserved diagnostic information."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ecggen.core.ecg import INDEPENDENT_LEADS
from evaluation.scripts.table_parts import made, read, stamp, table, within

Measure = Callable[[dict[str, Any]], float]


def _of_section(section: str, name: str) -> Measure:
    def value(score: dict[str, Any]) -> float:
        return next(one["value"] for one in score["sections"][section]["scores"] if one["name"] == name)

    return value


Job = tuple[str, str, str, str, int, Measure]

JOBS: tuple[Job, ...] = (
    ("`reconstruct`, from I", "r", "one_lead", "most", 3, lambda score: score["r"]),
    ("", "RMSE (mV)", "one_lead", "least", 3, lambda score: score["rmse_mv"]),
    ("`reconstruct`, from II, V1, V5", "r", "three_leads", "most", 3, lambda score: score["r"]),
    ("", "RMSE (mV)", "three_leads", "least", 3, lambda score: score["rmse_mv"]),
    # All generators draw at the same beats, so that F1 hardly differs.
    ("`translate`", "heart rate error (per min)", "ppg", "least", 2, lambda score: score["heart_rate_error"]["mean"]),
    ("", "R-peak F1, 50 ms", "ppg", "most", 3, lambda score: score["delay_removed"]["f1_50"]),
    (
        "`generate`, text and metadata",
        "FID",
        "text",
        "least",
        1,
        _of_section("distribution", "FID on the classifier's features"),
    ),
    (
        "`generate`, unconditional",
        "FID",
        "unconditional",
        "least",
        1,
        _of_section("distribution", "FID on the classifier's features"),
    ),
    (
        "`augment`",
        "AUROC of requested statements",
        "diagnoses",
        "most",
        3,
        lambda score: score["overall"]["statements"]["auroc"],
    ),
)
"""Task, measure, results file, whether "most" or "least" is best, digits, and the value in a score."""


def best_for_jobs(results: Path, jobs: Sequence[Job] = JOBS) -> str:
    """A row for each task and measure, a column for each generator; the best, after rounding, in bold."""
    scores = {name: _checkpoints(read(results, name)) for name in dict.fromkeys(job[2] for job in jobs)}
    models = sorted({model for found in scores.values() for model in found})
    rows = []
    for job, measure, name, better, digits, value in jobs:
        values = {model: value(score) for model, score in scores[name].items()}
        best = _best(values, better, digits)
        cells = [f"{values[model]:.{digits}f}" if model in values else "" for model in models]
        marked = [f"**{cell}**" if model in best else cell for cell, model in zip(cells, models, strict=True)]
        rows.append([job, measure, *marked])
    weights = [f"{name}: {', '.join(one for one in read(results, name)['scores'] if '@' in one)}" for name in scores]
    return table(["task", "measure", *models], rows) + f"\n\n*{'; '.join(weights)}*"


def defaults(results: Path) -> dict[str, set[str]]:
    """The generators that are best in all tasks of a command, by the first measure of each task."""
    found: dict[str, set[str]] = {}
    for job, _, name, better, digits, value in JOBS:
        if job.startswith("`"):
            values = {model: value(score) for model, score in _checkpoints(read(results, name)).items()}
            best = _best(values, better, digits)
            found[job.split("`")[1]] = found.get(job.split("`")[1], best) & best
    return found


def _best(values: dict[str, float], better: str, digits: int) -> set[str]:
    rounded = {model: round(value, digits) for model, value in values.items()}
    most = (max if better == "most" else min)(rounded.values(), default=None)
    return {model for model, value in rounded.items() if value == most}


def uncertainty(results: Path) -> str:
    """CRPS, coverage of the interval and relative variance of one draw, by lead."""

    def cells(score: dict[str, Any]) -> list[str]:
        held, varied = score["interval"]["per_lead"], score["single_draw"]["variance"]
        leads = [f"{held[lead]:.2f} / {varied[lead]:.2f}" if lead in held else "" for lead in INDEPENDENT_LEADS]
        return [within(score["ranked"], "crps_mv"), *leads]

    return _reconstructed(
        results, "ranked", ["CRPS (mV)", *(f"{lead}: coverage / variance" for lead in INDEPENDENT_LEADS)], cells
    )


def preserved(results: Path) -> str:
    """Macro AUROC of the classifier on recorded and reconstructed ECGs, and the loss."""

    def cells(score: dict[str, Any]) -> list[str]:
        found = score["preserved"]
        lost = [f"{found[kind]['macro']:.3f}; loss {within(found[kind], 'lost')}" for kind in KINDS]
        return [f"{found['recorded']['macro']:.3f}", *lost]

    return _reconstructed(results, "preserved", ["recorded leads", *(label for label in KINDS.values())], cells)


def _reconstructed(results: Path, needed: str, head: list[str], cells: Callable[[dict[str, Any]], list[str]]) -> str:
    """A row for each model and set of given leads with the score ``needed``, and the provenance of the rows."""
    rows, stamps = [], []
    for found in (read(results, name) for name in ("one_lead", "three_leads")):
        given = ", ".join(found["settings"]["given"])
        shown = {one: score for one, score in found["scores"].items() if needed in score}
        rows += [[f"{made(one, score)}, from {given}", *cells(score)] for one, score in shown.items()]
        stamps += [f"from {given}: {stamp(found | {'scores': shown})}"] if shown else []
    return table(["", *head], rows) + f"\n\n*{'; '.join(stamps)}*"


def groups_of(results: Path, model: str) -> str:
    """Table of a card: r and RMSE by group, from I and from II, V1 and V5."""
    found = _of(results, model)
    groups = [score.get("groups", {}) for _, _, score in found]
    if not any(groups):
        return "Not measured for these weights."
    rows = []
    for name in dict.fromkeys(name for one in groups for name in one):
        cells = [f"{within(one[name], 'r')} / {one[name]['rmse_mv']:.3f}" if name in one else "" for one in groups]
        rows.append([name, str(next(one[name]["n"] for one in groups if name in one)), *cells])
    return table(["group", "records", *(f"from {given}: r / RMSE (mV)" for given, _, _ in found)], rows) + _made_with(
        found
    )


def reconstructed_of(results: Path, model: str) -> str:
    """Table of a card: accuracy, calibration and preserved diagnostic information of reconstructions."""
    found, rows = _of(results, model), []
    for given, _, score in found:
        held, single = score["interval"]["per_lead"].values(), score["single_draw"]
        varied, lost = single.get("variance", {}).values(), score.get("preserved", {})
        rows.append(
            [
                given,
                within(score, "r"),
                within(score, "rmse_mv"),
                f"{score['interval']['coverage']:.3f} ({min(held):.2f}–{max(held):.2f})",
                f"{single['r']:.3f}",
                f"{min(varied):.2f}–{max(varied):.2f}" if varied else "",
                within(score["ranked"], "crps_mv") if "ranked" in score else "",
                *(within(lost[kind], "lost") if lost else "" for kind in KINDS),
                str(score["draws"]),
            ]
        )
    head = ["given leads", "r", "RMSE (mV)", "coverage of the 90 % interval (by lead)", "r of one draw",
            "variance of one draw / true (by lead)", "CRPS (mV)", "loss of classifier AUROC, mean", "loss, one draw",
            "draws"]  # fmt: skip
    return table(head, rows) + _made_with(found)


def _of(results: Path, model: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Given leads, weights and scores of the reconstructions of a model."""
    found = [read(results, name) for name in ("one_lead", "three_leads")]
    return [
        (", ".join(one["settings"]["given"]), name, score)
        for one in found
        for name, score in one["scores"].items()
        if name.startswith(f"{model}@")
    ]


def _made_with(found: list[tuple[str, str, dict[str, Any]]]) -> str:
    """Weights, commit and date of each score."""
    runs = "; ".join(
        f"from {given}: {name}, commit `{score['commit']}`, {score['date']}" for given, name, score in found
    )
    return f"\n\n*PTB-XL fold 9, seed 1; {runs}*"


KINDS = {"point_estimate": "mean of the draws", "one draw": "one draw"}
"""Labels of the reconstructions that the classifier was applied to."""


def _checkpoints(found: dict[str, Any]) -> dict[str, Any]:
    """Scores of checkpoints, by name without the hash of the weights."""
    return {name.split("@")[0]: score for name, score in found["scores"].items() if "@" in name}
