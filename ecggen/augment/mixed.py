"""Real and synthetic records in one data set: each epoch holds every real record once, and some synthetic ones.

``Mixed`` is a map-style PyTorch data set. The record at an index depends on (seed, epoch, index) only, so several
workers, processes or nodes see the same records as a single process.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from torch.utils.data import Dataset, DistributedSampler

from ecggen.augment.labelled import Item, Records
from ecggen.core.errors import InputError


class Mixed(Dataset):
    """Every real record once per epoch, and a share of synthetic records.

    The first ``len(real)`` indices are the real records. The other indices are synthetic records, which change from
    epoch to epoch; all of them are used before any is used again.

    Args:
        real: Real records.
        synthetic: Synthetic records, or None.
        share: Share of an epoch's items that is synthetic, at least 0 and below 1.
        seed: Seed of the order of the synthetic records.

    Raises:
        InputError: If the share is out of range, or real and synthetic records differ in labels, sampling rate or
            length.
    """

    def __init__(self, real: Records, synthetic: Records | None = None, share: float = 0.5, seed: int = 0):
        if not 0 <= share < 1:
            raise InputError(f"the share of synthetic records is {share:g}", "at least 0 and below 1 was expected")
        self.real, self.synthetic, self.seed = real, synthetic, seed
        self.synthetic_per_epoch = 0 if synthetic is None else round(len(real) * share / (1 - share))
        self.label_names, self.fs, self.samples = real.label_names, real.fs, real.samples
        if synthetic is not None:
            _check_compatible(real, synthetic)
        # Persistent workers hold copies of this object; the epoch in shared memory reaches all of them.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which selects the synthetic records. Call it before each epoch, as on a DistributedSampler."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.real) + self.synthetic_per_epoch

    def __iter__(self) -> Iterator[Item]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """Several records at once; the synthetic records of a batch are loaded together."""
        own = [self._checked(index) for index in indices]
        real = [index for index in own if index < len(self.real)]
        synthetic = [self.synthetic_at(index - len(self.real)) for index in own if index >= len(self.real)]
        items = iter(self.real.__getitems__(real) if real else [])
        others = iter(self.synthetic.__getitems__(synthetic) if synthetic and self.synthetic is not None else [])
        return [next(items if index < len(self.real) else others) for index in own]

    def synthetic_at(self, place: int) -> int:
        """Index of the synthetic record at a place, from 0, among the synthetic records of this epoch."""
        pool = 0 if self.synthetic is None else len(self.synthetic)
        turn, at = divmod(int(self._epoch) * self.synthetic_per_epoch + place, pool)
        if self.synthetic is None or self.synthetic.sequential:
            return at
        return int(_shuffled(self.seed, turn, pool)[at])

    def _checked(self, index: int) -> int:
        index = index + len(self) if index < 0 else index
        if not 0 <= index < len(self):
            raise IndexError(index)
        return index


@lru_cache(8)
def _shuffled(seed: int, turn: int, n: int) -> np.ndarray:
    """A permutation of 0 to ``n`` − 1 for each pass (``turn``) over the synthetic records."""
    return np.random.default_rng((abs(seed), int(seed < 0), turn)).permutation(n)


def _check_compatible(real: Records, synthetic: Records) -> None:
    """Raise an InputError if the two data sets cannot be batched together."""
    if real.label_names != synthetic.label_names:
        names = [", ".join(one.label_names[:5]) for one in (real, synthetic)]
        raise InputError(
            f"the real records have the labels {names[0]} …, the synthetic ones {names[1]} …",
            "the same labels were expected",
            "create both with the same labels=",
        )
    if (real.fs, real.samples) != (synthetic.fs, synthetic.samples):
        shapes = [f"{one.samples} samples at {one.fs:g} Hz" for one in (real, synthetic)]
        raise InputError(
            f"the real records have {shapes[0]}, the synthetic ones {shapes[1]}",
            "the same sampling rate and length were expected",
            "pass the same preprocessor to both; records drawn on the fly have the generator's preprocessor",
        )


class Order(DistributedSampler):
    """A sampler with a new order in each epoch, which also sets the epoch of the ``Mixed`` data set.

    Real records are shuffled. Synthetic records take random places among them but keep their own order, because records
    that are generated together are then used together. Lightning keeps this sampler and calls ``set_epoch``.

    Args:
        mixed: The data set.
        seed: Seed of the order.
        rank: Rank of this process among ``world`` processes.
        world: Number of processes that share the work.
    """

    def __init__(self, mixed: Mixed, seed: int = 0, rank: int = 0, world: int = 1):
        super().__init__(mixed, num_replicas=world, rank=rank, seed=seed)
        self.mixed = mixed

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the sampler and of the data set."""
        super().set_epoch(epoch)
        self.mixed.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng((abs(self.seed), int(self.seed < 0), self.epoch)).permutation(len(self.mixed))
        real = len(self.mixed.real)
        order[order >= real] = np.arange(real, len(self.mixed))
        # As in any DistributedSampler, some items are repeated if the processes cannot share them evenly.
        return iter(np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist())
