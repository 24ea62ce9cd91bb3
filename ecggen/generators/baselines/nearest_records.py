"""Which training records are nearest to what is known of a heart: in its leads, or in words and facts.

Leads are compared sample by sample where they are seen. Facts are compared in units that make a clinician's small
difference 1, statements by the share that two sets of them have in common (Jaccard); the squares are added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
import pandas

from ecggen.conditioning import statements
from ecggen.conditioning.condition import METADATA, Condition
from ecggen.core.ecg import LEAD_MATRIX

CHUNK = 512  # training records at a time
LARGEST = 2**28
"""Numbers of training waves that are kept in memory; more are read again each time."""
UNITS = {"age": 10.0, "sex": 0.5, "heart_rate": 10.0}
"""Differences that count 1: years, sexes, beats per minute."""
APART = 0.25
"""Share of statements not in common that counts 1."""
ENOUGH = 20
"""Nearest records of which one is taken at random, together with all that are as near as the last of them."""


class Waves:
    """Training records by their leads.

    Args:
        read: (row,) places among the training records → (row, 8, time) mV.
        count: How many there are.
    """

    def __init__(self, read: Callable[[np.ndarray], np.ndarray], count: int):
        self.read, self.count = read, count
        self._leads: list[int] = []
        self._kept: list[np.ndarray] = []

    def nearest(self, condition: Condition) -> np.ndarray:
        """(record,) place of the nearest training record; 0 where no lead is seen."""
        leads = np.flatnonzero(condition.lead_mask.any(-1).any(0).numpy()).tolist()
        best, nearest = np.full(len(condition), np.inf), np.zeros(len(condition), int)
        if not leads:
            return nearest
        asked = condition.leads[:, leads].flatten(1).numpy()
        seen = condition.lead_mask[:, leads].flatten(1).numpy()
        start = 0
        for known in self._known(leads, condition.samples):
            power = (known**2).sum(1) if seen.all() else seen.astype(np.float32) @ (known**2).T
            distance = power - 2 * asked @ known.T
            closest = distance.argmin(1)
            found = distance[np.arange(len(asked)), closest]
            nearest = np.where(found < best, start + closest, nearest)
            best, start = np.minimum(best, found), start + len(known)
        return nearest

    def _known(self, leads: list[int], samples: int) -> Iterator[np.ndarray]:
        """The training records' leads (row, lead · time), some rows at a time; kept where they are few enough."""
        if leads == self._leads and self._kept[0].shape[1] == len(leads) * samples:
            yield from self._kept
            return
        few = self.count * len(leads) * samples <= LARGEST
        self._leads, self._kept, kept = [], [], []
        for start in range(0, self.count, CHUNK):
            eight = self.read(np.arange(start, min(start + CHUNK, self.count)))[..., :samples]
            known = (LEAD_MATRIX[leads].astype(np.float32) @ eight).reshape(len(eight), -1)
            kept += [known] if few else []
            yield known
        if few:
            self._leads, self._kept = leads, kept


class Words:
    """Training records by what is known of their patients.

    Args:
        index: A pack's rows: age, sex, heart_rate, codes.
    """

    def __init__(self, index: pandas.DataFrame):
        self.index = index

    @cached_property
    def metadata(self) -> np.ndarray:
        """(training record, fact)."""
        return self.index[list(METADATA)].to_numpy(float)

    @cached_property
    def said(self) -> np.ndarray:
        """(training record, statement) of 0 and 1."""
        said = [set(codes.split()) for codes in self.index.codes]
        return np.array([[code in here for code in statements.codes()] for here in said], np.float32)

    def near(self, condition: Condition, rates: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """(record,) place of one of the nearest training records, the ``uniform`` share of the way through them.

        Args:
            condition: Facts and texts.
            rates: (record,) heart rate per minute, NaN where unknown.
            uniform: (record,) between 0 and 1.
        """
        told = np.where(condition.metadata_mask.numpy(), condition.metadata.double().numpy(), np.nan)
        told[:, list(METADATA).index("heart_rate")] = rates
        asked = self._asked(condition)
        chosen = []
        for metadata, said, share in zip(told, asked, uniform, strict=True):
            distance = self._distance(metadata, said)
            last = np.partition(distance, min(ENOUGH, len(distance)) - 1)[: min(ENOUGH, len(distance))].max()
            candidates = np.flatnonzero(distance <= last + 1e-9)
            chosen.append(candidates[min(int(share * len(candidates)), len(candidates) - 1)])
        return np.array(chosen, int)

    def _asked(self, condition: Condition) -> np.ndarray:
        """(record, statement) 1 where the text names it."""
        shown = zip(condition.text, condition.text_mask.tolist(), strict=True)
        texts = [text if seen else "" for text, seen in shown]
        return statements.keywords(texts) if any(texts) else np.zeros((len(texts), len(statements.codes())), np.float32)

    def _distance(self, metadata: np.ndarray, said: np.ndarray) -> np.ndarray:
        """(training record,): squared differences in units; 1 for a fact that the training record lacks."""
        told = np.isfinite(metadata)
        off = (self.metadata[:, told] - metadata[told]) / np.array(list(UNITS.values()))[told]
        distance = np.where(np.isnan(off), 1.0, off**2).sum(1)
        if said.any():
            common, either = np.minimum(self.said, said).sum(1), np.maximum(self.said, said).sum(1)
            distance += ((1 - common / either) / APART) ** 2
        return distance
