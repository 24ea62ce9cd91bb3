"""Intervals and median beats: delineation, intervals, axis, amplitudes and the shape of the beats."""

from __future__ import annotations

import numpy as np

from ecggen.metrics.functional.marginals import kolmogorov_smirnov
from ecggen.report import features
from ecggen.report.inputs.cohort import LEAST, Cohorts
from ecggen.report.median_beats import AFTER, BEFORE
from ecggen.report.references import as_score, attempt, short_of
from ecggen.report.render import figures
from ecggen.report.scores import Figure, Score, Section, Table, beyond, most_severe
from ecggen.report.shares import compare_share

DELINEATOR = "ecggen.evaluators.delineator"
"""Extractor of every score on wave boundaries."""
INTERVALS = {
    "p_ms": ("P duration", "ms"),
    "pr_ms": ("PR interval", "ms"),
    "qrs_ms": ("QRS duration", "ms"),
    "qt_ms": ("QT interval", "ms"),
    "qtc_ms": ("QTc", "ms"),
    "axis_deg": ("QRS axis", "°"),
}
"""Name and unit of each interval; QTc after Fridericia (1920)."""
AMPLITUDES = {
    "p_mv": ("P amplitude", ("I", "II", "V1")),
    "r_mv": ("R amplitude", ("I", "II", "V1", "V3", "V6")),
    "s_mv": ("S amplitude", ("I", "II", "V1", "V3", "V6")),
    "t_mv": ("T amplitude", ("I", "II", "V3", "V6")),
    "st_mv": ("ST level at J + 60 ms", ("I", "II", "V3", "V6")),
}
"""Name of each amplitude, and the leads in which it is compared."""
REQUIRED = ("qrs_ms", "qt_ms")
"""Intervals that a delineated record has; P waves may be absent."""
WARN_AT, FAIL_AT = 0.10, 0.25
"""Share of records that could not be delineated above the floor."""


def intervals(cohorts: Cohorts) -> Section:
    """Share of records that can be delineated, intervals, axis, amplitudes and median beats."""
    section = Section(
        "intervals",
        "Intervals and median beats",
        "Do intervals, amplitudes and the shape of the beats agree with real ones?",
    )
    synthetic, real = cohorts.synthetic, cohorts.real
    section.scores.append(attempt("records that could be delineated", lambda: _delineated(cohorts)))
    if min(len(synthetic.valid), len(real.valid)) < LEAST:
        section.headline = features.headline(section.scores, synthetic)
        return section
    section.scores.append(attempt("records with P waves", lambda: _with_p(cohorts)))
    section.scores += [_of_record(cohorts, key) for key in INTERVALS]
    section.scores += [_of_leads(cohorts, key) for key in AMPLITUDES]
    section.headline = features.headline(section.scores[2:], synthetic)
    section.tables.append(_table(synthetic.intervals, real.intervals))
    section.figures += _figures(cohorts, section)
    return section


def _delineated(cohorts: Cohorts) -> Score:
    return as_score(
        "records that could be delineated",
        compare_share(
            _having(cohorts, REQUIRED), cohorts.real.valid.patients, cohorts.seed, cohorts.synthetic.valid.patients
        ),
        lambda one: short_of(one.value, one.low, WARN_AT, FAIL_AT),
        "share of valid records in which most beats have an onset and an offset of QRS and T",
        more_is_better=True,
        unit="share",
        within=(0.0, 1.0),
        extractor=DELINEATOR,
    )


def _with_p(cohorts: Cohorts) -> Score:
    return as_score(
        "records with P waves",
        compare_share(
            _having(cohorts, ("p_ms",)), cohorts.real.valid.patients, cohorts.seed, cohorts.synthetic.valid.patients
        ),
        lambda one: most_severe(
            [beyond(one.value, one.high, WARN_AT, FAIL_AT), short_of(one.value, one.low, WARN_AT, FAIL_AT)]
        ),
        "share of valid records in which most beats have a P wave; atrial fibrillation has none",
        unit="share",
        within=(0.0, 1.0),
        extractor=DELINEATOR,
    )


def _having(cohorts: Cohorts, keys: tuple[str, ...]) -> list[np.ndarray]:
    """Which valid synthetic and real records have all of these intervals."""
    return [
        np.all([np.isfinite(one.intervals[key]) for key in keys], axis=0) if len(one.valid) else np.zeros(0, bool)
        for one in (cohorts.synthetic, cohorts.real)
    ]


def _of_record(cohorts: Cohorts, key: str) -> Score:
    name, unit = INTERVALS[key]
    return features.marginal(
        name,
        [one.intervals[key] for one in (cohorts.synthetic, cohorts.real)],
        cohorts.real.valid.patients,
        cohorts.seed,
        definition=f"median over the beats of a record, in {unit}",
        extractor=DELINEATOR,
        synthetic_patients=cohorts.synthetic.valid.patients,
        distance=features.kuiper if key == "axis_deg" else kolmogorov_smirnov,
    )


def _of_leads(cohorts: Cohorts, key: str) -> Score:
    name, chosen_leads = AMPLITUDES[key]
    leads = cohorts.real.valid.ecg.leads
    chosen = [leads.index(lead) for lead in chosen_leads if lead in leads] or list(range(len(leads)))
    return features.marginal(
        name,
        [one.intervals[key][:, chosen] for one in (cohorts.synthetic, cohorts.real)],
        cohorts.real.valid.patients,
        cohorts.seed,
        definition=f"median over the beats of a record in {', '.join(leads[at] for at in chosen)}, in mV",
        extractor=DELINEATOR,
        synthetic_patients=cohorts.synthetic.valid.patients,
    )


def _table(synthetic: dict[str, np.ndarray], real: dict[str, np.ndarray]) -> Table:
    rows = [
        [
            f"{name} ({unit})",
            *features.medians([synthetic[key], real[key]]),
            *(_share(one[key]) for one in (synthetic, real)),
        ]
        for key, (name, unit) in INTERVALS.items()
    ]
    head = [*features.COLUMNS, "measured, synthetic", "measured, real"]
    return Table("Intervals and axis", head, rows)


def _share(values: np.ndarray) -> str:
    return f"{np.isfinite(values).mean():.0%}"


def _figures(cohorts: Cohorts, section: Section) -> list[Figure]:
    synthetic, real = cohorts.synthetic, cohorts.real
    labels = {key: f"{name} ({unit})" for key, (name, unit) in INTERVALS.items()}
    floors = dict(zip(labels.values(), (score.floor_high for score in section.scores[2:]), strict=False))
    sets = {label: (real.intervals[key], synthetic.intervals[key]) for key, label in labels.items()}
    distributions = figures.distributions(sets, floors, "Distributions of intervals and axis")
    time = np.linspace(-BEFORE, AFTER, real.shapes.shape[-1])
    leads = real.plain.leads
    beats = figures.curves_by_lead(
        time, real.shapes, synthetic.shapes, leads, ("s from the R peak", "mV"), "Median beats by lead"
    )
    return [
        Figure(
            "Median beats by lead",
            beats,
            "Median beat of each record around its R peak, at 100 Hz, 0.5–40 Hz. The grey area contains 90 % of the "
            "real records, the solid line is their median. The dashed blue line should follow it, and the thin blue "
            "lines the edges of the grey area. A narrower blue range means too little variety of beats.",
        ),
        Figure("Intervals and axis", distributions, features.CAPTION),
    ]
