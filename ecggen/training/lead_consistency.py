"""Trains the check of whether the leads of a recording agree (``ecggen.evaluators.lead_consistency``).

``python -m ecggen.training.lead_consistency --data PTBXL --out checkpoints/lead_consistency`` fits the regression and
the network on median beats of folds 1–7, on a processor in a few minutes, and the limits on fold 8.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from ecggen import data
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.electrodes import FAULTS, KINDS, OF_A_LEAD, Fault
from ecggen.core.simulate import DOWER
from ecggen.data import Pack
from ecggen.evaluators.lead_consistency import (
    FEWEST_BEATS,
    LEADS,
    LeadConsistency,
    beats_of,
    median_beat,
    of_others,
    save,
)

TRAIN_FOLDS, CALIBRATION_FOLDS = (1, 2, 3, 4, 5, 6, 7), (8,)
EPOCHS, BATCH, LEARNING_RATE = 40, 256, 3e-3
RIDGE = 3e-3
"""Ridge penalty of the regression relative to the mean square of a predictor."""
FALSE_ALARMS = {"limb": 0.0035, "chest": 0.007, "gain": 0.0015, "detached": 0.001, "inverted": 0.0015}
"""Shares of calibration records above the limit of each kind of fault."""
ANOMALOUS = 0.0007
"""Share of calibration records above the limit of a lead."""


def beats_of_records(pack: Pack, rows: np.ndarray) -> list[np.ndarray]:
    """Beats (beat, 8, points) in mV of each of the rows with enough beats."""
    found = []
    for start in track(range(0, len(rows), BATCH), "beats"):
        for eight in pack.ecg(rows[start : start + BATCH]).signal.double().numpy():
            pieces, _ = beats_of(eight)
            if len(pieces) >= FEWEST_BEATS:
                found.append(pieces)
    return found


def medians(records: list[np.ndarray]) -> Tensor:
    """Median beats (record, 8, points) in mV."""
    return torch.from_numpy(np.stack([median_beat(pieces) for pieces in records]))


def fit_regression(model: LeadConsistency, beats: Tensor) -> None:
    """Set the regression of each lead on the others, and its usual error."""
    for lead in range(LEADS):
        others, size = of_others(beats, lead)
        inputs = torch.cat([others, torch.ones(len(others), 1)], 1).double()
        target = (beats[:, lead] / size).double()
        normal = inputs.T @ inputs
        normal += RIDGE * normal.diagonal().mean() * torch.eye(len(normal), dtype=normal.dtype)
        weights = torch.linalg.solve(normal, inputs.T @ target)
        error = target - inputs @ weights
        # Root mean squares over records of which the largest errors are left out: some records are faulty.
        kept = error.square().mean(-1).argsort()[: round(0.98 * len(error))]
        model.weights[lead] = weights.float()
        model.usual_error[lead] = error[kept].square().mean(0).sqrt().float().clamp(min=0.01)


def fit_network(model: LeadConsistency, beats: Tensor, epochs: int = EPOCHS, seed: int = 0) -> None:
    """Train the network to recognise faults that are put into half of the records at random."""
    torch.manual_seed(seed)
    matrices = torch.stack([torch.eye(LEADS), *(torch.tensor(each.matrix, dtype=torch.float32) for each in FAULTS)])
    # The matrix of a wrong gain holds one factor; others are drawn.
    sized = torch.stack([torch.zeros(LEADS, dtype=torch.bool), *(_of_gain(each) for each in FAULTS)])
    frequency = torch.ones(len(matrices))
    frequency[0] = len(FAULTS)
    steps = max(1, epochs * len(beats) // BATCH)
    optimiser = torch.optim.AdamW(model.layers.parameters(), LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    model.train()
    for batch in track(_batches(beats, steps), "network", steps):
        which = torch.multinomial(frequency, len(batch), replacement=True)
        wrong = torch.einsum("nij,njt->nit", matrices[which], batch)
        wrong = torch.where(sized[which][..., None], wrong * _wrong_gain(len(batch)), wrong)
        wrong = wrong + 0.01 * torch.rand(len(batch), 1, 1) * torch.randn_like(wrong)
        loss = torch.nn.functional.cross_entropy(model(wrong), which)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    model.eval()


def _of_gain(fault: Fault) -> Tensor:
    """Whether the fault is a wrong gain of each lead, (8,)."""
    rows = torch.tensor(np.diag(fault.matrix) == OF_A_LEAD["gain"][0])
    return rows if fault.kind == "gain" else torch.zeros_like(rows)


def _wrong_gain(count: int) -> Tensor:
    """Random factors (count, 1, 1) that make a gain of 0.25 to 0.6, or 1.7 to 4, from the gain of ``OF_A_LEAD``."""
    factor = torch.exp(torch.empty(count, 1, 1).uniform_(float(np.log(1.7)), float(np.log(4.0))))
    return torch.where(torch.rand(count, 1, 1) < 0.5, factor, 1 / factor) / OF_A_LEAD["gain"][0]


def _batches(beats: Tensor, steps: int) -> Iterator[Tensor]:
    """Random beats, electrodes a little displaced, gains a little wrong, some chest leads between their neighbours."""
    dower = torch.tensor(DOWER, dtype=torch.float32)
    inverse = torch.linalg.pinv(dower)
    for _ in range(steps):
        batch = beats[torch.randint(len(beats), (BATCH,))]
        angles = 0.1 * torch.randn(BATCH, 3, 3) * (torch.rand(BATCH, 1, 1) < 0.5)
        turned = torch.matrix_exp(angles - angles.transpose(1, 2)) - torch.eye(3)
        batch = batch + dower @ (turned @ (inverse @ batch))
        batch = batch * torch.exp(0.05 * torch.randn(BATCH, LEADS, 1))
        share = 0.25 * torch.rand(BATCH, 1, 1) * (torch.rand(BATCH, 1, 1) < 0.3)
        chest = batch[:, 2:]
        neighbours = chest[:, [1, 2, 3, 4, 5, 4]]
        yield torch.cat([batch[:, :2], chest + share * (neighbours - chest)], 1)


@torch.no_grad()
def fit_limits(model: LeadConsistency, records: list[np.ndarray]) -> None:
    """Set the limits of leads and of faults to quantiles over calibration records, given as beats."""
    scores = torch.stack([model.anomaly(torch.from_numpy(pieces)).median(0).values for pieces in records])
    model.limit.copy_(torch.quantile(scores, 1 - ANOMALOUS, dim=0))
    odds = model.log_odds(medians(records))
    for at, kind in enumerate(KINDS):
        own = [i for i, each in enumerate(FAULTS) if each.kind == kind]
        model.limits[at] = torch.quantile(odds[:, own].amax(1), 1 - FALSE_ALARMS[kind])


def main() -> None:
    """Train and store the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--out", type=Path, required=True, help="output checkpoint folder")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    pack = data.pack(data.recordings(options.data), Preprocessor(), options.cache)
    training = medians(beats_of_records(pack, pack.rows(TRAIN_FOLDS)))
    model = LeadConsistency()
    fit_regression(model, training)
    fit_network(model, training, options.epochs)
    fit_limits(model, beats_of_records(pack, pack.rows(CALIBRATION_FOLDS)))
    print(f"limits {model.limits.tolist()}, of leads {model.limit.tolist()}; written to {save(model, options.out)}")


if __name__ == "__main__":
    main()
