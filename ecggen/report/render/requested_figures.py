"""Figures and tables of condition fidelity: AUROC by label, and measured against requested heart rates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ecggen.metrics.functional.condition_fidelity import NEAR
from ecggen.report.render import figures
from ecggen.report.scores import Figure, Table

MOST_DOTS = 1000


def by_label(areas: Mapping[str, tuple[float, float]]) -> tuple[Table, Figure]:
    """Area under the ROC curve by label, of synthetic and of real records."""
    found = {name.removeprefix("class "): area for name, area in areas.items()}
    rows = [[name, f"{synthetic:.2f}", f"{real:.2f}"] for name, (synthetic, real) in found.items()]
    panel, (axis,) = figures.styled_panels(1, width=7.0, height=2.2)
    values = np.array(list(found.values()))
    axis.vlines(np.arange(len(values)), values.min(1), values.max(1), color=figures.GREY, linewidth=3)
    axis.plot(values[:, 1], "o", color=figures.INK, markersize=4, label="real")
    axis.plot(values[:, 0], "D", color=figures.BLUE, markersize=4, label="synthetic")
    axis.axhline(0.5, color=figures.INK, linewidth=0.6, dashes=(2, 2))
    axis.set_xticks(range(len(found)), list(found), rotation=45, ha="right")
    caption = (
        "AUROC of the classifier between records with a requested diagnosis and the others (1: perfect; 0.5, dotted: "
        "chance). The closer the blue diamond (synthetic) is to the dark dot (real), the better the synthetic ECGs "
        "show the requested diagnosis."
    )
    figure = Figure("Diagnoses", figures.with_legend(panel, [axis], "AUROC by label", "AUROC"), caption)
    return Table("AUROC by label", ["", "synthetic", "real"], rows), figure


def heart_rates(requested: np.ndarray, measured: np.ndarray) -> Figure:
    """Measured heart rates (record,) against requested ones, per minute."""
    panel, (axis,) = figures.styled_panels(1, width=7.0, height=2.6)
    ends = np.array([requested.min() - NEAR, requested.max() + NEAR])
    axis.fill_between(ends, ends - NEAR, ends + NEAR, color=figures.GREY)
    axis.plot(requested[:MOST_DOTS], measured[:MOST_DOTS], ".", color=figures.BLUE, markersize=2)
    axis.set_xlabel("requested (per minute)")
    caption = "Each dot is an ECG: requested and measured heart rate. In the grey area they differ by 5 at most."
    svg = figures.with_legend(panel, [axis], "Requested and measured heart rate", "measured (per minute)")
    return Figure("Heart rate", svg, caption)
