"""How far the rate of a PPG's beats can be trusted: its errors, where they come from, and the coverage of its interval.

Scored are parts of a recording without a choice by the result: those with a certain reference (two detectors find the
same R peaks in lead II) whose PPG has the waveform of a PPG ("has_pulse", as in the protocol ``ppg_icu``), or whose PPG
``ecggen translate`` accepts throughout ("accepted"). A reference is certain although the detectors differ in one beat
of ten, which is more than 5 per minute in 10 s. Therefore the rate of the second detector is scored as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ecggen.benchmark.translation import SAME_RATE, constant_delay, windows
from ecggen.conditioning import pulse_beats
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.pulse_rhythm import LEVEL, early_beats, rate_interval
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.data import Recording
from ecggen.evaluators.delineator import delineate
from ecggen.metrics.functional.beats import beat_counts

LENGTHS = {10.0: 3, 60.0: 1}
"""Lengths of the parts in s, and of how many consecutive ones one is scored."""
KINDS = ("has_pulse", "accepted")
NARROW = 8.0
"""Largest distance per minute of a rate from the ends of its interval with which it is without a doubt: little more
than one beat in 10 s (fold 8)."""
RATES = ("rate", "true", "seen", "second")
"""Of the network's beats; of the R peaks; of the R peaks moved by their delay; of the second detector's R peaks."""
TOLERANCE = 0.15
"""Distance in s within which a beat has an R peak."""


def rates_of(recording: Recording) -> list[dict[str, Any]]:
    """The rates of the scored parts of a recording."""
    return [part for seconds, step in LENGTHS.items() for part in _parts(recording, seconds, step)]


def _parts(recording: Recording, seconds: float, step: int) -> list[dict[str, Any]]:
    every = windows(recording, Preprocessor(), seconds)
    some = every.every(step)
    known, waves, second = r_peaks(every.lead), some.ppg[:, 0], delineate(some.lead).peaks
    found = pulse_beats.read(waves, torch.ones_like(waves, dtype=torch.bool), some.ppg_fs)
    delay = constant_delay([beats.times for beats in found], known[::step]) or 0.0
    whole = np.concatenate([peaks + seconds * at for at, peaks in enumerate(known)])
    parts = []
    for at, (beats, peaks) in enumerate(zip(found, known[::step], strict=True)):
        seen = whole + delay - seconds * step * at
        rate = heart_rate(beats.times) or 0.0
        parts.append(
            {
                "seconds": seconds,
                "rate": rate,
                "interval": rate_interval(beats.times, beats.probabilities, beats.missed) or (0.0, 0.0),
                "true": heart_rate(peaks) or 0.0,
                "seen": heart_rate(seen[(seen >= 0) & (seen < seconds)]) or 0.0,
                "second": heart_rate(second[at]) or 0.0,
                **{kind: bool(getattr(some, kind)[at]) for kind in KINDS},
                **_wrong_beats(beats.times - delay, peaks, (max(0.0, -delay), seconds - max(0.0, delay))),
            }
        )
    return parts


def _wrong_beats(times: np.ndarray, peaks: np.ndarray, part: tuple[float, float]) -> dict[str, int]:
    """Numbers of R peaks that no beat has, of the early ones of these, and of beats without an R peak, in a part."""
    matched_beats, beats, matched_peaks, count = beat_counts(times, peaks, TOLERANCE, part)
    inside = (peaks >= part[0]) & (peaks <= part[1])
    alone = ~(np.abs(peaks[:, None] - times) <= TOLERANCE).any(1) if len(times) else np.ones(len(peaks), bool)
    early = int((alone & inside & early_beats(peaks)).sum())
    return {"missed": int(count - matched_peaks), "missed_early": early, "invented": int(beats - matched_beats)}


def summary_of_rates(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Scores of the rates by kind and length of the parts."""
    made: dict[str, Any] = {}
    for kind in KINDS:
        for seconds in LENGTHS:
            own = [part for part in parts if part["seconds"] == seconds and part[kind]]
            if own:
                made.setdefault(kind, {})[f"{seconds:g}"] = _scores(own)
    return made


def _scores(parts: list[dict[str, Any]]) -> dict[str, Any]:
    rate, true, seen, second = (np.array([part[name] for part in parts]) for name in RATES)
    low, high = np.array([part["interval"] for part in parts]).T
    covered, narrow = (seen >= low) & (seen <= high), np.maximum(high - rate, rate - low) <= NARROW
    wrong, agreed = _far(rate, true), ~_far(second, true)
    return _errors(rate, true) | {
        "recorded_beats_with_their_delay": _errors(seen, true),
        "second_detector": _errors(second, true),
        "detectors_agree": _errors(rate[agreed], true[agreed]) if agreed.any() else {"n": 0},
        "interval": {
            "level": LEVEL,
            "covered": float(covered.mean()),
            "below": float((seen < low).mean()),
            "above": float((seen > high).mean()),
            "covered_without_delay_removed": float(((true >= low) & (true <= high)).mean()),
            "median_width": float(np.median(high - low)),
            "mean_width": float((high - low).mean()),
        },
        "without_a_doubt": {"share": float(narrow.mean())}
        | (_errors(rate[narrow], true[narrow]) | {"covered": float(covered[narrow].mean())} if narrow.any() else {}),
        "wrong": {
            "n": int(wrong.sum()),
            "also_with_the_recorded_beats": int((wrong & _far(seen, true)).sum()),
            "detectors_differ": int((wrong & ~agreed).sum()),
            "as_the_second_detector": int((wrong & ~_far(rate, second)).sum()),
        }
        | {
            name: sum(part[name] for part, one in zip(parts, wrong, strict=True) if one)
            for name in ("missed", "missed_early", "invented")
        },
    }


def _far(rates: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.abs(rates - true) > SAME_RATE


def _errors(rates: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    error = np.abs(rates - true)
    return {"n": len(error), "within_5": float((error <= SAME_RATE).mean()), "mean_error": float(error.mean())}
