"""Access to a file for the format readers: its first bytes for detection, its text or bytes on demand.

Size limits are defined here, so that no file can take more than a gigabyte of memory, whatever its header declares.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ecggen.core.errors import InputError, argument
from ecggen.io.channels import Wanted
from ecggen.io.normalise import listed, shown

OPENING = 4096
"""Number of first bytes from which a format is detected."""

MOST_BYTES = 64 * 1024**2
"""Largest file in bytes that is read as a whole."""

MOST_TEXT = 32 * 1024**2
"""Largest text file in bytes; parsing takes up to twenty times as much memory."""

MOST_SAMPLES = 2**25
"""Largest number of samples that are read at once, over all channels: 93 minutes of twelve leads at 500 Hz."""

EXCERPT = 600.0
"""Seconds of a longer recording that are read as an excerpt."""

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Source:
    """A file and the part of it that is requested.

    Attributes:
        path: Path of the file; for a member of an archive, its name only.
        record: Requested recording if the file holds several: its name, or its number from 1.
        channels: Number of channels, if the user has named them in the order of the file.
        wanted: Leads that the user asks for.
        start: Start of the requested segment in seconds; a format may decode this segment only.
        seconds: Duration of the segment; None for everything that follows.
        content: Bytes of a member of an archive; None for a file on disk.
        excerpt: Whether to decode only the first ``EXCERPT`` seconds of a recording that is too long to be read at
            once, if no segment is requested.
        fs: Sampling rate in Hz that the user gives; a format needs it to find a segment if the file states no rate.
    """

    path: Path
    record: str | None = None
    channels: int | None = None
    wanted: tuple[Wanted, ...] = ()
    start: float = 0.0
    seconds: float | None = None
    content: bytes | None = None
    excerpt: bool = False
    fs: float | None = None

    @cached_property
    def opening(self) -> bytes:
        """The first bytes."""
        if self.content is not None:
            return self.content[:OPENING]
        with self.path.open("rb") as file:
            return file.read(OPENING)

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self.path.stat().st_size if self.content is None else len(self.content)

    @cached_property
    def is_text(self) -> bool:
        """Whether the file can be text: it has a UTF-16 byte order mark, or no zero byte in its first bytes."""
        return self.opening.startswith(_UTF_16) or b"\0" not in self.opening

    @cached_property
    def raw(self) -> bytes:
        """All bytes of the file.

        Raises:
            InputError: If there are more than ``MOST_BYTES``.
        """
        self._limit(MOST_BYTES)
        return self.path.read_bytes() if self.content is None else self.content

    @cached_property
    def mapped(self) -> memoryview:
        """All bytes of the file, memory-mapped."""
        if self.content is not None:
            return memoryview(self.content)
        with self.path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def part(self, fs: float, samples: int, channels: int = 1) -> tuple[int, int]:
        """Sample range (first, last + 1) to decode of a recording.

        Args:
            fs: Sampling rate in Hz.
            samples: Number of samples of the recording per channel.
            channels: Number of channels, for the limit ``MOST_SAMPLES`` over all channels.

        Raises:
            InputError: If the requested segment does not lie inside the recording, or holds too many samples.
        """
        if not self.start and self.seconds is None:
            if self.excerpt and samples * channels > MOST_SAMPLES:
                return 0, max(min(samples, math.floor(readable_seconds(fs * channels) * fs)), 1)
            check_amount(samples * channels, fs * channels)
            return 0, samples
        end = samples if self.seconds is None else (self.start + self.seconds) * fs
        if not 0 <= self.start * fs < end <= samples + 0.5:
            raise InputError(
                f"the recording lasts {samples / fs:.3f} s",
                f"a segment from {self.start:g} to {end / fs:.3f} s was requested",
                "request a segment inside the recording",
            )
        first, last = math.floor(self.start * fs), min(math.ceil(end - 1e-6), samples)
        check_amount((last - first) * channels, fs * channels, self.start)
        return first, last

    @cached_property
    def head(self) -> str:
        """The first bytes as text, "" if they are not text; the last character may be incomplete."""
        if not self.is_text:
            return ""
        coding = "utf-16" if self.opening.startswith(_UTF_16) else "utf-8-sig"
        return _lines(self.opening[: OPENING // 2 * 2].decode(coding, errors="replace"))

    @cached_property
    def text(self) -> str:
        """The file as text with \\n line ends: UTF-8, UTF-16 with a byte order mark, else Latin-1 (which has µ)."""
        self._limit(MOST_TEXT)
        try:
            return _lines(self.raw.decode("utf-16" if self.raw.startswith(_UTF_16) else "utf-8-sig"))
        except UnicodeDecodeError:
            return _lines(self.raw.decode("latin-1"))

    def _limit(self, most: int) -> None:
        if self.size > most:
            found = f"the file holds {self.size / 1024**2:.0f} MB"
            raise InputError(found, f"at most {most // 1024**2} MB of this format are read", "split it")


def check_amount(samples: float, per_second: float, start: float = 0.0) -> None:
    """Check that a recording, or the requested segment of it, is small enough to be read at once.

    Args:
        samples: Number of samples over all channels.
        per_second: Number of samples per second over all channels, for the advice in the message.
        start: Start of the requested segment in seconds.

    Raises:
        InputError: If there are more than ``MOST_SAMPLES``.
    """
    if samples > MOST_SAMPLES:
        part = argument(start=start, seconds=readable_seconds(per_second))
        raise InputError(
            f"the recording holds {samples:.0f} samples over all channels",
            f"at most {MOST_SAMPLES} are read at once",
            f"read a segment of it: {part}" if part else "read a segment of it",
        )


def readable_seconds(per_second: float) -> float:
    """Duration of an excerpt in seconds, for a number of samples per second over all channels."""
    seconds = MOST_SAMPLES / per_second
    return min(EXCERPT, float(math.floor(seconds)) if seconds >= 1 else seconds)


def chosen(names: Sequence[str], record: str | None) -> int:
    """Index of the requested recording, given by its name or its number from 1; a single recording is the default.

    Raises:
        InputError: If there are several recordings and none is named, or none has this name.
    """
    if record is None and len(names) == 1:
        return 0
    if record is not None and record in names:
        return list(names).index(record)
    if record is not None and record.isdecimal() and 1 <= int(record) <= len(names):
        return int(record) - 1
    found = f"recording {shown(record)} is not among" if record else f"the file holds {len(names)} recordings,"
    do = f"give its name or its number from 1, e.g. {argument(record='1')}"
    raise InputError(f"{found} {listed(names) or 'none'}", "one of them was expected", do)


@contextmanager
def optional(library: str, extra: str) -> Iterator[None]:
    """Context for the import of an optional library.

    Raises:
        InputError: If it is not installed; the message names the extra of ecggen that installs it.
    """
    try:
        yield
    except ImportError as error:
        found = f"{library} is not installed"
        raise InputError(found, "this format requires it", f"pip install 'ecggen[{extra}]'") from error


def with_library(what: str, action: Callable[..., Any], *values: Any, **options: Any) -> Any:
    """Call ``action`` of a library and convert any exception on a broken file to InputError.

    Raises:
        InputError: For any exception of the library. Its message is not repeated, because it may quote the file.
    """
    try:
        return action(*values, **options)
    except (InputError, MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise InputError(f"the {what} cannot be decoded", "a valid file was expected", "export it again") from error


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
