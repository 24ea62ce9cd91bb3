"""How often a PPG and an ECG are recognised by their waveform, and how exact the pulse rate is.

    python -m evaluation.scripts.pulses --data FOLDER --out evaluation/results/pulses.json

FOLDER holds ``ptb-xl``, ``ludb``, ``cinc2011``, ``cinc2015`` and ``bidmc``. The thresholds of ``ecggen.core.waveform``
and ``ecggen.core.rhythm.DICROTIC`` were chosen on folds 1–8 of PTB-XL, BIDMC, CinC 2015 and simulated signals of other
seeds; fold 9 of PTB-XL, LUDB and CinC 2011 had no part in it.

Pulse rates are compared with the heart rate of lead II in windows in which two R detectors agree, before (every rise of
the PPG is a beat) and after dicrotic waves are left out.
"""

from __future__ import annotations

import argparse
import csv
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecggen import data
from ecggen.core.errors import InputError
from ecggen.core.rhythm import heart_rate, pulses
from ecggen.core.signal_quality import RATE, agreement, beats_by_energy, beats_by_slope, prepare, qrs_band
from ecggen.core.simulate import simulate_ppg
from ecggen.core.waveform import looks_like_ecg, looks_like_ppg
from ecggen.io.ppg import decode, fill_gaps
from ecggen.io.pulse_checks import UPSIDE_DOWN, lean
from ecggen.io.results import commit, store
from evaluation.scripts.non_ecgs import KINDS, non_ecg

SHORT, LONG = 10, 30
"""Lengths of the windows in s; pulse rates are judged in the longer ones."""
EVERY = 3
"""Of the windows of monitors, and of the records of PTB-XL, every third is judged by its waveform."""
AGREEMENT = 0.9
"""Smallest agreement of the two R detectors in a window whose pulse rate is judged."""
RIGHT = 0.1
"""Largest relative error of a pulse rate that counts as right."""
SIMULATED = 200
SEED = 21
BEATS = ("regular", "atrial fibrillation", "bigeminy", "trigeminy", "alternans")


@dataclass(frozen=True)
class Channel:
    """One channel of a recording.

    Attributes:
        record: Name of the recording.
        name: Name of the channel.
        wave: (time,) float64 without gaps.
        fs: Sampling rate in Hz.
    """

    record: str
    name: str
    wave: np.ndarray
    fs: float

    def windows(self, seconds: float) -> Iterator[tuple[int, np.ndarray]]:
        """Number and samples of each window that is not flat."""
        size = round(seconds * self.fs)
        for number in range(len(self.wave) // size):
            part = self.wave[number * size : (number + 1) * size]
            if np.isfinite(part).all() and np.ptp(part) > 0:
                yield number, part


def channels(path: Path) -> list[Channel]:
    """The channels of a file, with gaps of at most 0.2 s filled; none if it cannot be decoded."""
    try:
        found = decode(path, None)
    except InputError:
        return []
    waves, _ = fill_gaps(found.values, float(found.fs or 0))
    names = [(name or "").strip(" ,") for name in found.names]
    return [Channel(path.stem, name, wave, float(found.fs or 0)) for name, wave in zip(names, waves, strict=True)]


def shape(wave: np.ndarray, fs: float) -> str:
    """What a wave is taken for: "ppg", "ecg" or "neither"; a PPG may be upside down, as in ``read_ppg``."""
    inverted = lean(wave, fs) < UPSIDE_DOWN
    if looks_like_ppg(-wave if inverted else wave, fs, regular=inverted):
        return "ppg"
    return "ecg" if looks_like_ecg(wave, fs) else "neither"


def shares(shapes: list[str]) -> dict[str, Any]:
    """n, and the share of each answer."""
    return {"n": len(shapes)} | {
        one: round(float(np.mean([shape == one for shape in shapes])), 4) for one in ("ppg", "ecg", "neither")
    }


def ecgs(folder: Path) -> dict[str, Any]:
    """Answers for single leads of recordings of 10 s."""
    with (folder / "cinc2011" / "quality.csv").open(newline="") as file:
        quality = dict(list(csv.reader(file))[1:])
    sets: dict[str, list[Path]] = {
        "PTB-XL, fold 9": [one.path for one in data.recordings(folder / "ptb-xl") if one.fold == 9][::EVERY],
        "LUDB": sorted((folder / "ludb" / "data").glob("*.hea")),
    }
    for kind in ("acceptable", "unacceptable"):
        paths = sorted((folder / "cinc2011").glob("*.hea"))
        sets[f"CinC 2011, {kind}"] = [path for path in paths if quality[path.stem] == kind]
    return {name: shares([*_shapes_of_leads(paths)]) for name, paths in sets.items()}


def _shapes_of_leads(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        for lead in channels(path.with_suffix(".hea")):
            if np.isfinite(lead.wave).all() and np.ptp(lead.wave) > 0:
                yield shape(lead.wave, lead.fs)


def monitors(paths: list[Path]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Answers for the channels of monitor recordings, and the errors of their pulse rates in windows of 30 s."""
    shapes: dict[str, list[str]] = {}
    errors: list[dict[str, Any]] = []
    for path in paths:
        found = {channel.name: channel for channel in channels(path)}
        for name, channel in found.items():
            for seconds in (SHORT, LONG):
                every = [wave for number, wave in channel.windows(seconds) if number % EVERY == 0]
                shapes.setdefault(f"{name}, {seconds} s", []).extend(shape(wave, channel.fs) for wave in every)
        for error in pairs(found.get("PLETH"), found.get("II")):
            errors.append(error | {"record": path.stem, "ventricular": ventricular(path)})
    right = [one["shape"] for one in errors if abs(one["after"]) <= RIGHT * one["true"]]
    shapes[f"PLETH with the heart rate of the ECG, {LONG} s"] = right
    return {name: shares(shapes[name]) for name in sorted(shapes)}, errors


def pairs(ppg: Channel | None, lead: Channel | None) -> Iterator[dict[str, Any]]:
    """Error of the pulse rate, and waveform of the PPG, in each window in which the heart rate is certain."""
    if ppg is None or lead is None:
        return
    leads = dict(lead.windows(LONG))
    for number, wave in ppg.windows(LONG):
        true = certain_rate(leads[number], lead.fs) if number in leads else None
        if true is not None:
            yield rate_errors(wave, ppg.fs, true) | {"shape": shape(wave, ppg.fs)}


def certain_rate(lead: np.ndarray, fs: float) -> float | None:
    """Heart rate per minute of lead II; None if two detectors disagree."""
    wave = prepare(lead[None], fs)
    one, other = beats_by_slope(wave[0]), beats_by_energy(qrs_band(wave)[0])
    if min(len(one), len(other)) < 3 or agreement(one, other) < AGREEMENT:
        return None
    return heart_rate(one / RATE)


def rate_errors(ppg: np.ndarray, fs: float, true: float) -> dict[str, Any]:
    """Error of the pulse rate per minute before and after dicrotic waves are left out; 0 is the rate without pulses."""
    found = pulses(ppg, fs)
    every = np.sort(np.r_[found.rises, found.dicrotic])
    after, before = (heart_rate(times) or 0.0 for times in (found.rises, every))
    return {"before": before - true, "after": after - true, "true": true, "dicrotic": len(found.dicrotic) > 0}


def errors_of(errors: list[dict[str, Any]]) -> dict[str, Any]:
    """Errors of all windows, of those whose PPG looks like one, and of those in which dicrotic waves are left out."""
    groups: dict[str, Callable[[dict[str, Any]], bool]] = {
        "all": lambda one: True,
        "with the waveform of a PPG": lambda one: one.get("shape") == "ppg",
        "with dicrotic waves left out": lambda one: one["dicrotic"],
    }
    return {name: _summary(some) for name, keep in groups.items() if (some := [one for one in errors if keep(one)])}


def _summary(errors: list[dict[str, Any]]) -> dict[str, Any]:
    before, after, true = (np.array([one[name] for one in errors]) for name in ("before", "after", "true"))
    gained = np.abs(before) - np.abs(after)
    return {
        "n": len(errors),
        "records": len({one.get("record") for one in errors}),
        "mae_before": round(float(np.abs(before).mean()), 3),
        "mae_after": round(float(np.abs(after).mean()), 3),
        "half_as_fast_again_before": int((before > 0.5 * true).sum()),
        "half_as_fast_again_after": int((after > 0.5 * true).sum()),
        "better_by_3": int((gained > 3).sum()),
        "worse_by_3": int((gained < -3).sum()),
    }


def ventricular(path: Path) -> bool:
    """Whether a record of CinC 2015 has a true alarm of ventricular tachycardia, flutter or fibrillation."""
    header = path.read_text(encoding="utf-8", errors="replace") if path.suffix == ".hea" else ""
    return "#Ventricular" in header and "#True" in header


def simulated_beats(kind: str, rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Times of R peaks in s. Premature beats come 0.45 to 0.7 s after the beat before, and a pause follows."""
    mean = 60 / rng.uniform(55, 110)
    early = min(rng.uniform(0.45, 0.7), 0.8 * mean)
    steps = {
        "bigeminy": [early, 2 * mean - early],
        "trigeminy": [mean, early, 2 * mean - early],
        "alternans": [60 / rng.uniform(60, 140)],
    }.get(kind, [mean])
    every = np.resize(steps, 400) + rng.normal(0, 0.01, 400)
    if kind == "atrial fibrillation":
        every = np.clip(rng.normal(0.63, 0.14, 400), 0.35, 1.3)
    beats = np.cumsum(every)
    return beats[beats < seconds]


def simulated(kind: str, rng: np.random.Generator, seconds: float = 30, fs: float = 100) -> tuple[np.ndarray, float]:
    """A simulated PPG at 100 Hz, and its heart rate; with ``kind`` "large dicrotic waves", regular beats with these."""
    if kind == "large dicrotic waves":
        rate = rng.uniform(45, 95)
        beats = np.arange(0.4, seconds, 60 / rate) + rng.normal(0, 0.01, len(np.arange(0.4, seconds, 60 / rate)))
        late = 0.413 - 1.7e-3 * rate + rng.uniform(0, 0.05)
        second = simulate_ppg(beats + late, seconds, fs, rng, plain=True)
        return simulate_ppg(beats, seconds, fs, rng, plain=True) + rng.uniform(0.5, 0.85) * second, rate
    beats = simulated_beats(kind, rng, seconds)
    if kind != "alternans":
        return simulate_ppg(beats, seconds, fs, rng), float(heart_rate(beats) or 0)
    wave = simulate_ppg(beats[::2], seconds, fs, rng, plain=True)
    weak = simulate_ppg(beats[1::2], seconds, fs, rng, plain=True)
    return wave + rng.uniform(0.5, 0.85) * weak, float(heart_rate(beats) or 0)


def simulations() -> tuple[dict[str, Any], dict[str, Any]]:
    """Answers for signals that are no ECG, and errors of the pulse rate in simulated rhythms."""
    rng = np.random.default_rng(SEED)
    shapes = {kind: shares([shape(*non_ecg(kind, rng)) for _ in range(SIMULATED)]) for kind in KINDS}
    slow = [
        np.sin(2 * np.pi * rng.uniform(0.5, 3) * np.arange(1000) / 100 + rng.uniform(0, 6)) for _ in range(SIMULATED)
    ]
    shapes["sine of 0.5 to 3 Hz"] = shares([shape(wave, 100.0) for wave in slow])
    rates = {}
    for kind in (*BEATS, "large dicrotic waves"):
        errors = [rate_errors(wave, 100.0, rate) for wave, rate in (simulated(kind, rng) for _ in range(SIMULATED))]
        rates[kind] = {name: one for name, one in errors_of(errors).items() if name != "with the waveform of a PPG"}
    return shapes, rates


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="the JSON to write")
    options = parser.parse_args()
    cinc = sorted((options.data / "cinc2015").glob("*.hea"))
    bidmc = sorted(options.data.glob("bidmc/**/bidmc_*_Signals.csv"))
    simulated_shapes, simulated_rates = simulations()
    shapes: dict[str, Any] = {"single leads": ecgs(options.data), "simulated": simulated_shapes}
    rates: dict[str, Any] = {"simulated": simulated_rates}
    for name, paths in {"BIDMC": bidmc, "CinC 2015": cinc}.items():
        shapes[name], errors = monitors(paths)
        rates[name] = errors_of(errors)
    rates["CinC 2015, true ventricular alarms"] = errors_of([one for one in errors if one["ventricular"]])
    measured = {
        "definitions": {
            "waveform": "share of single channels that looks_like_ppg (of the upright wave) and looks_like_ecg accept",
            "pulse rate": "per minute, error against lead II in windows in which two R detectors agree on 90 %",
            "mae_before": "mean absolute error if every rise of the PPG is a beat",
            "mae_after": "mean absolute error without the rises of dicrotic waves",
            "half_as_fast_again": "windows whose pulse rate exceeds 1.5 times the true rate",
            "better_by_3, worse_by_3": "windows whose absolute error changed by more than 3 per minute",
        },
        "chosen_on": "PTB-XL folds 1–8, BIDMC, CinC 2015, simulated signals of other seeds",
        "n": SIMULATED,
        "seed": SEED,
        "command": "python -m evaluation.scripts.pulses --data FOLDER --out evaluation/results/pulses.json",
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "waveform": shapes,
        "pulse_rate": rates,
    }
    store(measured, options.out, overwrite=True)


if __name__ == "__main__":
    main()
