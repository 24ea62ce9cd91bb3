"""Limits of the report: missing inputs that would allow more measurements, and what no report can measure."""

from __future__ import annotations

from ecggen.report.inputs.cohort import Cohorts
from ecggen.report.scores import NOT_MEASURED, Section, Table
from ecggen.report.sections.identity import ENOUGH

ALWAYS = (
    "A pass means that, in what was measured, the synthetic records are no farther from the real ones than real "
    "records are from each other. It does not mean that a synthetic ECG is correct for its text or patient, or useful.",
    "The real set is the reference. Its hospitals, recorders, filters and patients are taken as reality; what the real "
    "set lacks, this report cannot find missing in the synthetic one.",
    "Privacy is tested by a search for copies only. If none is found, attacks with more knowledge may still succeed.",
    "No person has looked at the ECGs. Networks and detectors miss faults that a cardiologist sees at once: run a "
    "blinded reader study (ecggen turing SYNTHETIC --real REAL -n 20 --out pack).",
    "Synthetic ECGs are not for diagnosis, whatever the verdicts.",
)


def limits(cohorts: Cohorts) -> Section:
    """Missing inputs and general limits; the section has no verdict of its own."""
    section = Section(
        "limits", "Limits", "What does this report not measure, and which inputs would add to it?", stated=NOT_MEASURED
    )
    lacking = _lacking(cohorts)
    section.tables.append(Table("Missing inputs", ["missing", "what it would allow to measure"], lacking))
    section.notes += ALWAYS
    count = "No input is" if not lacking else "One input is" if len(lacking) == 1 else f"{len(lacking)} inputs are"
    section.headline = f"{count} missing that this report could use. This section has no verdict."
    return section


def _lacking(cohorts: Cohorts) -> list[list[str]]:
    """Missing inputs, and what each would allow to measure."""
    synthetic, real = cohorts.synthetic, cohorts.real
    cases = (
        (cohorts.holdout is None, "held-out real records (--holdout)", "memorisation of training records"),
        (cohorts.truth is None, "the true ECG of each record (--paired)", "accuracy of the reconstruction"),
        (
            synthetic.classifier is None,
            "a classifier (--classifier)",
            "distances on the features of a network, and fidelity to labels",
        ),
        (not any(synthetic.all.texts), "the requested condition of each record", "condition fidelity"),
        (not any(synthetic.all.codes), "statements of the synthetic records", "utility for training a classifier"),
        (
            min(len(synthetic.all), len(real.all)) < ENOUGH,
            f"{ENOUGH} synthetic and {ENOUGH} real records",
            "small differences: with few records only large ones are detected",
        ),
        (len(synthetic.all.ecg.leads) < 12, "twelve leads", "axis, lead laws and the other leads"),
        (
            synthetic.all.ecg.fs < 200,
            "a sampling rate of 200 Hz or more",
            "frequencies above half the present rate, such as notches, pacing spikes and muscle noise",
        ),
        (synthetic.all.ecg.seconds < 10, "ten seconds of each record", "rhythms that need more beats"),
    )
    return [[what, allows] for is_missing, what, allows in cases if is_missing]
