"""Measured intervals for files, without loading what measures them where a format has no place for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecggen.core.ecg import ECG
    from ecggen.io.metadata import Measurements


def measure(ecg: ECG, suffix: str) -> Measurements | None:
    """As ``ecggen.metrics.certain_intervals.measure``."""
    from ecggen.io.metadata import HOLDS_MEASUREMENTS

    if suffix not in HOLDS_MEASUREMENTS:
        return None
    from ecggen.metrics.certain_intervals import measure as measured

    return measured(ecg, suffix)
