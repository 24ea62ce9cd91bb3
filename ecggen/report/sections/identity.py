"""What was given: sets, sizes, forms, origins, and all that was left out or changed before anything was measured."""

from __future__ import annotations

from collections import Counter
from textwrap import shorten

import numpy as np

from ecggen.report.inputs.cohort import LEAST, ECGSet, Material, Studied
from ecggen.report.render.ecg_svg import tracing
from ecggen.report.scores import FAIL, PASS, WARN, Figure, Score, Section, Table
from ecggen.viz.ecg import spoken

READ_WARN, READ_FAIL = 0.99, 0.90
"""Share of the synthetic records that could be used, below which it warns or fails."""
ENOUGH = 200
"""Records of each set from which on verdicts are steady."""
EXAMPLES = 3
"""Records of each kind that are drawn."""
MOST_WORDS = 160
"""Letters of a wish that stand below a drawing."""
SHOWN = 3
"""Names of left-out records that are told for each reason."""
NAMES = {"synthetic": "synthetic", "real": "real", "holdout": "held-out", "truth": "truth"}


def identity(material: Material) -> Section:
    """What was given."""
    section = Section("identity", "Identity", "What was given to this report, and what of it could be used?")
    sets = {name: one for name in NAMES if (one := getattr(material, name)) is not None}
    synthetic = material.synthetic.all
    section.scores = [_read(synthetic), _enough(material), _marked(synthetic)]
    section.tables.append(_given({name: one.all for name, one in sets.items()}))
    section.tables.append(_known({name: one.all for name, one in sets.items()}))
    section.tables += [_left_out(name, one.all) for name, one in sets.items() if one.all.left_out]
    section.tables += _said(material)
    section.notes += [f"{NAMES[name]}: {what}" for name, one in sets.items() for what in one.all.changed]
    section.notes += material.notes
    section.figures = _examples(material)
    section.headline = (
        f"{len(synthetic):,} synthetic records from {synthetic.source} against {len(material.real.all):,} real ones "
        f"from {material.real.all.source}: {spoken(synthetic.ecg.leads)}, {synthetic.ecg.fs:g} Hz, "
        f"{synthetic.ecg.seconds:.4g} s."
    )
    return section


def _read(synthetic: ECGSet) -> Score:
    """The share of the synthetic records that could be used."""
    n = len(synthetic) + len(synthetic.left_out)
    share = len(synthetic) / n
    return Score(
        "synthetic records that could be used",
        share,
        "share",
        n_synthetic=n,
        definition="records read and brought into the common form, of all that were looked at",
        verdict=PASS if share >= READ_WARN else WARN if share >= READ_FAIL else FAIL,
    )


def _enough(material: Material) -> Score:
    """The size of the smaller set."""
    n = min(len(material.synthetic.all), len(material.real.all))
    return Score(
        "records of the smaller set",
        float(n),
        n_synthetic=len(material.synthetic.all),
        n_real=len(material.real.all),
        definition=f"most scores need {LEAST} records; verdicts are steady from about {ENOUGH} on",
        verdict=PASS if n >= ENOUGH else WARN,
        note="" if n >= ENOUGH else f"{n} records, {ENOUGH} make verdicts steady",
    )


def _marked(synthetic: ECGSet) -> Score:
    """How many synthetic files say that they are."""
    share = sum(synthetic.provenance.values()) / len(synthetic)
    return Score(
        "synthetic records whose file says so",
        share,
        "share",
        n_synthetic=len(synthetic),
        definition="a provenance as ecggen writes it into a file's comments",
        verdict=PASS,
        note="" if share == 1 else "whoever is handed the others cannot tell from the file that they are synthetic",
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
            spoken(one.ecg.leads),
            "mV",
        ]
        for name, one in sets.items()
    ]
    return Table("The sets, as they are judged", head, rows)


def _known(sets: dict[str, ECGSet]) -> Table:
    """Of how many records what is known."""
    rows = []
    for name, one in sets.items():
        numbers = [int(np.isfinite(part).sum()) for part in (one.age, one.sex, one.asked_rate)]
        words = [sum(map(bool, part)) for part in (one.codes, one.texts)]
        rows.append([NAMES[name], *(f"{count:,}" for count in (*numbers, *words))])
    return Table(
        "Records of which it is known", ["set", "age", "sex", "heart rate asked for", "statements", "text"], rows
    )


def _left_out(name: str, one: ECGSet) -> Table:
    """Reasons with the number of records and the first names."""
    counted = Counter(one.left_out.values())
    rows = []
    for reason, count in counted.most_common():
        names = [record for record, why in one.left_out.items() if why == reason][:SHOWN]
        rows.append([reason, str(count), ", ".join(names) + (" …" if count > SHOWN else "")])
    kept, rest = rows[:10], rows[10:]
    if rest:
        kept.append(["other reasons", str(sum(int(row[1]) for row in rest)), ""])
    return Table(f"Left out of the {NAMES[name]} records", ["reason", "records", "as"], kept)


def _said(material: Material) -> list[Table]:
    """What caller and files say of the generator."""
    rows = [[name, value] for name, value in material.about.items()]
    rows += [[f"{count:,} files", origin] for origin, count in material.synthetic.all.provenance.items()]
    return [Table("What is said of their origin", ["", ""], rows)] if rows else []


def _examples(material: Material) -> list[Figure]:
    """A few valid records of either kind; where truths are known, each record beside its own."""
    synthetic = material.synthetic
    other, kind = (material.real, "real") if material.truth is None else (material.truth, "truth")
    rng = np.random.default_rng(material.seed)
    ours = _some(synthetic, rng)
    theirs = ours if material.truth is not None else _some(other, rng)
    figures = []
    for place in range(max(len(ours), len(theirs))):
        if place < len(ours):
            figures.append(_drawn(synthetic.all, int(ours[place]), "synthetic"))
        if place < len(theirs):
            figures.append(_drawn(other.all, int(theirs[place]), kind))
    return figures


def _some(one: Studied, rng: np.random.Generator) -> np.ndarray:
    """Rows of a few records without a flaw."""
    rows = np.flatnonzero(~np.any(list(one.flaws.values()), axis=0))
    return rng.choice(rows, min(EXAMPLES, len(rows)), replace=False)


def _drawn(one: ECGSet, row: int, kind: str) -> Figure:
    made = kind == "synthetic"
    svg = tracing(one.ecg, row, "SYNTHETIC" if made else "", label=f"{kind} ECG")
    wish = shorten(one.texts[row], MOST_WORDS, placeholder=" …").rstrip(".")
    told = f" Asked for: {wish}." if made and wish else ""
    words = "25 mm/s, 10 mm/mV, 0.5–40 Hz; chosen at random."
    return Figure(f"{kind}: {one.names[row]}", svg, words + told)
