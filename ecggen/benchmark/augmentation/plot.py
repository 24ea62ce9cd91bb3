"""Plot of augmentation results: ``python -m ecggen.benchmark.augmentation.plot RESULTS.json OUT.png``.

One row per model, one panel per number of real records. The curves are macro AUROC on real test patients. The bars are
paired intervals of the difference to the dashed line, the real records alone: a bar that does not cross the line is a
significant gain or loss. All panels of a row have the same height, so that slopes can be compared. A curve ends early
if fewer records than requested passed the classifier's check.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecggen.benchmark.augmentation.gains import NOTHING
from ecggen.benchmark.augmentation.training_sets import CLASSICAL, REPEATED
from ecggen.viz.paper import FAINT, GENERATED, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEST_CLASSICAL = "classical augmentation"
LINES = {
    "synthetic": ("generated from text", GENERATED, "o", "-"),
    "variations": ("variations of real records", "#c2571a", "D", "-"),
    BEST_CLASSICAL: ("best classical method", INK, "s", "--"),
    "oversampling": ("rare records repeated", FAINT, "^", ":"),
}
"""Label, colour, marker and line style of each curve; distinguishable without colour."""
OFFSET = 2.5
"""Horizontal offset (%) between curves, so that bars do not overlap."""
WIDTH, HEIGHT = 2.75, 2.7
"""Size of a panel in inches."""


def plot(results: Mapping[str, Any]) -> Figure:
    """The figure of a protocol's results with all its models."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fractions = sorted(results["settings"]["fractions"])
    scores = {name: score for name, score in results["scores"].items() if "points" in score}
    size = (WIDTH * len(fractions) + 0.4, HEIGHT * len(scores) + 0.9)
    figure = Figure(figsize=size, dpi=110, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid: Any = figure.subplots(len(scores), len(fractions), squeeze=False)
    for row, (name, score) in zip(grid, scores.items(), strict=True):
        for axis, fraction in zip(row, fractions, strict=True):
            _panel(axis, [point for point in score["points"] if point["fraction"] == fraction])
        _same_height(row)
        row[0].set_ylabel(f"{name.split('@')[0]}: macro AUROC", fontsize=9)
    for axis in grid[-1]:
        axis.set_xlabel("added records (% of the real ones)", fontsize=9)
    handles, labels = grid[0][0].get_legend_handles_labels()
    across = len(labels) if len(fractions) > 3 else len(fractions)
    figure.legend(
        handles, labels, loc="outside upper center", ncols=across, frameon=False, fontsize=9, columnspacing=1.6
    )
    return figure


def _panel(axis: Axes, points: Sequence[Mapping[str, Any]]) -> None:
    """The curves of one number of real records."""
    plain = next(point for point in points if point["arm"] == NOTHING)
    best = _best_classical(points)
    axis.axhline(plain["auroc"], color=INK, linewidth=0.8, dashes=(5, 3), label="real records only")
    arms = {name: best if name == BEST_CLASSICAL else name for name in LINES}
    curves = [name for name, arm in arms.items() if any(point["arm"] == arm for point in points)]
    for place, name in enumerate(curves):
        arm = arms[name]
        _line(axis, name, [point for point in points if point["arm"] == arm], plain, place)
    axis.set_title(f"{plain['n_real']:,} real records", fontsize=9.5, loc="left")
    if best:
        axis.annotate(
            f"best classical: {best}", (0.98, 0.02), xycoords="axes fraction", ha="right", fontsize=7.5, color=INK
        )
    axis.set_xticks([0, *sorted({round(100 * point["share"]) for point in points if point["share"]})])
    axis.tick_params(labelsize=8)
    axis.grid(axis="y", color="#e6e8ec", linewidth=0.7)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _line(axis: Axes, name: str, points: Sequence[Mapping[str, Any]], plain: Mapping[str, Any], place: int) -> None:
    """The curve of an arm over the number of added records, with its bars."""
    label, colour, mark, dashes = LINES[name]
    points = sorted(points, key=lambda point: point["share"])
    at = np.array([0, *(100 * point["n_added"] / plain["n_real"] for point in points)])
    values = np.array([plain["auroc"], *(point["auroc"] for point in points)])
    ends = plain["auroc"] + np.array([point["gain_interval"] for point in points])
    shifted = at[1:] + (place - 1.5) * OFFSET
    axis.plot(np.r_[0, shifted], values, dashes, color=colour, linewidth=1.4, zorder=3)
    axis.plot(
        shifted, values[1:], mark, color=colour, markersize=5, markeredgewidth=0.6, markeredgecolor="white", zorder=4
    )
    axis.vlines(shifted, ends[:, 0], ends[:, 1], color=colour, linewidth=1.1, alpha=0.65)
    axis.plot([], [], mark + dashes, color=colour, markersize=5, linewidth=1.4, label=label)


def _best_classical(points: Sequence[Mapping[str, Any]]) -> str:
    """The classical waveform augmentation with the highest AUROC at any share; "" if none was measured."""
    candidates = [point for point in points if point["arm"] in CLASSICAL and point["arm"] not in REPEATED]
    return max(candidates, key=lambda point: point["auroc"])["arm"] if candidates else ""


def _same_height(axes: Sequence[Axes]) -> None:
    """Set the same height for all panels of a row, each about its own centre."""
    limits = [axis.get_ylim() for axis in axes]
    height = max(high - low for low, high in limits)
    for axis, (low, high) in zip(axes, limits, strict=True):
        axis.set_ylim((low + high - height) / 2, (low + high + height) / 2)


def save(results: Mapping[str, Any], out: Path) -> None:
    """Write the plot."""
    plot(results).savefig(out, metadata={"Software": None})


def main() -> None:
    """Plot the results in a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="output of ecggen evaluate augmentation")
    parser.add_argument("out", type=Path, help="image file of the plot")
    options = parser.parse_args()
    save(json.loads(options.results.read_text(encoding="utf-8")), options.out)


if __name__ == "__main__":
    main()
