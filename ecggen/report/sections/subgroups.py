"""Quality by sex, age and diagnostic superclass.

Records are grouped by their metadata or, if a set has none, by the predictions of the classifier in both sets. In each
group heart rates and features are compared with the real records of the same group. The shares of the groups are
reported without a verdict, because a set may be unbalanced on purpose; only a group that is almost absent warns.
"""

from __future__ import annotations

import numpy as np

from ecggen.conditioning import statements
from ecggen.core.rhythm import DETECTOR, heart_rate
from ecggen.metrics.functional.distribution.frechet import frechet_gaussian
from ecggen.report.features import marginal
from ecggen.report.inputs.cohort import LEAST, Cohorts, MeasuredSet
from ecggen.report.references import HALVED, as_score, attempt, compare
from ecggen.report.scores import PASS, WARN, Score, Section, Table, not_measured, times

AGES = {
    "under 40 years": (0, 40),
    "40 to 59 years": (40, 60),
    "60 to 79 years": (60, 80),
    "80 years and over": (80, np.inf),
}
CLASSES = {
    "CD": "conduction disturbance",
    "HYP": "hypertrophy",
    "MI": "infarction",
    "NORM": "normal ECG",
    "STTC": "ST or T changes",
}
"""Names of the diagnostic superclasses of PTB-XL."""
KNOWN = 0.5
"""Least share of records with known metadata for a set to be grouped by it."""
COMMON, RARE = 0.10, 0.01
"""A group with more than the first share of the real and less than the second of the synthetic records is missing."""

REDRAWS = 40
"""Random halves of the patients of a group for an interval."""

Groups = dict[str, tuple[np.ndarray, np.ndarray]]
"""Membership (record,) of bool of the synthetic and of the real records, by group."""


def subgroups(cohorts: Cohorts) -> Section:
    """Heart rate, features and share of each group, against the real records of the same group."""
    section = Section("subgroups", "Subgroups", "Is the quality the same for each sex, age group and diagnosis?")
    groups = _groups(cohorts, section)
    if not groups:
        why = "not both sets state sex, age or statements, and there is no classifier to predict them"
        section.scores.append(not_measured("subgroups", why))
        section.headline = "The records cannot be grouped: no metadata and no classifier."
        return section
    rates = [_rates(one) for one in (cohorts.synthetic, cohorts.real)]
    for name, members in groups.items():
        section.scores += _of_group(name, members, rates, cohorts)
    section.scores += [_missing_groups(groups)]
    section.tables.append(_shares(groups))
    section.headline = _headline(section.scores, groups)
    return section


def _groups(cohorts: Cohorts, section: Section) -> Groups:
    """All groups, by metadata or by the predictions of the classifier; a note states which."""
    sets = cohorts.synthetic, cohorts.real
    groups: Groups = {}
    for what, stated, predicted in (
        ("sex", _sex, _predicted_sex),
        ("age", _age, _predicted_age),
        ("diagnosis", _class, _predicted_class),
    ):
        found = [stated(one) for one in sets]
        if all(one is not None for one in found):
            section.notes.append(f"Grouped by {what} as the files state it; for synthetic records, as requested.")
        else:
            found = [predicted(one) for one in sets]
            if any(one is None for one in found):
                section.notes.append(f"Not grouped by {what}: it is not known for both sets.")
                continue
            section.notes.append(f"Grouped by {what} as the classifier predicts it: not both sets state it.")
        synthetic, real = (one or {} for one in found)
        groups |= {name: (synthetic[name], real[name]) for name in synthetic}
    return groups


def _sex(one: MeasuredSet) -> dict[str, np.ndarray] | None:
    sex = one.valid.sex
    return _if_known({"men": sex == 0, "women": sex == 1}, np.isfinite(sex))


def _age(one: MeasuredSet) -> dict[str, np.ndarray] | None:
    return _if_known(_age_groups(one.valid.age), np.isfinite(one.valid.age))


def _class(one: MeasuredSet) -> dict[str, np.ndarray] | None:
    codes = [set(one_record.split()) for one_record in one.valid.codes]
    members = statements.superclasses()
    classes = {label: np.array([bool(members[name] & own) for own in codes], bool) for name, label in CLASSES.items()}
    return _if_known(classes, np.array([bool(own) for own in codes], bool))


def _predicted_sex(one: MeasuredSet) -> dict[str, np.ndarray] | None:
    found = one.predictions
    return None if found is None else {"men": found.female < 0.5, "women": found.female >= 0.5}


def _predicted_age(one: MeasuredSet) -> dict[str, np.ndarray] | None:
    return None if one.predictions is None else _age_groups(one.predictions.age)


def _predicted_class(one: MeasuredSet) -> dict[str, np.ndarray] | None:
    found = one.predictions
    if found is None:
        return None
    probable = found.of([f"class {name}" for name in CLASSES]) >= 0.5
    return dict(zip(CLASSES.values(), probable.T, strict=True))


def _age_groups(age: np.ndarray) -> dict[str, np.ndarray]:
    return {name: (age >= low) & (age < high) for name, (low, high) in AGES.items()}


def _if_known(groups: dict[str, np.ndarray], known: np.ndarray) -> dict[str, np.ndarray] | None:
    """The groups, if the metadata of enough records is known."""
    return groups if len(known) and known.mean() >= KNOWN else None


def _rates(one: MeasuredSet) -> np.ndarray:
    """Heart rate of each record per minute (record,), NaN without beats."""
    return np.array([heart_rate(peaks) or np.nan for peaks in one.peaks])


def _of_group(
    name: str, members: tuple[np.ndarray, np.ndarray], rates: list[np.ndarray], cohorts: Cohorts
) -> list[Score]:
    """Heart rate and features of one group."""
    synthetic, real = members
    n_synthetic, n_real = int(synthetic.sum()), int(real.sum())
    why = _too_few(n_synthetic, n_real)
    if why:
        return [not_measured(f"{name}: heart rate", why, n_synthetic=n_synthetic, n_real=n_real)]
    patients = [cohorts.real.valid.patients[row] for row in np.flatnonzero(real)]
    both = rates[0][synthetic], rates[1][real]
    rate = marginal(f"{name}: heart rate", both, patients, cohorts.seed, extractor=DETECTOR)
    predicted = cohorts.synthetic.predictions, cohorts.real.predictions
    if predicted[0] is None or predicted[1] is None or cohorts.synthetic.classifier is None:
        return [rate]
    features = predicted[0].features[synthetic], predicted[1].features[real]
    classifier = cohorts.synthetic.classifier.name
    return [
        rate,
        attempt(f"{name}: FID", lambda: _distance(f"{name}: FID", features, patients, cohorts.seed, classifier)),
    ]


def _too_few(n_synthetic: int, n_real: int) -> str:
    """Why a group cannot be measured; "" if it can."""
    for count, least, kind in ((n_synthetic, LEAST, "synthetic"), (n_real, 2 * LEAST, "real")):
        if count < least:
            return f"{count} {kind} records, {least} needed"
    return ""


def _distance(
    name: str, features: tuple[np.ndarray, np.ndarray], patients: list[str], seed: int, classifier: str
) -> Score:
    """Gaussian Fréchet distance on the features of the classifier."""
    return as_score(
        name,
        compare(lambda x, y: frechet_gaussian(x, y, LEAST // 2), features, patients, seed, False, REDRAWS),
        lambda one: times(one.value, one.high),
        f"Gaussian Fréchet distance on the features of the classifier, within the group; {HALVED}",
        extractor=classifier,
    )


def _missing_groups(groups: Groups) -> Score:
    """Number of groups that are common in the real and rare in the synthetic set."""
    rare = [name for name, (synthetic, real) in groups.items() if real.mean() > COMMON and synthetic.mean() < RARE]
    return Score(
        "common groups that are almost absent",
        float(len(rare)),
        definition=f"groups with over {COMMON:.0%} of the real and under {RARE:.0%} of the synthetic records",
        verdict=WARN if rare else PASS,
        note=", ".join(rare),
    )


def _shares(groups: Groups) -> Table:
    def cell(part: np.ndarray) -> str:
        return f"{part.sum()} ({part.mean():.1%})"

    rows = [[name, cell(synthetic), cell(real)] for name, (synthetic, real) in groups.items()]
    return Table("Records of each group", ["group", "synthetic", "real"], rows)


def _headline(scores: list[Score], groups: Groups) -> str:
    measured = {score.name.split(":")[0] for score in scores if ":" in score.name and score.value is not None}
    differing = {one.name.split(":")[0] for one in scores if ":" in one.name and one.verdict in ("warn", "fail")}
    names = f": {', '.join(name for name in groups if name in differing)}" if differing else ""
    verb = "differs" if len(differing) == 1 else "differ"
    return (
        f"{len(measured)} of {len(groups)} groups have enough records; {len(differing) or 'none'} of them {verb} from "
        f"the real records of the group{names}."
    )
