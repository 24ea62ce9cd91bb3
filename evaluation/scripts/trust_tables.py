"""Tables of the widening of intervals, from trust.json of the checkpoints, and of the check of leads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecggen.generators.trust.widening import FILE
from ecggen.networks import storage
from evaluation.scripts.outside_tables import ARCHIVES, MODELS
from evaluation.scripts.table_parts import read, table

LABELS = {"PTB-XL": "PTB-XL, fold 8 (calibration)", "ludb": ARCHIVES["ludb"], "cinc2011": ARCHIVES["cinc2011"]}
CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"


def widening(_: Path) -> str:
    """Coverage and mean width of the 90 % interval before and after widening, by observed leads and hospital."""
    rows, stamps = [], []
    for model in MODELS:
        if not (CHECKPOINTS / model / FILE).is_file():
            continue
        stored = storage.read_json(CHECKPOINTS / model / FILE)
        stamps.append(
            f"{model}@{storage.weights_hash(CHECKPOINTS / model)}, commit `{stored['commit']}`, {stored['date']}"
        )
        for given, hospitals in stored["measured"].items():
            for at, (name, scores) in enumerate(hospitals.items()):
                label = f"**{model}**, from {given.replace(' ', ', ')}" if at == 0 else ""
                rows.append([label, f"{LABELS.get(name, name)}, n {scores['n']}", *_cells(scores)])
    head = ["model", "hospital", "coverage before", "width before (mV)", "coverage", "width (mV)", "left out"]
    return table(head, rows) + f"\n\n*20 draws; {'; '.join(stamps)}*"


def _cells(scores: dict[str, float]) -> list[str]:
    names = ("before", "width_before_mv", "coverage", "width_mv", "left_out")
    return [f"{scores[name]:.3f}" for name in names]


def faults(results: Path) -> str:
    """Share of records of fold 9 in which each fault is found and named, beside the plain rules."""
    found = read(results, "lead_consistency")
    rows = [
        [name, *(f"{100 * scores[key]:.1f} %" for key in ("found", "named", "rules"))]
        for part in ("exchanges", "faults")
        for name, scores in found[part].items()
    ]
    return table(["fault", "found", "named rightly", "plain rules"], rows) + _stamp(found)


def false_alarms(results: Path) -> str:
    """Shares of records as published in which a fault is suspected."""
    found = read(results, "lead_consistency")
    kinds = ("limb exchange", "chest exchange", "a lead unlike the others", "rules")
    rows = [
        [f"{ARCHIVES.get(name, name)}, n {scores['n']}", *(f"{100 * scores[kind]:.1f} %" for kind in kinds)]
        for name, scores in found["false_alarms"].items()
    ]
    return table(["archive", *kinds[:3], "plain rules"], rows) + _stamp(found)


def _stamp(found: dict[str, Any]) -> str:
    made = f"{found['model']}, commit `{found['commit']}`, {found['date']}"
    return f"\n\n*Faults: n {found['n']}, seed {found['seed']}; {made}*"
