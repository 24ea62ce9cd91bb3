"""Synthetic records that are drawn at the moment somebody asks for them, as a PyTorch data set.

Requests are drawn in blocks of neighbours. A draw follows from the list of requests and the augmenter's seed alone, so
it is the same whichever worker or process asks for it and in whatever order. The last blocks stay in memory; a folder
can keep all of them for other workers, the next epoch or the next run.
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

from ecggen.augment.labelled import Item, label_set, told
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.data.pack import MICROVOLT
from ecggen.data.population import Asked
from ecggen.io.files import place

BLOCK = 64
"""Requests that are drawn together: about what a generator draws fastest."""
IN_MEMORY = 32
"""Blocks that stay in memory, of about 1 MB each."""


class Draws(Protocol):
    """What draws synthetic records: an ``ecggen.augment.augmenter.Augmenter``.

    Attributes:
        generator: The generator.
        judge: What refuses draws, or None.
        rules: When it refuses them.
        seed: Seed of the draws.
    """

    generator: Any
    classifier: Any
    rules: Any
    seed: int

    def draw(self, asks: Sequence[Asked]) -> Sequence[Any]:
        """An answer to each request, in order, each with ``ecg``: one record, or None where all tries were refused."""
        ...


class DrawnRecords(Dataset):
    """Records that are drawn when they are asked for.

    With as many requests as an epoch takes, each epoch sees the same records again; with more, it sees new ones. Where
    every draw of a request was refused, the next one of its block that was not stands in its place, with its labels.

    Args:
        augmenter: What draws them.
        asks: What is asked of each, as ``Population.of_class`` or ``Population.balanced`` make it.
        labels: As for ``label_set``.
        cache: Folder that keeps what was drawn, about 1 MB for 64 records of ten seconds; None for memory alone.
    """

    sequential = True

    def __init__(
        self,
        augmenter: Draws,
        asks: Sequence[Asked],
        labels: str | Sequence[str] = "superclasses",
        cache: Path | str | None = None,
    ):
        if not len(asks):
            raise InputError("nothing is asked for", "at least one request was expected")
        self.augmenter, self.asks = augmenter, list(asks)
        chosen = label_set(labels)
        self.label_names = tuple(chosen)
        self.labels = told([asked.codes for asked in self.asks], chosen)
        self.fs, self.samples = augmenter.generator.preprocessor.fs, augmenter.generator.preprocessor.samples
        self.cache = None if cache is None else Path(cache)
        self._memory: dict[int, dict[int, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.asks)

    def __getitem__(self, index: int) -> Item:
        """One record; its block is drawn with it.

        Raises:
            InputError: Where every draw of its block was refused.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        block = self._block(index // BLOCK)
        if not block:
            raise InputError(
                f"every draw of the requests around number {self.asks[index].index} was refused",
                f"records that show {self.asks[index].sought or 'what was asked for'} were expected",
                "loosen the augmenter's rules, or ask for what the model can draw",
            )
        taken = min((at for at in block if at >= index), default=min(block))
        eight = torch.from_numpy(block[taken] / np.float32(MICROVOLT))
        return Item(ECG(eight, INDEPENDENT_LEADS, self.fs).standard().signal[0], self.labels[taken], True)

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """Several records."""
        return [self[index] for index in indices]

    def _block(self, number: int) -> dict[int, np.ndarray]:
        """The records of a block that were not refused: by their place, (8, time) int16 in steps of 1 µV."""
        if number not in self._memory:
            while len(self._memory) >= IN_MEMORY:
                del self._memory[next(iter(self._memory))]
            self._memory[number] = self._drawn_or_kept(number)
        return self._memory[number]

    def _drawn_or_kept(self, number: int) -> dict[int, np.ndarray]:
        asks = self.asks[number * BLOCK : (number + 1) * BLOCK]
        file = None if self.cache is None else self.cache / f"{self._fingerprint(asks)}.npz"
        if file is not None and file.is_file():
            with np.load(file) as kept:
                return {int(at): steps for at, steps in zip(kept["at"], kept["steps"], strict=True)}
        answers = enumerate(self.augmenter.draw(asks), number * BLOCK)
        found = {at: _steps(one.ecg) for at, one in answers if one.ecg is not None}
        if file is not None:
            _keep(found, file, self.samples)
        return found

    def _fingerprint(self, asks: Sequence[Asked]) -> str:
        """Changes with the requests and with all that draws them."""
        own = self.augmenter
        classifier = getattr(own.classifier, "name", None)
        limits = sorted(getattr(own, "limits", {}).items())
        maker = (own.generator.name, own.generator.sampling, classifier, own.rules, limits, own.seed)
        return hashlib.sha256(repr((maker, asks)).encode()).hexdigest()[:24]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_memory": {}}


def _steps(ecg: ECG) -> np.ndarray:
    """The eight drawn leads of one record as a pack holds them: (8, time) int16, 1 µV a step."""
    micro = (ecg.to("cpu").standard().pick(*INDEPENDENT_LEADS).signal[0] * MICROVOLT).round().clamp(-32768, 32767)
    return micro.to(torch.int16).numpy()


def _keep(block: dict[int, np.ndarray], file: Path, samples: int) -> None:
    content = io.BytesIO()
    steps = np.stack(list(block.values())) if block else np.zeros((0, len(INDEPENDENT_LEADS), samples), np.int16)
    np.savez(content, at=np.array(list(block), np.int64), steps=steps)
    file.parent.mkdir(parents=True, exist_ok=True)
    place({file: content.getvalue()})
