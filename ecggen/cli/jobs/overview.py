"""Overview of a file whose leads cannot be read as they are: its channels, rate and duration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecggen.io.normalise import Found

MOST_LINES = 40
"""Largest number of channels that the text lists."""


def overview(file: Path, record: str | None, fs: float | None) -> dict[str, Any] | None:
    """Format, rate, duration and channels of a file as JSON values; None if it cannot be decoded.

    Args:
        file: The file.
        record: Which recording, if the file holds several.
        fs: Sampling rate in Hz, if the file does not state it.
    """
    from ecggen.core.errors import InputError
    from ecggen.io.files import decoded

    try:
        form, found = decoded(file, record, excerpt=True)
    except (InputError, OSError):
        return None
    rate = found.fs or fs
    samples = found.values.shape[-1]
    seconds = found.lasts if found.lasts is not None else samples / rate if rate else None
    about = {"format": form.name, "fs": rate, "samples": samples, "seconds": seconds, "channels": _channels(found)}
    return about | {"changes": list(found.notes)}


def _channels(found: Found) -> list[dict[str, Any]]:
    """Number, name, unit and lead of each channel; a long name may hold patient data, and is left out."""
    from ecggen.io.normalise import LONGEST_LABEL, find_lead, millivolts_or_none

    return [
        {
            "number": found.number(row),
            "name": name if name and len(name.strip()) <= LONGEST_LABEL else None,
            "unit": unit if unit and (millivolts_or_none(unit) or len(unit) <= LONGEST_LABEL) else None,
            "lead": find_lead(name) if name else None,
        }
        for row, (name, unit) in enumerate(zip(found.names, found.units, strict=True))
    ]


def as_text(about: dict[str, Any]) -> str:
    """The overview as text."""
    rate = f"at {about['fs']:g} Hz" if about["fs"] else "at an unknown rate"
    length = f"{about['samples']} samples" if about["seconds"] is None else f"{about['seconds']:.4g} s"
    channels = about["channels"]
    lines = [f"{about['format']}; {len(channels)} channel{'s' * (len(channels) != 1)}; {length} {rate}"]
    for one in channels[:MOST_LINES]:
        lead = f" (lead {one['lead']})" if one["lead"] and one["lead"] != one["name"] else ""
        lines.append(f"  channel {one['number']}: {one['name'] or 'no name'}{lead}, {one['unit'] or 'no unit'}")
    if len(channels) > MOST_LINES:
        lines.append(f"  and {len(channels) - MOST_LINES} more channels")
    return "\n".join([*lines, *(f"change: {change}" for change in about["changes"])])
