"""Short comparative experiments: ``python -m evaluation.scripts.experiments --data PTBXL --cache CACHE``.

``evaluation/experiments/*.toml`` lists the experiments. Each has a hypothesis, a change of a training config or of the
sampling options of a checkpoint, and the experiment that it is compared with. An experiment with a config is trained
first. All are scored on the same records of fold 9 and compared record by record; those already in the results are
skipped. The training runs are short: they show which change helps, not how good a checkpoint becomes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from ecggen import data
from ecggen.benchmark.generation import chosen
from ecggen.conditioning import beat_network, condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core import config
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.core.simulate import simulate
from ecggen.data import Pack
from ecggen.evaluators import pretrained
from ecggen.evaluators.classifier import Classifier
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.flow import Flow
from ecggen.generators.latent import LatentGenerator
from ecggen.generators.sampling import Sampling
from ecggen.io.results import commit, store
from ecggen.training import trainer
from evaluation.scripts import gained
from evaluation.scripts import table_parts as markdown
from evaluation.scripts.penalties import PENALTIES, add_perceptual_loss

SCORED = ("I", "II V1 V5")
"""Given leads in the scoring of an experiment."""

HEAD = """# Experiments

Written by `python -m evaluation.scripts.experiments --data PTBXL` from `experiments.json`, which holds commit, date, n
and minutes of each experiment. All scores are on records of PTB-XL, fold 9. Differences are paired by record, in the
column after the score, with a 95 % bootstrap interval over patients; differences of r are in thousandths. r is the mean
of Pearson's r over records and leads. FID is the Fréchet distance of the classifier's features to those of 1,000
training records; lower is better. "Kept" says whether the shipped checkpoints use the change.
"""

BEATS, SPACE, TEXT = "beats", "space", "text"
KINDS = {
    BEATS: ("Beat network", "r of leads that are neither given nor determined", SCORED),
    SPACE: ("Latent space", "r and FID of autoencoded records", ("autoencoded",)),
    TEXT: ("Sampling given text", "FID of draws given report, age, sex and heart rate", ("text and metadata",)),
}
"""Kinds of experiments: title, what is measured, and the conditions or sets that are scored."""

BASE_SAMPLING = {"guidance_scale": 1.6}
"""Sampling options that the experiments on sampling share."""


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
        name: Its name, also in the results.
        hypothesis: The expected effect.
        config: The training config, a file next to the list.
        change: Overrides of the config, as in ``ecggen train --set``.
        against: Name of the experiment that it is compared with; "" for none.
        penalty: Loss of the beat network, one of ``PENALTIES``.
        perceptual: Weight of a perceptual loss on the classifier's features, added to the losses of the autoencoder.
        simulated: Epochs of pretraining on simulated ECGs.
        start: Checkpoint with the initial weights; "" for none.
        given: Given leads that are scored.
        kind: What is scored, one of ``KINDS``. An experiment of kind "text" is not trained; it samples from ``start``.
        sampling: Changed sampling options: ``heun`` and the fields of ``Sampling``. The others are those of
            ``BASE_SAMPLING`` and the number of steps of the checkpoint.
        masked: Text and metadata that are not given, in experiments of kind "text".
        kept: Whether the shipped checkpoints use the change, with the reason; "" if undecided.
    """

    name: str
    hypothesis: str
    config: str = ""
    change: Sequence[str] = ()
    against: str = ""
    penalty: str = "squared"
    perceptual: float = 0.0
    simulated: int = 0
    start: str = ""
    given: Sequence[str] = SCORED
    kind: str = BEATS
    sampling: Mapping[str, float] = field(default_factory=dict)
    masked: Sequence[str] = ()
    kept: str = ""

    def __post_init__(self):
        if self.kind not in KINDS or bool(self.config) == (self.kind == TEXT):
            found = f"{self.name} is of kind {self.kind!r} with the config {self.config!r}"
            raise InputError(found, f"one of {', '.join(KINDS)} was expected, and a config unless the kind is {TEXT!r}")
        if self.penalty not in PENALTIES:
            raise InputError(
                f"{self.name} has the penalty {self.penalty!r}", f"one of {', '.join(PENALTIES)} was expected"
            )


def read(folder: Path) -> list[Experiment]:
    """Read the experiments of all lists in ``folder``."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        values = tomllib.loads(path.read_text())
        for one in values.get("experiment", []):
            found.append(config.build(Experiment, one, f"an experiment of {path}"))
    return found


def changes(experiment: Experiment) -> list[str]:
    """Differences of an experiment from its config and checkpoint, as text."""
    return [
        *experiment.change,
        *([f"penalty {experiment.penalty}"] if experiment.penalty != "squared" else []),
        *([f"perceptual {experiment.perceptual:g}"] if experiment.perceptual else []),
        *([f"{experiment.simulated} epochs of pretraining on simulated ECGs"] if experiment.simulated else []),
        *(f"{name} {value:g}" for name, value in experiment.sampling.items()),
        *(f"without {name}" for name in experiment.masked),
    ]


def table(folder: Path, results: Mapping[str, Any]) -> str:
    """Markdown tables of the results: one table per kind, one line per experiment."""
    listed, parts = [one for one in read(folder) if one.name in results], []
    for kind, (title, measure, places) in KINDS.items():
        shown = [one for one in listed if one.kind == kind]
        if not shown:
            continue
        numbers = [
            number
            for number in ("r", "fid")
            if any(number in results[one.name]["given"].get(place, {}) for one in shown for place in places)
        ]
        columns = [(place, number) for place in places for number in numbers]
        names = [f"{NAMES[number]} ({place.replace(' ', ', ')})" for place, number in columns]
        heads = [head for name in names for head in (name, "difference")]
        lines = [["experiment", "hypothesis", "change", *heads, "kept"]]
        for one in shown:
            found = results[one.name]
            cells = [cell for place, number in columns for cell in _cells(found["given"].get(place), number)]
            change = "; ".join(f"`{part}`" for part in changes(one)) or "–"
            base = f" (compared with {one.against})" if one.against and one.against != shown[0].name else ""
            lines.append([one.name, one.hypothesis + base, change, *cells, one.kept])
        parts.append(f"## {title}\n\nMeasured: {measure}.\n\n" + markdown.table(lines[0], lines[1:]))
    return "\n" + "\n\n".join(parts) + "\n"


NAMES = {"r": "r", "fid": "FID"}


def _cells(found: Mapping[str, Any] | None, number: str) -> list[str]:
    """A score, and its difference from the other experiment with its interval (of r, in thousandths)."""
    if found is None:
        return ["", ""]
    digits, factor = (3, 1000) if number == "r" else (1, 1)
    value = f"{found[number]:.{digits}f}"
    if f"{number}_gained" not in found:
        return [value, ""]
    gained, low, high = (factor * one for one in (found[f"{number}_gained"], *found[f"{number}_gained_interval"]))
    return [value, f"{gained:+.1f} ({low:+.1f} to {high:+.1f})"]


def train(experiment: Experiment, folder: Path, pack: Callable[[Preprocessor], Pack], quiet: bool) -> Generator:
    """The trained generator of an experiment, or its checkpoint with changed sampling options."""
    if experiment.kind == TEXT:
        return with_sampling(experiment)
    generator, plan, masking = trainer.read(folder / experiment.config, experiment.change)
    if experiment.start:
        checkpoint.copy_weights(experiment.start, generator)
    for part in generator.modules():
        if isinstance(part, beat_network.Beatwise):
            part.penalty = PENALTIES[experiment.penalty]
    if experiment.perceptual:
        assert isinstance(generator, LatentGenerator)
        add_perceptual_loss(generator, experiment.perceptual)
    with tempfile.TemporaryDirectory() as made:
        if experiment.simulated:
            before = replace(plan, epochs=experiment.simulated, validation_records=32)
            trainer.train(
                generator,
                simulated(pack(generator.preprocessor)),
                before,
                masking,
                Path(made) / "simulated",
                progress=not quiet,
            )
        out = trainer.train(
            generator, pack(generator.preprocessor), plan, masking, Path(made) / "run", progress=not quiet
        )
        return checkpoint.load(out)


def with_sampling(experiment: Experiment) -> Generator:
    """The checkpoint of an experiment with its sampling options."""
    generator, options = checkpoint.load(experiment.start), BASE_SAMPLING | dict(experiment.sampling)
    if "heun" in options:
        assert isinstance(generator, Flow)
        generator.heun = bool(options.pop("heun"))
    assert generator.sampling is not None
    num_steps = int(options.pop("num_steps", generator.sampling.num_steps))
    generator.sampling = replace(Sampling(num_steps), **options)
    return generator


def simulated(real: Pack, n: int = 8192) -> Pack:
    """A pack of simulated ECGs in folds 1 to 8, with records of fold 9 of the pack ``real``."""
    ecg = simulate(n, real.preprocessor.seconds, real.preprocessor.fs, seed=1)
    signal = real.preprocessor.ecg(ecg.pick(*INDEPENDENT_LEADS)).signal
    peaks = r_peaks(ecg)
    rows = real.rows((9,))[:64]
    index = pandas.DataFrame(
        {
            "name": [f"simulated {at}" for at in range(n)],
            "patient": [f"simulated {at}" for at in range(n)],
            "fold": 1 + np.arange(n) % 8,
            "beats": [" ".join(f"{one:.2f}" for one in found) for found in peaks],
            "heart_rate": [heart_rate(found) for found in peaks],
            "paired": False,
            **dict.fromkeys(("report", "codes"), ""),
            **dict.fromkeys(("age", "sex"), np.nan),
        }
    )
    known = real.index.iloc[rows][index.columns]
    return Pack(
        np.concatenate([(1000 * signal).round().numpy().astype(np.int16), real.signal[rows]]),
        np.concatenate([np.zeros((n, signal.shape[-1]), np.float16), real.ppg[rows]]),
        pandas.concat([index, known], ignore_index=True),
        real.preprocessor,
        {},
    )


def measured(
    experiment: Experiment, generator: Generator, pack: Pack, rows: np.ndarray, classifier: Classifier
) -> gained.Scores:
    """Scores by record, as the kind of the experiment requires."""
    if experiment.kind == TEXT:
        given = [name for name in condition.TEXT_AND_METADATA if name not in experiment.masked]
        return gained.of_text(generator, pack, rows, given, classifier)
    if experiment.kind == SPACE:
        return gained.of_space(generator, pack, rows, classifier)
    return gained.of_beats(generator, pack, rows, experiment.given)


def main() -> None:
    """Run the experiments that have no results, and store each result at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--list", type=Path, default=Path("evaluation/experiments"), help="folder of the lists")
    parser.add_argument("--only", nargs="*", help="names of experiments (default: all)")
    parser.add_argument("--records", type=int, default=1000, help="number of records of fold 9 that are scored")
    parser.add_argument("--work", type=Path, default=Path("runs/experiments"), help="folder of the scores by record")
    parser.add_argument(
        "--out", type=Path, default=Path("evaluation/results/experiments.json"), help="JSON file for the results"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    results = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {"experiments": {}}

    def pack(preprocessor: Preprocessor) -> Pack:
        return data.pack(data.recordings(arguments.data), preprocessor, arguments.cache)

    classifier, real = pretrained.load("classifier", "classifier"), None
    for experiment in read(arguments.list):
        if experiment.name in results["experiments"] or (arguments.only and experiment.name not in arguments.only):
            continue
        began = time.perf_counter()
        generator = train(experiment, arguments.list, pack, arguments.quiet)
        known = pack(generator.preprocessor)
        rows = np.sort(np.random.default_rng(0).permutation(known.rows((9,)))[: arguments.records])
        if real is None and experiment.kind != BEATS:
            real = classifier.predict(known.ecg(chosen(known, range(1, 9), 1000, 1)).standard()).features
        found, kept = {}, {}
        for place, own in measured(experiment, generator, known, rows, classifier).items():
            kept |= {f"{place}/{name}": values for name, values in own.items()}
            other = arguments.work / f"{experiment.against}.npz"
            before = np.load(other) if experiment.against and other.is_file() else {}
            held = {name: before[f"{place}/{name}"] for name in own if f"{place}/{name}" in before}
            patients = known.index.patient.iloc[rows].tolist()
            found[place] = gained.compared(own, held or None, patients, np.empty(0) if real is None else real)
        np.savez(arguments.work / f"{experiment.name}.npz", **kept)  # type: ignore[arg-type]
        results["experiments"][experiment.name] = {
            "hypothesis": experiment.hypothesis,
            "change": changes(experiment),
            "against": experiment.against,
            "given": found,
            "n": len(rows),
            "minutes": round((time.perf_counter() - began) / 60, 1),
            "commit": commit(),
            "date": datetime.date.today().isoformat(),
        }
        store(results, arguments.out, overwrite=True)
        arguments.out.with_suffix(".md").write_text(
            HEAD + table(arguments.list, results["experiments"]), encoding="utf-8"
        )
        print(experiment.name, json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
