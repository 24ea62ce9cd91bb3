"""Figures and tables of what was asked for: areas by label, and heart rates against the asked ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ecggen.metrics.functional.condition_fidelity import NEAR
from ecggen.report.render import figures
from ecggen.report.scores import Figure, Table

MOST_DOTS = 1000


def by_label(areas: Mapping[str, tuple[float, float]]) -> tuple[Table, Figure]:
    """The area under the ROC curve of drawn and of real records, by label."""
    found = {name.removeprefix("class "): area for name, area in areas.items()}
    rows = [[name, f"{drawn:.2f}", f"{real:.2f}"] for name, (drawn, real) in found.items()]
    panel, (axis,) = figures.styled_panels(1, width=7.0, height=2.2)
    values = np.array(list(found.values()))
    axis.vlines(np.arange(len(values)), values.min(1), values.max(1), color=figures.GREY, linewidth=3)
    axis.plot(values[:, 1], "o", color=figures.INK, markersize=4, label="real")
    axis.plot(values[:, 0], "D", color=figures.BLUE, markersize=4, label="synthetic")
    axis.axhline(0.5, color=figures.INK, linewidth=0.6, dashes=(2, 2))
    axis.set_xticks(range(len(found)), list(found), rotation=45, ha="right")
    caption = (
        "How well the classifier tells records for which a diagnosis was asked from the others (1 always, 0.5, dotted, by "
        "chance). The nearer a blue diamond lies to its dark dot, the more of the diagnosis is drawn."
    )
    figure = Figure("Diagnoses", figures.finished(panel, [axis], "AUROC by label", "AUROC"), caption)
    return Table("AUROC by label", ["", "synthetic", "real"], rows), figure


def heart_rates(wanted: np.ndarray, found: np.ndarray) -> Figure:
    """Obtained heart rates (record,) against asked ones, per minute."""
    panel, (axis,) = figures.styled_panels(1, width=7.0, height=2.6)
    ends = np.array([wanted.min() - NEAR, wanted.max() + NEAR])
    axis.fill_between(ends, ends - NEAR, ends + NEAR, color=figures.GREY)
    axis.plot(wanted[:MOST_DOTS], found[:MOST_DOTS], ".", color=figures.BLUE, markersize=2)
    axis.set_xlabel("asked for (per minute)")
    caption = "One dot an ECG: the asked-for and the obtained heart rate. In the grey band they differ by 5 at most."
    svg = figures.finished(panel, [axis], "Asked for and obtained heart rate", "obtained (per minute)")
    return Figure("Heart rate", svg, caption)
