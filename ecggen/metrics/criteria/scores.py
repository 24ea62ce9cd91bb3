"""Scores of diagnostic criteria: do records meet the rule of a requested statement as often as real ones?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEAST = 8
"""Fewest records with a statement for its share to be compared, in each set."""
SEPARATES = 0.25
"""Smallest difference of the shares of real records with and without a statement for its rule to be used."""
LOW = 0.5
"""Share of the real share below which requested records meet a criterion far too rarely."""


@dataclass(frozen=True)
class Agreement:
    """Shares of records that meet the criterion of a statement.

    Attributes:
        requested: Share of the synthetic records for which the statement was requested.
        not_requested: Share of the other synthetic records.
        real: Share of the real records that carry the statement.
        real_without: Share of the real records that do not.
        n_requested: Number of synthetic records for which it was requested.
        n_real: Number of real records that carry it.
    """

    requested: float
    not_requested: float
    real: float
    real_without: float
    n_requested: int
    n_real: int

    @property
    def ratio(self) -> float:
        """Share among the requested over the real share, at most 1."""
        return min(1.0, self.requested / self.real) if self.real > 0 else 1.0

    @property
    def separates(self) -> bool:
        """Whether the rule separates real records with the statement from others."""
        return self.real - self.real_without >= SEPARATES


def criteria_agreement(
    met: Mapping[str, np.ndarray],
    codes: Sequence[str],
    real_met: Mapping[str, np.ndarray],
    real_codes: Sequence[str],
    least: int = LEAST,
) -> dict[str, Agreement]:
    """Shares of the records that meet each criterion, requested and not, synthetic and real.

    Args:
        met: Which synthetic records meet each criterion, (record,) of bool by statement, from ``criteria_met``.
        codes: Requested statements of each synthetic record, separated by spaces.
        real_met: The same of real records.
        real_codes: Statements of each real record.
        least: Fewest records with the statement in each set.

    Returns:
        By statement, those with enough records and with records without it.

    Example:
        >>> met = {"1AVB": np.array([True, False, False, False])}
        >>> real = {"1AVB": np.array([True, True, False, False])}
        >>> codes = ["1AVB", "1AVB SR", "SR", "SR"]
        >>> found = criteria_agreement(met, codes, real, codes, least=2)["1AVB"]
        >>> found.requested, found.real, found.ratio, found.separates
        (0.5, 1.0, 0.5, True)
    """
    sets = [[set(one.split()) for one in several] for several in (codes, real_codes)]
    found = {}
    for code in met:
        has, real_has = (np.array([code in one for one in several], bool) for several in sets)
        if min(has.sum(), real_has.sum()) < least or has.all() or real_has.all():
            continue
        found[code] = Agreement(
            float(met[code][has].mean()),
            float(met[code][~has].mean()),
            float(real_met[code][real_has].mean()),
            float(real_met[code][~real_has].mean()),
            int(has.sum()),
            int(real_has.sum()),
        )
    return found
