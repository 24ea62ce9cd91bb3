"""Tables of the widening of intervals, from trust.json of the checkpoints, and of the check of leads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecggen.generators.trust.widening import FILE
from ecggen.networks import storage
from evaluation.scripts.outside_tables import ARCHIVES, GIVEN, MODELS
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
        stamps.append(f"{stored['model']}, commit `{stored['commit']}`, {stored['date']}")
        for given, hospitals in stored["measured"].items():
            for at, (name, scores) in enumerate(hospitals.items()):
                label = f"**{model}**, from {given.replace(' ', ', ')}" if at == 0 else ""
                rows.append([label, f"{LABELS.get(name, name)}, n {scores['n']}", *_cells(scores)])
    head = ["model", "hospital", "coverage before", "width before (mV)", "coverage", "width (mV)", "left out"]
    return table(head, rows) + f"\n\n*20 draws; {'; '.join(stamps)}*"


def _cells(scores: dict[str, float]) -> list[str]:
    names = ("before", "width_before_mv", "coverage", "width_mv", "left_out")
    return [f"{scores[name]:.3f}" for name in names]


def local_margin(results: Path) -> str:
    """Coverage and width of the shipped interval, and with margins from a few records of each hospital."""
    found, rows, stamps = read(results, "local_margin"), [], []
    counts = ("20", "40", "80")
    for model, score in found["scores"].items():
        stamps.append(f"{model}, commit `{score['commit']}`, {score['date']}")
        for given, hospitals in score["given"].items():
            for at, (name, one) in enumerate(hospitals.items()):
                label = f"**{model.split('@')[0]}**, from {given.replace(' ', ', ')}" if at == 0 else ""
                where = "PTB-XL, fold 9" if name == "PTB-XL" else LABELS.get(name, name)
                cells = [_of_splits(one["own"].get(count)) for count in counts]
                shipped = f"{one['coverage']:.3f}, {one['width_mv']:.2f}"
                rows.append([label, f"{where}, n {one['n']}", shipped, *cells])
    head = ["model", "hospital", "shipped", *(f"{count} own records" for count in counts)]
    cell = f"coverage of the {found['level']:.0%} interval (5 to 95 % of the splits), width (mV)"
    about = f"{found['splits']} splits, {found['draws']} draws, seed {found['seed']}; {'; '.join(stamps)}"
    return table(head, rows) + f"\n\n*{cell}; {about}*"


def _of_splits(score: dict[str, Any] | None) -> str:
    if score is None:
        return ""
    low, high = score["of_splits"]
    return f"{score['coverage']:.3f} ({low:.3f}–{high:.3f}), {score['width_mv']:.2f}"


def strata(results: Path) -> str:
    """Coverage and width on fold 9 by wave, by noise and by unlikeness, from one and from three leads."""
    columns = {
        f"{model}, {label}": score
        for name, label in GIVEN.items()
        for which, score in read(results, name)["scores"].items()
        for model in MODELS
        if which.startswith(f"{model}@") and "strata" in score
    }
    rows = []
    for kind, label in STRATA.items():
        for part in next(iter(columns.values()))["strata"][kind]:
            found = [score["strata"][kind].get(part) for score in columns.values()]
            cells = [f"{one['coverage']:.3f}, {one['width_mv']:.2f}" if one else "" for one in found]
            rows.append([f"{label}{part}", *cells])
    head = [f"{name}: coverage, width (mV)" for name in columns]
    stamp = "; ".join(
        f"{name}: n {score['n']}, commit `{score['commit']}`, {score['date']}" for name, score in columns.items()
    )
    return table(["part of the records", *head], rows) + f"\n\n*PTB-XL, fold 9, seed 1; {stamp}*"


STRATA = {"wave": "", "noise": "noise of the given leads: ", "unlike": ""}
"""Kinds of strata and what is written before their names."""


def faults(results: Path) -> str:
    """Share of records of fold 9 in which each fault is found and named, beside the plain rules."""
    found = read(results, "lead_consistency")
    rows = [
        [name, *(f"{100 * scores[key]:.1f} %" for key in ("found", "named", "rules"))]
        for part in ("exchanges", "faults")
        for name, scores in found[part].items()
    ]
    return table(["fault", "found", "named rightly", "plain rules"], rows) + _stamp(found)


RUNS = {
    "control": "other masks",
    "all": "and every recorder, p .5",
    "noise": "and noise, p .25",
    "final": "and noise, p .12, 10 epochs (shipped)",
}


def recorder_training(results: Path) -> str:
    """r of the beat network before further training, and what each run gains, by archive, given leads and noise."""
    found, rows = read(results, "recorder_training"), []
    for case, before in found["runs"]["shipped"]["shipped"].items():
        archive, given, noise, scored = (part.strip() for part in case.split("|"))
        cells = [_gain(found["runs"][run]["shipped"][case]) for run in RUNS]
        label = ", ".join(filter(None, (ARCHIVES.get(archive, archive), noise)))
        leads = given.replace(" ", ", ") + ("" if scored == "beat network" else " (all twelve leads)")
        rows.append([label, leads, f"{before['r']:.4f}", *cells])
    sizes = ", ".join(f"{ARCHIVES.get(name, name)} {n}" for name, n in found["n"].items())
    head = ["records", "given", "r before", *RUNS.values()]
    return table(head, rows) + f"\n\n*n: {sizes}; seed {found['seed']}, commit `{found['commit']}`, {found['date']}*"


def _gain(score: dict[str, Any]) -> str:
    """Thousandths of r, with their interval."""
    low, high = (1000 * end for end in score["interval"])
    return f"{1000 * score['gained']:+.1f} ({low:+.1f} to {high:+.1f})"


DETECTORS = {
    "lead_consistency": "disagreement of leads, the shipped check",
    "normal_regression": "the same, learnt from normal records",
    "leads_by_vae": "each lead from the other seven by `vae`, in half-widths of the interval",
    "rest_by_vae": "seven leads from lead I by `vae`, in half-widths of the interval",
    "principal_components": "principal components of normal beats",
    "autoencoder": "autoencoder of normal beats",
    "classifier": "the shipped classifier, which has seen labels",
}


def pathology(results: Path) -> str:
    """AUROC of anomaly scores as detectors of abnormal records."""
    found = read(results, "pathology")
    groups = list(next(iter(found["detectors"].values())))
    rows = [
        [words, *(_auroc(found["detectors"][name][group]) for group in groups)] for name, words in DETECTORS.items()
    ]
    of = found["detectors"]["classifier"]
    head = ["score", *(f"{group}, n {of[group]['n']}" for group in groups)]
    learnt = f"autoencoders and regression: {found['normal_training_records']} normal records of folds 1–7"
    made = f"{', '.join(found['networks'])}, commit `{found['commit']}`, {found['date']}"
    stamp = f"PTB-XL, fold 9, n {found['n']}, seed {found['seed']}; {learnt}; {made}"
    return table(head, rows) + f"\n\n*{stamp}*"


def _auroc(score: dict[str, Any]) -> str:
    low, high = score["interval"]
    return f"{score['auroc']:.2f} ({low:.2f}–{high:.2f})"


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
