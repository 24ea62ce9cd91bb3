"""What a reader would measure in reconstructed ECGs against their truths: amplitudes, intervals, segments of the beat.

Regression to the mean shows in amplitudes: R in V3 and V6 and T in V3, the leads a wrist never sees, vary less than in
patients, and the error falls as the true amplitude rises.
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
"""Amplitudes whose variance is judged, where the lead is scored."""
JUDGED = ("pr_ms", "qrs_ms", "qt_ms")
"""Intervals whose differences are held against ``intervals.CSE_STYLE_TOLERANCE``; up to twice as much warns."""
MISSING = (0.1, 0.25)
"""Share of records whose QRS is measured in the truth and not in the drawn ECG, up to which it passes and warns."""
WORDS = {"p_ms": "P (ms)", "pr_ms": "PR (ms)", "qrs_ms": "QRS (ms)", "qt_ms": "QT (ms)", "qtc_ms": "QTc (ms)"}
WORDS |= {"axis_deg": "axis (°)", "heart_rate": "heart rate (1/min)"}


def features(section: Section, pairs: Pairs) -> None:
    """Add scores, tables and a figure of amplitudes and intervals."""
    chosen = {name: at for name, at in AMPLITUDES.items() if at[1] in pairs.leads}
    section.scores += [attempt(f"variance of {name}", lambda name=name: _spread(pairs, name)) for name in chosen]
    section.scores += [
        attempt(f"{WORDS[name]}: {what}", lambda name=name, what=what: _off(pairs, name, what))
        for name in JUDGED
        for what in ("bias", "SD")
    ]
    section.scores.append(attempt("QRS not found", lambda: _missing(pairs)))
    rows = [row for name in chosen for row in _agreement(pairs, name)]
    if rows:
        head = ["", "bias (mV)", "limits of agreement (mV)", "slope of error", "R² of error", "pairs"]
        section.tables.append(Table("Amplitudes against the truth (Bland & Altman 1986)", head, rows))
        section.figures.append(_figure(pairs, list(chosen)))
    section.tables.append(_intervals(pairs))


def amplitude(pairs: Pairs, name: str) -> tuple[np.ndarray, np.ndarray]:
    """One of ``AMPLITUDES`` in mV, drawn and true (pair,)."""
    measure, lead = AMPLITUDES[name]
    column = pairs.sides[0].valid.ecg.leads.index(lead), pairs.sides[1].valid.ecg.leads.index(lead)
    drawn, true = pairs.measured(measure)
    return drawn[:, column[0]], true[:, column[1]]


def _spread(pairs: Pairs, name: str) -> Score:
    def ratio(drawn: np.ndarray, true: np.ndarray) -> float:
        return float(regression_to_mean.variance_ratio(drawn, true))

    drawn, true = amplitude(pairs, name)
    known = int((np.isfinite(drawn) & np.isfinite(true)).sum())
    if known < LEAST:
        raise InputError(f"{known} pairs in which it could be measured, {LEAST} needed")
    value = ratio(drawn, true)
    return Score(
        f"variance of {name}",
        value,
        "drawn / true",
        resampled_interval(ratio, [drawn, true], pairs.patients, pairs.material.seed, repeats=200),
        n_synthetic=known,
        n_real=known,
        definition="variance over records of the amplitude, drawn over true; pass within 0.8 to 1.25, warn within 0.5 "
        "to 2",
        extractor="ecggen delineation",
        verdict=varies(value),
        note=f"measured in {known} of {len(pairs)} pairs",
    )


def _off(pairs: Pairs, name: str, what: str) -> Score:
    """Mean ("bias") or standard deviation ("SD") of how far an interval is off, where both sides are measured."""
    of, said, sign = (np.mean, "mean", "±") if what == "bias" else (np.std, "standard deviation", "")
    most = intervals.CSE_STYLE_TOLERANCE[name][what == "SD"]
    drawn, true = pairs.measured(name)
    off = drawn - true
    known = np.isfinite(off)
    if known.sum() < LEAST:
        raise InputError(f"{known.sum()} pairs in which it could be measured, {LEAST} needed")
    value = float(of(off[known]))
    patients = [pairs.patients[row] for row in np.flatnonzero(known)]
    return Score(
        f"{WORDS[name]}: {what}",
        value,
        "ms",
        resampled_interval(lambda one: float(of(one)), [off[known]], patients, pairs.material.seed, repeats=200),
        n_synthetic=int(known.sum()),
        n_real=int(known.sum()),
        definition=f"{said} of drawn − true; pass up to {sign}{most:g} ms (CSE-style tolerance), warn up to twice that",
        extractor="ecggen delineation",
        verdict=PASS if abs(value) <= most else WARN if abs(value) <= 2 * most else FAIL,
        note=f"measured in {known.sum()} of {len(pairs)} pairs",
    )


def _missing(pairs: Pairs) -> Score:
    drawn, true = (np.isfinite(one) for one in pairs.measured("qrs_ms"))
    if true.sum() < LEAST:
        raise InputError(f"the QRS is measured in {true.sum()} true records, {LEAST} needed")
    lacking = (~drawn[true]).astype(float)
    value = float(lacking.mean())
    patients = [pairs.patients[row] for row in np.flatnonzero(true)]
    return Score(
        "QRS not found",
        value,
        "share",
        resampled_interval(lambda one: float(one.mean()), [lacking], patients, pairs.material.seed, repeats=200),
        n_synthetic=int(true.sum()),
        n_real=int(true.sum()),
        definition="share of the records with a delineated QRS whose drawn ECG has none; pass up to 0.1, warn up to "
        "0.25",
        extractor="ecggen delineation",
        verdict=PASS if value <= MISSING[0] else WARN if value <= MISSING[1] else FAIL,
    )


def _agreement(pairs: Pairs, name: str) -> list[list[str]]:
    """A row of Bland and Altman's and of the error's line; none where it cannot be measured."""
    drawn, true = amplitude(pairs, name)
    try:
        limits, line = regression_to_mean.bland_altman(drawn, true), regression_to_mean.error_slope(drawn, true)
    except InputError:
        return []
    between = f"{limits['lower']:.2f} to {limits['upper']:.2f}"
    return [
        [name, f"{limits['bias']:.3f}", between, f"{line['slope']:.2f}", f"{line['r_squared']:.2f}", str(limits["n"])]
    ]


def _intervals(pairs: Pairs) -> Table:
    """Bias ± SD of each interval with the share that was measured in both, at the number of pairs."""
    both = {name: pairs.measured(name) for name in WORDS}
    drawn, true = ({name: sides[at] for name, sides in both.items()} for at in (0, 1))
    found = intervals.agreement(drawn, true, len(pairs))
    rows = [
        [
            words,
            "none" if found[name]["bias"] is None else f"{found[name]['bias']:+.1f} ± {found[name]['sd']:.1f}",
            f"{found[name]['share']:.1%}",
            {True: "yes", False: "no", None: ""}[found[name].get("within_cse_style_tolerance")],
        ]
        for name, words in WORDS.items()
    ]
    head = ["", "drawn − true: mean ± SD", f"measured in both, of {len(pairs)}", "within CSE-style tolerance"]
    return Table("Intervals against the truth", head, rows)


def _figure(pairs: Pairs, names: list[str]) -> Figure:
    panel, axes = figures.styled_panels(len(names), across=4, width=1.8, height=1.8)
    for axis, name in zip(axes, names, strict=True):
        drawn, true = amplitude(pairs, name)
        known = np.isfinite(drawn) & np.isfinite(true)
        axis.axhline(0, color=figures.INK, linewidth=0.6)
        axis.plot(true[known][:500], (drawn - true)[known][:500], ".", color=figures.BLUE, markersize=2)
        axis.set_title(name)
    axes[0].set_xlabel("true (mV)")
    caption = (
        "Error of an amplitude (upwards) against the true one (sideways), one dot a pair. A cloud that falls to the "
        "right is regression to the mean: large waves are drawn too small and small ones too large."
    )
    svg = figures.finished(panel, axes, "Errors of amplitudes against the truth", "drawn − true (mV)")
    return Figure("Regression to the mean", svg, caption)


def segments(section: Section, pairs: Pairs) -> None:
    """Add the table of correlations that are preserved in each segment of the beat."""
    drawn, true = pairs.waves
    marks = intervals.segments(pairs.sides[1].waves, pairs.fs)
    ends = {name: np.minimum(ranges[pairs.rows[1]], true.shape[-1]) for name, ranges in marks.items()}
    kept = correlation.preserved(drawn, true, ends)
    rows = [
        [name, *(f"{np.nanmean(values):.3f}" if np.isfinite(values).any() else "none" for values in one.values())]
        for name, one in kept.items()
    ]
    head = ["segment", "between leads: mean |difference| of r", "along time: the same", "r with the truth"]
    section.tables.append(Table("Correlations that are preserved, by segment (after ECGNet)", head, rows))
