"""Do the waves of a beat follow each other at real distances, with real sizes and shapes?"""

from __future__ import annotations

import numpy as np

from ecggen.metrics.functional.marginals import kolmogorov_smirnov
from ecggen.report import features
from ecggen.report.inputs.cohort import LEAST, Material
from ecggen.report.median_beats import AFTER, BEFORE
from ecggen.report.references import attempt, scored, short_of
from ecggen.report.render import figures
from ecggen.report.scores import Figure, Score, Section, Table, beyond, gravest
from ecggen.report.shares import compared_share

DELINEATOR = "ecggen.evaluators.delineator"
"""Named in every score that rests on wave boundaries."""
INTERVALS = {
    "p_ms": ("P duration", "ms"),
    "pr_ms": ("PR interval", "ms"),
    "qrs_ms": ("QRS duration", "ms"),
    "qt_ms": ("QT interval", "ms"),
    "qtc_ms": ("QTc", "ms"),
    "axis_deg": ("QRS axis", "°"),
}
"""Each interval's words and unit; QTc after Fridericia (1920)."""
AMPLITUDES = {
    "p_mv": ("P amplitude", ("I", "II", "V1")),
    "r_mv": ("R amplitude", ("I", "II", "V1", "V3", "V6")),
    "s_mv": ("S amplitude", ("I", "II", "V1", "V3", "V6")),
    "t_mv": ("T amplitude", ("I", "II", "V3", "V6")),
    "st_mv": ("ST level at J + 60 ms", ("I", "II", "V3", "V6")),
}
"""Each amplitude's words and the leads in which it is compared."""
WHOLE = ("qrs_ms", "qt_ms")
"""What a record must have to count as delineated; P may rightly be missing."""
WARN_AT, FAIL_AT = 0.10, 0.25
"""Share of records that could not be delineated above the real set's."""


def intervals(material: Material) -> Section:
    """Share of records that can be delineated, intervals, axis and amplitudes against the real ones'."""
    section = Section(
        "intervals",
        "Intervals and median beats",
        "Do P, QRS and T follow each other at real distances, with real sizes and shapes?",
    )
    synthetic, real = material.synthetic, material.real
    section.scores.append(attempt("records that could be delineated", lambda: _delineated(material)))
    if min(len(synthetic.valid), len(real.valid)) < LEAST:
        section.headline = features.headline(section.scores, synthetic)
        return section
    section.scores.append(attempt("records with P waves", lambda: _with_p(material)))
    section.scores += [_of_record(material, key) for key in INTERVALS]
    section.scores += [_of_leads(material, key) for key in AMPLITUDES]
    section.headline = features.headline(section.scores[2:], synthetic)
    section.tables.append(_table(synthetic.intervals, real.intervals))
    section.figures += _figures(material, section)
    return section


def _delineated(material: Material) -> Score:
    return scored(
        "records that could be delineated",
        compared_share(
            _having(material, WHOLE), material.real.valid.patients, material.seed, material.synthetic.valid.patients
        ),
        lambda one: short_of(one.value, one.low, WARN_AT, FAIL_AT),
        "share of valid records in which QRS and T have a beginning and an end in most beats",
        more_is_better=True,
        unit="share",
        within=(0.0, 1.0),
        extractor=DELINEATOR,
    )


def _with_p(material: Material) -> Score:
    return scored(
        "records with P waves",
        compared_share(
            _having(material, ("p_ms",)), material.real.valid.patients, material.seed, material.synthetic.valid.patients
        ),
        lambda one: gravest(
            [beyond(one.value, one.high, WARN_AT, FAIL_AT), short_of(one.value, one.low, WARN_AT, FAIL_AT)]
        ),
        "share of valid records in which most beats have a P wave; atrial fibrillation has none",
        unit="share",
        within=(0.0, 1.0),
        extractor=DELINEATOR,
    )


def _having(material: Material, keys: tuple[str, ...]) -> list[np.ndarray]:
    """Which valid records, synthetic and real, have all of these intervals."""
    return [
        np.all([np.isfinite(one.intervals[key]) for key in keys], axis=0) if len(one.valid) else np.zeros(0, bool)
        for one in (material.synthetic, material.real)
    ]


def _of_record(material: Material, key: str) -> Score:
    name, unit = INTERVALS[key]
    return features.marginal(
        name,
        [one.intervals[key] for one in (material.synthetic, material.real)],
        material.real.valid.patients,
        material.seed,
        definition=f"median over a record's beats, in {unit}",
        extractor=DELINEATOR,
        drawn=material.synthetic.valid.patients,
        distance=features.kuiper if key == "axis_deg" else kolmogorov_smirnov,
    )


def _of_leads(material: Material, key: str) -> Score:
    name, wanted = AMPLITUDES[key]
    leads = material.real.valid.ecg.leads
    chosen = [leads.index(lead) for lead in wanted if lead in leads] or list(range(len(leads)))
    return features.marginal(
        name,
        [one.intervals[key][:, chosen] for one in (material.synthetic, material.real)],
        material.real.valid.patients,
        material.seed,
        definition=f"median over a record's beats in {', '.join(leads[at] for at in chosen)}, in mV",
        extractor=DELINEATOR,
        drawn=material.synthetic.valid.patients,
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


def _figures(material: Material, section: Section) -> list[Figure]:
    synthetic, real = material.synthetic, material.real
    words = {key: f"{name} ({unit})" for key, (name, unit) in INTERVALS.items()}
    floors = dict(zip(words.values(), (score.floor_high for score in section.scores[2:]), strict=False))
    sets = {word: (real.intervals[key], synthetic.intervals[key]) for key, word in words.items()}
    spread = figures.distributions(sets, floors, "Distributions of intervals and axis")
    time = np.linspace(-BEFORE, AFTER, real.shapes.shape[-1])
    leads = real.plain.leads
    beats = figures.curves_by_lead(
        time, real.shapes, synthetic.shapes, leads, ("s from the R peak", "mV"), "Median beats by lead"
    )
    return [
        Figure(
            "Median beats by lead",
            beats,
            "Each record's median beat around its R peak, at 100 Hz with 0.5–40 Hz. The grey band holds nine in ten "
            "real records, the solid line is their median; the dashed blue line should follow it, and the thin blue "
            "lines the band's edges. A narrower blue range means that beats are too much alike.",
        ),
        Figure("Intervals and axis", spread, features.CAPTION),
    ]
