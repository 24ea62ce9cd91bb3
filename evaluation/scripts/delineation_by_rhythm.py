"""Accuracy of the delineator and of NeuroKit2 on LUDB by rhythm and by kind of beat, and pacing spikes.

    python -m evaluation.scripts.delineation_by_rhythm --data LUDB --folds RUN --neurokit2 MARKS.npz --out FILE

RUN and MARKS are those of ``evaluation.scripts.delineation``: each record is delineated by the network that was trained
without it.

A beat is a QRS complex that the experts marked in a lead. P waves belong to the beat whose R peak follows them. A beat
whose RR interval is shorter than 86 % of the lead's median, and whose next one is not, is premature; a QRS that lasts
120 ms and more in the median over the leads is wide. Most beats of LUDB are sinus beats, so figures over all beats say
little about the others.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen.core.ecg import ECG
from ecggen.data import ludb
from ecggen.evaluators.delineator import Waves
from ecggen.io.results import commit, store
from ecggen.metrics.criteria.atrial import SPIKE_MV, spikes
from ecggen.metrics.criteria.beats import EARLY, record_beats
from ecggen.networks import storage
from ecggen.training.delineator import FOLDS
from evaluation.scripts.delineation import TOLERANCE as NEAR
from evaluation.scripts.delineation import Finder, finder, neurokit2, out_of_fold

WIDE = 0.12
"""Duration in s from which a QRS is wide."""
SPIKED = 0.4
"""Share of a record's beats with a spike from which its rhythm counts as paced, as in the criterion."""
GROUPS = (
    "sinus rhythm, QRS < 120 ms",
    "atrial fibrillation",
    "atrial flutter",
    "QRS ≥ 120 ms, not paced",
    "paced",
    "premature, QRS < 120 ms",
    "premature, QRS ≥ 120 ms",
)
DEFINITIONS = {
    "beats": "QRS complexes that the experts marked in a lead, the first of each lead left out; a beat may belong to "
    "several groups; sinus rhythm leaves premature, wide and paced beats out",
    "qrs_found": "share of these with a predicted QRS whose peak is at most 150 ms away",
    "onset_ms, offset_ms, duration_ms": "predicted minus expert, mean and standard deviation, over the QRS found",
    "expert_p": "P waves of the experts per beat",
    "p_found": "share of these with a predicted P wave whose peak is at most 150 ms away",
    "false_p": "predicted P waves per beat between its R peak and the one before, without an expert P wave within 150 "
    "ms",
    "spikes": f"records in which a spike of {SPIKE_MV:g} mV precedes {100 * SPIKED:.0f} % of the beats",
}


def said(folder: Path, names: Sequence[str]) -> list[list[str]]:
    """The diagnoses in the headers of records, as LUDB words them."""
    headers = [Path(folder, "data", f"{name}.hea").read_text(encoding="utf-8") for name in names]
    return [[line.lstrip("# ").strip(" .") for line in one.splitlines() if line.startswith("#")] for one in headers]


def is_paced(diagnoses: Sequence[str]) -> bool:
    """Whether a diagnosis is pacing.

    Example:
        >>> is_paced(["UNIpolar ventricular pacing"]), is_paced(["Wandering atrial pacemaker"])
        (True, False)
    """
    return any("pacing" in one for one in diagnoses)


def by_rhythm(found: Finder, marked: ludb.Marked, diagnoses: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Figures of each group of beats.

    Args:
        found: Marks (wave, 3) in s of a record, lead and wave.
        marked: The expert marks.
        diagnoses: Diagnoses of each record.
    """
    beats: dict[str, list[np.ndarray]] = {group: [] for group in GROUPS}
    records: dict[str, set[int]] = {group: set() for group in GROUPS}
    for row, leads in enumerate(marked.marks):
        paced, every = is_paced(diagnoses[row]), np.concatenate([one.waves["QRS"] for one in leads])
        for lead, marks in enumerate(leads):
            values = beats_of(marks, *(found(row, lead, wave) for wave in ("QRS", "P")))
            wide = durations(marks.waves["QRS"][1:, 1], every) >= WIDE
            early = premature(marks.waves["QRS"][:, 1])[1:]
            for group, chosen in _groups(wide, early, marked.rhythms[row], paced).items():
                if chosen.any():
                    beats[group].append(values[chosen])
                    records[group].add(row)
    return {group: _figures(np.concatenate(beats[group]), len(records[group])) for group in GROUPS if beats[group]}


def durations(peaks: np.ndarray, qrs: np.ndarray) -> np.ndarray:
    """(beat,) duration in s of the beats at ``peaks`` (s): median over the QRS complexes (wave, 3) of all leads there.

    Example:
        >>> durations(np.array([1.0]), np.array([[0.95, 1.0, 1.05], [0.95, 1.01, 1.07], [1.9, 2.0, 2.2]])).round(2)
        array([0.11])
    """
    spans = np.where(np.abs(peaks[:, None] - qrs[:, 1]) <= NEAR, qrs[:, 2] - qrs[:, 0], np.nan)
    return np.array([np.median(one[np.isfinite(one)]) if np.isfinite(one).any() else np.nan for one in spans])


def _groups(wide: np.ndarray, early: np.ndarray, rhythm: str, paced: bool) -> dict[str, np.ndarray]:
    """(beat,) of bool for each group, of the wide and of the early ones of a lead."""
    every = np.ones(len(wide), bool)
    sinus = "inus" in rhythm and not paced
    return {
        GROUPS[0]: every & sinus & ~wide & ~early,
        GROUPS[1]: every & ("fibrillation" in rhythm),
        GROUPS[2]: every & ("flutter" in rhythm),
        GROUPS[3]: wide & (not paced),
        GROUPS[4]: every & paced,
        GROUPS[5]: early & ~wide & sinus,
        GROUPS[6]: early & wide & sinus,
    }


def premature(peaks: np.ndarray) -> np.ndarray:
    """(beat,) whether each beat at ``peaks`` (s) is premature.

    Example:
        >>> premature(np.array([0.0, 1.0, 2.0, 2.6, 4.0, 5.0])).tolist()
        [False, False, False, True, False, False]
    """
    rr = np.diff(peaks)
    early = np.zeros(len(peaks), bool)
    if len(rr) >= 3:
        usual = np.median(rr)
        early[1:] = (rr < EARLY * usual) & np.append(rr[1:] > 0.95 * usual, False)
    return early


def beats_of(marks: ludb.LeadMarks, qrs: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Counts and errors of the beats of a lead, without the first: (beat, 7).

    Columns: 1 if its QRS was found; errors of onset, offset and duration in ms, NaN if not found or not marked; number
    of expert P waves, of those found, and of false ones.

    Args:
        marks: Expert marks of the lead.
        qrs: (wave, 3) predicted QRS complexes in s.
        p: (wave, 3) predicted P waves in s.
    """
    expert, waves = marks.waves["QRS"], marks.waves["P"]
    rows = np.full((max(len(expert) - 1, 0), 7), np.nan)
    for at in range(1, len(expert)):
        rows[at - 1, :4] = _errors(expert[at], qrs)
        begin, end = expert[at - 1, 1], expert[at, 1]
        theirs, ours = (one[(one[:, 1] > begin) & (one[:, 1] < end), 1] for one in (waves, p))
        rows[at - 1, 4:] = len(theirs), _near(theirs, p[:, 1]).sum(), (~_near(ours, waves[:, 1])).sum()
    return rows


def _errors(expert: np.ndarray, qrs: np.ndarray) -> tuple[float, float, float, float]:
    """Whether a QRS was found, and the errors in ms of its onset, offset and duration."""
    if not len(qrs):
        return 0.0, np.nan, np.nan, np.nan
    one = qrs[np.nanargmin(np.abs(qrs[:, 1] - expert[1]))]
    if abs(one[1] - expert[1]) > NEAR:
        return 0.0, np.nan, np.nan, np.nan
    onset, _, offset = 1000 * (one - expert)
    return 1.0, onset, offset, offset - onset


def _near(times: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each of ``times`` has one of ``others`` within ``NEAR``."""
    near: np.ndarray = np.any(np.abs(times[:, None] - others) <= NEAR, axis=1)
    return near


def _figures(beats: np.ndarray, records: int) -> dict[str, Any]:
    n_p = beats[:, 4].sum()
    figures: dict[str, Any] = {
        "records": records,
        "beats": len(beats),
        "qrs_found": round(float(beats[:, 0].mean()), 4),
        "expert_p": round(float(beats[:, 4].mean()), 3),
        "p_found": round(float(beats[:, 5].sum() / n_p), 4) if n_p else None,
        "false_p": round(float(beats[:, 6].mean()), 3),
    }
    for name, column in (("onset_ms", 1), ("offset_ms", 2), ("duration_ms", 3)):
        known = beats[np.isfinite(beats[:, column]), column]
        figures[name] = [round(float(known.mean()), 1), round(float(known.std()), 1)] if len(known) else None
    return figures


def spiked(
    ecg: ECG, parts: Sequence[tuple[np.ndarray, Waves]], diagnoses: Sequence[Sequence[str]]
) -> dict[str, dict[str, int]]:
    """Numbers of paced and of other records with pacing spikes.

    Args:
        ecg: All records.
        parts: Record numbers and their delineation.
        diagnoses: Diagnoses of each record.
    """
    share = np.full(len(ecg), np.nan)
    for rows, waves in parts:
        own = ecg[torch.from_numpy(rows)]
        share[rows] = spikes(own, record_beats(own, waves))
    paced = np.array([is_paced(one) for one in diagnoses])
    return {
        name: {"records": int(chosen.sum()), "with_spikes": int((share[chosen] >= SPIKED).sum())}
        for name, chosen in (("paced", paced), ("others", ~paced))
    }


def measure(data: Path, run: Path, others: Path) -> dict[str, Any]:
    """All figures by group, of the delineator and of NeuroKit2."""
    marked = ludb.read(data)
    diagnoses, parts = said(data, marked.names), out_of_fold(marked, run)
    theirs, about = neurokit2(others, marked)
    return {
        "data": f"LUDB 1.0.1, {len(marked.names)} of its 200 records, twelve leads each",
        "n": len(marked.names),
        "definitions": DEFINITIONS,
        "scored": f"{FOLDS}-fold cross-validation over records",
        "weights": {f"fold{fold}": storage.weights_hash(run / f"fold{fold}") for fold in range(FOLDS)},
        "ecggen": by_rhythm(finder(parts), marked, diagnoses),
        "neurokit2": {**about, "groups": by_rhythm(theirs, marked, diagnoses)},
        "spikes": spiked(marked.ecg, parts, diagnoses),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="LUDB folder")
    parser.add_argument("--folds", type=Path, required=True, help="networks of ecggen.training.delineator")
    parser.add_argument("--neurokit2", type=Path, required=True, help="marks of evaluation/scripts/neurokit2_marks.py")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    store(measure(given.data, given.folds, given.neurokit2), given.out, overwrite=True)


if __name__ == "__main__":
    main()
