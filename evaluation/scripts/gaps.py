"""Recordings with gaps: ``python -m evaluation.scripts.gaps --model flow --data PTBXL --out FILE``.

Paper strips: each lead of a record is kept for 2.5 s of ten, in columns of three (3 × 4), without and with a rhythm
strip of lead II. The missing parts are reconstructed and compared with the record. The baseline repeats the median beat
of the recorded strip at every R peak of the complete record, which the generator does not see.

Gaps of one lead: a gap of varying length is made in lead II, which is the only lead given. Compared are its
reconstruction, linear interpolation, and the median of the lead.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecggen import data
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.projection import determined
from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.gaps import interpolated, runs
from ecggen.core.rhythm import DETECTOR, r_peaks
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.io import read
from ecggen.io.results import commit, store
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.metrics.functional.waveform import mean_squared_error, pearson

COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
"""Leads of the columns of a page, from left to right."""
LENGTHS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Lengths of gaps in s."""
BEFORE, AFTER = 0.4, 0.6
"""Duration of a median beat in s before and after its R peak."""
LEVEL = 0.9

DEFINITIONS = {
    "r": "mean over records and leads of Pearson's r over the missing samples, 0.5–40 Hz",
    "rmse_mv": "mean over leads of the root of the mean squared error over records and missing samples, 0.5–40 Hz, mV",
    "coverage": f"share of missing samples inside the {LEVEL:.0%} prediction interval",
    "median beat": f"median beat of each lead's strip at the R peaks of the complete record ({DETECTOR})",
    "gap": "median over records of the root mean squared error in the gap, mV",
}


def strips(samples: int, rhythm: bool) -> Tensor:
    """Recorded samples of twelve leads on a page, (12, time) bool; with ``rhythm``, lead II is recorded throughout."""
    mask = torch.zeros(len(STANDARD_LEADS), samples, dtype=torch.bool)
    for number, leads in enumerate(COLUMNS):
        for lead in leads:
            first, last = (round(part * samples / len(COLUMNS)) for part in (number, number + 1))
            mask[STANDARD_LEADS.index(lead), first:last] = True
    mask[STANDARD_LEADS.index("II")] |= rhythm
    return mask


def median_beats(truth: ECG, mask: Tensor) -> np.ndarray:
    """The median beat of each recorded strip, repeated at every R peak of the complete record, (record, 12, time)."""
    before, after = round(BEFORE * truth.fs), round(AFTER * truth.fs)
    repeated = np.zeros(truth.signal.shape, np.float32)
    for row, signal, peaks in zip(repeated, truth.signal.numpy(), r_peaks(truth), strict=True):
        at = np.rint(peaks * truth.fs).astype(int)
        if not len(at):
            continue
        known = np.pad(np.where(mask.numpy(), signal, np.nan), ((0, 0), (before, after)), constant_values=np.nan)
        windows = np.stack([known[:, peak : peak + before + after] for peak in at])
        beat = np.nan_to_num(np.nanmedian(windows, 0))
        time = np.arange(truth.samples)
        offset = time - at[np.abs(time[:, None] - at - (after - before) // 2).argmin(1)]
        inside = (offset >= -before) & (offset < after)
        row[:, inside] = beat[:, offset[inside] + before]
    return repeated


def scores(predicted: np.ndarray, true: np.ndarray, missing: np.ndarray, patients: list[str], seed: int) -> dict:
    """r and RMSE of (record, 12, time) over the missing samples (12, time)."""
    rows = np.flatnonzero(missing.any(1))
    r = np.stack([np.nan_to_num(pearson(predicted[:, i, missing[i]], true[:, i, missing[i]])) for i in rows], 1)
    squared = np.stack([mean_squared_error(predicted[:, i, missing[i]], true[:, i, missing[i]]) for i in rows], 1)
    return {
        "r": float(r.mean()),
        "r_interval": patient_interval(r, patients, seed),
        "rmse_mv": float(np.sqrt(squared.mean(0)).mean()),
        "rmse_mv_interval": patient_interval(squared, patients, seed, statistic=lambda means: np.sqrt(means).mean(1)),
    }


def on_paper(generator: Generator, ecg: ECG, patients: list[str], rhythm: bool, draws: int, seed: int) -> dict:
    """Scores of the generator and of the baseline for paper strips."""
    mask = strips(ecg.samples, rhythm)
    condition = Condition(ECG(ecg.signal.where(mask, torch.nan), ecg.leads, ecg.fs))
    found = generator.reconstruct(condition, num_draws=draws, level=LEVEL, seed=seed, keep_draws=False)
    truth, mean = generator.preprocessor.ecg(ecg), generator.preprocessor.ecg(found.mean).signal
    missing = ~determined(mask[None])[0].numpy()
    below, above = (edge.signal - found.mean.signal for edge in (found.lower, found.upper))
    inside = (truth.signal >= mean + below) & (truth.signal <= mean + above)
    own = scores(mean.numpy(), truth.signal.numpy(), missing, patients, seed)
    own["coverage"] = float(inside[:, torch.from_numpy(missing)].float().mean())
    baseline = scores(median_beats(truth, mask), truth.signal.numpy(), missing, patients, seed)
    return {generator.name: own, "median beat": baseline}


def in_one_lead(generator: Generator, ecg: ECG, seconds: float, draws: int, seed: int) -> dict[str, float]:
    """Error in a gap of lead II, which is the only lead given."""
    lead, rng, size = ecg.pick("II"), np.random.default_rng(seed), round(seconds * ecg.fs)
    gap = torch.zeros_like(lead.signal, dtype=torch.bool)
    for row, at in zip(gap, rng.integers(round(2 * ecg.fs), round(8 * ecg.fs) - size, len(ecg)), strict=True):
        row[..., at : at + size] = True
    condition = Condition(ECG(lead.signal.where(~gap, torch.nan), lead.leads, lead.fs))
    found = generator.reconstruct(condition, num_draws=draws, seed=seed, keep_draws=False).mean.pick("II").signal
    waves, holes = lead.signal[:, 0].numpy(), gap[:, 0].numpy()
    lines = np.stack([interpolated(wave, runs(hole)) for wave, hole in zip(waves, holes, strict=True)])
    level = np.median(waves, 1, keepdims=True).repeat(ecg.samples, 1)

    def error(predicted: np.ndarray) -> float:
        squares = (((predicted - waves) ** 2) * holes).sum(1) / size
        return float(np.median(np.sqrt(squares)))

    return {"generated": error(found[:, 0].numpy()), "linear": error(lines), "median": error(level)}


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="flow")
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--limit", type=int, default=64, help="number of records of fold 9, evenly spaced")
    parser.add_argument("--draws", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    arguments = parser.parse_args()
    generator = checkpoint.load(arguments.model)
    fold = [one for one in data.recordings(arguments.data) if one.fold == 9]
    chosen = [fold[at] for at in np.unique(np.linspace(0, len(fold) - 1, arguments.limit).astype(int))]
    ecg = ECG.cat([read(one.path, check=False) for one in chosen])
    patients, draws, seed = [one.patient for one in chosen], arguments.draws, arguments.seed
    results: dict[str, Any] = {
        "definitions": DEFINITIONS,
        "model": generator.name,
        "n": len(ecg),
        "patients": len(set(patients)),
        "folds": [9],
        "seed": seed,
        "draws": draws,
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "strips": {
            name: on_paper(generator, ecg, patients, rhythm, draws, seed)
            for name, rhythm in (("3 × 4", False), ("3 × 4 with a rhythm strip of lead II", True))
        },
        "gaps": {f"{seconds:g}": in_one_lead(generator, ecg, seconds, draws, seed) for seconds in LENGTHS},
    }
    store(results, arguments.out, overwrite=True)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
