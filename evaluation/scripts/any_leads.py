"""Reconstruction from any lead and from the sets of leads that devices record.

``python -m evaluation.scripts.any_leads --data PTBXL --model vae --out evaluation/results/any_leads.json`` reconstructs
records of fold 9 from each set of leads in ``SETS``, and adds the scores of the models to the file: r of the point
estimate, coverage and width of the 90 % interval, and r of one draw, over the leads that the given ones do not
determine; and r of lagged regression, fitted on folds 1–8.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from ecggen import data
from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS, determined_by
from ecggen.data import Pack
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.baselines.baselines import Baseline, baseline
from ecggen.io.results import commit
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.metrics.functional.waveform import pearson
from ecggen.networks import storage

SETS: dict[tuple[str, ...], str] = {
    **{(lead,): "" for lead in STANDARD_LEADS},
    ("I", "II"): "six-lead devices, three limb electrodes",
    ("I", "V2"): "",
    ("II", "V5"): "Holter, two channels",
    ("V1", "V5"): "Holter, two channels (near CM1 and CM5)",
    ("I", "II", "V2"): "event recorders with one chest electrode",
    ("I", "II", "V5"): "monitors with five electrodes, V5",
    ("I", "II", "V1"): "monitors with five electrodes, V1",
    ("II", "V1", "V5"): "Holter, three channels",
    ("I", "II", "V2", "V5"): "monitors with six electrodes",
}
"""Sets of given leads and the devices that record them."""
FOLD, TRAIN, BASELINE = 9, tuple(range(1, 9)), "baseline:regression"
DRAWS, LEVEL, SEED, BATCH = 20, 0.9, 1, 50


def scores(generator: Generator, whole: ECG, given: Sequence[str], patients: Sequence[str]) -> dict[str, Any]:
    """Scores of one set of given leads, for twelve leads of some records."""
    scored = [lead for lead in STANDARD_LEADS if lead not in determined_by(given)]
    true, parts = whole.pick(*scored).signal.numpy(), []
    for start in range(0, len(whole), BATCH):
        own = whole[start : start + BATCH]
        condition = Condition.none(len(own), own.seconds, own.fs).with_leads(own.pick(*given))
        single = generator.sample(condition, SEED, first=start).pick(*scored).signal.numpy()
        if isinstance(generator, Baseline):
            parts.append((single, single, single, single))
            continue
        found = generator.reconstruct(condition, num_draws=DRAWS, level=LEVEL, seed=SEED + start, keep_draws=False)
        edges = (each.pick(*scored).signal.numpy() for each in (found.mean, found.lower, found.upper))
        parts.append((*edges, single))
    mean, lower, upper, single = (np.concatenate(part) for part in zip(*parts, strict=True))
    r = np.nan_to_num(pearson(mean, true))
    made = {"r": _short(r.mean()), "r_interval": patient_interval(r, patients, SEED)}
    made["per_lead"] = dict(zip(scored, (_short(one) for one in r.mean(0)), strict=True))
    if isinstance(generator, Baseline):
        return made
    inside = ((true >= lower) & (true <= upper)).mean(-1)
    return made | {
        "coverage": _short(inside.mean()),
        "coverage_interval": patient_interval(inside, patients, SEED),
        "width_mv": _short((upper - lower).mean()),
        "r_one_draw": _short(np.nan_to_num(pearson(single, true)).mean()),
    }


def _short(value: float) -> float:
    return round(float(value), 4)


def chosen(pack: Pack, limit: int) -> tuple[ECG, list[str]]:
    """Twelve leads of random records of the fold, and their patients."""
    rows = np.sort(np.random.default_rng(SEED).permutation(pack.rows((FOLD,)))[:limit])
    eight = torch.from_numpy(pack.ecg(rows).signal.numpy())
    return ECG(eight, INDEPENDENT_LEADS, pack.preprocessor.fs).standard(), pack.index.patient.iloc[rows].tolist()


def main() -> None:
    """Score one or more models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--model", action="append", required=True, help=f"checkpoint, or {BASELINE}")
    parser.add_argument("--limit", type=int, default=300, help="number of records")
    parser.add_argument("--out", type=Path, required=True, help="JSON file, which is extended")
    options = parser.parse_args()
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {"scores": {}}
    for name in options.model:
        generator = baseline(name) if name == BASELINE else checkpoint.load(storage.find(name))
        pack = data.pack(data.recordings(options.data), generator.preprocessor, options.cache)
        if isinstance(generator, Baseline):
            generator.fit(pack, pack.rows(TRAIN))
        whole, patients = chosen(pack, options.limit)
        made = {
            " ".join(given): scores(generator, whole, given, patients)
            for given in track(list(SETS), description=f"reconstructing with {generator.name}")
        }
        found |= {"n": len(whole), "patients": len(set(patients)), "seed": SEED, "fold": FOLD, "draws": DRAWS}
        kept = {own: one for own, one in found["scores"].items() if own.split("@")[0] != name}
        about = {"commit": commit(), "date": datetime.date.today().isoformat()}
        found["scores"] = kept | {generator.name: about | {"sets": made}}
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
