"""Reconstruction: each generated record against its true record.

Correlation and variance are in conflict: a prediction close to the mean patient correlates well and varies too little,
and one with the correct variance correlates less. Variance is therefore scored by its ratio to the true variance.
Correlation is compared with a linear filter on the given leads to which noise is added, in theory, up to the variance
of the generated ECGs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ecggen.core.errors import InputError
from ecggen.core.rhythm import DETECTOR
from ecggen.metrics.functional import beats, waveform
from ecggen.metrics.functional.bootstrap import patient_interval, resampled_interval
from ecggen.report.inputs.cohort import Cohorts
from ecggen.report.pairs import PREPROCESSING, Pairs, mean_over_leads, varies
from ecggen.report.references import attempt
from ecggen.report.render import figures
from ecggen.report.scores import FAIL, PASS, WARN, Figure, Score, Section, Table, not_measured
from ecggen.report.sections.paired_features import features, segments

R_WARN = 0.05
"""Difference of the correlation from that of the linear filter down to which the verdict is "warn"."""
ALONE_PASS, ALONE_WARN = 0.5, 0.25
"""Correlation above that with the ECG of another patient, for "pass" and "warn", if no filter can be fitted."""
F1_FROM = {0.05: (0.90, 0.75), 0.15: (0.95, 0.85)}
"""F1 of R peaks for "pass" and for "warn", by tolerance in s."""
RATE_UP_TO = (2.0, 5.0)
"""Largest error of the heart rate per minute for "pass" and for "warn"."""
MOST_WARPED = 200
"""Largest number of pairs for dynamic time warping, which is slow."""
Pointwise = Callable[[np.ndarray, np.ndarray], np.ndarray]
MEASURES: dict[str, tuple[str, str, int, Pointwise]] = {
    "MSE": ("mV²", "mean squared error", -1, waveform.mean_squared_error),
    "RMSE": ("mV", "root mean squared error of a record", -1, waveform.root_mean_squared_error),
    "MAE": ("mV", "mean absolute error", -1, waveform.mean_absolute_error),
    "R²": ("", "1 − SSE/SST of a record", 1, waveform.r_squared),
    "PRD": ("%", "percent root-mean-square difference, baseline removed (Zigel et al. 2000)", -1, waveform.prd),
}
"""Unit, definition, direction (1: more is better) and function of each measure; these do not count for the verdict."""


def reconstruction(cohorts: Cohorts) -> Section:
    """Waveforms, rhythm, amplitudes, intervals and correlations of generated records against their true ones."""
    section = Section("reconstruction", "Reconstruction", "Do the reconstructed ECGs agree with the recorded ones?")
    try:
        pairs = Pairs(cohorts)
        leads = ", ".join(pairs.leads)
    except InputError as error:
        section.headline = f"Not measured: {error}."
        section.scores.append(not_measured("reconstruction", str(error)))
        return section
    section.scores += [
        attempt("Pearson's r", lambda: _correlation(pairs)),
        attempt("variance", lambda: _variance(pairs)),
    ]
    section.scores += [attempt(name, lambda name=name: _pointwise(pairs, name), counts=False) for name in MEASURES]
    section.scores.append(attempt("DTW", lambda: _warped(pairs), counts=False))
    section.scores += [attempt(f"R peaks within {1000 * at:.0f} ms", lambda at=at: _peaks(pairs, at)) for at in F1_FROM]
    section.scores.append(attempt("heart rate error", lambda: _rate(pairs)))
    features(section, pairs)
    segments(section, pairs)
    section.tables.insert(0, _by_lead(pairs))
    section.figures.insert(0, _figure(pairs))
    section.headline = _headline(section.scores)
    given = f"given leads: {', '.join(cohorts.given)}; " if cohorts.given else "no lead was given; "
    section.notes.append(f"{len(pairs)} pairs; {given}scored leads: {leads}.")
    return section


def _correlation(pairs: Pairs) -> Score:
    generated, true = pairs.waves
    r = np.nan_to_num(waveform.pearson(generated, true))
    value, interval = mean_over_leads(r, pairs.patients, pairs.cohorts.seed)
    other = float(np.nanmean(np.nan_to_num(waveform.pearson(generated, true[pairs.other_pairs()]))))
    note, reference = f"with the ECG of another patient {other:.2f}", None
    try:
        filtered = pairs.regression
    except InputError as error:
        rule = "r above that with the ECG of another patient: pass from 0.5, warn from 0.25"
        verdict = _at_least(value - other, ALONE_PASS, ALONE_WARN)
        note += f"; no linear filter as a reference: {error}"
    else:
        own = np.nan_to_num(waveform.pearson(filtered, true))
        reference = float(_with_noise(own, generated, true).mean())
        verdict = _at_least(value, reference, reference - R_WARN)
        note += f"; linear filter without noise {own.mean():.2f}"
        rule = (
            "floor: a linear filter (41 lags within ±0.4 s) fitted to the real records, with noise up to the variance "
            "of the generated ECGs, r·min(1, r/√variance ratio); pass from there, warn from 0.05 below"
        )
    return Score(
        "Pearson's r",
        value,
        interval=interval,
        floor=reference,
        floor_low=reference,
        n_synthetic=len(generated),
        n_real=len(true),
        definition=f"mean over records and scored leads of Pearson's r, 0 for a flat lead, {PREPROCESSING}; {rule}",
        verdict=verdict,
        note=note,
    )


def _with_noise(r: np.ndarray, generated: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(lead,): r of a filter, given as (pair, lead), if noise raised its variance to that of the generated leads."""
    mean = np.clip(r.mean(0), 0, 1)
    return mean * np.minimum(1, mean / np.sqrt(np.maximum(_variance_ratios(generated, true), 1e-9)))


def _variance_ratios(generated: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(lead,): variance over time, summed over records, of the generated leads over that of the true ones."""
    return generated.var(-1).sum(0) / true.var(-1).sum(0)


def _variance(pairs: Pairs) -> Score:
    def median_ratio(generated: np.ndarray, true: np.ndarray) -> float:
        return float(np.median(generated.sum(0) / true.sum(0)))

    powers = [side.var(-1) for side in pairs.waves]
    value = median_ratio(*powers)
    return Score(
        "variance",
        value,
        "generated / true",
        resampled_interval(median_ratio, powers, pairs.patients, pairs.cohorts.seed, repeats=200),
        n_synthetic=len(pairs),
        n_real=len(pairs),
        definition=f"median over scored leads of the variance over time, generated over true, {PREPROCESSING}; pass "
        "within 0.8 to 1.25, warn within 0.5 to 2",
        verdict=varies(value),
        note="below 1: regression to the mean" if value < 1 else "",
    )


def _pointwise(pairs: Pairs, name: str) -> Score:
    unit, definition, better, measure = MEASURES[name]
    generated, true = pairs.waves
    value, interval = mean_over_leads(measure(generated, true), pairs.patients, pairs.cohorts.seed)
    other = float(np.nanmean(measure(generated, true[pairs.other_pairs()])))
    return Score(
        name,
        value,
        unit,
        interval,
        n_synthetic=len(generated),
        n_real=len(true),
        definition=f"{definition}, mean over records and scored leads, {PREPROCESSING}; pass if better than with the "
        "ECG of another patient",
        verdict=PASS if better * (value - other) > 0 else FAIL,
        note=f"with the ECG of another patient {other:.3g}",
        counts=False,
    )


def _warped(pairs: Pairs) -> Score:
    generated, true = (side[:MOST_WARPED] for side in pairs.waves)
    others = np.roll(np.arange(len(generated)), 1)
    own, other = (waveform.dynamic_time_warping(generated, side, pairs.fs) for side in (true, true[others]))
    value, interval = mean_over_leads(own, pairs.patients[:MOST_WARPED], pairs.cohorts.seed)
    return Score(
        "DTW",
        value,
        "mV",
        interval,
        n_synthetic=len(generated),
        n_real=len(true),
        definition="mean absolute difference along the best warping within ±0.1 s (Sakoe & Chiba 1978), "
        f"{PREPROCESSING}; pass if better than with the ECG of another patient",
        verdict=PASS if value < other.mean() else FAIL,
        note=f"with the ECG of another patient {other.mean():.3g}; first {len(generated)} pairs",
        counts=False,
    )


def _peaks(pairs: Pairs, tolerance: float) -> Score:
    generated, true = pairs.peaks()
    counts = np.array([beats.beat_counts(a, b, tolerance) for a, b in zip(generated, true, strict=True)])
    others = [true[row] for row in pairs.other_pairs()]
    return Score(
        f"R peaks within {1000 * tolerance:.0f} ms",
        beats.r_peak_f1(generated, true, tolerance),
        "F1",
        patient_interval(counts, pairs.patients, pairs.cohorts.seed, statistic=beats.f1_of_counts),
        n_synthetic=len(generated),
        n_real=len(true),
        definition="harmonic mean of the shares of generated and of true R peaks that are matched one to one, pooled; "
        "pass from {:g}, warn from {:g}".format(*F1_FROM[tolerance]),
        extractor=DETECTOR,
        verdict=_at_least(beats.r_peak_f1(generated, true, tolerance), *F1_FROM[tolerance]),
        note=f"with the ECG of another patient {beats.r_peak_f1(generated, others, tolerance):.2f}",
    )


def _rate(pairs: Pairs) -> Score:
    generated, true = pairs.peaks()
    errors = beats.heart_rate_errors(generated, true)
    value = float(errors.mean())
    return Score(
        "heart rate error",
        value,
        "1/min",
        patient_interval(errors, pairs.patients, pairs.cohorts.seed),
        n_synthetic=len(generated),
        n_real=len(true),
        definition="mean absolute difference of the mean rates; a record without beats has rate 0; pass up to 2, warn "
        "up to 5",
        extractor=DETECTOR,
        verdict=_at_least(-value, -RATE_UP_TO[0], -RATE_UP_TO[1]),
        note=f"median {np.median(errors):.2f}",
    )


def _at_least(value: float, passing: float, warning: float) -> str:
    return PASS if value >= passing else WARN if value >= warning else FAIL


def _by_lead(pairs: Pairs) -> Table:
    generated, true = pairs.waves
    with np.errstate(invalid="ignore"):
        columns = [np.nan_to_num(waveform.pearson(generated, true)).mean(0), _variance_ratios(generated, true)]
        columns += [np.nanmean(measure(generated, true), 0) for _, _, _, measure in MEASURES.values()]
    units = [f"{name} ({unit})" if unit else name for name, (unit, *_) in MEASURES.items()]
    rows = [[lead, *(f"{column[row]:.3g}" for column in columns)] for row, lead in enumerate(pairs.leads)]
    return Table("By lead", ["", "r", "variance generated / true", *units], rows)


def _figure(pairs: Pairs) -> Figure:
    """The pair with the median r; up to eight scored leads."""
    generated, true = pairs.waves
    r = np.nan_to_num(waveform.pearson(generated, true)).mean(1)
    row = int(np.argsort(r)[len(r) // 2])
    until = min(generated.shape[-1], round(4 * pairs.fs))
    leads = [(lead, true[row, i, :until], generated[row, i, :until]) for i, lead in enumerate(pairs.leads[:8])]
    svg = figures.wave_pairs(leads, pairs.fs, ("true", "generated"), "A typical pair: true and generated leads")
    caption = (
        f"The pair with the median of the mean r ({r[row]:.2f}): recorded (grey) and generated (blue, SYNTHETIC), four "
        "seconds of each scored lead."
    )
    return Figure("A typical pair", svg, caption)


def _headline(scores: list[Score]) -> str:
    found = {score.name: score for score in scores}
    r, variance = found["Pearson's r"], found["variance"]
    if r.value is None or variance.value is None:
        return "The waveforms could not be compared."
    floor = "" if r.floor is None else f" (a linear filter with the same variance: {r.floor:.2f})"
    return (
        f"Generated and true leads correlate at {r.value:.2f}{floor}; the variance of the generated leads is "
        f"{variance.value:.2f} of the true one."
    )
