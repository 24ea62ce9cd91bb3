"""Reading and writing: one function each way, whatever the format.

A file is known by its content; its name only says what belongs together (.hea beside .dat or .mat). Files are
written under another name and then renamed: no half file ever stands under the name that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch

from ecggen.ecg import ECG
from ecggen.errors import InputError
from ecggen.io import apple_watch, csv_format, npz_format, wfdb_format
from ecggen.io.door import Found, admit, shown
from ecggen.io.quality import check_laws, check_quality

FORMATS: dict[str, Callable[[ECG, Path], dict[Path, bytes]]] = {
    ".hea": wfdb_format.encode,
    ".csv": csv_format.encode,
    ".npz": npz_format.encode,
}
"""What can be written: a suffix, and what makes the bytes, in the order in which files take their names."""

_MOST_TEXT = 200 * 1024**2
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read(
    path: str | Path,
    *,
    fs: float | None = None,
    unit: str | None = None,
    leads: Sequence[str] | str | None = None,
    start: float = 0.0,
    seconds: float | None = None,
    check: bool = True,
    allow_contradiction: bool = False,
) -> ECG:
    """The recording in a file: WFDB, CSV or TSV, npz, or Apple Watch's CSV.

    Args:
        path: The file; of a WFDB record any of its files, or its name without suffix.
        fs: Sampling rate in Hz, where the file does not say.
        unit: mV, µV, nV or V, where the file does not say.
        leads: The leads wanted, by name. Where the file does not name them, or by other names, a name for each
            channel in the file's order, ``-`` leaving one out. One string holds them with commas between.
        start: Where to begin, in seconds.
        seconds: How much to read; everything by default.
        check: Whether to refuse what is no ECG: leads flat, clipped, absurdly large or small, or contradicting
            each other, and less than 2 s. Gaps are refused in any case.
        allow_contradiction: Whether leads may break Einthoven's and Goldberger's laws.

    Returns:
        One record, or the batch that an npz file holds.

    Raises:
        InputError: Whatever else is in the file; nothing else is raised.
    """
    path = Path(path)
    names = re.split(r"\s*,\s*", leads.strip()) if isinstance(leads, str) else leads
    try:
        with np.errstate(all="ignore"):  # an absurd gain overflows, and what it gives is refused
            found = decode(path, None if names is None else len(names))
            ecg = admit(found, fs, unit, names, start, seconds)
        if check:
            check_quality(ecg)
        if check and not allow_contradiction:
            check_laws(ecg)
        return ecg
    except InputError as error:
        raise InputError(f"{path.name}: {error.found}", error.expected, error.do) from error
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror})", "a readable file was expected") from error


def write(ecg: ECG, path: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Write an ECG in the format of the suffix (.hea with its .dat, .csv, .npz) and return the files written.

    Raises:
        InputError: Where the format cannot hold this ECG, a file is there already, or the disk refuses.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise InputError(f"the suffix is {shown(path.suffix)}", f"one of {', '.join(FORMATS)} was expected")
    if len(ecg) != 1 and path.suffix != ".npz":
        raise InputError(
            f"the ECG is a batch of {len(ecg)} records",
            f"{path.suffix} holds one",
            "write each under a name of its own, as in write(ecg[0], …), or all into one .npz",
        )
    if not ecg.signal.numel() or not torch.isfinite(ecg.signal).all():
        raise InputError("the ECG is empty or has gaps", "a number for every sample was expected", "crop it first")
    contents = FORMATS[path.suffix](ecg.to("cpu"), path)
    there = [file.name for file in contents if file.exists()]
    if there and not overwrite:
        raise InputError(f"{' and '.join(there)} exist already", do="choose another name, or pass overwrite=True")
    try:
        place(contents)
    except OSError as error:
        found = f"{path.name} cannot be written ({error.strerror})"
        raise InputError(found, "a writable folder with room in it was expected") from error
    return list(contents)


def records(folder: str | Path) -> list[Path]:
    """The recordings in a folder and the folders in it: .hea, .csv and .npz files by their names, sorted.

    Raises:
        InputError: Where there is no such folder, or no recording in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", do="name one that holds recordings")
    found = (path for path in folder.rglob("*") if path.suffix in FORMATS and not path.name.startswith("."))
    paths = sorted(path for path in found if path.is_file())
    if not paths:
        raise InputError(f"no recording lies in {folder}", f"files named {', '.join(FORMATS)} were expected")
    return paths


def decode(path: Path, named: int | None = None) -> Found:
    """What the file says in its own words, read by the format that its content shows.

    Args:
        path: The file; of a WFDB record any of its files, or its name without suffix.
        named: How many channels the user has named, if any.

    Raises:
        InputError: Where the format is unknown or the file broken; an OSError where it cannot be opened.
    """
    path = _addressed(path)
    with path.open("rb") as file:
        opening = file.read(4096)
    if not opening:
        raise InputError("the file is empty", "a recording was expected")
    if opening.startswith(npz_format.MAGIC):
        return npz_format.read(path, named)
    if path.suffix == ".hea":
        return wfdb_format.read(path, _text(path))
    binary = b"\0" in opening and not opening.startswith(_UTF_16)
    text = "" if binary else _text(path)
    if binary or re.match(r"\s*[<{]", text):
        expected = "WFDB (.hea beside .dat or .mat), CSV, npz or Apple Watch's CSV was expected"
        raise InputError("the file is in no format that ecggen reads", expected, "convert it first")
    if wfdb_format.looks_like(text[:4096]):
        return wfdb_format.read(path, text)
    return (apple_watch if apple_watch.looks_like(text) else csv_format).parse(text)


def _addressed(path: Path) -> Path:
    """The file that ``path`` means: of a WFDB record, its header."""
    samples = path.suffix in (".dat", ".mat")
    header = path.with_suffix(".hea") if samples else Path(f"{path}.hea")
    if header.is_file() and (samples or not path.exists()):
        return header
    if path.is_dir():
        raise InputError("this is a folder", "a recording was expected", "name one of the files in it")
    if not path.exists():
        raise InputError("there is no such file", "a recording was expected", "check its name and folder")
    if not path.is_file():
        raise InputError("this is no regular file", "a recording was expected")
    return path


def _text(path: Path) -> str:
    """The file as text, \\n between its lines: UTF-8, UTF-16 where it says so, else Latin-1 (which has µ)."""
    if path.stat().st_size > _MOST_TEXT:
        raise InputError("the file holds more than 200 MB of text", "a smaller one was expected", "split it")
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-16" if raw.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def place(contents: dict[Path, bytes]) -> None:
    """Put the bytes under their names, whole or not at all: all of them are written before the first is renamed."""
    waiting = {path: path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            waiting[path].write_bytes(content)
        for path, temporary in waiting.items():
            temporary.replace(path)
    finally:
        for temporary in waiting.values():
            temporary.unlink(missing_ok=True)
