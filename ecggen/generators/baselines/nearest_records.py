"""Nearest training records of a condition: in the observed leads, or in text and metadata.

Leads are compared by squared differences of observed samples. Metadata are compared in units of a clinically small
difference, statements by the Jaccard index of two sets; the squared distances are added.
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
"""Maximum number of samples that are cached in memory."""
UNITS = {"age": 10.0, "sex": 0.5, "heart_rate": 10.0}
"""Differences in metadata that correspond to a distance of 1."""
APART = 0.25
"""Jaccard distance of statements that corresponds to a distance of 1."""
ENOUGH = 20
"""Number of nearest records from which one is sampled, in addition to ties with the last of them."""


class Waves:
    """Search of training records by their leads.

    Args:
        read: Function from indices of training records (row,) to their leads (row, 8, time) in mV.
        count: Number of training records.
    """

    def __init__(self, read: Callable[[np.ndarray], np.ndarray], count: int):
        self.read, self.count = read, count
        self._leads: list[int] = []
        self._kept: list[np.ndarray] = []

    def nearest(self, condition: Condition) -> np.ndarray:
        """Index of the nearest training record, (record,); 0 without observed leads."""
        leads = np.flatnonzero(condition.lead_mask.any(-1).any(0).numpy()).tolist()
        best, nearest = np.full(len(condition), np.inf), np.zeros(len(condition), int)
        if not leads:
            return nearest
        query = condition.leads[:, leads].flatten(1).numpy()
        mask = condition.lead_mask[:, leads].flatten(1).numpy()
        start = 0
        for known in self._known(leads, condition.samples):
            power = (known**2).sum(1) if mask.all() else mask.astype(np.float32) @ (known**2).T
            distance = power - 2 * query @ known.T
            closest = distance.argmin(1)
            found = distance[np.arange(len(query)), closest]
            nearest = np.where(found < best, start + closest, nearest)
            best, start = np.minimum(best, found), start + len(known)
        return nearest

    def _known(self, leads: list[int], samples: int) -> Iterator[np.ndarray]:
        """Leads of the training records (row, lead · time), in chunks; cached if there are few enough."""
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
    """Search of training records by metadata and statements.

    Args:
        index: Rows of a pack's index: age, sex, heart_rate, codes.
    """

    def __init__(self, index: pandas.DataFrame):
        self.index = index

    @cached_property
    def metadata(self) -> np.ndarray:
        """Metadata, (training record, 3)."""
        return self.index[list(METADATA)].to_numpy(float)

    @cached_property
    def said(self) -> np.ndarray:
        """Statements as multi-hot vectors, (training record, 71)."""
        sets = [set(codes.split()) for codes in self.index.codes]
        return np.array([[code in present for code in statements.codes()] for present in sets], np.float32)

    def near(self, condition: Condition, rates: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Index of a random one of the nearest training records, (record,).

        Args:
            condition: Metadata and texts.
            rates: (record,) heart rate in beats per minute, NaN where unknown.
            uniform: (record,) uniform random numbers that select the record.
        """
        known = np.where(condition.metadata_mask.numpy(), condition.metadata.double().numpy(), np.nan)
        known[:, list(METADATA).index("heart_rate")] = rates
        requested = self._statements(condition)
        chosen = []
        for metadata, said, share in zip(known, requested, uniform, strict=True):
            distance = self._distance(metadata, said)
            last = np.partition(distance, min(ENOUGH, len(distance)) - 1)[: min(ENOUGH, len(distance))].max()
            candidates = np.flatnonzero(distance <= last + 1e-9)
            chosen.append(candidates[min(int(share * len(candidates)), len(candidates) - 1)])
        return np.array(chosen, int)

    def _statements(self, condition: Condition) -> np.ndarray:
        """Statements found in the texts by keyword search, (record, 71)."""
        masked = zip(condition.text, condition.text_mask.tolist(), strict=True)
        texts = [text if given else "" for text, given in masked]
        return statements.keywords(texts) if any(texts) else np.zeros((len(texts), len(statements.codes())), np.float32)

    def _distance(self, metadata: np.ndarray, said: np.ndarray) -> np.ndarray:
        """Squared distances, (training record,); 1 for metadata that a training record lacks."""
        given = np.isfinite(metadata)
        difference = (self.metadata[:, given] - metadata[given]) / np.array(list(UNITS.values()))[given]
        distance = np.where(np.isnan(difference), 1.0, difference**2).sum(1)
        if said.any():
            common, either = np.minimum(self.said, said).sum(1), np.maximum(self.said, said).sum(1)
            distance += ((1 - common / either) / APART) ** 2
        return distance
