"""Accuracy of the delineator and of NeuroKit2 on the expert marks of LUDB.

    python -m evaluation.scripts.delineation --data LUDB --folds RUN --neurokit2 MARKS.npz --diagnosed PTBXL --out FILE

RUN is written by ``ecggen.training.delineator``, MARKS by ``evaluation/scripts/neurokit2_marks.py``. Each record is
delineated by the network that was trained without it. An expert mark counts as found if it and a predicted mark are
each other's nearest and at most 150 ms apart, the tolerance of ANSI/AAMI EC57. Only predictions between the first and
the last expert mark of a lead are scored, because LUDB does not mark the first and last beats.
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.data import ludb
from ecggen.evaluators.delineator import Waves, delineate, load
from ecggen.io.results import commit
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.networks import storage
from ecggen.training.delineator import FOLDS, fold_of
from evaluation.scripts.delineation_by_diagnosis import by_diagnosis

TOLERANCE = 0.15
"""Largest distance in s between matching marks."""
POINTS = ("onset", "peak", "offset")

DEFINITIONS = {
    "found": "expert mark and prediction are each other's nearest of that kind in the lead, and at most 150 ms apart",
    "sensitivity": "share of the expert marks that were found",
    "ppv": "positive predictive value: share of the predictions between the first and last expert mark of the lead "
    "that match an expert mark",
    "intervals": "95 %, percentile bootstrap over records (one per patient)",
    "bias_ms, sd_ms": "mean and standard deviation of predicted minus expert time, in ms, over the marks found",
    "median_absolute_ms": "median absolute difference in ms",
    "marks": "number of expert marks",
    "p_in_atrial_fibrillation": "predicted and expert P waves per expert QRS, in records of that rhythm",
    "by_diagnosis": "global marks of PTB-XL, fold 9, by the shipped weights; these records have no expert marks",
    "records_per_second": "delineation of simulated 10 s, 12-lead, 500 Hz records on one thread, by processor time",
}

Finder = Callable[[int, int, str], np.ndarray]
"""Marks (wave, 3) of a record, lead (both by number) and wave: onset, peak and offset in s, NaN if missing."""


def pairs(ours: np.ndarray, theirs: np.ndarray, tolerance: float = TOLERANCE) -> tuple[np.ndarray, np.ndarray]:
    """Indices into ``ours`` and ``theirs`` (times in s) of marks that are each other's nearest and within tolerance.

    Example:
        >>> ours, theirs = pairs(np.array([0.5, 1.0]), np.array([1.02]))
        >>> ours.tolist(), theirs.tolist()
        ([1], [0])
    """
    if not len(ours) or not len(theirs):
        return np.zeros(0, int), np.zeros(0, int)
    apart = np.abs(ours[:, None] - theirs)
    near = apart.argmin(0)
    which = np.arange(len(theirs))
    kept = (apart[near].argmin(1) == which) & (apart[near, which] <= tolerance)
    return near[kept], which[kept]


def compare(found: Finder, marked: ludb.Marked) -> dict[str, Any]:
    """All figures of a delineation, overall and by lead, for each wave and point."""
    tallies = {
        wave: {point: _tally(found, marked, wave, column) for column, point in enumerate(POINTS)}
        for wave in ludb.WAVES.values()
    }

    def table(leads: list[int], patients: list[str] | None = None) -> dict[str, Any]:
        return {
            wave: {point: _figures(*tally, leads, patients) for point, tally in points.items()}
            for wave, points in tallies.items()
        }

    return {
        "overall": table(list(range(12)), marked.names),
        "by_lead": {name: table([lead]) for lead, name in enumerate(STANDARD_LEADS)},
        "p_in_atrial_fibrillation": _p_without_p(found, marked),
    }


def _tally(found: Finder, marked: ludb.Marked, wave: str, column: int) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """Errors in ms of one kind of mark, [record][lead]; counts (record, lead, 3): matched, expert, predicted."""
    gaps, counts = [], np.zeros((len(marked.names), len(STANDARD_LEADS), 3))
    for row, leads in enumerate(marked.marks):
        gaps.append([])
        for lead, marks in enumerate(leads):
            gap, numbers = _one(found(row, lead, wave)[:, column], marks.waves[wave], column, marks)
            gaps[row].append(gap)
            counts[row, lead] = len(gap), *numbers
    return gaps, counts


def _one(ours: np.ndarray, waves: np.ndarray, column: int, marks: ludb.LeadMarks) -> tuple[np.ndarray, np.ndarray]:
    """Errors in ms of one kind of mark in one lead; numbers of expert marks and of scored predicted marks.

    Predicted marks near the peak of a wave for which the experts give no such mark are not counted.
    """
    missing = np.isnan(waves[:, column])
    ours, theirs = ours[np.isfinite(ours)], waves[~missing, column]
    mine, yours = pairs(ours, theirs)
    strangers = np.delete(ours, mine)
    unknown = (np.abs(strangers[:, None] - waves[missing, 1]) <= TOLERANCE).any(1)
    extra = ((strangers >= marks.first) & (strangers <= marks.last) & ~unknown).sum()
    return 1000 * (ours[mine] - theirs[yours]), np.array([len(theirs), len(mine) + extra])


def _figures(
    gaps: list[list[np.ndarray]], counts: np.ndarray, leads: list[int], patients: list[str] | None
) -> dict[str, Any]:
    """Figures of some leads, with bootstrap intervals if ``patients`` is given."""
    errors = np.concatenate([row[lead] for row in gaps for lead in leads])
    numbers = counts[:, leads].sum(1)
    matched, theirs, ours = numbers.sum(0)
    figures: dict[str, Any] = {"marks": int(theirs)}
    for name, column, all_of in (("sensitivity", 1, theirs), ("ppv", 2, ours)):
        figures[name] = _round(matched / all_of, 4) if all_of else None
        if patients and all_of:
            ends = patient_interval(numbers, patients, statistic=lambda means, at=column: means[:, 0] / means[:, at])
            figures[f"{name}_interval"] = [_round(end, 4) for end in ends]
    if len(errors):
        figures |= {"bias_ms": _round(errors.mean(), 2), "sd_ms": _round(errors.std(), 2)}
        figures["median_absolute_ms"] = _round(np.median(np.abs(errors)), 2)
    return figures


def _p_without_p(found: Finder, marked: ludb.Marked) -> dict[str, float]:
    """Predicted and expert P waves per QRS in atrial fibrillation."""
    rows = [row for row, rhythm in enumerate(marked.rhythms) if "fibrillation" in rhythm]
    cells = [(row, lead, marks) for row in rows for lead, marks in enumerate(marked.marks[row])]
    beats = sum(len(marks.waves["QRS"]) for _, _, marks in cells) or 1
    ours = 0
    for row, lead, marks in cells:
        peaks = found(row, lead, "P")[:, 1]
        ours += int(((peaks >= marks.first) & (peaks <= marks.last)).sum())
    theirs = sum(len(marks.waves["P"]) for _, _, marks in cells)
    return {"records": len(rows), "ours": _round(ours / beats, 4), "experts": _round(theirs / beats, 4)}


def _round(value: float, digits: int) -> float:
    return round(float(value), digits)


def finder(parts: list[tuple[np.ndarray, Waves]]) -> Finder:
    """A finder over several delineations, each given as (record numbers, waves)."""
    place = {int(row): (waves, i) for rows, waves in parts for i, row in enumerate(rows)}

    def found(row: int, lead: int, wave: str) -> np.ndarray:
        waves, i = place[row]
        marks = np.stack([getattr(waves, f"{wave.lower()}_{point}")[i, lead] for point in POINTS], 1)
        return marks[np.isfinite(marks).any(1)]

    return found


def out_of_fold(marked: ludb.Marked, run: Path) -> list[tuple[np.ndarray, Waves]]:
    """Record numbers of each fold, and their waves by the network that was trained without them."""
    folds, parts = fold_of(marked.names), []
    for fold in range(FOLDS):
        rows = np.flatnonzero(folds == fold)
        parts.append((rows, delineate(marked.ecg[torch.from_numpy(rows)], network=load(run / f"fold{fold}"))))
    return parts


def neurokit2(file: Path, marked: ludb.Marked) -> tuple[Finder, dict[str, Any]]:
    """Marks written by ``evaluation/scripts/neurokit2_marks.py``, and their description."""
    with np.load(file) as stored:
        arrays = {key: stored[key] for key in stored.files if key != "about"}
        about = json.loads(str(stored["about"]))

    def found(row: int, lead: int, wave: str) -> np.ndarray:
        return arrays[f"{marked.names[row]}/{STANDARD_LEADS[lead]}/{wave}"].reshape(-1, 3)

    return found, about


def speed(records: int = 256) -> dict[str, Any]:
    """Delineated records per second on one thread."""
    ecg, network = simulate(records, fs=500), load()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    delineate(ecg[:8], network=network)
    began = time.process_time()
    delineate(ecg, network=network)
    taken = time.process_time() - began
    torch.set_num_threads(threads)
    return {"records": records, "threads": 1, "records_per_second": _round(records / taken, 1)}


def measure(data: Path, run: Path | None, others: Path | None, diagnosed: Path | None) -> dict[str, Any]:
    """All published figures of the delineator."""
    marked = ludb.read(data)
    every = [(np.arange(len(marked.names)), delineate(marked.ecg))] if run is None else out_of_fold(marked, run)
    found = finder(every)
    result: dict[str, Any] = {
        "data": f"LUDB 1.0.1, {len(marked.names)} of its 200 records, twelve leads each",
        "records": marked.names,
        "tolerance_ms": 1000 * TOLERANCE,
        "definitions": DEFINITIONS,
        "weights": storage.weights_hash(storage.find("delineator")),
        "ecggen": {
            "scored": f"{FOLDS}-fold cross-validation over records"
            if run
            else "shipped weights, which were trained on these records",
            **compare(found, marked),
        },
    }
    if others:
        found, about = neurokit2(others, marked)
        result["neurokit2"] = {**about, **compare(found, marked)}
    if diagnosed:
        result["by_diagnosis"] = by_diagnosis(diagnosed)
    return {**result, "speed": speed(), "commit": commit(), "date": datetime.date.today().isoformat()}


def main() -> None:
    """Score the delineator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="LUDB folder")
    parser.add_argument(
        "--folds", type=Path, help="fold networks; without them the shipped network is scored on its training records"
    )
    parser.add_argument("--neurokit2", type=Path, help="marks written by evaluation/scripts/neurokit2_marks.py")
    parser.add_argument("--diagnosed", type=Path, help="PTB-XL folder, for P waves by diagnosis in fold 9")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    result = measure(arguments.data, arguments.folds, arguments.neurokit2, arguments.diagnosed)
    arguments.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    for name in ("ecggen", "neurokit2"):
        for wave, points in result.get(name, {}).get("overall", {}).items():
            for point, figures in points.items():
                print(f"{name:10} {wave:3} {point:6}", figures)


if __name__ == "__main__":
    main()
