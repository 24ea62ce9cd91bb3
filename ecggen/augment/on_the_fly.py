"""A PyTorch data set of synthetic records that are generated on access.

Records are generated in blocks of neighbouring requests. A record depends on the list of requests and the augmenter's
seed only, not on the worker, the process or the order of access. The most recent blocks stay in memory. A cache folder
can keep all blocks for other workers, epochs and runs.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from ecggen.augment.labelled import Item, label_matrix, label_set
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.data.pack import MICROVOLT
from ecggen.data.population import Request
from ecggen.io.files import place

BLOCK = 64
"""Requests per block: about the batch size at which a generator is fastest."""
IN_MEMORY = 32
"""Number of blocks in memory, about 1 MB each."""


class Draws(Protocol):
    """The interface of ``ecggen.augment.augmenter.Augmenter`` that ``DrawnRecords`` uses.

    Attributes:
        generator: The generator.
        classifier: The classifier that checks draws, or None.
        rules: Rules for refusing draws.
        seed: Seed of the draws.
    """

    generator: Any
    classifier: Any
    rules: Any
    seed: int

    def draw(self, requests: Sequence[Request]) -> Sequence[Any]:
        """A result per request, in order. Its ``ecg`` is one record, or None if every attempt was refused."""
        ...


class DrawnRecords(Dataset):
    """Records that are generated on access.

    If there are as many requests as synthetic records per epoch, each epoch uses the same records; with more requests,
    epochs use new ones. A request of which every attempt was refused is replaced by the next accepted one of its block,
    with the labels of that one.

    Args:
        augmenter: The augmenter.
        requests: The requests, e.g. from ``Population.of_class`` or ``Population.balanced``.
        labels: As for ``label_set``.
        cache: Folder for generated blocks, about 1 MB per 64 records of ten seconds; None to use memory only.

    Raises:
        InputError: If there is no request.
    """

    sequential = True

    def __init__(
        self,
        augmenter: Draws,
        requests: Sequence[Request],
        labels: str | Sequence[str] = "superclasses",
        cache: Path | str | None = None,
    ):
        if not len(requests):
            raise InputError("there are no requests", "at least one was expected")
        self.augmenter, self.requests = augmenter, list(requests)
        chosen = label_set(labels)
        self.label_names = tuple(chosen)
        self.labels = label_matrix([request.codes for request in self.requests], chosen)
        self.fs, self.samples = augmenter.generator.preprocessor.fs, augmenter.generator.preprocessor.samples
        self.cache = None if cache is None else Path(cache)
        self._memory: dict[int, dict[int, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.requests)

    def __getitem__(self, index: int) -> Item:
        """One record; its block is generated if necessary.

        Raises:
            InputError: If every draw of its block was refused.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        block = self._block(index // BLOCK)
        if not block:
            raise InputError(
                f"every draw in the block of request {self.requests[index].index} was refused",
                f"records that show {self.requests[index].sought or 'the requested findings'} were expected",
                "relax the augmenter's rules, or request a class that the model can generate",
            )
        taken = min((at for at in block if at >= index), default=min(block))
        eight = torch.from_numpy(block[taken] / np.float32(MICROVOLT))
        return Item(ECG(eight, INDEPENDENT_LEADS, self.fs).standard().signal[0], self.labels[taken], True)

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """Several records."""
        return [self[index] for index in indices]

    def _block(self, number: int) -> dict[int, np.ndarray]:
        """The accepted records of a block by index: (8, time) int16 in µV."""
        if number not in self._memory:
            while len(self._memory) >= IN_MEMORY:
                del self._memory[next(iter(self._memory))]
            self._memory[number] = self._load_or_draw(number)
        return self._memory[number]

    def _load_or_draw(self, number: int) -> dict[int, np.ndarray]:
        requests = self.requests[number * BLOCK : (number + 1) * BLOCK]
        file = None if self.cache is None else self.cache / f"{self._fingerprint(requests)}.npz"
        if file is not None and file.is_file():
            with np.load(file) as kept:
                return {int(at): steps for at, steps in zip(kept["at"], kept["steps"], strict=True)}
        results = enumerate(self.augmenter.draw(requests), number * BLOCK)
        found = {at: _steps(one.ecg) for at, one in results if one.ecg is not None}
        if file is not None:
            _save(found, file, self.samples)
        return found

    def _fingerprint(self, requests: Sequence[Request]) -> str:
        """A hash of the requests and of everything that determines the draws."""
        own = self.augmenter
        classifier = getattr(own.classifier, "name", None)
        limits = sorted(getattr(own, "limits", {}).items())
        settings = (own.generator.name, own.generator.sampling_from_text, classifier, own.rules, limits, own.seed)
        return hashlib.sha256(repr((settings, requests)).encode()).hexdigest()[:24]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_memory": {}}


def _steps(ecg: ECG) -> np.ndarray:
    """The eight independent leads of one record as in a pack: (8, time) int16 in µV."""
    micro = (ecg.to("cpu").standard().pick(*INDEPENDENT_LEADS).signal[0] * MICROVOLT).round().clamp(-32768, 32767)
    return micro.to(torch.int16).numpy()


def _save(block: dict[int, np.ndarray], file: Path, samples: int) -> None:
    content = io.BytesIO()
    steps = np.stack(list(block.values())) if block else np.zeros((0, len(INDEPENDENT_LEADS), samples), np.int16)
    np.savez(content, at=np.array(list(block), np.int64), steps=steps)
    file.parent.mkdir(parents=True, exist_ok=True)
    place({file: content.getvalue()})
