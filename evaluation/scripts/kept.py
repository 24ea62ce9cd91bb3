"""What variations keep: ``python -m evaluation.scripts.kept --data PTBXL --out FILE``.

Records of fold 9 are varied with their heart, their rhythm or both kept, given their report, age and sex.
The variations are decomposed again, and their median beats and R peaks compared with those of the recordings.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from ecggen import data
from ecggen.conditioning.condition import Condition
from ecggen.core.beats import BEFORE, decompose
from ecggen.core.ecg import ECG
from ecggen.core.rhythm import r_peaks
from ecggen.data import Recording
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator, independent_leads
from ecggen.generators.hearts.variation import FEWEST, KEEP, Keep
from ecggen.io import read
from ecggen.io.results import commit, store

SECONDS, FS = 10.0, 100.0
NEAR = 0.02
"""Largest distance in s of R peaks that are the same."""
EDGE = 0.3
"""Seconds at both ends in which R peaks are not compared."""
PART = (-0.25, 0.40)
"""Seconds around the R peak in which median beats are compared."""
SHIFTS = np.arange(-3, 3.01, 0.2)
"""Shifts in samples at which they are compared."""

DEFINITIONS = {
    "heart_r": "correlation of the median beats of variation and recording over eight leads, median and 5 % quantile",
    "identified": "share of variations whose median beat is most like that of their own recording, of all n",
    "draws_r": "correlation of the median beats of two variations with the rhythm of a recording, median",
    "r_peaks": "share of the recording's R peaks with one of the variation within 20 ms",
    "rate_difference": "median difference of the mean heart rates, per minute",
}


def medians(ecg: ECG) -> tuple[np.ndarray, list[np.ndarray]]:
    """Median beats (record, 8, time) in mV, and the R peaks of each record in s."""
    peaks = r_peaks(ecg)
    waves = ecg.signal.double().numpy()
    return np.stack([decompose(wave, ecg.fs, at)[0].median for wave, at in zip(waves, peaks, strict=True)]), peaks


def similarity(beats: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(beat, other) largest correlation of median beats over ``SHIFTS``."""
    at = np.arange(*(round((BEFORE + edge) * FS) for edge in PART))

    def flat(these: np.ndarray, shift: float) -> np.ndarray:
        part = CubicSpline(np.arange(these.shape[-1]), these, axis=-1)(at + shift)
        part = (part - part.mean(-1, keepdims=True)).reshape(len(these), -1)
        return part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9)

    return np.max([flat(beats, shift) @ flat(others, 0).T for shift in SHIFTS], 0)


def found(recorded: np.ndarray, others: np.ndarray) -> float:
    """Share of R peaks that are those of the recording."""
    inner = recorded[(recorded > EDGE) & (recorded < SECONDS - EDGE)]
    return float((np.abs(inner[:, None] - others) <= NEAR).any(1).mean()) if len(others) else 0.0


def measured(generator: Generator, ecg: ECG, condition: Condition, seed: int) -> dict[str, Any]:
    """What variations of ``ecg`` keep, by what was to be kept."""
    whole = generator.preprocessor.ecg(independent_leads(ecg))
    beats, peaks = medians(whole)
    scores, rhythm = {}, beats
    for keep in KEEP:
        own, at = medians(varied(generator, ecg, condition, keep, seed))
        rhythm = own if keep == "rhythm" else rhythm
        alike = similarity(own, beats)
        rates = [np.array([60 / np.mean(np.diff(one)) for one in each]) for each in (peaks, at)]
        scores[keep] = {
            "heart_r": np.quantile(np.diag(alike), [0.5, 0.05]).round(3).tolist(),
            "identified": float((alike.argmax(1) == np.arange(len(alike))).mean()),
            "r_peaks": float(np.mean([found(*pair) for pair in zip(peaks, at, strict=True)])),
            "rate_difference": float(np.median(np.abs(rates[1] - rates[0])).round(2)),
        }
    other, _ = medians(varied(generator, ecg, condition, "rhythm", seed + 1))
    scores["rhythm"]["draws_r"] = float(np.median(np.diag(similarity(rhythm, other))).round(3))
    return scores


def varied(generator: Generator, ecg: ECG, condition: Condition, keep: Keep, seed: int) -> ECG:
    """Variations as they are compared: preprocessed, eight leads."""
    return generator.preprocessor.ecg(independent_leads(generator.vary(ecg, condition, keep=keep, seed=seed)))


def chosen(folder: Path, limit: int) -> tuple[ECG, list[Recording]]:
    """Records of fold 9, evenly spaced, with enough beats."""
    fold = [one for one in data.recordings(folder) if one.fold == 9]
    some = [fold[at] for at in np.unique(np.linspace(0, len(fold) - 1, limit).astype(int))]
    ecgs = [read(one.path, check=False).standard().resample(FS) for one in some]
    usable = [at for at, ecg in enumerate(ecgs) if len(r_peaks(ecg)[0]) >= FEWEST]
    return ECG.cat([ecgs[at] for at in usable]), [some[at] for at in usable]


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["gan", "vae", "flow", "diffusion"])
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--limit", type=int, default=100, help="number of records of fold 9")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    arguments = parser.parse_args()
    ecg, records = chosen(arguments.data, arguments.limit)
    condition = Condition(
        text=[one.report for one in records],
        age=[one.age for one in records],
        sex=[one.sex for one in records],
        seconds=SECONDS,
        fs=FS,
    )
    results: dict[str, Any] = {
        "definitions": DEFINITIONS,
        "n": len(ecg),
        "patients": len({one.patient for one in records}),
        "folds": [9],
        "settings": {"seed": arguments.seed, "given": ["text", "age", "sex"]},
        "scores": {},
    }
    for name in arguments.models:
        generator = checkpoint.load(name)
        stamp = {"commit": commit(), "date": datetime.date.today().isoformat(), "n": len(ecg)}
        results["scores"][generator.name] = stamp | {"keep": measured(generator, ecg, condition, arguments.seed)}
        store(results, arguments.out, overwrite=True)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
