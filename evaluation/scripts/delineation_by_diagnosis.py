"""Agreement of the delineation with diagnoses that imply P waves, PR or QRS: records of PTB-XL, fold 9.

These records have no expert marks, but a diagnosis constrains their waves. Atrial fibrillation has no P wave. Sinus
rhythm has one P wave before each QRS. First-degree AV block has a PR interval of 200 ms or more, and complete left
bundle branch block a QRS duration of 120 ms or more. A diagnosis applies to the record as a whole; single beats may
differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecggen import data
from ecggen.core.ecg import ECG
from ecggen.evaluators.delineator import delineate
from ecggen.io import read
from ecggen.metrics.functional.intervals import ecg_intervals

GROUPS = {
    "normal sinus rhythm": ({"NORM", "SR"}, set()),
    "atrial fibrillation": ({"AFIB"}, {"SR", "AFLT"}),
    "first-degree AV block": ({"1AVB", "SR"}, {"AFIB", "AFLT", "PACE"}),
    "complete left bundle branch block": ({"CLBBB", "SR"}, {"PACE"}),
}
"""Codes that all records of a group have, and codes that none of them has."""
FOLD = 9
MOST = 200
"""Most records of a group; the first ones are used."""


def by_diagnosis(folder: Path) -> dict[str, Any]:
    """For each group: records, P waves per QRS, and quartiles in ms and measured share of PR, QRS and QTc."""
    recordings = [recording for recording in data.recordings(folder) if recording.fold == FOLD]
    found = {}
    for name, (needed, excluded) in GROUPS.items():
        codes = [(recording, set(recording.codes.split())) for recording in recordings]
        chosen = [recording for recording, said in codes if needed <= said and not excluded & said][:MOST]
        if chosen:
            found[name] = _figures(ECG.cat([read(recording.path).standard() for recording in chosen]))
    return found


def _figures(ecg: ECG) -> dict[str, Any]:
    waves = delineate(ecg)
    marks, measured = waves.median_over_leads(), ecg_intervals(ecg, waves)
    beats = np.isfinite(marks["qrs_onset"]).sum()
    figures: dict[str, Any] = {
        "records": len(ecg),
        "p_per_qrs": round(float(np.isfinite(marks["p_peak"]).sum() / max(beats, 1)), 3),
    }
    for name in ("pr_ms", "qrs_ms", "qtc_ms"):
        values = measured[name][np.isfinite(measured[name])]
        quartiles = np.quantile(values, [0.25, 0.5, 0.75]).round(1).tolist() if len(values) else None
        figures[name] = {"quartiles": quartiles, "measured": round(len(values) / len(ecg), 3)}
    return figures
