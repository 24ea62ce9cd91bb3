"""Is the ECG that was reconstructed the one that was recorded? Each generated record against its own truth.

Two faults are opposite: an answer that keeps to the mean patient is near the truth and varies too little, one that
varies as it should pays for it in correlation. So variance is judged by its ratio, and correlation against a linear
filter on the given leads whose answer is imagined with as much noise on it as makes it vary as the drawn ECGs do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ecggen.core.errors import InputError
from ecggen.core.rhythm import DETECTOR
from ecggen.metrics.functional import beats, waveform
from ecggen.metrics.functional.bootstrap import patient_interval, resampled_interval
from ecggen.report.inputs.cohort import Material
from ecggen.report.pairs import FORM, Pairs, mean_over_leads, varies
from ecggen.report.references import attempt
from ecggen.report.render import figures
from ecggen.report.scores import FAIL, PASS, WARN, Figure, Score, Section, Table, not_measured
from ecggen.report.sections.paired_features import features, segments

R_WARN = 0.05
"""Correlation below the linear filter's down to which it warns."""
ALONE_PASS, ALONE_WARN = 0.5, 0.25
"""Correlation above that with a stranger's ECG, where no filter can be fitted to given leads."""
F1_FROM = {0.05: (0.90, 0.75), 0.15: (0.95, 0.85)}
"""F1 of R peaks from which it passes and from which it warns, by tolerance in s."""
RATE_UP_TO = (2.0, 5.0)
"""Error of the heart rate per minute up to which it passes and up to which it warns."""
MOST_WARPED = 200
"""Pairs that are warped onto each other: that takes long and settles soon."""
Pointwise = Callable[[np.ndarray, np.ndarray], np.ndarray]
MEASURES: dict[str, tuple[str, str, int, Pointwise]] = {
    "MSE": ("mV²", "mean squared error", -1, waveform.mean_squared_error),
    "RMSE": ("mV", "root mean squared error of a record", -1, waveform.root_mean_squared_error),
    "MAE": ("mV", "mean absolute error", -1, waveform.mean_absolute_error),
    "R²": ("", "1 − SSE/SST of a record", 1, waveform.r_squared),
    "PRD": ("%", "percent root-mean-square difference, baseline removed (Zigel et al. 2000)", -1, waveform.prd),
}
"""Each measure's unit, definition, which way is better, and function; they do not vote, for r and variance do."""


def reconstruction(material: Material) -> Section:
    """Waves, rhythm, amplitudes, intervals and correlations of generated records against their true ones."""
    section = Section(
        "reconstruction", "Reconstruction", "Is the ECG that was reconstructed the one that was recorded?"
    )
    try:
        pairs = Pairs(material)
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
    given = f"given: {', '.join(material.given)}; " if material.given else "no lead was given; "
    section.notes.append(f"{len(pairs)} pairs; {given}scored: {leads}.")
    return section


def _correlation(pairs: Pairs) -> Score:
    drawn, true = pairs.waves
    r = np.nan_to_num(waveform.pearson(drawn, true))
    value, interval = mean_over_leads(r, pairs.patients, pairs.material.seed)
    stranger = float(np.nanmean(np.nan_to_num(waveform.pearson(drawn, true[pairs.strangers()]))))
    note, reference = f"with a stranger's ECG {stranger:.2f}", None
    try:
        filtered = pairs.regression
    except InputError as error:
        best, rule = (ALONE_PASS, ALONE_WARN), "r above that with a stranger's ECG: pass from 0.5, warn from 0.25"
        verdict = _at_least(value - stranger, *best)
        note += f"; no linear filter beside it: {error}"
    else:
        own = np.nan_to_num(waveform.pearson(filtered, true))
        reference = float(_with_noise(own, drawn, true).mean())
        verdict = _at_least(value, reference, reference - R_WARN)
        note += f"; of the linear filter itself {own.mean():.2f}"
        rule = (
            "floor: a linear filter (41 lags of ±0.4 s) learnt from the real records, with as much noise as makes it "
            "vary as the drawn ECGs do, r·min(1, r/√variance ratio); pass from there, warn from 0.05 below"
        )
    return Score(
        "Pearson's r",
        value,
        interval=interval,
        floor=reference,
        floor_low=reference,
        n_synthetic=len(drawn),
        n_real=len(true),
        definition=f"mean over records and scored leads of Pearson's r, 0 for a flat lead, {FORM}; {rule}",
        verdict=verdict,
        note=note,
    )


def _with_noise(r: np.ndarray, drawn: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(lead,): a filter's r (pair, lead), were its answer to vary as the drawn leads do, with noise in place of it."""
    mean = np.clip(r.mean(0), 0, 1)
    return mean * np.minimum(1, mean / np.sqrt(np.maximum(_variance_ratios(drawn, true), 1e-9)))


def _variance_ratios(drawn: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(lead,): variance over time, summed over records, of drawn leads over that of true ones."""
    return drawn.var(-1).sum(0) / true.var(-1).sum(0)


def _variance(pairs: Pairs) -> Score:
    def middle(drawn: np.ndarray, true: np.ndarray) -> float:
        return float(np.median(drawn.sum(0) / true.sum(0)))

    powers = [side.var(-1) for side in pairs.waves]
    value = middle(*powers)
    return Score(
        "variance",
        value,
        "drawn / true",
        resampled_interval(middle, powers, pairs.patients, pairs.material.seed, repeats=200),
        n_synthetic=len(pairs),
        n_real=len(pairs),
        definition=f"median over scored leads of the variance over time, drawn over true, {FORM}; pass within 0.8 to "
        "1.25, warn within 0.5 to 2",
        verdict=varies(value),
        note="below 1: the answers keep to the mean patient" if value < 1 else "",
    )


def _pointwise(pairs: Pairs, name: str) -> Score:
    unit, definition, better, measure = MEASURES[name]
    drawn, true = pairs.waves
    value, interval = mean_over_leads(measure(drawn, true), pairs.patients, pairs.material.seed)
    stranger = float(np.nanmean(measure(drawn, true[pairs.strangers()])))
    return Score(
        name,
        value,
        unit,
        interval,
        n_synthetic=len(drawn),
        n_real=len(true),
        definition=f"{definition}, mean over records and scored leads, {FORM}; pass if better than a stranger's ECG",
        verdict=PASS if better * (value - stranger) > 0 else FAIL,
        note=f"with a stranger's ECG {stranger:.3g}",
        counts=False,
    )


def _warped(pairs: Pairs) -> Score:
    drawn, true = (side[:MOST_WARPED] for side in pairs.waves)
    strangers = np.roll(np.arange(len(drawn)), 1)
    own, other = (waveform.dynamic_time_warping(drawn, side, pairs.fs) for side in (true, true[strangers]))
    value, interval = mean_over_leads(own, pairs.patients[:MOST_WARPED], pairs.material.seed)
    return Score(
        "DTW",
        value,
        "mV",
        interval,
        n_synthetic=len(drawn),
        n_real=len(true),
        definition=f"mean absolute difference along the best warping within ±0.1 s (Sakoe & Chiba 1978), {FORM}; pass "
        "if better than a stranger's ECG",
        verdict=PASS if value < other.mean() else FAIL,
        note=f"with a stranger's ECG {other.mean():.3g}; first {len(drawn)} pairs",
        counts=False,
    )


def _peaks(pairs: Pairs, tolerance: float) -> Score:
    drawn, true = pairs.peaks()
    counts = np.array([beats.beat_counts(a, b, tolerance) for a, b in zip(drawn, true, strict=True)])
    strangers = [true[row] for row in pairs.strangers()]
    return Score(
        f"R peaks within {1000 * tolerance:.0f} ms",
        beats.f1(drawn, true, tolerance),
        "F1",
        patient_interval(counts, pairs.patients, pairs.material.seed, statistic=beats.f1_of_counts),
        n_synthetic=len(drawn),
        n_real=len(true),
        definition="harmonic mean of the shares of drawn and of true R peaks that have a partner, one to one, pooled; "
        "pass from {:g}, warn from {:g}".format(*F1_FROM[tolerance]),
        extractor=DETECTOR,
        verdict=_at_least(beats.f1(drawn, true, tolerance), *F1_FROM[tolerance]),
        note=f"with a stranger's ECG {beats.f1(drawn, strangers, tolerance):.2f}",
    )


def _rate(pairs: Pairs) -> Score:
    drawn, true = pairs.peaks()
    errors = beats.heart_rate_errors(drawn, true)
    value = float(errors.mean())
    return Score(
        "heart rate error",
        value,
        "1/min",
        patient_interval(errors, pairs.patients, pairs.material.seed),
        n_synthetic=len(drawn),
        n_real=len(true),
        definition="mean absolute difference of the mean rates; where one has no rate, the whole of the other's; pass "
        "up to 2, warn up to 5",
        extractor=DETECTOR,
        verdict=_at_least(-value, -RATE_UP_TO[0], -RATE_UP_TO[1]),
        note=f"median {np.median(errors):.2f}",
    )


def _at_least(value: float, passing: float, warning: float) -> str:
    return PASS if value >= passing else WARN if value >= warning else FAIL


def _by_lead(pairs: Pairs) -> Table:
    drawn, true = pairs.waves
    with np.errstate(invalid="ignore"):
        columns = [np.nan_to_num(waveform.pearson(drawn, true)).mean(0), _variance_ratios(drawn, true)]
        columns += [np.nanmean(measure(drawn, true), 0) for _, _, _, measure in MEASURES.values()]
    units = [f"{name} ({unit})" if unit else name for name, (unit, *_) in MEASURES.items()]
    rows = [[lead, *(f"{column[row]:.3g}" for column in columns)] for row, lead in enumerate(pairs.leads)]
    return Table("By lead", ["", "r", "variance drawn / true", *units], rows)


def _figure(pairs: Pairs) -> Figure:
    """The pair whose r is the median, all scored leads."""
    drawn, true = pairs.waves
    r = np.nan_to_num(waveform.pearson(drawn, true)).mean(1)
    row = int(np.argsort(r)[len(r) // 2])
    until = min(drawn.shape[-1], round(4 * pairs.fs))
    shown = [(lead, true[row, i, :until], drawn[row, i, :until]) for i, lead in enumerate(pairs.leads[:8])]
    svg = figures.wave_pairs(shown, pairs.fs, ("true", "drawn"), "A typical pair: true and drawn leads")
    caption = (
        f"The pair whose mean r is the median ({r[row]:.2f}): what was recorded (grey) and what was drawn (blue), "
        "SYNTHETIC, four seconds of each scored lead."
    )
    return Figure("A typical pair", svg, caption)


def _headline(scores: list[Score]) -> str:
    found = {score.name: score for score in scores}
    r, variance = found["Pearson's r"], found["variance"]
    if r.value is None or variance.value is None:
        return "Waves could not be compared."
    beside = "" if r.floor is None else f", a linear filter of that variance {r.floor:.2f}"
    return f"Drawn and true leads correlate at {r.value:.2f}{beside}; they vary {variance.value:.2f} times as much."
