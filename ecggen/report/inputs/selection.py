"""Select the records of a report: pairs, held-out records of other patients, and a random subset.

The selection uses names only, before any file is opened.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecggen.core.errors import InputError
from ecggen.report.inputs.discovery import Entry


def limit_entries(entries: Sequence[Entry], limit: int, seed: int, what: str, notes: list[str]) -> np.ndarray:
    """Rows of at most ``limit`` entries, selected at random and in order; of all entries if ``limit`` is 0.

    Raises:
        InputError: If there are no entries.
    """
    if not len(entries):
        raise InputError(f"the {what} set is empty", "at least one record was expected")
    if not limit or len(entries) <= limit:
        return np.arange(len(entries))
    notes.append(f"{limit:,} of {len(entries):,} {what} records were selected at random; all scores refer to these.")
    return np.sort(np.random.default_rng(seed).choice(len(entries), limit, replace=False))


def exclude_patients(holdout: Sequence[Entry], real: Sequence[Entry], notes: list[str]) -> list[Entry]:
    """The held-out records of patients who are not in the real set.

    Raises:
        InputError: If there are none.
    """
    known = {one.patient for one in real if one.patient}
    kept = [one for one in holdout if not one.patient or one.patient not in known]
    if holdout and not kept:
        raise InputError(
            "all held-out patients are also in the real set",
            "other patients were expected",
            "use separate folds of a PTB-XL folder: --real-folds 1-8 --holdout-folds 9",
        )
    if len(kept) < len(holdout):
        left = len(holdout) - len(kept)
        notes.append(f"{left} held-out records were left out: their patients are also in the real set.")
    return kept


def pair_entries(
    synthetic: Sequence[Entry], truth: Sequence[Entry], notes: list[str]
) -> tuple[list[Entry], list[Entry]] | None:
    """Pairs of synthetic and true records, by name or else by order; None if neither is possible."""
    named = all(one.named for one in (*synthetic, *truth))
    place = {one.name: one for one in truth} if named else {}
    both = [one for one in synthetic if one.name in place]
    if both:
        lacking = len(synthetic) - len(both)
        left = f"; {lacking} without a true record were left out" if lacking else ""
        notes.append(f"{len(both)} synthetic records were paired with their true record by name{left}.")
        return both, [place[one.name] for one in both]
    if len(synthetic) == len(truth):
        notes.append(f"The {len(truth)} true records were paired with the synthetic records by order.")
        return list(synthetic), list(truth)
    notes.append(
        f"The true records could not be paired: no name is shared, and there are {len(synthetic)} synthetic and "
        f"{len(truth)} true records; the same names, or the same number in the same order, were expected."
    )
    return None
