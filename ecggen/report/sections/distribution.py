"""Are the records, as a set, distributed as real ones, and does the set hold as many different ones?

Distances are taken on two kinds of features, so that none stands alone: those of the judging network, and median
beats, which rest on no network at all. A set that is nearer to the real one than other patients are is no better for
it: it holds the real one's records.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ecggen.core.errors import InputError
from ecggen.metrics.functional.distribution.frechet import frechet_gaussian
from ecggen.metrics.functional.distribution.kernel import kernel_distance
from ecggen.metrics.functional.distribution.manifold import manifold_scores
from ecggen.metrics.functional.privacy import closest
from ecggen.report import repeats
from ecggen.report.feature_spaces import FeatureSets, beats, extracted, few, judged
from ecggen.report.inputs.cohort import Material, halves
from ecggen.report.references import HALVED, Compared, attempt, compared_all, scored, short_of
from ecggen.report.render import figures
from ecggen.report.scores import FAIL, PASS, WARN, Figure, Score, Section, beyond, not_measured, times
from ecggen.report.shares import compared_share

TOO_CLOSE, HELD_WARN = 0.5, 0.05
"""A synthetic record nearer to a real one than this share of what one in a hundred patients come to is held to be
that record; so many such records, above the real set's, are warned of."""
SHARES = {
    "precision": "share of synthetic records within the real ones' balls of 3 neighbours (Kynkäänniemi et al. 2019)",
    "recall": "share of real records within the synthetic ones' balls of 3 neighbours (Kynkäänniemi et al. 2019)",
    "density": "real balls of 5 neighbours that a synthetic record lies in, over 5 (Naeem et al. 2020)",
    "coverage": "share of real records in whose ball of 5 neighbours a synthetic one lies (Naeem et al. 2020)",
}
"""Scores on neighbours and their definitions."""
FEWEST = 25
"""Records of a side: half of the least that a set must have. What small sets do to a score, they do to its floor."""
SHARE_WARN, SHARE_FAIL = 0.10, 0.25
"""Shares that may be lacking below the floor."""
ALIKE_WARN, ALIKE_FAIL = 0.02, 0.10
"""Share of repeated records above the real set's."""


def distribution(material: Material) -> Section:
    """Fréchet and kernel distance, precision, recall, density, coverage, and repeated records."""
    section = Section(
        "distribution",
        "Distribution and diversity",
        "Are the records, as a set, distributed as real ones, and does the set hold as many different ones?",
    )
    foreign = {one.name: partial(extracted, extractor=one) for one in material.extractors}
    for name, make in {"the classifier's features": judged, **foreign, "median beats": beats}.items():
        try:
            sets = make(material)
        except InputError as error:
            section.scores.append(not_measured(f"Fréchet distance on {name}", str(error)))
            continue
        scores = _scores(sets, material.seed)
        section.scores += scores
        if scores[0].value is not None:
            section.figures.append(_figure(sets))
    section.scores.append(attempt("repeated records", lambda: _repeated(material)))
    section.headline = _headline(section)
    return section


def _scores(sets: FeatureSets, seed: int) -> list[Score]:
    """All scores on one kind of features."""
    both = sets.synthetic, sets.real
    try:
        reach = _reach(sets, seed)
        found = compared_all(lambda a, b: _measured(a, b, reach), both, sets.patients, seed, repeated=False)
    except InputError as error:
        return [not_measured(f"{sets.distance} on {sets.name}", str(error), extractor=sets.extractor)]
    scores = [_frechet(sets, found["frechet"]), _kernel(sets, found["kernel"])]
    return [*scores, *(_share(sets, share, found[share]) for share in SHARES), _held(sets, found["held"])]


def _reach(sets: FeatureSets, seed: int) -> float:
    """Distance below which hardly a patient's record comes to another patient's."""
    first, second = halves(sets.patients, len(sets.real), 1, seed)[0]
    distance, _ = closest(sets.real[second], sets.real[first])
    return TOO_CLOSE * float(np.quantile(distance, 0.01))


def _measured(synthetic: np.ndarray, real: np.ndarray, reach: float) -> dict[str, float]:
    return {
        "frechet": frechet_gaussian(synthetic, real, FEWEST),
        "kernel": kernel_distance(synthetic, real, FEWEST),
        "held": float((closest(synthetic, real)[0] < reach).mean()),
        **manifold_scores(real, synthetic, fewest=FEWEST),
    }


def _frechet(sets: FeatureSets, found: Compared) -> Score:
    return scored(
        f"{sets.distance} on {sets.name}",
        found,
        lambda one: times(one.value, one.high),
        f"‖μ₁−μ₂‖² + tr(Σ₁+Σ₂−2(Σ₁Σ₂)^½) (Dowson & Landau 1982); {HALVED}",
        extractor=sets.extractor,
    )


def _held(sets: FeatureSets, found: Compared) -> Score:
    many = found.value > found.high + HELD_WARN
    return scored(
        f"records that all but equal a real one, {sets.name}",
        found,
        lambda _: WARN if many else PASS,
        f"share of records nearer to a real one than {TOO_CLOSE:g} times the distance below which one in a hundred "
        f"comes to another patient's; {HALVED}",
        extractor=sets.extractor,
        note="such a set is near to the real one because it holds it: no praise, see memorisation" if many else "",
        unit="share",
        within=(0.0, 1.0),
    )


def _kernel(sets: FeatureSets, found: Compared) -> Score:
    return scored(
        f"KID on {sets.name}",
        found,
        lambda one: PASS if one.value <= one.high else WARN,
        f"unbiased MMD² with the cubic kernel (Bińkowski et al. 2018); {HALVED}",
        extractor=sets.extractor,
        note="it has no natural scale and does not vote",
        counts=False,
        within=(-np.inf, np.inf),
    )


def _share(sets: FeatureSets, share: str, found: Compared) -> Score:
    return scored(
        f"{share} on {sets.name}",
        found,
        lambda one: short_of(one.value, one.low, SHARE_WARN, SHARE_FAIL),
        f"{SHARES[share]}; {HALVED}",
        extractor=sets.extractor,
        more_is_better=True,
        counts=share != "density",
        within=(0.0, np.inf if share == "density" else 1.0),
    )


def _repeated(material: Material) -> Score:
    few(material.synthetic, material.real)
    again = [one.repeats for one in (material.synthetic, material.real)]
    return scored(
        "repeated records",
        compared_share(again, material.real.valid.patients, material.seed, material.synthetic.valid.patients),
        lambda one: beyond(one.value, one.high, ALIKE_WARN, ALIKE_FAIL),
        f"share of records that equal an earlier one of their set, as waves or as median beats: {repeats.SAID}",
        unit="share",
        within=(0.0, 1.0),
    )


def _figure(sets: FeatureSets) -> Figure:
    """How near the next record of the other set is."""
    first, second = halves(sets.patients, len(sets.synthetic), 1, 0)[0]
    real, _ = closest(sets.real[second], sets.real[first])
    drawn, _ = closest(sets.synthetic, sets.real[first])
    label = f"distance to the nearest real record, {sets.name}"
    return Figure(
        f"Nearest real records, {sets.name}",
        figures.histogram({label: (real, drawn)}, ("real", "synthetic"), label),
        "How far each record lies from the nearest record of one real half: other real patients' in grey, synthetic "
        "ones in blue. Blue to the right of grey: unlike any real record. Blue to the left: too near to real ones.",
    )


def _headline(section: Section) -> str:
    known = {score.name: score for score in section.scores if score.value is not None}
    repeated = known.get("repeated records")
    if repeated is not None and repeated.verdict == FAIL:
        return f"{repeated.value:.0%} of the synthetic records repeat an earlier one."
    distances = [score for name, score in known.items() if name.startswith(("FID", "Gaussian"))]
    if not distances:
        return "No distance between the distributions could be measured."
    return (
        "; ".join(
            f"{score.name}: {score.value:.3g}, where two halves of the real records have {score.floor:.3g}"
            for score in distances
        )
        + "."
    )
