"""A classifier without pretrained weights: random convolutions, and a logistic regression on what they see.

After ROCKET (Dempster et al., Data Min Knowl Discov 2020): kernels of random length, dilation and taps are run over a
recording and never trained; of each one's output two numbers are kept, the share of moments at which it is positive and
its maximum. Only the regression on these numbers learns. So it takes seconds, gives the same answer each time, and
cannot have seen the records that a network was pretrained on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor
from torch.nn import functional as F

from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.metrics.utility import logistic

LENGTHS = (7, 9, 11)
"""Taps of a kernel, as in ROCKET."""
SIZE_MV = 0.25
"""mV that a kernel takes as 1. Records are not scaled each by its own: voltage is a finding."""
STRENGTH = 0.005
"""Inverse strength of the regression's ridge (scikit-learn's C); fixed, so that nothing held out chooses it."""
STEP = 2
"""Samples between the moments at which a kernel looks: the figures of a record hardly change, the time halves."""
CHUNK = 64  # records at a time
Kernel = tuple[Tensor, Tensor, int]
"""Taps (kernel, 8, tap) of one length, thresholds (kernel,), and the dilation that they share."""


class RandomConvolutions:
    """Twelve leads → probabilities of labels.

    Args:
        kernels: Number of random kernels, each of which gives two features.
        reach: Longest time in s that a kernel spans.
        seed: Seed of the kernels.
    """

    def __init__(self, kernels: int = 600, reach: float = 1.0, seed: int = 0):
        self.preprocessor = Preprocessor()
        self.kernels, self.reach, self.seed = kernels, reach, seed
        self.name = f"{kernels} random convolutions (seed {seed}) and logistic regression, C = {STRENGTH:g}"

    def prepare(self, ecg: ECG) -> np.ndarray:
        """Features (record, 2 · kernels) of ECGs from which all twelve leads follow, at any rate.

        Raises:
            InputError: Where leads are missing, the recording is too short or a sample is not finite.
        """
        if not bool(ecg.signal.isfinite().all()):
            raise InputError("an ECG holds values that are not finite", do="leave out or mend such records first")
        if ecg.seconds < 1.5 * self.reach:
            raise InputError(f"the ECGs last {ecg.seconds:.2f} s", f"at least {1.5 * self.reach:g} s were expected")
        bank = self._bank()
        parts = []
        for start in range(0, len(ecg), CHUNK):
            part = self.preprocessor.ecg(ecg[start : start + CHUNK].standard().pick(*INDEPENDENT_LEADS))
            parts.append(torch.cat([_seen(part.signal / SIZE_MV, *kernel) for kernel in bank], 1))
        return torch.cat(parts).numpy().astype(np.float64)

    def learn(self, inputs: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """A logistic regression for each label on standardised features.

        Args:
            inputs: (record, feature), as ``prepare`` made them.
            labels: (record, label), 0 to 1; of a mixed record the shares of what was mixed.

        Returns:
            From features to probabilities (record, label).
        """
        inputs = np.asarray(inputs, np.float64)
        centre, spread = inputs.mean(0), inputs.std(0)
        spread[spread < 1e-9] = 1.0
        slopes, constants = logistic.fit((inputs - centre) / spread, labels, STRENGTH)
        return lambda others: expit((others - centre) / spread @ slopes + constants)

    def _bank(self) -> list[Kernel]:
        """The kernels, those of one length and dilation together."""
        rng = np.random.default_rng(self.seed)
        longest = int(np.log2(self.reach * self.preprocessor.fs / (max(LENGTHS) - 1)))
        lengths = rng.choice(LENGTHS, self.kernels)
        dilations = 2 ** rng.integers(0, longest + 1, self.kernels)
        bank = []
        for length, dilation in sorted({*zip(lengths.tolist(), dilations.tolist(), strict=True)}):
            count = int(((lengths == length) & (dilations == dilation)).sum())
            taps = rng.normal(size=(count, len(INDEPENDENT_LEADS), length))
            taps -= taps.mean(-1, keepdims=True)
            taps *= _chosen_leads(count, rng)[..., None] / np.sqrt(length)
            thresholds = rng.uniform(-1, 1, count)
            bank.append((torch.as_tensor(taps, dtype=torch.float32), torch.as_tensor(thresholds).float(), dilation))
        return bank


def _chosen_leads(kernels: int, rng: np.random.Generator) -> np.ndarray:
    """(kernel, 8): which leads a kernel sees, from one to all of them, few more often; of length 1."""
    leads = len(INDEPENDENT_LEADS)
    counts = (2 ** rng.uniform(0, np.log2(leads + 1), kernels)).astype(int)
    chosen = np.stack([rng.permutation(np.arange(leads) < count) for count in counts])
    return chosen / np.sqrt(chosen.sum(1, keepdims=True))


def _seen(signal: Tensor, taps: Tensor, thresholds: Tensor, dilation: int) -> Tensor:
    """(record, 2 · kernel): share of moments above the threshold, and maximum."""
    output = F.conv1d(signal, taps, stride=STEP, dilation=dilation)
    return torch.cat([(output > thresholds[:, None]).float().mean(-1), output.amax(-1)], 1)
