"""Training of the delineator: ``python -m ecggen.training.delineator --data LUDB --fibrillation PTBXL --out RUN``.

The network is trained on the annotations of LUDB. LUDB has few records without P waves; therefore records of PTB-XL
with atrial fibrillation (folds 1–8) are added, of which only the absence of P waves is known.

Six networks are trained: five without the records of one fold each, for cross-validation with
``evaluation.scripts.delineation``, and one on all records, which is shipped.
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
"""Number of training records with atrial fibrillation."""
EPOCHS, RATE = 60, 5e-3
"""Passes over the annotated records, and the peak learning rate."""
NEAR = 0.03
"""Distance from a boundary in s within which samples have a larger weight."""


def fold_of(names: list[str]) -> np.ndarray:
    """Fold of each record (record,), from 0, by position, so that folds have equal size."""
    return np.arange(len(names)) % FOLDS


def fibrillation(folder: Path, records: int = FIBRILLATING) -> ECG:
    """The first records of PTB-XL's folds 1–8 with atrial fibrillation and without statements that imply P waves."""
    chosen = []
    for recording in data.recordings(folder):
        codes = recording.codes.split()
        if "AFIB" in codes and recording.fold <= 8 and not {"SR", "AFLT", "PACE", "SARRH"} & set(codes):
            chosen.append(read(recording.path).standard())
        if len(chosen) == records:
            break
    return ECG.cat(chosen)


def loss_of(network: Delineator, x: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy, with weights of up to 3 for samples within ``NEAR`` of a boundary.

    For samples that are only known not to be P, the loss is −log(1 − p(P)).
    """
    logits = network(x).transpose(1, 2)
    entropy = F.cross_entropy(logits, target.clamp(min=0), reduction="none")
    reach = round(NEAR * delineator.RATE)
    edges = F.pad((target[..., 1:] != target[..., :-1]).float(), (1, 0))
    weight = (1 + 2 * F.avg_pool1d(edges, 2 * reach + 1, 1, reach) * (2 * reach + 1)).clamp(max=3) * (target >= 0)
    not_p = -torch.log1p(-logits.softmax(1)[:, CLASSES.index("P")].clamp(max=1 - 1e-4))
    return (entropy * weight).sum() / weight.sum() + (not_p * (target == NOT_P)).sum() / target.numel()


def train(waves: Tensor, target: Tensor, fibrillating: Tensor, seed: int, epochs: int = EPOCHS) -> Delineator:
    """Train a network, with averaged weights; it is returned in evaluation mode."""
    torch.manual_seed(seed)
    network, crops = Delineator(), Crops(waves, target, fibrillating, seed)
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
    """Train the networks of the folds and the final one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="LUDB folder")
    parser.add_argument("--fibrillation", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--out", type=Path, required=True, help="output folder for fold0 … fold4 and all")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--only", nargs="*", help="networks to be trained (fold0, …, all); all by default")
    options = parser.parse_args()
    marked = ludb.read(options.data)
    waves = delineator.prepare(marked.ecg)
    fibrillating = delineator.prepare(fibrillation(options.fibrillation))
    target, folds = classes(marked, waves.shape[-1], delineator.RATE), fold_of(marked.names)
    parts = {f"fold{fold}": torch.from_numpy(folds != fold) for fold in range(FOLDS)}
    parts["all"] = torch.ones(len(folds), dtype=torch.bool)
    for seed, (name, rows) in enumerate(parts.items()):
        if options.only is None or name in options.only:
            print(f"{name}: {int(rows.sum())} records", flush=True)
            network = train(waves[rows], target[rows], fibrillating, seed, options.epochs)
            delineator.write_golden(delineator.save(network, options.out / name))


if __name__ == "__main__":
    main()
