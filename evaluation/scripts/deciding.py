"""Tables that decide: the best generator for each job, how far bands can be trusted, what a classifier still finds."""

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
    ("`translate`", "R peaks, F1 at 50 ms", "ppg", "most", 3, lambda score: score["delay_removed"]["f1_50"]),
    ("", "heart rate off, mean", "ppg", "least", 2, lambda score: score["heart_rate_error"]["mean"]),
    ("`generate`", "FID", "text", "least", 1, _of_section("distribution", "FID on the classifier's features")),
    (
        "nothing told",
        "FID",
        "unconditional",
        "least",
        1,
        _of_section("distribution", "FID on the classifier's features"),
    ),
    ("`augment`", "AUROC, asked for", "diagnoses", "most", 2, lambda score: score["overall"]["statements"]["auroc"]),
)
"""Job, measure, result, which end is better, digits, and where the value stands."""


def best_for_jobs(results: Path, jobs: Sequence[Job] = JOBS) -> str:
    """A row for each job's measure, a column for each generator, the best (as far as the digits tell) in bold."""
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
    return table(["job", "measure", *models], rows) + f"\n\n*{'; '.join(weights)}*"


def defaults(results: Path) -> dict[str, set[str]]:
    """The generators that are best in all jobs of each command, by the first measure of each."""
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
    """Share coverage and variance of a draw, lead by lead, and the ranked probability score."""

    def cells(score: dict[str, Any]) -> list[str]:
        held, varied = score["interval"]["per_lead"], score["single_draw"]["variance"]
        leads = [f"{held[lead]:.2f} / {varied[lead]:.2f}" if lead in held else "" for lead in INDEPENDENT_LEADS]
        return [within(score["ranked"], "crps_mv"), *leads]

    return _reconstructed(results, "ranked", ["CRPS (mV)", *INDEPENDENT_LEADS], cells)


def judged(results: Path) -> str:
    """Macro AUROC of the classifier on recorded and reconstructed ECGs, and what is lost."""

    def cells(score: dict[str, Any]) -> list[str]:
        said = score["preserved"]
        lost = [f"{said[kind]['macro']:.3f}; lost {within(said[kind], 'lost')}" for kind in KINDS]
        return [f"{said['recorded']['macro']:.3f}", *lost]

    return _reconstructed(results, "preserved", ["recorded", *KINDS], cells)


def _reconstructed(results: Path, needed: str, head: list[str], cells: Callable[[dict[str, Any]], list[str]]) -> str:
    """A row for each model and given leads of which ``needed`` was measured, and what these were measured with."""
    rows, stamps = [], []
    for found in (read(results, name) for name in ("one_lead", "three_leads")):
        given = ", ".join(found["settings"]["given"])
        shown = {one: score for one, score in found["scores"].items() if needed in score}
        rows += [[f"{made(one, score)}, from {given}", *cells(score)] for one, score in shown.items()]
        stamps += [f"from {given}: {stamp(found | {'scores': shown})}"] if shown else []
    return table(["", *head], rows) + f"\n\n*{'; '.join(stamps)}*"


def groups_of(results: Path, model: str) -> str:
    """A card's table: how near reconstructions of each group lie, from I and from II, V1 and V5."""
    found = _of(results, model)
    told = [score.get("groups", {}) for _, _, score in found]
    if not any(told):
        return "Not measured for these weights."
    rows = []
    for name in dict.fromkeys(name for one in told for name in one):
        cells = [f"{within(one[name], 'r')} / {one[name]['rmse_mv']:.3f}" if name in one else "" for one in told]
        rows.append([name, str(next(one[name]["n"] for one in told if name in one)), *cells])
    return table(["", "records", *(f"from {given}: r / RMSE (mV)" for given, _, _ in found)], rows) + _made_with(found)


def reconstructed_of(results: Path, model: str) -> str:
    """A card's table: how near reconstructions lie, how far bands and draws can be trusted, what a classifier loses."""
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
    head = ["given", "r", "RMSE (mV)", "coverage of the 90 % interval (by lead)", "r of one draw", "its variance / the truth's",
            "CRPS (mV)", "AUROC the classifier loses", "on one draw", "draws"]  # fmt: skip
    return table(head, rows) + _made_with(found)


def _of(results: Path, model: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Given leads, weights and scores of a model's reconstructions."""
    found = [read(results, name) for name in ("one_lead", "three_leads")]
    return [
        (", ".join(one["settings"]["given"]), name, score)
        for one in found
        for name, score in one["scores"].items()
        if name.startswith(f"{model}@")
    ]


def _made_with(found: list[tuple[str, str, dict[str, Any]]]) -> str:
    """Weights, commit and date of each."""
    told = "; ".join(
        f"from {given}: {name}, commit `{score['commit']}`, {score['date']}" for given, name, score in found
    )
    return f"\n\n*PTB-XL fold 9, seed 1; {told}*"


KINDS = ("point_estimate", "one draw")


def _checkpoints(found: dict[str, Any]) -> dict[str, Any]:
    """Scores of checkpoints, by their name without the weights' hash."""
    return {name.split("@")[0]: score for name, score in found["scores"].items() if "@" in name}
