"""An ECG on paper as a compact SVG: true to scale in millimetres, and about ten kilobytes in size.

Strips, display filter and line simplification are those of ``ecggen.viz.ecg``. Coordinates are relative and in
hundredths of a millimetre, and the grid consists of two paths. A tracing for blinded reading does not state the
origin of the record.

The SVG is assembled here and not in a template: nearly all of it is computed coordinates. The texts that a caller
passes, ``mark`` and ``label``, are escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.viz.ecg import PAGE_SECONDS, Strip, arrange, displayed
from ecggen.viz.paper import COARSE, FINE, INK, PAPER, thinned

SPEED, GAIN = 25.0, 10.0
"""Paper speed in mm/s and gain in mm/mV of every tracing."""
LEFT, RIGHT, TOP = 10.0, 5.0, 5.0
"""Margins in mm to the left of the traces (with the calibration pulse), to the right and above."""
ROWS = 18.0, 45.0
"""Smallest and largest distance between two rows in mm."""
TOLERANCE = 0.06
"""Tolerance in mm of the line simplification: not visible in a line of 0.3 mm."""
BAND = (0.5, 40.0)
"""Pass band in Hz of every tracing."""


@dataclass(frozen=True)
class Trace:
    """A strip with its waveform in mm: ``x`` from the left edge, ``y`` upwards from the 0 mV level of the row."""

    strip: Strip
    x: np.ndarray
    y: np.ndarray


def tracing(ecg: ECG, record: int = 0, mark: str = "", true_scale: bool = False, label: str = "") -> str:
    """One ``<svg>`` element of up to ten seconds of one record at 25 mm/s and 10 mm/mV, filtered to 0.5–40 Hz.

    Args:
        ecg: Any leads; up to three are drawn as rows of ten seconds, more in the 3×4 layout with a rhythm strip.
        record: Index of the record in the batch.
        mark: Watermark, such as "SYNTHETIC"; none if empty.
        true_scale: Whether the size is given in millimetres, for printing to scale; otherwise it fills its container.
        label: Description for screen readers.
    """
    traces = _traces(ecg, record)
    heights, height = _rows(traces)
    width = LEFT + SPEED * PAGE_SECONDS + RIGHT
    size = f'width="{width:g}mm" height="{height:g}mm"' if true_scale else 'width="100%"'
    parts = [_grid(width, height), _watermark(mark, width, height)]
    parts += [_pulse(y) for y in heights]
    parts += [_ink(trace, heights[trace.strip.row]) for trace in traces]
    parts += [_name(trace, heights[trace.strip.row]) for trace in traces]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tracing" role="img" aria-label="{escape(label or "ECG")}" '
        f'{size} viewBox="0 0 {width:g} {height:g}">'
        f'<rect width="{width:g}" height="{height:g}" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )


def _traces(ecg: ECG, record: int) -> list[Trace]:
    wave = ecg.signal[record].detach().cpu().double().numpy()
    shown = displayed(np.where(np.isfinite(wave), wave, np.nan), ecg.fs, BAND)
    seconds = min(PAGE_SECONDS, ecg.seconds)
    return [_trace(strip, shown[ecg.leads.index(strip.lead)], ecg.fs) for strip in arrange(ecg.leads, "3x4", seconds)]


def _trace(strip: Strip, wave: np.ndarray, fs: float) -> Trace:
    first, last = round(strip.start * fs), round((strip.start + strip.seconds) * fs)
    y = GAIN * wave[first : last + 1]
    x = LEFT + SPEED * (strip.at + np.arange(len(y)) / fs)
    return Trace(strip, x, np.clip(y, -2 * ROWS[1], 2 * ROWS[1]))


def _rows(traces: list[Trace]) -> tuple[list[float], float]:
    """Distance in mm from the upper edge to the 0 mV level of each row, and to the lower edge."""
    count = 1 + max(trace.strip.row for trace in traces)
    up, down = np.full(count, 8.0), np.full(count, 4.0)
    for trace in traces:
        up[trace.strip.row] = max(up[trace.strip.row], np.nanmax(trace.y, initial=0))
        down[trace.strip.row] = max(down[trace.strip.row], -np.nanmin(trace.y, initial=0))
    up, down = np.minimum(up, ROWS[1]), np.minimum(down, ROWS[1])
    gaps = np.clip(np.ceil(down[:-1] + up[1:] + 2), *ROWS)
    at = np.cumsum([np.ceil(TOP + up[0]), *gaps])
    return [float(y) for y in at], float(5 * np.ceil((at[-1] + down[-1] + TOP) / 5))


def _grid(width: float, height: float) -> str:
    """The grid lines of 1 mm and 5 mm."""

    def lines(step: int, skip: int) -> str:
        upright = [f"M{x} 0v{height:g}" for x in range(0, int(width) + 1, step) if not skip or x % skip]
        level = [f"M0 {y}h{width:g}" for y in range(0, int(height) + 1, step) if not skip or y % skip]
        return "".join(upright + level)

    fine = f'<path d="{lines(1, 5)}" stroke="{FINE}" stroke-width=".1"/>'
    return f'<g fill="none">{fine}<path d="{lines(5, 0)}" stroke="{COARSE}" stroke-width=".17"/></g>'


def _pulse(y: float) -> str:
    """The calibration pulse of a row: 1 mV for 200 ms."""
    return f'<path d="M1.5 {y:g}h1.5v-{GAIN:g}h5v{GAIN:g}h1.5" fill="none" stroke="{INK}" stroke-width=".25"/>'


def _ink(trace: Trace, y: float) -> str:
    """The waveform as one path; gaps stay open."""
    steps = []
    for run in np.ma.clump_unmasked(np.ma.masked_invalid(trace.y)):
        points = thinned(trace.x[run], trace.y[run], TOLERANCE)
        at = np.round(100 * np.stack([points[:, 0], y - points[:, 1]], 1)).astype(int)
        moves = "".join(f"{dx} {dy} " for dx, dy in np.diff(at, axis=0))
        steps.append(f"M{at[0, 0]} {at[0, 1]}l{moves.strip() or '0 0'}")
    path = "".join(steps).replace(" -", "-")
    style = f'fill="none" stroke="{INK}" stroke-width="28" stroke-linejoin="round" stroke-linecap="round"'
    return f'<path transform="scale(.01)" {style} d="{path}"/>' if path else ""


def _name(trace: Trace, y: float) -> str:
    """The name of the lead above the beginning of its strip."""
    start = trace.y[trace.x < trace.x[0] + 8]
    above = float(np.clip(np.nanmax(start, initial=0) + 1.5, 6, 14))
    style = f'font-family="Helvetica, Arial, sans-serif" font-size="3.6" font-weight="bold" fill="{INK}"'
    halo = f'stroke="{PAPER}" stroke-width=".8" paint-order="stroke"'
    tick = f'<path d="M{trace.x[0]:g} {y - 4:g}v-3m0 14v-3" stroke="{INK}" stroke-width=".25"/>'
    name = f'<text x="{trace.x[0] + 1:g}" y="{y - above:g}" {style} {halo}>{trace.strip.name}</text>'
    return (tick if trace.strip.at > 0 else "") + name


def _watermark(text: str, width: float, height: float) -> str:
    """``text`` three times across the paper, pale and rotated."""
    if not text:
        return ""
    style = 'font-family="Helvetica, Arial, sans-serif" font-size="11" font-weight="bold" letter-spacing="2.5"'
    texts = []
    for number, share in enumerate((0.21, 0.5, 0.79)):
        x, y = round(share * width), round((0.35 if number % 2 else 0.7) * height)
        position = f'x="{x}" y="{y}" text-anchor="middle" transform="rotate(-18 {x} {y})"'
        texts.append(f"<text {position}>{escape(text)}</text>")
    return f'<g {style} fill="#00708f" fill-opacity=".1">{"".join(texts)}</g>'
