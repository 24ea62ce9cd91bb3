"""Recordings filtered, resampled and written once into one memory-mapped array: epochs then cost no files.

A pack holds the eight drawn leads as int16 microvolts at a model's rate and length, an index with patient,
fold and facts, and the preprocessing it was made with. Its folder's name carries a hash of source and
preprocessing, so that a pack made otherwise is never taken for this one.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas
import torch

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.core.filters import fit
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.data import bidmc
from ecggen.io import read

FOLDS = 10
FORMAT = 3
MICROVOLT = 1000  # steps per mV
NUMBERS = ("age", "sex", "heart_rate")
COLUMNS = ("name", "patient", "fold", "age", "sex", "report", "codes", "paired", "start", "beats", "heart_rate")


class Completion(Protocol):
    """Draws the leads that a recording lacks: a generator, known by its name."""

    name: str

    def __call__(self, ecg: ECG) -> ECG:
        """Twelve leads, those of ``ecg`` as they are."""
        ...


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
        codes: SCP codes of the statements that hold, apart by blanks, or "" where none are known.
        paired: Whether the file holds a PPG beside its leads, as ``ecggen.data.bidmc`` reads it.
    """

    name: str
    path: Path
    patient: str
    fold: int
    age: float | None = None
    sex: float | None = None
    report: str = ""
    codes: str = ""
    paired: bool = False


def fold_of(name: str) -> int:
    """A fold that follows from a name alone, so that a split never changes: 1 to ``FOLDS``."""
    return 1 + zlib.crc32(name.encode()) % FOLDS


class Rows:
    """Arrays of one kind, one after the other, of which only the rows that are asked for are read.

    Args:
        parts: They may be larger than the memory.
    """

    def __init__(self, parts: Sequence[np.ndarray | Rows]):
        self.parts, self.ends = parts, np.cumsum([len(part) for part in parts])
        self.shape = (int(self.ends[-1]), *parts[0].shape[1:])
        self.dtype = parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """The rows of a slice, of positions or of a mask, copied."""
        wanted = np.arange(len(self))[rows]
        found = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        for part, end in zip(self.parts, self.ends, strict=True):
            here = (wanted < end) & (wanted >= end - len(part))
            found[here] = part[wanted[here] - (end - len(part))]
        return found

    def __array__(self, dtype: type | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


@dataclass(frozen=True)
class Pack:
    """A packed data set.

    Attributes:
        signal: (window, 8, time) int16 µV, memory-mapped.
        ppg: (window, time) float16 of unit deviation, memory-mapped; zero where there is none.
        index: One row a window: name, patient, fold, start (s), age, sex, report, codes (SCP statements, apart by
            blanks), heart_rate (per minute), beats (times of the R peaks in s, apart by blanks), paired (whether it has
            a PPG).
        preprocessor: What the recordings went through.
        left_out: Names of recordings that could not be used, with the reason.
    """

    signal: np.ndarray | Rows
    ppg: np.ndarray | Rows
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
            INDEPENDENT_LEADS,
            self.preprocessor.fs,
        )


def pack(
    recordings: Sequence[Recording],
    preprocessor: Preprocessor,
    cache: Path | str | None = None,
    progress: Callable[[float], None] | None = None,
    complete: Completion | None = None,
) -> Pack:
    """The pack of these recordings, made now or found in the cache.

    Args:
        recordings: What to pack; each must hold the eight drawn leads, or leads they follow from.
        preprocessor: Filter, rate and window. Longer recordings give several windows; shorter ones are left out.
        cache: Folder for packs; by default ``$XDG_CACHE_HOME/ecggen``.
        progress: Called with the share done.
        complete: What draws the leads that a paired recording lacks; without it such recordings are left out.

    Raises:
        InputError: Where no recording can be used.
    """
    cache = Path(cache) if cache else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "ecggen"
    folder = cache / f"pack-{_fingerprint(recordings, preprocessor, complete)}"
    if not (folder / "pack.json").is_file():
        _make(folder, recordings, preprocessor, progress, complete)
    return load(folder)


def load(folder: Path) -> Pack:
    """The pack in a folder."""
    about = json.loads((folder / "pack.json").read_text())
    return Pack(
        signal=np.load(folder / "signal.npy", mmap_mode="r"),
        ppg=np.load(folder / "ppg.npy", mmap_mode="r"),
        index=pandas.read_csv(
            folder / "index.csv",
            dtype={
                **dict.fromkeys(("name", "patient", "report", "codes", "beats"), str),
                **dict.fromkeys(NUMBERS, float),
            },  # type: ignore[arg-type]
            keep_default_na=False,
            na_values=dict.fromkeys(NUMBERS, ""),
        ),
        preprocessor=Preprocessor(**about["preprocessor"]),
        left_out=about["left_out"],
    )


def join(packs: Sequence[Pack]) -> Pack:
    """Several packs of one preprocessing as one; patients of different packs are different people."""
    if len(packs) == 1:
        return packs[0]
    indices = [pack.index.assign(patient=f"{i}/" + pack.index.patient) for i, pack in enumerate(packs)]
    return Pack(
        signal=Rows([pack.signal for pack in packs]),
        ppg=Rows([pack.ppg for pack in packs]),
        index=pandas.concat(indices, ignore_index=True),
        preprocessor=packs[0].preprocessor,
        left_out={name: reason for pack in packs for name, reason in pack.left_out.items()},
    )


def _make(folder: Path, recordings: Sequence[Recording], preprocessor: Preprocessor, progress, complete) -> None:
    """Write the pack beside its place, then rename it: a killed run leaves no half pack."""
    making = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    making.mkdir(parents=True, exist_ok=True)
    try:
        count, left_out = _write_windows(making, recordings, preprocessor, progress, complete)
        if not count:
            reason = next(iter(left_out.values()), "none were given")
            raise InputError(f"none of {len(recordings)} recordings can be used; the first: {reason}")
        _finish_array(making / "signal.npy", np.int16, (count, len(INDEPENDENT_LEADS), preprocessor.samples))
        _finish_array(making / "ppg.npy", np.float16, (count, preprocessor.samples))
        about = {"format": FORMAT, "preprocessor": dataclasses.asdict(preprocessor), "left_out": left_out}
        (making / "pack.json").write_text(json.dumps(about, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        making.replace(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _write_windows(
    folder: Path, recordings, preprocessor: Preprocessor, progress, complete
) -> tuple[int, dict[str, str]]:
    """How many windows were written, and what was left out; nothing but that stays in memory."""
    count, left_out = 0, {}
    with (
        (folder / "signal.raw").open("wb") as signals,
        (folder / "ppg.raw").open("wb") as ppgs,
        (folder / "index.csv").open("w", encoding="utf-8", newline="") as lines,
    ):
        index: csv.DictWriter[str] = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        index.writeheader()
        for done, recording in enumerate(recordings, 1):
            try:
                windows = _windows(recording, preprocessor, complete)
            except InputError as error:
                left_out[recording.name] = str(error)
                windows = []
            about = dataclasses.asdict(recording)
            del about["path"]
            for window in windows:
                signals.write(window.signal.tobytes())
                ppgs.write(window.ppg.tobytes())
                index.writerow(about | {"start": window.start} | _rhythm(window, preprocessor.fs))
                count += 1
            if progress is not None:
                progress(done / len(recordings))
    return count, left_out


@dataclass(frozen=True)
class _Window:
    """A window's start in s, its leads in int16 µV and its PPG in float16."""

    start: float
    signal: np.ndarray
    ppg: np.ndarray


def _windows(recording: Recording, preprocessor: Preprocessor, complete: Completion | None) -> list[_Window]:
    """Each full window of a recording."""
    ecg, ppg = _paired(recording, complete) if recording.paired else (_plain(recording), None)
    ecg = preprocessor.ecg(ecg.standard().pick(*INDEPENDENT_LEADS))
    size = preprocessor.samples
    if ecg.samples < size:
        raise InputError(f"it lasts {ecg.seconds:.2f} s", f"at least {preprocessor.seconds:g} s were expected")
    micro = (ecg.signal[0] * MICROVOLT).round().clamp(-32768, 32767).to(torch.int16).numpy()
    pulse = np.zeros(ecg.samples, np.float16)
    if ppg is not None:
        known = preprocessor.condition(Condition.none(1, ecg.seconds, ecg.fs).with_ppg(*ppg))
        pulse = fit(known.ppg[0, 0], ecg.samples).numpy().astype(np.float16)
    return [
        _Window(start / preprocessor.fs, np.ascontiguousarray(micro[:, part]), pulse[part])
        for start in range(0, ecg.samples - size + 1, size)
        for part in [slice(start, start + size)]
    ]


def _plain(recording: Recording) -> ECG:
    return read(recording.path, check=False, allow_contradiction=True)


def _paired(recording: Recording, complete: Completion | None) -> tuple[ECG, tuple[torch.Tensor, float]]:
    """Twelve leads and the PPG, moved so that its pulses follow the R peaks by the delay models are trained on."""
    if complete is None:
        raise InputError("it lacks leads", "twelve leads were expected", "name a checkpoint that draws them")
    pair = bidmc.read_pair(recording.path)
    return complete(pair.ecg), (pair.in_time().ppg, pair.ecg.fs)


def _rhythm(window: _Window, fs: float) -> dict[str, object]:
    """R peaks and heart rate of a window, as the index holds them."""
    (peaks,) = r_peaks(ECG(torch.from_numpy(window.signal[None] / np.float32(MICROVOLT)), INDEPENDENT_LEADS, fs))
    return {"beats": " ".join(f"{peak:.2f}" for peak in peaks), "heart_rate": heart_rate(peaks)}


def _finish_array(file: Path, kind: type, shape: tuple[int, ...]) -> None:
    """Raw samples → an npy file, a piece at a time."""
    source = file.with_suffix(".raw")
    raw = np.memmap(source, kind, "r", shape=shape)
    out = np.lib.format.open_memmap(file, "w+", kind, shape)
    for start in range(0, shape[0], 1024):
        out[start : start + 1024] = raw[start : start + 1024]
    out.flush()
    source.unlink()


def _fingerprint(recordings: Sequence[Recording], preprocessor: Preprocessor, complete: Completion | None) -> str:
    """Changes whenever a file, what is known of it, the preprocessing or what completes it does."""
    by = complete.name if complete and any(recording.paired for recording in recordings) else ""
    digest = hashlib.sha256(json.dumps([FORMAT, dataclasses.asdict(preprocessor), by]).encode())
    for recording in recordings:
        stat = recording.path.stat() if recording.path.exists() else None
        digest.update(repr((recording, stat and (stat.st_size, stat.st_mtime_ns))).encode())
    return digest.hexdigest()[:16]
