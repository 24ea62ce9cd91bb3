"""A small plot of a score against its floor: a grey range for the floor, a dot with the interval for the score.

The SVG is assembled here and not in a template: a template would only repeat the computed coordinates. Its text
consists of numbers, so nothing in it needs to be escaped.
"""

from __future__ import annotations

import math

from ecggen.report.scores import Score

WIDTH, HEIGHT = 140.0, 18.0
"""Size of the plot in SVG units."""
EDGE = 5.0
RANGE, INK, DOT = "#c9ced6", "#7b8494", "#1f5fbf"


def gauge(score: Score) -> str:
    """One ``<svg>`` element; "" if the score has no floor or no finite value."""
    if score.value is None or score.floor is None or not math.isfinite(score.value):
        return ""
    low, high = _floor_range(score)
    ends = [score.value, low, high, *(score.interval or ())]
    ends = [end for end in ends if math.isfinite(end)]
    start, stop = min(0.0, *ends), max(ends)
    if stop <= start:
        return ""

    def at(value: float) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * (min(max(value, start), stop) - start) / (stop - start)

    level = HEIGHT / 2
    floor = (
        f'<rect x="{at(low):.1f}" y="2" width="{max(2.0, at(high) - at(low)):.1f}" height="14" rx="2" fill="{RANGE}"/>'
    )
    axis = f'<path d="M{EDGE:g} {level:g}H{WIDTH - EDGE:g}" stroke="{INK}" stroke-width=".7"/>'
    dot = f'<circle cx="{at(score.value):.1f}" cy="{level:g}" r="4" fill="{DOT}" stroke="#fff" stroke-width="1.2"/>'
    return (
        f'<svg class="gauge" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{_label(score, low, high)}">'
        f"{floor}{axis}{_whisker(score, at)}"
        f"{dot}</svg>"
    )


def _floor_range(score: Score) -> tuple[float, float]:
    """Range of the floor: from 0, or from its 5 % quantile, to its 95 % quantile or mean."""
    assert score.floor is not None
    if score.floor_low is not None:
        return score.floor_low, max(score.floor, score.floor_high or score.floor)
    return min(0.0, score.floor), score.floor if score.floor_high is None else score.floor_high


def _whisker(score: Score, at) -> str:
    if score.interval is None or not all(map(math.isfinite, score.interval)):
        return ""
    first, last = (at(end) for end in score.interval)
    return f'<path d="M{first:.1f} {HEIGHT / 2:g}H{last:.1f}" stroke="{DOT}" stroke-width="2.4"/>'


def _label(score: Score, low: float, high: float) -> str:
    inside = low <= (score.value or 0) <= high
    return f"{'within' if inside else 'outside'} the floor of {low:.3g} to {high:.3g}"
