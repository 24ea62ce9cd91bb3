"""Condition fidelity: requested against measured heart rate, sex, age, statements and text.

The measurements come from a beat detector, a classifier and an ECG–text encoder that were trained on real ECGs.
``ecggen.report.requested`` defines the verdicts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.core.rhythm import DETECTOR
from ecggen.core.rhythm import heart_rate as rate_of
from ecggen.evaluators.classifier import labels, targets
from ecggen.metrics.functional import condition_fidelity
from ecggen.metrics.functional.bootstrap import resampled_interval
from ecggen.metrics.functional.ranking import auroc
from ecggen.report import negations
from ecggen.report.criteria import criteria
from ecggen.report.inputs.cohort import LEAST, Cohorts
from ecggen.report.references import attempt
from ecggen.report.render import requested_figures
from ecggen.report.requested import RULE, RequestedSet, compare_with_real, reference_set, requested_kinds
from ecggen.report.scores import FAIL, PASS, SEVERITY, WARN, Score, Section, not_measured

NEAR_PASS, NEAR_WARN = 0.8, 0.5
"""Share of records with a heart rate within 5 per minute of the requested one, for "pass" and for "warn"."""


def fidelity(cohorts: Cohorts) -> Section:
    """Requested against measured heart rate, sex, age, statements and text."""
    section = Section("fidelity", "Condition fidelity", "Do the ECGs show the conditions that were requested?")
    requested, reference = RequestedSet(cohorts.synthetic, cohorts), RequestedSet(reference_set(cohorts), cohorts)
    kinds = requested_kinds(requested.set)
    if not kinds:
        section.headline = "No requested condition is known: no heart rate, age, sex, statement or text."
        section.scores.append(not_measured("condition fidelity", "no requested condition is known"))
        return section
    measures: dict[str, Callable[[], list[Score]]] = {
        "heart rate": lambda: [_near(requested), _rate_error(requested)],
        "sex": lambda: [_sex(requested, reference)],
        "age": lambda: [_age(requested, reference)],
        "statements": lambda: [_statements(requested, reference, kind) for kind in ("superclasses", "statements")],
        "text": lambda: [_similarity(requested, reference), *(_retrieval(requested, reference, k) for k in (1, 10))],
    }
    for kind in kinds:
        section.scores += measures[kind]()
    section.headline = _headline(kinds, section.scores)
    section.notes.append(f"Real records for the floors: {reference.measured_set.all.source}.")
    _add_labels(section, requested, reference)
    _add_criteria(section, requested, reference)
    _add_negations(section, requested)
    if "heart rate" in kinds:
        section.figures.append(requested_figures.heart_rates(*_rates(requested)[2:]))
    return section


def _near(requested: RequestedSet) -> Score:
    def verdict(share: float) -> str:
        return PASS if share >= NEAR_PASS else WARN if share >= NEAR_WARN else FAIL

    return _rate(requested, "near", "heart rate within 5 per minute", "share", verdict)


def _rate_error(requested: RequestedSet) -> Score:
    def verdict(error: float) -> str:
        return PASS if error <= condition_fidelity.NEAR else WARN if error <= 2 * condition_fidelity.NEAR else FAIL

    return _rate(requested, "mae", "heart rate: mean absolute error", "1/min", verdict)


def _rate(requested: RequestedSet, key: str, name: str, unit: str, verdict: Callable[[float], str]) -> Score:
    def measure() -> Score:
        rows, patients, requested_values, found = _rates(requested)
        if len(rows) < LEAST:
            raise InputError(f"{len(rows)} records with a requested heart rate, {LEAST} needed")
        about = condition_fidelity.heart_rate_fidelity(requested_values, found)
        return Score(
            name,
            about[key],
            unit,
            resampled_interval(
                lambda a, b: condition_fidelity.heart_rate_fidelity(a, b)[key],
                [requested_values, found],
                patients,
                requested.cohorts.seed,
                repeats=200,
            ),
            n_synthetic=len(rows),
            definition="mean rate between first and last R peak against the requested rate; without beats it counts as "
            "0 per minute",
            extractor=DETECTOR,
            verdict=verdict(about[key]),
            note=f"bias {about['bias']:+.1f} per minute; no beats found in {about['missing']:.1%}",
        )

    return attempt(name, measure, extractor=DETECTOR)


def _rates(requested: RequestedSet) -> tuple[np.ndarray, list[str], np.ndarray, np.ndarray]:
    """Rows with a requested heart rate, their patients, the requested and the measured rates (NaN without beats)."""
    rows, patients = requested.rows(np.isfinite(requested.set.requested_heart_rate))
    found = np.array([rate_of(requested.measured_set.peaks[row]) or np.nan for row in rows])
    return rows, patients, requested.set.requested_heart_rate[rows], found


def _sex(requested: RequestedSet, reference: RequestedSet) -> Score:
    definition = "AUROC of the classifier's probability of female sex, requested women against requested men"
    statistic = condition_fidelity.sex_fidelity
    return _metadata("sex", requested, reference, lambda one: one.predictions.female, statistic, 0.5, definition)


def _age(requested: RequestedSet, reference: RequestedSet) -> Score:
    def r(requested_values: np.ndarray, found: np.ndarray) -> float:
        return condition_fidelity.age_fidelity(requested_values, found)["r"]

    definition = "Pearson's r of the requested age and the age that the classifier predicts"
    return _metadata("age", requested, reference, lambda one: one.predictions.age, r, 0.0, definition)


def _metadata(
    what: str,
    requested: RequestedSet,
    reference: RequestedSet,
    found: Callable[[RequestedSet], np.ndarray],
    statistic: Callable[..., float],
    chance: float,
    definition: str,
) -> Score:
    """Requested metadata (attribute ``what`` of a set) against the prediction of the classifier."""

    def measure() -> Score:
        sides, patients, errors = [], [], []
        for one in (requested, reference):
            requested_values = getattr(one.set, what)
            rows, names = one.rows(np.isfinite(requested_values))
            sides.append([requested_values[rows], found(one)[rows]])
            patients.append(names)
            errors.append(float(np.abs(sides[-1][0] - sides[-1][1]).mean()) if len(rows) else np.nan)
        note = f"mean absolute error {errors[0]:.1f} years, real records {errors[1]:.1f}" if what == "age" else ""
        return compare_with_real(
            what,
            statistic,
            sides,
            patients,
            chance,
            requested.cohorts.seed,
            note=note,
            definition=f"{definition}; {RULE}",
            extractor=_classifier(requested),
        )

    return attempt(what, measure, extractor=_classifier(requested))


def _statements(requested: RequestedSet, reference: RequestedSet, kind: str) -> Score:
    name = f"{kind}: macro AUROC"

    def measure() -> Score:
        kept = list(_areas(requested, reference, kind))
        columns = [list(labels()).index(label) for label in kept]
        sides, patients = [], []
        for one in (requested, reference):
            rows, names = one.rows([bool(codes) for codes in one.codes])
            requested_values = targets([one.codes[row] for row in rows])[:, columns]
            sides.append([one.predictions.probability[rows][:, columns], requested_values])
            patients.append(names)
        return compare_with_real(
            name,
            lambda probability, requested_values: float(np.nanmean(auroc(probability, requested_values))),
            sides,
            patients,
            0.5,
            requested.cohorts.seed,
            definition=f"mean over {len(kept)} labels of the area under the ROC curve of the classifier's probability, "
            f"records with the requested label against the others; labels with {condition_fidelity.LEAST} records of "
            f"each; {RULE}",
            extractor=_classifier(requested),
        )

    return attempt(name, measure, extractor=_classifier(requested))


def _areas(requested: RequestedSet, reference: RequestedSet, kind: str) -> dict[str, tuple[float, float]]:
    """AUROC of synthetic and of real records by label, of labels with enough records with and without it in both."""
    if kind == "superclasses":
        names = condition_fidelity.superclasses()
    else:
        names = condition_fidelity.most_frequent(requested.codes)
    areas = []
    for one in (requested, reference):
        rows, _ = one.rows([bool(codes) for codes in one.codes])
        if len(rows) < LEAST:
            raise InputError(f"{len(rows)} records with statements, {LEAST} needed")
        codes = [one.codes[row] for row in rows]
        areas.append(condition_fidelity.diagnosis_fidelity(one.predictions.probability[rows], codes, names))
    found = {name: (float(a), float(b)) for name, a, b in zip(names, *areas, strict=True) if np.isfinite(a + b)}
    if not found:
        least = condition_fidelity.LEAST
        raise InputError(f"none of {len(names)} labels has {least} records with and without it in both sets")
    return found


def _similarity(requested: RequestedSet, reference: RequestedSet) -> Score:
    def measure() -> Score:
        synthetic, real = (_cosines(one) for one in (requested, reference))
        return compare_with_real(
            name,
            lambda own, other: float(own.mean() - other.mean()),
            [synthetic, real],
            [one.vectors[3] for one in (requested, reference)],
            0.0,
            requested.cohorts.seed,
            note=f"own text {synthetic[0].mean():.2f}, real records {real[0].mean():.2f}",
            definition=f"mean cosine of an ECG and its own text, minus that with the text of another record; {RULE}",
            extractor=_ecg_text(requested),
        )

    name = "text: similarity above that of another's text"
    return attempt(name, measure, extractor=_ecg_text(requested))


def _cosines(one: RequestedSet) -> list[np.ndarray]:
    """Cosine similarity of each ECG with its own text and with the text of another record."""
    waves, texts, _, _ = one.vectors
    order = np.random.default_rng(one.cohorts.seed).permutation(len(waves))
    others = np.empty_like(order)
    others[order] = np.roll(order, 1)
    return [(waves * texts).sum(1), (waves * texts[others]).sum(1)]


def _retrieval(requested: RequestedSet, reference: RequestedSet, k: int) -> Score:
    def measure() -> Score:
        sides, patients = [], []
        for one in (requested, reference):
            waves, texts, strings, names = one.vectors
            hits = condition_fidelity.text_retrieval(waves, texts, strings, k, one.cohorts.seed)
            rows = np.flatnonzero(np.isfinite(hits))
            sides.append([hits[rows]])
            patients.append([names[row] for row in rows])
        chance = k / condition_fidelity.POOL
        definition = f"share of ECGs whose own text is among the {k} nearest of {condition_fidelity.POOL}; {RULE}"
        about: dict[str, Any] = {"definition": definition, "extractor": _ecg_text(requested), "counts": False}
        return compare_with_real(
            name, lambda hits: float(hits.mean()), sides, patients, chance, requested.cohorts.seed, chance, **about
        )

    name = f"text: recall at {k} of {condition_fidelity.POOL}"
    return attempt(name, measure, extractor=_ecg_text(requested), counts=False)


def _headline(kinds: list[str], scores: list[Score]) -> str:
    """The requested conditions, and the one with the worst score."""
    requested = f"Requested: {', '.join(kinds)}."
    known = [score for score in scores if score.value is not None and score.floor is not None and score.counts]
    if not known:
        return requested
    worst = max(known, key=lambda score: (SEVERITY.index(score.verdict), -(score.value or 0) / (score.floor or 1)))
    return f"{requested} The largest difference is in {worst.name}: {worst.value:.2f}, real records {worst.floor:.2f}."


def _add_labels(section: Section, requested: RequestedSet, reference: RequestedSet) -> None:
    """Add a table and a figure of the AUROC by label, where it can be measured."""
    areas: dict[str, tuple[float, float]] = {}
    for kind in ("superclasses", "statements"):
        with suppress(InputError):
            areas |= _areas(requested, reference, kind)
    if areas:
        table, figure = requested_figures.by_label(areas)
        section.tables.append(table)
        section.figures.append(figure)


def _add_criteria(section: Section, requested: RequestedSet, reference: RequestedSet) -> None:
    """Add the score and the table of the diagnostic criteria, if statements were requested."""
    if not any(requested.codes):
        return
    try:
        score, table = criteria(requested, reference)
    except InputError as error:
        section.scores.append(not_measured("diagnostic criteria", str(error)))
        return
    section.scores.append(score)
    section.tables.append(table)


def _add_negations(section: Section, requested: RequestedSet) -> None:
    """Add scores and tables of negated findings, if a text denies a finding."""
    if not negations.has_denials(requested):
        return
    try:
        scores, tables = negations.negations(requested)
    except InputError as error:
        section.scores.append(not_measured("negated findings", str(error)))
        return
    section.scores += scores
    section.tables += tables


def _classifier(requested: RequestedSet) -> str:
    return requested.measured_set.classifier.name if requested.measured_set.classifier else ""


def _ecg_text(requested: RequestedSet) -> str:
    return requested.cohorts.ecg_text.name if requested.cohorts.ecg_text else ""
