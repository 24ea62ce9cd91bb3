"""Faults of electrodes and leads: what each makes of the eight independent leads, as a matrix.

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
class Fault:
    """A wrong placement of electrodes, or a lead that is wrong.

    Attributes:
        name: Short name.
        words: The doubt, for users.
        kind: "limb" or "chest" for electrodes at wrong places, "gain", "detached" or "inverted" for one wrong lead.
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
    return Fault(name, f"the leads look as if {words}", "limb", matrix)


def _chest(*leads: str) -> Fault:
    matrix = np.eye(8)
    rows = [INDEPENDENT_LEADS.index(lead) for lead in leads]
    matrix[rows] = matrix[rows[::-1]]
    order = "V1 to V6 were in reverse order" if len(leads) > 2 else f"{' and '.join(leads)} were exchanged"
    name = "V1-V6 reversed" if len(leads) > 2 else "-".join(leads)
    return Fault(name, f"the leads look as if the electrodes of {order}", "chest", matrix)


def _too_high() -> Fault:
    matrix = np.eye(8)
    matrix[2:4] -= TOO_HIGH * np.linalg.pinv(DOWER)[1]
    words = "the leads look as if the electrodes of V1 and V2 lay too high on the chest"
    return Fault("V1, V2 too high", words, "chest", matrix)


OF_A_LEAD = {
    "gain": (2.0, "the size of lead {} does not fit the other leads: is its gain right?"),
    "detached": (0.0, "lead {} lacks the beats that the other leads suggest: is its electrode attached?"),
    "inverted": (-1.0, "lead {} is upside down relative to the other leads: is its polarity right?"),
}
"""Faults of one lead: the factor on it, as an example, and the doubt."""


def _of_lead(lead: str, kind: str) -> Fault:
    factor, words = OF_A_LEAD[kind]
    matrix = np.eye(8)
    matrix[INDEPENDENT_LEADS.index(lead)] *= factor
    return Fault(f"{lead} {kind}", words.format(lead), kind, matrix)


FAULTS = (
    _limb("RA-LA", "left and right arm were exchanged", (-1, 0), (-1, 1)),
    _limb("RA-LL", "right arm and left leg were exchanged", (1, -1), (0, -1)),
    _limb("LA-LL", "left arm and left leg were exchanged", (0, 1), (1, 0)),
    _limb("RA-LA-LL", "the limb electrodes were rotated (right arm on left arm)", (-1, 1), (-1, 0)),
    _limb("RA-LL-LA", "the limb electrodes were rotated (right arm on left leg)", (0, -1), (1, -1)),
    _limb("RA-RL", "right arm and right leg were exchanged", (1, -1), (0, 0), (0, -1 / 3)),
    _limb("LA-RL", "left arm and right leg were exchanged", (0, 1), (0, 1), (1 / 3, -1 / 3)),
    *(_chest(f"V{first}", f"V{first + 1}") for first in range(1, 6)),
    *(_chest(*pair) for pair in (("V1", "V3"), ("V2", "V4"), ("V3", "V5"), ("V4", "V6"), ("V1", "V6"), ("V2", "V5"))),
    _chest("V1", "V2", "V3", "V4", "V5", "V6"),
    _too_high(),
    *(_of_lead(lead, kind) for kind in OF_A_LEAD for lead in INDEPENDENT_LEADS),
)
"""The faults that are searched for."""
KINDS = ("limb", "chest", *OF_A_LEAD)
"""Kinds of faults."""
