"""What a draw costs and what more steps buy: ``python -m evaluation.scripts.sampling --models vae flow --out FILE``.

Two questions of every generator. *Speed*: seconds for 100 records of ten seconds and twelve leads, drawn at the
checkpoint's own steps in batches of 64, with lead I given, with words and facts given, and with nothing given;
beside it, how often a network is run for each draw. Simulated hearts are enough for that: a network's time does not
depend on what it reads. *Steps*: r and RMSE on real records (``--data``) at 1 to 32 steps, of the estimate and of a
single draw, as ``reconstruction`` scores them; a family that draws in one pass is scored once, to compare.

Each measurement is stored when it is made, and ``--resume`` goes on after the last.
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
"""Milliseconds that one ECG may take on an ordinary computer."""

STEPS = (1, 2, 4, 8, 16, 32)
GIVEN = (("I",), ("II", "V1", "V5"))
ABOUT = {
    "seconds_per_100": "median of the runs, for 100 records of 10 s and 12 leads at 500 Hz in batches of 64",
    "evaluations_per_draw": "runs of the network that is run most, for a draw of one window of the model",
    **DEFINITIONS,
}
"""What the numbers are."""


@dataclass(frozen=True)
class Settings:
    """What is measured; a resumed run must have the same.

    Attributes:
        steps: Numbers of steps that are scored.
        given: Leads that are given, one score each.
        folds: Folds that are scored.
        limit: Most records that are scored.
        draws: Draws of an estimate.
        seed: Seed of the draws and of the bootstrap.
        runs: Timed runs, after one that is not timed.
    """

    steps: tuple[int, ...] = STEPS
    given: tuple[tuple[str, ...], ...] = GIVEN
    folds: tuple[int, ...] = (9,)
    limit: int = 256
    draws: int = 4
    seed: int = 1
    runs: int = 3


@dataclass(frozen=True)
class Recordings:
    """Real records, packed as one model wants them."""

    pack: Pack
    paths: dict[str, Path]

    @staticmethod
    def of(folder: Path, generator: Generator, cache: Path | None) -> Recordings:
        """The recordings of a folder."""
        found = data.recordings(folder)
        return Recordings(data.pack(found, generator.preprocessor, cache), {one.name: one.path for one in found})

    def __call__(self, row: int) -> ECG:
        """The recording of a row, as its file holds it."""
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
        models: Shipped checkpoints' names, or checkpoint folders.
        settings: What is measured.
        folder: Recordings to score on; only speed is measured without them.
        cache: Where packs are kept.
        before: Results of a run that was stopped; what they hold is not measured again.
        keep: Called with the results whenever there is a new one.
        report: Called with each measurement in words.

    Raises:
        InputError: Where ``before`` was measured with other settings or weights, or no record is to be scored.
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
            raise InputError(f"{entry['model']} was measured", f"{generator.name} lies there now", "measure all anew")
        if "speed" not in entry:
            entry["speed"] = speed(generator, settings.runs)
            report(f"{generator.name}: {json.dumps(entry['speed'])}")
            keep(results)
        if folder is not None:
            recordings = Recordings.of(folder, generator, cache)
            for row in score(generator, recordings, settings, entry["scores"]):
                entry["scores"].append(row)
                report(f"{generator.name}: {_in_words(row)}")
                keep(results)
    return results


def speed(generator: Generator, runs: int = 3) -> dict[str, Any]:
    """Seconds for 100 records and evaluations of the network for a draw, by what is given."""
    hearts = simulate(BATCH, fs=500)
    nothing = Condition.none(BATCH, hearts.seconds, hearts.fs)
    told = {
        "lead I": nothing.with_leads(hearts.pick("I")),
        "text and metadata": nothing.with_text("atrial fibrillation").with_metadata(age=74, sex="F", heart_rate=130),
        "nothing": nothing,
    }
    return {name: _speed(generator, condition, runs) for name, condition in told.items()}


def score(
    generator: Generator, recordings: Recordings, settings: Settings, before: Sequence[dict[str, Any]] = ()
) -> Iterator[dict[str, Any]]:
    """A row for each number of steps and each choice of given leads that ``before`` lacks.

    Raises:
        InputError: Where the folds hold no record.
    """
    rows = recordings.pack.rows(settings.folds)[: settings.limit]
    if not len(rows):
        raise InputError(f"folds {list(settings.folds)} hold no record", "records to score were expected")
    own, done = generator.sampling, [(row["num_steps"], row["given"]) for row in before]
    for steps in (None,) if own is None else settings.steps:
        generator = generator.with_sampling(steps)
        for given in settings.given:
            if (steps, list(given)) in done:
                continue
            protocol = Protocol("reconstruction", given, folds=settings.folds, draws=settings.draws, seed=settings.seed)
            scores = score_generator(generator, recordings, recordings.pack, protocol, rows)
            yield {"num_steps": steps, "given": list(given)} | _shortened(scores)
    generator.sampling = own


def _speed(generator: Generator, condition: Condition, runs: int) -> dict[str, Any]:
    """Seconds for 100 records, ms for one, and evaluations of the network for a draw."""
    with counted(generator) as evaluations:
        generator.sample(condition)  # also warms up
    prepared = generator.preprocessor.condition(condition)
    windows = len(generator.preprocessor.windows(prepared.samples))
    taken = []
    for seed in range(runs):
        began = time.perf_counter()
        generator.sample(condition, seed)
        taken.append(time.perf_counter() - began)
    one = statistics.median(taken) / len(condition)
    return {
        "seconds_per_100": round(100 * one, 4),
        "ms_per_ecg": round(1000 * one, 3),
        "within_aim": 1000 * one <= AIM_MS,
        "runs_s": [round(seconds, 4) for seconds in taken],
        "evaluations_per_draw": max(evaluations.values(), default=0) / len(condition) / windows,
    }


def _about(generator: Generator) -> dict[str, Any]:
    """What the numbers of a model must say about themselves."""
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
    """Scores without what is told per lead."""
    kept = {name: scores[name] for name in ("r", "r_interval", "rmse_mv", "rmse_mv_interval", "n", "draws", "seconds")}
    single = {name: scores["single_draw"][name] for name in ("r", "r_interval", "rmse_mv", "rmse_mv_interval")}
    return kept | {"coverage": scores["interval"]["coverage"], "single_draw": single}


def _in_words(row: dict[str, Any]) -> str:
    steps = "one pass" if row["num_steps"] is None else f"{row['num_steps']} steps"
    return (
        f"{steps}, {' '.join(row['given'])} given: r {row['r']:.3f}, RMSE {row['rmse_mv']:.3f} mV, "
        f"one draw r {row['single_draw']['r']:.3f}, n {row['n']}, {row['seconds']:.0f} s"
    )


def _before(path: Path, resume: bool) -> dict[str, Any] | None:
    """Results that a stopped run left."""
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
    """Measure and store; bad input ends with one sentence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", required=True, help="shipped checkpoints' names, or checkpoint folders")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    parser.add_argument("--data", type=Path, help="PTB-XL folder, or any folder of recordings; only speed without it")
    parser.add_argument("--cache", type=Path, help="where packed data sets are kept (default ~/.cache/ecggen)")
    parser.add_argument("--limit", type=int, default=256, help="most records to score")
    parser.add_argument("--num-draws", type=int, default=4, help="draws of an estimate")
    parser.add_argument("--folds", type=int, nargs="+", default=[9], help="folds to score")
    parser.add_argument("--num-steps", type=int, nargs="+", default=STEPS, help="numbers of steps to score")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    words = parser.parse_args()
    settings = Settings(tuple(words.num_steps), folds=tuple(words.folds), limit=words.limit, draws=words.num_draws)

    def keep(results: dict[str, Any]) -> None:
        store(results, words.out, overwrite=True)

    def report(what: str) -> None:
        print(what, flush=True)

    try:
        run(words.models, settings, words.data, words.cache, _before(words.out, words.resume), keep, report)
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
