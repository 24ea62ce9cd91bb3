"""Time and memory of a quality report, by section.

    python -m evaluation.scripts.report_cost MADE --real PTBXL --real-folds 1-8 --holdout PTBXL --holdout-folds 9 \\
        --out evaluation/results/report_cost.json

The sets are read and selected as by ``ecggen report``. Measurements that several sections share, such as the
delineation of the waves, are computed once and count for the section that uses them first.
"""

from __future__ import annotations

import argparse
import datetime
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from ecggen.cli.report import folds
from ecggen.io.results import commit, store
from ecggen.report.build import CHAPTERS, Chapter, make, measured
from ecggen.report.inputs.cohort import Cohorts
from ecggen.report.inputs.load import ReportRequest, load_cohorts
from ecggen.report.render.page import page
from ecggen.report.scores import Section

DEFINITIONS = {
    "seconds": "elapsed time; it depends on what else the machine does",
    "cpu_seconds": "processor time of all threads, user and system",
    "peak_mb": "largest resident memory of the process",
}
T = TypeVar("T")


def measure(request: ReportRequest) -> dict[str, Any]:
    """Elapsed and processor time of each step of a report, and the peak memory."""
    steps: dict[str, dict[str, float]] = {}
    cohorts = timed(steps, "reading", lambda: load_cohorts(request, lambda what, share: None))
    chapters = [replace(one, make=partial(_timed_section, steps, one)) for one in CHAPTERS]
    report = make(cohorts, chapters=chapters)
    timed(steps, "writing", lambda: page(report))
    total = {name: round(sum(one[name] for one in steps.values()), 1) for name in ("seconds", "cpu_seconds")}
    sets = {name: getattr(cohorts, name) for name in ("synthetic", "real", "holdout")}
    return {
        "definitions": DEFINITIONS,
        "n": {name: len(one.valid) for name, one in sets.items() if one is not None},
        "seed": request.seed,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        **total,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "steps": steps,
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
    }


def _timed_section(steps: dict[str, dict[str, float]], chapter: Chapter, cohorts: Cohorts) -> Section:
    return timed(steps, chapter.key, lambda: measured(chapter, cohorts))


def timed(steps: dict[str, dict[str, float]], name: str, work: Callable[[], T]) -> T:
    """The result of ``work``; its times are added to ``steps``.

    Example:
        >>> steps = {}
        >>> timed(steps, "adding", lambda: 1 + 1), sorted(steps["adding"])
        (2, ['cpu_seconds', 'seconds'])
    """
    began, used = time.perf_counter(), time.process_time()
    found = work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    steps[name] = {"seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1)}
    print(f"{name:14} {seconds:7.1f} s, {cpu:7.1f} s of processor time", file=sys.stderr)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("synthetic", type=Path, help="synthetic ECGs, as for ecggen report")
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--real-folds")
    parser.add_argument("--holdout", type=Path)
    parser.add_argument("--holdout-folds")
    parser.add_argument("--limit", type=int, default=1000, help="records of each set")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    given = parser.parse_args(arguments)
    request = ReportRequest(
        given.synthetic,
        given.real,
        given.holdout,
        limit=given.limit,
        real_folds=folds(given.real_folds),
        holdout_folds=folds(given.holdout_folds),
    )
    results = measure(request)
    print(f"{'all':14} {results['seconds']:7.1f} s, {results['cpu_seconds']:7.1f} s; {results['peak_mb']} MB")
    if given.out:
        store(results, given.out, overwrite=True)


if __name__ == "__main__":
    main()
