"""Beat networks trained on records of simulated recorders, measured inside and outside of the training archive.

``python -m evaluation.scripts.recorder_training --data PTBXL --outside CINC2021 --outside LUDB --outside CINC2011
--run control=RUN/checkpoint --run all=RUN/checkpoint --out evaluation/results/recorder_training.json`` puts the beat
network of each run into ``vae`` and measures its prediction; with ``--corrected`` also the deterministic prediction of
``vae``, whose U-Net corrects it and was not trained further. r is the mean over leads that the given ones
do not determine: the independent ones, and for V1 and V5 all of twelve as well. Lead I of PTB-XL is also given with
added noise. Each run is compared, record by record, with the shipped weights and with the first run.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from ecggen import data
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.encoder import Reader
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS, determined_by
from ecggen.core.recorders import coloured
from ecggen.data import Pack
from ecggen.data.challenges import hospital
from ecggen.data.pack import FOLDS
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.io.results import commit
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.metrics.functional.waveform import free_leads, pearson
from ecggen.networks import storage

FOLD, SEED, BATCH = 9, 1, 50
INSIDE = "PTB-XL, fold 9"
SETS = ("I", "II V1 V5", "V1 V5", "I II")
"""Given leads."""
NOISES = {
    "muscle noise, 12 dB": (12.0, 3.0, 0.5),
    "muscle noise, 6 dB": (6.0, 3.0, 0.5),
    "muscle noise, 0 dB": (0.0, 3.0, 0.5),
    "white noise, 6 dB": (6.0, 0.5, 0.0),
}
"""Noise on lead I: ratio of the energies in dB, lowest frequency in Hz (the highest is 40), and spectral slope."""
PARTS = "beat network", "with the U-Net"
SHIPPED = "shipped"


@torch.no_grad()
def predictions(generator: Generator, condition: Condition, corrected: bool) -> dict[str, Tensor]:
    """Predictions (record, 8, time) in mV of the beat network and, if ``corrected``, of the U-Net that corrects it."""
    reader = generator.get_submodule("reader")
    assert isinstance(reader, Reader) and reader.beatwise is not None
    if not corrected:
        written = reader.beatwise(condition, reader.encoder.numbers(condition))
        return {PARTS[0]: project_onto_observed(written[:, : len(INDEPENDENT_LEADS)], condition)}
    read = reader(condition)
    assert read.beatwise is not None
    written = project_onto_observed(read.beatwise[:, : len(INDEPENDENT_LEADS)], condition)
    return {PARTS[0]: written, PARTS[1]: reader.guess(condition, read)}


def scores(
    generator: Generator, eight: Tensor, given: Sequence[str], corrected: bool, noise: Tensor | None = None
) -> dict[str, Any]:
    """r by record of the predictions from some leads of records (record, 8, time) in mV.

    Args:
        generator: ``vae`` with the beat network that is measured.
        eight: The independent leads.
        given: Observed leads.
        corrected: Whether the U-Net's prediction is measured as well.
        noise: (record, time) mV, added to the only observed lead.
    """
    found: dict[str, list[np.ndarray]] = {}
    scored = [lead for lead in STANDARD_LEADS if lead not in determined_by(given)]
    for start in range(0, len(eight), BATCH):
        whole = ECG(eight[start : start + BATCH], INDEPENDENT_LEADS, generator.preprocessor.fs).standard()
        own = whole.pick(*given)
        condition = Condition.none(len(own), own.seconds, own.fs).with_leads(own)
        if noise is not None:
            added = noise[start : start + BATCH, None] * condition.lead_mask
            condition = condition.replace(leads=condition.leads + added)
        for part, predicted in predictions(generator, condition, corrected).items():
            made = ECG(predicted, INDEPENDENT_LEADS, whole.fs).standard()
            r = np.nan_to_num(pearson(made.pick(*scored).signal.numpy(), whole.pick(*scored).signal.numpy()))
            found.setdefault(f"{part}, twelve leads", []).append(r)
            found.setdefault(part, []).append(r[:, [scored.index(lead) for lead in free_leads(given)]])
    return {part: np.concatenate(values).mean(1) for part, values in found.items()}


def noise_for(lead: np.ndarray, decibel: float, low: float, slope: float, fs: float) -> Tensor:
    """Noise (record, time) in mV for records of one lead (record, time)."""
    unit = coloured(np.random.default_rng(SEED), lead.shape, fs, low, 40.0, slope)
    return torch.from_numpy(unit * lead.std(-1, keepdims=True) * 10 ** (-decibel / 20)).float()


def measured(generator: Generator, archives: dict[str, Tensor], corrected: bool, name: str) -> dict[str, np.ndarray]:
    """r by record under "archive | given leads | noise | part"."""
    found = {}
    jobs = [(archive, given, "") for archive in archives for given in SETS] + [(INSIDE, "I", noise) for noise in NOISES]
    for archive, given, noise in track(jobs, description=name):
        eight = archives[archive]
        lead = eight[:, INDEPENDENT_LEADS.index("I")].numpy()
        added = noise_for(lead, *NOISES[noise], generator.preprocessor.fs) if noise else None
        for part, r in scores(generator, eight, given.split(), corrected, added).items():
            if part in PARTS or given == "V1 V5":
                found[" | ".join((archive, given, noise, part))] = r
    return found


def compared(own: np.ndarray, other: np.ndarray | None, patients: Sequence[str]) -> dict[str, Any]:
    """Mean r, and the difference from another run with its interval over patients."""
    made: dict[str, Any] = {"r": round(float(own.mean()), 4)}
    if other is not None:
        made["gained"] = round(float((own - other).mean()), 4)
        made["interval"] = [round(edge, 4) for edge in patient_interval(own - other, patients, SEED)]
    return made


def records(pack: Pack, outside: bool, limit: int) -> tuple[Tensor, list[str]]:
    """Records (record, 8, time) in mV and patients: all of an outside archive, or random ones of fold 9 of PTB-XL."""
    if outside:
        rows = pack.rows(range(1, FOLDS + 1))
        first = pack.index.start.to_numpy(float)[rows] == 0
        rows = rows[first & np.array([hospital(name) != "PTB-XL" for name in pack.index.name.iloc[rows]])]
    else:
        rows = np.sort(np.random.default_rng(SEED).permutation(pack.rows((FOLD,)))[:limit])
    return torch.from_numpy(pack.ecg(rows).signal.numpy()), pack.index.patient.iloc[rows].astype(str).tolist()


def with_beats(folder: Path) -> Generator:
    """``vae`` with the beat network of a checkpoint."""
    generator, other = checkpoint.load(storage.find("vae")), checkpoint.load(folder)
    own, new = generator.get_submodule("reader.beatwise"), other.get_submodule("reader.beatwise")
    own.load_state_dict(new.state_dict())
    return generator


def main() -> None:
    """Measure the runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--outside", type=Path, action="append", default=[], help="folder of another archive")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--run", action="append", default=[], help="NAME=FOLDER of a trained checkpoint")
    parser.add_argument("--limit", type=int, default=800, help="number of records of fold 9")
    parser.add_argument("--corrected", action="store_true", help="also measure the predictions that the U-Net corrects")
    parser.add_argument("--kept", type=Path, help="folder of r by record, for runs that were measured before")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    options = parser.parse_args()
    shipped = checkpoint.load(storage.find("vae"))
    archives, patients = {}, {}
    for path in (options.data, *options.outside):
        pack, outside = data.pack(data.recordings(path), shipped.preprocessor, options.cache), path != options.data
        name = path.resolve().name if outside else INSIDE
        archives[name], patients[name] = records(pack, outside, options.limit)
    runs, found, reference = dict(one.split("=", 1) for one in options.run), {}, {}
    for name in (SHIPPED, *runs):
        file = None if options.kept is None else options.kept / f"{name}.npz"
        if file is not None and file.is_file():
            own = dict(np.load(file))
        else:
            own = measured(
                shipped if name == SHIPPED else with_beats(Path(runs[name])), archives, options.corrected, name
            )
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                np.savez(file, **own)  # type: ignore[arg-type]
        reference.setdefault(SHIPPED, own)
        if name != SHIPPED:
            reference.setdefault(name, own) if len(reference) == 1 else None
        found[name] = {
            other: {key: compared(own[key], before[key], patients[key.split(" | ")[0]]) for key in own}
            for other, before in reference.items()
        }
    made = {"n": {name: len(eight) for name, eight in archives.items()}, "seed": SEED, "commit": commit()}
    made |= {"date": datetime.date.today().isoformat(), "runs": found}
    options.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
