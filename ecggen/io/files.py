"""Reading and writing of recordings in all formats.

The format of a file is detected from its content; its name is used only to find companion files (.hea with .dat or
.mat). Files are written under a temporary name and then renamed, so that a failure leaves no incomplete file.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError, InputWarning, after, argument
from ecggen.io import formats
from ecggen.io.admission import Counts, admit
from ecggen.io.channels import Wanted, agreed_leads, as_in_file, assigns, count, wanted
from ecggen.io.formats import LIKELY, SUFFIXES, Format
from ecggen.io.formats.csv import table as csv_table
from ecggen.io.metadata import About
from ecggen.io.normalise import Found, called, listed, millivolts_or_none, shown
from ecggen.io.quality import check_laws, check_quality, refuse_missing
from ecggen.io.source import OPENING, Source

_OWN = re.compile(
    r"(?:convert|augment(?:_\d+_of_\d+)?)\.(?:csv|json)|generate\w*\.json|"
    r"ptbxl_database(?:_\d+_of_\d+)?\.csv|scp_statements\.csv"
)
_LIST = re.compile(r"records\w*\.csv")  # ecggen's own only next to a generate.json; otherwise it may be a recording
_INDEX = "DICOMDIR"  # lists the files of a medium
LONGEST_MASTER = 2**20
"""Bytes of a WFDB master header that are searched for segments."""


@dataclass(frozen=True)
class Reading:
    """A recording with its metadata, as returned by ``reading``.

    Attributes:
        ecg: One record, or the batch that an npz file holds.
        format: Name of the file format.
        about: Metadata of the patient and the recording; identifying metadata only if requested.
        dropped: Kinds of identifying metadata that the file holds, whether requested or not.
        changes: Changes made while reading, one sentence each: units, lead names, omitted channels, removed padding.
        lasts: Duration of the whole recording in seconds.
    """

    ecg: ECG
    format: str
    about: About
    dropped: tuple[str, ...]
    changes: tuple[str, ...]
    lasts: float


def read(
    path: str | Path,
    *,
    record: str | None = None,
    fs: float | None = None,
    unit: str | None = None,
    leads: Sequence[str] | str | None = None,
    gain: float | None = None,
    baseline: float | None = None,
    start: float = 0.0,
    seconds: float | None = None,
    check: bool = True,
    allow_contradiction: bool = False,
    gaps: bool = False,
) -> ECG:
    """Read a recording as an ECG in mV; the format is detected from the content of the file.

    Supported formats are listed in ``ecggen.io.formats.READ``.

    Args:
        path: The file; for a WFDB record, any of its files, or its name without suffix.
        record: Which recording, if the file holds several: its name (see ``contents``), or its number from 1.
        fs: Sampling rate in Hz, if the file does not state it.
        unit: mV, µV, nV or V, if the file does not state it.
        leads: Names of the leads to read, as a sequence or a comma-separated string. ``II=ECG`` reads the channel that
            the file calls ECG as lead II, and ``I=2`` its second channel as lead I. If the file does not name its
            channels, or uses unknown names: one name per channel in the order of the file, ``-`` to omit a channel.
        gain: Counts per mV (or per ``unit``), if the values are counts of a converter.
        baseline: Count at 0 mV, with ``gain``; 0 by default.
        start: Start in seconds.
        seconds: Duration in seconds; everything by default.
        check: Whether to reject recordings that cannot be ECGs: leads that are flat, clipped, implausibly large or
            small or that contradict each other, and recordings shorter than 2 s.
        allow_contradiction: Whether to accept leads that violate Einthoven's and Goldberger's laws, with a warning
            that states the deviation.
        gaps: Whether to accept missing samples, which are NaN in the result; ``Generator.reconstruct`` and
            ``Condition`` take them.

    Returns:
        One record, or the batch that an npz file holds.

    Raises:
        InputError: If the file cannot be read, or its content and the arguments give no valid ECG. No other exception
            is raised.

    Example:
        >>> import tempfile
        >>> from ecggen.core.simulate import simulate
        >>> folder = tempfile.TemporaryDirectory()
        >>> (path,) = write(simulate(1), Path(folder.name) / "simulated.csv")
        >>> ecg = read(path, leads="V1, I", start=2, seconds=4)
        >>> ecg.leads, ecg.fs, ecg.signal.shape
        (('V1', 'I'), 100.0, torch.Size([1, 2, 400]))
        >>> folder.cleanup()
    """
    options = {"fs": fs, "unit": unit, "leads": leads, "gain": gain, "baseline": baseline}
    options |= {"start": start, "seconds": seconds}
    options |= {"check": check, "allow_contradiction": allow_contradiction, "gaps": gaps}
    return reading(path, record=record, **options).ecg


def reading(
    path: str | Path,
    *,
    record: str | None = None,
    fs: float | None = None,
    unit: str | None = None,
    leads: Sequence[str] | str | None = None,
    gain: float | None = None,
    baseline: float | None = None,
    start: float = 0.0,
    seconds: float | None = None,
    check: bool = True,
    allow_contradiction: bool = False,
    personal: bool = False,
    gaps: bool = False,
    excerpt: bool = False,
) -> Reading:
    """Read a recording with its metadata and a list of the changes made; further arguments as for ``read``.

    Args:
        path: The file.
        personal: Whether to keep identifying metadata.
        excerpt: Whether to read only the first ten minutes of a recording that is too long to be read at once, if no
            segment is requested.

    Raises:
        InputError: If the file cannot be read, or its content and the arguments give no valid ECG. No other exception
            is raised.
    """
    path = Path(path)
    with naming_file(path):
        entries, counts = wanted(leads), Counts.of(gain, baseline)
        with np.errstate(all="ignore"):  # an invalid gain may overflow; the result is rejected below
            named = count(entries)
            source = Source(_resolved(path), record, named, entries or (), start, seconds, fs=fs, excerpt=excerpt)
            form, found = _decoded(source)
            ecg = admit(found, fs, unit, entries, start, seconds, counts)
        with as_in_file(found, entries), after(start):
            if not gaps:
                refuse_missing(ecg)
            if check:
                check_quality(ecg)
                _check_laws(ecg, path, allow_contradiction)
        about = found.about if personal else found.about.anonymous()
        done = changes(found, ecg, unit, entries, counts)
        lasts = found.values.shape[-1] / ecg.fs if found.lasts is None else found.lasts
        return Reading(ecg, form.name, about, tuple(found.about.personal), done, lasts)


def _check_laws(ecg: ECG, path: Path, allow_contradiction: bool) -> None:
    """Raise InputError if the leads contradict each other, or warn if that is allowed."""
    try:
        check_laws(ecg)
    except InputError as error:
        if not allow_contradiction:
            raise
        warnings.warn(f"{path.name}: {error.found}; {error.expected}", InputWarning, stacklevel=4)


def contents(path: str | Path) -> list[str]:
    """Names of the recordings in a file, as ``read`` takes them in ``record``; empty for a file with one recording.

    Raises:
        InputError: If the format is unknown or the file is broken.
    """
    path = Path(path)
    with naming_file(path):
        source = Source(_resolved(path))
        form = formats.known(source)
        return list(form.contents(source)) if form.contents else []


def rhythms(path: str | Path) -> list[str]:
    """Names of the recordings in a file, without median and average beats of them; empty for one recording.

    Raises:
        InputError: If the format is unknown or the file is broken.
    """
    path = Path(path)
    with naming_file(path):
        source = Source(_resolved(path))
        form = formats.known(source)
        beats = form.beats(source) if form.beats else []
        names = [name for name in form.contents(source) if name not in beats] if form.contents else []
        return names if len(names) > 1 else []


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Context that adds the name of the file to the message of any error."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path.name}: {error.found}", error.expected, error.do) from error
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror})", "a readable file was expected") from error


def write(ecg: ECG, path: str | Path, *, overwrite: bool = False, about: About | None = None) -> list[Path]:
    """Write an ECG in the format given by the suffix.

    Suffixes are those of ``ecggen.io.formats.WRITE``: .hea (with its .dat), .mat, .csv, .npz, .edf, .dcm and .xml.

    Args:
        ecg: One record; .npz also takes a batch. Missing samples are NaN; .edf and .xml cannot hold them.
        path: Output file; the suffix determines the format.
        overwrite: Whether to replace an existing file.
        about: Metadata of the patient and the recording; a format writes the fields that it has a place for.

    Returns:
        The files written.

    Raises:
        InputError: If the format cannot hold this ECG, a file exists already, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> from ecggen.core.simulate import simulate
        >>> folder = tempfile.TemporaryDirectory()
        >>> [path.name for path in write(simulate(1), Path(folder.name) / "simulated.hea")]
        ['simulated.dat', 'simulated.hea']
        >>> folder.cleanup()
    """
    path = Path(path)
    encode = formats.WRITE.get(path.suffix)
    if encode is None:
        raise InputError(f"the suffix is {shown(path.suffix)}", f"one of {', '.join(formats.WRITE)} was expected")
    if len(ecg) != 1 and path.suffix != ".npz":
        raise InputError(
            f"the ECG is a batch of {len(ecg)} records",
            f"one record was expected for {path.suffix}",
            "write each record to its own file, as in write(ecg[0], …), or all to one .npz",
        )
    if not bool(torch.isfinite(ecg.signal).any()):
        raise InputError("the ECG is empty or has gaps only", "at least one sample was expected")
    if not bool(torch.isfinite(ecg.signal).all()):
        _refuse_gaps(ecg, path)
        ecg = replace(ecg, signal=ecg.signal.where(torch.isfinite(ecg.signal), torch.nan))
    made = encode(ecg.to("cpu"), path, about or About())
    there = [file.name for file in made if file.exists()]
    if there and not overwrite:
        do = f"choose another name, or pass {argument(overwrite=True)}"
        raise InputError(f"{' and '.join(there)} exist already", do=do)
    try:
        place(made)
    except OSError as error:
        found = f"{path.name} cannot be written ({error.strerror})"
        raise InputError(found, "a writable folder with room in it was expected") from error
    return list(made)


def _refuse_gaps(ecg: ECG, path: Path) -> None:
    """Raise InputError if samples are missing and the format has no value for them."""
    if path.suffix not in formats.GAPS:
        counts = (~torch.isfinite(ecg.signal)).any(0).sum(-1)
        lead, count = ecg.leads[int(counts.argmax())], int(counts.max())
        raise InputError(
            f"the ECG has gaps (lead {lead} lacks {count} of {ecg.samples} samples)",
            f"a number for every sample was expected for {path.suffix}, which has no value for a missing one",
            f"write {', '.join(formats.GAPS[:-1])} or {formats.GAPS[-1]}",
        )


def records(folder: str | Path) -> list[Path]:
    """Find the recordings in a folder and its subfolders.

    Files with a suffix of ``formats.SUFFIXES`` are taken by name, those with a suffix of ``formats.LIKELY`` or without
    one if their content shows a known format. DICOM names files by numbers, so that the last digits of a name are no
    suffix. Tables and descriptions that ecggen itself writes, and the index of a DICOM medium, are left out.

    Returns:
        Sorted paths.

    Raises:
        InputError: If the folder does not exist, a subfolder cannot be opened, or no recording is found.

    Example:
        >>> import tempfile
        >>> from ecggen.core.simulate import simulate
        >>> folder = tempfile.TemporaryDirectory()
        >>> paths = write(simulate(1), Path(folder.name) / "simulated.hea")
        >>> [path.name for path in records(folder.name)]
        ['simulated.hea']
        >>> folder.cleanup()
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", do="give a folder that holds recordings")
    found: list[Path] = []
    try:
        for place, _, names in os.walk(folder, onerror=_refuse_folder):
            found += [Path(place) / name for name in names if not (name.startswith(".") or _is_own(name, names))]
    except OSError as error:
        found_here = f"the folder {error.filename} cannot be opened ({error.strerror})"
        raise InputError(found_here, do="give permission to read it") from error
    paths = _without_segments(sorted(path for path in found if path.is_file() and _may_be_recording(path)))
    if not paths:
        raise InputError(f"no recording was found in {folder}", f"files named {', '.join(SUFFIXES)} were expected")
    return paths


def _refuse_folder(error: OSError) -> None:
    raise error


def _is_own(name: str, siblings: Sequence[str]) -> bool:
    """Whether a file is a table or description that ecggen or PTB-XL stores next to recordings."""
    generated = any(re.fullmatch(r"generate\w*\.json", other) for other in siblings)
    return bool(_OWN.fullmatch(name) or (generated and _LIST.fullmatch(name)))


def _may_be_recording(path: Path) -> bool:
    """Whether a file has the suffix of a recording, or a content of a known format; a plain table must be numbers."""
    suffix = path.suffix.lower()
    if not (suffix in LIKELY or re.fullmatch(r"(\.\d+)?", suffix, re.ASCII)) or path.name.upper() == _INDEX:
        return suffix in SUFFIXES
    if suffix == ".dat" and path.with_suffix(".hea").exists():
        return False
    try:
        source = Source(path)
        return formats.known(source).name != "CSV" or (suffix in LIKELY and csv_table.is_numbers(source))
    except (InputError, OSError):
        return False


def _without_segments(paths: list[Path]) -> list[Path]:
    """The files without the segments of a WFDB master header among them."""
    segments: set[Path] = set()
    for path in (path for path in paths if path.suffix == ".hea"):
        with suppress(OSError), path.open("rb") as file:
            if re.match(rb"(?:\s*(?:#.*)?\n)*\s*[-\w.]+/\d+\s", opening := file.read(OPENING)):
                names = re.findall(rb"^\s*([-\w.]+)", opening + file.read(LONGEST_MASTER), re.MULTILINE)
                segments |= {path.with_name(f"{name.decode()}.hea") for name in names} - {path}
    return [path for path in paths if path not in segments]


def decode(
    path: Path,
    record: str | None = None,
    leads: Sequence[str] | str | None = None,
    *,
    start: float = 0.0,
    seconds: float | None = None,
    fs: float | None = None,
) -> Found:
    """Decode a file without conversion of names and units; the format is detected from its content.

    Args:
        path: The file; for a WFDB record, any of its files, or its name without suffix.
        record: Which recording, if the file holds several.
        leads: What the user asks for, as for ``read``; a format may decode only these channels.
        start: Start in seconds; a format may decode the segment only (``Found.begins``).
        seconds: Duration of the segment.
        fs: Sampling rate in Hz, if the file does not state it.

    Raises:
        InputError: If the format is unknown or the file is broken.
        OSError: If the file cannot be opened.
    """
    entries = wanted(leads)
    return _decoded(Source(_resolved(path), record, count(entries), entries or (), start, seconds, fs=fs))[1]


def decoded(
    path: Path, record: str | None = None, leads: Sequence[str] | str | None = None, excerpt: bool = False
) -> tuple[Format, Found]:
    """The format of a file, and its decoded content; arguments and errors as for ``decode`` and ``reading``."""
    entries = wanted(leads)
    return _decoded(Source(_resolved(path), record, count(entries), entries or (), excerpt=excerpt))


def _decoded(source: Source) -> tuple[Format, Found]:
    """The format of a file, and its decoded content."""
    form = formats.known(source)
    if source.record is not None and form.contents is None:
        do = f"omit {argument('record')}"
        raise InputError(f"the file is one recording ({form.name})", "no record was expected", do)
    return form, form.read(source)


def changes(
    found: Found, ecg: ECG, unit: str | None, leads: Sequence[Wanted] | None, counts: Counts | None = None
) -> tuple[str, ...]:
    """Changes between the decoded file and the ECG, one sentence each; the other arguments are the user's."""
    notes = []
    rows = agreed_leads(found, leads)[0]
    unnamed = {row: f"channel {found.number(row)}" if assigns(leads) else "" for row in rows}
    names = {lead: found.names[row] or unnamed[row] or lead for lead, row in zip(ecg.leads, rows, strict=True)}
    renamed = [" → ".join((called(name).strip("'"), lead)) for lead, name in names.items() if name != lead]
    if renamed:
        notes.append(f"leads renamed: {', '.join(renamed)}")
    if len(found.names) > len(rows):
        left = [name or f"channel {found.number(row)}" for row, name in enumerate(found.names) if row not in rows]
        notes.append(f"channels left out: {listed(left)}")
    units = {found.units[row] or unit for row in rows}
    scaled = sorted(shown(one) for one in units if one and millivolts_or_none(one) != 1.0)
    if counts is not None:
        notes.append(f"counts → mV: {counts.gain:.10g} per {unit or 'mV'}, {counts.baseline:.10g} at 0 mV")
    elif scaled:
        notes.append(f"unit {', '.join(scaled)} → mV")
    if found.lasts is not None or ecg.samples != found.values.shape[-1]:
        whole = found.values.shape[-1] / ecg.fs if found.lasts is None else found.lasts
        notes.append(f"cut from {whole:g} to {ecg.seconds:g} s")
    return (*notes, *found.notes)


def _resolved(path: Path) -> Path:
    """The file to open for ``path``: the header for any file of a WFDB record."""
    samples = path.suffix in (".dat", ".mat")
    header = path.with_suffix(".hea") if samples else Path(f"{path}.hea")
    if header.is_file() and (samples or not path.exists()):
        return header
    if path.is_dir():
        raise InputError("this is a folder", "a recording was expected", "give one of the files in it")
    if not path.exists():
        raise InputError("there is no such file", "a recording was expected", "check its name and folder")
    if not path.is_file():
        raise InputError("this is not a regular file", "a recording was expected")
    return path


def place(contents: dict[Path, bytes]) -> None:
    """Write files atomically: all are written under temporary names before the first is renamed."""
    temporaries = {path: path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            temporaries[path].write_bytes(content)
        for path, temporary in temporaries.items():
            temporary.replace(path)
    finally:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)
