"""How often ``ecggen.io.signal_quality`` and the doubts of ``ecggen info`` are right.

    python -m evaluation.scripts.signal_quality --data FOLDER --out evaluation/results/signal_quality.json

FOLDER holds ``ptb-xl``, ``cinc2011`` (with ``quality.csv``), ``cinc2015``, ``cinc2021``, ``bidmc`` and ``ludb``.
Weights and limits were chosen on folds 1–8 of PTB-XL, on the other half of CinC 2011, 2015, 2021 and BIDMC (by the
SHA-256 of the record's name), and on other simulated signals. LUDB and fold 9 of PTB-XL had no part in it.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen import data
from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.data import ludb
from ecggen.generators.base import Generator
from ecggen.io import reading, records
from ecggen.io.files import decode
from ecggen.io.inspection import beat_doubts, scale_doubts
from ecggen.io.results import commit, store
from ecggen.io.signal_quality import SignalQuality, signal_quality
from evaluation.scripts.non_ecgs import KINDS, non_ecg

FOLD = 9
SECONDS = 10.0
SIMULATED = 200
"""Records of each simulated kind with one lead; a tenth as many have twelve."""
GENERATED = 64
SEED = 2011
CHANGED = 6
"""Every such record of fold 9 is also judged with a wrong rate, unit or offset."""
ACCEPTED = 0.8
"""Share of the time in which the beats of every lead must be certain in an acceptable record, by Youden's index on the
half of CinC 2011 that was used to choose."""
SIGNAL_TO_NOISE = (20, 10, 5, 0, -5, -10)
"""Ratios in dB of the energies of an ECG and of added noise in 0.5–40 Hz."""
RHYTHMS = {
    "sinus rhythm": ("SR",),
    "sinus tachycardia": ("STACH",),
    "sinus bradycardia": ("SBRAD",),
    "atrial fibrillation": ("AFIB",),
    "atrial flutter": ("AFLT",),
    "supraventricular tachycardia": ("SVTAC", "PSVT"),
    "pacemaker": ("PACE",),
    "premature ventricular beats": ("PVC", "BIGU", "TRIGU"),
    "premature atrial beats": ("PAC",),
    "second- and third-degree AV block": ("2AVB", "3AVB"),
    "left bundle branch block": ("CLBBB",),
    "low voltage": ("LVOLT",),
}
"""SCP codes of PTB-XL."""
SNOMED = {
    "sinus rhythm": ("426783006",),
    "sinus tachycardia": ("427084000",),
    "sinus bradycardia": ("426177001",),
    "atrial fibrillation": ("164889003",),
    "atrial flutter": ("164890007",),
    "supraventricular tachycardia": ("426761007", "713422000"),
    "pacemaker": ("10370003",),
    "premature ventricular beats": ("427172004", "17338001", "164884008", "11157007"),
    "premature atrial beats": ("284470004", "63593006"),
    "low voltage": ("251146004",),
}
"""SNOMED codes of CinC 2021."""


@dataclass(frozen=True)
class Judged:
    """A judged recording: its quality, and the words it is counted under."""

    quality: SignalQuality
    kinds: tuple[str, ...] = ()


def is_reported(name: str) -> bool:
    """Whether a record belongs to the half that was not used to choose."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 1


def figures(judged: list[Judged]) -> dict[str, Any]:
    """n, share called an ECG, share with a heart rate, and share of the time of all leads without certain beats."""
    scores = [one.quality.score for one in judged]
    return {
        "n": len(judged),
        "is_ecg": round(float(np.mean([one.quality.is_ecg for one in judged])), 4),
        "heart_rate": round(float(np.mean([one.quality.heart_rate is not None for one in judged])), 4),
        "with_uncertain_parts": round(float(np.mean([bool(one.quality.uncertain) for one in judged])), 4),
        "not_certain": round(float(np.mean([np.mean(score[np.isfinite(score)] <= 0) for score in scores])), 4),
    }


def by_kind(judged: list[Judged], kinds: list[str]) -> dict[str, Any]:
    """``figures`` of all, and of those of each kind that occurs."""
    found = {"all": figures(judged)}
    for kind in kinds:
        some = [one for one in judged if kind in one.kinds]
        if some:
            found[kind] = figures(some)
    return found


def ptb_xl(folder: Path) -> tuple[list[ECG], list[tuple[str, ...]]]:
    """Records of fold 9, and the rhythms of each."""
    chosen = [one for one in data.recordings(folder / "ptb-xl") if one.fold == FOLD]
    ecgs = [_read(one.path) for one in chosen]
    return ecgs, [_named(one.codes.split(), RHYTHMS) for one in chosen]


def cinc_2021(folder: Path) -> list[Judged]:
    found = []
    for path in records(folder / "cinc2021"):
        if is_reported(path.stem):
            try:
                ecg = _read(path)
            except InputError:
                continue  # the malformed header among the quirks
            header = path.with_suffix(".hea").read_text(encoding="utf-8", errors="replace")
            codes = next((line[4:] for line in header.splitlines() if line.startswith("#Dx")), "")
            words = codes.strip(" :").replace(",", " ").split()
            found.append(Judged(signal_quality(ecg), _named(words, SNOMED)))
    return found


def cinc_2011(folder: Path) -> dict[str, Any]:
    """Sensitivity (unacceptable records recognised) and specificity (acceptable records accepted), on each half."""
    with (folder / "cinc2011" / "quality.csv").open(newline="") as file:
        quality = dict(list(csv.reader(file))[1:])
    found: dict[str, Any] = {"rule": f"every lead has certain beats in {ACCEPTED:.0%} of its time"}
    judged = {name: signal_quality(_read(folder / "cinc2011" / f"{name}.hea")) for name in quality}
    for half in ("chosen", "reported"):
        names = [name for name in quality if is_reported(name) == (half == "reported")]
        accepted = {name: bool(((judged[name].score > 0).mean(1) >= ACCEPTED).all()) for name in names}
        good = [accepted[name] for name in names if quality[name] == "acceptable"]
        bad = [not accepted[name] for name in names if quality[name] != "acceptable"]
        found[half] = {
            "acceptable": len(good),
            "unacceptable": len(bad),
            "sensitivity": round(float(np.mean(bad)), 3),
            "specificity": round(float(np.mean(good)), 3),
        }
    for label in ("acceptable", "unacceptable"):
        names = [name for name in quality if quality[name] == label and is_reported(name)]
        found[label] = figures([Judged(judged[name]) for name in names])
    return found


def monitors(folder: Path) -> dict[str, Any]:
    """ECG, PPG and respiration of intensive care monitors: one part of ten seconds from each record."""
    found: dict[str, list[Judged]] = {}
    for path in sorted((folder / "bidmc" / "bidmc_csv").glob("*_Signals.csv")):
        if is_reported(path.stem.split("_")[1]):
            table = np.loadtxt(path, delimiter=",", skiprows=1)[5000:6250]
            with path.open() as file:
                names = [name.strip() for name in file.readline().split(",")]
            for name, column in zip(names[1:], table.T[1:], strict=True):
                kind = {"PLETH": "BIDMC: PPG", "RESP": "BIDMC: respiration"}.get(name, "BIDMC: ECG")
                found.setdefault(kind, []).append(_judged(column, 125.0))
    with (folder / "cinc2015" / "agreement.csv").open(newline="") as file:
        agreement = dict(list(csv.reader(file))[1:])
    for name, share in agreement.items():
        path = folder / "cinc2015" / f"{name}.hea"
        if is_reported(name):
            waves = decode(path)
            ppg = waves.values.reshape(2, -1)[waves.names.index("PLETH"), 7500:8750]
            found.setdefault("CinC 2015: PPG", []).append(_judged(ppg / 100, 125.0))
            if float(share) >= 0.5:
                alarm, truth = path.read_text().splitlines()[-2:]
                kind = "true" if "True" in truth else "false"
                for start, when in ((60.0, "before"), (290.0, "at")):
                    ecg = _read(path, start=start, seconds=SECONDS)
                    label = f"CinC 2015: ECG {when} a {kind} alarm, {alarm.strip('# ').replace('_', ' ').lower()}"
                    found.setdefault(label, []).append(Judged(signal_quality(ecg)))
    return {kind: figures(judged) for kind, judged in sorted(found.items())}


def simulated(rng: np.random.Generator) -> dict[str, Any]:
    """Signals that are no ECG, in one lead and in twelve."""
    found = {}
    for kind in KINDS:
        one = [_judged(*non_ecg(kind, rng)) for _ in range(SIMULATED)]
        found[kind] = figures(one) | {"twelve_leads": figures([_twelve(kind, rng) for _ in range(SIMULATED // 10)])}
    return found


def _twelve(kind: str, rng: np.random.Generator) -> Judged:
    """Twelve signals of one kind and rate."""
    first, fs = non_ecg(kind, rng)
    waves = [first]
    while len(waves) < len(STANDARD_LEADS):
        wave, rate = non_ecg(kind, rng)
        waves += [wave] * (rate == fs)
    return Judged(signal_quality(ECG(torch.from_numpy(np.stack(waves)), STANDARD_LEADS, fs)))


def generated() -> dict[str, Any]:
    """ECGs of the shipped generators, without condition."""
    found = {}
    for name in ("gan", "vae", "flow", "diffusion"):
        ecgs = Generator.from_pretrained(name).generate(n=GENERATED, fs=100, seed=SEED)
        found[name] = figures([Judged(signal_quality(ecgs[i])) for i in range(GENERATED)])
    return found


def noisy(ecgs: list[ECG], rng: np.random.Generator) -> dict[str, Any]:
    """Lead II with added noise of a muscle's spectrum (pink): how often a heart rate is given, and whether it is right.

    A heart rate is right if it is within 10 % of that of the twelve leads without noise.
    """
    clean = [(ecg.pick("II"), signal_quality(ecg)) for ecg in ecgs]
    clean = [(ecg, quality.heart_rate) for ecg, quality in clean if quality.heart_rate and not quality.uncertain]
    found = {}
    for decibels in SIGNAL_TO_NOISE:
        given, right = [], []
        for ecg, rate in clean:
            spectrum = np.fft.rfft(rng.standard_normal(ecg.samples))
            spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
            spectrum[0] = 0
            noise = torch.from_numpy(np.fft.irfft(spectrum, ecg.samples)).float()
            size = ecg.signal.std() / 10 ** (decibels / 20)
            measured = signal_quality(replace(ecg, signal=ecg.signal + noise / noise.std() * size)).heart_rate
            given.append(measured is not None)
            right.append(measured is not None and abs(measured - rate) <= 0.1 * rate)
        found[f"{decibels} dB"] = {
            "n": len(clean),
            "heart_rate": round(float(np.mean(given)), 4),
            "right_where_given": round(float(np.sum(right) / max(1, np.sum(given))), 4),
        }
    return found


def doubts(ecgs: list[ECG]) -> dict[str, Any]:
    """Shares of records with a doubt, as they are and with a wrong rate or scale, of twelve leads and of lead I."""
    changes: dict[str, Callable[[ECG], ECG]] = {
        "as recorded": lambda ecg: ecg,
        "half of the rate": lambda ecg: replace(ecg, fs=ecg.fs / 2),
        "twice the rate": lambda ecg: replace(ecg, fs=ecg.fs * 2),
        "counts of a 12-bit converter": lambda ecg: replace(ecg, signal=(ecg.signal * 200 + 2048).round() / 1000),
        "a tenth of the size": lambda ecg: replace(ecg, signal=ecg.signal / 10),
        "ten times the size": lambda ecg: replace(ecg, signal=ecg.signal * 10),
    }
    found: dict[str, Any] = {}
    for name, change in changes.items():
        for leads in (STANDARD_LEADS, ("I",)):
            some = ecgs if name == "as recorded" else ecgs[::CHANGED]
            said = [_doubts(change(ecg.pick(*leads))) for ecg in some]
            found[f"{name}, {'twelve leads' if len(leads) > 1 else 'lead I'}"] = {
                "n": len(said),
                "sampling_rate": round(float(np.mean(["sampling rate of" in text for text in said])), 4),
                "unit": round(float(np.mean(["unit right" in text and "peak to peak" in text for text in said])), 4),
                "offset": round(float(np.mean(["one side of 0" in text for text in said])), 4),
                "no_ecg": round(float(np.mean(["no lead shows" in text for text in said])), 4),
            }
    return found


def _doubts(ecg: ECG) -> str:
    return " / ".join([*scale_doubts(ecg), *beat_doubts(ecg, signal_quality(ecg))])


def _judged(wave: np.ndarray, fs: float) -> Judged:
    return Judged(signal_quality(ECG(torch.as_tensor(np.asarray(wave, np.float32))[None], ("I",), fs)))


def _named(codes: list[str], kinds: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(kind for kind, wanted in kinds.items() if set(wanted) & set(codes))


def _read(path: Path, start: float = 0.0, seconds: float | None = None) -> ECG:
    return reading(path, start=start, seconds=seconds, check=False, allow_contradiction=True, gaps=True).ecg


def measure(folder: Path) -> Iterator[tuple[str, Any]]:
    """The sections of the result, by name."""
    rng = np.random.default_rng(SEED)
    yield "simulated", simulated(rng)
    yield "generated", generated()
    yield "cinc2011", cinc_2011(folder)
    yield "monitors", monitors(folder)
    yield "cinc2021", by_kind(cinc_2021(folder), list(SNOMED))
    marked = ludb.read(folder / "ludb")
    yield "ludb", figures([Judged(signal_quality(marked.ecg[i])) for i in range(len(marked.ecg))])
    ecgs, kinds = ptb_xl(folder)
    twelve = [Judged(signal_quality(ecg), kind) for ecg, kind in zip(ecgs, kinds, strict=True)]
    yield "ptb_xl", by_kind(twelve, list(RHYTHMS))
    one = [Judged(signal_quality(ecg.pick("I")), kind) for ecg, kind in zip(ecgs, kinds, strict=True)]
    yield "ptb_xl_lead_I", by_kind(one, list(RHYTHMS))
    yield "noise", noisy(ecgs[::8], np.random.default_rng(SEED))
    yield "doubts", doubts(ecgs)


DEFINITIONS = {
    "is_ecg": "share of records with certain beats for at least 3 s in a lead and 10 % of the time of all leads",
    "heart_rate": "share of records for which a heart rate is given",
    "with_uncertain_parts": "share of records of which a part of a lead is reported as without certain beats",
    "not_certain": "mean share of the time of all leads in which beats are not certain",
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {
        "data": "PTB-XL 1.0.3 fold 9, LUDB 1.0.1, half of CinC 2011, 2015, 2021 and BIDMC, simulated signals",
        "definitions": DEFINITIONS,
        "seed": SEED,
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
    }
    for name, section in measure(options.data):
        found[name] = section
        print(name, file=sys.stderr, flush=True)
        store(found, options.out, overwrite=True)


if __name__ == "__main__":
    main()
