"""Has the generator learnt its patients by heart? Copies are looked for; distances are compared with held-out records.

What a distance to a training record means, only records that the generator never saw can tell. So shares and AUROCs
stand beside those that come about when the same reference patients are dealt to "training" and "held out" by chance:
a set that lies far from everything has its nearest record by chance on one side, and that is no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecggen.report import copies
from ecggen.report.inputs.cohort import LEAST, Material, halves
from ecggen.report.nearness import MOST, distances
from ecggen.report.references import Compared, attempt, enough, scored
from ecggen.report.render import figures
from ecggen.report.scores import NOT_MEASURED, PASS, Figure, Score, Section, Table, beyond, not_measured
from ecggen.report.shares import share_interval

FLOOR_SPLITS, FLOOR_RECORDS = 4, 250
"""Divisions of the real patients, and records of each, in which copies are looked for as a floor."""
COPY_WARN, COPY_FAIL = 0.005, 0.02
"""Share of copies above the real set's own."""
COPIES = "copies of training records"
PAIRS = 4
"""Pairs that are drawn."""


def memorisation(material: Material) -> Section:
    """Copies, nearness to training against held-out records, neighbour ratio, membership inference."""
    section = Section(
        "memorisation",
        "Memorisation",
        "Are training records among the synthetic ones, or nearer than chance would have it?",
    )
    few = min(len(material.synthetic.valid), len(material.real.valid))
    if few < LEAST:
        section.scores.append(not_measured(COPIES, f"{few} valid records, {LEAST} needed"))
        section.headline = "Too few records to look for copies."
        return section
    rows = _looked_at(material)
    known = copies.Traits.of(material.real)
    found = copies.search(copies.Traits.of(material.synthetic).at(rows), known)
    section.scores.append(attempt(COPIES, lambda: _copies(material, known, found["r"])))
    section.scores += distances(material)
    section.notes += _shared_patients(material)
    section.tables.append(_table(material, rows, found))
    section.figures.append(_figure(material, rows, found))
    section.headline = _headline(section.scores)
    return section


def _shared_patients(material: Material) -> list[str]:
    if material.holdout is None:
        return []
    shared = set(material.real.valid.patients) & set(material.holdout.valid.patients)
    said = f"{len(shared)} patients stand in the training and in the held-out set: distances to them tell nothing."
    return [said] if shared else []


def _looked_at(material: Material) -> np.ndarray:
    """Rows of the valid synthetic records, ``MOST`` of them at random."""
    rng = np.random.default_rng(material.seed)
    return np.sort(rng.permutation(len(material.synthetic.valid))[:MOST])


def _copies(material: Material, known: copies.Traits, r: np.ndarray) -> Score:
    real, floors = material.real, []
    enough((r, known.waves), real.valid.patients)
    for first, second in halves(real.valid.patients, FLOOR_RECORDS, FLOOR_SPLITS, material.seed):
        floors.append(float((copies.search(known.at(second), known.at(first))["r"] >= copies.THRESHOLD).mean()))
    copied = r >= copies.THRESHOLD
    interval = share_interval(copied, [str(row) for row in range(len(r))], material.seed)
    found = Compared(
        float(copied.mean()),
        interval,
        float(np.mean(floors)),
        min(floors),
        max(floors),
        len(r),
        len(real.valid),
        len(r),
    )
    score = scored(
        COPIES,
        found,
        lambda one: beyond(one.value, one.high, COPY_WARN, COPY_FAIL),
        copies.SEARCH,
        unit="share",
        within=(0.0, 1.0),
        extractor="none: waves at 100 Hz, 0.5–40 Hz",
    )
    distinct = int((~material.synthetic.repeats).sum())
    if score.verdict == PASS and distinct < LEAST:
        return replace(score, verdict=NOT_MEASURED, note=f"{distinct} different synthetic records, {LEAST} needed")
    return score


def _table(material: Material, rows: np.ndarray, found: dict[str, np.ndarray]) -> Table:
    fs = material.real.plain.fs
    body = [
        [
            material.synthetic.valid.names[rows[at]],
            material.real.valid.names[found["index"][at]],
            f"{found['r'][at]:.3f}",
            f"{found['lag'][at] / fs:+.2f}",
        ]
        for at in np.argsort(-found["r"])[:10]
    ]
    return Table("The most alike pairs", ["synthetic", "training", "r", "shift (s)"], body)


def _figure(material: Material, rows: np.ndarray, found: dict[str, np.ndarray]) -> Figure:
    synthetic, real = material.synthetic.plain, material.real.plain
    lead = synthetic.leads.index("II") if "II" in synthetic.leads else 0
    pairs = []
    for at in np.argsort(-found["r"])[:PAIRS]:
        late = int(found["lag"][at])
        drawn = synthetic.signal[rows[at], lead].numpy()
        known = real.signal[found["index"][at], lead].numpy()
        start, end = max(0, -late), len(known) - max(0, late)
        title = f"r = {found['r'][at]:.3f} over all leads; lead {synthetic.leads[lead]} is drawn"
        pairs.append((title, known[start:end], drawn[start + late : end + late]))
    return Figure(
        "The most alike pairs",
        figures.wave_pairs(pairs, real.fs, ("training", "synthetic"), "The most alike pairs"),
        "The synthetic records that resemble a training record most, over it at the best shift. A copy lies on the "
        "grey line beat by beat, with its noise; hearts of one kind and rate only lie near it.",
    )


def _headline(scores: Sequence[Score]) -> str:
    copied = scores[0]
    if copied.value is None:
        return copied.note
    said = f"{copied.value:.1%} of the synthetic records are copies of training records"
    nearer = next((score for score in scores if score.name.startswith("nearer") and score.value is not None), None)
    if nearer is None or nearer.value is None:
        return f"{said}; without held-out records nothing finer can be told."
    return f"{said}; {nearer.value:.0%} lie nearer to a training record than to a held-out one (50 % is ideal)."
