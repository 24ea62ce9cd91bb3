"""Corrupt every sample many times; record the outcomes, and the largest time and memory.

    python tests/tools/mutate.py --inputs 20000 --out evaluation/results/mutations.json

A child process reads the files and prints the number of each before it opens it. An input that crashes the process, or
exceeds the time limit, is therefore identified and counted, and the run continues. Input i of a sample depends on i
only: ``--only NAME --first I --inputs 1`` repeats it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import SimpleNamespace

from mutations import Sample, at_random, corrupted, corrupted_within, prepare, read_or_refuse, samples

from ecggen.io.formats.hdf5 import file as hdf5_file

SECONDS, MEGABYTES = 5.0, 1024
ROOT = Path(__file__).parents[2]

FORK_SERVER = """
import json, os, signal, sys
import h5py
sys.path.insert(0, sys.argv[1])
import process as hdf5_process
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    path, most, inward, outward = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(inward, os.O_RDONLY), 0)
        os.dup2(os.open(outward, os.O_WRONLY), 1)
        sys.stdin, sys.stdout = open(0), open(1, "w")
        try:
            hdf5_process.main(path, int(most))
        finally:
            os._exit(0)
    print(pid, flush=True)
"""
"""A process that has imported h5py and forks for every file, which is twenty times as fast as a new process."""


class Forked:
    """Replacement for the process that reads an HDF5 file: the same program with the same limits, but forked."""

    server: subprocess.Popen[bytes] | None = None

    def __init__(self, command: list[str], **_):
        program = Path(command[2])
        if Forked.server is None:
            words = [sys.executable, "-P", "-c", FORK_SERVER, str(program.parent)]
            environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
            pipe = subprocess.PIPE
            Forked.server = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment)
        self.folder = tempfile.TemporaryDirectory()
        ways = [f"{self.folder.name}/{name}" for name in ("in", "out")]
        for way in ways:
            os.mkfifo(way)
        assert Forked.server.stdin and Forked.server.stdout
        Forked.server.stdin.write(json.dumps([*command[3:], *ways]).encode() + b"\n")
        Forked.server.stdin.flush()
        self.pid = int(Forked.server.stdout.readline())
        self.stdin, self.stdout = open(ways[0], "wb", buffering=0), open(ways[1], "rb")  # noqa: PTH123, SIM115

    def kill(self) -> None:
        """Terminate the process."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_) -> None:
        self.kill()
        self.stdin.close()
        self.stdout.close()
        self.folder.cleanup()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=20_000, help="number of inputs per reader, over its samples")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", help="name of one sample")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    wanted = [sample for sample in samples() if given.only in (None, sample.name)]
    if given.child:
        child(wanted[0], range(given.first, given.first + given.inputs))
        return
    results = {}
    of_reader = Counter(sample.reader for sample in wanted)
    for sample in wanted:
        inputs = -(-given.inputs // of_reader[sample.reader])
        results[sample.name] = watched(sample, range(given.first, given.first + inputs))
        print(sample.name, json.dumps(results[sample.name]), flush=True)
        if given.out:
            about = {"command": "python tests/tools/mutate.py", "date": str(date.today())}
            limits = {"seconds": SECONDS, "megabytes": MEGABYTES}
            kept = json.loads(given.out.read_text())["samples"] if given.out.exists() else {}
            about |= {"limits": limits, "samples": kept | results}
            given.out.write_text(json.dumps(about, indent=1) + "\n")


def child(sample: Sample, numbers: range) -> None:
    """Read the corrupted files one by one; print a line before and after each."""
    with tempfile.TemporaryDirectory() as name:
        path = prepare(sample, Path(name))
        whole = path.read_bytes()
        hdf5_file.subprocess = SimpleNamespace(Popen=Forked, PIPE=None, DEVNULL=None)  # type: ignore[assignment]
        read_or_refuse(path)  # so that the time of imports is not counted
        print("begun", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)
        for number in numbers:
            path.write_bytes((corrupted_within if number % 2 else corrupted)(whole, at_random(number)))
            print("at", number, flush=True)
            try:
                outcome = read_or_refuse(path, ppg=number % 8 == 0)
            except Exception:
                traceback.print_exc()
                outcome = "broke"
            print(outcome, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)


def watched(sample: Sample, numbers: range) -> dict:
    """Outcomes of the inputs; a new child is started after each input that ends it."""
    outcomes: Counter[str] = Counter()
    trouble: list[dict] = []
    slowest, most, number = 0.0, 0, numbers.start
    started = time.monotonic()
    while number < numbers.stop:
        words = ["--child", "--only", sample.name, "--first", str(number), "--inputs", str(numbers.stop - number)]
        # Unbuffered: a line that waited in a buffer would look like a child that hangs.
        with subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, bufsize=0) as process:
            assert process.stdout is not None
            begun = None
            while True:
                ready, _, _ = select.select([process.stdout], [], [], 60.0 if begun is None else 2 * SECONDS)
                line = process.stdout.readline().decode().split() if ready else []
                if not line:
                    outcome = "ended the process" if ready else "hung"
                    if begun is not None or not ready:
                        outcomes[outcome] += 1
                        trouble.append({"input": number, "what": outcome})
                        number += 1
                    process.kill()
                    break
                if line[0] == "at":
                    number, begun = int(line[1]), time.monotonic()
                elif line[0] != "begun":
                    assert begun is not None
                    slowest = max(slowest, time.monotonic() - begun)
                    most = max(most, int(line[1]))
                    outcomes[line[0]] += 1
                    if line[0] == "broke":
                        trouble.append({"input": number, "what": "broke"})
                    if number + 1 == numbers.stop:
                        number += 1
                        break
    return {
        "reader": sample.reader,
        "commit": commit(),
        "inputs": len(numbers),
        **dict(outcomes),
        "slowest_s": round(slowest, 3),
        "most_memory_mb": most,
        "seconds": round(time.monotonic() - started, 1),
        "trouble": trouble[:20],
    }


def commit() -> str:
    """The commit of the checkout."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main()
