"""Files that hold no recording, or none that is read, and what to use instead: drawings, documents, messages, archives.

They are recognised by their first bytes, so that the answer names what the file is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ecggen.core.errors import InputError
from ecggen.io.source import Source

_PICKLE = re.compile(rb"\x80[\x02-\x05][\x95}(\])cXq]|[}\]]q\0|\([dl]p\d+\n|c(?:copy_reg|numpy|__builtin__)\S*\n")
"""First bytes of a pickle: a protocol number, else a dict, a list or the name of a callable."""
_GDT = re.compile(rb"\d{3}8000(?:63\d\d|\d{4})\r?\n\d{3}\d{4}")
_HTML = re.compile(rb"\s*(?:<!--.{0,200}?-->\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_SVG = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,500}?-->\s*)?(?:<!DOCTYPE svg[^>]{0,300}>\s*)?<svg\b", re.DOTALL
)
_EXPORT = "export the recording itself: CSV, XML, SCP, EDF or DICOM from the program of the device"
_AS_CSV = "save the sheet with the samples as CSV, and give that file"
_NO_SAMPLES = "the samples of a recording were expected"


@dataclass(frozen=True)
class _Kind:
    """A kind of file that is not read.

    Attributes:
        is_kind: Whether a file is of this kind, from its first bytes.
        found: What the file is.
        do: What to use instead.
    """

    is_kind: Callable[[bytes], bool]
    found: str
    do: str


def _starts(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda opening: opening.startswith(beginnings)


def _is_riff(form: bytes) -> Callable[[bytes], bool]:
    return lambda opening: opening.startswith(b"RIFF") and opening[8:12] == form


def _is_media(*brands: bytes) -> Callable[[bytes], bool]:
    """Whether a file is of the ISO base media format with one of these brands; of any brand without them."""
    return lambda opening: opening[4:8] == b"ftyp" and (not brands or opening[8:12] in brands)


def _is_bitmap(opening: bytes) -> bool:
    return opening.startswith(b"BM") and opening[6:10] == b"\0\0\0\0" and opening[14:18] in _BITMAP_HEADERS


def _is_biopac(opening: bytes) -> bool:
    """Whether a file starts with the header of AcqKnowledge: version, size of the header and number of channels."""
    version, size, channels = (int.from_bytes(opening[at:end], "little") for at, end in ((2, 6), (6, 10), (10, 12)))
    return 30 <= version <= 200 and 500 <= size <= 50_000 and 0 < channels <= 256


_BITMAP_HEADERS = [size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124)]
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif")
_IMAGE = "the file is an image ({}); an image of an ECG holds a drawing, not its samples"
_OFFICE = "the file is a document of an office program ({})"
_PACKED = "the file is a packed archive ({})"

_KINDS: tuple[_Kind, ...] = (
    _Kind(_starts(b"\x89PNG\r\n\x1a\n"), _IMAGE.format("PNG"), _EXPORT),
    _Kind(_starts(b"\xff\xd8\xff"), _IMAGE.format("JPEG"), _EXPORT),
    _Kind(_starts(b"GIF87a", b"GIF89a"), _IMAGE.format("GIF"), _EXPORT),
    _Kind(_starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _IMAGE.format("TIFF"), _EXPORT),
    _Kind(_is_bitmap, _IMAGE.format("BMP"), _EXPORT),
    _Kind(_is_riff(b"WEBP"), _IMAGE.format("WebP"), _EXPORT),
    _Kind(_is_media(*_HEIF), _IMAGE.format("HEIC"), _EXPORT),
    _Kind(lambda opening: _SVG.match(opening) is not None, _IMAGE.format("SVG"), _EXPORT),
    _Kind(_starts(b"%!PS"), _IMAGE.format("PostScript"), _EXPORT),
    _Kind(
        _starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        _OFFICE.format("Excel or Word up to 2003"),
        _AS_CSV,
    ),
    _Kind(_starts(b"{\\rtf"), _OFFICE.format("RTF"), _EXPORT),
    _Kind(
        lambda opening: _GDT.match(opening) is not None,
        "the file is a GDT message, which passes data of a patient and findings between programs",
        "give the recording that it refers to; " + _EXPORT,
    ),
    _Kind(
        _starts(b"MSH|"),
        "the file is an HL7 version 2 message, which passes findings between programs",
        "give the recording that it refers to; " + _EXPORT,
    ),
    _Kind(
        lambda opening: b"<!DOCTYPE HealthData" in opening or b"<HealthData" in opening,
        "the file is the export.xml of Apple Health, which lists ECGs without their samples",
        "give the export.zip, or a file of its folder electrocardiograms",
    ),
    _Kind(
        lambda opening: _HTML.match(opening) is not None,
        "the file is a web page, perhaps a message that was saved instead of the recording",
        "download the recording again",
    ),
    _Kind(_starts(b"SBEM"), "the file is a log of a Movesense sensor (SBEM)", "convert it to JSON with sbem2json"),
    _Kind(
        lambda opening: opening[8:12] == b".FIT" and opening[:1] in (b"\x0c", b"\x0e"),
        "the file is an activity of a sports watch (FIT)",
        _EXPORT,
    ),
    _Kind(_starts(b"@ MFR ", b"@  MFER "), "the file is in the format MFER (.mwf)", _EXPORT),
    _Kind(_is_biopac, "the file is a recording of AcqKnowledge (BIOPAC, .acq)", "export it from AcqKnowledge as EDF"),
    _Kind(_starts(b"SQLite format 3\0"), "the file is a database (SQLite)", _EXPORT),
    _Kind(
        _starts(b"PAR1", b"ARROW1\0\0"),
        "the file is a table in the format Parquet or Arrow",
        "convert it: python -c \"import pandas; pandas.read_parquet('FILE').to_csv('FILE.csv', index=False)\"",
    ),
    _Kind(_starts(b"\x1f\x8b\x08"), _PACKED.format("gzip"), "unpack it first: gunzip FILE"),
    _Kind(_starts(b"7z\xbc\xaf\x27\x1c"), _PACKED.format("7z"), "unpack it first"),
    _Kind(_starts(b"Rar!\x1a\x07"), _PACKED.format("RAR"), "unpack it first"),
    _Kind(_starts(b"BZh"), _PACKED.format("bzip2"), "unpack it first: bunzip2 FILE"),
    _Kind(_starts(b"\xfd7zXZ\0"), _PACKED.format("xz"), "unpack it first: unxz FILE"),
    _Kind(_starts(b"\x28\xb5\x2f\xfd"), _PACKED.format("zstd"), "unpack it first: unzstd FILE"),
    _Kind(lambda opening: opening[257:262] == b"ustar", _PACKED.format("tar"), "unpack it first: tar xf FILE"),
    _Kind(_is_riff(b"WAVE"), "the file is a sound (WAV)", _EXPORT),
    _Kind(_is_media(), "the file is a video or a sound (MP4)", _EXPORT),
    _Kind(_starts(b"ID3", b"OggS", b"fLaC"), "the file is a sound", _EXPORT),
)


def refuse(source: Source) -> None:
    """Raise InputError for a file that is known to hold no recording that can be read.

    Raises:
        InputError: If it is one; the message says what it is, and what to use instead.
    """
    opening = source.opening
    if opening[128:132] == b"DICM" or opening[16:22] == b"SCPECG":
        return  # these formats start with arbitrary bytes
    if _PICKLE.match(opening):
        found = "the file is a pickle, which can run programs when it is opened"
        do = "use the other files of the data set: S1_RespiBAN.h5 for the ECG, the zip of the E4 (BVP.csv) for the PPG"
        raise InputError(found, "a recording was expected", do)
    if b"%PDF-" in opening[:1024]:
        raise _pdf(source)
    if opening.startswith(b"PK\3\4"):
        _refuse_office(source)
    for kind in _KINDS:
        if kind.is_kind(opening):
            raise InputError(kind.found, _NO_SAMPLES, kind.do)


def _refuse_office(source: Source) -> None:
    """Raise InputError for an archive whose list of members, at its end, is that of an office document."""
    members = source.opening + bytes(source.mapped[-(2**16) :])
    sheet = b"xl/workbook" in members or b"opendocument.spreadsheet" in members
    if sheet or any(name in members for name in (b"word/document", b"ppt/presentation", b"oasis.opendocument")):
        found = _OFFICE.format("a spreadsheet" if sheet else "text or slides")
        raise InputError(found, _NO_SAMPLES, _AS_CSV if sheet else _EXPORT)


def _pdf(source: Source) -> InputError:
    """The error for a PDF; those of KardiaMobile and of Apple Watch name their program in the metadata."""
    found = "the file is a PDF; a PDF of an ECG holds a drawing, not its samples"
    if re.search(rb"AliveCor|Kardia", source.opening + bytes(source.mapped[-4096:])):
        return InputError(
            f"{found} (KardiaMobile)",
            _NO_SAMPLES,
            "export the .atc file of the recording, or its JSON from the Kardia API",
        )
    devices = "KardiaMobile: the .atc file; Apple Watch: the export.zip of Apple Health; Withings, Fitbit: CSV or JSON"
    return InputError(found, _NO_SAMPLES, f"{_EXPORT} ({devices})")
