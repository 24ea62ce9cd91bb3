"""What a model is shown in training: which leads, how much of them, and how often a report or a fact.

One model learns every task because every record of every batch is hidden in another way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ecggen.condition import CHANNELS, Condition
from ecggen.ecg import STANDARD_LEADS, check_leads
from ecggen.errors import InputError

LIMB = STANDARD_LEADS[:6]


@dataclass(frozen=True)
class Exposure:
    """How training conditions are made out of fully known records.

    Attributes:
        shown: Weight of each choice of seen leads: lead names apart by blanks ("II V1 V5"), or "one" (any one
            lead), "some" (any number of leads, any of them), "limb" (any two or more limb leads), "none".
        dropped: Chance that a channel ("text", "age", …) is hidden.
        cut: Chance that a record is seen only up to a random moment, as a short recording is.
        shortest: Shortest part that is seen of a cut record, in seconds.
    """

    shown: Mapping[str, float] = field(default_factory=lambda: {"one": 0.5, "some": 0.45, "none": 0.05})
    dropped: Mapping[str, float] = field(default_factory=lambda: {"text": 0.8, "age": 0.5, "sex": 0.5})
    cut: float = 0.1
    shortest: float = 2.0

    def __post_init__(self):
        for name in self.shown:
            if name not in ("one", "some", "limb", "none"):
                check_leads(name.split())
        for name in self.dropped:
            if name not in CHANNELS:
                raise InputError(f"exposure drops {name!r}", f"one of {', '.join(CHANNELS)} was expected")

    def __call__(self, condition: Condition, rng: np.random.Generator) -> Condition:
        """``condition`` with parts hidden."""
        choices = list(self.shown)
        weights = np.array([self.shown[name] for name in choices], float)
        drawn = rng.choice(len(choices), len(condition), p=weights / weights.sum())
        keep = torch.from_numpy(np.stack([_leads(choices[i], rng) for i in drawn]))
        keep = keep.to(condition.leads.device)[..., None] & self._part(condition, rng)
        return condition.reveal(keep).drop(self.dropped, rng)

    def _part(self, condition: Condition, rng: np.random.Generator) -> Tensor:
        """(batch, 1, time): True up to the moment at which a record is cut."""
        ends = rng.uniform(self.shortest, condition.seconds, len(condition))
        ends[rng.random(len(condition)) >= self.cut] = condition.seconds
        time = torch.arange(condition.samples) / condition.fs
        return (time < torch.from_numpy(ends)[:, None])[:, None].to(condition.leads.device)


def _leads(choice: str, rng: np.random.Generator) -> np.ndarray:
    """(12,) bool: one choice of seen leads."""
    pool = LIMB if choice == "limb" else STANDARD_LEADS
    count = {"one": 1, "none": 0}.get(choice)
    if choice == "some":
        count = int(rng.integers(1, len(pool)))
    elif choice == "limb":
        count = int(rng.integers(2, len(pool) + 1))
    chosen = choice.split() if count is None else rng.choice(pool, count, replace=False)
    return np.isin(STANDARD_LEADS, chosen)
