"""Is it as good for women as for men, for the old as for the young, for each disease?

Records are sorted by what is known of them, or, where a set does not say, by what the classifier finds in either set. In
each group heart rates and features are compared with the real records of the same group. The shares of the groups are
told and not judged, for a set may be unbalanced on purpose; only a group that is hardly drawn at all is.
"""

from __future__ import annotations

import numpy as np

from ecggen.conditioning import statements
from ecggen.core.rhythm import DETECTOR, heart_rate
from ecggen.metrics.functional.distribution.frechet import frechet_gaussian
from ecggen.report.features import marginal
from ecggen.report.inputs.cohort import LEAST, Material, Studied
from ecggen.report.references import HALVED, attempt, compared, scored
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
"""PTB-XL's diagnostic superclasses in words."""
KNOWN = 0.5
"""Share of a set's records of which something must be known for it to be sorted by that."""
COMMON, RARE = 0.10, 0.01
"""A group with more than this share of the real records and less than that of the synthetic is hardly drawn."""

REDRAWS = 40
"""Halves of a group's patients for an interval."""

Groups = dict[str, tuple[np.ndarray, np.ndarray]]
"""Which synthetic and which real records (record,) of bool belong to a group."""


def subgroups(material: Material) -> Section:
    """Heart rate, features and share of each group, against the real records of that group."""
    section = Section("subgroups", "Subgroups", "Is it as good for each sex, age and disease as for all together?")
    groups = _groups(material, section)
    if not groups:
        why = "neither set says sex, age or statements, and there is no classifier to find them"
        section.scores.append(not_measured("subgroups", why))
        section.headline = "Nothing is known of the records by which they could be sorted."
        return section
    rates = [_rates(one) for one in (material.synthetic, material.real)]
    for name, members in groups.items():
        section.scores += _of_group(name, members, rates, material)
    section.scores += [_drawn_at_all(groups)]
    section.tables.append(_shares(groups))
    section.headline = _headline(section.scores, groups)
    return section


def _groups(material: Material, section: Section) -> Groups:
    """Every group, by what is known or by what the classifier finds; which of the two, goes into the notes."""
    sets = material.synthetic, material.real
    found: Groups = {}
    for what, known, judged in (
        ("sex", _sex, _sex_found),
        ("age", _age, _age_found),
        ("disease", _class, _class_found),
    ):
        said = [known(one) for one in sets]
        if all(one is not None for one in said):
            section.notes.append(f"Sorted by {what} as the files say it; of the synthetic, what they were to be.")
        else:
            said = [judged(one) for one in sets]
            if any(one is None for one in said):
                section.notes.append(f"Not sorted by {what}: it is not known of both sets.")
                continue
            section.notes.append(f"Sorted by {what} as the classifier finds it in either set, for not both say it.")
        ours, theirs = (one or {} for one in said)
        found |= {name: (ours[name], theirs[name]) for name in ours}
    return found


def _sex(one: Studied) -> dict[str, np.ndarray] | None:
    sex = one.valid.sex
    return _enough({"men": sex == 0, "women": sex == 1}, np.isfinite(sex))


def _age(one: Studied) -> dict[str, np.ndarray] | None:
    return _enough(_bands(one.valid.age), np.isfinite(one.valid.age))


def _class(one: Studied) -> dict[str, np.ndarray] | None:
    said = [set(codes.split()) for codes in one.valid.codes]
    every = statements.superclasses()
    classes = {words: np.array([bool(every[name] & here) for here in said], bool) for name, words in CLASSES.items()}
    return _enough(classes, np.array([bool(here) for here in said], bool))


def _sex_found(one: Studied) -> dict[str, np.ndarray] | None:
    found = one.predictions
    return None if found is None else {"men": found.female < 0.5, "women": found.female >= 0.5}


def _age_found(one: Studied) -> dict[str, np.ndarray] | None:
    return None if one.predictions is None else _bands(one.predictions.age)


def _class_found(one: Studied) -> dict[str, np.ndarray] | None:
    found = one.predictions
    if found is None:
        return None
    probable = found.of([f"class {name}" for name in CLASSES]) >= 0.5
    return dict(zip(CLASSES.values(), probable.T, strict=True))


def _bands(age: np.ndarray) -> dict[str, np.ndarray]:
    return {name: (age >= low) & (age < high) for name, (low, high) in AGES.items()}


def _enough(groups: dict[str, np.ndarray], known: np.ndarray) -> dict[str, np.ndarray] | None:
    """The groups, where something is known of enough records."""
    return groups if len(known) and known.mean() >= KNOWN else None


def _rates(one: Studied) -> np.ndarray:
    """(record,) heart rate per minute, NaN without beats."""
    return np.array([heart_rate(peaks) or np.nan for peaks in one.peaks])


def _of_group(
    name: str, members: tuple[np.ndarray, np.ndarray], rates: list[np.ndarray], material: Material
) -> list[Score]:
    """Heart rate and features of one group."""
    ours, theirs = members
    why = _too_few(int(ours.sum()), int(theirs.sum()))
    if why:
        return [not_measured(f"{name}: heart rate", why, n_synthetic=int(ours.sum()), n_real=int(theirs.sum()))]
    patients = [material.real.valid.patients[row] for row in np.flatnonzero(theirs)]
    both = rates[0][ours], rates[1][theirs]
    rate = marginal(f"{name}: heart rate", both, patients, material.seed, extractor=DETECTOR)
    judged = material.synthetic.predictions, material.real.predictions
    if judged[0] is None or judged[1] is None or material.synthetic.classifier is None:
        return [rate]
    features = judged[0].features[ours], judged[1].features[theirs]
    classifier = material.synthetic.classifier.name
    return [
        rate,
        attempt(f"{name}: FID", lambda: _distance(f"{name}: FID", features, patients, material.seed, classifier)),
    ]


def _too_few(ours: int, theirs: int) -> str:
    """Why a group cannot be measured; "" where it can."""
    for count, least, kind in ((ours, LEAST, "synthetic"), (theirs, 2 * LEAST, "real")):
        if count < least:
            return f"{count} {kind} records, {least} needed"
    return ""


def _distance(
    name: str, features: tuple[np.ndarray, np.ndarray], patients: list[str], seed: int, classifier: str
) -> Score:
    """Gaussian Fréchet distance on the classifier's features."""
    return scored(
        name,
        compared(lambda x, y: frechet_gaussian(x, y, LEAST // 2), features, patients, seed, False, REDRAWS),
        lambda one: times(one.value, one.high),
        f"Fréchet distance of normal distributions on the classifier's features, within the group; {HALVED}",
        extractor=classifier,
    )


def _drawn_at_all(groups: Groups) -> Score:
    """How many groups of some size among the real records are hardly drawn."""
    rare = [name for name, (ours, theirs) in groups.items() if theirs.mean() > COMMON and ours.mean() < RARE]
    return Score(
        "common groups that are hardly drawn",
        float(len(rare)),
        definition=f"groups with over {COMMON:.0%} of the real records and under {RARE:.0%} of the synthetic",
        verdict=WARN if rare else PASS,
        note=", ".join(rare),
    )


def _shares(groups: Groups) -> Table:
    def cell(part: np.ndarray) -> str:
        return f"{part.sum()} ({part.mean():.1%})"

    rows = [[name, cell(ours), cell(theirs)] for name, (ours, theirs) in groups.items()]
    return Table("How many belong to each group", ["group", "synthetic", "real"], rows)


def _headline(scores: list[Score], groups: Groups) -> str:
    measured = {score.name.split(":")[0] for score in scores if ":" in score.name and score.value is not None}
    off = {score.name.split(":")[0] for score in scores if ":" in score.name and score.verdict in ("warn", "fail")}
    names = f": {', '.join(name for name in groups if name in off)}" if off else ""
    return (
        f"{len(measured)} of {len(groups)} groups hold enough records to be measured; "
        f"{len(off) or 'none'} of them {'lies' if len(off) == 1 else 'lie'} off the real records of the group{names}."
    )
