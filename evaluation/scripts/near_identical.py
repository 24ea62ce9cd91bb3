"""Records of the Challenge 2015 that are likely of one patient, because their beats are nearly identical.

    python -m evaluation.scripts.near_identical --data CINC2015 --out ecggen/data/cinc2015_patients.txt

No patient is identified there, and one patient may have up to three alarms. Records of one patient have neighbouring
numbers: among pairs of neighbours, 40 % have nearly the same median beat and pulse, among pairs of distant numbers
0.3 %. Two records are joined if their median beats of lead II correlate by more than ``NEIGHBOURS`` at a distance of at
most 3 of their numbers, by more than ``NEAR`` at up to 10, or by more than ``ANYWHERE`` with the same amplitude and
pulse. A record without enough certain beats is joined with its neighbours. Rather too many are joined than too few.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecggen import data
from ecggen.conditioning.pulse_beats import RATE
from ecggen.core.rhythm import pulse_slope
from ecggen.training.pulse_examples import Example, examples

NEIGHBOURS, NEAR, ANYWHERE = 0.93, 0.985, 0.99
ALIKE_PULSE, ALIKE_SIZE = 0.97, 0.2
"""Smallest correlation of pulses and largest difference of the logarithms of amplitudes of distant records."""
FEWEST = 15
HEAD = """# Records of the Challenge 2015 that are likely of one patient, a line each; all others stand alone. Made by
# python -m evaluation.scripts.near_identical --data CINC2015 --out ecggen/data/cinc2015_patients.txt
"""


def medians(example: Example) -> tuple[np.ndarray, np.ndarray] | None:
    """Median beat of lead II in mV and median slope of the pulse; None with too few certain beats."""
    certain = example.peaks[example.trusted[np.minimum((example.peaks * RATE).astype(int), len(example.trusted) - 1)]]
    beats = np.round(certain * RATE).astype(int)
    beats = beats[(beats > 30) & (beats < len(example.lead) - 60)]
    if len(beats) < FEWEST:
        return None
    pulses = beats + round(example.delay * RATE)
    pulses = pulses[(pulses > 30) & (pulses < len(example.ppg) - 60)]
    slope = pulse_slope(example.ppg, RATE)
    pulse = np.median(slope[pulses[:, None] + np.arange(-20, 40)], 0) if len(pulses) > 10 else np.zeros(60)
    return np.median(example.lead[beats[:, None] + np.arange(-25, 45)], 0), pulse


def groups(known: Sequence[str], found: dict[str, tuple[np.ndarray, np.ndarray]]) -> list[list[str]]:
    """Groups of more than one record, sorted."""
    patient = {name: name for name in known}

    def first_of(name: str) -> str:
        while patient[name] != name:
            name = patient[name]
        return name

    for at, one in enumerate(known):
        for other in known[at + 1 :]:
            if _same(one, other, found):
                low, high = sorted((first_of(one), first_of(other)))
                patient[high] = low
    joined = defaultdict(list)
    for name in known:
        joined[first_of(name)].append(name)
    return [group for _, group in sorted(joined.items()) if len(group) > 1]


def _same(one: str, other: str, found: dict[str, tuple[np.ndarray, np.ndarray]]) -> bool:
    distance = abs(int(one[1:4]) - int(other[1:4]))
    if one not in found or other not in found:
        return distance == 1
    (beat, pulse), (beat_2, pulse_2) = found[one], found[other]
    alike = _correlation(beat, beat_2)
    if (distance <= 3 and alike > NEIGHBOURS) or (distance <= 10 and alike > NEAR):
        return True
    size = abs(np.log(np.ptp(beat) / np.ptp(beat_2)))
    return alike > ANYWHERE and size < ALIKE_SIZE and _correlation(pulse, pulse_2) > ALIKE_PULSE


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    a, b = one - one.mean(), other - other.mean()
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9))


def main() -> None:
    """Find the groups and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Challenge 2015")
    parser.add_argument("--out", type=Path, required=True, help="text file")
    options = parser.parse_args()
    recordings = data.recordings(options.data)
    made = {one.name: medians(one) for one in examples(recordings)}
    found = {name: one for name, one in made.items() if one is not None}
    lines = (" ".join(group) for group in groups(sorted(one.name for one in recordings), found))
    options.out.write_text(HEAD + "".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
