"""Decomposition of all records of a pack into beats and residual, once, in memory-mapped arrays."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ecggen.core import beats as beats_module
from ecggen.core.beats import Beats, beat_samples, decompose
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.data import Pack
from ecggen.data.pack import MICROVOLT, cache_folder
from ecggen.generators.hearts.rhythm import Rhythm

FEWEST = 4
"""Fewest beats, within the record and beyond its ends, of a record that is used."""
SMALLEST = 0.05
"""Smallest peak in mV of a median beat that is used."""
CHUNK = 64


@dataclass(frozen=True)
class Decomposition:
    """The decomposed records of a pack, in its order.

    Attributes:
        median: (record, 8, time) median beats in mV, float32.
        ectopic: (record, 8, time) median ectopic beats, zero where there are none.
        residual: (record, 8, time) int16 µV.
        ends: (record + 1,) a record's beats are those from ``ends[i]`` to ``ends[i + 1]``.
        times: (beat,) R peaks in s, as in ``Beats``.
        types: (beat,) types of the beats.
        gains: (beat, 8) relative differences of the amplitudes.
    """

    median: np.ndarray
    ectopic: np.ndarray
    residual: np.ndarray
    ends: np.ndarray
    times: np.ndarray
    types: np.ndarray
    gains: np.ndarray

    def __len__(self) -> int:
        return len(self.median)

    def rhythm(self, row: int) -> Rhythm:
        """R peaks and types of the beats of a record."""
        own = slice(self.ends[row], self.ends[row + 1])
        return Rhythm(self.times[own], self.types[own])

    def beats(self, row: int) -> Beats:
        """The beats of a record."""
        own = slice(self.ends[row], self.ends[row + 1])
        return Beats(self.median[row], self.ectopic[row], self.times[own], self.types[own], self.gains[own])

    @property
    def usable(self) -> np.ndarray:
        """(record,) whether a record has enough beats, and a median beat."""
        return (np.diff(self.ends) >= FEWEST) & (np.abs(self.median).max((1, 2)) > SMALLEST)

    @property
    def has_ectopic(self) -> np.ndarray:
        """(record,) whether a record has ectopic beats with a median."""
        return np.abs(self.ectopic).max((1, 2)) > SMALLEST


def decomposed(
    pack: Pack,
    cache: Path | str | None = None,
    progress: Callable[[float], None] = lambda share: None,
    workers: int | None = None,
) -> Decomposition:
    """The decomposition of a pack, from the cache if it has been made before.

    Args:
        pack: The packed data set.
        cache: Folder of the packs; ``$XDG_CACHE_HOME/ecggen`` by default.
        progress: Called with the share that is done.
        workers: Processes; by default one per core and for 64 records. The result does not depend on it.
    """
    folder = cache_folder(cache) / f"beats-{_fingerprint(pack)}"
    if not (folder / "ends.npy").is_file():
        making = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        making.mkdir(parents=True, exist_ok=True)
        try:
            _write(making, pack, progress, workers or min(os.cpu_count() or 1, -(-len(pack) // CHUNK)))
            shutil.rmtree(folder, ignore_errors=True)
            making.replace(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    names = ("median", "ectopic", "residual", "ends", "times", "types", "gains")
    return Decomposition(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))


def _write(folder: Path, pack: Pack, progress: Callable[[float], None], workers: int) -> None:
    leads, samples = len(INDEPENDENT_LEADS), pack.preprocessor.samples
    shape = (len(pack), leads, beat_samples(pack.preprocessor.fs))
    median, ectopic, residual = (
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, size)
        for name, kind, size in (
            ("median", np.float32, shape),
            ("ectopic", np.float32, shape),
            ("residual", np.int16, (len(pack), leads, samples)),
        )
    )
    found: list[Beats] = []
    for beats, rest in _each(pack, workers):
        row = len(found)
        median[row], ectopic[row] = beats.median, beats.ectopic
        residual[row] = np.clip(rest * MICROVOLT, -32767, 32767).round()
        found.append(beats)
        if row % CHUNK == 0:
            progress(row / len(pack))
    for array in (median, ectopic, residual):
        array.flush()
    np.save(folder / "times.npy", np.concatenate([one.times for one in found]))
    np.save(folder / "types.npy", np.concatenate([one.types for one in found]).astype(np.int8))
    np.save(folder / "gains.npy", np.concatenate([one.gains for one in found]).astype(np.float32))
    np.save(folder / "ends.npy", np.cumsum([0, *(len(one.times) for one in found)]))


def _each(pack: Pack, workers: int) -> Iterator[tuple[Beats, np.ndarray]]:
    """The decomposition of each record in turn."""
    jobs = (
        (
            pack.signal[start : start + CHUNK],
            pack.preprocessor.fs,
            pack.index.beats.iloc[start : start + CHUNK].tolist(),
        )
        for start in range(0, len(pack), CHUNK)
    )
    if workers == 1:
        for job in jobs:
            yield from _some(job)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for part in pool.map(_some, jobs):
            yield from part


def _some(job: tuple[np.ndarray, float, list[str]]) -> list[tuple[Beats, np.ndarray]]:
    signal, fs, peaks = job
    return [
        decompose(one.astype(float) / MICROVOLT, fs, np.array(at.split(), float))
        for one, at in zip(signal, peaks, strict=True)
    ]


def _fingerprint(pack: Pack) -> str:
    """A hash of the beats and names of a pack, and of the code that decomposes it."""
    digest = hashlib.sha256(Path(beats_module.__file__).read_bytes())
    digest.update(json.dumps([pack.preprocessor.fs, pack.index.name.tolist(), pack.index.beats.tolist()]).encode())
    return digest.hexdigest()[:16]
