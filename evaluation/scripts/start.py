"""Time and memory of short commands from a new process: ``python -m evaluation.scripts.start --out FILE``.

Each command runs several times in a process of its own; the files are in the cache of the operating system after the
first run, which is not counted. So is the bytecode, as after the first use of an installed package. Time is the median
of wall-clock and processor time, memory the peak of the process.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).resolve().parents[2] / "tests/samples/apple_watch_lead_I.csv"
COMMANDS: dict[str, list[str]] = {
    "import torch": ["-c", "import torch"],
    "import torch, scipy.signal": ["-c", "import torch, scipy.signal"],
    "ecggen --help": ["-m", "ecggen", "--help"],
    **{
        f"ecggen reconstruct, {name}": ["-m", "ecggen", "reconstruct", str(SAMPLE), "--model", name]
        for name in ("flow", "vae")
    },
}
"""Arguments of Python. The first two are the lower limit of every command that computes."""
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")


def measure(runs: int = 5) -> dict[str, Any]:
    """Time, memory and imports of each command."""
    # This process stays small while it measures: a new process starts with the memory of the one that starts it.
    commands = {name: _measured(arguments, runs) for name, arguments in COMMANDS.items()}
    about: dict[str, Any] = {"load": round(os.getloadavg()[0], 1), "runs": runs, "cores": os.cpu_count()}
    about["threads"] = os.environ.get("OMP_NUM_THREADS", "")
    imports = {name: _imports(arguments) for name, arguments in COMMANDS.items() if "reconstruct" in arguments}
    from ecggen.io.results import commit

    date = datetime.date.today().isoformat()
    return about | {"commit": commit(), "date": date, "commands": commands, "import_s": imports}


def _measured(arguments: list[str], runs: int) -> dict[str, float]:
    """Median wall-clock and processor time in s, and peak memory in MB."""
    found = [_run(arguments) for _ in range(runs + 1)][1:]
    wall, processor, memory = zip(*found, strict=True)
    return {
        "wall_s": round(statistics.median(wall), 3),
        "processor_s": round(statistics.median(processor), 3),
        "memory_mb": round(max(memory), 1),
    }


def _run(arguments: list[str]) -> tuple[float, float, float]:
    """Wall-clock and processor time in s, and peak memory in MB, of one run."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.Popen(_command(arguments, folder), stdout=subprocess.DEVNULL, env=_environment())
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _command(arguments: list[str], folder: str, *options: str) -> list[str]:
    out = ["--out", f"{folder}/out"] if "reconstruct" in arguments else []
    return [sys.executable, *options, *arguments, *out]


def _environment() -> dict[str, str]:
    """Without the setting that has every process compile the package again."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _imports(arguments: list[str]) -> dict[str, float]:
    """Time of the imports of each package in s, the longest first."""
    with tempfile.TemporaryDirectory() as folder:
        command = _command(arguments, folder, "-X", "importtime")
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=_environment())
        lines = done.stderr.splitlines()
    times: Counter[str] = Counter()
    for match in filter(None, map(_LINE.match, lines)):
        times[match[2].split(".")[0]] += int(match[1])
    return {name: round(time / 1e6, 3) for name, time in times.most_common(8)}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="number of counted runs of each command")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    arguments = parser.parse_args()
    results = measure(arguments.runs)
    print(results)
    from ecggen.io.results import store

    store(results, arguments.out, overwrite=True)


if __name__ == "__main__":
    main()
