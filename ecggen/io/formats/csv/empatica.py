"""Empatica E4 columns: a start in seconds since 1970, a rate, then the samples.

The archive of the wristband holds such a file for each sensor; ``BVP.csv`` is the PPG, at 64 Hz (see its ``info.txt``).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from ecggen.io.metadata import About
from ecggen.io.normalise import Found

RATES = (20.0, 2000.0)
"""Range of sampling rates of a PPG in Hz; a lower rate does not resolve the rise of a pulse."""

_STAMPS = (1e8, 1e10)  # 1973 to 2286


def without_stamp(found: Found) -> Found:
    """Convert an E4 column to a channel BVP with a rate; anything else is returned unchanged."""
    if found.fs is not None or found.names != (None,) or found.values.shape[-1] < 3:
        return found
    stamp, rate = map(float, found.values[0, :2])
    if not (_STAMPS[0] < stamp < _STAMPS[1] and RATES[0] <= rate <= RATES[1]):
        return found
    about = About(personal={"recorded": datetime.fromtimestamp(stamp, UTC).isoformat(timespec="seconds")})
    return replace(found, values=found.values[:, 2:], names=("BVP",), fs=rate, about=about)
