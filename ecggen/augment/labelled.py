"""Labelled records as a PyTorch data set: a signal of twelve leads and a multi-hot label vector.

The labels follow from the SCP statements of a record. They are PTB-XL's superclasses, its subclasses, the statements
themselves, or a list of classes.
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
    """One record; PyTorch's ``DataLoader`` collates records into a batch of the same type.

    Attributes:
        signal: (12, time) float32 mV, leads in the order of ``ecggen.core.ecg.STANDARD_LEADS``.
        labels: (label,) float32 of 0 and 1.
        synthetic: Whether the record is generated.
    """

    signal: torch.Tensor
    labels: torch.Tensor
    synthetic: bool


class Records(Protocol):
    """A data set of items with the same leads, sampling rate, length and labels.

    Attributes:
        label_names: Names of the columns of ``labels``.
        fs: Sampling rate in Hz.
        samples: Samples per lead.
        sequential: Whether neighbouring records are generated together and should be loaded one after the other.
    """

    label_names: tuple[str, ...]
    fs: float
    samples: int
    sequential: bool

    def __len__(self) -> int:
        """Number of records."""
        ...

    def __getitem__(self, index: int) -> Item:
        """One record."""
        ...

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """Several records at once; a ``DataLoader`` calls this for a batch."""
        ...


def label_set(labels: str | Sequence[str]) -> dict[str, frozenset[str]]:
    """Labels by name, each with its SCP statements; a record has the label if it has any of them.

    Args:
        labels: "superclasses", "subclasses" or "statements", or names of classes of any of these kinds.

    Raises:
        InputError: If there is no such set or class.

    Example:
        >>> list(label_set("superclasses"))
        ['CD', 'HYP', 'MI', 'NORM', 'STTC']
    """
    if not isinstance(labels, str):
        return {name: statements_of(name) for name in labels}
    if labels not in LABELS:
        found = f"there is no set of labels {labels!r}"
        raise InputError(
            found, f"one of {', '.join(LABELS)} was expected", "or pass a list of classes, e.g. ['AFIB', 'MI']"
        )
    return dict(LABELS[labels]())


def label_matrix(codes: Sequence[Sequence[str]], labels: Mapping[str, frozenset[str]]) -> torch.Tensor:
    """(record, label) float32 of 0 and 1: the labels of each record, given its statements.

    Example:
        >>> label_matrix([["AFIB"], []], label_set(["AFIB", "MI"])).tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """
    rows = [[bool(members.intersection(own)) for members in labels.values()] for own in codes]
    return torch.tensor(rows, dtype=torch.float32).reshape(len(codes), len(labels))


class PackedRecords(Dataset):
    """Records of a packed folder, with their labels.

    Pickling transfers no samples: a copy in another process opens the files of the pack again.

    Args:
        pack: The packed folder.
        rows: Indices of its windows; all by default.
        labels: As for ``label_set``.
        synthetic: Whether these records are generated.
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
        self.labels = label_matrix([codes.split() for codes in pack.index.codes.iloc[self.rows]], chosen)
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
        """The records of a folder in PTB-XL's format, packed or loaded from the cache.

        Raises:
            InputError: If there is no such folder, no record in these folds, or a patient in several folds.
        """
        packed = packed_folder(folder, preprocessor, cache)
        rows = None if folds is None else packed.rows(folds)
        if rows is not None and not len(rows):
            listed = ", ".join(map(str, folds or ()))
            raise InputError(f"{folder} has no record in folds {listed}", "at least one was expected")
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
    """Pack a folder, or load its pack from the cache; by default ten seconds at 100 Hz, 0.5–40 Hz."""
    return pack(recordings(folder), preprocessor or Preprocessor(), cache)
