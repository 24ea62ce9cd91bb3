"""Records with their labels as PyTorch takes them: one signal of twelve leads and a vector of 0 and 1.

The labels follow from a record's SCP statements: PTB-XL's superclasses, its subclasses, the statements themselves, or
any classes by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.errors import InputError
from ecggen.data.pack import Pack, load, pack
from ecggen.data.population import LABELS, statements_of
from ecggen.data.sources import recordings


class Item(NamedTuple):
    """One record; PyTorch's ``DataLoader`` makes a batch of the same form of it.

    Attributes:
        signal: (12, time) float32 mV, leads in the order of ``ecggen.core.ecg.STANDARD_LEADS``.
        labels: (label,) float32 of 0 and 1.
        synthetic: Whether a generator drew it.
    """

    signal: torch.Tensor
    labels: torch.Tensor
    synthetic: bool


class Records(Protocol):
    """A data set of items that share leads, rate, length and labels.

    Attributes:
        label_names: What the columns of ``labels`` stand for.
        fs: Rate in Hz.
        samples: Samples of each lead.
        sequential: Whether neighbours come about together, so that they should be asked for one after the other.
    """

    label_names: tuple[str, ...]
    fs: float
    samples: int
    sequential: bool

    def __len__(self) -> int:
        """Records."""
        ...

    def __getitem__(self, index: int) -> Item:
        """One record."""
        ...

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """Several records at once, as a ``DataLoader`` asks for a batch."""
        ...


def label_set(labels: str | Sequence[str]) -> dict[str, frozenset[str]]:
    """Labels, each with the SCP statements of which one is enough.

    Args:
        labels: "superclasses", "subclasses" or "statements", or names of classes of any of these kinds.

    Raises:
        InputError: Where there is no such set or class.
    """
    if not isinstance(labels, str):
        return {name: statements_of(name) for name in labels}
    if labels not in LABELS:
        found = f"there is no set of labels {labels!r}"
        raise InputError(found, f"one of {', '.join(LABELS)} was expected", "or a list of classes, as ['AFIB', 'MI']")
    return dict(LABELS[labels]())


def told(codes: Sequence[Sequence[str]], labels: Mapping[str, frozenset[str]]) -> torch.Tensor:
    """(record, label) float32 of 0 and 1: which labels hold, given each record's statements."""
    rows = [[bool(enough.intersection(own)) for enough in labels.values()] for own in codes]
    return torch.tensor(rows, dtype=torch.float32).reshape(len(codes), len(labels))


class PackedRecords(Dataset):
    """Records of a packed folder, with their labels.

    A copy in another process opens the pack's files again and carries no samples.

    Args:
        pack: The packed folder.
        rows: Which windows of it; all by default.
        labels: As for ``label_set``.
        synthetic: Whether a generator drew these records.
    """

    sequential = False

    def __init__(
        self,
        pack: Pack,
        rows: np.ndarray | None = None,
        labels: str | Sequence[str] = "superclasses",
        synthetic: bool = False,
    ):
        self.pack, self.synthetic = pack, synthetic
        self.rows = np.arange(len(pack)) if rows is None else np.asarray(rows)
        chosen = label_set(labels)
        self.label_names = tuple(chosen)
        self.labels = told([codes.split() for codes in pack.index.codes.iloc[self.rows]], chosen)
        self.fs, self.samples = pack.preprocessor.fs, pack.preprocessor.samples

    @staticmethod
    def of(
        folder: Path | str,
        folds: Sequence[int] | None = None,
        labels: str | Sequence[str] = "superclasses",
        synthetic: bool = False,
        preprocessor: Preprocessor | None = None,
        cache: Path | str | None = None,
    ) -> PackedRecords:
        """The records of a PTB-XL-shaped folder, packed now or found in the cache.

        Raises:
            InputError: Where there is no such folder, no record in these folds, or a patient in several folds.
        """
        packed = packed_folder(folder, preprocessor, cache)
        rows = None if folds is None else packed.rows(folds)
        if rows is not None and not len(rows):
            listed = ", ".join(map(str, folds or ()))
            raise InputError(f"{folder} has no record in the folds {listed}", "at least one was expected")
        return PackedRecords(packed, rows, labels, synthetic)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """Several records at once."""
        signal = self.pack.ecg(self.rows[indices]).standard().signal
        return [Item(one, self.labels[index], self.synthetic) for one, index in zip(signal, indices, strict=True)]

    def __getstate__(self) -> dict[str, Any]:
        file = self.pack.signal.filename if isinstance(self.pack.signal, np.memmap) else None
        return self.__dict__ | ({"pack": Path(str(file)).parent} if file else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state | ({"pack": load(state["pack"])} if isinstance(state["pack"], Path) else {})


def packed_folder(
    folder: Path | str, preprocessor: Preprocessor | None = None, cache: Path | str | None = None
) -> Pack:
    """The pack of a folder, made now or found in the cache; by default ten seconds at 100 Hz from 0.5 to 40 Hz."""
    return pack(recordings(folder), preprocessor or Preprocessor(), cache)
