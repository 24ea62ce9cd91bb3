"""Beat-to-beat variability: do the beats of a record resemble each other as in real records?

A cardiologist sees in a second when the beats of a record differ in shape, and scores of whole records do not: a
generator can have the right total variance with too much of it within records and too little between them. Beats that
are too much alike are a fault as well: breathing changes the amplitude of real ones.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecggen.core.errors import InputError
from ecggen.metrics.functional.variability import AFTER, BEFORE, FINE, LEAST, AlignedBeats, variance_split
from ecggen.report import features
from ecggen.report.inputs.cohort import LEAST as LEAST_RECORDS
from ecggen.report.inputs.cohort import Cohorts, MeasuredSet, halves
from ecggen.report.references import MOST, SPLITS
from ecggen.report.render import figures
from ecggen.report.scores import FAIL, PASS, WARN, Figure, Score, Section, Table, not_measured

PASSES, WARNS = (0.80, 1.25), (0.60, 1.67)
"""Ratio of a synthetic to a real variance, or of medians of a variability, for "pass" and for "warn"."""
FILTER = "beats from 0.25 s before to 0.40 s after the R peak, aligned, at 100 Hz, 0.5–40 Hz"
QUANTITIES = {
    "amplitude_cv": ("beat amplitude: coefficient of variation", "peak-to-peak amplitude over the normal beats"),
    "correlation": ("correlation of the beats with their median", "mean over the normal beats"),
    "qrs_cv": ("variation of QRS", "projection of the wave on the median beat, relative"),
    "t_cv": ("variation of T", "projection of the wave on the median beat, relative"),
    "p_cv": ("variation of P", "projection of the wave on the median beat, relative"),
}
"""Name and definition of each quantity of ``beat_variability`` that is scored."""
DRAWN = 3
"""Records of each set in the figure of overlaid beats."""


def variability(cohorts: Cohorts) -> Section:
    """Beat-to-beat variability within records, and the split of the variance within and between records."""
    section = Section(
        "variability", "Beat-to-beat variability", "Do the beats of a record resemble each other as real ones do?"
    )
    synthetic, real = cohorts.synthetic, cohorts.real
    few = min(len(synthetic.valid), len(real.valid))
    if few < LEAST_RECORDS:
        section.scores.append(not_measured("beat-to-beat variability", f"{few} valid records, {LEAST_RECORDS} needed"))
        section.headline = "Too few records."
        return section
    section.scores += [_quantity(cohorts, key) for key in QUANTITIES]
    section.scores.append(_ectopic(cohorts))
    section.scores += _ratios(cohorts)
    section.tables.append(_table(cohorts))
    section.figures += _figures(cohorts)
    section.headline = _headline(cohorts, section)
    section.notes.append(
        f"{FILTER}. Beats that correlate with the median beat of their record by less than 0.7 are counted as ectopic "
        f"and left out; records with fewer than {LEAST} normal beats are left out."
    )
    return section


def of_record(one: MeasuredSet, key: str) -> np.ndarray:
    """(record,) mean over the leads of a quantity of ``beat_variability``; NaN where no lead can be measured."""
    values = one.variability[key]
    known = np.isfinite(values)
    return np.where(known.any(1), np.where(known, values, 0).sum(1) / np.maximum(known.sum(1), 1), np.nan)


def _quantity(cohorts: Cohorts, key: str) -> Score:
    name, definition = QUANTITIES[key]
    return features.marginal(
        name,
        [of_record(one, key) for one in (cohorts.synthetic, cohorts.real)],
        cohorts.real.valid.patients,
        cohorts.seed,
        definition=f"{definition}, mean of the leads",
        synthetic_patients=cohorts.synthetic.valid.patients,
    )


def _ectopic(cohorts: Cohorts) -> Score:
    return features.marginal(
        "share of ectopic beats",
        [one.variability["ectopic_share"] for one in (cohorts.synthetic, cohorts.real)],
        cohorts.real.valid.patients,
        cohorts.seed,
        definition="beats that correlate with the median beat by less than 0.7",
        synthetic_patients=cohorts.synthetic.valid.patients,
    )


def _ratios(cohorts: Cohorts) -> list[Score]:
    """Ratio of the variance within records, and of that between records, to those of the real records."""
    names = {"within": "variance within records / real", "between": "variance between records / real"}
    try:
        pooled = _pooled(cohorts)
    except InputError as error:
        return [not_measured(name, str(error)) for name in names.values()]
    return [_ratio(name, *pooled[key]) for key, name in names.items()]


def _pooled(cohorts: Cohorts) -> dict[str, tuple[float, np.ndarray, int, int]]:
    """Ratio, ratios of real halves, and numbers of records, of both parts of the variance."""
    synthetic, real = (_at_record_rate(one.beats) for one in (cohorts.synthetic, cohorts.real))
    whole = [_parts(one) for one in (synthetic, real)]
    splits = halves(cohorts.real.valid.patients, MOST, SPLITS, cohorts.seed)
    floors = [[_parts([real[row] for row in side]) for side in split] for split in splits]
    return {
        key: (
            whole[0][key] / whole[1][key],
            np.array([a[key] / b[key] for a, b in floors]),
            len(synthetic),
            len(real),
        )
        for key in ("within", "between")
    }


def _at_record_rate(beats: list[AlignedBeats]) -> list[AlignedBeats]:
    """The beats at the sampling rate of the records, which is enough for variances."""
    return [replace(one, beats=one.beats[..., ::FINE]) for one in beats]


def _parts(beats: list[AlignedBeats]) -> dict[str, float]:
    """Variance within and between records, mean over leads and instants, in mV²."""
    return {name: max(float(part.mean()), 1e-9) for name, part in variance_split(beats, robust=True).items()}


def _ratio(name: str, value: float, floors: np.ndarray, n_synthetic: int, n_real: int) -> Score:
    low, high = np.quantile(floors, [0.05, 0.95])
    return Score(
        name,
        value,
        floor=1.0,
        floor_low=float(low),
        floor_high=float(high),
        n_synthetic=n_synthetic,
        n_real=n_real,
        definition="one-way split of the variance of the aligned normal beats, from medians and interquartile ranges "
        "over the records, mean of leads and instants; "
        f"pass {PASSES[0]:g} to {PASSES[1]:g} or within the real halves, warn {WARNS[0]:g} to {WARNS[1]:g}",
        verdict=ratio_verdict(value, (float(low), float(high))),
        note=f"floor: two real halves, 5 to 95 % of {SPLITS} splits",
    )


def ratio_verdict(value: float, real: tuple[float, float]) -> str:
    """Verdict on a ratio to real records, which range over ``real`` themselves.

    Example:
        >>> ratio_verdict(1.1, (0.9, 1.1)), ratio_verdict(1.4, (0.9, 1.1)), ratio_verdict(2.4, (0.9, 1.1))
        ('pass', 'warn', 'fail')
    """
    for (low, high), verdict in ((PASSES, PASS), (WARNS, WARN)):
        if min(low, real[0]) <= value <= max(high, real[1]):
            return verdict
    return FAIL


def _table(cohorts: Cohorts) -> Table:
    """Medians over the records by lead."""
    rows = []
    for key, (name, _) in QUANTITIES.items():
        for place, lead in enumerate(cohorts.real.plain.leads):
            sets = [one.variability[key][:, place] for one in (cohorts.synthetic, cohorts.real)]
            rows.append([name, lead, *features.medians(sets)])
    return Table("Variability by lead", ["quantity", "lead", *features.COLUMNS[1:]], rows)


def _figures(cohorts: Cohorts) -> list[Figure]:
    synthetic, real = cohorts.synthetic, cohorts.real
    sets = {name: (of_record(real, key), of_record(synthetic, key)) for key, (name, _) in list(QUANTITIES.items())[:4]}
    overlaid = {
        kind: [one.beats[row].beats for row in _typical(one)]
        for kind, one in (("real", real), ("synthetic", synthetic))
    }
    leads = real.plain.leads
    lead = leads.index("V5") if "V5" in leads else 0
    times = np.arange(round((BEFORE + AFTER) * real.plain.fs * FINE)) / (real.plain.fs * FINE) - BEFORE
    return [
        Figure(
            "Beats of single records, overlaid",
            figures.overlaid_beats(times, overlaid, lead, "Overlaid beats of single records"),
            f"All beats of {DRAWN} real and {DRAWN} synthetic records in lead {leads[lead]}, aligned on the R peak: "
            "those records whose variability is the 25, 50 and 75 % quantile of their set.",
        ),
        Figure(
            "Beat-to-beat variability", figures.distributions(sets, {}, "Beat-to-beat variability"), features.CAPTION
        ),
    ]


def _typical(one: MeasuredSet) -> list[int]:
    """Rows of the records at the quartiles of the variability."""
    values = of_record(one, "amplitude_cv")
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return []
    order = known[np.argsort(values[known])]
    return [int(order[round(share * (len(order) - 1))]) for share in (0.25, 0.5, 0.75)]


def _headline(cohorts: Cohorts, section: Section) -> str:
    found = [of_record(one, "amplitude_cv") for one in (cohorts.synthetic, cohorts.real)]
    values = [float(np.median(one[np.isfinite(one)])) if np.isfinite(one).any() else np.nan for one in found]
    ratios = [score for score in section.scores if score.value is not None and score.name.endswith("/ real")]
    parts = "; ".join(f"{score.name}: {score.value:.2f}" for score in ratios)
    return (
        f"The amplitude of the beats varies by {values[0]:.1%} within a synthetic record and by {values[1]:.1%} within "
        f"a real one (medians). {parts[:1].upper()}{parts[1:]}."
    )
