"""A score beside its floor in one small drawing: a grey band for reality against itself, a dot with its interval."""

from __future__ import annotations

import math

from ecggen.report.scores import Score

WIDTH, HEIGHT = 140.0, 18.0
"""Of the drawing, in its own units."""
EDGE = 5.0
BAND, INK, DOT = "#c9ced6", "#7b8494", "#1f5fbf"


def gauge(score: Score) -> str:
    """One ``<svg>`` element; "" where there is no floor to compare with."""
    if score.value is None or score.floor is None or not math.isfinite(score.value):
        return ""
    low, high = _band(score)
    ends = [score.value, low, high, *(score.interval or ())]
    ends = [end for end in ends if math.isfinite(end)]
    start, stop = min(0.0, *ends), max(ends)
    if stop <= start:
        return ""

    def at(value: float) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * (min(max(value, start), stop) - start) / (stop - start)

    middle = HEIGHT / 2
    band = (
        f'<rect x="{at(low):.1f}" y="2" width="{max(2.0, at(high) - at(low)):.1f}" height="14" rx="2" fill="{BAND}"/>'
    )
    axis = f'<path d="M{EDGE:g} {middle:g}H{WIDTH - EDGE:g}" stroke="{INK}" stroke-width=".7"/>'
    dot = f'<circle cx="{at(score.value):.1f}" cy="{middle:g}" r="4" fill="{DOT}" stroke="#fff" stroke-width="1.2"/>'
    return (
        f'<svg class="gauge" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{_words(score, low, high)}">'
        f"{band}{axis}{_whisker(score, at)}"
        f"{dot}</svg>"
    )


def _band(score: Score) -> tuple[float, float]:
    """The floor's band: from its mean, or from 0, to what 95 % of the splits stay below or above."""
    assert score.floor is not None
    if score.floor_low is not None:
        return score.floor_low, max(score.floor, score.floor_high or score.floor)
    return min(0.0, score.floor), score.floor if score.floor_high is None else score.floor_high


def _whisker(score: Score, at) -> str:
    if score.interval is None or not all(map(math.isfinite, score.interval)):
        return ""
    first, last = (at(end) for end in score.interval)
    return f'<path d="M{first:.1f} {HEIGHT / 2:g}H{last:.1f}" stroke="{DOT}" stroke-width="2.4"/>'


def _words(score: Score, low: float, high: float) -> str:
    inside = low <= (score.value or 0) <= high
    return f"{'within' if inside else 'outside'} the floor of {low:.3g} to {high:.3g}"
