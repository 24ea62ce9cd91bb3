"""Tables of the variance between draws, from ``results/between.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecggen.core.ecg import INDEPENDENT_LEADS
from evaluation.scripts.table_parts import read, table

WAYS = {
    "total": "total variance matched, as for estimates and intervals",
    "between": "variance between draws matched",
    "apart": "both parts matched, each by its own factor, as returned",
}


def between(results: Path) -> str:
    """Variance between the draws that models return over that of the truth, by lead and wave."""
    rows = []
    for label, score in _each(results):
        own = score["apart"]
        leads = [
            f"{own['between'][lead]:.2f} ({'–'.join(f'{end:.2f}' for end in own['between_interval'][lead])})"
            if lead in own["between"]
            else ""
            for lead in INDEPENDENT_LEADS
        ]
        rows.append([label, *leads, *(_range(of_wave) for of_wave in own["between_wave"].values())])
    waves = [f"{wave}, by lead" for wave in ("P", "QRS", "T")]
    return table(["", *INDEPENDENT_LEADS, *waves], rows) + f"\n\n*{_stamp(results)}*"


def inflation(results: Path) -> str:
    """The same draws, scaled in three ways."""
    rows = []
    for label, of_model in _each(results):
        for way, words in WAYS.items():
            score = of_model[way]
            factors = [_range(score[key]) for key in ("factor", "factor_within")]
            factor = factors[0] if factors[0] == factors[1] else f"{factors[0]}; {factors[1]}"
            ranges = [factor, *(_range(score[key]) for key in ("between", "within", "variance"))]
            means = [f"{score[key]:.3f}" for key in ("r_one_draw", "coverage", "width_mv")]
            means.insert(1, f"{score['crps_mv']:.4f}")
            rows.append([label if way == "total" else "", words, *ranges, *means])
    head = ["", "draws scaled", "factor, by lead", "between / true", "within / true", "total / true", "r of one draw",
            "CRPS (mV)", "coverage of the 90 % interval", "its width (mV)"]  # fmt: skip
    return table(head, rows) + f"\n\n*{_stamp(results)}*"


def _each(results: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Label and scores of each model, by given leads."""
    found = read(results, "between")["scores"]
    return [
        (f"**{name.split('@')[0]}**, from {given.replace(' ', ', ')}", own["given"][given])
        for given in next(iter(found.values()))["given"]
        for name, own in found.items()
    ]


def _range(values: Mapping[str, float]) -> str:
    return f"{min(values.values()):.2f}–{max(values.values()):.2f}"


def _stamp(results: Path) -> str:
    found = read(results, "between")
    runs = "; ".join(f"{name}, commit `{one['commit']}`, {one['date']}" for name, one in found["scores"].items())
    about = f"n {found['n']} each of fold 8 (factors, intervals) and fold 9 (scores), seed {found['seed']}"
    return f"PTB-XL, {about}, {found['draws']} draws; {runs}"
