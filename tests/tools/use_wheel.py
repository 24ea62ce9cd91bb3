"""The installed wheel, used from an empty folder without network: every main job with the shipped weights.

    build/wheel-venv/bin/python tests/tools/use_wheel.py build/wheel

Run by ``make wheel-test`` with the interpreter of an environment that holds the wheel and nothing of this checkout.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

LARGEST_MB = 90

OFFLINE = """
import os, sys
def refuse(event, values):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request"):
        sys.stderr.write(f"network: {event} {values}\\n")
        sys.stderr.flush()
        os._exit(99)
sys.addaudithook(refuse)
from ecggen.cli import main
main()
"""
"""The command line in a process that ends at the first network connection."""

PREPARE = """
from dataclasses import replace
import numpy as np, torch
import ecggen
from ecggen.core.simulate import simulate, simulate_ppg, simulated_peaks
from ecggen.data.ptb_xl import PtbXlFolder
from ecggen.io.metadata import About

ecggen.write(simulate(1, seconds=10, fs=500, seed=1).pick("I"), "watch.csv")
ecggen.write(simulate(1, seconds=10, fs=500, seed=1), "truth.hea")
for name, first in (("synthetic", 0), ("real", 100)):
    ecggen.write(simulate(40, seconds=10, fs=100, seed=first), f"{name}.npz")
wave = simulate_ppg(simulated_peaks(30, 72), 30, 125.0, np.random.default_rng(0))
np.savetxt("ppg.csv", wave, header="PLETH", comments="")
folder, hearts = PtbXlFolder("ptb-xl"), simulate(60, seconds=10, seed=7)
for row in range(60):
    codes = ("AFIB", "LVH") if row % 5 == 0 else ("NORM", "SR")
    about = About(50.0 + row % 9, "FM"[row % 2], codes, f"ekg nr. {row}", str(1000 + row), 1 + row // 6)
    folder.add(replace(hearts[row], provenance=None), about)
"""

JOBS = {
    "info": ["info", "watch.csv"],
    "reconstruct": ["reconstruct", "watch.csv", "--truth", "truth.hea", "--num-draws", "4", "--out", "twelve"],
    "translate": ["translate", "ppg.csv", "--fs", "125", "--out", "translated"],
    "generate": ["generate", "--text", "atrial fibrillation, 74-year-old woman, 130 bpm", "-n", "2", "--out", "made"],
    "convert": ["convert", "watch.csv", "watch.edf"],
    "report": ["report", "synthetic.npz", "--real", "real.npz", "--out", "report.html"],
    "evaluate": [
        *("evaluate", "one_lead", "--model", "vae", "--data", "ptb-xl", "--limit", "4", "--num-draws", "2"),
        *("--no-baselines", "--cache", "cache", "--out", "results"),
    ],
    "augment": [
        *("augment", "--data", "ptb-xl", "--class", "AFIB", "-n", "2", "--max-attempts", "2", "--quantile", "0"),
        *("--model", "gan", "--cache", "cache", "--out", "augmented"),
    ],
}
MADE = (
    "twelve/watch.hea",
    "translated/ppg.png",
    "made/records.csv",
    "watch.edf",
    "report.json",
    "results/one_lead.json",
)


def run(*words: str, folder: Path) -> str:
    """What the installed interpreter prints; a failure of the command is one of the test."""
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"failed: {' '.join(words[2:])[:200]}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> None:
    """Check the wheel's size, then run every job."""
    (wheel,) = Path(sys.argv[1]).glob("ecggen-*.whl")
    size = wheel.stat().st_size / 1e6
    if size > LARGEST_MB:
        sys.exit(f"{wheel.name} has {size:.0f} MB; at most {LARGEST_MB} were expected")
    print(f"{wheel.name}: {size:.0f} MB")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = run("-c", "import ecggen; print(ecggen.__file__)", folder=folder).strip()
        if not Path(place).is_relative_to(sys.prefix):
            sys.exit(f"ecggen was imported from {place}; the wheel in {sys.prefix} was expected")
        run("-c", PREPARE, folder=folder)
        for job, words in JOBS.items():
            began = time.perf_counter()
            run("-c", OFFLINE, *words, folder=folder)
            print(f"{job:12} {time.perf_counter() - began:5.1f} s")
        missing = [file for file in MADE if not (folder / file).is_file()]
        if missing:
            sys.exit(f"{', '.join(missing)} were expected")


if __name__ == "__main__":
    main()
