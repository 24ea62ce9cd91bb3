"""Memorisation: a search for copies of training records, and distances to training against held-out records.

A distance to a training record can be interpreted only against records that the generator has not been trained on.
The floor of shares and AUROCs is therefore their value when the same reference patients are randomly assigned to
"training" and "held out". A set that is far from all records may have its nearest record on one side by chance, which
is not memorisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecggen.report import copies
from ecggen.report.inputs.cohort import LEAST, Cohorts, halves
from ecggen.report.nearness import MOST, distances
from ecggen.report.references import Comparison, as_score, attempt, enough
from ecggen.report.render import figures
from ecggen.report.scores import NOT_MEASURED, PASS, Figure, Score, Section, Table, beyond, not_measured
from ecggen.report.shares import share_interval

FLOOR_SPLITS, FLOOR_RECORDS = 4, 250
"""Splits of the real patients, and records of each half, for the floor of the share of copies."""
COPY_WARN, COPY_FAIL = 0.005, 0.02
"""Share of copies above the floor."""
COPIES = "copies of training records"
PAIRS = 4
"""Pairs in the figure."""


def memorisation(cohorts: Cohorts) -> Section:
    """Copies, nearness to training records, neighbour ratio and membership inference."""
    section = Section(
        "memorisation",
        "Memorisation",
        "Are synthetic records copies of training records, or nearer to them than expected by chance?",
    )
    few = min(len(cohorts.synthetic.valid), len(cohorts.real.valid))
    if few < LEAST:
        section.scores.append(not_measured(COPIES, f"{few} valid records, {LEAST} needed"))
        section.headline = "Too few records for a search for copies."
        return section
    rows = _searched(cohorts)
    known = copies.Traits.of(cohorts.real)
    found = copies.search(copies.Traits.of(cohorts.synthetic).at(rows), known)
    section.scores.append(attempt(COPIES, lambda: _copies(cohorts, known, found["r"])))
    section.scores += distances(cohorts)
    section.notes += _shared_patients(cohorts)
    section.tables.append(_table(cohorts, rows, found))
    section.figures.append(_figure(cohorts, rows, found))
    section.headline = _headline(section.scores)
    return section


def _shared_patients(cohorts: Cohorts) -> list[str]:
    if cohorts.holdout is None:
        return []
    shared = set(cohorts.real.valid.patients) & set(cohorts.holdout.valid.patients)
    note = f"{len(shared)} patients are in the training and in the held-out set: distances to them have no meaning."
    return [note] if shared else []


def _searched(cohorts: Cohorts) -> np.ndarray:
    """Rows of at most ``MOST`` random valid synthetic records."""
    rng = np.random.default_rng(cohorts.seed)
    return np.sort(rng.permutation(len(cohorts.synthetic.valid))[:MOST])


def _copies(cohorts: Cohorts, known: copies.Traits, r: np.ndarray) -> Score:
    real, floors = cohorts.real, []
    enough((r, known.waves), real.valid.patients)
    for first, second in halves(real.valid.patients, FLOOR_RECORDS, FLOOR_SPLITS, cohorts.seed):
        floors.append(float((copies.search(known.at(second), known.at(first))["r"] >= copies.THRESHOLD).mean()))
    copied = r >= copies.THRESHOLD
    interval = share_interval(copied, [str(row) for row in range(len(r))], cohorts.seed)
    found = Comparison(
        float(copied.mean()),
        interval,
        float(np.mean(floors)),
        min(floors),
        max(floors),
        len(r),
        len(real.valid),
        len(r),
    )
    score = as_score(
        COPIES,
        found,
        lambda one: beyond(one.value, one.high, COPY_WARN, COPY_FAIL),
        copies.SEARCH,
        unit="share",
        within=(0.0, 1.0),
        extractor="correlation of waveforms at 100 Hz, 0.5–40 Hz",
    )
    distinct = int((~cohorts.synthetic.repeats).sum())
    if score.verdict == PASS and distinct < LEAST:
        return replace(score, verdict=NOT_MEASURED, note=f"{distinct} different synthetic records, {LEAST} needed")
    return score


def _table(cohorts: Cohorts, rows: np.ndarray, found: dict[str, np.ndarray]) -> Table:
    fs = cohorts.real.plain.fs
    body = [
        [
            cohorts.synthetic.valid.names[rows[at]],
            cohorts.real.valid.names[found["index"][at]],
            f"{found['r'][at]:.3f}",
            f"{found['lag'][at] / fs:+.2f}",
        ]
        for at in np.argsort(-found["r"])[:10]
    ]
    return Table("Most similar pairs", ["synthetic", "training", "r", "shift (s)"], body)


def _figure(cohorts: Cohorts, rows: np.ndarray, found: dict[str, np.ndarray]) -> Figure:
    synthetic, real = cohorts.synthetic.plain, cohorts.real.plain
    lead = synthetic.leads.index("II") if "II" in synthetic.leads else 0
    pairs = []
    for at in np.argsort(-found["r"])[:PAIRS]:
        lag = int(found["lag"][at])
        synthetic_wave = synthetic.signal[rows[at], lead].numpy()
        training_wave = real.signal[found["index"][at], lead].numpy()
        start, end = max(0, -lag), len(training_wave) - max(0, lag)
        title = f"r = {found['r'][at]:.3f} over all leads; shown is lead {synthetic.leads[lead]}"
        pairs.append((title, training_wave[start:end], synthetic_wave[start + lag : end + lag]))
    return Figure(
        "Most similar pairs",
        figures.wave_pairs(pairs, real.fs, ("training", "synthetic"), "Most similar pairs"),
        "The synthetic records with the highest correlation with a training record, overlaid at the best shift. A copy "
        "follows the grey line in every beat, including its noise; similar ECGs only come close to it.",
    )


def _headline(scores: Sequence[Score]) -> str:
    copied = scores[0]
    if copied.value is None:
        return copied.note
    share = f"{copied.value:.1%} of the synthetic records are copies of training records"
    nearer = next((score for score in scores if score.name.startswith("nearer") and score.value is not None), None)
    if nearer is None or nearer.value is None:
        return f"{share}; without held-out records, subtler memorisation cannot be measured."
    return f"{share}; {nearer.value:.0%} are nearer to a training record than to a held-out one (50 % is ideal)."
