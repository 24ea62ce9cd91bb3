"""Could an electrocardiograph have recorded this? Values that no electrode gives; lead laws that no heart breaks."""

from __future__ import annotations

import numpy as np

from ecggen.core.errors import InputError
from ecggen.metrics.functional import lead_laws
from ecggen.report.inputs.cohort import PART, Material, Studied
from ecggen.report.references import attempt, compared, scored
from ecggen.report.scores import Score, Section, Table, beyond
from ecggen.report.shares import compared_share

FLAWS = {
    "nan": "a value that is no finite number",
    "beyond": "values beyond ±10 mV",
    "flat": "a lead that is flat throughout",
    "stuck": "a lead that stays unchanged for over 2 s",
    "clipped": "a lead cut off at its highest or lowest value",
}
"""What each flag of ``flaws.found`` means."""
WARN_AT, FAIL_AT = 0.005, 0.01
"""Shares of invalid records above the real set's: from one in a hundred more on, something makes them."""
LAWFUL_UV, LAWLESS_UV = 20.0, 50.0
"""µV above the real set's: coarse recorders round to some 10 µV; 50 µV are half a small square of the paper."""
FACTORS = {1000.0: "µV taken for mV", 0.001: "mV taken for µV, or V for mV", 200.0: "units of 5 µV taken for mV"}
"""Which mistake of units makes amplitudes so many times too large."""
NEAR = 1.8
"""A ratio is taken for a factor that it misses by less than so many times."""


def validity(material: Material) -> Section:
    """Shares of records with each flaw, and the lead laws' residuals, against the real ones'."""
    section = Section(
        "validity", "Validity", "Could an electrocardiograph have recorded these, and do the leads belong together?"
    )
    synthetic, real = material.synthetic, material.real
    section.scores.append(attempt("invalid records", lambda: _invalid(material), unit="share"))
    section.scores.append(attempt("lead laws' residual", lambda: _laws(material), unit="µV"))
    section.tables.append(_flaw_table(synthetic, real))
    section.notes.append("All other sections rest on the valid records only.")
    section.headline = unit_hint(synthetic, real) or _headline(synthetic)
    return section


def unit_hint(synthetic: Studied, real: Studied) -> str:
    """What mistake of units would explain the synthetic records' size; "" where none does."""
    sizes = [np.median(_sizes(one)) if len(one.all) else np.nan for one in (synthetic, real)]
    if not all(np.isfinite(sizes)) or min(sizes) <= 0:
        return ""
    ratio = float(sizes[0] / sizes[1])
    for factor, mistake in FACTORS.items():
        if factor / NEAR < ratio < factor * NEAR:
            invalid = synthetic.flaws["beyond"].mean()
            said = "all records are" if invalid == 1 else f"{invalid:.0%} of the records are"
            return (
                f"The synthetic records are {ratio:.3g} times as large as the real ones ({said} beyond ±10 mV): "
                f"{mistake}? Divided by {factor:g} they would have the right size."
            )
    return ""


def _sizes(one: Studied) -> np.ndarray:
    """(record,): deviation over time of the largest lead, in mV, 0 for values that are no finite numbers."""
    signal = one.all.ecg.signal.numpy()
    parts = (signal[at : at + PART] for at in range(0, len(signal), PART))
    return np.concatenate([np.nan_to_num(part.astype(float), posinf=0, neginf=0).std(-1).max(1) for part in parts])


def _invalid(material: Material) -> Score:
    flagged = [np.any(list(one.flaws.values()), axis=0) for one in (material.synthetic, material.real)]
    return scored(
        "invalid records",
        compared_share(flagged, material.real.all.patients, material.seed, material.synthetic.all.patients),
        lambda one: beyond(one.value, one.high, WARN_AT, FAIL_AT),
        "share of records with any of: " + ", ".join(FLAWS.values()),
        unit="share",
        within=(0.0, 1.0),
    )


def _laws(material: Material) -> Score:
    largest = [_largest_residual(one) for one in (material.synthetic, material.real)]
    found = compared(lambda one, _: float(np.quantile(one, 0.95)), largest, material.real.valid.patients, material.seed)
    return scored(
        "lead laws' residual",
        found,
        lambda one: beyond(one.value, one.high, LAWFUL_UV, LAWLESS_UV),
        "95 % quantile over records of the largest departure from III = II − I, aVR = −(I + II)/2, aVL = I − II/2, "
        "aVF = II − I/2 (Einthoven 1912, Goldberger 1942), in the files as given",
        unit="µV",
    )


def _largest_residual(one: Studied) -> np.ndarray:
    """(valid record,) in µV."""
    ecg = one.valid.ecg
    signal = ecg.signal.numpy()
    starts = range(0, max(len(signal), 1), PART)
    parts = [lead_laws.residuals(signal[at : at + PART], ecg.leads) for at in starts]
    if not parts[0]:
        raise InputError("no limb lead follows from the others that were given, so no law can be checked")
    return np.concatenate([np.max(list(part.values()), axis=0) for part in parts])


def _flaw_table(synthetic: Studied, real: Studied) -> Table:
    def share(one: Studied, flaw: str) -> str:
        return f"{one.flaws[flaw].sum()} of {len(one.all)}"

    rows = [[meaning, share(synthetic, flaw), share(real, flaw)] for flaw, meaning in FLAWS.items()]
    rows.append(["could not be read", *(str(len(one.all.left_out)) for one in (synthetic, real))])
    return Table("Records with a flaw", ["flaw", "synthetic", "real"], rows)


def _headline(synthetic: Studied) -> str:
    flawed = int(np.any(list(synthetic.flaws.values()), axis=0).sum())
    return f"{flawed} of {len(synthetic.all)} synthetic records could not have come from an electrocardiograph."
