"""Empatica E4's column of samples: a start in seconds since 1970, a rate, then the samples.

The wristband's archive holds such a file for each sensor; ``BVP.csv`` is the PPG, at 64 Hz (its ``info.txt`` says so).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from ecggen.io.metadata import About
from ecggen.io.normalise import Found

RATES = (20.0, 2000.0)
"""Hz of a PPG: slower ones miss the rise of a pulse, faster ones are none."""

_STAMPS = (1e8, 1e10)  # 1973 to 2286


def without_stamp(found: Found) -> Found:
    """An E4 column as a channel BVP with a rate; anything else as it is."""
    if found.fs is not None or found.names != (None,) or found.values.shape[-1] < 3:
        return found
    stamp, rate = map(float, found.values[0, :2])
    if not (_STAMPS[0] < stamp < _STAMPS[1] and RATES[0] <= rate <= RATES[1]):
        return found
    about = About(personal={"recorded": datetime.fromtimestamp(stamp, UTC).isoformat(timespec="seconds")})
    return replace(found, values=found.values[:, 2:], names=("BVP",), fs=rate, about=about)
