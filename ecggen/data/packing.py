"""Recordings filtered, resampled and written once into one memory-mapped array: epochs then cost no files.

A pack holds the eight drawn leads as int16 microvolts at a model's rate and length, an index with patient,
fold and facts, and the preprocessing it was made with. Its folder's name carries a hash of source and
preprocessing, so that a pack made otherwise is never taken for this one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
import torch

from ecggen.ecg import DRAWN_LEADS, ECG
from ecggen.errors import InputError
from ecggen.io import read
from ecggen.preprocessing import Preprocessor

FORMAT = 1
MICROVOLT = 1000  # steps per mV


@dataclass(frozen=True)
class Recording:
    """A file and what is known of its patient.

    Attributes:
        name: Unique name in its data set.
        path: The file.
        patient: Identifier by which records are kept together in a split.
        fold: Number of the split's part, from 1.
        age: Years, or None.
        sex: 0 male, 1 female, or None.
        report: The report's text, or "".
    """

    name: str
    path: Path
    patient: str
    fold: int
    age: float | None = None
    sex: float | None = None
    report: str = ""


@dataclass(frozen=True)
class Pack:
    """A packed data set.

    Attributes:
        signal: (window, 8, time) int16 µV, memory-mapped.
        index: One row a window: name, patient, fold, start (s), age, sex, report.
        preprocessor: What the recordings went through.
        left_out: Names of recordings that could not be used, with the reason.
    """

    signal: np.ndarray
    index: pandas.DataFrame
    preprocessor: Preprocessor
    left_out: dict[str, str]

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, folds: Sequence[int]) -> np.ndarray:
        """Positions of the windows in the given folds.

        Raises:
            InputError: Where a patient lies in one of the folds and in another: the split would leak.
        """
        spread = self.index.groupby("patient").fold.agg(["nunique", "min"])
        torn = spread.index[spread["nunique"] > 1]
        if len(torn):
            raise InputError(
                f"{len(torn)} patients have records in several folds (patient {torn[0]} for one)",
                "each patient in one fold was expected, or the test set leaks",
            )
        return np.flatnonzero(self.index.fold.isin(list(folds)))

    def ecg(self, rows: Sequence[int] | np.ndarray) -> ECG:
        """The windows at ``rows``, eight drawn leads in mV."""
        return ECG(
            torch.from_numpy(self.signal[rows].astype(np.float32) / MICROVOLT),
            DRAWN_LEADS,
            self.preprocessor.fs,
        )


def pack(
    recordings: Sequence[Recording],
    preprocessor: Preprocessor,
    cache: Path | str | None = None,
    progress: Callable[[float], None] | None = None,
) -> Pack:
    """The pack of these recordings, made now or found in the cache.

    Args:
        recordings: What to pack; each must hold the eight drawn leads, or leads they follow from.
        preprocessor: Filter, rate and window. Longer recordings give several windows; shorter ones are left out.
        cache: Folder for packs; by default ``$XDG_CACHE_HOME/ecggen``.
        progress: Called with the share done.

    Raises:
        InputError: Where no recording can be used.
    """
    cache = Path(cache) if cache else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "ecggen"
    folder = cache / f"pack-{_fingerprint(recordings, preprocessor)}"
    if not (folder / "pack.json").is_file():
        _make(folder, recordings, preprocessor, progress)
    return load(folder)


def load(folder: Path) -> Pack:
    """The pack in a folder."""
    about = json.loads((folder / "pack.json").read_text())
    return Pack(
        signal=np.load(folder / "signal.npy", mmap_mode="r"),
        index=pandas.read_csv(
            folder / "index.csv",
            dtype={"name": str, "patient": str, "report": str, "age": float, "sex": float},
            keep_default_na=False,
            na_values={"age": "", "sex": ""},
        ),
        preprocessor=Preprocessor(**about["preprocessor"]),
        left_out=about["left_out"],
    )


def _make(folder: Path, recordings: Sequence[Recording], preprocessor: Preprocessor, progress) -> None:
    """Write the pack beside its place, then rename it: a killed run leaves no half pack."""
    making = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    making.mkdir(parents=True, exist_ok=True)
    try:
        rows, left_out = _write_windows(making / "signal.raw", recordings, preprocessor, progress)
        if not rows:
            reason = next(iter(left_out.values()), "none were given")
            raise InputError(f"none of {len(recordings)} recordings can be used; the first: {reason}")
        _finish_array(making, (len(rows), len(DRAWN_LEADS), preprocessor.samples))
        pandas.DataFrame(rows).to_csv(making / "index.csv", index=False)
        about = {"format": FORMAT, "preprocessor": dataclasses.asdict(preprocessor), "left_out": left_out}
        (making / "pack.json").write_text(json.dumps(about, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        making.replace(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _write_windows(path: Path, recordings, preprocessor: Preprocessor, progress) -> tuple[list[dict], dict[str, str]]:
    rows, left_out = [], {}
    with path.open("wb") as file:
        for done, recording in enumerate(recordings, 1):
            try:
                windows = _windows(recording, preprocessor)
            except InputError as error:
                left_out[recording.name] = str(error)
                windows = []
            for start, window in windows:
                file.write(window.tobytes())
                about = dataclasses.asdict(recording)
                del about["path"]
                rows.append(about | {"start": start})
            if progress is not None:
                progress(done / len(recordings))
    return rows, left_out


def _windows(recording: Recording, preprocessor: Preprocessor) -> list[tuple[float, np.ndarray]]:
    """(start in s, int16 µV) of each full window of a recording."""
    ecg = preprocessor.ecg(read(recording.path, check=False, allow_contradiction=True).standard().pick(*DRAWN_LEADS))
    size = preprocessor.samples
    if ecg.samples < size:
        raise InputError(f"it lasts {ecg.seconds:.2f} s", f"at least {preprocessor.seconds:g} s were expected")
    micro = (ecg.signal[0] * MICROVOLT).round().clamp(-32768, 32767).to(torch.int16).numpy()
    return [
        (start / preprocessor.fs, np.ascontiguousarray(micro[:, start : start + size]))
        for start in range(0, ecg.samples - size + 1, size)
    ]


def _finish_array(folder: Path, shape: tuple[int, int, int]) -> None:
    """Raw samples → ``signal.npy``, a piece at a time."""
    raw = np.memmap(folder / "signal.raw", np.int16, "r", shape=shape)
    out = np.lib.format.open_memmap(folder / "signal.npy", "w+", np.int16, shape)
    for start in range(0, shape[0], 1024):
        out[start : start + 1024] = raw[start : start + 1024]
    out.flush()
    (folder / "signal.raw").unlink()


def _fingerprint(recordings: Sequence[Recording], preprocessor: Preprocessor) -> str:
    """Changes whenever a file, what is known of it, or the preprocessing does."""
    digest = hashlib.sha256(json.dumps([FORMAT, dataclasses.asdict(preprocessor)]).encode())
    for recording in recordings:
        stat = recording.path.stat() if recording.path.exists() else None
        digest.update(repr((recording, stat and (stat.st_size, stat.st_mtime_ns))).encode())
    return digest.hexdigest()[:16]
