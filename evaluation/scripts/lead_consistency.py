"""How often faults of electrodes and leads are found, and wrongly suspected: the check of leads beside the plain rules.

``python -m evaluation.scripts.lead_consistency --data PTBXL --outside CINC2021 --outside LUDB --outside CINC2011 --out
evaluation/results/lead_consistency.json`` puts simulated faults into each record of fold 9. The rules are those of
``ecggen.io.inspection``: leads I and II inverted relative to V6, and a limb lead that is nearly flat.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from ecggen import data
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.electrodes import FAULTS
from ecggen.core.recorders import coloured
from ecggen.data import Pack
from ecggen.data.challenges import hospital
from ecggen.evaluators import lead_consistency
from ecggen.io.inspection import exchanged
from ecggen.io.results import commit

FS = 100.0
SEED = 1
ELECTRODES = ("limb", "chest")
"""Kinds of exchanged or misplaced electrodes."""
KIND = {fault.name: fault.kind for fault in FAULTS}
RULES = 300
"""Records with faults to which the rules are applied."""
OWN = "PTB-XL"


def faults(eight: np.ndarray, rng: np.random.Generator) -> dict[str, tuple[np.ndarray, int]]:
    """One record (8, time) in mV with a fault in one random lead, by name, and the lead's row."""
    lead, size, samples = int(rng.integers(8)), float(eight.std()), eight.shape[-1]

    def changed(wave: np.ndarray) -> tuple[np.ndarray, int]:
        result = eight.copy()
        result[lead] = wave
        return result, lead

    return {
        "gain × 2": changed(2 * eight[lead]),
        "gain × 0.5": changed(0.5 * eight[lead]),
        "inverted": changed(-eight[lead]),
        "detached (noise of 10 µV)": changed(0.01 * rng.standard_normal(samples)),
        "muscle noise, 0 dB": changed(eight[lead] + size * coloured(rng, (samples,), FS, 3, 49, 0.5)),
    }


def suspected(pieces: np.ndarray | None) -> dict[str, Any]:
    """What the check says of a record's beats (beat, 8, points) in mV; None if there are too few."""
    if pieces is None:
        return {"fault": "", "kind": "", "leads": [], "doubted": False}
    found = lead_consistency.judged(pieces, np.zeros(len(pieces)), lead_consistency.load())
    return {
        "fault": found.fault,
        "kind": KIND.get(found.fault, ""),
        "leads": [lead for lead in INDEPENDENT_LEADS if any(f"lead {lead} " in one for one in found.doubts)],
        "doubted": bool(found.doubts),
    }


def beats_of(eight: np.ndarray) -> np.ndarray | None:
    """The beats of a record (8, time) in mV; None if there are too few."""
    pieces, _ = lead_consistency.beats_of(eight)
    return pieces if len(pieces) >= lead_consistency.FEWEST_BEATS else None


def by_rules(eight: np.ndarray) -> bool:
    """Whether the rules suspect exchanged electrodes in a record (8, time) in mV."""
    wave = torch.from_numpy(np.ascontiguousarray(eight, np.float32))
    return bool(exchanged(ECG(wave, INDEPENDENT_LEADS, FS).standard()))


def false_alarms(records: np.ndarray, patients: list[str]) -> dict[str, Any]:
    """Shares of records as published, (record, 8, time) in mV, that are suspected."""
    told = [suspected(beats_of(record)) for record in track(records, "as published")]
    return {
        "n": len(records),
        "patients": len(set(patients)),
        "limb exchange": _share(told, lambda one: one["kind"] == "limb"),
        "chest exchange": _share(told, lambda one: one["kind"] == "chest"),
        "a lead unlike the others": _share(told, lambda one: one["doubted"] and one["kind"] not in ELECTRODES),
        "rules": _rules(records),
    }


def found_exchanges(records: np.ndarray) -> dict[str, Any]:
    """Shares of records with each exchange that are suspected of anything, and of this exchange.

    Beats are found once; the matrix of the exchange is applied to them.
    """
    beats = [pieces for record in track(records, "beats") if (pieces := beats_of(record)) is not None]
    found = {}
    for fault in (each for each in FAULTS if each.kind in ELECTRODES):
        matrix = fault.matrix.astype(np.float32)
        wrong = [matrix @ pieces for pieces in beats]
        told = [suspected(one - np.median(one, -1, keepdims=True)) for one in track(wrong, fault.name)]
        found[fault.name] = {
            "kind": fault.kind,
            "words": fault.words,
            "found": _share(told, lambda one: one["doubted"]),
            "named": _share(told, lambda one, name=fault.name: one["fault"] == name),
            "rules": _rules([fault.matrix @ record for record in records[:RULES]]),
        }
    return found


def found_faults(records: np.ndarray) -> dict[str, Any]:
    """Shares of records with a fault in one lead in which anything, and this lead, is suspected."""
    told: dict[str, list[dict[str, Any]]] = {}
    waves: dict[str, list[np.ndarray]] = {}
    for row, record in enumerate(track(records, "faults of one lead")):
        for name, (faulty, lead) in faults(record, np.random.default_rng((SEED, row))).items():
            told.setdefault(name, []).append(suspected(beats_of(faulty)) | {"lead": INDEPENDENT_LEADS[lead]})
            waves.setdefault(name, []).append(faulty)
    return {
        name: {
            "found": _share(ones, lambda one: one["doubted"]),
            "named": _share(ones, lambda one: one["lead"] in one["leads"]),
            "rules": _rules(waves[name][:RULES]),
        }
        for name, ones in told.items()
    }


def _rules(records: Sequence[np.ndarray] | np.ndarray) -> float:
    return round(float(np.mean([by_rules(record) for record in records])), 4)


def _share(told: list[dict[str, Any]], of: Callable[[Mapping[str, Any]], bool]) -> float:
    return round(float(np.mean([of(one) for one in told])), 4)


def first_windows(pack: Pack, folds: tuple[int, ...], limit: int) -> tuple[np.ndarray, list[str]]:
    """(record, 8, time) in mV and patients of the first window of each record, PTB-XL's left out elsewhere."""
    rows = pack.rows(folds)
    elsewhere = len(folds) > 1
    own = np.array([elsewhere and hospital(name) == OWN for name in pack.index.name.iloc[rows]])
    rows = rows[(pack.index.start.to_numpy(float)[rows] == 0) & ~own]
    if limit:
        rows = np.sort(np.random.default_rng(SEED).permutation(rows)[:limit])
    return pack.ecg(rows).signal.double().numpy(), pack.index.patient.iloc[rows].tolist()


def main() -> None:
    """Score the check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--outside", type=Path, action="append", default=[], help="folder of another archive")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--limit", type=int, default=0, help="records of fold 9 with faults; all by default")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    options = parser.parse_args()

    def packed(path: Path) -> Pack:
        return data.pack(data.recordings(path), Preprocessor(), options.cache)

    pack = packed(options.data)
    alarms = {"PTB-XL, fold 9": false_alarms(*first_windows(pack, (9,), 0))}
    for path in options.outside:
        alarms[path.resolve().name] = false_alarms(*first_windows(packed(path), tuple(range(1, 11)), 0))
    records, _ = first_windows(pack, (9,), options.limit)
    found = {
        "model": lead_consistency.name(),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "seed": SEED,
        "n": len(records),
        "false_alarms": alarms,
        "exchanges": found_exchanges(records),
        "faults": found_faults(records),
    }
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
