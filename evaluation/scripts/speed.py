"""How long reconstruction takes on this machine: ``python -m evaluation.scripts.speed --model vae --out FILE``.

Simulated hearts are enough: a network's time does not depend on what it reads. Times are medians of several runs.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.io.results import commit


def measure(model: str, draws: int = 32) -> dict[str, Any]:
    """Seconds of everything a user waits for, with lead I given."""
    loading = _seconds(lambda: checkpoint.load(model), 3)
    generator = checkpoint.load(model)
    watch = simulate(1, fs=512).pick("I")
    many = simulate(256, fs=100).pick("I")
    hour = ECG(simulate(1, fs=512, seconds=60).pick("I").signal.repeat(1, 1, 60), ("I",), 512)
    before = _peak_megabytes()
    whole_hour = _seconds(lambda: _estimate(generator, hour, draws), 1)
    return {
        "model": generator.name,
        "draws": draws,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "load_s": loading,
        "one_recording_s": _seconds(lambda: _estimate(generator, watch, draws), 5),
        "recordings_per_second_in_256": len(many) / _seconds(lambda: _estimate(generator, many, draws), 1),
        "draws_per_second_in_256": len(many) / _seconds(lambda: generator.sample(_condition(many)), 3),
        "one_hour_s": whole_hour,
        "one_hour_times_real_time": 3600 / whole_hour,
        "one_hour_extra_memory_mb": _peak_megabytes() - before,
        "import_ecggen_s": _seconds(lambda: _python("import ecggen"), 5),
        "help_s": _seconds(lambda: _python("-m", "ecggen", "--help"), 5),
    }


def _condition(ecg: ECG) -> Condition:
    return Condition.none(len(ecg), ecg.seconds, ecg.fs).with_leads(ecg)


def _estimate(generator: Generator, ecg: ECG, draws: int) -> None:
    generator.reconstruct(_condition(ecg), num_draws=draws)


def _python(*words: str) -> None:
    words = words if words[0].startswith("-") else ("-c", *words)
    subprocess.run([sys.executable, *words], check=True, capture_output=True)


def _seconds(work: Callable[[], Any], times: int) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _peak_megabytes() -> float:
    """Largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure, print, and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vae", help="a shipped checkpoint's name, or a checkpoint folder")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    words = parser.parse_args()
    results = json.dumps(measure(words.model), indent=1)
    print(results)
    if words.out:
        words.out.write_text(results + "\n")


if __name__ == "__main__":
    main()
