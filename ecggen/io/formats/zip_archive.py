"""zip: an archive as a watch or a wristband exports it, with recordings of text among other things.

Apple Health's export (``electrocardiograms/ecg_….csv``), Empatica E4's session (``BVP.csv`` beside ACC, EDA …) and any
archive of CSV, JSON or text files. One member is unpacked, in memory, up to a limit, whatever its size is said to
be; nothing is written, no name becomes a path, no member that is itself an archive is opened.
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
from ecggen.io.formats.csv import table as csv_table
from ecggen.io.formats.csv.empatica import without_stamp
from ecggen.io.formats.json import reading as json_reading
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_BYTES, Source, chosen, with_library

MOST_DIRECTORY = 2 * 1024**2
"""Bytes of the list of members: some 15,000 of them."""

MOST_RATIO = 200
"""Times that a recording shrinks at most: text of samples shrinks 3 to 20 times, a bomb a thousand times."""

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_STEP = 2**20
_ENCRYPTED = 1
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LEADS_OUT = re.compile(r"\0|\\|^$|^/|^[A-Za-z]:|(^|/)\.\.(/|$)")
_TEXTS = (".csv", ".json", ".txt")
_NO_RECORDING = re.compile(r"(readme|info|licen[cs]e|tags|quest).*", re.IGNORECASE)
_BESIDE_BVP = {"ACC.csv", "EDA.csv", "HR.csv", "IBI.csv", "TEMP.csv", "info.txt"}


class _Form(Protocol):
    """A form of text that needs no file beside it."""

    def looks_like(self, source: Source, /) -> bool: ...

    def read(self, source: Source, /) -> Found: ...


@runtime_checkable
class _HoldsSeveral(_Form, Protocol):
    """One that can hold several recordings."""

    def contents(self, source: Source, /) -> list[str]: ...


_FORMS: tuple[_Form, ...] = (json_reading, polar, apple_watch, csv_table)

Member = zipfile.ZipInfo


class _Careful(io.FileIO):
    """A file that gives no more at once than a list of members may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MOST_DIRECTORY:
            found = f"the archive's list of members takes {size / 1024**2:.0f} MB"
            raise InputError(found, f"at most {MOST_DIRECTORY // 1024**2} MB were expected", "unpack it first")
        return super().read(-1 if size is None else size) or b""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, its list of members read.

    Raises:
        InputError: Where the list is too long; zipfile raises a dozen other kinds where it is broken.
    """
    with _Careful(path) as file, zipfile.ZipFile(file) as archive:
        yield archive


def looks_like(source: Source) -> bool:
    """Whether a file opens as an archive; npz, which is one too, is asked first."""
    return source.content is None and source.opening.startswith(_MAGIC)


def contents(source: Source) -> list[str]:
    """Numbers of the recordings, where there are several: their names, which ``record`` takes as well, tell the day."""
    members = _recordings(source)
    if len(members) > 1:
        return [str(number) for number in range(1, len(members) + 1)]
    form, inner = _known(source, *members.values())
    return form.contents(inner) if isinstance(form, _HoldsSeveral) else []


def read(source: Source) -> Found:
    """The recording that is asked for."""
    members = _recordings(source)
    if len(members) == 1 and source.record not in (None, *members):
        form, inner = _known(source, *members.values())
        if isinstance(form, _HoldsSeveral):
            return form.read(inner)
    member = list(members.values())[chosen(list(members), source.record)]
    form, inner = _known(replace(source, record=None), member)
    found = form.read(inner)
    return _with_bvp(source, found) if inner.path.name == "BVP.csv" else found


def _known(source: Source, member: Member) -> tuple[_Form, Source]:
    """The form of a member, and the member as a file."""
    name = Path(PurePosixPath(member.filename).name)
    inner = replace(source, path=name, content=_unpacked(source.path, member))
    if not inner.is_text:
        raise InputError("the recording in the archive is no text", "CSV or JSON was expected", "unpack it first")
    for form in _FORMS:
        if form.looks_like(inner):
            return form, inner
    found = "the recording in the archive is in no format that is read from archives"
    raise InputError(found, "CSV or JSON was expected", "unpack it first")


def _with_bvp(source: Source, found: Found) -> Found:
    """Empatica's column as a channel, and which sensors stayed in the archive."""
    found = without_stamp(found)
    others = sorted({PurePosixPath(one.filename).name for one in _members(source)} & _BESIDE_BVP - {"info.txt"})
    left = (f"sensors not read: {', '.join(others)}",) if others else ()
    return replace(found, notes=(*found.notes, *left))


def _recordings(source: Source) -> dict[str, Member]:
    """The members that can be recordings, by the name that is shown for each."""
    members = _members(source)
    paths = {member.filename: PurePosixPath(member.filename) for member in members}
    sessions = [one for one in members if paths[one.filename].name == "BVP.csv"]
    if sessions and {path.name for path in paths.values()} & _BESIDE_BVP:
        return _named(sessions, [_session(paths[one.filename]) for one in sessions])
    texts = [one for one in members if _may_be_recording(one)]
    apple = [one for one in texts if "electrocardiograms" in paths[one.filename].parts]
    texts = apple or texts
    if not texts:
        found = f"none of the {len(members)} files in the archive is a recording of text"
        raise InputError(found, f"one that ends in {', '.join(_TEXTS)} was expected", "unpack it first")
    return _named(texts, [paths[one.filename].stem for one in texts])


def _session(path: PurePosixPath) -> str:
    """An E4 session is called as its folder."""
    return path.parent.name or path.stem


def _named(members: Sequence[Member], names: Sequence[str]) -> dict[str, Member]:
    """Members by short names, by their whole ones where two are alike."""
    alike = [name for name, times in Counter(names).items() if times > 1]
    whole = [member.filename if name in alike else name for member, name in zip(members, names, strict=True)]
    if len(set(whole)) < len(whole):
        whole = [member.filename for member in members]
    return dict(zip(whole, members, strict=True))


def _members(source: Source) -> list[Member]:
    """The regular files in the archive: no folders, no links, none of what a Mac adds."""
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
    """An InputError where a name leads out of the archive, or stands twice."""
    if any(_LEADS_OUT.search(member.orig_filename) for member in members):
        found = "a file in the archive has a name that leads out of it"
        raise InputError(found, "names within its folders were expected", "unpack it with a careful program")
    if len({member.filename for member in members}) < len(members):
        raise InputError("two files in the archive have one name", "each once was expected", "pack it again")


def _unpacked(path: Path, member: Member) -> bytes:
    """The bytes of a member, no more of them than the limits allow."""
    if member.flag_bits & _ENCRYPTED:
        raise InputError("the recording in the archive is encrypted", do="unpack it with its password first")
    if member.compress_type not in _PACKED:
        raise InputError("the recording is packed in a rare way", "deflate was expected", "unpack it first")
    if member.file_size > max(MOST_RATIO * member.compress_size, _STEP):
        found = f"the recording unpacks to {member.file_size / max(member.compress_size, 1):.0f} times its size"
        raise InputError(found, f"at most {MOST_RATIO} times were expected", "look whether this is a recording at all")
    if member.file_size > MOST_BYTES:
        found = f"the recording unpacks to {member.file_size / 1024**2:.0f} MB"
        raise InputError(found, f"at most {MOST_BYTES // 1024**2} MB are read", "unpack and split it")
    return with_library("zip archive", _inflated, path, member)


def _inflated(path: Path, member: Member) -> bytes:
    """The bytes of a member; the checksum is looked at, more than was announced is never unpacked."""
    with opened(path) as archive, archive.open(member) as file:
        parts = list(iter(lambda: file.read(_STEP), b""))
    content = b"".join(parts)
    if len(content) != member.file_size:
        raise InputError("a file in the archive is cut off", "a whole one was expected", "export it again")
    return content
