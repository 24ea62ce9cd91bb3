"""Plots of the report: real ECGs in black, synthetic ones in blue, the floor and real ranges in grey.

Each function returns one ``svg`` element as text, without scripts, links or a fixed size, so that a page can hold and
scale many of them. Lines differ in style as well as in colour: real ones are solid, synthetic ones dashed.

Matplotlib writes the SVG and escapes its text; this module only shortens coordinates and adds a label. A template
would have nothing to fill in.
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
    from matplotlib.figure import Figure as Plot

INK, BLUE, GREY, AREA = "#2b2b2b", "#1f5fbf", "#dfe1e5", "#b9bdc4"
"""Colours of real and synthetic lines, of the floor, and of real areas."""
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
"""Matplotlib settings of these plots; the settings of the calling program stay unchanged."""
POINTS = 120
"""Points of a curve: more are not visible and only make the page larger."""


def panels(number: int, across: int = 4, width: float = 1.9, height: float = 1.5) -> tuple[Plot, list[Axes]]:
    """A plot of ``number`` panels, ``across`` in a row; ``width`` and ``height`` of a panel in inches."""
    from matplotlib.figure import Figure as Plot

    across = min(across, number)
    down = math.ceil(number / across)
    plot = Plot(figsize=(across * width + 0.3, down * height + 0.3), layout="constrained")
    axes = [plot.add_subplot(down, across, at + 1) for at in range(number)]
    return plot, axes


def as_svg(plot: Plot, label: str) -> str:
    """The plot as one ``svg`` element; ``label`` is read by screen readers."""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context(STYLE):
        plot.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"<[^>]*>", _shortened, text)  # coordinates only: the text on an axis stays as it is
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = text.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
    return re.sub(r"\n\s*", "\n", text).strip()


def _shortened(tag: re.Match[str]) -> str:
    """A tag with its coordinates rounded to a tenth of a point."""
    return re.sub(r"-?\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}", tag[0])


def distributions(
    sets: Mapping[str, tuple[np.ndarray, np.ndarray]], floors: Mapping[str, float | None], label: str
) -> str:
    """Cumulative distributions of real and synthetic values, one panel for each quantity.

    Args:
        sets: Real and synthetic values by axis label, such as "heart rate (1/min)".
        floors: 95 % quantile of the Kolmogorov–Smirnov distance between two real halves, by the same labels.
        label: Description for screen readers.
    """
    plot, axes = styled_panels(len(sets))
    for axis, (name, (real, synthetic)) in zip(axes, sets.items(), strict=True):
        _cumulative(axis, real, synthetic, floors.get(name))
        axis.set_xlabel(name)
    return with_legend(plot, axes, label, "share of records below")


def _cumulative(axis: Axes, real: np.ndarray, synthetic: np.ndarray, floor: float | None) -> None:
    real, synthetic = (values[np.isfinite(values)] for values in (real, synthetic))
    if not len(real):
        return
    shares = np.linspace(0, 1, POINTS)
    at = np.quantile(real, shares)
    if floor is not None:
        low, high = np.clip(shares - floor, 0, 1), np.clip(shares + floor, 0, 1)
        axis.fill_between(at, low, high, color=GREY, linewidth=0)
    axis.plot(at, shares, label="real", **REAL)
    left, right = np.quantile(real, [0.005, 0.995])
    if len(synthetic):
        axis.plot(np.quantile(synthetic, shares), shares, label="synthetic", **SYNTHETIC)
        inner = np.quantile(synthetic, [0.05, 0.95])
        left, right = min(left, inner[0]), max(right, inner[1])
    if right > left:
        axis.set_xlim(left - 0.03 * (right - left), right + 0.03 * (right - left))


def lead_ranges(leads: Sequence[str], real: np.ndarray, synthetic: np.ndarray, unit: str, label: str) -> str:
    """Quantiles by lead: a thick bar from 25 to 75 %, a thin one from 5 to 95 %, a dot at 50 %.

    Args:
        leads: Name of each lead.
        real: (5, lead): the 5, 25, 50, 75 and 95 % quantiles.
        synthetic: The same of the synthetic records.
        unit: Label of the y axis.
        label: Description for screen readers.
    """
    plot, (axis,) = styled_panels(1, width=7.0, height=2.4)
    place = np.arange(len(leads))
    for values, colour, shift, name in ((real, INK, -0.15, "real"), (synthetic, BLUE, 0.15, "synthetic")):
        axis.vlines(place + shift, values[0], values[4], color=colour, linewidth=1)
        axis.vlines(place + shift, values[1], values[3], color=colour, linewidth=4, label=name)
        axis.plot(place + shift, values[2], "o", color="white", markeredgecolor=colour, markersize=3.5)
    axis.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    axis.set_xticks(place, leads)
    return with_legend(plot, [axis], label, unit)


def curves_by_lead(
    at: np.ndarray,
    real: np.ndarray,
    synthetic: np.ndarray,
    leads: Sequence[str],
    axis_labels: tuple[str, str],
    label: str,
) -> str:
    """Median over records of the curves in each lead, with the 5 to 95 % range of real and synthetic records.

    Args:
        at: (point,) positions on the x axis.
        real: (record, lead, point); records with NaN are left out.
        synthetic: The same of the synthetic records.
        leads: Name of each lead.
        axis_labels: Labels of the x and the y axis.
        label: Description for screen readers.
    """
    plot, axes = styled_panels(len(leads), across=4 if len(leads) > 6 else 3)
    for row, (axis, lead) in enumerate(zip(axes, leads, strict=True)):
        low, median, high = _ranges(real[:, row])
        axis.fill_between(at, low, high, color=GREY, linewidth=0, label="real, 5 to 95 %")
        axis.plot(at, median, label="real", **REAL)
        low, median, high = _ranges(synthetic[:, row])
        axis.plot(at, low, color=BLUE, linewidth=0.5)
        axis.plot(at, high, color=BLUE, linewidth=0.5, label="synthetic, 5 and 95 %")
        axis.plot(at, median, label="synthetic", **SYNTHETIC)
        axis.set_title(lead, fontsize=8)
    axes[-1].set_xlabel(axis_labels[0])
    return with_legend(plot, axes, label, axis_labels[1])


def histogram(
    sets: Mapping[str, tuple[np.ndarray, np.ndarray]], legend: tuple[str, str], label: str, bins: int = 40
) -> str:
    """Histograms of real values as a grey area and of synthetic values as a blue line.

    Args:
        sets: Real and synthetic values by axis label.
        legend: Names of both in the legend.
        label: Description for screen readers.
        bins: Number of bins.
    """
    plot, axes = styled_panels(len(sets), across=2, width=7.0 if len(sets) == 1 else 3.5, height=2.0)
    for axis, (name, (real, synthetic)) in zip(axes, sets.items(), strict=True):
        real, synthetic = (values[np.isfinite(values)] for values in (real, synthetic))
        pooled = np.concatenate([real, synthetic])
        edges = np.histogram_bin_edges(pooled, bins) if len(pooled) else np.linspace(0, 1, bins + 1)
        for values, filled, entry in ((real, True, legend[0]), (synthetic, False, legend[1])):
            weight = np.histogram(values, edges)[0] / max(len(values), 1)
            axis.stairs(weight, edges, fill=filled, color=AREA if filled else BLUE, linewidth=1.3, label=entry)
        axis.set_xlabel(name)
    return with_legend(plot, axes, label, "share of records")


def wave_pairs(
    pairs: Sequence[tuple[str, np.ndarray, np.ndarray]], fs: float, legend: tuple[str, str], label: str
) -> str:
    """Pairs of waveforms overlaid, one row for each pair.

    Args:
        pairs: Title, real (time,) and synthetic (time,), in mV.
        fs: Sampling rate in Hz.
        legend: Names of both in the legend.
        label: Description for screen readers.
    """
    plot, axes = styled_panels(len(pairs), across=1, width=7.0, height=1.1)
    for axis, (title, real, synthetic) in zip(axes, pairs, strict=True):
        axis.plot(np.arange(len(real)) / fs, real, label=legend[0], color="#8b9099", linewidth=1.8)
        axis.plot(np.arange(len(synthetic)) / fs, synthetic, label=legend[1], color=BLUE, linewidth=0.8)
        axis.set_title(title, loc="left", fontsize=8)
    axes[-1].set_xlabel("s")
    return with_legend(plot, axes, label, "mV")


def overlaid_beats(times: np.ndarray, records: Mapping[str, Sequence[np.ndarray]], lead: int, label: str) -> str:
    """Aligned beats of single records, one panel for each record.

    Args:
        times: (time,) in s from the R peak.
        records: Beats (beat, lead, time) of some records by the kind of the set, "real" or "synthetic".
        lead: Row of the lead that is drawn.
        label: Description for screen readers.
    """
    drawn = [(kind, beats) for kind, several in records.items() for beats in several]
    plot, axes = styled_panels(max(len(drawn), 1), across=3, width=2.4)
    for axis, (kind, beats) in zip(axes, drawn, strict=False):
        for beat in beats:
            axis.plot(times[::4], beat[lead][::4], color=INK if kind == "real" else BLUE, linewidth=0.5, alpha=0.6)
        axis.set_title(f"{kind}, {len(beats)} beats", fontsize=8)
    axes[-1].set_xlabel("s from the R peak")
    return with_legend(plot, axes, label, "mV")


def styled_panels(number: int, **shape: Any) -> tuple[Plot, list[Axes]]:
    """``panels`` in the report's style."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return panels(number, **shape)


def with_legend(plot: Plot, axes: Sequence[Axes], label: str, y_label: str) -> str:
    """The plot as one ``svg`` element, with a common legend above and a common y label."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        handles, names = axes[0].get_legend_handles_labels()
        if handles:
            plot.legend(handles, names, loc="outside upper right", ncols=len(handles))
        plot.supylabel(y_label, fontsize=8)
        return as_svg(plot, label)


def _ranges(values: np.ndarray) -> np.ndarray:
    """(3, point): 5, 50 and 95 % quantiles over the records without NaN."""
    finite = values[np.isfinite(values).all(-1)]
    return np.quantile(finite, [0.05, 0.5, 0.95], axis=0) if len(finite) else np.full((3, values.shape[-1]), np.nan)
