"""Which of the records that lie there go into a report: pairs, people who are not in both sets, a random part.

All of it is decided on names, before a file is opened.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecggen.core.errors import InputError
from ecggen.report.inputs.discovery import Entry


def drawn(entries: Sequence[Entry], limit: int, seed: int, what: str, notes: list[str]) -> np.ndarray:
    """Rows of at most ``limit`` entries (0: of all), in their order, the rest left out at random."""
    if not len(entries):
        raise InputError(f"the {what} set is empty", "at least one record was expected")
    if not limit or len(entries) <= limit:
        return np.arange(len(entries))
    notes.append(f"Of {len(entries):,} {what} records {limit:,} were drawn at random: all scores rest on these.")
    return np.sort(np.random.default_rng(seed).choice(len(entries), limit, replace=False))


def of_others(holdout: Sequence[Entry], real: Sequence[Entry], notes: list[str]) -> list[Entry]:
    """The held-out records of patients who are not in the real set.

    Raises:
        InputError: Where there are none.
    """
    known = {one.patient for one in real if one.patient}
    kept = [one for one in holdout if not one.patient or one.patient not in known]
    if holdout and not kept:
        raise InputError(
            "all patients of the holdout are in the real set as well",
            "other patients were expected",
            "of one PTB-XL folder, keep folds apart: --real-folds 1-8 --holdout-folds 9",
        )
    if len(kept) < len(holdout):
        left = len(holdout) - len(kept)
        notes.append(f"{left} held-out records were left out: their patients are in the real set as well.")
    return kept


def paired(
    synthetic: Sequence[Entry], truth: Sequence[Entry], notes: list[str]
) -> tuple[list[Entry], list[Entry]] | None:
    """The synthetic records that have a truth beside these truths: by name, else by order; None where neither works."""
    named = all(one.named for one in (*synthetic, *truth))
    place = {one.name: one for one in truth} if named else {}
    both = [one for one in synthetic if one.name in place]
    if both:
        lacking = len(synthetic) - len(both)
        left = f"; {lacking} without a truth are left out" if lacking else ""
        notes.append(f"{len(both)} synthetic records were paired with their truth by name{left}.")
        return both, [place[one.name] for one in both]
    if len(synthetic) == len(truth):
        notes.append(f"The {len(truth)} truths were paired with the synthetic records by order.")
        return list(synthetic), list(truth)
    notes.append(
        f"The truths could not be paired: no name is shared, and {len(synthetic)} synthetic records stand beside "
        f"{len(truth)} truths; the same names, or the same number in the same order, were expected."
    )
    return None
