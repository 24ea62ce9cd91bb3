"""Tables of recordings with gaps, from ``results/gaps.json``."""

from __future__ import annotations

from pathlib import Path

from evaluation.scripts.table_parts import made, read, table, within


def strips(results: Path) -> str:
    """r, RMSE and coverage of the missing parts of paper strips."""
    found, rows = read(results, "gaps"), []
    for layout, scores in found["strips"].items():
        for name, score in scores.items():
            coverage = f"{score['coverage']:.3f}" if "coverage" in score else ""
            rows.append([layout, made(name, {}), within(score, "r"), within(score, "rmse_mv"), coverage])
    head = ["recorded", "missing parts", "r", "RMSE (mV)", "coverage of the 90 % interval"]
    return table(head, rows) + f"\n\n*{_stamp(results)}*"


def lengths(results: Path) -> str:
    """Error in a gap of the only lead, by its length."""
    found = read(results, "gaps")["gaps"]
    kinds = {"generated": "generated", "linear": "linear interpolation", "median": "median of the lead"}
    rows = [[f"{seconds} s", *(f"{1000 * errors[kind]:.0f}" for kind in kinds)] for seconds, errors in found.items()]
    return table(["gap", *kinds.values()], rows) + f"\n\n*median over records of the RMSE in µV; {_stamp(results)}*"


def _stamp(results: Path) -> str:
    found = read(results, "gaps")
    about = f"n {found['n']}, seed {found['seed']}, {found['draws']} draws"
    return f"{about}; {found['model']}, commit `{found['commit']}`, {found['date']}"
