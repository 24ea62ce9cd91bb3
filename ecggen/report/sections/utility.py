"""Utility for training: a classifier is trained on one set and tested on another (TRTR, TSTR, TRTS).

The classifier predicts diagnostic superclasses, has no pretrained weights, and is trained on equal numbers of real and
synthetic records. The test set is the held-out set, or else a third of the real patients, who are then not used for
training. Training on different halves of the real patients shows how much a score changes with the patients alone;
this is the floor.
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
    train_and_test,
    transfer,
)
from ecggen.report.inputs.cohort import LEAST, Cohorts, MeasuredSet, halves
from ecggen.report.render import figures
from ecggen.report.scores import FAIL, PASS, WARN, Figure, Score, Section, not_measured

PASS_FROM, WARN_FROM = 0.95, 0.85
"""Ratio of TSTR to TRTR for "pass" and for "warn"."""
SPLITS = 6
"""Splits of the real training patients into halves."""
MOST = 1000
"""Largest number of training records."""
SHARES, FRACTIONS, REPEATS = (0.5, 1.0), (0.25, 1.0), 2
"""Points of the augmentation curve: shares of synthetic records, fractions of the real ones, and repetitions."""


@dataclass(frozen=True)
class Sets:
    """Training and test sets.

    Attributes:
        real: Real training records.
        synthetic: Synthetic training records.
        test: Real records of other patients.
        names: Names of the labels.
        left_out: Labels that cannot be learned, with the reason.
        where: Description of the test set.
    """

    real: Labelled
    synthetic: Labelled
    test: Labelled
    names: tuple[str, ...]
    left_out: dict[str, str]
    where: str


def utility(cohorts: Cohorts, downstream: Downstream | None = None) -> Section:
    """TRTR, TSTR, TRTS and a short augmentation curve on superclasses."""
    section = Section("utility", "Utility", "Are the synthetic records useful for training a classifier?")
    downstream = downstream or RandomConvolutions()
    try:
        sets = _sets(cohorts, downstream)
        scores, gains = _transferred(sets, cohorts.seed, downstream), _augmented(sets, cohorts, downstream)
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
        f"one trained on equally many real records {scores[0].value:.2f}."
    )
    return section


def _sets(cohorts: Cohorts, downstream: Downstream) -> Sets:
    """Labelled records of each kind, with the labels that can be learned in all of them."""
    names = tuple(statements.superclasses())
    synthetic, real = (_labelled(one, downstream, names) for one in (cohorts.synthetic, cohorts.real))
    held = cohorts.holdout is not None and sum(map(bool, cohorts.holdout.valid.codes)) >= LEAST
    if held and cohorts.holdout is not None:
        test, where = _labelled(cohorts.holdout, downstream, names), "the held-out records"
        known = set(test.patients)
        real = real.at(np.flatnonzero([patient not in known for patient in real.patients]))
    else:
        test, real = _thirds(real, cohorts.seed)
        where = "a third of the real patients, who are not used for training"
    synthetic = _with_own_patients(synthetic)
    for what, one in (("synthetic", synthetic), ("real training", real), ("test", test)):
        if len(one) < LEAST:
            raise InputError(f"{len(one)} {what} records with statements, {LEAST} needed")
    parts = {"synthetic": synthetic.labels, "real training": real.labels, "test": test.labels}
    kept, left_out = labelled.usable(parts, names)
    real, synthetic, test = (Labelled(one.inputs, one.labels[:, kept], one.patients) for one in (real, synthetic, test))
    return Sets(real, synthetic, test, tuple(names[place] for place in kept), left_out, where)


def _labelled(measured_set: MeasuredSet, downstream: Downstream, names: Sequence[str]) -> Labelled:
    """The valid records with known statements."""
    rows = [row for row, codes in enumerate(measured_set.valid.codes) if codes]
    if len(rows) < LEAST:
        raise InputError(f"{len(rows)} records of {measured_set.all.source} with statements, {LEAST} needed")
    part = measured_set.valid.at(rows)
    measured_set.report(f"random convolutions of {measured_set.all.source}", 0.0)
    classes = [statements.superclasses()[name] for name in names]
    labels = np.array([[bool(set(codes.split()) & one) for one in classes] for codes in part.codes], float)
    return Labelled(downstream.prepare(part.ecg), labels, part.patients)


def _with_own_patients(synthetic: Labelled) -> Labelled:
    """Synthetic records with a patient each, even if they carry the name of the patient of their condition."""
    return Labelled(synthetic.inputs, synthetic.labels, tuple(f"synthetic {row}" for row in range(len(synthetic))))


def _thirds(real: Labelled, seed: int) -> tuple[Labelled, Labelled]:
    """The records of a random third of the patients, and those of the others."""
    names, which = np.unique(np.asarray(real.patients, object).astype(str), return_inverse=True)
    chosen = np.isin(which, np.random.default_rng(seed).permutation(len(names))[: len(names) // 3])
    return real.at(np.flatnonzero(chosen)), real.at(np.flatnonzero(~chosen))


def _transferred(sets: Sets, seed: int, downstream: Downstream) -> list[Score]:
    """TRTR, TSTR and TRTS, trained on halves of the real patients and on equally many synthetic records."""
    rng = np.random.default_rng(seed)
    first, second, synthetic = [], [], []
    for rows, others in _learnable_halves(sets, seed):
        first.append(sets.real.at(rows))
        second.append(sets.real.at(others))
        synthetic.append(_learnable(sets.synthetic, len(rows), rng))
    found = transfer(first, synthetic, sets.test, sets.synthetic, downstream, seed)
    again = train_and_test(second, sets.test, downstream, seed)
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
            f"trained on synthetic, tested on real records; floor: TRTR, and {low:.2f} of it, the 5 % quantile under a "
            "change of training patients; pass from there or from 0.95 of TRTR, warn from 0.85",
            sizes,
            downstream,
            (floor, low * floor),
            verdict,
        ),
        _score("TRTS", found["TRTS"], "trained on real, tested on synthetic records", sizes, downstream, None, PASS),
    ]


def _learnable_halves(sets: Sets, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Halves of the real patients in which every label can be learned."""
    size = min(MOST, len(sets.synthetic))
    pairs = halves(sets.real.patients, size, 4 * SPLITS, seed)
    kept = [pair for pair in pairs if all(labelled.both_classes(sets.real.labels[rows]).all() for rows in pair)]
    if not kept:
        raise InputError("no half of the real patients has all labels", "more real records were expected")
    return kept[:SPLITS]


def _learnable(records: Labelled, size: int, rng: np.random.Generator) -> Labelled:
    """``size`` random records in which every label can be learned."""
    for _ in range(100):
        part = records.at(rng.choice(len(records), size, replace=False))
        if labelled.both_classes(part.labels).all():
            return part
    found = f"in {size} synthetic records, a label is either always or never present"
    raise InputError(found, "more records were expected")


def _each(tested: Tested, test: Labelled) -> np.ndarray:
    """Macro AUROC of each repetition: (repetition,)."""
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
        definition=f"mean over the labels, {definition}; {sizes[0]} training records, mean over {SPLITS} selections; "
        "interval: bootstrap over the patients of the test set",
        extractor=downstream.name,
        verdict=verdict,
        note=f"macro AUPRC {tested.auprc:.2f}",
        counts=floor is not None,
    )


def _augmented(sets: Sets, cohorts: Cohorts, downstream: Downstream) -> list[Augmented]:
    rows = np.random.default_rng(cohorts.seed).permutation(len(sets.real))[:MOST]
    return augmentation_curve(
        sets.real.at(np.sort(rows)),
        sets.synthetic,
        sets.test,
        downstream,
        SHARES,
        FRACTIONS,
        REPEATS,
        cohorts.seed,
        lambda share: cohorts.synthetic.report("augmentation curve", share),
    )


def _gain(curve: list[Augmented], sets: Sets, downstream: Downstream) -> Score:
    """Gain of adding equally many synthetic records to all real ones; it does not count for the verdict."""
    point = next(one for one in curve if one.fraction == 1 and one.share == 1)
    low, high = point.gain_interval
    effect = "a benefit" if low > 0 else "a loss" if high < 0 else "no significant benefit"
    return Score(
        "gain of adding synthetic records",
        point.gain,
        "macro AUROC",
        point.gain_interval,
        n_synthetic=point.n_synthetic,
        n_real=point.n_real,
        definition="macro AUROC after training on real and equally many synthetic records, minus that of the real ones "
        "alone; interval: paired bootstrap over the patients of the test set",
        extractor=downstream.name,
        verdict=WARN if high < 0 else PASS,
        note=f"{effect}; tested on {len(sets.test)} records",
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
        "Macro AUROC on real patients of a classifier trained on real and synthetic records. Bars are 95 % intervals "
        "of the difference from training without synthetic records (leftmost point); a bar that includes the height of "
        "the leftmost point shows no benefit."
    )
    return Figure("Augmentation", figures.with_legend(panel, [axis], "Augmentation curve", "macro AUROC"), caption)
