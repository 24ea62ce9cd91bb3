"""How far the beats of a PPG can be trusted: their probabilities, times, rhythm, variability and rate, next to the ECG.

    python -m evaluation.scripts.pulse_beats --data BIDMC --data CINC2015 --out evaluation/results/pulse_beats.json

Folds 9 and 10 of both archives are scored. Fold 8 chose the thresholds of ``ecggen.conditioning.pulse_beats`` and the
constants of the interval of the rate; the other thresholds of ``ecggen.core.pulse_rhythm`` were set beforehand; folds
1–7 trained the network.

The reference is the recorded lead II. An R peak counts where two detectors find it. Atrial fibrillation is judged by
the criterion of ``ecggen.metrics.criteria``: no P wave in most beats and an irregularity of RR above .08.
"""

from __future__ import annotations

import argparse
import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen import data
from ecggen.benchmark.translation import constant_delay
from ecggen.conditioning import pulse_beats
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.errors import InputError
from ecggen.core.pulse_rhythm import FEWEST, PART, Rhythm, early_beats, refused_parts, rhythm_of, weak_pulses
from ecggen.core.rhythm import r_peaks
from ecggen.data.bidmc import read_signals
from ecggen.data.sources import archive
from ecggen.evaluators.delineator import delineate
from ecggen.io.results import commit, store
from ecggen.training.pulse_examples import trusted_parts
from evaluation.scripts.pulse_rates import LENGTHS, rates_of, summary_of_rates

FOLDS = (9, 10)
NEAR = 0.05
"""Distance in s within which a beat has an R peak."""
P_SHARE, IRREGULARITY = 0.5, 0.08
"""Of the criterion of atrial fibrillation: largest share of beats with a P wave, and smallest irregularity of RR."""
BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.01)
"""Edges of probabilities whose reliability is stored."""
LONGEST_RR = 2.5
"""Longest interval in s between R peaks that are next to each other."""


def measure(recording: data.Recording) -> dict[str, Any] | None:
    """What is compared in one recording; None if it cannot be read."""
    try:
        ecg, ppg = read_signals(recording.path)
    except InputError:
        return None
    lead = Preprocessor().ecg(ecg)
    (peaks,) = r_peaks(lead, between=True)
    waves = delineate(ecg)
    trusted = trusted_parts(peaks, waves.peaks[0], lead.samples, lead.fs)
    (beats,) = pulse_beats.read(ppg[None], torch.ones(1, len(ppg), dtype=torch.bool), ecg.fs)
    delay = constant_delay([beats.times], [peaks])
    found: dict[str, Any] = {"name": recording.name, "patient": recording.patient, "seconds": ecg.seconds}
    rhythm = rhythm_of(beats.times, beats.probabilities, beats.missed)
    true = _true_rhythm(peaks, trusted, lead.fs)
    p_share = float(np.isfinite(waves.p_peak[0, 0, : len(waves.peaks[0])]).mean()) if len(waves.peaks[0]) else np.nan
    fibrillating = true[2] > IRREGULARITY and p_share < P_SHARE if true else None
    found["rates"] = rates_of(recording)
    refused = refused_parts(ecg.seconds, beats.times, beats.probabilities)
    found |= {"rhythm": rhythm, "true": true, "fibrillating": fibrillating}
    found["refused"] = sum(part.end - part.start for part in refused)
    found["beats"] = _beats(beats, peaks, trusted, lead.fs, delay or 0.0, refused)
    found["premature"] = _premature(beats, ppg.numpy(), ecg.fs, peaks, delay or 0.0)
    return found


def _true_rhythm(peaks: np.ndarray, trusted: np.ndarray, fs: float) -> tuple[float, float, float] | None:
    """SDNN and RMSSD in ms and irregularity of the trusted RR intervals; None for too few."""
    at = np.round(peaks * fs).astype(int).clip(0, len(trusted) - 1)
    gaps = np.diff(peaks)
    fine = trusted[at[1:]] & trusted[at[:-1]] & (gaps < LONGEST_RR)
    steps = np.diff(gaps)[fine[1:] & fine[:-1]]
    if fine.sum() < FEWEST or len(steps) < FEWEST // 2:
        return None
    rr = gaps[fine]
    return (
        float(1000 * rr.std(ddof=1)),
        float(1000 * np.sqrt((steps**2).mean())),
        float(np.abs(steps).mean() / rr.mean()),
    )


def _beats(beats, peaks: np.ndarray, trusted: np.ndarray, fs: float, delay: float, refused) -> np.ndarray:
    """(beat, 4): error and deviation in s, probability, and whether its part is refused, of beats in trusted parts."""
    times = beats.times - delay
    at = np.round(times * fs).astype(int)
    inside = (at >= 0) & (at < len(trusted))
    inside[inside] = trusted[at[inside]]
    if not len(peaks) or not inside.any():
        return np.zeros((0, 4))
    error = np.array([time - peaks[np.abs(peaks - time).argmin()] for time in times])
    out = np.array([any(part.start <= time < part.end for part in refused) for time in beats.times])
    return np.stack([error, beats.deviations, beats.probabilities, out], 1)[inside]


def _premature(beats, wave: np.ndarray, fs: float, peaks: np.ndarray, delay: float) -> list[int]:
    """Numbers of premature R peaks: all; found as a beat; marked as early; marked as weak."""
    early, weak = early_beats(beats.times), weak_pulses(wave, fs, beats.times)
    counts = [0, 0, 0, 0]
    for peak in peaks[early_beats(peaks)]:
        counts[0] += 1
        if not len(beats):
            continue
        nearest = int(np.abs(beats.times - delay - peak).argmin())
        if abs(beats.times[nearest] - delay - peak) <= 2 * NEAR:
            counts[1] += 1
            counts[2] += int(early[nearest])
            counts[3] += int(weak[nearest])
    return counts


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The scores of the recordings of one archive."""
    beats = np.concatenate([one["beats"] for one in found])
    kept, out = beats[beats[:, 3] == 0], beats[beats[:, 3] == 1]
    near = np.abs(kept[:, 0]) <= NEAR
    matched = np.abs(kept[:, 0]) <= 3 * NEAR
    ratio = kept[matched, 0] / kept[matched, 1]
    bins = [
        {
            "from": low,
            "n": int(inside.sum()),
            "mean": float(kept[inside, 2].mean()),
            "right": float(near[inside].mean()),
        }
        for low, high in pairwise(BINS)
        if (inside := (kept[:, 2] >= low) & (kept[:, 2] < high)).sum() > 20
    ]
    judged = [
        one for one in found if one["fibrillating"] is not None and one["rhythm"].fibrillation_suspected is not None
    ]
    yes = [one["rhythm"].fibrillation_suspected for one in judged if one["fibrillating"]]
    no = [not one["rhythm"].fibrillation_suspected for one in judged if not one["fibrillating"]]
    return {
        "n": len(found),
        "patients": len({one["patient"] for one in found}),
        "refused": sum(one["refused"] for one in found) / sum(one["seconds"] for one in found),
        "beats": {
            "n": len(kept),
            "within_50_ms": float(near.mean()),
            "within_50_ms_refused": float((np.abs(out[:, 0]) <= NEAR).mean()) if len(out) else None,
            "within_one_deviation": float((np.abs(ratio) <= 1).mean()),
            "within_two_deviations": float((np.abs(ratio) <= 2).mean()),
            "median_deviation_ms": float(1000 * np.median(kept[:, 1])),
            "reliability": bins,
        },
        "fibrillation": {
            "n": len(judged),
            "with": len(yes),
            "sensitivity": float(np.mean(yes)) if yes else None,
            "specificity": float(np.mean(no)) if no else None,
            "not_judged": len(found) - len(judged),
        },
        "variability": {name: _bias(found, name, at) for at, name in enumerate(("sdnn_ms", "rmssd_ms"))},
        "rates": summary_of_rates([part for one in found for part in one["rates"]]),
        "premature": dict(
            zip(("n", "found", "early", "weak"), map(int, np.sum([one["premature"] for one in found], 0)), strict=True)
        ),
    }


def _bias(found: list[dict[str, Any]], name: str, at: int) -> dict[str, float]:
    """Difference between PPG and ECG of one measure: mean, standard deviation and median, and the median of the ECG."""
    rows: list[tuple[float, float]] = []
    for one in found:
        rhythm: Rhythm = one["rhythm"]
        value = getattr(rhythm, name)
        if value is not None and one["true"] is not None:
            rows.append((value, one["true"][at]))
    table = np.array(rows).reshape(-1, 2)
    gap = table[:, 0] - table[:, 1]
    return {
        "n": len(rows),
        "mean": float(gap.mean()),
        "sd": float(gap.std(ddof=1)),
        "median": float(np.median(gap)),
        "ecg_median": float(np.median(table[:, 1])),
    }


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, help="BIDMC or CinC 2015; repeatable")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--folds", type=int, nargs="*", default=list(FOLDS))
    options = parser.parse_args()
    archives, every = {}, []
    for folder in options.data:
        chosen = [one for one in data.recordings(folder) if one.paired and one.fold in options.folds]
        found = [one for one in map(measure, chosen) if one is not None]
        archives[archive(folder)] = summary(found)
        every += found
    result = {
        "settings": {"folds": options.folds, "part_s": PART, "near_s": NEAR, "rates_s": list(LENGTHS)},
        "model": pulse_beats.name_of(),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "archives": archives,
        "all": summary(every),
    }
    store(result, options.out)


if __name__ == "__main__":
    main()
