"""Picture of the beats of a PPG: the wave, the R peaks with the uncertainty of their times, and refused parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

ROW, MOST_ROWS = 10.0, 6
"""Seconds of a row, and largest number of rows."""
SURE = 0.9
"""Probability of a beat from which it is not labelled."""
BLACK, RED, GREY = "#16181d", "#c2261d", "#9a9a92"


def draw_beats(
    wave: np.ndarray,
    fs: float,
    times: np.ndarray,
    deviations: np.ndarray,
    probabilities: np.ndarray,
    refused: Sequence[tuple[float, float, str]] = (),
    title: str = "",
) -> Figure:
    """Draw the first minute of a PPG with its beats.

    Args:
        wave: (time,) PPG; NaN in gaps.
        fs: Its sampling rate in Hz.
        times: (beat,) R peaks in s.
        deviations: (beat,) standard deviation of each time in s.
        probabilities: (beat,) probability of each beat.
        refused: Start and end in s and reason of refused parts.
        title: A line above the picture.

    Example:
        >>> figure = draw_beats(np.sin(np.arange(1000) / 15), 100, np.array([1.0]), np.array([0.02]), np.array([0.5]))
        >>> len(figure.axes)
        1
    """
    rows = min(MOST_ROWS, max(1, int(np.ceil(len(wave) / fs / ROW - 1e-6))))
    figure = Figure(figsize=(11.7, 0.9 + 1.1 * rows), dpi=150)
    axes = figure.subplots(rows, squeeze=False)[:, 0]
    seconds = np.arange(len(wave)) / fs
    for row, own in enumerate(axes):
        start = row * ROW
        part = (seconds >= start) & (seconds < start + ROW)
        shown = wave[part]
        low, high = np.nanquantile(shown, [0.01, 0.99]) if np.isfinite(shown).any() else (0.0, 1.0)
        height = max(float(high - low), 1e-6)
        own.plot(seconds[part], (shown - low) / height, color=GREY, lw=0.9)
        for begin, end, reason in refused:
            if begin < start + ROW and end > start:
                own.axvspan(max(begin, start), min(end, start + ROW), color=RED, alpha=0.12, lw=0)
                own.text(max(begin, start) + 0.05, 1.5, f"refused: {reason}", color=RED, fontsize=6.5, va="top")
        for at, sd, sure in zip(times, deviations, probabilities, strict=True):
            if start <= at < start + ROW:
                colour = BLACK if sure >= SURE else RED
                own.plot([at, at], [1.05, 1.3], color=colour, lw=1.2)
                own.plot([at - 2 * sd, at + 2 * sd], [1.05, 1.05], color=colour, lw=2.4, solid_capstyle="butt")
                if sure < SURE:
                    own.text(at, 1.32, f"{100 * sure:.0f} %", color=colour, fontsize=6, ha="center", va="bottom")
        own.set_xlim(start, start + ROW)
        own.set_ylim(-0.25, 1.6)
        own.set_yticks([])
        own.tick_params(labelsize=7)
        for side in ("top", "right", "left"):
            own.spines[side].set_visible(False)
    axes[-1].set_xlabel(
        "s.  Grey: recorded PPG.  Ticks: estimated R peaks, ±2 standard deviations of their times, "
        "up to a constant delay that is not known.\n"
        "Red: the probability that an R peak lies within 50 ms is below 90 %.  Not for diagnosis.",
        fontsize=7,
    )
    if title:
        axes[0].set_title(title, fontsize=9, loc="left", parse_math=False)
    figure.tight_layout()
    return figure
