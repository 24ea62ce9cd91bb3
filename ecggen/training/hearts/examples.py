"""Training examples of the heart-first model: features of text and metadata in several wordings, and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ecggen.conditioning import statements
from ecggen.data import Pack
from ecggen.generators.hearts.features import ConditionFeatures, scaled

VERSIONS = (0.4, 0.2, 0.2, 0.2)
"""Probability of each version of a text: the report, all statements, these with denials, and a part of them."""
KEPT = 0.7
"""Probability that a statement is part of the last version."""
DROPOUT = 0.12
"""Probability that text, age or sex is masked."""
AMPLE = 1500
"""Records with a statement from which on it is not oversampled."""
LARGEST_WEIGHT = 4.0
BATCH = 512


@dataclass(frozen=True)
class Examples:
    """Conditions of the records of a pack.

    Attributes:
        text: (version, record, feature) float16.
        metadata: (record, 4) as ``scaled``.
        weights: (record,) sampling weight, larger for rare statements.
    """

    text: np.ndarray
    metadata: np.ndarray
    weights: np.ndarray

    def features(self, rows: np.ndarray, rng: np.random.Generator | None) -> Tensor:
        """Features (row, feature) with a random version of the text and random masks; without ``rng`` of the report."""
        if rng is None:
            return torch.from_numpy(np.concatenate([self.text[0, rows], self.metadata[rows]], 1).astype(np.float32))
        version = rng.choice(len(VERSIONS), size=len(rows), p=VERSIONS)
        text = self.text[version, rows] * (rng.random((len(rows), 1)) >= DROPOUT)
        kept = rng.random((len(rows), self.metadata.shape[1] // 2)) >= DROPOUT
        metadata = self.metadata[rows] * np.concatenate([kept, kept], 1)
        return torch.from_numpy(np.concatenate([text, metadata], 1).astype(np.float32))


def examples(pack: Pack, features: ConditionFeatures, seed: int, progress=lambda share: None) -> Examples:
    """Features of the texts and metadata of a pack; the texts are written from the statements with random wordings."""
    codes = statements.codes()
    present = [[code for code in one.split() if code in codes] for one in pack.index.codes]
    labels = np.stack([statements.vector(one) for one in present])
    rng = np.random.default_rng(seed)
    often = np.sqrt(labels.sum(0) + 50)
    texts = [
        versions(report, said, often / often.sum(), rng)
        for report, said in zip(pack.index.report, present, strict=True)
    ]
    text = np.zeros((len(VERSIONS), len(pack), features.text_size), np.float16)
    for version in range(len(VERSIONS)):
        for start in range(0, len(pack), BATCH):
            some = [one[version] for one in texts[start : start + BATCH]]
            given = torch.tensor([bool(one) for one in some])
            found = features.of_texts([one or " " for one in some]) * given[:, None]
            text[version, start : start + BATCH] = found.half().cpu().numpy()
            progress((version + min(1, (start + BATCH) / len(pack))) / len(VERSIONS))
    numbers = pack.index[["age", "sex"]].to_numpy(float)
    known = torch.from_numpy(np.isfinite(numbers))
    metadata = scaled(torch.from_numpy(np.nan_to_num(numbers)), known).numpy()
    return Examples(text, metadata, sampling_weights(labels))


def versions(report: str, said: Sequence[str], often: np.ndarray, rng: np.random.Generator) -> tuple[str, ...]:
    """The texts of one record; "" where nothing is known.

    Args:
        report: The report.
        said: Its statements.
        often: (71,) probability that a statement is denied, if it is absent.
        rng: Random number generator.
    """
    if not said:
        return (report,) * len(VERSIONS)
    absent = np.array([code not in said for code in statements.codes()]) * often
    denied = [statements.codes()[at] for at in rng.choice(len(absent), 3, replace=False, p=absent / absent.sum())]
    part = [code for code in said if code == "SR" or rng.random() < KEPT] or list(said)
    return (
        report or statements.write_in_random_language(said, (), rng),
        statements.write_in_random_language(said, (), rng),
        statements.write_in_random_language(said, denied[: int(rng.integers(1, 4))], rng),
        statements.write_in_random_language(part, denied[: int(rng.random() < 0.4)], rng),
    )


def sampling_weights(labels: np.ndarray) -> np.ndarray:
    """(record,) square root of the lack of records with the rarest statement of each record (record, statement).

    Example:
        >>> labels = np.zeros((2000, 2))
        >>> labels[:, 0], labels[:375, 1] = 1, 1
        >>> sampling_weights(labels)[[0, 1000]].tolist()
        [2.0, 1.0]
    """
    counts = np.maximum(labels.sum(0), 20)
    rarest = np.where(labels > 0, counts, np.inf).min(1)
    return np.sqrt(AMPLE / np.minimum(rarest, AMPLE)).clip(1, LARGEST_WEIGHT)
