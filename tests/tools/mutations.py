"""Corrupted files: samples of every format, and edits of their bytes that are difficult for parsers."""

from __future__ import annotations

import binascii
import io
import random
import shutil
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.io import contents, read, reading
from ecggen.io.formats import known
from ecggen.io.ppg import read_ppg
from ecggen.io.source import Source

SAMPLES = Path(__file__).parents[1] / "samples"
PERSONAL = ("Jane", "Doe", "1963-02", "196302", "FEB-1963", "Feb 3, 1963", "SN-4711")
"""Texts of the fictitious patient in the samples."""

LARGEST = (b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x00" * 8, b"\x80" + b"\x00" * 7, b"99999999", b"-1", b"1e308", b"nan")
"""Replacements for lengths, counts and scales."""


@dataclass(frozen=True)
class Sample:
    """A file to corrupt, its reader, and its companion files."""

    name: str
    path: Path
    reader: str
    beside: tuple[Path, ...] = ()


def samples() -> list[Sample]:
    """Every sample of ``tests/samples`` that ``read`` accepts; a header and its signal file are two samples."""
    found = []
    small = ("00010_lr.hea", "00010_lr.dat", "E00001.hea", "E00001.mat", "apple_watch_lead_I.csv")
    for path in [*(SAMPLES / name for name in small), *sorted((SAMPLES / "formats").iterdir())]:
        header = path.with_suffix(".hea")
        alone = path.suffix == ".dat" and not header.exists()
        if path.is_file() and path.suffix not in (".py", ".md") and not alone:
            beside = tuple(other for other in path.parent.glob(f"{path.stem}*") if other != path and other.is_file())
            reader = known(Source(header if path.suffix in (".dat", ".mat") and header.exists() else path)).name
            found.append(Sample(path.name, path, reader, beside))
    return found


def prepare(sample: Sample, folder: Path) -> Path:
    """Copy a sample and its companion files; return the path of the copy to corrupt."""
    for path in (sample.path, *sample.beside):
        shutil.copy(path, folder / path.name)
        (folder / path.name).chmod(0o644)
    return folder / sample.path.name


def corrupted(content: bytes, edits: Sequence[tuple[str, float, bytes]]) -> bytes:
    """``content`` after edits: (kind, position as a fraction of the file, bytes)."""
    for how, share, what in edits:
        at = int(share * len(content))
        if how == "put":
            content = content[:at] + what + content[at + len(what) :]
        elif how == "add":
            content = content[:at] + what + content[at:]
        elif how == "cut":
            content = content[:at] + content[at + 20 * max(len(what), 1) :]
        elif how == "end":
            content = content[:at]
        else:
            content = content[:at] + content[max(at - 64 * len(what), 0) :]
    return content


def corrupted_within(content: bytes, edits: Sequence[tuple[str, float, bytes]]) -> bytes:
    """A file corrupted with corrected checksums, so that the code after the checksum is tested."""
    if content.startswith(b"PK"):
        return _corrupted_member(content, edits)
    if content.startswith(b"ALIVE"):
        return _corrupted_blocks(content, edits)
    return _sealed(corrupted(content, edits)) if content[16:22] == b"SCPECG" else corrupted(content, edits)


def _corrupted_member(content: bytes, edits: Sequence[tuple[str, float, bytes]]) -> bytes:
    """A zip archive with a valid list and one corrupted member."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = list(members)[sum(len(what) for _, _, what in edits) % len(members)]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for one, inside in members.items():
            archive.writestr(one, corrupted(inside, edits) if one == name else inside)
    return made.getvalue()


def _corrupted_blocks(content: bytes, edits: Sequence[tuple[str, float, bytes]]) -> bytes:
    """A KardiaMobile file with one corrupted block and correct checksums."""
    made, at, chosen = content[:12], 12, sum(len(what) for _, _, what in edits) % 4
    while at + 8 <= len(content):
        end = at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        data = corrupted(content[at + 8 : end], edits) if chosen == 0 else content[at + 8 : end]
        block = content[at : at + 4] + len(data).to_bytes(4, "little") + data
        made += block + (sum(block) % 2**32).to_bytes(4, "little")
        at, chosen = end + 4, chosen - 1
    return made


def _sealed(content: bytes) -> bytes:
    """An SCP-ECG file with corrected checksums of the sections that it still points to."""
    made = bytearray(content)
    for at in range(22, min(142, len(made) - 10), 10):
        _, length, index = struct.unpack_from("<HII", made, at)
        start = index - 1
        if start >= 0 and start + 16 <= start + length <= len(made):
            size = int.from_bytes(made[start + 4 : start + 8], "little")
            made[start : start + 2] = binascii.crc_hqx(bytes(made[start + 2 : start + size]), 0xFFFF).to_bytes(
                2, "little"
            )
    return bytes(made)


HOW = ("put", "put", "put", "add", "cut", "end", "again")


def at_random(seed: int) -> list[tuple[str, float, bytes]]:
    """One to five edits; half of them lie in the first hundredth of a file, which holds the header."""
    draw = random.Random(seed)
    edits = []
    for _ in range(draw.randint(1, 5)):
        what = (
            draw.choice(LARGEST)[: draw.choice((1, 2, 4, 8))]
            if draw.random() < 0.4
            else draw.randbytes(draw.randint(1, 8))
        )
        share = draw.random() ** draw.choice((1, 4, 8))
        edits.append((draw.choice(HOW), share, what))
    return edits


def read_or_refuse(path: Path, ppg: bool = True) -> str:
    """Read a file as an ECG and as a PPG; each gives a valid result or InputError without identifying metadata.

    Args:
        path: The file.
        ppg: Whether to read it as a PPG as well.

    Returns:
        "read" if the reader returned an ECG of any quality, else "refused".
    """
    outcome = "refused"
    try:
        names = contents(path)
        found = reading(path, record=names[0] if names else None, check=False, gaps=True)
        outcome = "read"
        assert found.ecg.leads
        assert set(found.ecg.leads) <= set(STANDARD_LEADS)
        assert not found.about.personal
        assert not any(word in text for word in PERSONAL for text in found.changes)
        assert torch.isfinite(read(path, record=names[0] if names else None).signal).all()
    except InputError as error:
        check_sentence(error)
    if ppg:
        try:
            assert torch.isfinite(read_ppg(path).wave).all()
        except InputError as error:
            check_sentence(error)
    return outcome


def check_sentence(error: InputError) -> None:
    """Check that a message is short and holds no identifying metadata."""
    text = str(error)
    assert len(text) < 1500, text
    assert not any(word in text for word in PERSONAL), text
