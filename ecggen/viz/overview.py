"""Overview of a long recording: heart rate, irregularity, certainty of the beats and prediction interval over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecggen.viz.paper import FAINT, GENERATED, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = (
    ("rate", "heart rate (per min)"),
    ("irregularity", "irregularity of RR"),
    ("certain", "certain beats (share)"),
    ("half_width", "interval (± mV)"),
    ("widening", "widening (factor)"),
)
"""Measurement of a ``Moment`` and its title, from top to bottom."""
POINTS = 900
"""Largest number of points of a curve; more are joined to their median, with the range of the middle 80 % beside."""


@dataclass(frozen=True)
class Moment:
    """Measurements of a short part of a recording; NaN where there is none.

    Attributes:
        start: Start in seconds.
        rate: Heart rate per minute.
        irregularity: Mean absolute difference of successive RR intervals divided by their mean.
        certain: Share of the time in which beats are certain (``ecggen.io.signal_quality``).
        half_width: Half of the mean width of the prediction interval of the generated leads in mV.
        widening: Factor by which the interval is wider than that of a recording like the training data.
    """

    start: float
    rate: float
    irregularity: float
    certain: float
    half_width: float
    widening: float = float("nan")


def draw_overview(moments: Sequence[Moment], title: str, chosen: Sequence[float] = ()) -> Figure:
    """Draw the measurements of a recording over its whole time.

    Args:
        moments: At equal distances in time.
        title: A line above the panels.
        chosen: Times in seconds that are marked.

    Returns:
        A matplotlib figure with a panel for each measurement that exists.

    Example:
        >>> figure = draw_overview([Moment(10.0 * i, 60 + i % 7, 0.03, 1.0, 0.05) for i in range(360)], "holter")
        >>> len(figure.axes)
        4
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    hours = np.array([moment.start for moment in moments]) / 3600
    values = {name: np.array([getattr(moment, name) for moment in moments], float) for name, _ in PANELS}
    shown = [(name, text) for name, text in PANELS if np.isfinite(values[name]).any()]
    figure = Figure(figsize=(11, 1.2 + 1.75 * len(shown)), dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{title}: SYNTHETIC leads; not for diagnosis", color=INK)
    for row, (name, text) in enumerate(shown):
        axes = figure.add_subplot(len(shown), 1, row + 1)
        at, low, middle, high = _joined(hours, values[name])
        color = GENERATED if name in ("half_width", "widening") else INK
        axes.fill_between(at, low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot(at, middle, color=color, linewidth=0.9)
        for time in chosen:
            axes.axvline(time / 3600, color=FAINT, linewidth=0.8, linestyle=":")
        axes.set_ylabel(text, fontsize=8)
        axes.set_xlim(hours[0], hours[-1] if len(hours) > 1 else hours[0] + 1)
        axes.tick_params(labelsize=8)
        axes.grid(color="#e6e6e6", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if name != "rate":
            axes.set_ylim(bottom=0)
    figure.axes[-1].set_xlabel("hours from the start", fontsize=8)
    return figure


def _joined(at: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """At most ``POINTS`` times, and 10th percentile, median and 90th percentile of the values around each."""
    size = -(-len(at) // POINTS)
    pieces = [values[first : first + size] for first in range(0, len(at), size)]
    with np.errstate(all="ignore"):
        found = [np.nanpercentile(p, [10, 50, 90]) if np.isfinite(p).any() else np.full(3, np.nan) for p in pieces]
    low, middle, high = np.array(found).T
    return at[::size], low, middle, high
