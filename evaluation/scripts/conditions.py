"""Every generator told seven things: ``python -m evaluation.scripts.conditions --data PTBXL --out FILE``.

The same records of fold 9 are told in part — nothing, lead I, II with V1 and V5, a PPG, the report, both, or lead I
with report and facts — and one ECG is drawn for each. PTB-XL has no PPGs: they are simulated from the R peaks. What
is scored of a draw is what its condition could know: whether it is an ECG at all, how far its heart rate lies from the
record's, and how well leads that were not given fit. A picture shows one record's draws side by side.
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

TOLD = {
    "nothing": ("", False, ()),
    "I": ("I", False, ()),
    "II, V1, V5": ("II V1 V5", False, ()),
    "PPG": ("", True, ()),
    "text": ("", False, ("text",)),
    "PPG + text": ("", True, ("text",)),
    "I + text + metadata": ("I", False, ("text", "age", "sex", "heart_rate")),
}
"""Each column of the table: leads, whether there is a PPG, and which words and facts."""

DEFINITIONS = {
    "valid": "share of draws that are finite, within 10 mV, not flat in any lead, with at least 3 R peaks",
    "heart_rate_error": "median over records of |drawn − true heart rate|, per minute; a draw without one counts whole",
    "r": "mean over records and leads, neither given nor determined, of Pearson's r between one draw and the truth",
    "detector": DETECTOR,
    "ppg": "simulated from the record's R peaks (ecggen.core.simulate.simulate_ppg)",
}


def condition_of(known: Batch, column: str, seed: int = 0) -> Condition:
    """What a column of the table tells of the records of a batch."""
    leads, ppg, words = TOLD[column]
    everything = known.condition
    condition = everything.drop(
        {name: float(name not in words) for name in ("text", "age", "sex", "heart_rate")}, _rng()
    )
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
    """What one draw of each record is worth."""
    eight, true = drawn.pick(*INDEPENDENT_LEADS), known.ecg
    peaks = r_peaks(eight)
    whole = eight.signal.isfinite().all(-1).all(-1) & (eight.signal.abs().amax((1, 2)) < 10)
    whole &= eight.signal.std(-1).amin(1) > 1e-3
    valid = whole.numpy() & np.array([len(beats) >= 3 for beats in peaks])
    errors = [
        abs((heart_rate(ours) or 0.0) - (heart_rate(theirs) or 0.0))
        for ours, theirs in zip(peaks, known.beats, strict=True)
    ]
    free = [i for i, lead in enumerate(INDEPENDENT_LEADS) if lead not in determined_by(given)]
    r = np.nan_to_num(pearson(eight.signal[:, free].numpy(), true.signal[:, free].numpy()))
    return {"valid": float(valid.mean()), "heart_rate_error": float(np.median(errors)), "r": float(r.mean())}


def measure(generator: Generator, known: Batch, seed: int) -> dict[str, dict[str, float]]:
    """The row of a generator."""
    row = {}
    for column in TOLD:
        condition = condition_of(known, column)
        began = time.perf_counter()
        drawn = generator.sample(condition, seed)
        seconds = time.perf_counter() - began
        row[column] = score(drawn, known, condition.observed_leads()) | {"ms_per_ecg": 1000 * seconds / len(known)}
    return row


def picture(generators: dict[str, Generator], known: Batch, out: Path, seed: int) -> None:
    """One record's draws, a row for each generator and a column for each condition: leads II and V2, four seconds."""
    from matplotlib.figure import Figure

    figure = Figure((17, 1.9 * (1 + len(generators))), layout="constrained")
    panels = figure.subplots(1 + len(generators), len(TOLD), sharex=True, sharey=True, squeeze=False)
    one = Batch(known.ecg[:1], known.condition[:1], known.beats[:1])
    rows: dict[str, Generator | None] = {"the record": None, **generators}
    for i, (name, generator) in enumerate(rows.items()):
        for j, column in enumerate(TOLD):
            panel, condition = panels[i, j], condition_of(one, column)
            ecg = one.ecg.standard() if generator is None else generator.sample(condition, seed)
            for lead, offset in (("II", 0.0), ("V2", -2.5)):
                measured = generator is None or lead in condition.observed_leads()
                wave = ecg.pick(lead).signal[0, 0, : round(4 * ecg.fs)].numpy()
                time_s = np.arange(len(wave)) / ecg.fs
                panel.plot(time_s, wave + offset, lw=0.8, color="black" if measured else "#1f5fbf")
                panel.text(0.02, offset + 0.5, lead, fontsize=7, color="0.4")
            if i == 0:
                panel.set_title(f"told: {column}", fontsize=9)
            if j == 0:
                panel.set_ylabel(name, fontsize=9)
            panel.set(ylim=(-4.6, 2), xticks=[0, 1, 2, 3, 4], yticks=[])
            panel.grid(alpha=0.3)
    report = one.condition.text[0]
    figure.suptitle(
        f'One draw each, seed {seed}; black is measured, blue is SYNTHETIC, not for diagnosis. Report: "{report}"',
        fontsize=9,
    )
    figure.supxlabel("s; leads II and V2, 2.5 mV apart", fontsize=8)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Measure, store, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["gan", "vae", "flow", "diffusion"])
    parser.add_argument("--data", type=Path, required=True, help="the PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="where packed data sets are kept")
    parser.add_argument("--limit", type=int, default=128, help="records of fold 9")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture-row", type=int, default=0, help="which of them is drawn in the picture")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file; the picture lies beside it as .png")
    words = parser.parse_args()
    generators = {name: checkpoint.load(name) for name in words.models}
    preprocessor = next(iter(generators.values())).preprocessor
    pack = data.pack(data.recordings(words.data), preprocessor, words.cache)
    rows = pack.rows([9])
    rows = rows[[len(beats.split()) > 2 for beats in pack.index.beats.iloc[rows]]][: words.limit]
    known = batch(pack, rows)
    results: dict[str, Any] = {
        "definitions": DEFINITIONS,
        "n": len(known),
        "folds": [9],
        "seed": words.seed,
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "cores": os.cpu_count(),
        "scores": {generator.name: measure(generator, known, words.seed) for generator in generators.values()},
    }
    store(results, words.out, overwrite=True)
    row = words.picture_row
    picture(generators, batch(pack, rows[row : row + 1]), words.out.with_suffix(".png"), words.seed)
    print(json.dumps(results["scores"], indent=1))


if __name__ == "__main__":
    main()
