"""Reading and writing: one function each way, whatever the format.

A file is known by its content; its name only says what belongs together (.hea beside .dat or .mat). Files are
written under another name and then renamed: no half file ever stands under the name that was asked for.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError, InputWarning
from ecggen.io import formats
from ecggen.io.formats import LIKELY, SUFFIXES, Format
from ecggen.io.metadata import About
from ecggen.io.normalise import Found, admit, agreed_leads, called, listed, millivolts_or_none, shown
from ecggen.io.quality import check_laws, check_quality, refuse_missing
from ecggen.io.source import OPENING, Source

_OWN = re.compile(
    r"(?:convert|augment(?:_\d+_of_\d+)?)\.(?:csv|json)|generate\w*\.json|"
    r"ptbxl_database(?:_\d+_of_\d+)?\.csv|scp_statements\.csv"
)
_LIST = re.compile(r"records\w*\.csv")  # beside a generate.json; anybody's recording may be called so
LONGEST_MASTER = 2**20
"""Bytes of a WFDB header that names segments."""


@dataclass(frozen=True)
class Reading:
    """A recording as it was read.

    Attributes:
        ecg: One record, or the batch that an npz file holds.
        format: What people call the form of the file.
        about: What the file says of the patient; what identifies somebody is in it only where it was asked for.
        dropped: Kinds of what identifies somebody that the file holds, whether it was asked for or not.
        changes: What was changed on the way, a sentence each: units, names, channels left out, padding cut off.
    """

    ecg: ECG
    format: str
    about: About
    dropped: tuple[str, ...]
    changes: tuple[str, ...]


def read(
    path: str | Path,
    *,
    record: str | None = None,
    fs: float | None = None,
    unit: str | None = None,
    leads: Sequence[str] | str | None = None,
    start: float = 0.0,
    seconds: float | None = None,
    check: bool = True,
    allow_contradiction: bool = False,
) -> ECG:
    """The recording in a file of any form that ``ecggen.io.formats`` lists.

    Args:
        path: The file; of a WFDB record any of its files, or its name without suffix.
        record: Which recording, where the file holds several: its name (see ``contents``), or its number from 1.
        fs: Sampling rate in Hz, where the file does not say.
        unit: mV, µV, nV or V, where the file does not say.
        leads: The leads wanted, by name. Where the file does not name them, or by other names, a name for each
            channel in the file's order, ``-`` leaving one out. One string holds them with commas between.
        start: Where to begin, in seconds.
        seconds: How much to read; everything by default.
        check: Whether to refuse what is no ECG: leads flat, clipped, absurdly large or small, or contradicting
            each other, and less than 2 s. Gaps are refused in any case.
        allow_contradiction: Whether leads may break Einthoven's and Goldberger's laws; by how much is then warned of.

    Returns:
        One record, or the batch that an npz file holds.

    Raises:
        InputError: Whatever else is in the file; nothing else is raised.
    """
    options = {"fs": fs, "unit": unit, "leads": leads, "start": start, "seconds": seconds}
    return reading(path, record=record, **options, check=check, allow_contradiction=allow_contradiction).ecg


def reading(
    path: str | Path,
    *,
    record: str | None = None,
    fs: float | None = None,
    unit: str | None = None,
    leads: Sequence[str] | str | None = None,
    start: float = 0.0,
    seconds: float | None = None,
    check: bool = True,
    allow_contradiction: bool = False,
    personal: bool = False,
    gaps: bool = False,
) -> Reading:
    """The recording in a file, with what else the file says and what was changed; arguments as those of ``read``.

    Args:
        path: The file.
        personal: Whether to keep what identifies somebody.
        gaps: Whether samples may be missing; they are NaN then.

    Raises:
        InputError: Whatever else is in the file; nothing else is raised.
    """
    path = Path(path)
    names = re.split(r"\s*,\s*", leads.strip()) if isinstance(leads, str) else leads
    with telling_of(path):
        with np.errstate(all="ignore"):  # an absurd gain overflows, and what it gives is refused
            source = Source(_addressed(path), record, None if names is None else len(names), start, seconds)
            form, found = _decoded(source)
            ecg = admit(found, fs, unit, names, start, seconds)
        if not gaps:
            refuse_missing(ecg)
        if check:
            check_quality(ecg)
            _check_laws(ecg, path, allow_contradiction)
        about = found.about if personal else found.about.anonymous()
        return Reading(ecg, form.name, about, tuple(found.about.personal), changes(found, ecg, unit, names))


def _check_laws(ecg: ECG, path: Path, allow_contradiction: bool) -> None:
    """An InputError where the leads contradict each other, or a warning where that is allowed."""
    try:
        check_laws(ecg)
    except InputError as error:
        if not allow_contradiction:
            raise
        warnings.warn(f"{path.name}: {error.found}; {error.expected}", InputWarning, stacklevel=4)


def contents(path: str | Path) -> list[str]:
    """Names of the recordings in a file, for ``record``; empty for a file that is one recording.

    Raises:
        InputError: Where the file is of no known form, or broken.
    """
    path = Path(path)
    with telling_of(path):
        source = Source(_addressed(path))
        form = formats.known(source)
        return list(form.contents(source)) if form.contents else []


@contextmanager
def telling_of(path: Path) -> Iterator[None]:
    """Around the reading of a file: what goes wrong is told with the file's name."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path.name}: {error.found}", error.expected, error.do) from error
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror})", "a readable file was expected") from error


def write(ecg: ECG, path: str | Path, *, overwrite: bool = False, about: About | None = None) -> list[Path]:
    """Write an ECG in the format of the suffix (``formats.WRITE``: .hea with its .dat, .csv …).

    Args:
        ecg: One record; an .npz holds a batch as well.
        path: Where to; the suffix is the format.
        overwrite: Whether to replace what is there.
        about: What is known of the patient; a format writes of it what it has a place for.

    Returns:
        The files written.

    Raises:
        InputError: Where the format cannot hold this ECG, a file is there already, or the disk refuses.
    """
    path = Path(path)
    encode = formats.WRITE.get(path.suffix)
    if encode is None:
        raise InputError(f"the suffix is {shown(path.suffix)}", f"one of {', '.join(formats.WRITE)} was expected")
    if len(ecg) != 1 and path.suffix != ".npz":
        raise InputError(
            f"the ECG is a batch of {len(ecg)} records",
            f"{path.suffix} holds one",
            "write each under a name of its own, as in write(ecg[0], …), or all into one .npz",
        )
    if not ecg.signal.numel() or not torch.isfinite(ecg.signal).all():
        raise InputError("the ECG is empty or has gaps", "a number for every sample was expected", "crop it first")
    made = encode(ecg.to("cpu"), path, about or About())
    there = [file.name for file in made if file.exists()]
    if there and not overwrite:
        raise InputError(f"{' and '.join(there)} exist already", do="choose another name, or pass overwrite=True")
    try:
        place(made)
    except OSError as error:
        found = f"{path.name} cannot be written ({error.strerror})"
        raise InputError(found, "a writable folder with room in it was expected") from error
    return list(made)


def records(folder: str | Path) -> list[Path]:
    """The recordings in a folder and the folders in it, sorted: files by their names (``formats.SUFFIXES``), others of
    names that many files have (``formats.LIKELY``) where their content shows a form, and no lists of ecggen's own.

    Raises:
        InputError: Where there is no such folder, one of its folders cannot be opened, or no recording is in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", do="name one that holds recordings")
    found: list[Path] = []
    try:
        for place, _, names in os.walk(folder, onerror=_refuse_folder):
            found += [Path(place) / name for name in names if not (name.startswith(".") or _is_own(name, names))]
    except OSError as error:
        raise InputError(f"the folder {error.filename} cannot be opened ({error.strerror})", do="allow it") from error
    paths = _without_segments(sorted(path for path in found if path.is_file() and _may_be_recording(path)))
    if not paths:
        raise InputError(f"no recording lies in {folder}", f"files named {', '.join(SUFFIXES)} were expected")
    return paths


def _refuse_folder(error: OSError) -> None:
    raise error


def _is_own(name: str, beside: Sequence[str]) -> bool:
    """Whether a file is a table or a description that ecggen, or PTB-XL, puts beside recordings."""
    generated = any(re.fullmatch(r"generate\w*\.json", other) for other in beside)
    return bool(_OWN.fullmatch(name) or (generated and _LIST.fullmatch(name)))


def _may_be_recording(path: Path) -> bool:
    """Whether a file is called as recordings are, or holds one in a form of its own."""
    suffix = path.suffix.lower()
    if suffix not in LIKELY:
        return suffix in SUFFIXES
    try:
        return formats.known(Source(path)).name != "CSV"
    except (InputError, OSError):
        return False


def _without_segments(paths: list[Path]) -> list[Path]:
    """The files without the segments that another WFDB header among them joins."""
    segments: set[Path] = set()
    for path in (path for path in paths if path.suffix == ".hea"):
        with suppress(OSError), path.open("rb") as file:
            if re.match(rb"(?:\s*(?:#.*)?\n)*\s*[-\w.]+/\d+\s", opening := file.read(OPENING)):
                names = re.findall(rb"^\s*([-\w.]+)", opening + file.read(LONGEST_MASTER), re.MULTILINE)
                segments |= {path.with_name(f"{name.decode()}.hea") for name in names} - {path}
    return [path for path in paths if path not in segments]


def decode(path: Path, record: str | None = None, named: int | None = None) -> Found:
    """What the file says in its own words, read by the format that its content shows.

    Args:
        path: The file; of a WFDB record any of its files, or its name without suffix.
        record: Which recording, where the file holds several.
        named: How many channels the user has named, if any.

    Raises:
        InputError: Where the format is unknown or the file broken; an OSError where it cannot be opened.
    """
    return _decoded(Source(_addressed(path), record, named))[1]


def _decoded(source: Source) -> tuple[Format, Found]:
    """The form of a file, and what it says."""
    form = formats.known(source)
    if source.record is not None and form.contents is None:
        raise InputError(f"the file is one recording ({form.name})", "record was expected to be left away")
    return form, form.read(source)


def changes(found: Found, ecg: ECG, unit: str | None, leads: Sequence[str] | None) -> tuple[str, ...]:
    """What the door changed between the file's words and the ECG; ``unit`` and ``leads`` are its user's."""
    said = []
    rows = agreed_leads(found.names, leads)[0]
    names = {lead: found.names[row] or lead for lead, row in zip(ecg.leads, rows, strict=True)}
    renamed = [" → ".join((called(name).strip("'"), lead)) for lead, name in names.items() if name != lead]
    if renamed:
        said.append(f"leads renamed: {', '.join(renamed)}")
    if len(found.names) > len(rows):
        left = [name or f"channel {row + 1}" for row, name in enumerate(found.names) if row not in rows]
        said.append(f"channels left out: {listed(left)}")
    units = {found.units[row] or unit for row in rows}
    scaled = sorted(shown(one) for one in units if one and millivolts_or_none(one) != 1.0)
    if scaled:
        said.append(f"unit {', '.join(scaled)} → mV")
    if found.lasts is not None or ecg.samples != found.values.shape[-1]:
        whole = found.values.shape[-1] / ecg.fs if found.lasts is None else found.lasts
        said.append(f"cut from {whole:g} to {ecg.seconds:g} s")
    return (*said, *found.notes)


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
