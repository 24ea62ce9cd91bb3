"""Distribution and diversity: distances between the sets, and the number of different records.

Distances are computed on two kinds of features, so that no result depends on one of them alone: the features of the
classifier, and median beats, which need no network. A synthetic set that is nearer to the real one than other patients
are is not better: it contains records of the real set.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ecggen.core.errors import InputError
from ecggen.metrics.functional.distribution.frechet import frechet_gaussian
from ecggen.metrics.functional.distribution.kernel import kernel_distance
from ecggen.metrics.functional.distribution.prdc import prdc
from ecggen.metrics.functional.privacy import closest
from ecggen.report import repeats
from ecggen.report.feature_spaces import (
    FeatureSets,
    beat_features,
    classifier_features,
    extractor_features,
    require_records,
)
from ecggen.report.inputs.cohort import Cohorts, halves
from ecggen.report.references import HALVED, Comparison, as_score, attempt, compare_all, short_of
from ecggen.report.render import figures
from ecggen.report.scores import FAIL, PASS, WARN, Figure, Score, Section, beyond, not_measured, times
from ecggen.report.shares import compare_share

TOO_CLOSE, HELD_WARN = 0.5, 0.05
"""A synthetic record counts as equal to a real one if it is nearer than the first number times the 1 % quantile of the
distances between patients; a share of such records above the floor by more than the second number warns."""
SHARES = {
    "precision": "share of synthetic records within the 3-neighbour balls of real ones (Kynkäänniemi et al. 2019)",
    "recall": "share of real records within the 3-neighbour balls of synthetic ones (Kynkäänniemi et al. 2019)",
    "density": "number of real 5-neighbour balls that contain a synthetic record, over 5 (Naeem et al. 2020)",
    "coverage": "share of real records whose 5-neighbour ball contains a synthetic record (Naeem et al. 2020)",
}
"""Definitions of the scores on nearest neighbours."""
FEWEST = 25
"""Least number of records on each side of a split; the bias of small sets affects score and floor equally."""
SHARE_WARN, SHARE_FAIL = 0.10, 0.25
"""Difference of a share from the lower end of its floor."""
REPEATED_WARN, REPEATED_FAIL = 0.02, 0.10
"""Share of repeated records above the floor."""


def distribution(cohorts: Cohorts) -> Section:
    """Fréchet and kernel distance, precision, recall, density, coverage, and repeated records."""
    section = Section(
        "distribution",
        "Distribution and diversity",
        "Is the set distributed like the real one, and are its records as diverse?",
    )
    extractors = {one.name: partial(extractor_features, extractor=one) for one in cohorts.extractors}
    for name, make in {
        "the classifier's features": classifier_features,
        **extractors,
        "median beats": beat_features,
    }.items():
        try:
            sets = make(cohorts)
        except InputError as error:
            section.scores.append(not_measured(f"Fréchet distance on {name}", str(error)))
            continue
        scores = _scores(sets, cohorts.seed)
        section.scores += scores
        if scores[0].value is not None:
            section.figures.append(_figure(sets))
    section.scores.append(attempt("repeated records", lambda: _repeated(cohorts)))
    section.headline = _headline(section)
    return section


def _scores(sets: FeatureSets, seed: int) -> list[Score]:
    """All scores on one kind of features."""
    both = sets.synthetic, sets.real
    try:
        reach = _reach(sets, seed)
        found = compare_all(lambda a, b: _measured(a, b, reach), both, sets.patients, seed, repeated=False)
    except InputError as error:
        return [not_measured(f"{sets.distance} on {sets.name}", str(error), extractor=sets.extractor)]
    scores = [_frechet(sets, found["frechet"]), _kernel(sets, found["kernel"])]
    return [*scores, *(_share(sets, share, found[share]) for share in SHARES), _equal(sets, found["equal"])]


def _reach(sets: FeatureSets, seed: int) -> float:
    """Distance below which two records of different patients are very rare."""
    first, second = halves(sets.patients, len(sets.real), 1, seed)[0]
    distance, _ = closest(sets.real[second], sets.real[first])
    return TOO_CLOSE * float(np.quantile(distance, 0.01))


def _measured(synthetic: np.ndarray, real: np.ndarray, reach: float) -> dict[str, float]:
    return {
        "frechet": frechet_gaussian(synthetic, real, FEWEST),
        "kernel": kernel_distance(synthetic, real, FEWEST),
        "equal": float((closest(synthetic, real)[0] < reach).mean()),
        **prdc(real, synthetic, fewest=FEWEST),
    }


def _frechet(sets: FeatureSets, found: Comparison) -> Score:
    return as_score(
        f"{sets.distance} on {sets.name}",
        found,
        lambda one: times(one.value, one.high),
        f"‖μ₁−μ₂‖² + tr(Σ₁+Σ₂−2(Σ₁Σ₂)^½) (Dowson & Landau 1982); {HALVED}",
        extractor=sets.extractor,
    )


def _equal(sets: FeatureSets, found: Comparison) -> Score:
    many = found.value > found.high + HELD_WARN
    return as_score(
        f"records that all but equal a real one, {sets.name}",
        found,
        lambda _: WARN if many else PASS,
        f"share of records nearer to a real one than {TOO_CLOSE:g} times the 1 % quantile of the distance to the "
        f"nearest record of another patient; {HALVED}",
        extractor=sets.extractor,
        note="the set is near to the real one because it contains its records, see memorisation" if many else "",
        unit="share",
        within=(0.0, 1.0),
    )


def _kernel(sets: FeatureSets, found: Comparison) -> Score:
    return as_score(
        f"KID on {sets.name}",
        found,
        lambda one: PASS if one.value <= one.high else WARN,
        f"unbiased MMD² with the cubic kernel (Bińkowski et al. 2018); {HALVED}",
        extractor=sets.extractor,
        note="it has no natural scale",
        counts=False,
        within=(-np.inf, np.inf),
    )


def _share(sets: FeatureSets, share: str, found: Comparison) -> Score:
    return as_score(
        f"{share} on {sets.name}",
        found,
        lambda one: short_of(one.value, one.low, SHARE_WARN, SHARE_FAIL),
        f"{SHARES[share]}; {HALVED}",
        extractor=sets.extractor,
        more_is_better=True,
        counts=share != "density",
        within=(0.0, np.inf if share == "density" else 1.0),
    )


def _repeated(cohorts: Cohorts) -> Score:
    require_records(cohorts.synthetic, cohorts.real)
    again = [one.repeats for one in (cohorts.synthetic, cohorts.real)]
    return as_score(
        "repeated records",
        compare_share(again, cohorts.real.valid.patients, cohorts.seed, cohorts.synthetic.valid.patients),
        lambda one: beyond(one.value, one.high, REPEATED_WARN, REPEATED_FAIL),
        f"share of records that equal an earlier one of their set, as waveforms or median beats: {repeats.RULE}",
        unit="share",
        within=(0.0, 1.0),
    )


def _figure(sets: FeatureSets) -> Figure:
    """Histogram of the distances to the nearest real record."""
    first, second = halves(sets.patients, len(sets.synthetic), 1, 0)[0]
    real, _ = closest(sets.real[second], sets.real[first])
    synthetic, _ = closest(sets.synthetic, sets.real[first])
    label = f"distance to the nearest real record, {sets.name}"
    return Figure(
        f"Nearest real records, {sets.name}",
        figures.histogram({label: (real, synthetic)}, ("real", "synthetic"), label),
        "Distance of each record to the nearest record of one half of the real records: records of the other half in "
        "grey, synthetic records in blue. Blue to the right of grey: unlike real records. To the left: too close.",
    )


def _headline(section: Section) -> str:
    known = {score.name: score for score in section.scores if score.value is not None}
    repeated = known.get("repeated records")
    if repeated is not None and repeated.verdict == FAIL:
        return f"{repeated.value:.0%} of the synthetic records are repetitions of an earlier one."
    distances = [score for name, score in known.items() if name.startswith(("FID", "Gaussian"))]
    if not distances:
        return "The distance between the distributions could not be measured."
    return (
        "; ".join(
            f"{score.name}: {score.value:.3g} (two halves of the real records: {score.floor:.3g})"
            for score in distances
        )
        + "."
    )
