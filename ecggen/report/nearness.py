"""Scores of memorisation by distance: are synthetic records nearer to training records than to held-out ones?

Each score is computed on median beats and, if there is a classifier, on its features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ecggen.core.errors import InputError
from ecggen.metrics.functional import privacy
from ecggen.metrics.functional.bootstrap import resampled_interval
from ecggen.metrics.functional.ranking import auroc
from ecggen.report.inputs.cohort import LEAST, Cohorts, MeasuredSet
from ecggen.report.references import HALVED, as_score, attempt, compare, known_rows
from ecggen.report.scores import Score, beyond
from ecggen.report.shares import share_interval

MOST = 1000
"""Largest number of synthetic records."""
ASSIGNMENTS = 200
"""Random assignments of the reference patients to the training and the held-out side."""
CHANCE_WARN, CHANCE_FAIL = 0.05, 0.10
"""Share, or AUROC, above the 95 % quantile under random assignment."""
NEAR = 0.5
"""Ratio of the nearest to the second nearest distance below which a record has one near neighbour only."""
RATIO_WARN, RATIO_FAIL = 0.02, 0.05
"""Share of such records above the floor."""
NO_HOLDOUT = "no held-out ECGs were given (--holdout); without them a distance does not indicate memorisation"
SHARE = (
    "share of synthetic records whose nearest real one, among equally many of both, is a training record; 50 % is ideal"
)
INFERENCE = "AUROC between training and held-out records of the distance to the nearest synthetic record; 0.5 is ideal"
CHANCE_FLOOR = "floor: the same with the reference patients randomly assigned to both sides"


def distances(cohorts: Cohorts) -> list[Score]:
    """The scores of nearness, on each kind of features."""
    scores = []
    for name, features in {"median beats": median_beats, "the classifier's features": classifier_features}.items():
        if name != "median beats" and cohorts.real.classifier is None:
            continue
        for measure, of_set in MEASURES.items():
            title = f"{measure}, {name}"
            scores.append(attempt(title, lambda: of_set(title, cohorts, features)))  # noqa: B023
    return scores


Features = Callable[[MeasuredSet], tuple[np.ndarray, np.ndarray]]
"""Returns the features (record, value) of the valid records that have them, and their rows."""


def median_beats(measured_set: MeasuredSet) -> tuple[np.ndarray, np.ndarray]:
    """Median beats, of the records that have one."""
    flat = measured_set.shapes.reshape(len(measured_set.shapes), -1)
    rows = known_rows(flat)
    return flat[rows], rows


def classifier_features(measured_set: MeasuredSet) -> tuple[np.ndarray, np.ndarray]:
    """Features of the classifier.

    Raises:
        InputError: If there is no valid record.
    """
    found = measured_set.predictions
    if found is None:
        raise InputError("no valid record")
    return found.features, np.arange(len(found.features))


def _distinct(cohorts: Cohorts, features: Features) -> np.ndarray:
    """Features of the synthetic records without repeated ones."""
    values, rows = features(cohorts.synthetic)
    values = values[~cohorts.synthetic.repeats[rows]]
    if len(values) < LEAST:
        raise InputError(f"{len(values)} different synthetic records, {LEAST} needed")
    return values[np.random.default_rng(cohorts.seed).permutation(len(values))[:MOST]]


def _references(cohorts: Cohorts, features: Features) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features of equally many training and held-out records, and the patients of both, concatenated."""
    if cohorts.holdout is None:
        raise InputError(NO_HOLDOUT)
    sets = [(*features(one), one.valid.patients) for one in (cohorts.real, cohorts.holdout)]
    size = min(len(values) for values, _, _ in sets)
    if size < LEAST:
        raise InputError(f"{size} records to compare with, {LEAST} needed")
    rng = np.random.default_rng(cohorts.seed)
    chosen = [np.sort(rng.permutation(len(values))[:size]) for values, _, _ in sets]
    patients = [of[rows[at]] for (_, rows, of), picks in zip(sets, chosen, strict=True) for at in picks]
    training, holdout = (values[picks] for (values, _, _), picks in zip(sets, chosen, strict=True))
    return training, holdout, patients


def _closer(name: str, cohorts: Cohorts, features: Features) -> Score:
    synthetic = _distinct(cohorts, features)
    training, holdout, patients = _references(cohorts, features)
    _, nearest = privacy.closest(synthetic, np.concatenate([training, holdout]))
    closer = nearest < len(training)
    floors = [float(assigned[nearest].mean()) for assigned in random_assignments(patients, cohorts.seed)]
    interval = share_interval(closer, [str(row) for row in range(len(synthetic))], cohorts.seed)
    return chance_score(name, float(closer.mean()), interval, floors, (len(synthetic), len(patients)), SHARE)


def _inference(name: str, cohorts: Cohorts, features: Features) -> Score:
    synthetic = _distinct(cohorts, features)
    training, holdout, patients = _references(cohorts, features)
    distance, _ = privacy.closest(np.concatenate([training, holdout]), synthetic)
    member = np.arange(len(patients)) < len(training)
    floors = [membership_auroc(distance, assigned) for assigned in random_assignments(patients, cohorts.seed)]
    interval = resampled_interval(membership_auroc, [distance, member], patients, cohorts.seed, repeats=ASSIGNMENTS)
    sizes = len(synthetic), len(patients)
    return chance_score(name, membership_auroc(distance, member), interval, floors, sizes, INFERENCE)


def _ratio(name: str, cohorts: Cohorts, features: Features) -> Score:
    synthetic = _distinct(cohorts, features)
    real, rows = features(cohorts.real)
    patients = [cohorts.real.valid.patients[row] for row in rows]
    found = compare(
        lambda a, b: float((privacy.neighbour_ratio(a, b) < NEAR).mean()),
        (synthetic, real),
        patients,
        cohorts.seed,
        repeated=False,
    )
    return as_score(
        name,
        found,
        lambda one: beyond(one.value, one.high, RATIO_WARN, RATIO_FAIL),
        f"share of records whose nearest real record is less than {NEAR:g} times as far as the second; {HALVED}",
        unit="share",
        within=(0.0, 1.0),
    )


MEASURES = {"nearer to training": _closer, "membership inference": _inference, "one near neighbour": _ratio}


def random_assignments(patients: Sequence[str], seed: int) -> list[np.ndarray]:
    """Random assignments of the patients to two sides: arrays (record,) of bool, ``ASSIGNMENTS`` of them."""
    _, which = np.unique(np.asarray(patients, object).astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    n_patients = which.max() + 1
    return [np.isin(which, rng.permutation(n_patients)[: n_patients // 2]) for _ in range(ASSIGNMENTS)]


def membership_auroc(distance: np.ndarray, member: np.ndarray) -> float:
    """AUROC of a small distance as an indicator of membership; NaN if one of the two classes is missing.

    Example:
        >>> membership_auroc(np.array([0.1, 0.2, 0.8, 0.9]), np.array([True, True, False, False]))
        1.0
    """
    return float(auroc(-distance[:, None], member[:, None])[0])


def chance_score(
    name: str, value: float, interval: tuple[float, float], floors: list[float], sizes: tuple[int, int], definition: str
) -> Score:
    """A score whose floor is the same score under random assignment of the patients."""
    low, high = np.quantile(floors, [0.05, 0.95])
    return Score(
        name,
        value,
        interval=interval,
        floor=float(np.mean(floors)),
        floor_low=float(low),
        floor_high=float(high),
        n_synthetic=sizes[0],
        n_real=sizes[1],
        definition=f"{definition}; {CHANCE_FLOOR}",
        verdict=beyond(value, max(0.5, float(high)), CHANCE_WARN, CHANCE_FAIL),
        note=f"{sizes[1] // 2} training and equally many held-out records",
    )
