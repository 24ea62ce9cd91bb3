"""ECG paper: a page in millimetres with grid, traces, text and stamp, and its output to PNG, SVG and PDF.

One unit of the axes is one millimetre of paper, measured from the lower left corner of the ruled field, so that a
page printed at 100 % has true scale.
"""

from __future__ import annotations

import os
import re
import textwrap
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecggen.core.errors import InputError, argument

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

MM_PER_INCH = 25.4

POINT = MM_PER_INCH / 72
"""One typographic point in mm."""

DOTS_PER_MM = 6
"""Resolution of a bitmap (152.4 dpi); an integer, so that each grid line lies on a row of dots."""

EYE = 0.05
"""Tolerance in mm of the simplification of traces; it is invisible for a line of 0.3 mm."""

SOFT = 0.15
"""Tolerance in mm of the simplification of the edges of an interval."""

SIDE, HEAD, FOOT = 13.5, 25.0, 15.0
"""Margins of the ruled field in mm: sides, top, bottom. A field of 270 × 170 mm gives an A4 page."""

PAPER, FINE, COARSE = "#fffdf8", "#f8dcd7", "#eeb0a9"
"""Colours of the page, the 1 mm lines and the 5 mm lines."""

INK, FAINT = "#16181d", "#5d6470"
"""Colours of recorded leads and of small print."""

GENERATED = "#00708f"
"""Colour of generated leads; it differs from ink in greyscale and for all types of colour vision."""

FONT = "DejaVu Sans"
"""Font that is part of matplotlib, so that a page looks the same on every computer."""

MOST_COLORS, SAMPLED_DOTS = 2**16, 200_000
"""Colours of a page up to which its palette is found from a sample of its dots, and the size of the sample."""

FORMATS = (".png", ".svg", ".pdf")
"""Suffixes that ``save`` accepts."""


def blank_page(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a page with a ruled field of ``width`` × ``height`` mm; the axes span the field, in mm."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    page = width + 2 * SIDE, height + HEAD + FOOT
    inches = page[0] / MM_PER_INCH, page[1] / MM_PER_INCH
    figure = Figure(figsize=inches, dpi=DOTS_PER_MM * MM_PER_INCH, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((SIDE / page[0], FOOT / page[1], width / page[0], height / page[1]))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    _rule(axes, "grid-fine", _grid(width, height, step=1, skip=5), FINE, thick=0.12)
    _rule(axes, "grid-coarse", _grid(width, height, step=5), COARSE, thick=0.17)
    return figure, axes


def _grid(width: float, height: float, *, step: int, skip: int = 0) -> np.ndarray:
    """End points (2 · lines, 2) of the lines every ``step`` mm, except those every ``skip`` mm."""

    def positions(length: float) -> list[int]:
        return [at for at in range(0, int(length) + 1, step) if not (skip and at % skip == 0)]

    vertical = [end for x in positions(width) for end in ((x, 0), (x, height))]
    horizontal = [end for y in positions(height) for end in ((0, y), (width, y))]
    return np.array(vertical + horizontal, float)


def _rule(axes: Axes, name: str, ends: np.ndarray, color: str, *, thick: float) -> None:
    """Draw lines between successive pairs of ``ends`` as one path, which is faster and smaller than single lines."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    codes = np.tile([Outline.MOVETO, Outline.LINETO], len(ends) // 2)
    lines = PathPatch(Outline(ends, codes), fill=False, edgecolor=color, linewidth=thick / POINT, gid=name)
    # Not clipped, so that the outermost lines keep their width. Snapped, so that each line fills its row of dots.
    lines.set(clip_on=False, snap=True, zorder=0)
    axes.add_artist(lines)


def line(axes: Axes, x: np.ndarray, y: np.ndarray, color: str, gid: str) -> None:
    """Draw a trace through ``x``, ``y`` in mm; gaps (NaN) are left open."""
    gap = np.full((1, 2), np.nan)
    points = np.concatenate([gap, *(part for run in _runs(y) for part in (thinned(x[run], y[run]), gap))])
    (trace,) = axes.plot(points[:, 0], points[:, 1], color=color, linewidth=0.3 / POINT, gid=gid, zorder=3)
    trace.set(solid_joinstyle="round", solid_capstyle="round")


def interval(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, gid: str) -> None:
    """Fill the area between ``low`` and ``high`` in mm with a transparent colour."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    rings = []
    for run in _runs(low + high):
        lower, upper = (thinned(x[run], edge[run], SOFT) for edge in (low, high))
        rings.append(Outline(np.concatenate([lower, upper[::-1], lower[:1]]), closed=True))
    outline = Outline.make_compound_path(*rings)
    axes.add_patch(PathPatch(outline, facecolor=color, alpha=0.25, linewidth=0, gid=gid, zorder=2))


def _runs(y: np.ndarray) -> list[slice]:
    """The segments of ``y`` between its gaps."""
    return np.ma.clump_unmasked(np.ma.masked_invalid(y))


def thinned(x: np.ndarray, y: np.ndarray, tolerance: float = EYE) -> np.ndarray:
    """Simplify a polyline: points (n, 2) whose connection deviates at most ``tolerance`` in y from all points.

    Source: Douglas and Peucker 1973, with the vertical distance.

    Example:
        >>> thinned(np.arange(4.0), np.array([0.0, 0.0, 0.0, 1.0])).tolist()
        [[0.0, 0.0], [2.0, 0.0], [3.0, 1.0]]
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


def write(axes: Axes, x: float, y: float, text: str, size: float, **style: Any) -> None:
    """Write plain ``text`` at ``x``, ``y`` mm; no character is interpreted as mathematics or markup."""
    options = {"color": INK, "va": "baseline", "family": FONT, "zorder": 5} | style
    axes.text(x, y, _printable(text), fontsize=size, parse_math=False, usetex=False, **options)


def fitted(text: str, size: float, width: float, *, lines: int = 1, bold: bool = False) -> list[str]:
    """Break ``text`` into at most ``lines`` lines of at most ``width`` mm; "…" replaces the rest."""
    most = max(8, int(width / (0.3 * size * POINT)))
    text = " ".join(_printable(text).split())[: lines * most + 1]
    # Lines are broken by number of characters; take the largest number at which they fit, as widths differ.
    for count in range(most, 7, -1):
        wrapped = textwrap.wrap(text, count, max_lines=lines, placeholder=" …")
        if all(text_width(row, size, bold=bold) <= width for row in wrapped):
            return wrapped
    return []


@lru_cache(maxsize=512)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width in mm of a line of text of ``size`` points."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    face = get_font(findfont(FontProperties(family=FONT, weight="bold" if bold else "normal")))
    face.set_size(100, 72)  # large: at small sizes FreeType rounds every letter to whole points
    face.set_text(text)
    return face.get_width_height()[0] / 64 / 100 * size * POINT  # FreeType counts in 64ths of a point


def _printable(text: str) -> str:
    """``text`` with spaces in place of control characters, which are forbidden in SVG."""
    return "".join(" " if unicodedata.category(sign).startswith("C") else sign for sign in text)


def write_name(axes: Axes, x: float, y: float, text: str, color: str, *, italic: bool) -> None:
    """Write the name of a lead with a halo in the colour of the paper, so that it is legible on a trace."""
    from matplotlib.patheffects import withStroke

    style = {"weight": "bold", "style": "italic" if italic else "normal", "color": color}
    halo = [withStroke(linewidth=0.8 / POINT, foreground=PAPER)]
    write(axes, x, y, text, 9.5, path_effects=halo, gid=f"name-{text}", **style)


def parting(axes: Axes, x: float, baseline: float) -> None:
    """Draw two small ticks at ``x``, where one lead ends and the next begins."""
    for end in (4, -4):
        ends = baseline + end, baseline + 1.6 * end
        axes.plot((x, x), ends, color=INK, linewidth=0.25 / POINT, solid_capstyle="butt", gid="parting")


def legend(axes: Axes, entries: Sequence[tuple[str, str, bool]]) -> None:
    """Draw a legend above the field; an entry is a text, its colour, and whether it has a prediction interval."""
    x, y = 0.0, axes.get_ylim()[1] + 2
    for text, color, has_interval in entries:
        for thick, alpha in ((2.6, 0.25), (0.5, 1)) if has_interval else ((0.5, 1),):
            (dash,) = axes.plot((x, x + 6), (y + 1, y + 1), color=color, linewidth=thick / POINT, alpha=alpha)
            dash.set(solid_capstyle="butt", clip_on=False, gid="legend-dash")
        write(axes, x + 7.5, y, text, 8, color=color, gid="legend")
        x += 7.5 + text_width(text, 8) + 6


def stamp(axes: Axes, word: str, text: str) -> float:
    """Draw a framed stamp above the upper right corner of the field, ``word`` over ``text``; return its width in mm."""
    from matplotlib.patches import Rectangle

    spaced = " ".join(word)
    width = max(text_width(spaced, 15, bold=True), text_width(text, 7)) + 9
    left, bottom, high = axes.get_xlim()[1] - width, axes.get_ylim()[1] + 5.5, 13.5
    for inset, thick in ((0, 0.45), (0.9, 0.15)):
        corner, size = (left + inset, bottom + inset), (width - 2 * inset, high - 2 * inset)
        frame = Rectangle(corner, *size, fill=False, edgecolor=GENERATED, linewidth=thick / POINT, gid="stamp")
        axes.add_artist(frame).set_clip_on(False)
    write(
        axes, left + width / 2, bottom + 6.1, spaced, 15, color=GENERATED, weight="bold", ha="center", gid="stamp-word"
    )
    write(axes, left + width / 2, bottom + 2.6, text, 7, color=GENERATED, ha="center", gid="stamp-words")
    return width


def watermark(axes: Axes, word: str) -> None:
    """Repeat ``word``, pale and slanted, over the field, so that every cropped part of a page shows it."""
    (_, width), (_, height) = axes.get_xlim(), axes.get_ylim()
    style = {"color": GENERATED, "alpha": 0.09, "weight": "bold", "rotation": 18, "zorder": 1, "gid": "watermark"}
    centred = {"rotation_mode": "anchor", "ha": "center", "va": "center", "clip_on": True}
    count = max(1, int(width // 80))
    for row, y in enumerate(np.arange(25, height, 40)):
        # Alternate rows are shifted by half a distance.
        for column in np.arange(count - row % 2) + (1 + row % 2) / 2:
            write(axes, column * width / count, float(y), " ".join(word), 17, **style, **centred)


def save(figure: Figure, path: str | Path, overwrite: bool = False) -> Path:
    """Write a figure as PNG, SVG or PDF.

    The provenance, which ``draw`` stores as the label of the figure, is written to the metadata of the file. The file
    is written under a temporary name and then renamed, so that a failure leaves no incomplete file.

    Args:
        figure: A figure of ``draw``.
        path: Output file; the suffix (.png, .svg or .pdf) determines the format.
        overwrite: Whether to replace an existing file.

    Returns:
        The path of the file.

    Raises:
        InputError: If the suffix is another one, the folder does not exist, or the file exists already.

    Example:
        >>> import tempfile
        >>> from ecggen.core.simulate import simulate
        >>> from ecggen.viz import draw
        >>> folder = tempfile.TemporaryDirectory()
        >>> save(draw(simulate(1)), Path(folder.name) / "simulated.png").name
        'simulated.png'
        >>> folder.cleanup()
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"the suffix of {path.name} is {path.suffix!r}", f"one of {', '.join(FORMATS)} was expected")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}", do="create it first")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists", do=f"choose another name, or pass {argument(overwrite=True)}")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _print(figure, unfinished, path.suffix.lower()[1:])
        os.replace(unfinished, path)  # noqa: PTH105
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _print(figure: Figure, path: Path, kind: str) -> None:
    """Write the page to a file; the same page gives the same bytes (no dates, no random names)."""
    from matplotlib import rc_context

    about = _printable(str(figure.get_label()))
    if kind == "png":
        _print_bitmap(figure, path, about)
        return
    dateless = {
        "svg": {"Creator": "ecggen", "Description": about, "Date": None},
        "pdf": {"Creator": "ecggen", "Subject": about, "CreationDate": None},
    }
    # pdf.fonttype 42: text can be searched and copied. svg.hashsalt: names inside the file do not change.
    with rc_context({"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "ecggen"}):
        figure.savefig(path, format=kind, metadata=dateless[kind])
    if kind == "svg":
        path.write_text(_shortened(path.read_text("utf-8")), "utf-8")


def _shortened(svg: str) -> str:
    """``svg`` with the paths rounded to hundredths of a point, 4 µm on paper; matplotlib writes six digits."""

    def path(found: re.Match[str]) -> str:
        rounded = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", found[0])
        return re.sub(r"\s*\n", "", rounded)

    return re.sub(r'(?<= )d="[MLQCz\d\s.-]*"', path, svg)


def _print_bitmap(figure: Figure, path: Path, about: str) -> None:
    """Write the page as a PNG of 256 colours, which suffice and take a third of the size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import PngImagePlugin

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Software", "ecggen")
    notes.add_itxt("Description", about)
    dots = _with_palette(np.ascontiguousarray(canvas.buffer_rgba()))
    dots.save(path, "PNG", dpi=(figure.dpi, figure.dpi), pnginfo=notes)


def _with_palette(dots: np.ndarray) -> Image:
    """An opaque picture (row, column, 4) of bytes with a palette of 256 colours, by median cut.

    A page has some thousand colours on millions of dots. The palette is that of a sample of the dots, in which each
    colour has its share, at least one; each colour is then looked up.
    """
    from PIL import Image

    whole = Image.fromarray(dots)
    colors = whole.getcolors(MOST_COLORS)
    if colors is None:
        return whole.convert("RGB").quantize(256)
    counts, values = np.array([count for count, _ in colors]), np.array([color for _, color in colors], np.uint8)
    repeats = np.ceil(counts * (SAMPLED_DOTS / counts.sum())).astype(int)
    sample = Image.fromarray(np.repeat(values[:, :3], repeats, 0)[None]).quantize(256)
    place = np.zeros(2**24, np.uint8)
    place[_as_numbers(values)] = np.asarray(sample)[0, np.cumsum(repeats) - 1]
    made = Image.fromarray(place[_as_numbers(dots)])
    made.putpalette(sample.getpalette() or [])
    return made


def _as_numbers(colors: np.ndarray) -> np.ndarray:
    """Red, green and blue of colours (…, 4) as one number each, below 2²⁴."""
    return colors.view("<u4")[..., 0] & 0xFFFFFF
