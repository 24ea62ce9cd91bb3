"""Requested findings that the drawn ECGs show, by the textbook criterion of each statement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

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
    requested = [requested_findings(text) for text in texts]
    if not any(requested):
        return [("", "")] * len(texts)
    from ecggen.metrics.criteria.measurements import measure
    from ecggen.metrics.criteria.rules import criteria_met

    met = criteria_met(measure(ecgs))
    return [
        (" ".join(codes), " ".join(code for code in codes if met[code][row])) for row, codes in enumerate(requested)
    ]


def summary(rows: Sequence[dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Numbers of records by requested statement: ``requested``, ``met``, and the ``rule`` in words.

    Args:
        rows: Rows with the columns ``statements`` and ``criteria_met``.

    Example:
        >>> summary([{"statements": "1AVB", "criteria_met": "1AVB"}, {"statements": "1AVB", "criteria_met": ""}])
        {'1AVB': {'requested': 2, 'met': 1, 'rule': 'PR > 200 ms'}}
    """
    from ecggen.metrics.criteria.rules import CRITERIA

    rules = {one.code: one.rule for one in CRITERIA}
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        met = row["criteria_met"].split()
        for code in row["statements"].split():
            one = found.setdefault(code, {"requested": 0, "met": 0, "rule": rules[code]})
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
