"""Real and synthetic records in one data set: every real record once an epoch, synthetic ones between them.

A plain map-style data set of PyTorch: what an index stands for follows from (seed, epoch, index) alone, so that
workers, processes and machines that share the work see the same records as one process would.
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
    """Real records, each once an epoch, and synthetic ones.

    The first ``len(real)`` indices are the real records; each further index stands for another synthetic record in
    every epoch, and none comes again before all have come.

    Args:
        real: Real records.
        synthetic: Synthetic ones, or None.
        share: Which share of an epoch's items is synthetic, from 0 to below 1.
        seed: Seed of the order in which synthetic records come.

    Raises:
        InputError: Where the share is none, or real and synthetic records differ in labels, rate or length.
    """

    def __init__(self, real: Records, synthetic: Records | None = None, share: float = 0.5, seed: int = 0):
        if not 0 <= share < 1:
            raise InputError(f"the share of synthetic records is {share:g}", "0 to below 1 was expected")
        self.real, self.synthetic, self.seed = real, synthetic, seed
        self.synthetic_an_epoch = 0 if synthetic is None else round(len(real) * share / (1 - share))
        self.label_names, self.fs, self.samples = real.label_names, real.fs, real.samples
        if synthetic is not None:
            _check_alike(real, synthetic)
        # Workers that live on from epoch to epoch hold copies of this object, but all look at this one number.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Which epoch's synthetic records come next; to be called before each epoch, as for a DistributedSampler."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.real) + self.synthetic_an_epoch

    def __iter__(self) -> Iterator[Item]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """Several records at once: drawn ones of a batch are drawn together."""
        own = [self._checked(index) for index in indices]
        real = [index for index in own if index < len(self.real)]
        made = [self.synthetic_at(index - len(self.real)) for index in own if index >= len(self.real)]
        items = iter(self.real.__getitems__(real) if real else [])
        others = iter(self.synthetic.__getitems__(made) if made and self.synthetic is not None else [])
        return [next(items if index < len(self.real) else others) for index in own]

    def synthetic_at(self, place: int) -> int:
        """Which synthetic record stands at a place, from 0, among those of this epoch."""
        pool = 0 if self.synthetic is None else len(self.synthetic)
        turn, at = divmod(int(self._epoch) * self.synthetic_an_epoch + place, pool)
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
    """The numbers below ``n`` in the order of their turn."""
    return np.random.default_rng((abs(seed), int(seed < 0), turn)).permutation(n)


def _check_alike(real: Records, synthetic: Records) -> None:
    """An InputError where the two do not fit into one batch."""
    if real.label_names != synthetic.label_names:
        names = [", ".join(one.label_names[:5]) for one in (real, synthetic)]
        raise InputError(
            f"the real records have the labels {names[0]} …, the synthetic ones {names[1]} …",
            "the same labels were expected",
            "make both with the same labels=",
        )
    if (real.fs, real.samples) != (synthetic.fs, synthetic.samples):
        forms = [f"{one.samples} samples at {one.fs:g} Hz" for one in (real, synthetic)]
        raise InputError(
            f"the real records have {forms[0]}, the synthetic ones {forms[1]}",
            "one rate and one length were expected",
            "give both the same preprocessor, for drawn ones the generator's",
        )


class Order(DistributedSampler):
    """A new order of the items in each epoch, which also tells a ``Mixed`` its epoch.

    Real records are shuffled; synthetic ones come at random places between them, but in the data set's own order:
    what is drawn together is needed together. Lightning leaves this sampler alone and calls ``set_epoch``.

    Args:
        mixed: The data set.
        seed: Seed of the order.
        rank: This process's place among ``world`` processes that share the work.
        world: How many processes share it.
    """

    def __init__(self, mixed: Mixed, seed: int = 0, rank: int = 0, world: int = 1):
        super().__init__(mixed, num_replicas=world, rank=rank, seed=seed)
        self.mixed = mixed

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next."""
        super().set_epoch(epoch)
        self.mixed.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng((abs(self.seed), int(self.seed < 0), self.epoch)).permutation(len(self.mixed))
        real = len(self.mixed.real)
        order[order >= real] = np.arange(real, len(self.mixed))
        # A few come twice where the processes cannot share them evenly, as in any DistributedSampler.
        return iter(np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist())
