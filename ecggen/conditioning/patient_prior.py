"""Whom to draw comes first: where nothing is told, findings, age, sex and heart rate are drawn as they go together.

A generator that is told nothing has to choose a heart's size, axis and disease from noise alone, and lands nearer to
the usual than hearts do. Told what one training record's patient had, it does not: a checkpoint keeps a sample
of those, in words that reports of many patients have, numbers rounded. (Ancestral sampling: whom, then when the heart
beats, then the waves.) Facts that are told choose whom they fit; words that are told, or anything measured, speak for
themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ecggen.conditioning.condition import METADATA, Condition
from ecggen.conditioning.rhythm_prior import own_numbers, without_waveforms
from ecggen.core.errors import InputError

PERSON = 2
"""Stream of a record's random numbers that its person is drawn with."""
ROUNDED = {"age": 5, "sex": 1, "heart_rate": 5}
"""What facts are rounded to before they are kept."""
NEAR = {"age": 8.0, "sex": 0.1, "heart_rate": 8.0}
"""How far from a told fact a record's own is e^−½ times as likely to be chosen."""

COLUMNS = ["text", *METADATA]
"""Columns of the kept records: the place of the words, the facts; "-" where unknown."""


@dataclass(frozen=True)
class PatientPrior:
    """What a sample of training records says of its patients.

    Attributes:
        texts: What was found, in words; each once.
        found: (record,) place of each record's words in ``texts``.
        facts: (record, 3) age, sex and heart rate as in ``Condition.metadata``, rounded; NaN where unknown.
    """

    texts: tuple[str, ...]
    found: np.ndarray
    metadata: np.ndarray

    @staticmethod
    def of(texts: Sequence[str], metadata: np.ndarray) -> PatientPrior:
        """Of records with their words and facts (record, 3), which are rounded."""
        each = tuple(dict.fromkeys(texts))
        place = {text: at for at, text in enumerate(each)}
        steps = np.array([ROUNDED[name] for name in METADATA])
        return PatientPrior(each, np.array([place[text] for text in texts]), np.round(metadata / steps) * steps)

    def as_json(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        rows = [
            " ".join([str(at), *("-" if np.isnan(value) else f"{value:g}" for value in row)])
            for at, row in zip(self.found, self.metadata, strict=True)
        ]
        return {"columns": COLUMNS, "texts": list(self.texts), "records": rows}

    @staticmethod
    def from_json(value: dict[str, Any], where: str) -> PatientPrior:
        """What ``as_json`` wrote.

        Raises:
            InputError: Where it is something else.
        """
        try:
            texts = tuple(str(text) for text in value["texts"])
            rows = np.array([row.replace("-", "nan").split() for row in value["records"]], float)
            found = rows[:, 0].astype(int)
            if value["columns"] != COLUMNS or rows.shape[1] != 4 or not {*found.tolist()} <= {*range(len(texts))}:
                raise ValueError("columns or places of words do not fit")
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InputError(f"{where} holds no people: {error}", "what ecggen has written was expected") from error
        return PatientPrior(texts, found, rows[:, 1:])

    def draw(self, condition: Condition, seed: int, indices: Sequence[int]) -> Condition:
        """``condition`` with somebody's words and facts in the records that tell nothing but facts, or nothing.

        Args:
            condition: Told facts stay as they are, and choose who fits.
            seed: The user's seed.
            indices: The index of each record: the same person whatever the batch.
        """
        rows = (without_waveforms(condition) & ~condition.text_mask.cpu()).nonzero()[:, 0].tolist()
        if not rows:
            return condition
        texts, text_mask = list(condition.text), condition.text_mask.clone()
        metadata, metadata_mask = condition.metadata.clone(), condition.metadata_mask.clone()
        for row in rows:
            rng, told = own_numbers(seed, indices[row], PERSON), metadata_mask[row].cpu().numpy()
            one = rng.choice(len(self.found), p=self._fitting(metadata[row].cpu().numpy(), told))
            own = self.metadata[one] + np.array([ROUNDED[name] for name in METADATA]) * (rng.random(3) - 0.5)
            sex = list(METADATA).index("sex")
            own[sex] = self.metadata[one][sex]
            texts[row], text_mask[row] = self.texts[self.found[one]], bool(self.texts[self.found[one]])
            filled = torch.from_numpy(~told & np.isfinite(own)).to(metadata.device)
            lowest, highest = np.array(list(METADATA.values())).T
            new = torch.from_numpy(np.nan_to_num(own).clip(lowest, highest)).to(metadata)
            metadata[row] = torch.where(filled, new, metadata[row])
            metadata_mask[row] |= filled
        return condition.replace(text=tuple(texts), text_mask=text_mask, metadata=metadata, metadata_mask=metadata_mask)

    def _fitting(self, metadata: np.ndarray, told: np.ndarray) -> np.ndarray:
        """How likely each record is chosen beside some told facts."""
        away = (self.metadata[:, told] - metadata[told]) / np.array(list(NEAR.values()))[told]
        squares = np.where(np.isnan(away), 25.0, np.square(away)).sum(1)
        fits = np.exp(-(squares - squares.min()) / 2) if told.any() else np.ones(len(self.found))
        return fits / fits.sum()
