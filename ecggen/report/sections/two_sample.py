"""Two-sample test: can a classifier that is trained for a minute tell synthetic from real records?"""

from __future__ import annotations

from ecggen.metrics.utility.two_sample import (
    LEAST,
    PASS_BAND,
    STOP_BAND,
    TwoSampleTest,
    feature_aurocs,
    simple_features,
    two_sample_test,
)
from ecggen.report.inputs.cohort import Cohorts, halves
from ecggen.report.scores import FAIL, PASS, WARN, Score, Section, Table, not_measured

PASS_TO, WARN_TO = 0.60, 0.75
"""Largest AUROC of a discriminator for "pass" and for "warn"."""
MOST = 600
"""Largest number of records of each set in the training and in the test half."""
MOST_FEATURES = 12
"""Rows of the table of simple features."""
CHANCE = 0.5


def two_sample(cohorts: Cohorts) -> Section:
    """AUROC of two discriminators, and the simple features by which the sets differ."""
    section = Section("two_sample", "Two-sample test", "Can a classifier tell synthetic from real records?")
    synthetic, real = cohorts.synthetic, cohorts.holdout or cohorts.real
    few = min(len(synthetic.valid), len(real.valid))
    if few < 2 * LEAST:
        section.scores.append(not_measured("two-sample test", f"{few} valid records, {2 * LEAST} needed"))
        section.headline = "Too few records."
        return section
    found = two_sample_test(
        synthetic.valid.ecg,
        real.valid.ecg,
        real.valid.patients,
        synthetic.valid.patients,
        cohorts.seed,
        most=MOST,
        progress=lambda share: synthetic.report("training discriminators", share),
    )
    floor = _floor(cohorts)
    section.scores += [_score(name, found, floor) for name in found.auroc]
    areas = feature_aurocs(*(simple_features(one.valid.ecg, one.peaks) for one in (synthetic, real)))
    section.tables.append(
        Table(
            "Simple features that tell the sets apart",
            ["feature of a record", "AUROC"],
            [[name, f"{area:.2f}"] for name, area in list(areas.items())[:MOST_FEATURES]],
        )
    )
    worst = max(found.auroc, key=found.auroc.__getitem__)
    feature, area = next(iter(areas.items()))
    section.headline = (
        f"Synthetic records are told from real ones with AUROC {found.auroc[worst]:.2f} ({worst}; {CHANCE:g} is "
        f"chance); of the simple features, {feature} does so best ({area:.2f})."
    )
    section.notes.append(
        f"Both sets are filtered alike: unchanged from {PASS_BAND[0]:g} to {PASS_BAND[1]:g} Hz, nothing beyond "
        f"{STOP_BAND[0]:g} and {STOP_BAND[1]:g} Hz. Training and test records share no patient. Real records: "
        f"{real.all.source}."
    )
    return section


def _floor(cohorts: Cohorts) -> dict[str, float]:
    """AUROC between two real halves; empty if there are too few records."""
    real = cohorts.real.valid
    ((first, second),) = halves(real.patients, 2 * MOST, 1, cohorts.seed)
    if len(first) < 2 * LEAST:
        return {}
    one, other = real.at(first), real.at(second)
    return two_sample_test(one.ecg, other.ecg, other.patients, one.patients, cohorts.seed, most=MOST).auroc


def _score(name: str, found: TwoSampleTest, floor: dict[str, float]) -> Score:
    area = found.auroc[name]
    return Score(
        f"{name}: AUROC",
        area,
        interval=found.interval[name],
        floor=floor.get(name),
        n_synthetic=found.n_train + found.n_test,
        n_real=found.n_train + found.n_test,
        definition=f"classifier two-sample test (Lopez-Paz and Oquab 2017): trained on {found.n_train} + "
        f"{found.n_train} records, tested on {found.n_test} + {found.n_test} of other patients; interval: bootstrap "
        f"over the patients of the test; pass to {PASS_TO:g}, warn to {WARN_TO:g}",
        verdict=PASS if area <= PASS_TO else WARN if area <= WARN_TO else FAIL,
        note="floor: one half of the real patients against the other",
    )
