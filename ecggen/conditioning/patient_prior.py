"""Patient prior: the joint distribution of statements, age, sex and heart rate, for unconditional generation.

Generated from noise alone, ECGs are less diverse than records. Therefore text and metadata are first sampled from the
prior, then a rhythm (``rhythm_prior``), then the ECG (ancestral sampling). The prior is a sample of training records:
the parts of reports that occur in many patients, and rounded metadata. If metadata are given, records that match them
are more likely to be sampled. The prior is not used if leads, a PPG or a text are given, except for a text that only
denies findings: it describes the patients without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ecggen.conditioning.condition import METADATA, Condition
from ecggen.conditioning.rhythm_prior import own_numbers, without_waveforms
from ecggen.core.errors import InputError

PERSON = 2
"""Random stream of a record that is used for its patient."""

ROUNDED = {"age": 5, "sex": 1, "heart_rate": 5}
"""Resolution of stored metadata."""

NEAR = {"age": 8.0, "sex": 0.1, "heart_rate": 8.0}
"""Bandwidth of the Gaussian kernel that weights stored records by their distance from given metadata."""

ATTEMPTS = 50
"""Largest number of patients that are drawn until one lacks the findings that are denied."""

COLUMNS = ["text", *METADATA]
"""Columns of the stored records: index of the text, and metadata; "-" where missing."""


@dataclass(frozen=True)
class PatientPrior:
    """Text and metadata of a sample of training records.

    Attributes:
        texts: Distinct texts.
        found: (record,) index of the text of each record.
        metadata: (record, 3) age, sex and heart rate as in ``Condition.metadata``, rounded; NaN where missing.
    """

    texts: tuple[str, ...]
    found: np.ndarray
    metadata: np.ndarray

    @staticmethod
    def of(texts: Sequence[str], metadata: np.ndarray) -> PatientPrior:
        """Prior from texts and metadata (record, 3), NaN where missing; the metadata are rounded."""
        each = tuple(dict.fromkeys(texts))
        place = {text: at for at, text in enumerate(each)}
        steps = np.array([ROUNDED[name] for name in METADATA])
        return PatientPrior(each, np.array([place[text] for text in texts]), np.round(metadata / steps) * steps)

    def as_json(self) -> dict[str, Any]:
        """The JSON object stored in a checkpoint."""
        rows = [
            " ".join([str(at), *("-" if np.isnan(value) else f"{value:g}" for value in row)])
            for at, row in zip(self.found, self.metadata, strict=True)
        ]
        return {"columns": COLUMNS, "texts": list(self.texts), "records": rows}

    @staticmethod
    def from_json(value: dict[str, Any], where: str) -> PatientPrior:
        """Prior from the output of ``as_json``.

        Raises:
            InputError: If ``value`` has another format.
        """
        try:
            texts = tuple(str(text) for text in value["texts"])
            rows = np.array([row.replace("-", "nan").split() for row in value["records"]], float)
            found = rows[:, 0].astype(int)
            if value["columns"] != COLUMNS or rows.shape[1] != 4 or not {*found.tolist()} <= {*range(len(texts))}:
                raise ValueError("columns or indices of texts do not match")
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InputError(
                f"{where} holds no patient prior: {error}", "a file written by ecggen was expected"
            ) from error
        return PatientPrior(texts, found, rows[:, 1:])

    def draw(
        self,
        condition: Condition,
        seed: int,
        indices: Sequence[int],
        denied: Sequence[Set[str]] = (),
        affirmed: Callable[[str], Set[str]] = lambda text: frozenset(),
    ) -> Condition:
        """Sample text and metadata for records without text, leads and PPG.

        Args:
            condition: Given metadata are kept, and records that match them are more likely to be sampled.
            seed: Random seed.
            indices: Index of each record; the sampled values depend on the seed and the index only.
            denied: For each record, findings that its patient must not have, if its text only denies findings. The
                text is then replaced like a missing one.
            affirmed: Findings that a text of the prior affirms.
        """
        lacking = (
            torch.tensor([bool(codes) for codes in denied]) if denied else torch.zeros(len(condition), dtype=torch.bool)
        )
        rows = (without_waveforms(condition) & (~condition.text_mask.cpu() | lacking)).nonzero()[:, 0].tolist()
        if not rows:
            return condition
        texts, text_mask = list(condition.text), condition.text_mask.clone()
        metadata, metadata_mask = condition.metadata.clone(), condition.metadata_mask.clone()
        for row in rows:
            rng, given = own_numbers(seed, indices[row], PERSON), metadata_mask[row].cpu().numpy()
            weights = self._weights(metadata[row].cpu().numpy(), given)
            chosen = self._person(rng, weights, denied[row] if denied else frozenset(), affirmed)
            values = self.metadata[chosen] + np.array([ROUNDED[name] for name in METADATA]) * (rng.random(3) - 0.5)
            sex = list(METADATA).index("sex")
            values[sex] = self.metadata[chosen][sex]
            texts[row], text_mask[row] = self.texts[self.found[chosen]], bool(self.texts[self.found[chosen]])
            filled = torch.from_numpy(~given & np.isfinite(values)).to(metadata.device)
            lowest, highest = np.array(list(METADATA.values())).T
            new = torch.from_numpy(np.nan_to_num(values).clip(lowest, highest)).to(metadata)
            metadata[row] = torch.where(filled, new, metadata[row])
            metadata_mask[row] |= filled
        return condition.replace(text=tuple(texts), text_mask=text_mask, metadata=metadata, metadata_mask=metadata_mask)

    def _person(
        self,
        rng: np.random.Generator,
        weights: np.ndarray,
        denied: Set[str],
        affirmed: Callable[[str], Set[str]],
    ) -> int:
        """Index of a sampled record, without the denied findings if one of ``ATTEMPTS`` lacks them."""
        for _ in range(ATTEMPTS):
            chosen = int(rng.choice(len(self.found), p=weights))
            if not denied or not denied & affirmed(self.texts[self.found[chosen]]):
                break
        return chosen

    def _weights(self, metadata: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Probability of each stored record, given some metadata: (record,)."""
        difference = (self.metadata[:, given] - metadata[given]) / np.array(list(NEAR.values()))[given]
        squares = np.where(np.isnan(difference), 25.0, np.square(difference)).sum(1)
        weights = np.exp(-(squares - squares.min()) / 2) if given.any() else np.ones(len(self.found))
        return weights / weights.sum()
