"""Packs: recordings that are filtered, resampled and stored once in a memory-mapped array for fast training epochs.

A pack holds the eight independent leads as int16 microvolts at a model's sampling rate and length, an index with
patient, fold and metadata, and the preprocessing. The name of its folder contains a hash of the source files and the
preprocessing, so a pack with other content is never used by mistake.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import os
import shutil
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas
import torch
from filelock import FileLock

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.core.filters import fit
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.data import bidmc
from ecggen.io import read

FOLDS = 10
STORED_EVERY = 200
"""Recordings after which an interrupted packing can be continued."""
FORMAT = 3
MICROVOLT = 1000  # steps per mV
NUMBERS = ("age", "sex", "heart_rate")
COLUMNS = ("name", "patient", "fold", "age", "sex", "report", "codes", "paired", "start", "beats", "heart_rate")

_SIGNAL, _PPG, _INDEX = _GROWING = "signal.raw", "ppg.raw", "index.csv"
_WRITTEN = "written.json"


class Imputer(Protocol):
    """Generates the missing leads of a recording (``ecggen.generators.imputation``); ``name`` identifies it."""

    name: str

    def __call__(self, ecg: ECG) -> ECG:
        """Twelve leads; the leads of ``ecg`` are unchanged."""
        ...


@dataclass(frozen=True)
class Recording:
    """A file with the metadata of its patient.

    Attributes:
        name: Name, unique in its data set.
        path: The file.
        patient: Identifier of the patient; all records of a patient stay in one fold.
        fold: Number of the fold, from 1.
        age: Years, or None.
        sex: 0 male, 1 female, or None.
        report: The report's text, or "".
        codes: SCP codes of its statements, separated by spaces, or "" where none are known.
        paired: Whether the file holds a PPG and leads, as ``ecggen.data.bidmc`` reads them.
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

    def read(self, start: float = 0.0, seconds: float | None = None) -> ECG:
        """The leads of the file in mV, from ``start`` for ``seconds``; leads that break the lead laws are accepted.

        Raises:
            InputError: If the file cannot be read.
        """
        return read(self.path, start=start, seconds=seconds, check=False, allow_contradiction=True)


def fold_of(name: str) -> int:
    """A fold from 1 to ``FOLDS`` that is a hash of the name, so that a split never changes.

    Example:
        >>> fold_of("patient 17")
        9
    """
    return 1 + zlib.crc32(name.encode()) % FOLDS


class Rows:
    """Several arrays, concatenated lazily along the first axis: only the rows in use are read.

    Args:
        parts: Arrays of equal type and shape except for the first axis; they may be larger than the memory.
    """

    def __init__(self, parts: Sequence[np.ndarray | Rows]):
        self.parts, self.ends = parts, np.cumsum([len(part) for part in parts])
        self.shape = (int(self.ends[-1]), *parts[0].shape[1:])
        self.dtype = parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """A copy of the rows at a slice, at positions or at a mask."""
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
        ppg: (window, time) float16 with unit standard deviation, memory-mapped; zero where there is none.
        index: One row per window: name, patient, fold, start (s), age, sex, report, codes (SCP statements, separated by
            spaces), heart_rate (per minute), beats (times of the R peaks in s, separated by spaces), paired (whether it
            has a PPG).
        preprocessor: The preprocessing of the recordings.
        left_out: Names of the recordings that could not be used, with the reason.
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
            InputError: If a patient has records in several folds, because the split would leak.
        """
        folds_of = self.index.groupby("patient").fold.agg(["nunique", "min"])
        split = folds_of.index[folds_of["nunique"] > 1]
        if len(split):
            raise InputError(
                f"{len(split)} patients have records in several folds (patient {split[0]} for one)",
                "each patient in one fold was expected, otherwise the test set leaks",
            )
        return np.flatnonzero(self.index.fold.isin(list(folds)))

    def ecg(self, rows: Sequence[int] | np.ndarray) -> ECG:
        """The windows at ``rows``: the eight independent leads in mV."""
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
    imputer: Imputer | None = None,
) -> Pack:
    """Pack recordings, or load their pack from the cache.

    An interrupted packing is continued by the next call with the same recordings. If another process is packing them,
    it is waited for.

    Args:
        recordings: The recordings; each must hold the eight independent leads, or leads that determine them.
        preprocessor: Filter, sampling rate and window. Longer recordings give several windows; shorter ones are left
            out.
        cache: Folder of the packs; ``$XDG_CACHE_HOME/ecggen`` by default.
        progress: Called with the completed share, from 0 to 1.
        imputer: Generates the missing leads of recordings with a PPG; without it such recordings are left out.

    Raises:
        InputError: If no recording can be used.
    """
    folder = cache_folder(cache) / f"pack-{_fingerprint(recordings, preprocessor, imputer)}"
    if not (folder / "pack.json").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f"{folder.name}.lock")
        with FileLock(lock):
            if not (folder / "pack.json").is_file():
                _make(folder, recordings, preprocessor, progress, imputer)
        lock.unlink(missing_ok=True)
    return load(folder)


def subset_of_patients(pack: Pack, rows: np.ndarray, share: float) -> np.ndarray:
    """Rows of a fraction of the patients; subsets are nested, i.e. each is contained in those of larger fractions."""
    patients = pack.index.patient.iloc[rows].to_numpy()
    names = np.random.default_rng(0).permutation(np.unique(patients))
    return rows[np.isin(patients, names[: max(1, round(share * len(names)))])]


def cache_folder(cache: Path | str | None = None) -> Path:
    """The folder of packs and what is computed from them: ``cache``, or ``$XDG_CACHE_HOME/ecggen``."""
    return Path(cache) if cache else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "ecggen"


def load(folder: Path) -> Pack:
    """Open the pack in a folder."""
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
    """Join packs with the same preprocessing; patients of different packs are treated as different."""
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


def _make(folder: Path, recordings: Sequence[Recording], preprocessor: Preprocessor, progress, imputer) -> None:
    """Write the pack to a folder beside it, which is renamed at the end.

    After an interruption that folder stays, and the next call continues in it.
    """
    making = folder.with_name(f"{folder.name}.part")
    making.mkdir(exist_ok=True)
    written = _write_windows(making, recordings, preprocessor, progress, imputer)
    if not written.windows:
        shutil.rmtree(making)
        reason = next(iter(written.left_out.values()), "none were given")
        raise InputError(f"none of {len(recordings)} recordings can be used; the first: {reason}")
    _finish_array(making / "signal.npy", np.int16, (written.windows, len(INDEPENDENT_LEADS), preprocessor.samples))
    _finish_array(making / "ppg.npy", np.float16, (written.windows, preprocessor.samples))
    about = {"format": FORMAT, "preprocessor": dataclasses.asdict(preprocessor), "left_out": written.left_out}
    (making / "pack.json").write_text(json.dumps(about, indent=1))
    (making / _WRITTEN).unlink()
    shutil.rmtree(folder, ignore_errors=True)
    making.replace(folder)


@dataclass
class _Written:
    """What the files of an unfinished pack hold: a point from which packing can be continued.

    Attributes:
        recordings: Number of recordings that are done.
        windows: Number of windows.
        sizes: Size in bytes of each file; what lies beyond it is discarded.
        left_out: Recordings that cannot be used, with the reason.
    """

    recordings: int = 0
    windows: int = 0
    sizes: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(_GROWING, 0))
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> _Written:
        """The last stored point whose files are all there; the beginning if there is none."""
        try:
            found = cls(**json.loads((folder / _WRITTEN).read_text(encoding="utf-8")))
            whole = all((folder / name).stat().st_size >= size for name, size in found.sizes.items())
        except (OSError, ValueError, TypeError):
            return cls()
        return found if whole else cls()

    def store(self, folder: Path) -> None:
        """Store this point, atomically."""
        unfinished = folder / f".{_WRITTEN}"
        unfinished.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")
        unfinished.replace(folder / _WRITTEN)


def _write_windows(
    folder: Path, recordings: Sequence[Recording], preprocessor: Preprocessor, progress, imputer
) -> _Written:
    """Write the windows one by one, from the last stored point on."""
    written = _Written.read(folder)
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / name).open("ab")) for name in _GROWING}
        for name, file in files.items():
            file.truncate(written.sizes[name])
        if not written.sizes[_INDEX]:
            files[_INDEX].write(_line(COLUMNS))
        for done, recording in enumerate(recordings[written.recordings :], written.recordings + 1):
            try:
                windows = _windows(recording, preprocessor, imputer)
            except InputError as error:
                written.left_out[recording.name] = str(error)
                windows = []
            about = dataclasses.asdict(recording)
            for window in windows:
                files[_SIGNAL].write(window.signal.tobytes())
                files[_PPG].write(window.ppg.tobytes())
                row = about | {"start": window.start} | _rhythm(window, preprocessor.fs)
                files[_INDEX].write(_line([row[name] for name in COLUMNS]))
                written.windows += 1
            written.recordings = done
            if done % STORED_EVERY == 0:
                for name, file in files.items():
                    file.flush()
                    written.sizes[name] = file.tell()
                written.store(folder)
            if progress is not None:
                progress(done / len(recordings))
    written.store(folder)
    return written


def _line(cells: Sequence[Any]) -> bytes:
    """A line of the index."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


@dataclass(frozen=True)
class _Window:
    """Start of a window in s, its leads in int16 µV and its PPG in float16."""

    start: float
    signal: np.ndarray
    ppg: np.ndarray


def _windows(recording: Recording, preprocessor: Preprocessor, imputer: Imputer | None) -> list[_Window]:
    """All full windows of a recording."""
    ecg, ppg = _paired(recording, imputer) if recording.paired else (recording.read(), None)
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


def _paired(recording: Recording, imputer: Imputer | None) -> tuple[ECG, tuple[torch.Tensor, float]]:
    """Twelve leads and the PPG, shifted so that its pulses follow the R peaks by the delay used in training."""
    if imputer is None:
        raise InputError("it lacks leads", "twelve leads were expected", "name a checkpoint that generates them")
    pair = bidmc.read_pair(recording.path)
    return imputer(pair.ecg), (pair.in_time().ppg, pair.ecg.fs)


def _rhythm(window: _Window, fs: float) -> dict[str, object]:
    """R peaks and heart rate of a window as columns of the index."""
    (peaks,) = r_peaks(ECG(torch.from_numpy(window.signal[None] / np.float32(MICROVOLT)), INDEPENDENT_LEADS, fs))
    return {"beats": " ".join(f"{peak:.2f}" for peak in peaks), "heart_rate": heart_rate(peaks)}


def _finish_array(file: Path, kind: type, shape: tuple[int, ...]) -> None:
    """Turn raw samples into an npy file, in chunks."""
    source = file.with_suffix(".raw")
    raw = np.memmap(source, kind, "r", shape=shape)
    out = np.lib.format.open_memmap(file, "w+", kind, shape)
    for start in range(0, shape[0], 1024):
        out[start : start + 1024] = raw[start : start + 1024]
    out.flush()
    source.unlink()


def _fingerprint(recordings: Sequence[Recording], preprocessor: Preprocessor, imputer: Imputer | None) -> str:
    """A hash of the files, their metadata, the preprocessing and the imputer."""
    by = imputer.name if imputer and any(recording.paired for recording in recordings) else ""
    digest = hashlib.sha256(json.dumps([FORMAT, dataclasses.asdict(preprocessor), by]).encode())
    for recording in recordings:
        stat = recording.path.stat() if recording.path.exists() else None
        digest.update(repr((recording, stat and (stat.st_size, stat.st_mtime_ns))).encode())
    return digest.hexdigest()[:16]
