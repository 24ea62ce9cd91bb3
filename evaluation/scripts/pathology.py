"""Do disagreeing leads show disease? Anomaly scores of recordings as detectors of abnormal ECGs, beside autoencoders.

``python -m evaluation.scripts.pathology --data PTBXL --limit 600 --out evaluation/results/pathology.json`` compares
records of fold 9 that are normal with those of each other superclass. A score is unsupervised if it has seen no
abnormal record as such; autoencoders learn from normal records of folds 1–7, as in the literature. Scores:

- ``lead_consistency``: mean anomaly of the shipped check of leads, learnt from records of all kinds;
- ``normal_regression``: the same regression of each lead on the others, learnt from normal records;
- ``leads_by_vae`` and ``rest_by_vae``: each lead from the other seven, and seven leads from lead I, reconstructed by
  ``vae``: root mean square distance of the recorded lead from the point estimate in units of the interval's half-width;
- ``principal_components`` and ``autoencoder``: error of a normal record's median beat after ``LATENT`` numbers, linear
  and with two hidden layers;
- ``classifier``: 1 − the shipped classifier's probability of a normal ECG, which was trained with labels.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from ecggen import data
from ecggen.conditioning import statements
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.data import Pack
from ecggen.evaluators import lead_consistency, pretrained
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.io.results import commit
from ecggen.metrics.functional.bootstrap import redrawn
from ecggen.metrics.functional.ranking import auroc

SEED, LATENT, DRAWS, RESAMPLES = 1, 24, 20, 300
TRAINING, SCORED = (1, 2, 3, 4, 5, 6, 7), (9,)
NORMAL = "NORM"
EPOCHS, BATCH = 40, 128
RIDGE = 1.0


def median_beats(pack: Pack, rows: np.ndarray, about: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows with at least two beats, and their median beats (record, 8, points) in mV."""
    kept, beats = [], []
    for row in track(rows.tolist(), about):
        pieces, _ = lead_consistency.beats_of(pack.ecg(np.array([row])).signal[0].double().numpy())
        if len(pieces) >= lead_consistency.FEWEST_BEATS:
            kept.append(row)
            beats.append(lead_consistency.median_beat(pieces))
    return np.array(kept), np.stack(beats).astype(np.float32)


def superclasses_of(pack: Pack, rows: np.ndarray) -> list[set[str]]:
    """The superclasses of each record."""
    known = statements.superclasses()
    return [
        {name for name, codes in known.items() if codes & set(each.split())} for each in pack.index.codes.iloc[rows]
    ]


def scaled(beats: np.ndarray) -> Tensor:
    """Beats (record, 8 · points) in units of their root mean square, as the regression sees them."""
    flat = torch.from_numpy(beats).flatten(1)
    return flat / (flat.square().mean(1, keepdim=True).sqrt() + 1e-3)


def normal_regression(normal: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Mean over leads of the distance of a lead from its ridge regression on the others, in usual errors."""
    found = []
    for lead in range(len(INDEPENDENT_LEADS)):
        (x, size), (inputs, sizes) = (lead_consistency.of_others(torch.from_numpy(of), lead) for of in (normal, beats))
        x, inputs = (torch.cat([each, torch.ones(len(each), 1)], 1).double() for each in (x, inputs))
        target = torch.from_numpy(normal[:, lead]).double() / size
        weights = torch.linalg.solve(x.T @ x + RIDGE * torch.eye(x.shape[1]), x.T @ target)
        usual = (target - x @ weights).square().mean(0).sqrt()
        error = torch.from_numpy(beats[:, lead]).double() / sizes - inputs @ weights
        found.append((error / usual).square().mean(1).sqrt())
    return torch.stack(found).mean(0).numpy()


def principal_components(normal: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Root mean square error of beats after projection on the first components of normal ones."""
    known, seen = scaled(normal), scaled(beats)
    mean = known.mean(0)
    _, _, components = torch.linalg.svd(known - mean, full_matrices=False)
    kept = components[:LATENT]
    return ((seen - mean) - (seen - mean) @ kept.T @ kept).square().mean(1).sqrt().numpy()


def autoencoder(normal: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Root mean square error of beats after a dense autoencoder that learnt from normal ones."""
    torch.manual_seed(SEED)
    known, seen = scaled(normal), scaled(beats)
    width = known.shape[1]
    sizes = (width, 160, 64, LATENT, 64, 160, width)
    parts = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.GELU())]
    network = nn.Sequential(*parts[:-1])
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    for _ in track(range(EPOCHS), "autoencoder"):
        for some in torch.randperm(len(known)).split(BATCH):
            optimizer.zero_grad()
            (network(known[some]) - known[some]).square().mean().backward()
            optimizer.step()
    with torch.no_grad():
        return (network(seen) - seen).square().mean(1).sqrt().numpy()


def distance(generator: Generator, ecg: ECG, given: Sequence[str], seed: int) -> np.ndarray:
    """Mean over the other independent leads of their distance from the point estimate, in half-widths: (record,)."""
    condition = Condition.none(len(ecg), ecg.seconds, ecg.fs).with_leads(ecg.standard().pick(*given))
    found = generator.reconstruct(condition, num_draws=DRAWS, seed=seed, keep_draws=False)
    others = [lead for lead in INDEPENDENT_LEADS if lead not in given]
    true, mean, low, high = (each.pick(*others).signal for each in (ecg, found.mean, found.lower, found.upper))
    half = ((high - low) / 2).mean(-1, keepdim=True).clamp(min=1e-3)
    return ((true - mean) / half).square().mean(-1).sqrt().mean(1).numpy()


def by_generator(generator: Generator, pack: Pack, rows: np.ndarray) -> dict[str, np.ndarray]:
    """``leads_by_vae`` and ``rest_by_vae`` of records."""
    each, rest = [], []
    for at, some in enumerate(track(np.array_split(rows, max(1, len(rows) // 32)), "vae")):
        ecg = pack.ecg(some)
        given = [[other for other in INDEPENDENT_LEADS if other != lead] for lead in INDEPENDENT_LEADS]
        each.append(np.mean([distance(generator, ecg, leads, at) for leads in given], 0))
        rest.append(distance(generator, ecg, ["I"], at))
    return {"leads_by_vae": np.concatenate(each), "rest_by_vae": np.concatenate(rest)}


def compared(scores: dict[str, np.ndarray], classes: list[set[str]], patients: list[str]) -> dict[str, dict]:
    """AUROC of each score with its interval: normal records against all abnormal ones, and each superclass."""
    normal = np.array([of == {NORMAL} for of in classes])
    groups = {"abnormal": np.array([bool(of - {NORMAL}) for of in classes])}
    groups |= {name: np.array([name in of for of in classes]) for name in statements.superclasses() if name != NORMAL}
    found: dict[str, dict] = {}
    for group, inside in groups.items():
        rows = np.flatnonzero(normal | inside)
        labels, of = inside[rows], [patients[row] for row in rows]
        resamples = [some for some in redrawn(of, SEED, RESAMPLES) if 0 < labels[some].sum() < len(some)]
        for name, score in scores.items():
            own = score[rows]
            ends = np.quantile([one_auroc(own[some], labels[some]) for some in resamples], [0.025, 0.975])
            value = {"auroc": round(one_auroc(own, labels), 4), "interval": [round(float(end), 4) for end in ends]}
            found.setdefault(name, {})[group] = value | {"n": int(labels.sum())}
    return found


def one_auroc(score: np.ndarray, labels: np.ndarray) -> float:
    """AUROC of one score."""
    return float(auroc(score[:, None], labels[:, None])[0])


@torch.no_grad()
def measured(pack: Pack, limit: int) -> dict:
    """All scores of records of fold 9."""
    rows = pack.rows(SCORED)
    rows = np.sort(np.random.default_rng(SEED).permutation(rows)[: limit or len(rows)])
    rows, beats = median_beats(pack, rows, "fold 9")
    training = pack.rows(TRAINING)
    training = training[[of == {NORMAL} for of in superclasses_of(pack, training)]]
    _, normal = median_beats(pack, training, "normal records")
    consistency, vae = lead_consistency.load(), checkpoint.load("vae")
    with torch.enable_grad():
        learnt = autoencoder(normal, beats)
    classifier = pretrained.load("classifier", "classifier")
    scores = {
        "lead_consistency": (consistency.anomaly(torch.from_numpy(beats)) / consistency.limit).mean(1).numpy(),
        "normal_regression": normal_regression(normal, beats),
        **by_generator(vae, pack, rows),
        "principal_components": principal_components(normal, beats),
        "autoencoder": learnt,
        "classifier": 1 - classifier.predict(pack.ecg(rows).standard()).of([f"class {NORMAL}"])[:, 0],
    }
    patients = pack.index.patient.iloc[rows].astype(str).tolist()
    return {
        "n": len(rows),
        "patients": len(set(patients)),
        "normal_training_records": len(normal),
        "networks": [lead_consistency.name(), vae.name, classifier.name],
        "detectors": compared(scores, superclasses_of(pack, rows), patients),
    }


def main() -> None:
    """Score the detectors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--limit", type=int, default=0, help="records of fold 9; all by default")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    options = parser.parse_args()
    pack = data.pack(data.recordings(options.data), Preprocessor(), options.cache)
    about = {"commit": commit(), "date": datetime.date.today().isoformat(), "seed": SEED, "draws": DRAWS}
    found = about | measured(pack, options.limit)
    options.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
