"""Callipers on ECG paper: two points in millimetres of the page, and the time, voltage and rate between them.

The page is that of ``ecggen.viz``, as an SVG that a browser shows at 96 pixels an inch when it is not scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

PIXELS_PER_MM = 96 / 25.4
"""Pixels of a page at its natural size."""
COLOUR = "#9c2f00"

Point = tuple[float, float]
"""x to the right and y downwards in mm of the page."""


@dataclass(frozen=True)
class Callipers:
    """Two points of a page.

    Attributes:
        start: The first one.
        end: The second one.
        speed: Paper speed in mm/s.
        gain: Height of 1 mV in mm.
    """

    start: Point
    end: Point
    speed: float = 25.0
    gain: float = 10.0

    @property
    def ms(self) -> float:
        """Distance in time in ms."""
        return 1000 * abs(self.end[0] - self.start[0]) / self.speed

    @property
    def mv(self) -> float:
        """Difference in mV, positive upwards from the first point."""
        return (self.start[1] - self.end[1]) / self.gain

    @property
    def per_minute(self) -> float | None:
        """The distance as a rate per minute; None below 100 ms, which no heart reaches."""
        return 60_000 / self.ms if self.ms >= 100 else None

    def text(self) -> str:
        """The three values.

        Example:
            >>> Callipers((10, 50), (30, 38)).text()
            '800 ms · 1.20 mV · 75 per minute'
        """
        rate = "" if self.per_minute is None else f" · {self.per_minute:.0f} per minute"
        return f"{self.ms:.0f} ms · {self.mv:.2f} mV{rate}"

    def svg(self) -> str:
        """The callipers as SVG in pixels of the page at its natural size."""
        (x0, y0), (x1, y1) = ((x * PIXELS_PER_MM, y * PIXELS_PER_MM) for x, y in (self.start, self.end))
        top, bottom = min(y0, y1) - 40, max(y0, y1) + 40
        upright = "".join(f"M{x:.1f} {top:.1f}V{bottom:.1f}" for x in (x0, x1))
        level = f"M{x0:.1f} {y0:.1f}H{x1:.1f}V{y1:.1f}"
        at, above = (x0 + x1) / 2, max(14.0, top - 6)
        return (
            f'<path d="{upright}{level}" fill="none" stroke="{COLOUR}" stroke-width="1.6"/>'
            f'<circle cx="{x0:.1f}" cy="{y0:.1f}" r="4" fill="{COLOUR}"/>'
            f'<circle cx="{x1:.1f}" cy="{y1:.1f}" r="4" fill="{COLOUR}"/>'
            f'<text x="{at:.1f}" y="{above:.1f}" text-anchor="middle" font-family="sans-serif" font-size="17" '
            f'font-weight="bold" fill="{COLOUR}" stroke="#fffdf8" stroke-width="5" paint-order="stroke">'
            f"{self.text()}</text>"
        )


def moved(point: Point, key: str, fine: bool) -> Point | None:
    """``point`` moved by an arrow key: by 1 mm, or 0.2 mm if ``fine``; None for another key.

    Example:
        >>> moved((10.0, 20.0), "ArrowLeft", False), moved((10.0, 20.0), "a", False)
        ((9.0, 20.0), None)
    """
    step = 0.2 if fine else 1.0
    ways = {"ArrowLeft": (-step, 0), "ArrowRight": (step, 0), "ArrowUp": (0, -step), "ArrowDown": (0, step)}
    if key not in ways:
        return None
    dx, dy = ways[key]
    return point[0] + dx, point[1] + dy
