"""Sampling time, and accuracy by steps: ``python -m evaluation.scripts.sampling --models vae flow --out FILE``.

*Speed*: time for 100 records of ten seconds and twelve leads in batches of 64 at the default number of steps of the
checkpoint, given lead I, text and metadata, or nothing, with the number of network evaluations per draw. The input is
simulated, because the running time does not depend on it. *Steps*: r and RMSE on real records (``--data``) at 1 to 32
steps, of the point estimate and of a single draw, as ``ecggen.benchmark.reconstruction`` computes them. A generator
that draws in one pass is scored once, for comparison.

Each measurement is stored at once; ``--resume`` continues after the last one.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ecggen import data
from ecggen.benchmark.network_evaluations import counted
from ecggen.benchmark.reconstruction import DEFINITIONS, Protocol, score_generator
from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.data import Pack
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.io import read
from ecggen.io.results import commit, store

BATCH = 64
AIM_MS = 50
"""Target of the sampling time per ECG in ms."""

STEPS = (1, 2, 4, 8, 16, 32)
GIVEN = (("I",), ("II", "V1", "V5"))
ABOUT = {
    "seconds_per_100": "median of the runs, for 100 records of 10 s and 12 leads at 500 Hz in batches of 64",
    "evaluations_per_draw": "evaluations of the most often evaluated network, per draw of one window of the model",
    **DEFINITIONS,
}
"""Definitions of the scores."""


@dataclass(frozen=True)
class Settings:
    """Settings of the measurement; a resumed run needs the same.

    Attributes:
        num_steps: Numbers of steps that are scored.
        given: Sets of given leads; one score each.
        folds: Folds that are scored.
        limit: Most records that are scored.
        draws: Draws per point estimate.
        seed: Seed of the draws and of the bootstrap.
        runs: Timed runs, after one warm-up run.
    """

    num_steps: tuple[int, ...] = STEPS
    given: tuple[tuple[str, ...], ...] = GIVEN
    folds: tuple[int, ...] = (9,)
    limit: int = 256
    draws: int = 4
    seed: int = 1
    runs: int = 3


@dataclass(frozen=True)
class Recordings:
    """Real records, packed with the preprocessing of one model."""

    pack: Pack
    paths: dict[str, Path]

    @staticmethod
    def of(folder: Path, generator: Generator, cache: Path | None) -> Recordings:
        """Pack the recordings of a folder."""
        found = data.recordings(folder)
        return Recordings(data.pack(found, generator.preprocessor, cache), {one.name: one.path for one in found})

    def __call__(self, row: int) -> ECG:
        """Read the recording of a row of the pack from its file."""
        about = self.pack.index.iloc[row]
        start, seconds = float(about["start"]), self.pack.preprocessor.seconds
        return read(self.paths[about["name"]], start=start, seconds=seconds, check=False, allow_contradiction=True)


def run(
    models: Sequence[str],
    settings: Settings,
    folder: Path | None = None,
    cache: Path | None = None,
    before: dict[str, Any] | None = None,
    keep: Callable[[dict[str, Any]], None] = lambda results: None,
    report: Callable[[str], None] = lambda what: None,
) -> dict[str, Any]:
    """Measure each model.

    Args:
        models: Names of shipped checkpoints, or checkpoint folders.
        settings: Settings of the measurement.
        folder: Recordings to score on; None measures speed only.
        cache: Folder of packed data sets.
        before: Results of an interrupted run; they are not measured again.
        keep: Called with the results after each measurement.
        report: Called with a line of text after each measurement.

    Raises:
        InputError: If ``before`` was measured with other settings or weights, or there is no record to score.
    """
    wanted = json.loads(json.dumps(asdict(settings)))
    results = before or {"definitions": ABOUT, "aim_ms": AIM_MS, "settings": wanted, "models": {}}
    if results["settings"] != wanted:
        raise InputError(
            f"the results were measured with {results['settings']}", f"{wanted} was asked for", "choose another file"
        )
    for model in models:
        generator = checkpoint.load(model)
        entry = results["models"].setdefault(Path(model).name, _about(generator))
        if entry["model"] != generator.name:
            raise InputError(
                f"the results are of {entry['model']}", f"{generator.name} was expected", "measure again to a new file"
            )
        if "speed" not in entry:
            entry["speed"] = speed(generator, settings.runs)
            report(f"{generator.name}: {json.dumps(entry['speed'])}")
            keep(results)
        if folder is not None:
            recordings = Recordings.of(folder, generator, cache)
            for row in score(generator, recordings, settings, entry["scores"]):
                entry["scores"].append(row)
                report(f"{generator.name}: {_line(row)}")
                keep(results)
    return results


def speed(generator: Generator, runs: int = 3) -> dict[str, Any]:
    """Time for 100 records and network evaluations per draw, for each condition."""
    ecg = simulate(BATCH, fs=500)
    nothing = Condition.none(BATCH, ecg.seconds, ecg.fs)
    conditions = {
        "lead I": nothing.with_leads(ecg.pick("I")),
        "text and metadata": nothing.with_text("atrial fibrillation").with_metadata(age=74, sex="F", heart_rate=130),
        "nothing": nothing,
    }
    return {name: _speed(generator, condition, runs) for name, condition in conditions.items()}


def score(
    generator: Generator, recordings: Recordings, settings: Settings, before: Sequence[dict[str, Any]] = ()
) -> Iterator[dict[str, Any]]:
    """Yield a row for each number of steps and each set of given leads that is missing in ``before``.

    Raises:
        InputError: If the folds contain no record.
    """
    rows = recordings.pack.rows(settings.folds)[: settings.limit]
    if not len(rows):
        raise InputError(f"folds {list(settings.folds)} hold no record", "records to score were expected")
    own, done = generator.sampling, [(row["num_steps"], row["given"]) for row in before]
    for steps in (None,) if own is None else settings.num_steps:
        generator = generator.with_sampling(steps)
        for given in settings.given:
            if (steps, list(given)) in done:
                continue
            protocol = Protocol("reconstruction", given, folds=settings.folds, draws=settings.draws, seed=settings.seed)
            scores = score_generator(generator, recordings, recordings.pack, protocol, rows)
            yield {"num_steps": steps, "given": list(given)} | _shortened(scores)
    generator.sampling = own


def _speed(generator: Generator, condition: Condition, runs: int) -> dict[str, Any]:
    """Time for 100 records in s and for one in ms, and network evaluations per draw."""
    with counted(generator) as evaluations:
        generator.sample(condition)  # also warms up
    prepared = generator.preprocessor.condition(condition)
    windows = len(generator.preprocessor.windows(prepared.samples))
    durations = []
    for seed in range(runs):
        began = time.perf_counter()
        generator.sample(condition, seed)
        durations.append(time.perf_counter() - began)
    one = statistics.median(durations) / len(condition)
    return {
        "seconds_per_100": round(100 * one, 4),
        "ms_per_ecg": round(1000 * one, 3),
        "within_aim": 1000 * one <= AIM_MS,
        "runs_s": [round(seconds, 4) for seconds in durations],
        "evaluations_per_draw": max(evaluations.values(), default=0) / len(condition) / windows,
    }


def _about(generator: Generator) -> dict[str, Any]:
    """Provenance of the measurements of a model."""
    own = generator.sampling
    return {
        "model": generator.name,
        "family": type(generator).__name__.lower(),
        "num_steps": None if own is None else own.num_steps,
        "guidance_scale": None if own is None else own.guidance_scale,
        "pag_scale": None if own is None else own.pag_scale,
        "guidance_interval": None if own is None else own.guidance_interval,
        "parameters": sum(parameter.numel() for parameter in generator.parameters()),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(generator.device),
        "scores": [],
    }


def _shortened(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores without those by lead."""
    kept = {name: scores[name] for name in ("r", "r_interval", "rmse_mv", "rmse_mv_interval", "n", "draws", "seconds")}
    single = {name: scores["single_draw"][name] for name in ("r", "r_interval", "rmse_mv", "rmse_mv_interval")}
    return kept | {"coverage": scores["interval"]["coverage"], "single_draw": single}


def _line(row: dict[str, Any]) -> str:
    steps = "one pass" if row["num_steps"] is None else f"{row['num_steps']} steps"
    return (
        f"{steps}, {' '.join(row['given'])} given: r {row['r']:.3f}, RMSE {row['rmse_mv']:.3f} mV, "
        f"one draw r {row['single_draw']['r']:.3f}, n {row['n']}, {row['seconds']:.0f} s"
    )


def _before(path: Path, resume: bool) -> dict[str, Any] | None:
    """Results of an interrupted run."""
    if not path.exists():
        return None
    if not resume:
        raise InputError(f"{path} exists", "a new file was expected", "go on with --resume, or choose another")
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        return {name: results[name] for name in ("definitions", "aim_ms", "settings", "models")}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read", "results of this benchmark were expected") from error


def main() -> None:
    """Measure and store; invalid input ends with a one-line message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models", nargs="+", required=True, help="names of shipped checkpoints, or checkpoint folders"
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    parser.add_argument(
        "--data", type=Path, help="PTB-XL folder, or any folder of recordings; without it only speed is measured"
    )
    parser.add_argument("--cache", type=Path, help="folder of packed data sets (default ~/.cache/ecggen)")
    parser.add_argument("--limit", type=int, default=256, help="most records to score")
    parser.add_argument("--num-draws", type=int, default=4, help="draws per point estimate")
    parser.add_argument("--folds", type=int, nargs="+", default=[9], help="folds to score")
    parser.add_argument("--num-steps", type=int, nargs="+", default=STEPS, help="numbers of steps to score")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    arguments = parser.parse_args()
    settings = Settings(
        tuple(arguments.num_steps), folds=tuple(arguments.folds), limit=arguments.limit, draws=arguments.num_draws
    )

    def keep(results: dict[str, Any]) -> None:
        store(results, arguments.out, overwrite=True)

    def report(what: str) -> None:
        print(what, flush=True)

    try:
        run(
            arguments.models,
            settings,
            arguments.data,
            arguments.cache,
            _before(arguments.out, arguments.resume),
            keep,
            report,
        )
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
