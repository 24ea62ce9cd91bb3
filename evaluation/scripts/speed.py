"""Time of reconstruction on this machine: ``python -m evaluation.scripts.speed --model vae --out FILE``.

The input is simulated, because the running time of a network does not depend on its input. Times are medians of several
runs.
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
    """Time in s of loading, of reconstruction from lead I, of the import and of ``--help``."""
    loading = _seconds(lambda: checkpoint.load(model), 3)
    generator = checkpoint.load(model)
    watch = simulate(1, fs=512).pick("I")
    many = simulate(256, fs=100).pick("I")
    hour = ECG(simulate(1, fs=512, seconds=60).pick("I").signal.repeat(1, 1, 60), ("I",), 512)
    before = _peak_megabytes()
    whole_hour = _seconds(lambda: _reconstruct(generator, hour, draws), 1)
    return {
        "model": generator.name,
        "draws": draws,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "load_s": loading,
        "one_recording_s": _seconds(lambda: _reconstruct(generator, watch, draws), 5),
        "recordings_per_second_in_256": len(many) / _seconds(lambda: _reconstruct(generator, many, draws), 1),
        "draws_per_second_in_256": len(many) / _seconds(lambda: generator.sample(_condition(many)), 3),
        "one_hour_s": whole_hour,
        "one_hour_times_real_time": 3600 / whole_hour,
        "one_hour_extra_memory_mb": _peak_megabytes() - before,
        "import_ecggen_s": _seconds(lambda: _python("import ecggen"), 5),
        "help_s": _seconds(lambda: _python("-m", "ecggen", "--help"), 5),
    }


def _condition(ecg: ECG) -> Condition:
    return Condition.none(len(ecg), ecg.seconds, ecg.fs).with_leads(ecg)


def _reconstruct(generator: Generator, ecg: ECG, draws: int) -> None:
    generator.reconstruct(_condition(ecg), num_draws=draws)


def _python(*arguments: str) -> None:
    arguments = arguments if arguments[0].startswith("-") else ("-c", *arguments)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def _seconds(work: Callable[[], Any], runs: int) -> float:
    """Median time in s of several runs."""
    durations = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        durations.append(time.perf_counter() - started)
    return statistics.median(durations)


def _peak_megabytes() -> float:
    """Peak resident memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vae", help="name of a shipped checkpoint, or a checkpoint folder")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    arguments = parser.parse_args()
    results = json.dumps(measure(arguments.model), indent=1)
    print(results)
    if arguments.out:
        arguments.out.write_text(results + "\n")


if __name__ == "__main__":
    main()
