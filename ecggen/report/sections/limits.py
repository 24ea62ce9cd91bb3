"""What this report cannot tell: what was not given to it, what no number here measures, and how to go on."""

from __future__ import annotations

from ecggen.report.inputs.cohort import Material
from ecggen.report.scores import NOT_MEASURED, Section, Table
from ecggen.report.sections.identity import ENOUGH

ALWAYS = (
    "A pass means: no farther from the real records than they are from each other, in what was measured. It does not "
    "mean that a synthetic ECG is right for the words or the patient that it stands for, nor that it is of use.",
    "The real set is the yardstick. Its hospitals, recorders, filters and people are taken for reality; what is "
    "missing there cannot be missed here.",
    "Privacy is tested by looking for copies. That none were found proves nothing about attackers who know more.",
    "Nobody has looked at the ECGs. Networks and detectors miss what a cardiologist sees at once: have a "
    "blinded pack read (ecggen turing SYNTHETIC --real REAL -n 20 --out pack).",
    "Nothing here makes a synthetic ECG fit for diagnosis.",
)


def limits(material: Material) -> Section:
    """What the report cannot tell; it has no verdict of its own."""
    section = Section(
        "limits", "Limits", "What can this report not tell, and what would make it tell more?", stated=NOT_MEASURED
    )
    lacking = _lacking(material)
    section.tables.append(
        Table("What would make this report tell more", ["what was missing", "what it would tell"], lacking)
    )
    section.notes += ALWAYS
    count = "Nothing was" if not lacking else "One thing was" if len(lacking) == 1 else f"{len(lacking)} things were"
    section.headline = f"{count} missing that this report can use; the rest no report can tell. No verdict is given."
    return section


def _lacking(material: Material) -> list[list[str]]:
    """What was not given, beside what it would have told."""
    synthetic, real = material.synthetic, material.real
    cases = (
        (material.holdout is None, "held-out real records (--holdout)", "whether training records were memorised"),
        (material.truth is None, "the truth of each record (--paired)", "how well they reconstruct"),
        (
            synthetic.classifier is None,
            "a classifier (--classifier)",
            "distances on a network's features, and fidelity to labels",
        ),
        (not any(synthetic.all.texts), "what each record was asked for", "whether the wish was fulfilled"),
        (not any(synthetic.all.codes), "statements of the synthetic records", "whether a classifier learns from them"),
        (
            min(len(synthetic.all), len(real.all)) < ENOUGH,
            f"{ENOUGH} records of either kind",
            "smaller differences: with few records only gross ones show",
        ),
        (len(synthetic.all.ecg.leads) < 12, "twelve leads", "axis, lead laws and what the other leads show"),
        (
            synthetic.all.ecg.fs < 200,
            "a sampling rate of 200 Hz or more",
            "what lies above half the rate, as notches, pacing spikes and muscle noise",
        ),
        (synthetic.all.ecg.seconds < 10, "ten seconds of each record", "rhythms that need more beats"),
    )
    return [[what, tells] for is_so, what, tells in cases if is_so]
