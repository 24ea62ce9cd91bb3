"""The order of leads that their equations suggest, for sets whose leads violate the lead laws as they are named.

For each ordered pair of rows taken as leads I and II, the laws of Einthoven and Goldberger predict the other limb
leads; each is looked for among the other rows. Rows are compared by their Gram matrix, so that no signal is recomputed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from ecggen.core.ecg import STANDARD_LEADS
from ecggen.metrics.functional.lead_laws import LAWS

KNOWN: dict[tuple[str, ...], str] = {
    ("I", "II", "III", "aVR", "aVF", "aVL"): "the order of MIMIC-IV-ECG",
    ("aVL", "I", "aVR", "II", "aVF", "III"): "Cabrera's order",
    ("aVL", "I", "-aVR", "II", "aVF", "III"): "Cabrera's order with −aVR",
}
"""Orders of the limb leads that files have."""
NEAR_MV = 0.01
"""Root mean square deviation in mV from a predicted lead up to which a row is that lead; recorders round to 5 µV."""
LEAST = 2
"""Fewest limb leads that must follow from I and II; one alone fits several orders."""


def suggested(signal: np.ndarray, leads: Sequence[str]) -> tuple[str, ...] | None:
    """The names under which the rows obey the lead laws, ``-aVR`` for an inverted lead; None if there are none.

    Args:
        signal: (record, lead, time) in mV.
        leads: The present name of each row.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> mimic = ("I", "II", "III", "aVR", "aVF", "aVL")
        >>> ecg = simulate(2, seconds=4).pick(*mimic)
        >>> suggested(ecg.signal.numpy(), STANDARD_LEADS[:6]) == mimic
        True
    """
    derived = {name.split()[0]: LAWS[name] for name in LAWS}
    derived = {lead: weights for lead, weights in derived.items() if lead in leads}
    if len(derived) < LEAST or not {"I", "II"} <= set(leads):
        return None
    waves = np.asarray(signal, np.float64)
    gram = np.einsum("blt,bmt->lm", waves, waves) / (len(waves) * waves.shape[-1])
    found = min(
        (_assigned(gram, *pair, derived) for pair in permutations(range(len(leads)), 2)), key=lambda one: one[0]
    )
    if not found[0] <= NEAR_MV:
        return None
    limb = found[1]
    others = iter(lead for lead in leads if lead not in ("I", "II", *derived))
    return tuple(limb.get(row) or next(others) for row in range(len(leads)))


def _assigned(
    gram: np.ndarray, one: int, two: int, derived: dict[str, dict[str, float]]
) -> tuple[float, dict[int, str]]:
    """Largest deviation in mV, and the names of the limb leads' rows, if rows ``one`` and ``two`` are I and II."""
    names, worst = {one: "I", two: "II"}, 0.0
    for lead, weights in derived.items():
        predicted = np.zeros(len(gram))
        predicted[[one, two]] = -weights["I"], -weights["II"]
        cross = gram @ predicted
        power = predicted @ cross
        signs = (1, -1) if lead == "aVR" else (1,)
        free = [row for row in range(len(gram)) if row not in names]
        off, row, sign = min(
            (power - 2 * sign * cross[row] + gram[row, row], row, sign) for row in free for sign in signs
        )
        names[row], worst = ("-" if sign < 0 else "") + lead, max(worst, float(np.sqrt(max(off, 0))))
    return worst, names


def described(order: Sequence[str]) -> str:
    """An order in words: that of the limb leads, and whose it is if that is known.

    Example:
        >>> described(("I", "II", "III", "aVR", "aVF", "aVL", "V1"))
        'I, II, III, aVR, aVF, aVL (the order of MIMIC-IV-ECG)'
    """
    limb = [lead for lead in order if lead.removeprefix("-") in STANDARD_LEADS[:6]]
    known = KNOWN.get(tuple(limb))
    places = [lead if lead in limb else "…" for lead in order]
    while places and places[-1] == "…":
        places.pop()
    return ", ".join(places) + (f" ({known})" if known else "")
