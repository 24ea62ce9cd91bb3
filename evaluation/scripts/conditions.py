"""Every generator with seven conditions: ``python -m evaluation.scripts.conditions --data PTBXL --out FILE``.

The conditions are nothing, lead I, leads II, V1 and V5, a PPG, the report, PPG and report, and lead I with report and
metadata of the same records of fold 9. One ECG is drawn for each record and condition. PTB-XL contains no PPGs; they
are simulated from the R peaks. Scored are validity, error of the heart rate, and Pearson's r of the leads that the
condition does not determine. A plot shows the draws for one record side by side.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen import data
from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, determined_by
from ecggen.core.rhythm import DETECTOR, heart_rate, r_peaks
from ecggen.core.simulate import simulate_ppg
from ecggen.data.batches import Batch, batch
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.io.results import commit, store
from ecggen.metrics.functional.waveform import pearson

CONDITIONS = {
    "nothing": ("", False, ()),
    "I": ("I", False, ()),
    "II, V1, V5": ("II V1 V5", False, ()),
    "PPG": ("", True, ()),
    "text": ("", False, ("text",)),
    "PPG + text": ("", True, ("text",)),
    "I + text + metadata": ("I", False, ("text", "age", "sex", "heart_rate")),
}
"""The columns of the table: given leads, whether a PPG is given, and given text and metadata."""

DEFINITIONS = {
    "valid": "share of draws that are finite, within 10 mV, not flat in any lead, with at least 3 R peaks",
    "heart_rate_error": "median over records of |generated − true heart rate|, per minute; no heart rate counts as 0",
    "r": "mean over records and leads, neither given nor determined, of Pearson's r between draw and record",
    "detector": DETECTOR,
    "ppg": "simulated from the R peaks of the record (ecggen.core.simulate.simulate_ppg)",
}


def condition_of(known: Batch, column: str, seed: int = 0) -> Condition:
    """The condition of a column of the table, for the records of a batch."""
    leads, ppg, kept = CONDITIONS[column]
    dropout = {name: float(name not in kept) for name in ("text", "age", "sex", "heart_rate")}
    condition = known.condition.drop(dropout, _rng())
    keep = torch.tensor([lead in leads.split() for lead in known.ecg.standard().leads])
    condition = condition.mask_leads(keep.expand(len(known), -1)).drop({"ppg": 1.0}, _rng())
    if ppg:
        rng = np.random.default_rng(seed)
        waves = [simulate_ppg(beats, known.ecg.seconds, known.ecg.fs, rng) for beats in known.beats]
        condition = condition.with_ppg(torch.from_numpy(np.stack(waves)), known.ecg.fs)
    return condition


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def score(drawn: ECG, known: Batch, given: tuple[str, ...]) -> dict[str, float]:
    """Scores of one draw for each record."""
    eight, true = drawn.pick(*INDEPENDENT_LEADS), known.ecg
    peaks = r_peaks(eight)
    usable = eight.signal.isfinite().all(-1).all(-1) & (eight.signal.abs().amax((1, 2)) < 10)
    usable &= eight.signal.std(-1).amin(1) > 1e-3
    valid = usable.numpy() & np.array([len(beats) >= 3 for beats in peaks])
    errors = [
        abs((heart_rate(ours) or 0.0) - (heart_rate(theirs) or 0.0))
        for ours, theirs in zip(peaks, known.beats, strict=True)
    ]
    free = [i for i, lead in enumerate(INDEPENDENT_LEADS) if lead not in determined_by(given)]
    r = np.nan_to_num(pearson(eight.signal[:, free].numpy(), true.signal[:, free].numpy()))
    return {"valid": float(valid.mean()), "heart_rate_error": float(np.median(errors)), "r": float(r.mean())}


def measure(generator: Generator, known: Batch, seed: int) -> dict[str, dict[str, float]]:
    """Scores of a generator with each condition."""
    row = {}
    for column in CONDITIONS:
        condition = condition_of(known, column)
        began = time.perf_counter()
        drawn = generator.sample(condition, seed)
        seconds = time.perf_counter() - began
        row[column] = score(drawn, known, condition.observed_leads()) | {"ms_per_ecg": 1000 * seconds / len(known)}
    return row


def plot(generators: dict[str, Generator], known: Batch, out: Path, seed: int) -> None:
    """Plot the draws for one record: a row per generator, a column per condition, leads II and V2, four seconds."""
    from matplotlib.figure import Figure

    figure = Figure((17, 1.9 * (1 + len(generators))), layout="constrained")
    panels = figure.subplots(1 + len(generators), len(CONDITIONS), sharex=True, sharey=True, squeeze=False)
    one = Batch(known.ecg[:1], known.condition[:1], known.beats[:1])
    rows: dict[str, Generator | None] = {"record": None, **generators}
    for i, (name, generator) in enumerate(rows.items()):
        for j, column in enumerate(CONDITIONS):
            panel, condition = panels[i, j], condition_of(one, column)
            ecg = one.ecg.standard() if generator is None else generator.sample(condition, seed)
            for lead, offset in (("II", 0.0), ("V2", -2.5)):
                measured = generator is None or lead in condition.observed_leads()
                wave = ecg.pick(lead).signal[0, 0, : round(4 * ecg.fs)].numpy()
                time_s = np.arange(len(wave)) / ecg.fs
                panel.plot(time_s, wave + offset, lw=0.8, color="black" if measured else "#1f5fbf")
                panel.text(0.02, offset + 0.5, lead, fontsize=7, color="0.4")
            if i == 0:
                panel.set_title(f"given: {column}", fontsize=9)
            if j == 0:
                panel.set_ylabel(name, fontsize=9)
            panel.set(ylim=(-4.6, 2), xticks=[0, 1, 2, 3, 4], yticks=[])
            panel.grid(alpha=0.3)
    report = one.condition.text[0]
    figure.suptitle(
        f'One draw each, seed {seed}; black: recorded, blue: SYNTHETIC, not for diagnosis. Report: "{report}"',
        fontsize=9,
    )
    figure.supxlabel("s; leads II and V2, 2.5 mV apart", fontsize=8)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Measure, store and plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["gan", "vae", "flow", "diffusion"])
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--limit", type=int, default=128, help="number of records of fold 9")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot-row", type=int, default=0, help="index of the record in the plot")
    parser.add_argument("--out", type=Path, required=True, help="JSON file; the plot is written next to it as .png")
    arguments = parser.parse_args()
    generators = {name: checkpoint.load(name) for name in arguments.models}
    preprocessor = next(iter(generators.values())).preprocessor
    pack = data.pack(data.recordings(arguments.data), preprocessor, arguments.cache)
    rows = pack.rows([9])
    rows = rows[[len(beats.split()) > 2 for beats in pack.index.beats.iloc[rows]]][: arguments.limit]
    known = batch(pack, rows)
    results: dict[str, Any] = {
        "definitions": DEFINITIONS,
        "n": len(known),
        "folds": [9],
        "seed": arguments.seed,
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "cores": os.cpu_count(),
        "scores": {generator.name: measure(generator, known, arguments.seed) for generator in generators.values()},
    }
    store(results, arguments.out, overwrite=True)
    row = arguments.plot_row
    plot(generators, batch(pack, rows[row : row + 1]), arguments.out.with_suffix(".png"), arguments.seed)
    print(json.dumps(results["scores"], indent=1))


if __name__ == "__main__":
    main()
