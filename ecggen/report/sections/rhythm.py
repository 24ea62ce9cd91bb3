"""Do the hearts beat, as fast and as regularly or irregularly as real ones?"""

from __future__ import annotations

import numpy as np

from ecggen.core.rhythm import DETECTOR
from ecggen.metrics.functional.beats import rr_table
from ecggen.report import features
from ecggen.report.inputs.cohort import LEAST, Material
from ecggen.report.references import attempt, scored, short_of
from ecggen.report.render import figures
from ecggen.report.scores import Figure, Score, Section, Table
from ecggen.report.shares import compared_share

BEATS = 3
"""R peaks that a record must have: two RR intervals are the least of which a variation can be told."""
WARN_AT, FAIL_AT = 0.05, 0.15
"""Share of records without beats above the real set's."""
STATISTICS = {
    "heart_rate": ("heart rate", "1/min", "mean rate between first and last R peak"),
    "sdnn_ms": ("RR deviation", "ms", "standard deviation of RR within a record (SDNN)"),
    "rmssd_ms": ("RR difference", "ms", "root mean square of successive RR differences (RMSSD)"),
    "irregularity": ("irregularity", "", "mean absolute successive RR difference over the mean RR"),
}
"""Each statistic's words, unit and definition."""
WRONG_RATES = (5.0, 2.5, 2.0, 0.5, 0.4, 0.2)
"""Ratios of heart rates that a wrong sampling rate makes (500, 250, 200 and 100 Hz taken for each other)."""


def rhythm(material: Material) -> Section:
    """Share of records with beats, and heart rate and RR statistics against the real ones'."""
    section = Section("rhythm", "Rhythm", "Do the hearts beat, and as fast and as regularly as real ones?")
    synthetic, real = material.synthetic, material.real
    tables = [rr_table(one.peaks) for one in (synthetic, real)]
    section.scores.append(attempt("records with three beats or more", lambda: _beating(material), extractor=DETECTOR))
    section.scores += [
        features.marginal(
            name,
            [table[key] for table in tables],
            real.valid.patients,
            material.seed,
            definition=definition,
            extractor=DETECTOR,
            drawn=synthetic.valid.patients,
        )
        for key, (name, _, definition) in STATISTICS.items()
    ]
    section.headline = features.headline(section.scores[1:], synthetic)
    section.notes += _wrong_rate(tables[0]["heart_rate"], tables[1]["heart_rate"])
    if min(len(synthetic.valid), len(real.valid)) >= LEAST:
        section.tables.append(_table(tables[0], tables[1]))
        section.figures.append(_figure(section, tables[0], tables[1]))
    return section


def _beating(material: Material) -> Score:
    having = [np.array([len(one) >= BEATS for one in studied.peaks]) for studied in (material.synthetic, material.real)]
    return scored(
        "records with three beats or more",
        compared_share(having, material.real.valid.patients, material.seed, material.synthetic.valid.patients),
        lambda one: short_of(one.value, one.low, WARN_AT, FAIL_AT),
        "share of valid records in which at least three R peaks are found",
        more_is_better=True,
        unit="share",
        within=(0.0, 1.0),
        extractor=DETECTOR,
    )


def _wrong_rate(synthetic: np.ndarray, real: np.ndarray) -> list[str]:
    """A note where all hearts beat so many times too fast that the sampling rate must be wrong."""
    known = [one[np.isfinite(one)] for one in (synthetic, real)]
    if min(map(len, known)) < LEAST:
        return []
    ratio = float(np.median(known[0]) / np.median(known[1]))
    return [
        f"The synthetic hearts beat {ratio:.2g} times as fast as the real ones: is their sampling rate {factor:g} "
        "times what was stated?"
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
    words = {key: f"{name} ({unit})" if unit else name for key, (name, unit, _) in STATISTICS.items()}
    floors = dict(zip(words.values(), (score.floor_high for score in section.scores[1:]), strict=True))
    sets = {word: (real[key], synthetic[key]) for key, word in words.items()}
    return Figure("Rhythm", figures.distributions(sets, floors, "Distributions of rhythm"), features.CAPTION)
