"""Electrodes at wrong places: what each common exchange makes of the eight independent leads, as a matrix.

Chest leads are measured against Wilson's terminal, the mean of the three limb electrodes. It does not change if limb
electrodes are exchanged with each other, and changes if one of them lies on the right leg (potentials of both legs
taken as equal). Electrodes of V1 and V2 that lie too high are approximated by smaller vertical components of their lead
vectors (Dower et al., J Electrocardiol 1980;13:27).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.simulate import DOWER

TOO_HIGH = 0.5
"""Loss of the vertical component of the lead vectors of V1 and V2 that lie too high, in Dower's units."""


@dataclass(frozen=True)
class Exchange:
    """A wrong placement of electrodes.

    Attributes:
        name: Short name.
        words: What happened, as the end of "may be …".
        kind: "limb" or "chest".
        matrix: (8, 8) from the right to the wrong independent leads.
    """

    name: str
    words: str
    kind: str
    matrix: np.ndarray


def _limb(name: str, words: str, first: tuple[float, float], second: tuple[float, float], terminal=(0.0, 0.0)):
    matrix = np.eye(8)
    matrix[0, :2], matrix[1, :2] = first, second
    matrix[2:, :2] = terminal
    return Exchange(name, words, "limb", matrix)


def _chest(*leads: str) -> Exchange:
    matrix = np.eye(8)
    rows = [INDEPENDENT_LEADS.index(lead) for lead in leads]
    matrix[rows] = matrix[rows[::-1]]
    words = "the electrodes of V1 to V6 in reverse order" if len(leads) > 2 else f"{leads[0]} and {leads[1]} exchanged"
    return Exchange("V1-V6 reversed" if len(leads) > 2 else "-".join(leads), words, "chest", matrix)


def _too_high() -> Exchange:
    matrix = np.eye(8)
    matrix[2:4] -= TOO_HIGH * np.linalg.pinv(DOWER)[1]
    return Exchange("V1, V2 too high", "the electrodes of V1 and V2 too high on the chest", "chest", matrix)


EXCHANGES = (
    _limb("RA-LA", "left and right arm exchanged", (-1, 0), (-1, 1)),
    _limb("RA-LL", "right arm and left leg exchanged", (1, -1), (0, -1)),
    _limb("LA-LL", "left arm and left leg exchanged", (0, 1), (1, 0)),
    _limb("RA-LA-LL", "the limb electrodes rotated (right arm on left arm)", (-1, 1), (-1, 0)),
    _limb("RA-LL-LA", "the limb electrodes rotated (right arm on left leg)", (0, -1), (1, -1)),
    _limb("RA-RL", "right arm and right leg exchanged", (1, -1), (0, 0), (0, -1 / 3)),
    _limb("LA-RL", "left arm and right leg exchanged", (0, 1), (0, 1), (1 / 3, -1 / 3)),
    *(_chest(f"V{first}", f"V{first + 1}") for first in range(1, 6)),
    *(_chest(*pair) for pair in (("V1", "V3"), ("V2", "V4"), ("V3", "V5"), ("V4", "V6"), ("V1", "V6"), ("V2", "V5"))),
    _chest("V1", "V2", "V3", "V4", "V5", "V6"),
    _too_high(),
)
"""The exchanges that are searched for."""
