"""Provenance of a long recording from those of its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecggen.core.ecg import Provenance


def joined(origins: Sequence[dict[str, Any]]) -> Provenance:
    """Provenance of the whole recording from those of its blocks."""
    from ecggen.core.ecg import STANDARD_LEADS, Provenance

    leads = {
        kind: tuple(lead for lead in STANDARD_LEADS if any(lead in one[kind] for one in origins))
        for kind in ("recorded", "generated")
    }
    parts: list[tuple[str, float, float]] = []
    last: dict[str, int] = {}
    for lead, first, end in (part for one in origins for part in one["parts"]):
        at = last.get(lead)
        if at is not None and abs(parts[at][2] - first) < 1e-3:
            parts[at] = (lead, parts[at][1], end)
        else:
            last[lead] = len(parts)
            parts.append((lead, first, end))
    one = origins[0]
    same = {name: one[name] for name in ("model", "seed", "condition")}
    return Provenance(**leads, **same, parts=tuple(parts), band=one["band"] and tuple(one["band"]))
