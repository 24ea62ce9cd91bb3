"""What was tried, and what came of it: ``python -m ecggen.evaluation.experiments --data PTBXL --cache CACHE``.

``evaluation/experiments/*.toml`` lists experiments: a hypothesis, what is changed in a training config, and against
which other one it is held. Each is trained, scored on the same records of fold 9 and compared record by record; those
that stand in the results already are left out. Short trainings tell what helps, not how good a checkpoint will be.
"""

from __future__ import annotations

import argparse
import datetime
import json
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import torch
from torch import Tensor

from ecggen import beatwise, checkpoint, config, data, training
from ecggen.condition import Condition, agree
from ecggen.data import Batches, Pack
from ecggen.ecg import DRAWN_LEADS
from ecggen.errors import InputError
from ecggen.evaluation.results import commit, store
from ecggen.evaluation.scores.bootstrap import patient_interval
from ecggen.evaluation.scores.pointwise import free_leads, mean_squared_error, pearson
from ecggen.generator import Generator
from ecggen.nn.scores import squared
from ecggen.preprocessing import Preprocessor
from ecggen.reader import Reader
from ecggen.rhythm import heart_rate, r_peaks
from ecggen.simulate import simulate

R_PEAK = 35
"""Sample of a beat at which its QRS stands: ``[model] beats`` of the base config begins with it."""
SCORED = ("I", "II V1 V5")
"""Leads that are given when an experiment is scored."""

HEAD = """# What was tried

Written by `python -m ecggen.evaluation.experiments --data PTBXL` from `experiments.json`, which holds commit, date, n
and minutes of each. r is the mean over records of fold 9 and leads that are neither given nor determined; what was
gained is told in thousandths, with the 95 % interval of a bootstrap over patients, record by record.

"""

Penalty = Callable[[Tensor, Tensor, Tensor], Tensor]


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
        simulated: Epochs on simulated hearts before the training.
        start: A checkpoint to begin with; "" for none.
        given: Leads that are scored, where they are fewer than ``SCORED``.
        kept: Whether shipped checkpoints are made that way; "" while it is open.
    """

    name: str
    hypothesis: str
    config: str
    change: Sequence[str] = ()
    against: str = ""
    penalty: str = "squared"
    simulated: int = 0
    start: str = ""
    given: Sequence[str] = SCORED
    kept: str = ""

    def __post_init__(self):
        if self.penalty not in PENALTIES:
            raise InputError(f"{self.name} has the penalty {self.penalty!r}", f"one of {', '.join(PENALTIES)}")


def absolute(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """Mean absolute error over the amplitude: the median is what it asks for."""
    return ((written - true) / scale).abs().mean()


def slope(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """The squared error, and that of the slope."""
    return squared(written, true, scale) + 2 * squared(written.diff(dim=-1), true.diff(dim=-1), scale)


def spectral(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """The squared error, and the distance of the spectra's magnitudes."""
    apart = torch.fft.rfft(written / scale).abs() - torch.fft.rfft(true / scale).abs()
    return squared(written, true, scale) + 0.5 * apart.square().mean() / written.shape[-1]


def peak(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """The squared error, three times as heavy within 50 ms of the QRS."""
    near = (torch.arange(written.shape[-1], device=written.device) - R_PEAK).abs() <= 5
    return squared(written, true, scale / (1 + 2 * near).sqrt())


PENALTIES: dict[str, Penalty] = {
    "squared": squared,
    "absolute": absolute,
    "slope": slope,
    "spectral": spectral,
    "peak": peak,
}


def read(folder: Path) -> list[Experiment]:
    """The experiments of every list in ``folder``."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        values = tomllib.loads(path.read_text())
        for one in values.get("experiment", []):
            found.append(config.build(Experiment, one, f"an experiment of {path}"))
    return found


def table(folder: Path, results: Mapping[str, Any]) -> str:
    """A line for each experiment that has been run, as Markdown."""
    lines = [
        "| experiment | hypothesis | change | r from I | gained | r from II, V1, V5 | gained | kept |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in read(folder):
        if one.name in results:
            found = results[one.name]
            cells = [cell for leads in SCORED for cell in _cells(found["given"].get(leads))]
            change = "; ".join(f"`{part}`" for part in found["change"]) or "–"
            against = f" (against {one.against})" if one.against not in ("", "base") else ""
            lines.append("| " + " | ".join([one.name, one.hypothesis + against, change, *cells, one.kept]) + " |")
    return "\n".join(lines) + "\n"


def _cells(found: Mapping[str, Any] | None) -> list[str]:
    """r, and what was gained with its interval in thousandths."""
    if found is None:
        return ["", ""]
    if "r_gained" not in found:
        return [f"{found['r']:.3f}", ""]
    gained, low, high = (1000 * value for value in (found["r_gained"], *found["r_gained_interval"]))
    return [f"{found['r']:.3f}", f"{gained:+.1f} ({low:+.1f} to {high:+.1f})"]


def train(experiment: Experiment, folder: Path, pack: Callable[[Preprocessor], Pack], quiet: bool) -> Generator:
    """The generator that an experiment comes to."""
    generator, plan, exposure = training.read(folder / experiment.config, experiment.change)
    if experiment.start:
        checkpoint.copy_weights(experiment.start, generator)
    for part in generator.modules():
        if isinstance(part, beatwise.Beatwise):
            part.penalty = PENALTIES[experiment.penalty]
    with tempfile.TemporaryDirectory() as made:
        if experiment.simulated:
            before = replace(plan, epochs=experiment.simulated, validation_records=32)
            training.train(
                generator,
                simulated(pack(generator.preprocessor)),
                before,
                exposure,
                Path(made) / "simulated",
                progress=not quiet,
            )
        out = training.train(
            generator, pack(generator.preprocessor), plan, exposure, Path(made) / "run", progress=not quiet
        )
        return checkpoint.load(out)


def simulated(real: Pack, n: int = 8192) -> Pack:
    """A pack of simulated hearts in folds 1 to 8, with the records of fold 9 of a real one."""
    hearts = simulate(n, real.preprocessor.seconds, real.preprocessor.fs, seed=1)
    signal = real.preprocessor.ecg(hearts.pick(*DRAWN_LEADS)).signal
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


@torch.no_grad()
def guessed(generator: Generator, pack: Pack, rows: np.ndarray, given: Sequence[str]) -> np.ndarray:
    """(record, 8, time): what is written beat by beat."""
    reader = generator.get_submodule("reader")
    assert isinstance(reader, Reader) and reader.beatwise is not None
    parts = []
    for part in Batches(pack, rows, 64):
        known = part.ecg.standard().pick(*given)
        condition = Condition.none(len(known), known.seconds, known.fs).with_leads(known)
        written = reader.beatwise(condition, reader.encoder.numbers(condition))[:, : len(DRAWN_LEADS)]
        parts.append(agree(written, condition).numpy())
    return np.concatenate(parts)


def scores(drawn: np.ndarray, true: np.ndarray, given: Sequence[str]) -> dict[str, np.ndarray]:
    """(record, lead) each: r and mean squared error of the leads that are not determined."""
    at = [DRAWN_LEADS.index(lead) for lead in free_leads(given)]
    return {
        "r": np.nan_to_num(pearson(drawn[:, at], true[:, at])),
        "squared": mean_squared_error(drawn[:, at], true[:, at]),
    }


def compared(own: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray] | None, patients: list[str]) -> dict:
    """Means, and the difference to another experiment with its 95 % interval over patients."""
    found: dict[str, Any] = {
        "r": round(float(own["r"].mean()), 4),
        "rmse_mv": round(float(np.sqrt(own["squared"].mean(0)).mean()), 4),
    }
    if other is not None:
        gain = own["r"] - other["r"]
        found["r_gained"] = round(float(gain.mean()), 4)
        found["r_gained_interval"] = [round(edge, 4) for edge in patient_interval(gain, patients)]
    return found


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

    for experiment in read(words.list):
        if experiment.name in results["experiments"] or (words.only and experiment.name not in words.only):
            continue
        began = time.perf_counter()
        generator = train(experiment, words.list, pack, words.quiet)
        known = pack(generator.preprocessor)
        rows = np.sort(np.random.default_rng(0).permutation(known.rows((9,)))[: words.records])
        true, patients = known.ecg(rows).signal.numpy(), known.index.patient.iloc[rows].tolist()
        found, kept = {}, {}
        for leads in experiment.given:
            own = scores(guessed(generator, known, rows, leads.split()), true, leads.split())
            kept |= {f"{leads}/{name}": values for name, values in own.items()}
            other = words.work / f"{experiment.against}.npz"
            before = np.load(other) if experiment.against and other.is_file() else None
            held = None if before is None or f"{leads}/r" not in before else {"r": before[f"{leads}/r"]}
            found[leads] = compared(own, held, patients)
        np.savez(words.work / f"{experiment.name}.npz", **kept)  # type: ignore[arg-type]
        results["experiments"][experiment.name] = {
            "hypothesis": experiment.hypothesis,
            "change": [
                *experiment.change,
                *([f"penalty {experiment.penalty}"] if experiment.penalty != "squared" else []),
            ],
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
