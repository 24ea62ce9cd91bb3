"""Reading and writing: one function each way, whatever the format.

A file is known by its content; its name only says what belongs together (.hea beside .dat or .mat). Files are
written under another name and then renamed: no half file ever stands under the name that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from ecggen.ecg import ECG
from ecggen.errors import InputError
from ecggen.io import apple_watch, csv_format, npz_format, wfdb_format
from ecggen.io.door import Found, admit, shown
from ecggen.io.quality import refuse_missing

FORMATS: dict[str, Callable[[ECG, Path], dict[Path, bytes]]] = {
    ".hea": wfdb_format.encode,
    ".csv": csv_format.encode,
    ".npz": npz_format.encode,
}
"""What can be written: a suffix, and what makes the bytes, in the order in which files take their names."""

_MOST_TEXT = 200 * 1024**2


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
        leads: Names for the file's channels in its order, ``-`` leaving one out, where its own will not do;
            one string holds them with commas between.
        start: Where to begin, in seconds.
        seconds: How much to read; everything by default.
        check: Whether to refuse what cannot be an ECG: flat, clipped, shorter than 2 s, of absurd amplitude.
        allow_contradiction: Whether to let leads pass that break Einthoven's and Goldberger's laws.

    Returns:
        One record, or the batch that an npz file holds.

    Raises:
        InputError: Whatever else is in the file; nothing else is raised.
    """
    path = Path(path)
    names = re.split(r"\s*,\s*", leads.strip()) if isinstance(leads, str) else leads
    try:
        return admit(
            _decode(path, len(names) if names is not None else None),
            fs=fs,
            unit=unit,
            leads=names,
            start=start,
            seconds=seconds,
            check=check,
            allow_contradiction=allow_contradiction,
        )
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
        raise InputError(
            f"the suffix of {path.name} is {shown(path.suffix)}", f"one of {', '.join(FORMATS)} was expected"
        )
    if len(ecg) != 1 and path.suffix != ".npz":
        raise InputError(
            f"the ECG is a batch of {len(ecg)} records",
            f"{path.suffix} holds one",
            "write each under a name of its own, as in write(ecg[0], …), or all into one .npz",
        )
    refuse_missing(ecg)
    contents = FORMATS[path.suffix](ecg, path)
    there = [file.name for file in contents if file.exists()]
    if there and not overwrite:
        raise InputError(f"{' and '.join(there)} exist already", do="choose another name, or pass overwrite=True")
    try:
        _place(contents)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror})", "room in a writable folder was expected"
        ) from error
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


def _decode(path: Path, named: int | None) -> Found:
    """What the file says, read by the format that its content shows."""
    path = _addressed(path)
    with path.open("rb") as file:
        opening = file.read(4096)
    if not opening:
        raise InputError("the file is empty", "a recording was expected")
    if opening.startswith(npz_format.MAGIC):
        return npz_format.read(path, named)
    if path.suffix == ".hea":
        return wfdb_format.read(path, _text(path))
    if (b"\0" in opening and not opening.startswith((b"\xff\xfe", b"\xfe\xff"))) or opening.lstrip()[:1] in b"<{":
        raise InputError(
            "the file is in no format that ecggen reads",
            "WFDB (.hea beside .dat), CSV, npz or Apple Watch's CSV was expected",
            "convert it first",
        )
    text = _text(path)
    if wfdb_format.looks_like(text[:4096]):
        return wfdb_format.read(path, text)
    return (apple_watch if apple_watch.looks_like(text) else csv_format).parse(text)


def _addressed(path: Path) -> Path:
    """The file that ``path`` means: of a WFDB record, its header."""
    beside = path.with_suffix(".hea") if path.suffix in (".dat", ".mat") else path.with_name(path.name + ".hea")
    if path.name and beside.is_file() and (path.suffix in (".dat", ".mat") or not path.exists()):
        return beside
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
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _place(contents: dict[Path, bytes]) -> None:
    """Put the bytes under their names, all of them written before the first is renamed."""
    waiting = {path: path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            waiting[path].write_bytes(content)
        for path, temporary in waiting.items():
            temporary.replace(path)
    finally:
        for temporary in waiting.values():
            temporary.unlink(missing_ok=True)
