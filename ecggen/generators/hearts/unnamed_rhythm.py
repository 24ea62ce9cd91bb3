"""The rhythm of a text that names findings but no rhythm.

Reports name the rhythm nearly always, so that models of ECGs take a text without one for a patient who is not in sinus
rhythm. A request such as "left bundle branch block" means none of this. Its rhythm is therefore drawn as often as
training records with the finding have it, and added to the text.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence, Set
from functools import lru_cache
from importlib.resources import files

import numpy as np
from torch import Tensor

from ecggen.conditioning import statements
from ecggen.conditioning.condition import METADATA, Condition
from ecggen.conditioning.rhythm_prior import own_numbers

HEART_RATE = list(METADATA).index("heart_rate")
UNNAMED = 8
"""Random stream of a record that is used for its rhythm."""
FASTEST = {"SR": 100.0, "SBRAD": 60.0}
"""Heart rate per minute up to which a rhythm is drawn, where a rate is given."""
SLOWEST = {"SR": 60.0, "STACH": 100.0, "SVTAC": 100.0, "PSVT": 100.0}
"""Heart rate per minute from which on it is drawn."""


@lru_cache(1)
def table() -> dict[str, dict[str, int]]:
    """Training records with each statement: their number (``records``), and how many have each rhythm.

    Example:
        >>> found = table()["CLBBB"]
        >>> found["records"] > found["SR"] > found["AFIB"] > 0
        True
    """
    return tomllib.loads(files("ecggen.generators.hearts").joinpath("rhythm_counts.toml").read_text("utf-8"))


def completed(text: str, said: Set[str], denied: Set[str], heart_rate: float | None, rng: np.random.Generator) -> str:
    """The text, with a rhythm if it affirms statements but none of ``statements.RHYTHMS``.

    Args:
        text: Text of a condition.
        said: Codes of the statements that it affirms.
        denied: Codes of those that it denies.
        heart_rate: Requested heart rate per minute, which excludes some rhythms; None if there is none.
        rng: Random number generator.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> completed("left bundle branch block", {"CLBBB"}, set(), None, rng)
        'left bundle branch block, sinus rhythm'
        >>> completed("atrial fibrillation", {"AFIB"}, set(), None, rng)
        'atrial fibrillation'
    """
    known = [code for code in sorted(said) if code in table()]
    if not known or said & {*statements.RHYTHMS}:
        return text
    counts = table()[min(known, key=lambda code: table()[code]["records"])]
    possible = [code for code in statements.RHYTHMS if code not in denied and _fits(code, heart_rate)]
    often = np.array(
        [counts.get(code, 0) for code in possible]
        + [counts["records"] - sum(counts.get(code, 0) for code in statements.RHYTHMS)]
    )
    if not often.sum():
        return text
    chosen = rng.choice(len(often), p=often / often.sum())
    return text if chosen == len(possible) else f"{text}, {statements.describe(possible[chosen])}"


def _fits(code: str, heart_rate: float | None) -> bool:
    if heart_rate is None:
        return True
    return SLOWEST.get(code, 0.0) <= heart_rate <= FASTEST.get(code, np.inf)


def with_rhythms(
    condition: Condition,
    given: Tensor,
    read: Callable[[str], tuple[Set[str], Set[str]]],
    seed: int,
    indices: Sequence[int],
) -> Condition:
    """A condition whose given texts are ``completed``.

    Args:
        condition: Texts and metadata.
        given: (batch,) whether the text of a record was given.
        read: Codes of the statements that a text affirms, and of those that it denies.
        seed: Random seed.
        indices: Index of each record; its rhythm depends on the seed and the index only.
    """
    texts = list(condition.text)
    rates, known = condition.metadata[:, HEART_RATE].tolist(), condition.metadata_mask[:, HEART_RATE].tolist()
    for row in given.nonzero()[:, 0].tolist():
        rate = rates[row] if known[row] else None
        rng = own_numbers(seed, indices[row], UNNAMED)
        texts[row] = completed(texts[row], *read(texts[row]), rate, rng)
    return condition.replace(text=tuple(texts))
