"""Marks on an ECG page, as an SVG layer: P, QRS and T of every beat, or the R peaks with their uncertainty.

In both layouts all rows of a page show the same time at the same place if the record fills the page, so a mark is a
band over the whole height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.page.callipers import PIXELS_PER_MM
from ecggen.viz.ecg import PAGE_SECONDS, trace_start
from ecggen.viz.paper import HEAD, SIDE

WAVES = {
    "P": ("p_onset", "p_offset", "#1f6fb5"),
    "QRS": ("qrs_onset", "qrs_offset", "#b5541f"),
    "T": ("t_onset", "t_offset", "#3d7a2a"),
}
"""First and last mark, and colour, of each wave."""
LIFT = {"QRS": 20}
"""Pixels from the lower edge of the field to a name that would touch its neighbours; 6 for the others."""


@dataclass(frozen=True)
class Band:
    """A span of time on the page.

    Attributes:
        first: Start in s of the page.
        last: End in s of the page.
        colour: Its colour.
        name: Printed above it.
    """

    first: float
    last: float
    colour: str
    name: str = ""


@dataclass(frozen=True)
class Beat:
    """An R peak and how certain it is.

    Attributes:
        time: Time in s.
        spread: Standard deviation of the time in s.
        share: Probability that there is one.
    """

    time: float
    spread: float
    share: float


def waves(ecg: ECG) -> list[Band]:
    """P, QRS and T of the first ten seconds of one record: the median over the leads.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> sorted({band.name for band in waves(simulate(1, heart_rate=60))})
        ['P', 'QRS', 'T']
    """
    from ecggen.evaluators.delineator import delineate

    marks = delineate(ecg.crop(0, min(PAGE_SECONDS, ecg.seconds))).median_over_leads()
    return [
        Band(float(first), float(last), colour, name)
        for name, (begin, end, colour) in WAVES.items()
        for first, last in zip(marks[begin][0], marks[end][0], strict=True)
        if np.isfinite(first) and np.isfinite(last)
    ]


def beat_bands(beats: Sequence[Beat]) -> list[Band]:
    """Bands of two standard deviations to either side; those with a probability below 90 % are red."""
    bands = []
    for beat in beats:
        half = max(0.01, 2 * beat.spread if np.isfinite(beat.spread) else 0.05)
        certain = beat.share >= 0.9
        name = "" if certain else f"{100 * beat.share:.0f} %"
        bands.append(Band(beat.time - half, beat.time + half, "#1f6fb5" if certain else "#b3261e", name))
    return bands


def as_svg(bands: Sequence[Band], field_height: float, start: float = 0.0, speed: float = 25.0) -> str:
    """Bands as SVG in pixels of the page at its natural size.

    Args:
        bands: Spans of time.
        field_height: Height of the ruled field in mm.
        start: Start of the page in s.
        speed: Paper speed in mm/s.
    """
    top, height = HEAD * PIXELS_PER_MM, field_height * PIXELS_PER_MM
    parts = []
    for band in bands:
        first, last = max(band.first - start, 0.0), min(band.last - start, PAGE_SECONDS)
        if last <= first:
            continue
        x, width = ((SIDE + trace_start(speed) + speed * first) * PIXELS_PER_MM, speed * (last - first) * PIXELS_PER_MM)
        parts.append(
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{band.colour}" '
            f'fill-opacity=".16"/>'
        )
        if band.name:
            y = top + height - LIFT.get(band.name, 6)
            parts.append(
                f'<text x="{x + width / 2:.1f}" y="{y:.1f}" text-anchor="middle" font-size="13" '
                f'font-family="sans-serif" font-weight="bold" fill="{band.colour}">{band.name}</text>'
            )
    return "".join(parts)
