"""Training loop of one network: AdamW, cosine decay, averaged weights, and a state from which it continues."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

SAVED_EVERY = 200
WARMUP = 100
CLIP = 1.0


@dataclass(frozen=True)
class Schedule:
    """Length and pace of a training.

    Attributes:
        steps: Optimiser steps.
        batch: Records per step.
        lr: Peak learning rate; 100 steps of warm-up, then cosine decay.
        ema_decay: Decay of the moving average of the weights.
        weight_decay: Weight decay of AdamW.
    """

    steps: int
    batch: int
    lr: float = 1e-3
    ema_decay: float = 0.998
    weight_decay: float = 0.02


Loss = Callable[[nn.Module, np.ndarray, np.random.Generator], Tensor]
"""Loss of a network on some rows; random numbers come from torch and the generator, seeded for each step."""


def fit(
    network: nn.Module,
    loss: Loss,
    rows: np.ndarray,
    weights: np.ndarray,
    schedule: Schedule,
    seed: int,
    state: Path,
    progress: Callable[[float, float], None] = lambda share, loss: None,
) -> None:
    """Train ``network`` in place; it ends with the averaged weights, in evaluation mode.

    Args:
        network: The network.
        loss: Its loss.
        rows: Training records.
        weights: Sampling weight of each of ``rows``.
        schedule: Length and pace.
        seed: Random seed. Each step has its own, so that a continued training equals an uninterrupted one.
        state: File with the state of an interrupted training; removed at the end.
        progress: Called with the share done, and the mean loss since the last call.
    """
    averaged, chance = copy.deepcopy(network), weights / weights.sum()
    trained = [one for one in network.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, schedule.lr, betas=(0.9, 0.99), weight_decay=schedule.weight_decay)
    first, sums = _load(state, network, averaged, optimizer) if state.is_file() else 0, []
    network.train()
    for step in range(first, schedule.steps):
        rng = np.random.default_rng((seed, step))
        torch.manual_seed(int(rng.integers(2**31)))
        for group in optimizer.param_groups:
            group["lr"] = schedule.lr * _rate(step, schedule.steps)
        value = loss(network, np.sort(rng.choice(rows, schedule.batch, p=chance)), rng)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(trained, CLIP)
        optimizer.step()
        _average(averaged, network, min(schedule.ema_decay, (1 + step) / (10 + step)))
        sums.append(float(value.detach()))
        if (step + 1) % SAVED_EVERY == 0 or step + 1 == schedule.steps:
            _save(state, network, averaged, optimizer, step + 1)
            progress((step + 1) / schedule.steps, float(np.mean(sums)))
            sums = []
    network.load_state_dict(averaged.state_dict())
    network.eval()
    state.unlink(missing_ok=True)


def _rate(step: int, steps: int) -> float:
    """Learning rate over its peak."""
    return min(1.0, (step + 1) / WARMUP) * (0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2)


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    for old, new in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - decay)


def _save(state: Path, network: nn.Module, averaged: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write the state to a temporary file, then rename it."""
    parts: dict[str, Tensor] = {"step": torch.tensor(step)}
    for name, module in (("network", network), ("averaged", averaged)):
        parts |= {f"{name}/{key}": value.clone().contiguous() for key, value in module.state_dict().items()}
    for place, moments in optimizer.state_dict()["state"].items():
        parts |= {f"optimizer/{place}/{key}": value.clone().contiguous() for key, value in moments.items()}
    making = state.with_suffix(".part")
    save_file(parts, making)
    making.replace(state)


def _load(state: Path, network: nn.Module, averaged: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restore a state; returns the number of finished steps."""
    parts = load_file(state)
    for name, module in (("network", network), ("averaged", averaged)):
        module.load_state_dict({key: parts[f"{name}/{key}"] for key in module.state_dict()})
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in parts.items():
        if name.startswith("optimizer/"):
            _, place, key = name.split("/")
            moments.setdefault(int(place), {})[key] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(parts["step"])
