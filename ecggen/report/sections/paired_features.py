"""Clinical measurements in reconstructed against true ECGs: amplitudes, intervals and segments of the beat.

Regression to the mean shows in the amplitudes. R and T waves in chest leads far from the given ones (V3, V6) vary less
than in patients, and the error decreases with the true amplitude.
"""

from __future__ import annotations

import numpy as np

from ecggen.core.errors import InputError
from ecggen.metrics.functional import correlation, intervals, regression_to_mean
from ecggen.metrics.functional.bootstrap import resampled_interval
from ecggen.report.inputs.cohort import LEAST
from ecggen.report.pairs import Pairs, varies
from ecggen.report.references import attempt
from ecggen.report.render import figures
from ecggen.report.scores import FAIL, PASS, WARN, Figure, Score, Section, Table

AMPLITUDES = {
    "R in V3": ("r_mv", "V3"),
    "R in V6": ("r_mv", "V6"),
    "T in V3": ("t_mv", "V3"),
    "T in V6": ("t_mv", "V6"),
}
"""Amplitudes whose variance is scored, if the lead is scored: measure and lead."""
SCORED_INTERVALS = ("pr_ms", "qrs_ms", "qt_ms")
"""Intervals whose errors are compared with ``intervals.CSE_STYLE_TOLERANCE``; up to twice the tolerance warns."""
MISSING = (0.1, 0.25)
"""Largest share of records with a QRS in the true but not in the generated ECG, for "pass" and for "warn"."""
NAMES = {"p_ms": "P (ms)", "pr_ms": "PR (ms)", "qrs_ms": "QRS (ms)", "qt_ms": "QT (ms)", "qtc_ms": "QTc (ms)"}
NAMES |= {"axis_deg": "axis (°)", "heart_rate": "heart rate (1/min)"}


def features(section: Section, pairs: Pairs) -> None:
    """Add scores, tables and a figure of amplitudes and intervals to the section."""
    chosen = {name: at for name, at in AMPLITUDES.items() if at[1] in pairs.leads}
    section.scores += [
        attempt(f"variance of {name}", lambda name=name: _variance_ratio(pairs, name)) for name in chosen
    ]
    section.scores += [
        attempt(f"{NAMES[name]}: {what}", lambda name=name, what=what: _error(pairs, name, what))
        for name in SCORED_INTERVALS
        for what in ("bias", "SD")
    ]
    section.scores.append(attempt("QRS not found", lambda: _missing(pairs)))
    rows = [row for name in chosen for row in _agreement(pairs, name)]
    if rows:
        head = ["", "bias (mV)", "limits of agreement (mV)", "slope of error", "R² of error", "pairs"]
        section.tables.append(Table("Errors of amplitudes (Bland & Altman 1986)", head, rows))
        section.figures.append(_figure(pairs, list(chosen)))
    section.tables.append(_intervals(pairs))


def amplitude(pairs: Pairs, name: str) -> tuple[np.ndarray, np.ndarray]:
    """One of ``AMPLITUDES`` in mV, generated and true (pair,)."""
    measure, lead = AMPLITUDES[name]
    column = pairs.sides[0].valid.ecg.leads.index(lead), pairs.sides[1].valid.ecg.leads.index(lead)
    generated, true = pairs.measured(measure)
    return generated[:, column[0]], true[:, column[1]]


def _variance_ratio(pairs: Pairs, name: str) -> Score:
    def ratio(generated: np.ndarray, true: np.ndarray) -> float:
        return float(regression_to_mean.variance_ratio(generated, true))

    generated, true = amplitude(pairs, name)
    known = int((np.isfinite(generated) & np.isfinite(true)).sum())
    if known < LEAST:
        raise InputError(f"{known} pairs with a measurement, {LEAST} needed")
    value = ratio(generated, true)
    return Score(
        f"variance of {name}",
        value,
        "generated / true",
        resampled_interval(ratio, [generated, true], pairs.patients, pairs.cohorts.seed, repeats=200),
        n_synthetic=known,
        n_real=known,
        definition="variance over records of the amplitude, generated over true; pass within 0.8 to 1.25, warn within "
        "0.5 to 2",
        extractor="ecggen delineation",
        verdict=varies(value),
        note=f"measured in {known} of {len(pairs)} pairs",
    )


def _error(pairs: Pairs, name: str, what: str) -> Score:
    """Mean ("bias") or standard deviation ("SD") of the error of an interval, over pairs with both measured."""
    statistic, label, sign = (np.mean, "mean", "±") if what == "bias" else (np.std, "standard deviation", "")
    tolerance = intervals.CSE_STYLE_TOLERANCE[name][what == "SD"]
    generated, true = pairs.measured(name)
    error = generated - true
    known = np.isfinite(error)
    if known.sum() < LEAST:
        raise InputError(f"{known.sum()} pairs with a measurement, {LEAST} needed")
    value = float(statistic(error[known]))
    patients, seed = [pairs.patients[row] for row in np.flatnonzero(known)], pairs.cohorts.seed
    return Score(
        f"{NAMES[name]}: {what}",
        value,
        "ms",
        resampled_interval(lambda one: float(statistic(one)), [error[known]], patients, seed, repeats=200),
        n_synthetic=int(known.sum()),
        n_real=int(known.sum()),
        definition=f"{label} of generated − true; pass up to {sign}{tolerance:g} ms (CSE-style tolerance), warn up to "
        "twice that",
        extractor="ecggen delineation",
        verdict=PASS if abs(value) <= tolerance else WARN if abs(value) <= 2 * tolerance else FAIL,
        note=f"measured in {known.sum()} of {len(pairs)} pairs",
    )


def _missing(pairs: Pairs) -> Score:
    generated, true = (np.isfinite(one) for one in pairs.measured("qrs_ms"))
    if true.sum() < LEAST:
        raise InputError(f"{true.sum()} true records with a measured QRS, {LEAST} needed")
    lacking = (~generated[true]).astype(float)
    value = float(lacking.mean())
    patients = [pairs.patients[row] for row in np.flatnonzero(true)]
    return Score(
        "QRS not found",
        value,
        "share",
        resampled_interval(lambda one: float(one.mean()), [lacking], patients, pairs.cohorts.seed, repeats=200),
        n_synthetic=int(true.sum()),
        n_real=int(true.sum()),
        definition="share of the pairs with a delineated QRS in the true and none in the generated ECG; pass up to "
        "0.1, warn up to 0.25",
        extractor="ecggen delineation",
        verdict=PASS if value <= MISSING[0] else WARN if value <= MISSING[1] else FAIL,
    )


def _agreement(pairs: Pairs, name: str) -> list[list[str]]:
    """A row of limits of agreement and of the slope of the error; none if it cannot be measured."""
    generated, true = amplitude(pairs, name)
    try:
        limits, line = regression_to_mean.bland_altman(generated, true), regression_to_mean.error_slope(generated, true)
    except InputError:
        return []
    between = f"{limits['lower']:.2f} to {limits['upper']:.2f}"
    return [
        [name, f"{limits['bias']:.3f}", between, f"{line['slope']:.2f}", f"{line['r_squared']:.2f}", str(limits["n"])]
    ]


def _intervals(pairs: Pairs) -> Table:
    """Bias ± SD of each interval, with the share of pairs in which both records have it."""
    both = {name: pairs.measured(name) for name in NAMES}
    generated, true = ({name: sides[at] for name, sides in both.items()} for at in (0, 1))
    found = intervals.interval_agreement(generated, true, len(pairs))
    rows = [
        [
            label,
            "none" if found[name]["bias"] is None else f"{found[name]['bias']:+.1f} ± {found[name]['sd']:.1f}",
            f"{found[name]['share']:.1%}",
            {True: "yes", False: "no", None: ""}[found[name].get("within_cse_style_tolerance")],
        ]
        for name, label in NAMES.items()
    ]
    head = ["", "generated − true: mean ± SD", f"measured in both, of {len(pairs)}", "within CSE-style tolerance"]
    return Table("Errors of intervals", head, rows)


def _figure(pairs: Pairs, names: list[str]) -> Figure:
    panel, axes = figures.styled_panels(len(names), across=4, width=1.8, height=1.8)
    for axis, name in zip(axes, names, strict=True):
        generated, true = amplitude(pairs, name)
        known = np.isfinite(generated) & np.isfinite(true)
        axis.axhline(0, color=figures.INK, linewidth=0.6)
        axis.plot(true[known][:500], (generated - true)[known][:500], ".", color=figures.BLUE, markersize=2)
        axis.set_title(name)
    axes[0].set_xlabel("true (mV)")
    caption = (
        "Error of an amplitude (y) against the true amplitude (x), one dot for each pair. A falling cloud is "
        "regression to the mean: large waves are generated too small and small ones too large."
    )
    svg = figures.with_legend(panel, axes, "Errors of amplitudes", "generated − true (mV)")
    return Figure("Regression to the mean", svg, caption)


def segments(section: Section, pairs: Pairs) -> None:
    """Add a table of the correlations in each segment of the beat to the section."""
    generated, true = pairs.waves
    marks = intervals.segments(pairs.sides[1].waves, pairs.fs)
    ends = {name: np.minimum(ranges[pairs.rows[1]], true.shape[-1]) for name, ranges in marks.items()}
    kept = correlation.segment_correlation_errors(generated, true, ends)
    rows = [
        [name, *(f"{np.nanmean(values):.3f}" if np.isfinite(values).any() else "none" for values in one.values())]
        for name, one in kept.items()
    ]
    head = ["segment", "between leads: mean |difference| of r", "over time: mean |difference| of r", "r with true ECG"]
    section.tables.append(Table("Preserved correlations by segment (after ECGNet)", head, rows))
