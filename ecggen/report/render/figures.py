"""Figures of the report: what is real in ink, what is synthetic in blue, what reality itself leaves open in grey.

Each function gives one ``svg`` element as text, without scripts, links or fixed size, so that a page can hold many
of them and scale them. Lines differ in kind as well as in colour: real ones are solid, synthetic ones dashed.
"""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

INK, BLUE, GREY, AREA = "#2b2b2b", "#1f5fbf", "#dfe1e5", "#b9bdc4"
"""Real, synthetic, floor, and real where it is an area."""
REAL: dict[str, Any] = {"color": INK, "linewidth": 1.3}
SYNTHETIC: dict[str, Any] = {"color": BLUE, "linewidth": 1.3, "dashes": (4, 1.5)}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ecggen",
    "font.family": ["sans-serif"],
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.titlesize": 8,
    "legend.frameon": False,
    "path.simplify_threshold": 0.4,
}
"""How matplotlib draws here; nothing of the program's own settings is changed."""
POINTS = 120
"""Points of a curve: more cannot be seen and make the page heavy."""


def panels(number: int, across: int = 4, width: float = 1.9, height: float = 1.5) -> tuple[Drawing, list[Axes]]:
    """A drawing of ``number`` panels, ``across`` in a row, each of so many inches."""
    from matplotlib.figure import Figure as Drawing

    across = min(across, number)
    down = math.ceil(number / across)
    drawing = Drawing(figsize=(across * width + 0.3, down * height + 0.3), layout="constrained")
    axes = [drawing.add_subplot(down, across, at + 1) for at in range(number)]
    return drawing, axes


def as_svg(drawing: Drawing, label: str) -> str:
    """The drawing as one ``svg`` element that a screen reader reads as ``label``."""
    import matplotlib

    held = io.StringIO()
    with matplotlib.rc_context(STYLE):
        drawing.savefig(held, format="svg", transparent=True, metadata={"Date": None})
    text = held.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"<[^>]*>", _shortened, text)  # coordinates only: what is written on an axis stays as it is
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = text.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
    return re.sub(r"\n\s*", "\n", text).strip()


def _shortened(tag: re.Match[str]) -> str:
    """A tag with its coordinates to a tenth of a point."""
    return re.sub(r"-?\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}", tag[0])


def distributions(
    sets: Mapping[str, tuple[np.ndarray, np.ndarray]], floors: Mapping[str, float | None], label: str
) -> str:
    """Cumulative shares of real and of synthetic values, a panel each.

    Args:
        sets: Real and synthetic values, by what stands beneath the panel ("heart rate (1/min)").
        floors: Kolmogorov–Smirnov distance that two real halves stay below, by the same names.
        label: What is shown, for a screen reader.
    """
    drawing, axes = styled_panels(len(sets))
    for axis, (name, (real, synthetic)) in zip(axes, sets.items(), strict=True):
        _cumulative(axis, real, synthetic, floors.get(name))
        axis.set_xlabel(name)
    return finished(drawing, axes, label, "share of records below")


def _cumulative(axis: Axes, real: np.ndarray, synthetic: np.ndarray, floor: float | None) -> None:
    known, drawn = (one[np.isfinite(one)] for one in (real, synthetic))
    if not len(known):
        return
    shares = np.linspace(0, 1, POINTS)
    at = np.quantile(known, shares)
    if floor is not None:
        low, high = np.clip(shares - floor, 0, 1), np.clip(shares + floor, 0, 1)
        axis.fill_between(at, low, high, color=GREY, linewidth=0)
    axis.plot(at, shares, label="real", **REAL)
    left, right = np.quantile(known, [0.005, 0.995])
    if len(drawn):
        axis.plot(np.quantile(drawn, shares), shares, label="synthetic", **SYNTHETIC)
        inner = np.quantile(drawn, [0.05, 0.95])
        left, right = min(left, inner[0]), max(right, inner[1])
    if right > left:
        axis.set_xlim(left - 0.03 * (right - left), right + 0.03 * (right - left))


def lead_ranges(leads: Sequence[str], real: np.ndarray, synthetic: np.ndarray, unit: str, label: str) -> str:
    """Quantiles by lead: a thick bar from 25 to 75 %, a thin one from 5 to 95 %, a dot at 50 %.

    Args:
        leads: Name of each lead.
        real: (5, lead): the 5, 25, 50, 75 and 95 % quantiles.
        synthetic: The same.
        unit: What stands beside the axis.
        label: What is shown.
    """
    drawing, (axis,) = styled_panels(1, width=7.0, height=2.4)
    place = np.arange(len(leads))
    for values, colour, shift, name in ((real, INK, -0.15, "real"), (synthetic, BLUE, 0.15, "synthetic")):
        axis.vlines(place + shift, values[0], values[4], color=colour, linewidth=1)
        axis.vlines(place + shift, values[1], values[3], color=colour, linewidth=4, label=name)
        axis.plot(place + shift, values[2], "o", color="white", markeredgecolor=colour, markersize=3.5)
    axis.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    axis.set_xticks(place, leads)
    return finished(drawing, [axis], label, unit)


def curves_by_lead(
    at: np.ndarray,
    real: np.ndarray,
    synthetic: np.ndarray,
    leads: Sequence[str],
    words: tuple[str, str],
    label: str,
) -> str:
    """The middle of all records' curves in each lead, with the range of 5 to 95 % of the real and of the synthetic.

    Args:
        at: (point,) where the curves are known.
        real: (record, lead, point); records with NaN are left out.
        synthetic: The same.
        leads: Name of each lead.
        words: What stands beneath and beside the panels.
        label: What is shown.
    """
    drawing, axes = styled_panels(len(leads), across=4 if len(leads) > 6 else 3)
    for row, (axis, lead) in enumerate(zip(axes, leads, strict=True)):
        low, middle, high = _ranges(real[:, row])
        axis.fill_between(at, low, high, color=GREY, linewidth=0, label="real, 5 to 95 %")
        axis.plot(at, middle, label="real", **REAL)
        low, middle, high = _ranges(synthetic[:, row])
        axis.plot(at, low, color=BLUE, linewidth=0.5)
        axis.plot(at, high, color=BLUE, linewidth=0.5, label="synthetic, 5 and 95 %")
        axis.plot(at, middle, label="synthetic", **SYNTHETIC)
        axis.set_title(lead, fontsize=8)
    axes[-1].set_xlabel(words[0])
    return finished(drawing, axes, label, words[1])


def histogram(
    sets: Mapping[str, tuple[np.ndarray, np.ndarray]], words: tuple[str, str], label: str, bins: int = 40
) -> str:
    """How often which value occurs among the real, as a grey area, and among the synthetic, as a blue line.

    Args:
        sets: Real and synthetic values, by what stands beneath the panel.
        words: Names of both in the legend.
        label: What is shown.
        bins: Number of bins.
    """
    drawing, axes = styled_panels(len(sets), across=2, width=7.0 if len(sets) == 1 else 3.5, height=2.0)
    for axis, (name, (real, synthetic)) in zip(axes, sets.items(), strict=True):
        known, drawn = (one[np.isfinite(one)] for one in (real, synthetic))
        pooled = np.concatenate([known, drawn])
        edges = np.histogram_bin_edges(pooled, bins) if len(pooled) else np.linspace(0, 1, bins + 1)
        for values, filled, word in ((known, True, words[0]), (drawn, False, words[1])):
            weight = np.histogram(values, edges)[0] / max(len(values), 1)
            axis.stairs(weight, edges, fill=filled, color=AREA if filled else BLUE, linewidth=1.3, label=word)
        axis.set_xlabel(name)
    return finished(drawing, axes, label, "share of records")


def wave_pairs(
    pairs: Sequence[tuple[str, np.ndarray, np.ndarray]], fs: float, words: tuple[str, str], label: str
) -> str:
    """Pairs of waves, one over the other, a row each.

    Args:
        pairs: Title, real (time,) and synthetic (time,), in mV.
        fs: Their rate in Hz.
        words: Names of both in the legend.
        label: What is shown.
    """
    drawing, axes = styled_panels(len(pairs), across=1, width=7.0, height=1.1)
    for axis, (title, real, synthetic) in zip(axes, pairs, strict=True):
        axis.plot(np.arange(len(real)) / fs, real, label=words[0], color="#8b9099", linewidth=1.8)
        axis.plot(np.arange(len(synthetic)) / fs, synthetic, label=words[1], color=BLUE, linewidth=0.8)
        axis.set_title(title, loc="left", fontsize=8)
    axes[-1].set_xlabel("s")
    return finished(drawing, axes, label, "mV")


def styled_panels(number: int, **shape: Any) -> tuple[Drawing, list[Axes]]:
    """``panels`` in the report's style."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return panels(number, **shape)


def finished(drawing: Drawing, axes: Sequence[Axes], label: str, beside: str) -> str:
    """The drawing with one legend above and one label beside the panels, as ``svg``."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        handles, names = axes[0].get_legend_handles_labels()
        if handles:
            drawing.legend(handles, names, loc="outside upper right", ncols=len(handles))
        drawing.supylabel(beside, fontsize=8)
        return as_svg(drawing, label)


def _ranges(values: np.ndarray) -> np.ndarray:
    """(3, point): 5, 50 and 95 % over the records without NaN."""
    known = values[np.isfinite(values).all(-1)]
    return np.quantile(known, [0.05, 0.5, 0.95], axis=0) if len(known) else np.full((3, values.shape[-1]), np.nan)
