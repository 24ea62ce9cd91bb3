"""Findings drawn beside real ones: ``python -m evaluation.scripts.findings --data PTBXL --out docs/figures``.

For each finding the first record of fold 9 with its statement, and two ECGs that a generator draws for the words. The
figure of a generator is ``findings_<name>.png``: the leads I, II, V1 and V5, five seconds, 2 mV apart. The seed is that
of the first finding; each following one has the next.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ecggen import data
from ecggen.core.ecg import ECG
from ecggen.data.batches import batch
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator

FINDINGS = {
    "normal ECG": "NORM",
    "complete left bundle branch block": "CLBBB",
    "complete right bundle branch block": "CRBBB",
    "first degree AV block": "1AVB",
    "atrial fibrillation": "AFIB",
    "atrial flutter": "AFLT",
    "inferior myocardial infarction": "IMI",
    "anteroseptal myocardial infarction": "ASMI",
    "left ventricular hypertrophy": "LVH",
    "premature ventricular contractions": "PVC",
    "ventricular bigeminy": "BIGU",
    "paced rhythm": "PACE",
}
"""Words that are asked for, and the statement of the real record."""
LEADS, SECONDS, APART, DRAWS = ("I", "II", "V1", "V5"), 5.0, 2.0, 2
WITHIN = 1.6
"""Largest voltage in mV that is shown."""
COLOURS = 16
"""Colours of a figure's file."""


def records(pack: data.Pack) -> ECG:
    """For each finding, the first record of fold 9 with its statement that is not shown yet."""
    rows, chosen = pack.rows([9]), []
    codes = [set(own.split()) for own in pack.index.codes.iloc[rows].fillna("")]
    for code in FINDINGS.values():
        chosen.append(next(row for row, own in zip(rows, codes, strict=True) if code in own and row not in chosen))
    return batch(pack, np.array(chosen)).ecg.standard()


def figure(real: ECG, generator: Generator, seed: int) -> Figure:
    """Rows of findings: the real record, then draws of a generator."""
    drawn = [
        generator.generate(words, n=DRAWS, seconds=real.seconds, fs=real.fs, seed=seed + row)
        for row, words in enumerate(FINDINGS)
    ]
    made = Figure((15, 2.2 * len(FINDINGS)), layout="constrained")
    panels = made.subplots(len(FINDINGS), 1 + DRAWS, sharex=True, sharey=True)
    for row, words in enumerate(FINDINGS):
        for column, panel in enumerate(panels[row]):
            ecg = real[row : row + 1] if column == 0 else drawn[row][column - 1 : column]
            for place, lead in enumerate(LEADS):
                wave = ecg.pick(lead).signal[0, 0, : round(SECONDS * ecg.fs)].numpy().clip(-WITHIN, WITHIN)
                colour = "black" if column == 0 else "#1f5fbf"
                panel.plot(np.arange(len(wave)) / ecg.fs, wave - APART * place, lw=0.7, color=colour)
                if column == 0:
                    panel.text(-0.05, -APART * place, lead, ha="right", va="center", fontsize=8)
            panel.set_axis_off()
        panels[row, 0].set_title(words, loc="left", fontsize=11)
    drawer = f"{generator.name}, seed {seed}"
    made.suptitle(f"black: recorded (PTB-XL, fold 9); blue: SYNTHETIC, not for diagnosis ({drawer})", fontsize=11)
    return made


def write(made: Figure, file: Path) -> None:
    """Write a figure with few colours."""
    drawn = io.BytesIO()
    file.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(drawn, dpi=70)
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(file, optimize=True)


def main() -> None:
    """Draw the figure of each generator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["flow", "diffusion", "vae", "gan"])
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder of the figures")
    arguments = parser.parse_args()
    generators = [checkpoint.load(name) for name in arguments.models]
    real = records(data.pack(data.recordings(arguments.data), generators[0].preprocessor, arguments.cache))
    for name, generator in zip(arguments.models, generators, strict=True):
        write(figure(real, generator, arguments.seed), arguments.out / f"findings_{name}.png")


if __name__ == "__main__":
    main()
