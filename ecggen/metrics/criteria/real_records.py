"""How often real records with and without a statement meet its criterion: PTB-XL, fold 9.

``real_records.json`` is written by ``evaluation.scripts.criteria`` together with the validation of the rules. It is the
reference where no real records are at hand, as in ``ecggen augment``; the report compares with the real records of its
own cohort.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ecggen.metrics.criteria.scores import LEAST, SEPARATES

FILE = Path(__file__).with_name("real_records.json")


@dataclass(frozen=True)
class RealShare:
    """Shares of real records that meet the criterion of a statement.

    Attributes:
        n: Number of records with the statement.
        having: Share of them that meet it.
        lacking: Share of the records without the statement that meet it.
    """

    n: int
    having: float
    lacking: float

    @property
    def usable(self) -> bool:
        """Whether there are enough records, and the rule separates them from records without the statement."""
        return self.n >= LEAST and self.having - self.lacking >= SEPARATES


@lru_cache(1)
def real_shares() -> dict[str, RealShare]:
    """The shares by statement; statements of fewer than four records are left out.

    Example:
        >>> found = real_shares()["CLBBB"]
        >>> found.having > 0.8 > 0.1 > found.lacking, found.usable
        (True, True)
    """
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    return {code: RealShare(**one) for code, one in stored["statements"].items()}
