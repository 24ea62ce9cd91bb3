"""The classifier: what a network that has seen real ECGs only finds in a twelve-lead ECG.

It tells the 71 SCP statements of PTB-XL with their five superclasses and 23 subclasses, and the patient's sex and age.
Its features are what distances between sets of ECGs are measured on. It judges ECGs of any origin, so it owns
its preprocessing, takes leads by name and refuses what it cannot be given.
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
"""Seconds that a recording must last to be judged."""
SIZE_MV = 0.25
"""mV that the network takes as 1: about the deviation of a lead."""
AGE = (60.0, 17.0)
"""Mean and deviation in years by which ages are scaled."""


@lru_cache(1)
def labels() -> dict[str, frozenset[str]]:
    """What is told apart, each with the statements of which one is enough: superclasses, subclasses, statements."""
    above = {f"class {name}": codes for name, codes in statements.superclasses().items()}
    between = {f"subclass {name}": codes for name, codes in statements.subclasses().items()}
    return above | between | {code: frozenset((code,)) for code in statements.codes()}


def targets(codes: Sequence[str]) -> np.ndarray:
    """Records' statements, apart by blanks → (record, label) float32 of 0 and 1, in the order of ``labels``."""
    said = [set(one.split()) for one in codes]
    return np.array([[bool(here & enough) for enough in labels().values()] for here in said], np.float32)


@dataclass(frozen=True)
class Predictions:
    """What the classifier finds in each of several records.

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
        """Probabilities (record, name) of some labels."""
        return self.probability[:, [list(labels()).index(name) for name in names]]


class Classifier(nn.Module):
    """Twelve leads → statements, sex, age.

    Args:
        widths: Channels of the network's stages.
        features: Width of a record's feature vector.
        blocks: Residual blocks in a stage.
        kernel: Taps of a convolution, odd.
        dropout: Share of the features that is hidden in training.
        mixing: Parameter of the beta distribution by which training records are mixed (Zhang et al. 2018); 0 for not.
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
        """What recordings go through, for reports."""
        own = self.preprocessor
        band = f"{own.highpass:g}–{own.lowpass:g} Hz, zero-phase Butterworth of order {own.order}"
        return {"fs": own.fs, "band": band, "leads": list(INDEPENDENT_LEADS), "unit": "mV"}

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 8, time) mV at the classifier's rate → features (batch, width), logits (batch, label + 2)."""
        features = self.look(signal / SIZE_MV)
        return features, self.head(features)

    def loss(self, batch: Batch, rng: np.random.Generator) -> dict[str, Tensor]:
        """Named losses of a training batch: statements, sex, age; records are cut and mixed at random."""
        share = 1.0 if self.mixing <= 0 else float(max(kept := rng.beta(self.mixing, self.mixing), 1 - kept))
        other = torch.from_numpy(rng.permutation(len(batch)))

        def mixed(value: Tensor) -> Tensor:
            return share * value + (1 - share) * value[other.to(value.device)]

        _, logits = self(mixed(cut(batch.ecg.signal, rng)))
        truth = mixed(torch.from_numpy(targets(batch.codes)).to(logits.device))
        age, female = mixed(batch.condition.metadata[:, :2]).unbind(1)
        known = batch.condition.metadata_mask[:, :2].float()
        known_age, known_sex = (known * known[other.to(known.device)]).unbind(1)
        said = F.binary_cross_entropy_with_logits
        return {
            "statements": 20 * said(logits[:, :-2], truth),
            "sex": 0.3 * (said(logits[:, -2], female, reduction="none") * known_sex).mean(),
            "age": 0.3 * ((logits[:, -1] - (age - AGE[0]) / AGE[1]).square() * known_age).mean(),
        }

    @torch.inference_mode()
    def predict(self, ecg: ECG, batch: int = 64, progress: Callable[[float], None] | None = None) -> Predictions:
        """Judge records of ten seconds each, or the mean over the windows of longer ones.

        Args:
            ecg: Twelve leads, or leads from which they follow, at any rate.
            batch: Records at a time; the answer does not depend on it.
            progress: Called with the share done.

        Raises:
            InputError: Where leads are missing, the recording is too short, or a sample is not finite.
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
    """A random part of 5 to 8 s, the same length for all records of a batch, each from its own place."""
    size = int(rng.integers(signal.shape[-1] // 2, int(0.8 * signal.shape[-1]) + 1))
    starts = torch.from_numpy(rng.integers(0, signal.shape[-1] - size + 1, len(signal)))
    at = starts[:, None, None] + torch.arange(size)
    return signal.gather(-1, at.expand(-1, signal.shape[1], -1).to(signal.device))


def check(ecg: ECG) -> None:
    """An InputError where ``ecg`` is no recording that can be judged."""
    if ecg.seconds < SHORTEST:
        raise InputError(
            f"the recording lasts {ecg.seconds:.2f} s", f"at least {SHORTEST:g} s were expected to judge it"
        )
    if not bool(ecg.signal.isfinite().all()):
        raise InputError("the recording holds values that are not finite", do="leave out or mend such records first")
