"""Batches of a pack: the ECG and the full condition. Training masks parts of the condition later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ecggen.conditioning.condition import CHANNELS, METADATA, TEXT_AND_METADATA, Condition
from ecggen.core.ecg import ECG
from ecggen.data.pack import Pack


@dataclass(frozen=True)
class Batch:
    """The input of one training step.

    Attributes:
        ecg: The eight independent leads.
        condition: All twelve leads, the PPG where there is one, the report and the metadata; nothing is masked.
        beats: Times of the R peaks of each record, in s.
        codes: SCP statements of each record, separated by spaces; "" where none are known.
    """

    ecg: ECG
    condition: Condition
    beats: tuple[np.ndarray, ...]
    codes: tuple[str, ...] = ()

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return replace(self, ecg=self.ecg.to(device), condition=self.condition.to(device))

    def __len__(self) -> int:
        return len(self.ecg)


class Batches(torch.utils.data.IterableDataset):
    """Batches of a pack, reshuffled in each epoch.

    Args:
        pack: The packed data set.
        rows: Which windows to use.
        size: Records per batch.
        seed: Seed of the order. None keeps the order of the pack, and keeps the last batch even if it is smaller.
        rank: Rank of this process among ``world`` processes.
        world: Number of processes that share the work.
    """

    def __init__(self, pack: Pack, rows: np.ndarray, size: int, seed: int | None = None, rank: int = 0, world: int = 1):
        self.pack, self.rows, self.size, self.seed = pack, rows, size, seed
        self.rank, self.world, self.epoch = rank, world, 0

    def __len__(self) -> int:
        share = len(self.rows) // self.world
        return -(-share // self.size) if self.seed is None else max(1, share // self.size)

    def __iter__(self) -> Iterator[Batch]:
        rows = self.rows
        if self.seed is not None:
            rows = np.random.default_rng((self.seed, self.epoch)).permutation(rows)
        rows = rows[self.rank :: self.world]
        for i in range(len(self)):
            yield batch(self.pack, np.sort(rows[i * self.size : (i + 1) * self.size]))


def batch(pack: Pack, rows: np.ndarray) -> Batch:
    """The windows at ``rows`` with their full condition."""
    ecg, about = pack.ecg(rows), pack.index.iloc[rows]
    condition = (
        Condition.none(len(rows), pack.preprocessor.seconds, pack.preprocessor.fs)
        .with_leads(ecg.standard())
        .with_metadata(age=about.age.tolist(), sex=about.sex.tolist(), heart_rate=_possible(about.heart_rate.tolist()))
        .with_text(about.report.tolist(), parse=False)
    )
    if about.paired.any():
        condition = condition.with_ppg(torch.from_numpy(pack.ppg[rows].astype(np.float32)), pack.preprocessor.fs)
        observed = torch.tensor(about.paired.tolist())[:, None, None] & condition.ppg_mask
        condition = condition.replace(ppg_mask=observed)
    return Batch(ecg, condition, tuple(np.array(beats.split(), float) for beats in about.beats), tuple(about.codes))


def text_and_metadata(pack: Pack, rows: np.ndarray, names: Sequence[str] = TEXT_AND_METADATA) -> Condition:
    """The condition of the windows at ``rows`` with text and metadata only: leads and PPG are masked.

    Args:
        pack: The packed data set.
        rows: Which windows.
        names: The parts that are given: some of text, age, sex, heart_rate.
    """
    full = batch(pack, rows).condition
    drop_prob = {name: 1.0 for name in CHANNELS if name not in names and name != "leads"}
    no_lead = torch.zeros(len(rows), full.leads.shape[1], dtype=torch.bool)
    return full.mask_leads(no_lead).drop(drop_prob, np.random.default_rng(0))


def _possible(rates: list[float]) -> list[float | None]:
    """Heart rates within the range that a condition accepts; None for detector errors outside it."""
    low, high = METADATA["heart_rate"]
    return [rate if low <= rate <= high else None for rate in rates]
