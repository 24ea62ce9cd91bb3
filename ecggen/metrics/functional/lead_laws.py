"""Consistency of the limb leads with the laws of Einthoven and Goldberger, by which two of six leads are independent.

Each law is checked separately, in µV, as a user of an exported file would compute it. ``ECG.law_residual`` returns the
distance from the nearest ECG that fulfils the laws instead.
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


def lead_law_residuals(signal: ArrayLike, leads: Sequence[str]) -> dict[str, np.ndarray]:
    """Largest absolute residual of each lead law whose leads are all present.

    Args:
        signal: (record, lead, time) in mV.
        leads: Names of the leads.

    Returns:
        (record,) in µV by law; NaN for a record with NaN; an empty dictionary if no law can be checked.

    Raises:
        InputError: If names are unknown or repeated, or their number differs from the number of leads.

    Example:
        >>> signal = np.array([[[1.0, 2.0], [2.0, 3.0], [1.0, 1.25]]])
        >>> lead_law_residuals(signal, ("I", "II", "III"))
        {'III = II − I': array([250.])}
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
