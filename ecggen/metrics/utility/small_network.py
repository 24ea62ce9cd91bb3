"""A small convolutional network that is trained from scratch: a discriminator, and a downstream classifier.

Random initial weights, fixed settings and a fixed number of steps: training takes about a minute, and nothing but the
training records can influence it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.metrics.utility.random_convolutions import SIZE_MV

WIDTH = 32
"""Channels of the first layers."""
KERNEL = 7
"""Samples of a kernel."""
BATCH = 64
RATES = 2e-3, 4e-3
"""Initial learning rate of the optimiser, and the peak of its schedule."""
WEIGHT_DECAY = 1e-2
CROP = 4, 5
"""Fraction of a record that a training step sees, at a random time."""
STEPS = 300
"""Default number of training steps of a downstream classifier, chosen on fold 8 of PTB-XL with folds 1–7."""


class SmallNetwork(nn.Module):
    """Four convolutions, mean and maximum over time, and a linear layer.

    Args:
        labels: Number of labels.
        width: Channels of the first two layers; the others have twice as many.

    Shapes:
        (record, 8, time) in mV → (record, label), logits.
    """

    def __init__(self, labels: int = 1, width: int = WIDTH):
        super().__init__()
        sizes = (len(INDEPENDENT_LEADS), width, width, 2 * width, 2 * width)
        self.layers = nn.ModuleList(nn.Conv1d(a, b, KERNEL, stride=2, padding=KERNEL // 2) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for size in sizes[1:])
        self.head = nn.Linear(4 * width, labels)

    def forward(self, x: Tensor) -> Tensor:
        x = x / SIZE_MV
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return self.head(torch.cat([x.mean(-1), x.amax(-1)], 1))


def trained(waves: Tensor, targets: Tensor, steps: int, seed: int = 0) -> Callable[[Tensor], Tensor]:
    """Train a new network with random crops in time; it returns the logits (record, label) of other records.

    Args:
        waves: (record, 8, time) in mV.
        targets: (record, label), 0 to 1.
        steps: Number of training steps.
        seed: Seed of the initial weights, the order of the records and the crops.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> waves = simulate(4, seconds=2, seed=0).pick(*INDEPENDENT_LEADS).signal
        >>> tuple(trained(waves, torch.tensor([[0.0], [1.0], [0.0], [1.0]]), steps=2)(waves).shape)
        (4, 1)
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SmallNetwork(targets.shape[1])
    optimizer = torch.optim.AdamW(network.parameters(), RATES[0], weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATES[1], total_steps=steps)
    crop = waves.shape[-1] * CROP[0] // CROP[1]
    done = 0
    while done < steps:
        for rows in torch.randperm(len(waves), generator=generator).split(BATCH)[: steps - done]:
            first = int(torch.randint(waves.shape[-1] - crop + 1, (1,), generator=generator))
            loss = F.binary_cross_entropy_with_logits(network(waves[rows, :, first : first + crop]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
    network.eval()

    def logits(others: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([network(part) for part in others.split(4 * BATCH)])

    return logits


class ConvolutionalNetwork:
    """Twelve leads → probabilities of labels by a ``SmallNetwork``: a downstream classifier (``tstr.Downstream``).

    The number of steps is the same for every training set, so that sets are compared at equal training time.

    Args:
        seed: Seed of the initial weights, the order of the records and the crops.
        steps: Number of training steps.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> ConvolutionalNetwork().prepare(simulate(2, seconds=4, seed=0)).shape
        (2, 8, 400)
    """

    def __init__(self, seed: int = 0, steps: int = STEPS):
        self.preprocessor = Preprocessor()
        self.seed, self.steps = seed, steps
        self.name = f"convolutional network (seed {seed}), {steps} steps with {BATCH} records"

    def prepare(self, ecg: ECG) -> np.ndarray:
        """The independent leads (record, 8, time) in mV of ECGs from which all twelve leads follow, at any rate.

        Raises:
            InputError: If leads are missing or a sample is not finite.
        """
        if not bool(ecg.signal.isfinite().all()):
            raise InputError("an ECG has values that are not finite", do="omit or repair such records first")
        return self.preprocessor.ecg(ecg.standard().pick(*INDEPENDENT_LEADS)).signal.float().numpy()

    def learn(self, inputs: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Train a network.

        Args:
            inputs: (record, 8, time) from ``prepare``.
            labels: (record, label), 0 to 1; mixed records have mixed labels.

        Returns:
            A function from inputs (record, 8, time) to probabilities (record, label).
        """
        waves, targets = torch.from_numpy(np.asarray(inputs, np.float32)), torch.from_numpy(labels).float()
        logits = trained(waves, targets, self.steps, self.seed)
        return lambda others: logits(torch.from_numpy(np.asarray(others, np.float32))).sigmoid().double().numpy()
