"""Whether the delineation agrees with diagnoses that imply what can be seen: P waves and PR of PTB-XL's fold 9.

Nobody marked these records, but a diagnosis says something about their waves: atrial fibrillation has no P, sinus
rhythm has one before each QRS, a first-degree block a PR of 200 ms or more, a complete left bundle branch block a QRS
of 120 ms or more. A reader coded the record as a whole, so that single beats may differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecggen import data
from ecggen.core.ecg import ECG
from ecggen.evaluators.delineator import delineate
from ecggen.io import read
from ecggen.metrics.functional.intervals import intervals

GROUPS = {
    "normal sinus rhythm": ({"NORM", "SR"}, set()),
    "atrial fibrillation": ({"AFIB"}, {"SR", "AFLT"}),
    "first-degree AV block": ({"1AVB", "SR"}, {"AFIB", "AFLT", "PACE"}),
    "complete left bundle branch block": ({"CLBBB", "SR"}, {"PACE"}),
}
"""Codes that the records of a group have, and codes that they have not."""
FOLD = 9
MOST = 200
"""Records of a group that are looked at, the first ones."""


def by_diagnosis(folder: Path) -> dict[str, Any]:
    """For each group: records, P waves per QRS, and quartiles of PR, QRS and QTc in ms with the share measured."""
    known = [recording for recording in data.recordings(folder) if recording.fold == FOLD]
    found = {}
    for name, (needed, excluded) in GROUPS.items():
        codes = [(recording, set(recording.codes.split())) for recording in known]
        chosen = [recording for recording, said in codes if needed <= said and not excluded & said][:MOST]
        if chosen:
            found[name] = _figures(ECG.cat([read(recording.path).standard() for recording in chosen]))
    return found


def _figures(ecg: ECG) -> dict[str, Any]:
    waves = delineate(ecg)
    marks, measured = waves.median_over_leads(), intervals(ecg, waves)
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
