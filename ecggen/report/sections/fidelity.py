"""Is what was drawn what was asked for: heart rate, sex, age, statements, words?

What was obtained is found by a beat detector and by judges that were trained on real ECGs; how the verdicts follow
stands in ``asked``.
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
from ecggen.metrics.functional import condition_fidelity as obtained
from ecggen.metrics.functional.bootstrap import resampled_interval
from ecggen.metrics.functional.ranking import auroc
from ecggen.report.inputs.cohort import LEAST, Material
from ecggen.report.references import attempt
from ecggen.report.render import requested_figures
from ecggen.report.requested import RULE, Asked, beside, lenders, wishes
from ecggen.report.scores import FAIL, GRAVITY, PASS, WARN, Score, Section, not_measured

NEAR_PASS, NEAR_WARN = 0.8, 0.5
"""Share of records whose heart rate is to be within 5 per minute of what was asked for."""


def fidelity(material: Material) -> Section:
    """Heart rate, sex, age, statements and text: asked for against obtained."""
    section = Section("fidelity", "Condition fidelity", "Is what was drawn what was asked for?")
    asked, lent = Asked(material.synthetic, material), Asked(lenders(material), material)
    wanted = wishes(asked.set)
    if not wanted:
        section.headline = "Nothing is known to have been asked for: no heart rate, age, sex, statement or text."
        section.scores.append(not_measured("condition fidelity", "nothing was asked for"))
        return section
    measures: dict[str, Callable[[], list[Score]]] = {
        "heart rate": lambda: [_near(asked), _rate_error(asked)],
        "sex": lambda: [_sex(asked, lent)],
        "age": lambda: [_age(asked, lent)],
        "statements": lambda: [_statements(asked, lent, kind) for kind in ("superclasses", "statements")],
        "text": lambda: [_similarity(asked, lent), *(_retrieval(asked, lent, k) for k in (1, 10))],
    }
    for wish in wanted:
        section.scores += measures[wish]()
    section.headline = _headline(wanted, section.scores)
    section.notes.append(f"Real records beside them: {lent.studied.all.source}.")
    _add_labels(section, asked, lent)
    if "heart rate" in wanted:
        section.figures.append(requested_figures.heart_rates(*_rates(asked)[2:]))
    return section


def _near(asked: Asked) -> Score:
    def verdict(share: float) -> str:
        return PASS if share >= NEAR_PASS else WARN if share >= NEAR_WARN else FAIL

    return _rate(asked, "near", "heart rate within 5 per minute", "share", verdict)


def _rate_error(asked: Asked) -> Score:
    def verdict(error: float) -> str:
        return PASS if error <= obtained.NEAR else WARN if error <= 2 * obtained.NEAR else FAIL

    return _rate(asked, "mae", "heart rate: mean absolute error", "1/min", verdict)


def _rate(asked: Asked, key: str, name: str, unit: str, verdict: Callable[[float], str]) -> Score:
    def measure() -> Score:
        rows, patients, wanted, found = _rates(asked)
        if len(rows) < LEAST:
            raise InputError(f"{len(rows)} records with an asked heart rate, {LEAST} needed")
        about = obtained.heart_rate(wanted, found)
        return Score(
            name,
            about[key],
            unit,
            resampled_interval(
                lambda a, b: obtained.heart_rate(a, b)[key], [wanted, found], patients, asked.material.seed, repeats=200
            ),
            n_synthetic=len(rows),
            definition="mean rate between first and last R peak against the asked one; no rate counts as 0 per minute",
            extractor=DETECTOR,
            verdict=verdict(about[key]),
            note=f"bias {about['bias']:+.1f} per minute; no rate was found in {about['missing']:.1%}",
        )

    return attempt(name, measure, extractor=DETECTOR)


def _rates(asked: Asked) -> tuple[np.ndarray, list[str], np.ndarray, np.ndarray]:
    """Rows for which a heart rate was asked, their patients, the asked and the obtained rates (NaN where none)."""
    rows, patients = asked.rows(np.isfinite(asked.set.asked_rate))
    found = np.array([rate_of(asked.studied.peaks[row]) or np.nan for row in rows])
    return rows, patients, asked.set.asked_rate[rows], found


def _sex(asked: Asked, lent: Asked) -> Score:
    definition = "AUROC of the classifier's probability of a woman, asked-for women against men"
    return _person("sex", asked, lent, lambda one: one.predictions.female, obtained.sex, 0.5, definition)


def _age(asked: Asked, lent: Asked) -> Score:
    def r(wanted: np.ndarray, found: np.ndarray) -> float:
        return obtained.age(wanted, found)["r"]

    definition = "Pearson's r of the asked-for age and the age that the classifier finds"
    return _person("age", asked, lent, lambda one: one.predictions.age, r, 0.0, definition)


def _person(
    what: str,
    asked: Asked,
    lent: Asked,
    found: Callable[[Asked], np.ndarray],
    statistic: Callable[..., float],
    chance: float,
    definition: str,
) -> Score:
    """A fact of the patient, named ``what`` in a set, against what the classifier finds."""

    def measure() -> Score:
        sides, patients, errors = [], [], []
        for one in (asked, lent):
            wanted = getattr(one.set, what)
            rows, names = one.rows(np.isfinite(wanted))
            sides.append([wanted[rows], found(one)[rows]])
            patients.append(names)
            errors.append(float(np.abs(sides[-1][0] - sides[-1][1]).mean()) if len(rows) else np.nan)
        note = f"mean absolute error {errors[0]:.1f} years, of real records {errors[1]:.1f}" if what == "age" else ""
        return beside(
            what,
            statistic,
            sides,
            patients,
            chance,
            asked.material.seed,
            note=note,
            definition=f"{definition}; {RULE}",
            extractor=_classifier(asked),
        )

    return attempt(what, measure, extractor=_classifier(asked))


def _statements(asked: Asked, lent: Asked, kind: str) -> Score:
    name = f"{kind}: macro AUROC"

    def measure() -> Score:
        kept = list(_areas(asked, lent, kind))
        columns = [list(labels()).index(label) for label in kept]
        sides, patients = [], []
        for one in (asked, lent):
            rows, names = one.rows([bool(said) for said in one.codes])
            wanted = targets([one.codes[row] for row in rows])[:, columns]
            sides.append([one.predictions.probability[rows][:, columns], wanted])
            patients.append(names)
        return beside(
            name,
            lambda probability, wanted: float(np.nanmean(auroc(probability, wanted))),
            sides,
            patients,
            0.5,
            asked.material.seed,
            definition=f"mean over {len(kept)} labels of the area under the ROC curve of the classifier's probability, "
            f"records for which a label was asked against the others; labels with {obtained.LEAST} of each; {RULE}",
            extractor=_classifier(asked),
        )

    return attempt(name, measure, extractor=_classifier(asked))


def _areas(asked: Asked, lent: Asked, kind: str) -> dict[str, tuple[float, float]]:
    """AUROC of drawn and of real records by label, where both have enough records with and without it."""
    names = obtained.superclasses() if kind == "superclasses" else obtained.frequent(asked.codes)
    areas = []
    for one in (asked, lent):
        rows, _ = one.rows([bool(said) for said in one.codes])
        if len(rows) < LEAST:
            raise InputError(f"{len(rows)} records with statements, {LEAST} needed")
        codes = [one.codes[row] for row in rows]
        areas.append(obtained.diagnoses(one.predictions.probability[rows], codes, names))
    found = {name: (float(a), float(b)) for name, a, b in zip(names, *areas, strict=True) if np.isfinite(a + b)}
    if not found:
        raise InputError(f"none of {len(names)} labels has {obtained.LEAST} records with and without it in both sets")
    return found


def _similarity(asked: Asked, lent: Asked) -> Score:
    def measure() -> Score:
        ours, theirs = (_cosines(one) for one in (asked, lent))
        return beside(
            name,
            lambda own, other: float(own.mean() - other.mean()),
            [ours, theirs],
            [one.vectors[3] for one in (asked, lent)],
            0.0,
            asked.material.seed,
            note=f"own text {ours[0].mean():.2f}, of real records {theirs[0].mean():.2f}",
            definition=f"mean cosine of an ECG and its own text, less that with another record's text; {RULE}",
            extractor=_pair(asked),
        )

    name = "text: similarity above that of another's text"
    return attempt(name, measure, extractor=_pair(asked))


def _cosines(one: Asked) -> list[np.ndarray]:
    """Of each ECG with its own text and with another record's."""
    waves, texts, _, _ = one.vectors
    order = np.random.default_rng(one.material.seed).permutation(len(waves))
    others = np.empty_like(order)
    others[order] = np.roll(order, 1)
    return [(waves * texts).sum(1), (waves * texts[others]).sum(1)]


def _retrieval(asked: Asked, lent: Asked, k: int) -> Score:
    def measure() -> Score:
        sides, patients = [], []
        for one in (asked, lent):
            waves, texts, said, names = one.vectors
            hits = obtained.retrieved(waves, texts, said, k, one.material.seed)
            rows = np.flatnonzero(np.isfinite(hits))
            sides.append([hits[rows]])
            patients.append([names[row] for row in rows])
        chance = k / obtained.POOL
        definition = f"share of ECGs whose own text is among the {k} nearest of {obtained.POOL}; {RULE}"
        about: dict[str, Any] = {"definition": definition, "extractor": _pair(asked), "counts": False}
        return beside(
            name, lambda hits: float(hits.mean()), sides, patients, chance, asked.material.seed, chance, **about
        )

    name = f"text: recall at {k} of {obtained.POOL}"
    return attempt(name, measure, extractor=_pair(asked), counts=False)


def _headline(wanted: list[str], scores: list[Score]) -> str:
    """What was asked for, and what was obtained worst."""
    said = f"Asked for: {', '.join(wanted)}."
    known = [score for score in scores if score.value is not None and score.floor is not None and score.counts]
    if not known:
        return said
    worst = max(known, key=lambda score: (GRAVITY.index(score.verdict), -(score.value or 0) / (score.floor or 1)))
    return f"{said} Farthest from real records lies {worst.name}: {worst.value:.2f}, of real ones {worst.floor:.2f}."


def _add_labels(section: Section, asked: Asked, lent: Asked) -> None:
    """A table and a figure of each label's area, where they can be measured."""
    areas: dict[str, tuple[float, float]] = {}
    for kind in ("superclasses", "statements"):
        with suppress(InputError):
            areas |= _areas(asked, lent, kind)
    if areas:
        table, figure = requested_figures.by_label(areas)
        section.tables.append(table)
        section.figures.append(figure)


def _classifier(asked: Asked) -> str:
    return asked.studied.classifier.name if asked.studied.classifier else ""


def _pair(asked: Asked) -> str:
    return asked.material.ecg_text.name if asked.material.ecg_text else ""
