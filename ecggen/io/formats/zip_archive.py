"""zip reader: archives exported by a watch or wristband, with text recordings among other files.

Supported are exports of Apple Health (``electrocardiograms/ecg_….csv``) and of Withings (``signal.csv``), sessions of
the Empatica E4 (``BVP.csv`` with ACC, EDA …), and archives of CSV, JSON or text files. One member is unpacked in
memory, up to a limit. Nothing is written, names are not used as paths, and nested archives are not opened.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from ecggen.core.errors import InputError
from ecggen.io.formats.csv import apple_watch, polar
from ecggen.io.formats.csv import movesense as csv_movesense
from ecggen.io.formats.csv import table as csv_table
from ecggen.io.formats.csv import withings as csv_withings
from ecggen.io.formats.csv.empatica import without_stamp
from ecggen.io.formats.json import reading as json_reading
from ecggen.io.formats.opensignals import text as opensignals_text
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_BYTES, Source, chosen, with_library

MOST_DIRECTORY = 2 * 1024**2
"""Largest size of the list of members in bytes: about 15,000 members."""

MOST_RATIO = 200
"""Largest compression ratio of a recording; samples as text have 3 to 20, a zip bomb a thousand."""

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_STEP = 2**20
_ENCRYPTED = 1
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LEADS_OUT = re.compile(r"\0|\\|^$|^/|^[A-Za-z]:|(^|/)\.\.(/|$)")
_TEXTS = (".csv", ".json", ".txt")
_NO_RECORDING = re.compile(r"(readme|info|licen[cs]e|tags|quest).*", re.IGNORECASE)
_BESIDE_BVP = {"ACC.csv", "EDA.csv", "HR.csv", "IBI.csv", "TEMP.csv", "info.txt"}


class _Form(Protocol):
    """A text format that needs no other file."""

    def looks_like(self, source: Source, /) -> bool: ...

    def read(self, source: Source, /) -> Found: ...


@runtime_checkable
class _HoldsSeveral(_Form, Protocol):
    """A text format that can hold several recordings."""

    def contents(self, source: Source, /) -> list[str]: ...


_FORMS: tuple[_Form, ...] = (
    json_reading,
    opensignals_text,
    polar,
    csv_movesense,
    csv_withings,
    apple_watch,
    csv_table,
)
_BESIDE_SIGNAL = {"weight.csv", "height.csv", "bp.csv"}

Member = zipfile.ZipInfo


class _Careful(io.FileIO):
    """A file that limits a single read to the largest size of a list of members."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MOST_DIRECTORY:
            found = f"the archive's list of members takes {size / 1024**2:.0f} MB"
            raise InputError(found, f"at most {MOST_DIRECTORY // 1024**2} MB were expected", "unpack it first")
        return super().read(-1 if size is None else size) or b""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive and read its list of members.

    Raises:
        InputError: If the list is too long; zipfile raises many other kinds of exceptions if it is broken.
    """
    with _Careful(path) as file, zipfile.ZipFile(file) as archive:
        yield archive


def looks_like(source: Source) -> bool:
    """Whether a file starts as an archive; npz, which is an archive as well, is detected first."""
    return source.content is None and source.opening.startswith(_MAGIC)


def contents(source: Source) -> list[str]:
    """Numbers of the recordings, if there are several; ``record`` also takes their names, which contain the date."""
    members = _recordings(source)
    if len(members) > 1:
        return [str(number) for number in range(1, len(members) + 1)]
    form, inner = _known(source, *members.values())
    return form.contents(inner) if isinstance(form, _HoldsSeveral) else []


def read(source: Source) -> Found:
    """Decode the requested recording."""
    members = _recordings(source)
    if len(members) == 1 and source.record not in (None, *members):
        form, inner = _known(source, *members.values())
        if isinstance(form, _HoldsSeveral):
            return form.read(inner)
    member = list(members.values())[chosen(list(members), source.record)]
    form, inner = _known(replace(source, record=None), member)
    found = form.read(inner)
    return _with_bvp(source, found) if inner.path.name == "BVP.csv" else found


def beside(source: Source, name: str) -> bytes | None:
    """Content of another file in the folder of the requested recording; None if there is none."""
    members = _recordings(source)
    own = members[list(members)[chosen(list(members), source.record)]]
    wanted = str(PurePosixPath(own.filename).with_name(name))
    found = next((member for member in _members(source) if member.filename == wanted), None)
    return None if found is None else _unpacked(source.path, found)


def _known(source: Source, member: Member) -> tuple[_Form, Source]:
    """The format of a member, and the member as a file."""
    name = Path(PurePosixPath(member.filename).name)
    inner = replace(source, path=name, content=_unpacked(source.path, member))
    if not inner.is_text:
        raise InputError("the recording in the archive is not text", "CSV or JSON was expected", "unpack it first")
    for form in _FORMS:
        if form.looks_like(inner):
            return form, inner
    found = "the format of the recording in the archive is not supported"
    raise InputError(found, "CSV or JSON was expected", "unpack it first")


def _with_bvp(source: Source, found: Found) -> Found:
    """The column of an E4 as a channel, with a note on the other sensors in the archive."""
    found = without_stamp(found)
    others = sorted({PurePosixPath(one.filename).name for one in _members(source)} & _BESIDE_BVP - {"info.txt"})
    note = (f"sensors not read: {', '.join(others)}",) if others else ()
    return replace(found, notes=(*found.notes, *note))


def _recordings(source: Source) -> dict[str, Member]:
    """The members that can be recordings, by their displayed names."""
    members = _members(source)
    paths = {member.filename: PurePosixPath(member.filename) for member in members}
    sessions = [one for one in members if paths[one.filename].name == "BVP.csv"]
    if sessions and {path.name for path in paths.values()} & _BESIDE_BVP:
        return _named(sessions, [_session(paths[one.filename]) for one in sessions])
    texts = [one for one in members if _may_be_recording(one)]
    apple = [one for one in texts if "electrocardiograms" in paths[one.filename].parts]
    if {path.name for path in paths.values()} & _BESIDE_SIGNAL:
        apple += [one for one in texts if paths[one.filename].name == "signal.csv"]
    texts = apple or texts
    if not texts:
        found = f"none of the {len(members)} files in the archive is a text recording"
        raise InputError(found, f"a file with suffix {', '.join(_TEXTS)} was expected", "unpack it first")
    return _named(texts, [paths[one.filename].stem for one in texts])


def _session(path: PurePosixPath) -> str:
    """Name of an E4 session: its folder."""
    return path.parent.name or path.stem


def _named(members: Sequence[Member], names: Sequence[str]) -> dict[str, Member]:
    """Members by their short names, or by their full names if short names are equal."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    unique = [member.filename if name in repeated else name for member, name in zip(members, names, strict=True)]
    if len(set(unique)) < len(unique):
        unique = [member.filename for member in members]
    return dict(zip(unique, members, strict=True))


def _members(source: Source) -> list[Member]:
    """The regular files in the archive: no folders, no links, no metadata files of macOS."""
    everything = with_library("zip archive", _listing, source.path)
    _refuse_odd_names(everything)
    hidden = (member.filename.startswith("__MACOSX/") or "/." in f"/{member.filename}" for member in everything)
    return [one for one, odd in zip(everything, hidden, strict=True) if not odd and _is_file(one)]


def _listing(path: Path) -> list[Member]:
    with opened(path) as archive:
        return archive.infolist()


def _is_file(member: Member) -> bool:
    kind = stat.S_IFMT(member.external_attr >> 16)
    return not member.filename.endswith("/") and kind in (0, stat.S_IFREG)


def _may_be_recording(member: Member) -> bool:
    path = PurePosixPath(member.filename)
    return path.suffix.lower() in _TEXTS and not _NO_RECORDING.fullmatch(path.name)


def _refuse_odd_names(members: Sequence[Member]) -> None:
    """Raise InputError if a name leads out of the archive or occurs twice."""
    if any(_LEADS_OUT.search(member.orig_filename) for member in members):
        found = "a file in the archive has a name that leads out of it"
        raise InputError(found, "names within its folders were expected", "unpack it with a program that checks names")
    if len({member.filename for member in members}) < len(members):
        raise InputError("two files in the archive have the same name", "unique names were expected", "pack it again")


def _unpacked(path: Path, member: Member) -> bytes:
    """Unpack a member, within the limits of size and ratio."""
    if member.flag_bits & _ENCRYPTED:
        raise InputError("the recording in the archive is encrypted", do="unpack it with its password first")
    if member.compress_type not in _PACKED:
        raise InputError("the recording has an unsupported compression", "deflate was expected", "unpack it first")
    if member.file_size > max(MOST_RATIO * member.compress_size, _STEP):
        found = f"the recording unpacks to {member.file_size / max(member.compress_size, 1):.0f} times its size"
        raise InputError(found, f"at most {MOST_RATIO} times were expected", "check whether this is a recording")
    if member.file_size > MOST_BYTES:
        found = f"the recording unpacks to {member.file_size / 1024**2:.0f} MB"
        raise InputError(found, f"at most {MOST_BYTES // 1024**2} MB are read", "unpack and split it")
    return with_library("zip archive", _inflated, path, member)


def _inflated(path: Path, member: Member) -> bytes:
    """Unpack a member with a check of its checksum; never more than the declared size."""
    with opened(path) as archive, archive.open(member) as file:
        parts = list(iter(lambda: file.read(_STEP), b""))
    content = b"".join(parts)
    if len(content) != member.file_size:
        raise InputError("a file in the archive is truncated", "a complete one was expected", "export it again")
    return content
