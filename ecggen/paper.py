"""Electrocardiograph paper: a page measured in millimetres, with its grid, its words and its stamp.

One unit of the page's axes is one millimetre of paper, counted from the lower left corner of the ruled field,
so that a page printed at 100 % has true scale. What is drawn on it is no concern of this module.
"""

from __future__ import annotations

import os
import textwrap
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecggen.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM_PER_INCH = 25.4

NAME_TOP = 11.5
"""Height in mm above a baseline that the lead's name reaches."""

EYE = 0.03
"""Distance in mm that no eye sees beside a line of 0.3 mm: points nearer than this are not drawn."""

FORMATS = ("png", "svg", "pdf")
"""What ``save`` writes."""

DOTS_PER_MM = 6
"""Resolution of a bitmap: a whole number, so that each grid line falls on a row of dots (152.4 dpi)."""

SIDE, HEAD, FOOT = 13.5, 25.0, 15.0
"""Margins of the ruled field in mm: at the sides, above, below. A field of 270 × 170 makes an A4 page."""

PAPER, FINE, COARSE = "#fffdf8", "#f8dcd7", "#eeb0a9"
"""Colours of the page, of the 1 mm lines and of the 5 mm lines."""

INK, FAINT = "#16181d", "#5d6470"
"""Colours of what was measured and of small print."""

MADE = "#00708f"
"""Colour of what a model made: lighter than ink when printed in grey, apart from it to every kind of eye."""

FONT = "DejaVu Sans"
"""Comes with matplotlib: a page looks the same on every machine."""

POINT = MM_PER_INCH / 72
"""One typographic point in mm."""


def blank_page(width: float, height: float) -> tuple[Figure, Axes]:
    """A page with a ruled field of ``width`` × ``height`` mm; the axes span the field, one unit to the mm."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    page = np.array([width + 2 * SIDE, height + HEAD + FOOT])
    figure = Figure(figsize=tuple(page / MM_PER_INCH), dpi=DOTS_PER_MM * MM_PER_INCH, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((SIDE / page[0], FOOT / page[1], width / page[0], height / page[1]))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    _rule(axes, "grid-fine", _grid(width, height, step=1, skip=5), FINE, width_mm=0.12)
    _rule(axes, "grid-coarse", _grid(width, height, step=5), COARSE, width_mm=0.17)
    return figure, axes


def _grid(width: float, height: float, *, step: int, skip: int = 0) -> np.ndarray:
    """Ends of the lines every ``step`` mm, but not every ``skip`` mm: (2 · lines, 2)."""

    def places(length: float) -> list[int]:
        return [at for at in range(0, int(length) + 1, step) if not (skip and at % skip == 0)]

    upright = [end for x in places(width) for end in ((x, 0), (x, height))]
    level = [end for y in places(height) for end in ((0, y), (width, y))]
    return np.array(upright + level, float)


def _rule(axes: Axes, name: str, ends: np.ndarray, color: str, *, width_mm: float) -> None:
    """Straight lines between each two of ``ends``, as one path: hundreds of them would be slow and heavy."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    codes = np.tile([Outline.MOVETO, Outline.LINETO], len(ends) // 2)
    lines = PathPatch(Outline(ends, codes), fill=False, edgecolor=color, linewidth=width_mm / POINT, gid=name)
    # Not clipped: the outermost lines keep their whole width. Snapped: each line fills its row of dots.
    lines.set(clip_on=False, snap=True, zorder=0)
    axes.add_artist(lines)


def write(axes: Axes, x: float, y: float, text: str, size: float = 8, **style: Any) -> None:
    """``text`` as it stands, at ``x``, ``y`` mm: no character of it is taken for mathematics or markup."""
    options = {"color": INK, "va": "baseline", "family": FONT, "zorder": 5} | style
    axes.text(x, y, _printable(text), fontsize=size, parse_math=False, usetex=False, **options)


def fitted(text: str, size: float, width: float, *, lines: int = 1, bold: bool = False) -> list[str]:
    """``text`` broken into at most ``lines`` lines no wider than ``width`` mm; "…" stands for the rest."""
    text = " ".join(_printable(text).split())
    # Lines are broken by count, so the widest count is sought at which they fit: capitals need more room.
    for count in range(max(8, int(width / (0.4 * size * POINT))), 7, -2):
        broken = textwrap.wrap(text, count, max_lines=lines, placeholder=" …")
        if all(text_width(line, size, bold=bold) <= width for line in broken):
            return broken
    return []


@lru_cache(maxsize=512)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width in mm of a line of ``size`` points."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    face = get_font(findfont(FontProperties(family=FONT, weight="bold" if bold else "normal")))
    face.set_size(size, 72)
    face.set_text(text)
    return face.get_width_height()[0] / 64 * POINT  # FreeType counts in 64ths of a point


def _printable(text: str) -> str:
    """``text`` with blanks for control characters, which are forbidden in SVG."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def line(axes: Axes, x: np.ndarray, y: np.ndarray, color: str, gid: str) -> None:
    """A trace through ``x``, ``y`` in mm; a gap (NaN) stays open."""
    runs = [thinned(x[run], y[run]) for run in _runs(y)]
    gap = np.full((1, 2), np.nan)
    points = np.concatenate([part for run in runs for part in (run, gap)] or [gap])
    axes.plot(*points.T, color=color, linewidth=0.3 / POINT, gid=gid, zorder=3,
              solid_joinstyle="round", solid_capstyle="round")  # fmt: skip


def band(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, gid: str) -> None:
    """A soft fill between ``low`` and ``high``, in mm."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    rings = []
    for run in _runs(low + high):
        ring = np.concatenate([thinned(x[run], low[run], 2 * EYE), thinned(x[run], high[run], 2 * EYE)[::-1]])
        rings.append(Outline(np.concatenate([ring, ring[:1]]), closed=True))
    fill = PathPatch(Outline.make_compound_path(*rings), facecolor=color, alpha=0.25, linewidth=0, gid=gid)
    axes.add_patch(fill).set_zorder(2)


def _runs(y: np.ndarray) -> list[slice]:
    """The stretches of ``y`` between its gaps."""
    return np.ma.clump_unmasked(np.ma.masked_invalid(y))


def thinned(x: np.ndarray, y: np.ndarray, tolerance: float = EYE) -> np.ndarray:
    """Nearly the fewest of the points (n, 2) whose straight joins pass all within ``tolerance`` in y.

    Source: Douglas and Peucker 1973, with the vertical distance.
    """
    keep = np.zeros(len(x), bool)
    keep[[0, -1]] = True
    spans = [(0, len(x) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        share = (x[first : last + 1] - x[first]) / (x[last] - x[first])
        off = np.abs(y[first : last + 1] - y[first] - share * (y[last] - y[first]))
        worst = first + int(off.argmax())
        if off[worst - first] > tolerance:
            keep[worst] = True
            spans += [(first, worst), (worst, last)]
    return np.stack([x[keep], y[keep]], -1)


def label(axes: Axes, x: float, baseline: float, text: str, color: str, *, italic: bool, parted: bool) -> None:
    """A lead's name at its beginning ``x``; where it is ``parted`` from the lead before, with two small ticks."""
    from matplotlib.patheffects import withStroke

    for end in (4, -4) if parted else ():
        ends = baseline + end, baseline + 1.6 * end
        axes.plot((x, x), ends, color=INK, linewidth=0.25 / POINT, solid_capstyle="butt", gid="parting")
    # A halo of paper keeps the name legible on a trace.
    halo = [withStroke(linewidth=0.8 / POINT, foreground=PAPER)]
    style = "italic" if italic else "normal"
    write(axes, x + 1, baseline + NAME_TOP - 2.5, text, 9.5, color=color, weight="bold", style=style,
          path_effects=halo, gid=f"name-{text}")  # fmt: skip


def legend(axes: Axes, entries: list[tuple[str, str, bool]]) -> None:
    """Side by side above the field: words, with a dash of their colour, and whether it has a band."""
    x, y = 0.0, axes.get_ylim()[1] + 2.2
    for text, color, banded in entries:
        for mm, alpha in ((2.6, 0.25), (0.5, 1)) if banded else ((0.5, 1),):
            axes.plot((x, x + 6), (y + 1, y + 1), color=color, linewidth=mm / POINT, alpha=alpha,
                      solid_capstyle="butt", clip_on=False, gid="legend-dash")  # fmt: skip
        write(axes, x + 7.5, y, text, 8, color=color, gid="legend")
        x += 7.5 + text_width(text, 8) + 6


def stamp(axes: Axes, word: str, line: str) -> float:
    """A ruled stamp above the upper right corner of the field, ``word`` over ``line``; its width in mm."""
    from matplotlib.patches import Rectangle

    spaced = "\u2009".join(word)
    width = max(text_width(spaced, 15, bold=True), text_width(line, 7)) + 9
    left, bottom, high = axes.get_xlim()[1] - width, axes.get_ylim()[1] + 4.5, 13.5
    for inset, thick in ((0, 0.45), (0.9, 0.15)):
        corner, size = (left + inset, bottom + inset), (width - 2 * inset, high - 2 * inset)
        frame = Rectangle(corner, *size, fill=False, edgecolor=MADE, linewidth=thick / POINT, gid="stamp")
        axes.add_artist(frame).set_clip_on(False)
    write(axes, left + width / 2, bottom + 6.1, spaced, 15, color=MADE, weight="bold", ha="center")
    write(axes, left + width / 2, bottom + 2.6, line, 7, color=MADE, ha="center")
    return width


def watermark(axes: Axes, word: str) -> None:
    """``word`` pale and aslant, over and over the field: it stays with every part that is cut out."""
    (_, width), (_, height) = axes.get_xlim(), axes.get_ylim()
    spaced = "\u2009".join(word)
    for row, y in enumerate(np.arange(20, height, 40)):
        for x in np.arange(25 if row % 2 else 70, width, 90):
            write(axes, x, y, spaced, 17, color=MADE, alpha=0.09, weight="bold", rotation=18,
                  rotation_mode="anchor", ha="center", va="center", zorder=1, clip_on=True)  # fmt: skip


def save(figure: Figure, path: str | Path, overwrite: bool = False) -> Path:
    """Write a page as PNG, SVG or PDF, as the name's ending says; the figure's label goes into its metadata.

    The file is written beside its place and then renamed: a failure leaves nothing half written.

    Raises:
        InputError: On another ending, a folder that is not there, or a file that is there already.
    """
    path = Path(path)
    kind = path.suffix.lower()[1:]
    if kind not in FORMATS:
        raise InputError(f"{path.name} ends in {path.suffix!r}", f"one of {', '.join(FORMATS)} was expected")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}", do="make it first")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists", do="choose another name, or allow overwriting")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _print(figure, unfinished, kind)
        os.replace(unfinished, path)  # noqa: PTH105
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _print(figure: Figure, path: Path, kind: str) -> None:
    """The page as a file; the same page gives the same bytes (no dates, no random names)."""
    from matplotlib import rc_context

    about = str(figure.get_label())
    metadata = {
        "png": {"Software": "ecggen", "Description": about},
        "svg": {"Creator": "ecggen", "Description": about, "Date": None},
        "pdf": {"Creator": "ecggen", "Subject": about, "CreationDate": None},
    }[kind]
    # pdf.fonttype 42: words can be searched and copied. svg.hashsalt: names inside the file do not change.
    with rc_context({"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "ecggen"}):
        figure.savefig(path, format=kind, dpi=figure.dpi, metadata=metadata)
