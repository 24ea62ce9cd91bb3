"""Requested findings that the drawn ECGs show, by the textbook criterion of each statement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ecggen.core.ecg import ECG


@lru_cache(maxsize=4096)
def requested_findings(text: str | None) -> tuple[str, ...]:
    """Statements of a text that have a diagnostic criterion; negated ones are left out.

    Example:
        >>> requested_findings("first degree AV block"), requested_findings("")
        (('1AVB',), ())
    """
    if not text or not text.strip():
        return ()
    from ecggen.metrics.criteria.rules import CODES
    from ecggen.metrics.functional.condition_fidelity import statements_in_texts

    return tuple(code for code in statements_in_texts([text])[0].split() if code in CODES)


def findings_met(ecgs: ECG, texts: Sequence[str | None]) -> list[tuple[str, str]]:
    """For each record, the requested statements that have a criterion, and those of them whose criterion is met.

    Args:
        ecgs: One record for each text.
        texts: Text of each record's prompt.
    """
    return statements_met(ecgs, [requested_findings(text) for text in texts])


def statements_met(
    ecgs: ECG, codes: Sequence[Sequence[str]], sex: Sequence[str | None] | None = None
) -> list[tuple[str, str]]:
    """For each record, the requested statements that have a criterion, and those of them whose criterion is met.

    Args:
        ecgs: The records.
        codes: Requested statements of each record.
        sex: "M", "F" or None for each record, for limits that depend on sex.
    """
    from ecggen.metrics.criteria.measurements import measure
    from ecggen.metrics.criteria.rules import CODES, criteria_met

    requested = [[code for code in own if code in CODES] for own in codes]
    if not any(requested):
        return [("", "")] * len(requested)
    numbers = None if sex is None else np.array([{"M": 0.0, "F": 1.0}.get(one or "", np.nan) for one in sex])
    met = criteria_met(measure(ecgs, sex=numbers))
    return [(" ".join(own), " ".join(code for code in own if met[code][row])) for row, own in enumerate(requested)]


def summary(rows: Sequence[dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Numbers of records by requested statement: ``requested``, ``met``, and the ``rule`` in words.

    ``real`` is the share of PTB-XL's records with the statement that meet it (fold 9), None if not known.

    Args:
        rows: Rows with the columns ``statements`` and ``criteria_met``.

    Example:
        >>> summary([{"statements": "1AVB", "criteria_met": "1AVB"}, {"statements": "1AVB", "criteria_met": ""}])
        {'1AVB': {'requested': 2, 'met': 1, 'rule': 'PR > 200 ms', 'real': 0.512}}
    """
    from ecggen.metrics.criteria.real_records import real_shares
    from ecggen.metrics.criteria.rules import CRITERIA

    rules = {one.code: one.rule for one in CRITERIA}
    real = {code: one.having for code, one in real_shares().items()}
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        met = row["criteria_met"].split()
        for code in row["statements"].split():
            one = found.setdefault(code, {"requested": 0, "met": 0, "rule": rules[code], "real": real.get(code)})
            one["requested"] += 1
            one["met"] += code in met
    return found


def as_lines(found: dict[str, dict[str, Any]]) -> list[str]:
    """One line for each requested statement.

    Example:
        >>> as_lines({"1AVB": {"requested": 24, "met": 21, "rule": "PR > 200 ms"}})
        ['criterion: first degree AV block: 21 of 24 meet it (PR > 200 ms)']
    """
    from ecggen.conditioning import statements

    return [
        f"criterion: {statements.describe(code)}: {one['met']} of {one['requested']} meet it ({one['rule']})"
        for code, one in found.items()
    ]


def shortfalls(found: dict[str, dict[str, Any]]) -> list[str]:
    """A warning for each statement whose criterion far fewer records meet than real records with the statement.

    Statements of few records, or whose criterion does not separate real records with and without them, are left out.

    Example:
        >>> shortfalls({"CLBBB": {"requested": 20, "met": 2, "rule": "QRS ≥ 120 ms"}})[0].partition("; ")[0]
        'CLBBB: 2 of 20 records (10 %) meet its criterion (QRS ≥ 120 ms)'
    """
    from ecggen.metrics.criteria.real_records import real_shares
    from ecggen.metrics.criteria.scores import LEAST, LOW

    lines = []
    for code, one in found.items():
        real = real_shares().get(code)
        share = one["met"] / one["requested"]
        if real and real.usable and one["requested"] >= LEAST and share < LOW * real.having:
            lines.append(
                f"{code}: {one['met']} of {one['requested']} records ({100 * share:.0f} %) meet its criterion "
                f"({one['rule']}); of real records with this statement, {100 * real.having:.0f} % do"
            )
    return lines
