"""Diagnostic criteria in the report: shares of requested and of real records that meet the textbook rule."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ecggen.core.errors import InputError
from ecggen.metrics.criteria.rules import CRITERIA
from ecggen.metrics.criteria.scores import LEAST, LOW, Agreement, criteria_agreement
from ecggen.metrics.functional.bootstrap import redrawn
from ecggen.report.requested import RequestedSet
from ecggen.report.scores import FAIL, PASS, WARN, Score, Table

PASS_FROM, WARN_FROM = 0.90, 0.75
"""Mean share of the real share for "pass" and for "warn"."""
REDRAWS = 200
DELINEATOR = "ecggen.evaluators.delineator"


def criteria(requested: RequestedSet, reference: RequestedSet) -> tuple[Score, Table]:
    """The mean over the statements of the share that meets the criterion, relative to real records, and a table.

    Raises:
        InputError: If no statement with a criterion was requested of enough records and is in enough real ones.
    """
    sets = [(one.measured_set.criteria, one.codes) for one in (requested, reference)]
    found = criteria_agreement(*sets[0], *sets[1])
    used = {code: one for code, one in found.items() if one.separates}
    if not used:
        raise InputError(f"no statement with a criterion was requested of {LEAST} records and is in {LEAST} real ones")
    value = _mean(used)
    low = [code for code, one in used.items() if one.ratio < LOW]
    patients = requested.set.patients
    again = []
    for rows in redrawn(patients, requested.cohorts.seed, REDRAWS):
        met = {code: sets[0][0][code][rows] for code in used}
        part = criteria_agreement(met, [sets[0][1][row] for row in rows], *sets[1], least=1)
        again.append(_mean(part) if part else np.nan)
    score = Score(
        f"diagnostic criteria: share of the real share, mean of {len(used)} statements",
        value,
        interval=(float(np.nanquantile(again, 0.025)), float(np.nanquantile(again, 0.975))),
        floor=1.0,
        n_synthetic=len(requested.set),
        n_real=len(reference.set),
        definition="share of the records for which a statement was requested that meet its textbook criterion, over "
        "the share of the real records with the statement, at most 1; statements whose criterion separates real "
        f"records with and without it; pass from {PASS_FROM:g}, warn from {WARN_FROM:g}",
        extractor=DELINEATOR,
        verdict=PASS if value >= PASS_FROM else WARN if value >= WARN_FROM else FAIL,
        note=f"less than half of the real share: {', '.join(low)}"
        if low
        else "no statement below half of the real share",
    )
    return score, _table(found)


def _mean(found: Mapping[str, Agreement]) -> float:
    return float(np.mean([one.ratio for one in found.values()]))


def _table(found: Mapping[str, Agreement]) -> Table:
    rules = {one.code: one.rule for one in CRITERIA}
    rows = [
        [
            code if one.separates else f"{code} (not used)",
            rules[code],
            f"{one.requested:.0%} of {one.n_requested}",
            f"{one.real:.0%} of {one.n_real}",
            f"{one.not_requested:.0%}",
            f"{one.real_without:.0%}",
        ]
        for code, one in sorted(found.items(), key=lambda pair: pair[1].ratio)
    ]
    head = ["statement", "criterion", "met where requested", "met by real with it", "others", "real without it"]
    return Table("Diagnostic criteria", head, rows)
