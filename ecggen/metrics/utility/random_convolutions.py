"""A downstream classifier without pretrained weights: random convolutions and logistic regression.

After ROCKET (Dempster et al., Data Min Knowl Discov 2020): convolution kernels of random length, dilation and weights
are applied to a recording and never trained. Two features of each output are kept: the fraction of samples above a
threshold and the maximum. Only the logistic regression on these features is trained. So training takes seconds, is
deterministic, and no pretraining data can leak into the test.
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
"""Kernel sizes, as in ROCKET."""
SIZE_MV = 0.25
"""Amplitude in mV that is scaled to 1. Records are not normalised individually, because voltage is diagnostic."""
STRENGTH = 0.005
"""Default inverse regularisation strength (scikit-learn's C); fixed, not tuned."""
STEP = 2
"""Default stride of the convolutions in samples: 2 halves the time and hardly changes a diagnosis."""
CHUNK = 64  # records at a time
Kernel = tuple[Tensor, Tensor, int]
"""Weights (kernel, 8, tap) of one length, thresholds (kernel,), and their common dilation."""


class RandomConvolutions:
    """Twelve leads → probabilities of labels.

    Args:
        kernels: Number of random kernels, with two features each.
        reach: Longest receptive field of a kernel in s.
        seed: Seed of the kernels.
        stride: Stride of the convolutions in samples.
        strength: Inverse regularisation strength of the logistic regression.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> RandomConvolutions(kernels=10).prepare(simulate(2, seconds=4, seed=0)).shape
        (2, 20)
    """

    def __init__(
        self, kernels: int = 600, reach: float = 1.0, seed: int = 0, stride: int = STEP, strength: float = STRENGTH
    ):
        self.preprocessor = Preprocessor()
        self.kernels, self.reach, self.seed, self.stride, self.strength = kernels, reach, seed, stride, strength
        self.name = f"{kernels} random convolutions (seed {seed}) and logistic regression, C = {strength:g}"

    def prepare(self, ecg: ECG) -> np.ndarray:
        """Features (record, 2 · kernels) of ECGs from which all twelve leads follow, at any rate.

        Raises:
            InputError: If leads are missing, the recording is too short or a sample is not finite.
        """
        if not bool(ecg.signal.isfinite().all()):
            raise InputError("an ECG has values that are not finite", do="omit or repair such records first")
        if ecg.seconds < 1.5 * self.reach:
            raise InputError(f"the ECGs last {ecg.seconds:.2f} s", f"at least {1.5 * self.reach:g} s were expected")
        bank = self._bank()
        parts = []
        for start in range(0, len(ecg), CHUNK):
            part = self.preprocessor.ecg(ecg[start : start + CHUNK].standard().pick(*INDEPENDENT_LEADS))
            parts.append(torch.cat([_features(part.signal / SIZE_MV, *kernel, self.stride) for kernel in bank], 1))
        return torch.cat(parts).numpy().astype(np.float64)

    def learn(self, inputs: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Fit a logistic regression for each label on standardised features.

        Args:
            inputs: (record, feature) from ``prepare``.
            labels: (record, label), 0 to 1; mixed records have mixed labels.

        Returns:
            A function from features (record, feature) to probabilities (record, label).
        """
        inputs = np.asarray(inputs, np.float64)
        centre, deviation = inputs.mean(0), inputs.std(0)
        deviation[deviation < 1e-9] = 1.0
        slopes, constants = logistic.fit((inputs - centre) / deviation, labels, self.strength)
        return lambda others: expit((others - centre) / deviation @ slopes + constants)

    def _bank(self) -> list[Kernel]:
        """The kernels, grouped by length and dilation."""
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
    """(kernel, 8): weights of the leads, unit vectors with one to eight leads, few leads more often."""
    leads = len(INDEPENDENT_LEADS)
    counts = (2 ** rng.uniform(0, np.log2(leads + 1), kernels)).astype(int)
    chosen = np.stack([rng.permutation(np.arange(leads) < count) for count in counts])
    return chosen / np.sqrt(chosen.sum(1, keepdims=True))


def _features(signal: Tensor, taps: Tensor, thresholds: Tensor, dilation: int, stride: int) -> Tensor:
    """(record, 2 · kernel): fraction of samples above the threshold, and maximum."""
    output = F.conv1d(signal, taps, stride=stride, dilation=dilation)
    return torch.cat([(output > thresholds[:, None]).float().mean(-1), output.amax(-1)], 1)
