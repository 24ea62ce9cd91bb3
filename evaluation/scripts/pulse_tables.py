"""Tables of ``evaluation/results/pulses.json``: recognition of PPGs by their waveform, and errors of pulse rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evaluation.scripts.table_parts import read, table

WAVEFORMS = {
    "PPG, BIDMC": ("BIDMC", "PLETH, 30 s"),
    "PPG, CinC 2015, pulse rate within 10 % of the ECG's": (
        "CinC 2015",
        "PLETH with the heart rate of the ECG, 30 s",
    ),
    "PPG, CinC 2015, all (noise and detached sensors included)": ("CinC 2015", "PLETH, 30 s"),
    "ECG, PTB-XL fold 9": ("single leads", "PTB-XL, fold 9"),
    "ECG, LUDB": ("single leads", "LUDB"),
    "ECG, CinC 2011, acceptable": ("single leads", "CinC 2011, acceptable"),
    "ECG, CinC 2011, unacceptable": ("single leads", "CinC 2011, unacceptable"),
    "ECG lead II, BIDMC": ("BIDMC", "II, 10 s"),
    "ECG lead II, CinC 2015": ("CinC 2015", "II, 10 s"),
    "respiration by impedance, BIDMC": ("BIDMC", "RESP, 10 s"),
    "sines of 0.5 to 3 Hz": ("simulated", "sine of 0.5 to 3 Hz"),
}
"""Row, and where in the results it is."""
RATES = {
    "BIDMC": ("BIDMC", ""),
    "CinC 2015": ("CinC 2015", ""),
    "CinC 2015, true ventricular alarms": ("CinC 2015, true ventricular alarms", ""),
    "simulated, large dicrotic waves": ("simulated", "large dicrotic waves"),
    "simulated, regular": ("simulated", "regular"),
    "simulated, atrial fibrillation": ("simulated", "atrial fibrillation"),
    "simulated, bigeminy": ("simulated", "bigeminy"),
    "simulated, trigeminy": ("simulated", "trigeminy"),
    "simulated, pulsus alternans": ("simulated", "alternans"),
}
"""Row, and where in the results it is: the data, and the kind of a simulated rhythm."""
NOISE = ("white noise", "pink noise", "brown noise", "heavy-tailed noise", "random walk")


def waveforms(results: Path) -> str:
    """What single channels are taken for by their waveform."""
    found = read(results, "pulses")
    shapes = found["waveform"]
    rows = [_shares(name, shapes[group][row]) for name, (group, row) in WAVEFORMS.items()]
    rows.append(_shares("noise of five kinds", _pooled([shapes["simulated"][kind] for kind in NOISE])))
    return table(["channel", "n", "a PPG", "an ECG", "neither"], rows) + _stamp(found)


def pulse_rates(results: Path) -> str:
    """Errors of the pulse rate, with and without dicrotic waves as beats."""
    found = read(results, "pulses")
    rows = []
    for name, (group, row) in RATES.items():
        every = found["pulse_rate"][group][row] if row else found["pulse_rate"][group]
        kinds = {name: every["all"]}
        if group in ("BIDMC", "CinC 2015"):
            kinds[f"{name}, with the waveform of a PPG"] = every["with the waveform of a PPG"]
        rows += [_errors(label, kind) for label, kind in kinds.items()]
    head = ["PPG", "windows of 30 s", "mean absolute error before (per min)", "after", "over 1.5 times the rate before"]
    return table([*head, "after", "better by 3 per min", "worse by 3"], rows) + _stamp(found)


def _shares(name: str, found: dict[str, Any]) -> list[str]:
    return [name, str(found["n"]), *(f"{100 * found[one]:.1f} %" for one in ("ppg", "ecg", "neither"))]


def _pooled(every: list[dict[str, Any]]) -> dict[str, Any]:
    n = sum(one["n"] for one in every)
    return {"n": n} | {name: sum(one[name] * one["n"] for one in every) / n for name in ("ppg", "ecg", "neither")}


def _errors(name: str, found: dict[str, Any]) -> list[str]:
    counts = ("half_as_fast_again_before", "half_as_fast_again_after", "better_by_3", "worse_by_3")
    errors = [f"{found[one]:.2f}" for one in ("mae_before", "mae_after")]
    return [name, str(found["n"]), *errors, *(str(found[one]) for one in counts)]


def _stamp(found: dict[str, Any]) -> str:
    return f"\n\n*`{found['command']}`, seed {found['seed']}, commit `{found['commit']}`, {found['date']}*"
