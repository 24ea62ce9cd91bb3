"""The classifier: statements, sex and age from a twelve-lead ECG, by a network trained on real ECGs only.

It predicts the 71 SCP statements of PTB-XL, their five superclasses and 23 subclasses, and the patient's sex and age.
Distances between sets of ECGs are computed on its features. It is applied to ECGs of any origin, so it includes its
own preprocessing, selects leads by name and rejects recordings that it cannot process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.conditioning import statements
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.data import Batch
from ecggen.networks.classifier import Look

SHORTEST = 5.0
"""Shortest recording in seconds that is classified."""
SIZE_MV = 0.25
"""Amplitude in mV that is scaled to 1: about the standard deviation of a lead."""
AGE = (60.0, 17.0)
"""Mean and standard deviation in years by which ages are standardised."""


@lru_cache(1)
def labels() -> dict[str, frozenset[str]]:
    """Every label and the SCP codes that imply it (any one is enough): superclasses, subclasses, statements.

    Example:
        >>> len(labels()), sorted(labels()["STACH"])
        (99, ['STACH'])
    """
    above = {f"class {name}": codes for name, codes in statements.superclasses().items()}
    between = {f"subclass {name}": codes for name, codes in statements.subclasses().items()}
    return above | between | {code: frozenset((code,)) for code in statements.codes()}


def targets(codes: Sequence[str]) -> np.ndarray:
    """Space-separated statements of each record → (record, label) float32 of 0 and 1, in the order of ``labels``.

    Example:
        >>> found = targets(["AFIB LVH", ""])
        >>> found.shape, [name for name, given in zip(labels(), found[0]) if given]
        ((2, 99), ['class HYP', 'subclass LVH', 'LVH', 'AFIB'])
    """
    code_sets = [set(record.split()) for record in codes]
    return np.array([[bool(given & implying) for implying in labels().values()] for given in code_sets], np.float32)


@dataclass(frozen=True)
class Predictions:
    """The classifier's output for several records.

    Attributes:
        features: (record, width) float64.
        probability: (record, label), in the order of ``labels()``.
        female: (record,) probability that the patient is a woman.
        age: (record,) years.
    """

    features: np.ndarray
    probability: np.ndarray
    female: np.ndarray
    age: np.ndarray

    def of(self, names: Sequence[str]) -> np.ndarray:
        """Probabilities (record, name) of the labels ``names``."""
        return self.probability[:, [list(labels()).index(name) for name in names]]


class Classifier(nn.Module):
    """Twelve leads → statements, sex, age.

    Args:
        widths: Channels of the network's stages.
        features: Width of a record's feature vector.
        blocks: Residual blocks in a stage.
        kernel: Kernel size of the convolutions, odd.
        dropout: Dropout probability of the features.
        mixing: Parameter of the beta distribution of mixup (Zhang et al. 2018); 0 disables mixup.
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 96, 160, 256),
        features: int = 128,
        blocks: int = 2,
        kernel: int = 5,
        dropout: float = 0.2,
        mixing: float = 0.2,
    ):
        super().__init__()
        self.preprocessor = Preprocessor()
        self.config: dict[str, Any] = {}
        self.name, self.width = "classifier", features
        self.look = Look(len(INDEPENDENT_LEADS), tuple(widths), features, blocks, kernel)
        self.head = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), nn.Linear(features, len(labels()) + 2))
        self.mixing = mixing

    @property
    def preprocessing(self) -> dict[str, object]:
        """Preprocessing of a recording, for reports."""
        own = self.preprocessor
        pass_band = f"{own.highpass:g}–{own.lowpass:g} Hz, zero-phase Butterworth of order {own.order}"
        return {"fs": own.fs, "band": pass_band, "leads": list(INDEPENDENT_LEADS), "unit": "mV"}

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 8, time) mV at the classifier's rate → features (batch, width), logits (batch, label + 2)."""
        features = self.look(signal / SIZE_MV)
        return features, self.head(features)

    def loss(self, batch: Batch, rng: np.random.Generator) -> dict[str, Tensor]:
        """Named losses of a training batch: statements, sex, age; records are cropped and mixed at random."""
        share = 1.0 if self.mixing <= 0 else float(max(kept := rng.beta(self.mixing, self.mixing), 1 - kept))
        other = torch.from_numpy(rng.permutation(len(batch)))

        def mixed(value: Tensor) -> Tensor:
            return share * value + (1 - share) * value[other.to(value.device)]

        _, logits = self(mixed(cut(batch.ecg.signal, rng)))
        truth = mixed(torch.from_numpy(targets(batch.codes)).to(logits.device))
        age, female = mixed(batch.condition.metadata[:, :2]).unbind(1)
        known = batch.condition.metadata_mask[:, :2].float()
        known_age, known_sex = (known * known[other.to(known.device)]).unbind(1)
        cross_entropy = F.binary_cross_entropy_with_logits
        return {
            "statements": 20 * cross_entropy(logits[:, :-2], truth),
            "sex": 0.3 * (cross_entropy(logits[:, -2], female, reduction="none") * known_sex).mean(),
            "age": 0.3 * ((logits[:, -1] - (age - AGE[0]) / AGE[1]).square() * known_age).mean(),
        }

    @torch.inference_mode()
    def predict(self, ecg: ECG, batch: int = 64, progress: Callable[[float], None] | None = None) -> Predictions:
        """Classify records of ten seconds; longer records get the mean over their windows.

        Args:
            ecg: Twelve leads, or leads from which they follow, at any rate.
            batch: Records per forward pass; the result does not depend on it.
            progress: Called with the fraction done.

        Raises:
            InputError: If leads are missing, the recording is too short, or a sample is not finite.
        """
        parts = []
        for start in range(0, len(ecg), batch):
            parts.append(self._predict(ecg[start : start + batch]))
            if progress is not None:
                progress(min(1.0, (start + batch) / len(ecg)))
        features, logits = (torch.cat(part).double() for part in zip(*parts, strict=True))
        return Predictions(
            features.numpy(),
            logits[:, :-2].sigmoid().numpy(),
            logits[:, -2].sigmoid().numpy(),
            (AGE[0] + AGE[1] * logits[:, -1]).numpy(),
        )

    def features(self, ecg: ECG, batch: int = 64) -> np.ndarray:
        """Features (record, width) float64."""
        return self.predict(ecg, batch).features

    def _predict(self, ecg: ECG) -> tuple[Tensor, Tensor]:
        """Features and logits of a few records, averaged over windows."""
        check(ecg)
        eight = self.preprocessor.ecg(ecg.standard().pick(*INDEPENDENT_LEADS)).signal
        windows = [self(eight[..., first:last]) for first, last in self.preprocessor.windows(eight.shape[-1])]
        features, logits = (torch.stack(part).mean(0) for part in zip(*windows, strict=True))
        return features, logits


def cut(signal: Tensor, rng: np.random.Generator) -> Tensor:
    """A random crop of 50 to 80 % of the length: one length for the batch, an independent start for each record."""
    size = int(rng.integers(signal.shape[-1] // 2, int(0.8 * signal.shape[-1]) + 1))
    starts = torch.from_numpy(rng.integers(0, signal.shape[-1] - size + 1, len(signal)))
    at = starts[:, None, None] + torch.arange(size)
    return signal.gather(-1, at.expand(-1, signal.shape[1], -1).to(signal.device))


def check(ecg: ECG) -> None:
    """Raise InputError if ``ecg`` is too short or holds values that are not finite."""
    if ecg.seconds < SHORTEST:
        raise InputError(
            f"the recording lasts {ecg.seconds:.2f} s", f"at least {SHORTEST:g} s were expected to classify it"
        )
    if not bool(ecg.signal.isfinite().all()):
        raise InputError("the recording holds values that are not finite", do="leave out or mend such records first")
