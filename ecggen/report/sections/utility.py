"""Are the synthetic records worth training on? A fresh classifier is trained on one set and tested on another.

It tells superclasses, has no pretrained weights and sees equal numbers of real and of synthetic records. The test set
is the held-out one where there is one, else a third of the real patients, who then train nothing. Trained again and
again on other halves of the real patients, it shows what a change of patients alone does to a score: the floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.conditioning import statements
from ecggen.core.errors import InputError
from ecggen.metrics.utility import labelled
from ecggen.metrics.utility.labelled import Labelled
from ecggen.metrics.utility.random_convolutions import RandomConvolutions
from ecggen.metrics.utility.tstr import (
    Augmented,
    Downstream,
    Tested,
    augmentation_curve,
    macro_auroc,
    trained,
    transfer,
)
from ecggen.report.inputs.cohort import LEAST, Material, Studied, halves
from ecggen.report.render import figures
from ecggen.report.scores import FAIL, PASS, WARN, Figure, Score, Section, not_measured

PASS_FROM, WARN_FROM = 0.95, 0.85
"""TSTR over TRTR from which it passes and from which it warns."""
SPLITS = 6
"""Divisions of the real training patients in half."""
MOST = 1000
"""Records trained on."""
SHARES, FRACTIONS, REPEATS = (0.5, 1.0), (0.25, 1.0), 2
"""The points of the augmentation curve that a report can afford."""


@dataclass(frozen=True)
class Sets:
    """What is trained and tested on.

    Attributes:
        real: Real records to train on.
        synthetic: Synthetic ones.
        test: Real records of other patients.
        names: The labels.
        left_out: Labels that cannot be learnt, with the reason.
        where: What the test set is, in words.
    """

    real: Labelled
    synthetic: Labelled
    test: Labelled
    names: tuple[str, ...]
    left_out: dict[str, str]
    where: str


def utility(material: Material, downstream: Downstream | None = None) -> Section:
    """TRTR, TSTR, TRTS and a short augmentation curve on superclasses."""
    section = Section("utility", "Utility", "Are the synthetic records worth training a classifier on?")
    downstream = downstream or RandomConvolutions()
    try:
        sets = _sets(material, downstream)
        scores, gains = _transferred(sets, material.seed, downstream), _augmented(sets, material, downstream)
    except InputError as error:
        section.headline = f"Not measured: {error}."
        section.scores.append(not_measured("utility", str(error), extractor=downstream.name))
        return section
    section.scores += [*scores, _gain(gains, sets, downstream)]
    section.figures.append(_curve(gains))
    section.notes += [f"Labels: {', '.join(sets.names)}. Test set: {sets.where}."]
    section.notes += [f"{name} was left out: {why}." for name, why in sets.left_out.items()]
    section.headline = (
        f"A classifier trained on synthetic records reaches a macro AUROC of {scores[1].value:.2f} on real patients, "
        f"one trained on as many real records {scores[0].value:.2f}."
    )
    return section


def _sets(material: Material, downstream: Downstream) -> Sets:
    """Labelled records of all kinds, of labels that can be learnt in each."""
    names = tuple(statements.superclasses())
    synthetic, real = (_labelled(one, downstream, names) for one in (material.synthetic, material.real))
    held = material.holdout is not None and sum(map(bool, material.holdout.valid.codes)) >= LEAST
    if held and material.holdout is not None:
        test, where = _labelled(material.holdout, downstream, names), "the held-out records"
        known = set(test.patients)
        real = real.at(np.flatnonzero([patient not in known for patient in real.patients]))
    else:
        test, real = _thirds(real, material.seed)
        where = "a third of the real patients, who train nothing"
    synthetic = _of_others(synthetic)
    for what, one in (("synthetic", synthetic), ("real training", real), ("test", test)):
        if len(one) < LEAST:
            raise InputError(f"{len(one)} {what} records with statements, {LEAST} needed")
    parts = {"synthetic": synthetic.labels, "real training": real.labels, "test": test.labels}
    kept, left_out = labelled.usable(parts, names)
    real, synthetic, test = (Labelled(one.inputs, one.labels[:, kept], one.patients) for one in (real, synthetic, test))
    return Sets(real, synthetic, test, tuple(names[place] for place in kept), left_out, where)


def _labelled(studied: Studied, downstream: Downstream, names: Sequence[str]) -> Labelled:
    """The valid records of which statements are known."""
    rows = [row for row, said in enumerate(studied.valid.codes) if said]
    if len(rows) < LEAST:
        raise InputError(f"{len(rows)} records of {studied.all.source} with statements, {LEAST} needed")
    part = studied.valid.at(rows)
    studied.report(f"random convolutions of {studied.all.source}", 0.0)
    enough = [statements.superclasses()[name] for name in names]
    labels = np.array([[bool(set(said.split()) & codes) for codes in enough] for said in part.codes], float)
    return Labelled(downstream.prepare(part.ecg), labels, part.patients)


def _of_others(synthetic: Labelled) -> Labelled:
    """Synthetic records are nobody's, even where they carry the name of the patient who lent the condition."""
    return Labelled(synthetic.inputs, synthetic.labels, tuple(f"synthetic {row}" for row in range(len(synthetic))))


def _thirds(real: Labelled, seed: int) -> tuple[Labelled, Labelled]:
    """A third of the patients, and the others."""
    people, which = np.unique(np.asarray(real.patients, object).astype(str), return_inverse=True)
    chosen = np.isin(which, np.random.default_rng(seed).permutation(len(people))[: len(people) // 3])
    return real.at(np.flatnonzero(chosen)), real.at(np.flatnonzero(~chosen))


def _transferred(sets: Sets, seed: int, downstream: Downstream) -> list[Score]:
    """TRTR, TSTR and TRTS, trained on halves of the real patients and on as many synthetic records."""
    rng = np.random.default_rng(seed)
    first, second, drawn = [], [], []
    for rows, others in _learnable_halves(sets, seed):
        first.append(sets.real.at(rows))
        second.append(sets.real.at(others))
        drawn.append(_learnable(sets.synthetic, len(rows), rng))
    found = transfer(first, drawn, sets.test, sets.synthetic, downstream, seed)
    again = trained(second, sets.test, downstream, seed)
    each = [_each(one, sets.test) for one in (found["TRTR"], again)]
    ratios = np.concatenate([each[1] / each[0], each[0] / each[1]])
    low = float(np.quantile(ratios, 0.05))
    sizes = len(first[0]), len(sets.test)
    ratio = found["TSTR"].auroc / found["TRTR"].auroc
    verdict = PASS if ratio >= min(PASS_FROM, low) else WARN if ratio >= WARN_FROM else FAIL
    floor = float(np.mean(each))
    return [
        _score("TRTR", found["TRTR"], "trained on real, tested on real records", sizes, downstream, None, PASS),
        _score(
            "TSTR",
            found["TSTR"],
            f"trained on synthetic, tested on real records; floor: TRTR, and {low:.2f} of it, what 95 % of changes of "
            "training patients leave; pass from 0.95 of TRTR or from there, warn from 0.85",
            sizes,
            downstream,
            (floor, low * floor),
            verdict,
        ),
        _score("TRTS", found["TRTS"], "trained on real, tested on synthetic records", sizes, downstream, None, PASS),
    ]


def _learnable_halves(sets: Sets, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Halves of the real patients in which every label can be learnt."""
    size = min(MOST, len(sets.synthetic))
    pairs = halves(sets.real.patients, size, 4 * SPLITS, seed)
    kept = [pair for pair in pairs if all(labelled.both_sides(sets.real.labels[rows]).all() for rows in pair)]
    if not kept:
        raise InputError("in no half of the real patients all labels occur", "more real records were expected")
    return kept[:SPLITS]


def _learnable(records: Labelled, size: int, rng: np.random.Generator) -> Labelled:
    """``size`` records at random in which every label can be learnt."""
    for _ in range(100):
        part = records.at(rng.choice(len(records), size, replace=False))
        if labelled.both_sides(part.labels).all():
            return part
    raise InputError(f"{size} synthetic records hold one side of a label only", "more records were expected")


def _each(tested: Tested, test: Labelled) -> np.ndarray:
    """(repeat,): macro AUROC of each repeat."""
    return np.array([macro_auroc(one[:, None], test.labels) for one in tested.probabilities])


def _score(
    name: str,
    tested: Tested,
    definition: str,
    sizes: tuple[int, int],
    downstream: Downstream,
    floor: tuple[float, float] | None,
    verdict: str,
) -> Score:
    return Score(
        f"{name}: macro AUROC",
        tested.auroc,
        interval=tested.interval,
        floor=floor[0] if floor else None,
        floor_low=floor[1] if floor else None,
        n_synthetic=sizes[0],
        n_real=sizes[1],
        definition=f"mean over the labels, {definition}; {sizes[0]} records trained on, mean over {SPLITS} choices; "
        "interval: the test set's patients redrawn",
        extractor=downstream.name,
        verdict=verdict,
        note=f"macro AUPRC {tested.auprc:.2f}",
        counts=floor is not None,
    )


def _augmented(sets: Sets, material: Material, downstream: Downstream) -> list[Augmented]:
    rows = np.random.default_rng(material.seed).permutation(len(sets.real))[:MOST]
    return augmentation_curve(
        sets.real.at(np.sort(rows)),
        sets.synthetic,
        sets.test,
        downstream,
        SHARES,
        FRACTIONS,
        REPEATS,
        material.seed,
        lambda share: material.synthetic.report("augmentation curve", share),
    )


def _gain(curve: list[Augmented], sets: Sets, downstream: Downstream) -> Score:
    """What as many synthetic as real records add to all real ones; it does not vote: no benefit is a result."""
    point = next(one for one in curve if one.fraction == 1 and one.share == 1)
    low, high = point.gain_interval
    said = "a benefit" if low > 0 else "a harm" if high < 0 else "no benefit that can be told from chance"
    return Score(
        "gain of adding synthetic records",
        point.gain,
        "macro AUROC",
        point.gain_interval,
        n_synthetic=point.n_synthetic,
        n_real=point.n_real,
        definition="macro AUROC of real and as many synthetic records, less that of the real ones alone; paired "
        "interval, the test set's patients redrawn",
        extractor=downstream.name,
        verdict=WARN if high < 0 else PASS,
        note=f"{said}; tested on {len(sets.test)} records",
        counts=False,
    )


def _curve(curve: list[Augmented]) -> Figure:
    panel, (axis,) = figures.styled_panels(1, width=7.0, height=2.6)
    for place, fraction in enumerate(sorted({point.fraction for point in curve})):
        points = [point for point in curve if point.fraction == fraction]
        values = np.array([point.tested.auroc for point in points])
        ends = np.array([point.gain_interval for point in points]) + values[0]
        at = np.array([100 * point.share for point in points])
        colour = (figures.BLUE, figures.INK)[place % 2]
        label = f"{points[0].n_real} real records"
        axis.plot(at, values, "os"[place % 2] + "-", color=colour, markersize=3.5, linewidth=1.2, label=label)
        axis.vlines(at + 1.5 * place, ends[:, 0], ends[:, 1], color=colour, linewidth=0.8)
    axis.set_xlabel("synthetic records added (% of the real ones)")
    caption = (
        "What synthetic records add: macro AUROC on real patients of a classifier trained on real and synthetic ones. "
        "Bars are 95 % intervals of the difference from no synthetic records (leftmost); a bar that holds the leftmost "
        "point's height shows no benefit."
    )
    return Figure("Augmentation", figures.finished(panel, [axis], "Augmentation curve", "macro AUROC"), caption)
