"""Validity: values that an electrocardiograph cannot record, and violations of the lead laws."""

from __future__ import annotations

import numpy as np

from ecggen.core.errors import InputError
from ecggen.metrics.functional import lead_laws
from ecggen.report import lead_order
from ecggen.report.inputs.cohort import PART, Cohorts, MeasuredSet
from ecggen.report.references import as_score, attempt, compare
from ecggen.report.scores import FAIL, PASS, WARN, Score, Section, Table, beyond
from ecggen.report.shares import compare_share

FLAWS = {
    "nan": "a value that is no finite number",
    "beyond": "values beyond ±10 mV",
    "flat": "a lead that is flat throughout",
    "stuck": "a lead that stays unchanged for over 2 s",
    "clipped": "a lead cut off at its highest or lowest value",
}
"""Description of each flaw of ``ecggen.core.artifacts``."""
WARN_AT, FAIL_AT = 0.005, 0.01
"""Share of invalid records above the floor; one in a hundred more indicates a systematic cause."""
LAWFUL_UV, LAWLESS_UV = 20.0, 50.0
"""µV above the floor: coarse recorders round to about 10 µV; 50 µV is half a small square of ECG paper."""
FACTORS = {1000.0: "µV read as mV", 0.001: "mV read as µV, or V read as mV", 200.0: "units of 5 µV read as mV"}
"""The error of units that scales amplitudes by each factor."""
NEAR = 1.8
"""Largest deviation of a ratio from a factor, as a factor."""


def validity(cohorts: Cohorts) -> Section:
    """Shares of records with each flaw, and residuals of the lead laws."""
    section = Section(
        "validity", "Validity", "Could an electrocardiograph have recorded the values, and do the leads obey the laws?"
    )
    synthetic, real = cohorts.synthetic, cohorts.real
    section.scores.append(attempt("invalid records", lambda: _invalid(cohorts), unit="share"))
    laws = attempt("lead laws' residual", lambda: _laws(cohorts), unit="µV")
    section.scores.append(laws)
    section.tables.append(_flaw_table(synthetic, real))
    section.notes.append("All other sections use the valid records only.")
    flaws = unit_hint(synthetic, real) or _headline(synthetic)
    broken = [sentence for sentence in (_law_hint(synthetic, "synthetic", laws), _law_hint(real, "real")) if sentence]
    if broken and section.verdict == PASS:  # the reference violates them as well
        section.stated = WARN
    section.headline = " ".join([*broken, *([] if broken and flaws.startswith("0 of") else [flaws])])
    return section


def unit_hint(synthetic: MeasuredSet, real: MeasuredSet) -> str:
    """The error of units that would explain the amplitude of the synthetic records; "" if there is none."""
    sizes = [np.median(_sizes(one)) if len(one.all) else np.nan for one in (synthetic, real)]
    if not all(np.isfinite(sizes)) or min(sizes) <= 0:
        return ""
    ratio = float(sizes[0] / sizes[1])
    for factor, mistake in FACTORS.items():
        if factor / NEAR < ratio < factor * NEAR:
            invalid = synthetic.flaws["beyond"].mean()
            share = "all records are" if invalid == 1 else f"{invalid:.0%} of the records are"
            return (
                f"The amplitude of the synthetic records is {ratio:.3g} times that of the real ones ({share} beyond "
                f"±10 mV): {mistake}? Divided by {factor:g} it would agree."
            )
    return ""


def _sizes(one: MeasuredSet) -> np.ndarray:
    """(record,): standard deviation over time of the largest lead in mV; values that are not finite count as 0."""
    signal = one.all.ecg.signal.numpy()
    parts = (signal[at : at + PART] for at in range(0, len(signal), PART))
    return np.concatenate([np.nan_to_num(part.astype(float), posinf=0, neginf=0).std(-1).max(1) for part in parts])


def _invalid(cohorts: Cohorts) -> Score:
    flagged = [np.any(list(one.flaws.values()), axis=0) for one in (cohorts.synthetic, cohorts.real)]
    return as_score(
        "invalid records",
        compare_share(flagged, cohorts.real.all.patients, cohorts.seed, cohorts.synthetic.all.patients),
        lambda one: beyond(one.value, one.high, WARN_AT, FAIL_AT),
        "share of records with any of: " + ", ".join(FLAWS.values()),
        unit="share",
        within=(0.0, 1.0),
    )


def _laws(cohorts: Cohorts) -> Score:
    largest = [_largest_residual(one) for one in (cohorts.synthetic, cohorts.real)]
    found = compare(lambda one, _: float(np.quantile(one, 0.95)), largest, cohorts.real.valid.patients, cohorts.seed)
    return as_score(
        "lead laws' residual",
        found,
        lambda one: beyond(one.value, one.high, LAWFUL_UV, LAWLESS_UV),
        "95 % quantile over records of the largest deviation from III = II − I, aVR = −(I + II)/2, aVL = I − II/2, "
        "aVF = II − I/2 (Einthoven 1912, Goldberger 1942), in the leads of the files",
        unit="µV",
    )


def _largest_residual(one: MeasuredSet) -> np.ndarray:
    """Largest residual of the lead laws of each valid record (valid record,) in µV."""
    ecg = one.valid.ecg
    ecg = ecg.pick(*(lead for lead in ecg.leads if lead not in one.all.derived))  # derived leads obey the laws anyway
    signal = ecg.signal.numpy()
    starts = range(0, max(len(signal), 1), PART)
    parts = [lead_laws.lead_law_residuals(signal[at : at + PART], ecg.leads) for at in starts]
    if not parts[0]:
        raise InputError("no limb lead follows from the others, so no lead law can be checked")
    return np.concatenate([np.max(list(part.values()), axis=0) for part in parts])


def _law_hint(one: MeasuredSet, name: str, laws: Score | None = None) -> str:
    """What the violation of the lead laws suggests: the order of the leads that would obey them; "" if they are obeyed.

    Args:
        one: The set.
        name: Its name in the sentence.
        laws: The score of the set, if it has one. A residual above ``LAWLESS_UV`` is a violation in any case, so that
            a broken reference does not hide it.
    """
    try:
        residuals = _largest_residual(one)
    except InputError:
        return ""
    off = float(np.quantile(residuals, 0.95)) if len(residuals) else 0.0
    if off <= LAWLESS_UV and (laws is None or laws.verdict not in (WARN, FAIL)):
        return ""
    found = f"The lead laws are off by {off / 1000:.2g} mV in the {name} records"
    if off <= LAWLESS_UV:
        return f"{found}, more than rounding explains."
    ecg = one.valid.ecg
    worst = np.sort(np.argsort(-residuals, kind="stable")[:PART])
    order = lead_order.suggested(ecg.signal[worst].numpy(), ecg.leads)
    option = "--leads" if name == "synthetic" else "--real-leads"
    if order is None:
        return (
            f"{found}: are the leads in another order, or their gains different? No order of the leads would mend it."
        )
    mended = f"They obey the laws as {lead_order.described(order)}"
    how = f"name them with {option} {','.join(order)}" if "-aVR" not in order else "with −aVR inverted"
    return f"{found}: are the leads in another order? {mended}: {how}."


def _flaw_table(synthetic: MeasuredSet, real: MeasuredSet) -> Table:
    def share(one: MeasuredSet, flaw: str) -> str:
        return f"{one.flaws[flaw].sum()} of {len(one.all)}"

    rows = [[meaning, share(synthetic, flaw), share(real, flaw)] for flaw, meaning in FLAWS.items()]
    rows.append(["could not be read", *(str(len(one.all.left_out)) for one in (synthetic, real))])
    return Table("Records with a flaw", ["flaw", "synthetic", "real"], rows)


def _headline(synthetic: MeasuredSet) -> str:
    flawed = int(np.any(list(synthetic.flaws.values()), axis=0).sum())
    return f"{flawed} of {len(synthetic.all)} synthetic records have values that an electrocardiograph cannot record."
