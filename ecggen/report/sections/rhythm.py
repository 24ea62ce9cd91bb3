"""Rhythm: records with beats, heart rate and RR statistics."""

from __future__ import annotations

import numpy as np

from ecggen.core.rhythm import DETECTOR
from ecggen.metrics.functional.beats import rr_table
from ecggen.report import features
from ecggen.report.inputs.cohort import LEAST, Cohorts
from ecggen.report.references import as_score, attempt, short_of
from ecggen.report.render import figures
from ecggen.report.scores import Figure, Score, Section, Table
from ecggen.report.shares import compare_share

BEATS = 3
"""Least number of R peaks of a record: RR variability needs two RR intervals."""
WARN_AT, FAIL_AT = 0.05, 0.15
"""Share of records without beats above the floor."""
STATISTICS = {
    "heart_rate": ("heart rate", "1/min", "mean rate between first and last R peak"),
    "sdnn_ms": ("RR deviation", "ms", "standard deviation of RR within a record (SDNN)"),
    "rmssd_ms": ("RR difference", "ms", "root mean square of successive RR differences (RMSSD)"),
    "irregularity": ("irregularity", "", "mean absolute successive RR difference over the mean RR"),
}
"""Name, unit and definition of each statistic."""
WRONG_RATES = (5.0, 2.5, 2.0, 0.5, 0.4, 0.2)
"""Ratios of heart rates under a wrong sampling rate (500, 250, 200 and 100 Hz confused)."""


def rhythm(cohorts: Cohorts) -> Section:
    """Share of records with beats, heart rate and RR statistics."""
    section = Section("rhythm", "Rhythm", "Do heart rate and RR variability agree with real ones?")
    synthetic, real = cohorts.synthetic, cohorts.real
    tables = [rr_table(one.peaks) for one in (synthetic, real)]
    section.scores.append(attempt("records with three beats or more", lambda: _beating(cohorts), extractor=DETECTOR))
    section.scores += [
        features.marginal(
            name,
            [table[key] for table in tables],
            real.valid.patients,
            cohorts.seed,
            definition=definition,
            extractor=DETECTOR,
            synthetic_patients=synthetic.valid.patients,
        )
        for key, (name, _, definition) in STATISTICS.items()
    ]
    section.headline = features.headline(section.scores[1:], synthetic)
    section.notes += _wrong_rate(tables[0]["heart_rate"], tables[1]["heart_rate"])
    if min(len(synthetic.valid), len(real.valid)) >= LEAST:
        section.tables.append(_table(tables[0], tables[1]))
        section.figures.append(_figure(section, tables[0], tables[1]))
    return section


def _beating(cohorts: Cohorts) -> Score:
    having = [
        np.array([len(one) >= BEATS for one in measured_set.peaks])
        for measured_set in (cohorts.synthetic, cohorts.real)
    ]
    return as_score(
        "records with three beats or more",
        compare_share(having, cohorts.real.valid.patients, cohorts.seed, cohorts.synthetic.valid.patients),
        lambda one: short_of(one.value, one.low, WARN_AT, FAIL_AT),
        "share of valid records in which at least three R peaks are found",
        more_is_better=True,
        unit="share",
        within=(0.0, 1.0),
        extractor=DETECTOR,
    )


def _wrong_rate(synthetic: np.ndarray, real: np.ndarray) -> list[str]:
    """A note if the ratio of the heart rates indicates a wrong sampling rate."""
    known = [one[np.isfinite(one)] for one in (synthetic, real)]
    if min(map(len, known)) < LEAST:
        return []
    ratio = float(np.median(known[0]) / np.median(known[1]))
    return [
        f"The median heart rate of the synthetic records is {ratio:.2g} times that of the real ones: is their sampling "
        f"rate {factor:g} times what was stated?"
        for factor in WRONG_RATES
        if abs(np.log(ratio * factor)) < 0.1
    ]


def _table(synthetic: dict[str, np.ndarray], real: dict[str, np.ndarray]) -> Table:
    rows = [
        [f"{name} ({unit})" if unit else name, *features.medians([synthetic[key], real[key]])]
        for key, (name, unit, _) in STATISTICS.items()
    ]
    return Table("Rhythm", features.COLUMNS, rows)


def _figure(section: Section, synthetic: dict[str, np.ndarray], real: dict[str, np.ndarray]) -> Figure:
    labels = {key: f"{name} ({unit})" if unit else name for key, (name, unit, _) in STATISTICS.items()}
    floors = dict(zip(labels.values(), (score.floor_high for score in section.scores[1:]), strict=True))
    sets = {label: (real[key], synthetic[key]) for key, label in labels.items()}
    return Figure("Rhythm", figures.distributions(sets, floors, "Distributions of rhythm"), features.CAPTION)
