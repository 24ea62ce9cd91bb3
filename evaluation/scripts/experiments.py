"""What was tried, and what came of it: ``python -m evaluation.scripts.experiments --data PTBXL --cache CACHE``.

``evaluation/experiments/*.toml`` lists experiments: a hypothesis, what is changed in a training config or in how a
checkpoint draws, and against which other one it is held. Each is trained where it says so, scored on the same records
of fold 9 and compared record by record; those that stand in the results already are left out. Short trainings tell
what helps, not how good a checkpoint will be.
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
from evaluation.scripts.penalties import PENALTIES, look_at_features

SCORED = ("I", "II V1 V5")
"""Leads that are given when an experiment is scored."""

HEAD = """# What was tried

Written by `python -m evaluation.scripts.experiments --data PTBXL` from `experiments.json`, which holds commit, date, n
and minutes of each. Scored are records of fold 9; differences have the 95 % interval of a bootstrap over patients,
record by record. r is the mean over records and leads, its gain told in thousandths; FID is the Fréchet distance of
the classifier's features to those of 1,000 training records, less is better.
"""

BEATS, SPACE, WORDS = "beats", "space", "words"
KINDS = {
    BEATS: ("Writing leads beat by beat", "r of leads that are neither given nor determined", SCORED),
    SPACE: ("The latent space", "r of what the autoencoder makes of an ECG, and FID", ("autoencoded",)),
    WORDS: ("Drawing from words", "FID of draws that are told report, age, sex and heart rate", ("told",)),
}
"""Kinds of experiments: what they are about, what is measured, and of what."""

PLAIN = {"guidance": 1.6}
"""How experiments on drawing draw, unless they say otherwise: the ground that they share."""


@dataclass(frozen=True)
class Experiment:
    """One line of what was tried.

    Attributes:
        name: Its name, also in the results.
        hypothesis: What was expected, and why.
        config: The training config, beside the list.
        change: Overrides of the config, as ``ecggen train --set``.
        against: The experiment that it is compared with; "" for none.
        penalty: What the part that writes beat by beat minimises: one of ``PENALTIES``.
        perceptual: Weight of the distance of the classifier's features, beside what a latent space minimises.
        simulated: Epochs on simulated hearts before the training.
        start: A checkpoint to begin with; "" for none.
        given: Leads that are scored, where they are fewer than ``SCORED``.
        kind: What is scored, one of ``KINDS``; an experiment on "words" is not trained, it draws with ``start``.
        sampling: How it draws: heun, and what ``Sampling`` holds; ``PLAIN`` and the checkpoint's steps elsewhere.
        untold: What is not told of a record, where words are.
        kept: Whether shipped checkpoints are made that way; "" while it is open.
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
    untold: Sequence[str] = ()
    kept: str = ""

    def __post_init__(self):
        if self.kind not in KINDS or bool(self.config) == (self.kind == WORDS):
            raise InputError(f"{self.name} is of kind {self.kind!r}, config {self.config!r}", "words, or a config")
        if self.penalty not in PENALTIES:
            raise InputError(f"{self.name} has the penalty {self.penalty!r}", f"one of {', '.join(PENALTIES)}")


def read(folder: Path) -> list[Experiment]:
    """The experiments of every list in ``folder``."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        values = tomllib.loads(path.read_text())
        for one in values.get("experiment", []):
            found.append(config.build(Experiment, one, f"an experiment of {path}"))
    return found


def changes(experiment: Experiment) -> list[str]:
    """What an experiment does otherwise than its config and checkpoint say."""
    return [
        *experiment.change,
        *([f"penalty {experiment.penalty}"] if experiment.penalty != "squared" else []),
        *([f"perceptual {experiment.perceptual:g}"] if experiment.perceptual else []),
        *([f"{experiment.simulated} epochs on simulated hearts first"] if experiment.simulated else []),
        *(f"{name} {value:g}" for name, value in experiment.sampling.items()),
        *(f"without {name}" for name in experiment.untold),
    ]


def table(folder: Path, results: Mapping[str, Any]) -> str:
    """A table for each kind, a line for each experiment that has been run, as Markdown."""
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
        heads = [head for name in names for head in (name, "against the other")]
        lines = [["experiment", "hypothesis", "change", *heads, "kept"]]
        for one in shown:
            found = results[one.name]
            cells = [cell for place, number in columns for cell in _cells(found["given"].get(place), number)]
            change = "; ".join(f"`{part}`" for part in changes(one)) or "–"
            base = f" (against {one.against})" if one.against and one.against != shown[0].name else ""
            lines.append([one.name, one.hypothesis + base, change, *cells, one.kept])
        parts.append(f"## {title}\n\nMeasured: {measure}.\n\n" + markdown.table(lines[0], lines[1:]))
    return "\n" + "\n\n".join(parts) + "\n"


NAMES = {"r": "r", "fid": "FID"}


def _cells(found: Mapping[str, Any] | None, number: str) -> list[str]:
    """A number, and its difference to the other experiment with its interval; r's in thousandths."""
    if found is None:
        return ["", ""]
    digits, factor = (3, 1000) if number == "r" else (1, 1)
    value = f"{found[number]:.{digits}f}"
    if f"{number}_gained" not in found:
        return [value, ""]
    gained, low, high = (factor * one for one in (found[f"{number}_gained"], *found[f"{number}_gained_interval"]))
    return [value, f"{gained:+.1f} ({low:+.1f} to {high:+.1f})"]


def train(experiment: Experiment, folder: Path, pack: Callable[[Preprocessor], Pack], quiet: bool) -> Generator:
    """The generator that an experiment comes to."""
    if experiment.kind == WORDS:
        return drawing(experiment)
    generator, plan, masking = trainer.read(folder / experiment.config, experiment.change)
    if experiment.start:
        checkpoint.copy_weights(experiment.start, generator)
    for part in generator.modules():
        if isinstance(part, beat_network.Beatwise):
            part.penalty = PENALTIES[experiment.penalty]
    if experiment.perceptual:
        assert isinstance(generator, LatentGenerator)
        look_at_features(generator, experiment.perceptual)
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


def drawing(experiment: Experiment) -> Generator:
    """A checkpoint that draws as an experiment says."""
    generator, how = checkpoint.load(experiment.start), PLAIN | dict(experiment.sampling)
    if "heun" in how:
        assert isinstance(generator, Flow)
        generator.heun = bool(how.pop("heun"))
    assert generator.sampling is not None
    steps = int(how.pop("steps", generator.sampling.num_steps))
    generator.sampling = replace(Sampling(steps), **how)
    return generator


def simulated(real: Pack, n: int = 8192) -> Pack:
    """A pack of simulated hearts in folds 1 to 8, with the records of fold 9 of a real one."""
    hearts = simulate(n, real.preprocessor.seconds, real.preprocessor.fs, seed=1)
    signal = real.preprocessor.ecg(hearts.pick(*INDEPENDENT_LEADS)).signal
    peaks = r_peaks(hearts)
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
    """What is compared record by record, by the experiment's kind."""
    if experiment.kind == WORDS:
        told = [name for name in condition.WORDS if name not in experiment.untold]
        return gained.of_words(generator, pack, rows, told, classifier)
    if experiment.kind == SPACE:
        return gained.of_space(generator, pack, rows, classifier)
    return gained.of_beats(generator, pack, rows, experiment.given)


def main() -> None:
    """Run what has not been run, and store each as it ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="where packed data sets are kept")
    parser.add_argument("--list", type=Path, default=Path("evaluation/experiments"), help="folder of the lists")
    parser.add_argument("--only", nargs="*", help="names of experiments; all of them if left out")
    parser.add_argument("--records", type=int, default=1000, help="records of fold 9 that are scored")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/experiments"), help="where each record's scores are kept"
    )
    parser.add_argument("--out", type=Path, default=Path("evaluation/results/experiments.json"))
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    words = parser.parse_args()
    words.work.mkdir(parents=True, exist_ok=True)
    results = json.loads(words.out.read_text()) if words.out.is_file() else {"experiments": {}}

    def pack(preprocessor: Preprocessor) -> Pack:
        return data.pack(data.recordings(words.data), preprocessor, words.cache)

    classifier, real = pretrained.load("classifier", "classifier"), None
    for experiment in read(words.list):
        if experiment.name in results["experiments"] or (words.only and experiment.name not in words.only):
            continue
        began = time.perf_counter()
        generator = train(experiment, words.list, pack, words.quiet)
        known = pack(generator.preprocessor)
        rows = np.sort(np.random.default_rng(0).permutation(known.rows((9,)))[: words.records])
        if real is None and experiment.kind != BEATS:
            real = classifier.predict(known.ecg(chosen(known, range(1, 9), 1000, 1)).standard()).features
        found, kept = {}, {}
        for place, own in measured(experiment, generator, known, rows, classifier).items():
            kept |= {f"{place}/{name}": values for name, values in own.items()}
            other = words.work / f"{experiment.against}.npz"
            before = np.load(other) if experiment.against and other.is_file() else {}
            held = {name: before[f"{place}/{name}"] for name in own if f"{place}/{name}" in before}
            patients = known.index.patient.iloc[rows].tolist()
            found[place] = gained.compared(own, held or None, patients, np.empty(0) if real is None else real)
        np.savez(words.work / f"{experiment.name}.npz", **kept)  # type: ignore[arg-type]
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
        store(results, words.out, overwrite=True)
        words.out.with_suffix(".md").write_text(HEAD + table(words.list, results["experiments"]), encoding="utf-8")
        print(experiment.name, json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
