"""Training of the pulse network: ``python -m ecggen.training.pulse --data BIDMC --data CINC2015 --out RUN``.

The loss is the negative log-likelihood of the recorded R peaks under the predicted intensity (a Poisson process), where
they are trusted. The delay from R peak to pulse, which is constant in a recording, is estimated from the signals first,
and twice in training as the delay under which the recorded R peaks are most likely.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ecggen import data
from ecggen.conditioning import pulse_beats
from ecggen.conditioning.pulse_beats import RATE, prepare
from ecggen.networks.pulse import LARGEST, PulseNetwork, intensities
from ecggen.training.pulse_crops import Crops
from ecggen.training.pulse_examples import Example, examples

FOLDS = (1, 2, 3, 4, 5, 6, 7)
"""Training folds. Fold 8 chooses, and folds 9 and 10 are scored."""
STEPS, RATE_OF_LEARNING = 5000, 3e-3
REALIGNED = (0.15, 0.4)
"""Shares of the training after which delays are estimated again."""
OF_LEAD = 1.0
"""Weight of the loss of lead II."""
SHIFTS = 0.3
"""Largest change of a delay in s."""
LEAST_TRUSTED, FEWEST = 0.1, 20
"""Smallest trusted share of a recording, and number of its R peaks that must be exceeded."""


class WithLead(nn.Module):
    """A pulse network with a second output, lead II, which is trained as well and not kept (an auxiliary task)."""

    def __init__(self):
        super().__init__()
        self.network = PulseNetwork()
        self.lead = nn.Conv1d(self.network.sizes["widths"][0], self.network.samples, 1)

    def loss(self, x: Tensor, peaks: Tensor, weight: Tensor, lead: Tensor) -> Tensor:
        """Negative log-likelihood of ``peaks`` (batch, time), per R peak, and 1 − r of ``lead`` where it is known."""
        features = self.network.features(x)
        log = self.network.along_time(self.network.intensity, features).clamp(max=LARGEST)
        likelihood = ((log.exp() - peaks * log) * weight).sum() / (peaks * weight).sum().clamp(min=1)
        known = (lead * weight).square().sum(-1) > 0
        r = correlation(self.network.along_time(self.lead, features), lead, weight)[known].sum()
        return likelihood + OF_LEAD * (1 - r / known.sum().clamp(min=1))


def correlation(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """Pearson's r (batch,) of waves (batch, time) where ``weight`` is 1."""
    count = weight.sum(-1, keepdim=True).clamp(min=1)
    a, b = ((wave - (wave * weight).sum(-1, keepdim=True) / count) * weight for wave in (one, other))
    return (a * b).sum(-1) / (a.square().sum(-1) * b.square().sum(-1)).clamp(min=1e-8).sqrt()


def realign(network: PulseNetwork, known: Sequence[Example]) -> float:
    """Set the delay of each recording to that under which its R peaks are most likely; the mean change in s."""
    network.eval()
    changes = []
    shifts = np.arange(-round(SHIFTS * RATE), round(SHIFTS * RATE) + 1)
    for example in known:
        ppg = torch.from_numpy(example.ppg)[None]
        rate = intensities(network, prepare(ppg, torch.ones_like(ppg, dtype=torch.bool)))[0].numpy()
        log = np.log(np.convolve(rate, np.ones(5) / 5, "same") + 1e-4)
        at = np.round(example.moved_peaks * RATE).astype(int)
        at = at[(at >= 0) & (at < len(log))]
        at = at[example.trusted[at]][:, None] + shifts
        if len(at) < 10:
            continue
        score = np.where((at >= 0) & (at < len(log)), log[at.clip(0, len(log) - 1)], 0.0).mean(0)
        best = shifts[score.argmax()] / RATE
        example.delay += float(best)
        changes.append(abs(best))
    network.train()
    return float(np.mean(changes))


def train(known: Sequence[Example], seed: int, steps: int = STEPS) -> PulseNetwork:
    """Train a network, with averaged weights; it is returned in evaluation mode."""
    known = [replace(one) for one in known]  # their delays change
    torch.manual_seed(seed)
    trained = WithLead()
    network = trained.network
    average = torch.optim.swa_utils.AveragedModel(
        trained, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    optimizer = torch.optim.AdamW(trained.parameters(), RATE_OF_LEARNING, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE_OF_LEARNING, total_steps=steps, pct_start=0.1)
    crops = Crops(known, np.array([one.trusted.sum() for one in known], float), seed, network.step)
    began, losses = time.monotonic(), []
    for step in range(steps):
        if step in [round(share * steps) for share in REALIGNED]:
            print(f"delays change by {1000 * realign(network, known):.0f} ms", flush=True)
        loss = trained.loss(*crops.batch())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(trained)
        losses.append(float(loss.detach()))
        if step % 200 == 199:
            print(f"step {step + 1}: loss {np.mean(losses[-200:]):.4f}, {time.monotonic() - began:.0f} s", flush=True)
    averaged: Any = average.module
    network.load_state_dict(averaged.network.state_dict())
    return network.eval()


def main() -> None:
    """Train the network on the training folds of archives with a PPG and lead II."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, help="BIDMC or CinC 2015; repeatable")
    parser.add_argument("--out", type=Path, required=True, help="output folder")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chosen = [one for folder in options.data for one in data.recordings(folder) if one.paired and one.fold in FOLDS]
    known = [one for one in examples(chosen) if one.trusted.mean() > LEAST_TRUSTED and len(one.peaks) > FEWEST]
    print(f"{len(known)} recordings", flush=True)
    network = train(known, options.seed, options.steps)
    pulse_beats.write_golden(pulse_beats.save(network, options.out))


if __name__ == "__main__":
    main()
