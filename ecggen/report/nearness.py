"""Do synthetic records lie nearer to training records than to held-out ones? Three scores, on each kind of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ecggen.core.errors import InputError
from ecggen.metrics.functional import privacy
from ecggen.metrics.functional.bootstrap import resampled_interval
from ecggen.metrics.functional.ranking import auroc
from ecggen.report.inputs.cohort import LEAST, Material, Studied
from ecggen.report.references import HALVED, attempt, compared, known_rows, scored
from ecggen.report.scores import Score, beyond
from ecggen.report.shares import share_interval

MOST = 1000
"""Synthetic records that are looked at."""
DEALS = 200
"""Times the reference patients are dealt anew."""
CHANCE_WARN, CHANCE_FAIL = 0.05, 0.10
"""Share, or AUROC, above what dealing by chance stays below."""
NEAR = 0.5
"""Ratio of the nearest to the second nearest distance below which a record has one model only."""
RATIO_WARN, RATIO_FAIL = 0.02, 0.05
"""Share of such records above the real set's own."""
NO_HOLDOUT = "no held-out ECGs were given, without which a distance says nothing of memory (--holdout)"
SHARE = "share of synthetic records nearer to a training record than to any held-out one of as many; 50 % is ideal"
INFERENCE = "AUROC of telling training from held-out records by the nearest synthetic one; 0.5 is ideal"
DEALT = "floor: the same with the reference patients dealt to both sides by chance"


def distances(material: Material) -> list[Score]:
    """The scores that rest on distances, on each kind of features."""
    scores = []
    for name, features in {"median beats": median_beats, "the classifier's features": judged}.items():
        if name != "median beats" and material.real.classifier is None:
            continue
        for measure, of_set in MEASURES.items():
            title = f"{measure}, {name}"
            scores.append(attempt(title, lambda: of_set(title, material, features)))  # noqa: B023
    return scores


Features = Callable[[Studied], tuple[np.ndarray, np.ndarray]]
"""Features (record, value) of the usable valid records, and their rows."""


def median_beats(studied: Studied) -> tuple[np.ndarray, np.ndarray]:
    """Median beats as features, of the records that have one."""
    flat = studied.shapes.reshape(len(studied.shapes), -1)
    rows = known_rows(flat)
    return flat[rows], rows


def judged(studied: Studied) -> tuple[np.ndarray, np.ndarray]:
    """The classifier's features."""
    found = studied.predictions
    if found is None:
        raise InputError("no valid record")
    return found.features, np.arange(len(found.features))


def _distinct(material: Material, features: Features) -> np.ndarray:
    """Features of the synthetic records, each heart once."""
    values, rows = features(material.synthetic)
    values = values[~material.synthetic.repeats[rows]]
    if len(values) < LEAST:
        raise InputError(f"{len(values)} different synthetic records, {LEAST} needed")
    return values[np.random.default_rng(material.seed).permutation(len(values))[:MOST]]


def _references(material: Material, features: Features) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """As many training as held-out features, and the patients of both, one after the other."""
    if material.holdout is None:
        raise InputError(NO_HOLDOUT)
    sets = [(*features(one), one.valid.patients) for one in (material.real, material.holdout)]
    size = min(len(values) for values, _, _ in sets)
    if size < LEAST:
        raise InputError(f"{size} records to compare with, {LEAST} needed")
    rng = np.random.default_rng(material.seed)
    chosen = [np.sort(rng.permutation(len(values))[:size]) for values, _, _ in sets]
    patients = [of[rows[at]] for (_, rows, of), picks in zip(sets, chosen, strict=True) for at in picks]
    training, holdout = (values[picks] for (values, _, _), picks in zip(sets, chosen, strict=True))
    return training, holdout, patients


def _closer(name: str, material: Material, features: Features) -> Score:
    synthetic = _distinct(material, features)
    training, holdout, patients = _references(material, features)
    _, nearest = privacy.closest(synthetic, np.concatenate([training, holdout]))
    closer = nearest < len(training)
    floors = [float(dealt[nearest].mean()) for dealt in deals(patients, material.seed)]
    interval = share_interval(closer, [str(row) for row in range(len(synthetic))], material.seed)
    return beside_chance(name, float(closer.mean()), interval, floors, (len(synthetic), len(patients)), SHARE)


def _inference(name: str, material: Material, features: Features) -> Score:
    synthetic = _distinct(material, features)
    training, holdout, patients = _references(material, features)
    distance, _ = privacy.closest(np.concatenate([training, holdout]), synthetic)
    member = np.arange(len(patients)) < len(training)
    floors = [told_apart(distance, dealt) for dealt in deals(patients, material.seed)]
    interval = resampled_interval(told_apart, [distance, member], patients, material.seed, repeats=DEALS)
    sizes = len(synthetic), len(patients)
    return beside_chance(name, told_apart(distance, member), interval, floors, sizes, INFERENCE)


def _ratio(name: str, material: Material, features: Features) -> Score:
    synthetic = _distinct(material, features)
    real, rows = features(material.real)
    patients = [material.real.valid.patients[row] for row in rows]
    found = compared(
        lambda drawn, known: float((privacy.neighbour_ratio(drawn, known) < NEAR).mean()),
        (synthetic, real),
        patients,
        material.seed,
        repeated=False,
    )
    return scored(
        name,
        found,
        lambda one: beyond(one.value, one.high, RATIO_WARN, RATIO_FAIL),
        f"share of records whose nearest real record is less than {NEAR:g} times as far as the second; {HALVED}",
        unit="share",
        within=(0.0, 1.0),
    )


MEASURES = {"nearer to training": _closer, "membership inference": _inference, "one near neighbour": _ratio}


def deals(patients: Sequence[str], seed: int) -> list[np.ndarray]:
    """(record,) of bool, again and again: on which side a reference record's patient came to lie by chance."""
    _, which = np.unique(np.asarray(patients, object).astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    people = which.max() + 1
    return [np.isin(which, rng.permutation(people)[: people // 2]) for _ in range(DEALS)]


def told_apart(distance: np.ndarray, member: np.ndarray) -> float:
    """Of telling members by their small distance; NaN where one kind is missing."""
    return float(auroc(-distance[:, None], member[:, None])[0])


def beside_chance(
    name: str, value: float, interval: tuple[float, float], floors: list[float], sizes: tuple[int, int], definition: str
) -> Score:
    """A score whose floor is what chance makes of the same records."""
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
        definition=f"{definition}; {DEALT}",
        verdict=beyond(value, max(0.5, float(high)), CHANCE_WARN, CHANCE_FAIL),
        note=f"{sizes[1] // 2} training and as many held-out records",
    )
