"""Identity: the sets of the report, their size, format and origin, and the records left out or changed."""

from __future__ import annotations

from collections import Counter
from textwrap import shorten

import numpy as np

from ecggen.report.inputs.cohort import LEAST, Cohorts, ECGSet, MeasuredSet
from ecggen.report.render.ecg_svg import tracing
from ecggen.report.scores import FAIL, PASS, WARN, Figure, Score, Section, Table
from ecggen.viz.ecg import abbreviated

READ_WARN, READ_FAIL = 0.99, 0.90
"""Share of usable synthetic records below which the verdict is "warn" or "fail"."""
ENOUGH = 200
"""Records of each set from which verdicts are stable."""
EXAMPLES = 3
"""ECGs of each kind in the figures."""
CAPTION_LENGTH = 160
"""Largest number of characters of a requested text in a caption."""
LISTED = 3
"""Names of left-out records that are listed for each reason."""
NAMES = {"synthetic": "synthetic", "real": "real", "holdout": "held-out", "truth": "true"}
"""Name of each set in tables and notes."""


def identity(cohorts: Cohorts) -> Section:
    """Sets, usable records, metadata, origins and examples."""
    section = Section("identity", "Identity", "Which records does this report compare, and which could be used?")
    sets = {name: one for name in NAMES if (one := getattr(cohorts, name)) is not None}
    synthetic = cohorts.synthetic.all
    section.scores = [_read(synthetic), _enough(cohorts), _marked(synthetic)]
    section.tables.append(_given({name: one.all for name, one in sets.items()}))
    section.tables.append(_known({name: one.all for name, one in sets.items()}))
    section.tables += [_left_out(name, one.all) for name, one in sets.items() if one.all.left_out]
    section.tables += _origins(cohorts)
    section.notes += [f"{NAMES[name]}: {what}" for name, one in sets.items() for what in one.all.changed]
    section.notes += cohorts.notes
    section.figures = _examples(cohorts)
    section.headline = (
        f"{len(synthetic):,} synthetic records from {synthetic.source} against {len(cohorts.real.all):,} real ones "
        f"from {cohorts.real.all.source}: {abbreviated(synthetic.ecg.leads)}, {synthetic.ecg.fs:g} Hz, "
        f"{synthetic.ecg.seconds:.4g} s."
    )
    return section


def _read(synthetic: ECGSet) -> Score:
    """Share of the synthetic records that could be used."""
    n = len(synthetic) + len(synthetic.left_out)
    share = len(synthetic) / n
    return Score(
        "synthetic records that could be used",
        share,
        "share",
        n_synthetic=n,
        definition="records that could be read and converted to the common format, of all selected ones",
        verdict=PASS if share >= READ_WARN else WARN if share >= READ_FAIL else FAIL,
    )


def _enough(cohorts: Cohorts) -> Score:
    """Size of the smaller set."""
    n = min(len(cohorts.synthetic.all), len(cohorts.real.all))
    return Score(
        "records of the smaller set",
        float(n),
        n_synthetic=len(cohorts.synthetic.all),
        n_real=len(cohorts.real.all),
        definition=f"most scores need {LEAST} records; verdicts are stable from about {ENOUGH}",
        verdict=PASS if n >= ENOUGH else WARN,
        note="" if n >= ENOUGH else f"{n} records; verdicts are stable from about {ENOUGH}",
    )


def _marked(synthetic: ECGSet) -> Score:
    """Share of the synthetic files that state that they are synthetic."""
    share = sum(synthetic.provenance.values()) / len(synthetic)
    return Score(
        "files marked as synthetic",
        share,
        "share",
        n_synthetic=len(synthetic),
        definition="files with a provenance comment as ecggen writes it",
        verdict=PASS,
        note="" if share == 1 else "the other files are not marked as synthetic",
        counts=False,
    )


def _given(sets: dict[str, ECGSet]) -> Table:
    head = ["set", "source", "records", "left out", "patients", "rate", "duration", "leads", "unit"]
    rows = [
        [
            NAMES[name],
            one.source,
            f"{len(one):,}",
            f"{len(one.left_out):,}",
            f"{len(set(one.patients)):,}" if one.patients != one.names else "unknown",
            f"{one.ecg.fs:g} Hz",
            f"{one.ecg.seconds:.4g} s",
            abbreviated(one.ecg.leads),
            "mV",
        ]
        for name, one in sets.items()
    ]
    return Table("Sets after conversion to the common format", head, rows)


def _known(sets: dict[str, ECGSet]) -> Table:
    """Number of records with each kind of metadata."""
    rows = []
    for name, one in sets.items():
        numbers = [int(np.isfinite(part).sum()) for part in (one.age, one.sex, one.requested_heart_rate)]
        texts = [sum(map(bool, part)) for part in (one.codes, one.texts)]
        rows.append([NAMES[name], *(f"{count:,}" for count in (*numbers, *texts))])
    return Table(
        "Records with metadata and text", ["set", "age", "sex", "requested heart rate", "statements", "text"], rows
    )


def _left_out(name: str, one: ECGSet) -> Table:
    """Reasons with the number of records and the first names."""
    counted = Counter(one.left_out.values())
    rows = []
    for reason, count in counted.most_common():
        names = [record for record, why in one.left_out.items() if why == reason][:LISTED]
        rows.append([reason, str(count), ", ".join(names) + (" …" if count > LISTED else "")])
    kept, rest = rows[:10], rows[10:]
    if rest:
        kept.append(["other reasons", str(sum(int(row[1]) for row in rest)), ""])
    return Table(f"Left out of the {NAMES[name]} records", ["reason", "records", "for example"], kept)


def _origins(cohorts: Cohorts) -> list[Table]:
    """What the caller and the files state about the generator."""
    rows = [[name, value] for name, value in cohorts.about.items()]
    rows += [[f"{count:,} files", origin] for origin, count in cohorts.synthetic.all.provenance.items()]
    return [Table("Stated origin", ["", ""], rows)] if rows else []


def _examples(cohorts: Cohorts) -> list[Figure]:
    """A few valid records of each kind; a synthetic record is followed by its true record, if there is one."""
    synthetic = cohorts.synthetic
    other, kind = (cohorts.real, "real") if cohorts.truth is None else (cohorts.truth, "true")
    rng = np.random.default_rng(cohorts.seed)
    rows = _some(synthetic, rng)
    other_rows = rows if cohorts.truth is not None else _some(other, rng)
    figures = []
    for place in range(max(len(rows), len(other_rows))):
        if place < len(rows):
            figures.append(_tracing(synthetic.all, int(rows[place]), "synthetic"))
        if place < len(other_rows):
            figures.append(_tracing(other.all, int(other_rows[place]), kind))
    return figures


def _some(one: MeasuredSet, rng: np.random.Generator) -> np.ndarray:
    """Rows of a few random records without a flaw."""
    rows = np.flatnonzero(~np.any(list(one.flaws.values()), axis=0))
    return rng.choice(rows, min(EXAMPLES, len(rows)), replace=False)


def _tracing(one: ECGSet, row: int, kind: str) -> Figure:
    synthetic = kind == "synthetic"
    svg = tracing(one.ecg, row, "SYNTHETIC" if synthetic else "", label=f"{kind} ECG")
    text = shorten(one.texts[row], CAPTION_LENGTH, placeholder=" …").rstrip(".")
    requested = f" Requested: {text}." if synthetic and text else ""
    return Figure(f"{kind}: {one.names[row]}", svg, f"25 mm/s, 10 mm/mV, 0.5–40 Hz; selected at random.{requested}")
