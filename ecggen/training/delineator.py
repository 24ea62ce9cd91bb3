"""Train the delineator: ``python -m ecggen.training.delineator --data LUDB --fibrillation PTBXL --out RUN``.

LUDB's marks teach where waves lie. It holds few hearts without P waves, so that records of atrial fibrillation of
PTB-XL (folds 1–8) add the one thing their diagnosis says: whatever there is at an instant, it is no P.

Five networks are trained, each without the records of one fold, and a sixth on all of them: the five are what
``evaluation.scripts.delineation`` scores, each record by the one that never saw it, and the sixth is what is shipped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ecggen import data
from ecggen.core.ecg import ECG
from ecggen.data import ludb
from ecggen.evaluators import delineator
from ecggen.io import read
from ecggen.networks.delineation import CLASSES, Delineator
from ecggen.training.delineator_crops import NOT_P, Crops, classes

FOLDS = 5
FIBRILLATING = 480
"""Records of atrial fibrillation that are learnt from."""
EPOCHS, RATE = 60, 5e-3
"""Passes over the marked records, and the highest learning rate."""
NEAR = 0.03
"""Seconds around a boundary in which an instant weighs more."""


def fold_of(names: list[str]) -> np.ndarray:
    """(record,) the fold of each record, from 0: by its place, so that folds are equally large."""
    return np.arange(len(names)) % FOLDS


def fibrillation(folder: Path, records: int = FIBRILLATING) -> ECG:
    """The first records of PTB-XL's folds 1–8 that are coded as atrial fibrillation and as nothing with P waves."""
    chosen = []
    for recording in data.recordings(folder):
        codes = recording.codes.split()
        if "AFIB" in codes and recording.fold <= 8 and not {"SR", "AFLT", "PACE", "SARRH"} & set(codes):
            chosen.append(read(recording.path).standard())
        if len(chosen) == records:
            break
    return ECG.cat(chosen)


def loss_of(network: Delineator, x: Tensor, answer: Tensor) -> Tensor:
    """Cross-entropy; instants within ``NEAR`` of a boundary weigh up to three times as much as others.

    Of an instant that is only known not to be P, the information in that is the loss.
    """
    log_odds = network(x).transpose(1, 2)
    entropy = F.cross_entropy(log_odds, answer.clamp(min=0), reduction="none")
    reach = round(NEAR * delineator.RATE)
    edges = F.pad((answer[..., 1:] != answer[..., :-1]).float(), (1, 0))
    weight = (1 + 2 * F.avg_pool1d(edges, 2 * reach + 1, 1, reach) * (2 * reach + 1)).clamp(max=3) * (answer >= 0)
    surprise = -torch.log1p(-log_odds.softmax(1)[:, CLASSES.index("P")].clamp(max=1 - 1e-4))
    without = answer == NOT_P
    return (entropy * weight).sum() / weight.sum() + (surprise * without).sum() / answer.numel()


def train(waves: Tensor, answer: Tensor, fibrillating: Tensor, seed: int, epochs: int = EPOCHS) -> Delineator:
    """A network trained on these records, its weights averaged over the last steps, ready to use."""
    torch.manual_seed(seed)
    network, crops = Delineator(), Crops(waves, answer, fibrillating, seed)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99), use_buffers=True
    )
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.02)
    steps = epochs * len(crops)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.15)
    began, losses = time.monotonic(), []
    for epoch in range(epochs):
        for x, y in crops.epoch():
            loss = loss_of(network, x, y)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
            losses.append(float(loss.detach()))
        if epoch % 10 == 9:
            recent = np.mean(losses[-5 * len(crops) :])
            print(f"epoch {epoch + 1}: loss {recent:.4f}, {time.monotonic() - began:.0f} s", flush=True)
    network.load_state_dict(average.module.state_dict())
    return network.eval()


def main() -> None:
    """Train the fold networks and the one to be shipped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the LUDB folder")
    parser.add_argument("--fibrillation", type=Path, required=True, help="the PTB-XL folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for fold0 … fold4 and all")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--only", nargs="*", help="fold0, …, all; everything by default")
    words = parser.parse_args()
    marked = ludb.read(words.data)
    waves = delineator.prepare(marked.ecg)
    fibrillating = delineator.prepare(fibrillation(words.fibrillation))
    answer, folds = classes(marked, waves.shape[-1], delineator.RATE), fold_of(marked.names)
    parts = {f"fold{fold}": torch.from_numpy(folds != fold) for fold in range(FOLDS)}
    parts["all"] = torch.ones(len(folds), dtype=torch.bool)
    for seed, (name, rows) in enumerate(parts.items()):
        if words.only is None or name in words.only:
            print(f"{name}: {int(rows.sum())} records", flush=True)
            network = train(waves[rows], answer[rows], fibrillating, seed, words.epochs)
            delineator.write_golden(delineator.save(network, words.out / name))


if __name__ == "__main__":
    main()
