"""Do the limb leads obey Einthoven and Goldberger? Of six leads only two are free, in any heart.

Each law is checked by itself, in µV, for it is what a reader of the file would compute: after export, after rounding.
``ECG.law_residual`` gives the distance from the nearest lawful ECG instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ecggen.core.ecg import check_leads
from ecggen.core.errors import InputError

LAWS: dict[str, dict[str, float]] = {
    "III = II − I": {"III": 1, "II": -1, "I": 1},
    "aVR = −(I + II)/2": {"aVR": 1, "I": 0.5, "II": 0.5},
    "aVL = I − II/2": {"aVL": 1, "I": -1, "II": 0.5},
    "aVF = II − I/2": {"aVF": 1, "II": -1, "I": 0.5},
}
"""Each law as weights of the leads whose sum is zero (Einthoven 1912, Goldberger 1942)."""


def residuals(signal: ArrayLike, leads: Sequence[str]) -> dict[str, np.ndarray]:
    """Largest departure from each law that ``leads`` let be checked.

    Args:
        signal: (record, lead, time) in mV.
        leads: The name of each lead.

    Returns:
        (record,) in µV by law; NaN where a record has one; empty where no law's leads are all there.

    Raises:
        InputError: Where names are unknown or repeated, or their number is not that of the leads.
    """
    check_leads(leads)
    waves = np.asarray(signal, np.float64)
    if waves.ndim != 3 or waves.shape[1] != len(leads):
        raise InputError(f"a signal of shape {waves.shape} for {len(leads)} leads", "(record, lead, time) was expected")
    rows = {lead: waves[:, row] for row, lead in enumerate(leads)}
    return {
        law: 1000 * np.abs(np.sum([weight * rows[lead] for lead, weight in weights.items()], axis=0)).max(-1)
        for law, weights in LAWS.items()
        if all(lead in rows for lead in weights)
    }
