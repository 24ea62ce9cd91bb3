"""What a model is shown in training: which leads, how much of them, and how often a report or a fact.

One model learns every task because every record of every batch is hidden in another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ecggen.conditioning.condition import CHANNELS, WORDS, Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import STANDARD_LEADS, check_leads
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate_ppg

LIMB = STANDARD_LEADS[:6]
RENAMED = {
    "shown": "lead_masks",
    "dropped": "condition_dropout",
    "dropped_alone": "condition_dropout_alone",
    "pulse": "simulated_ppg_prob",
    "beside_ppg": "lead_masks_with_ppg",
    "silent": "uncond_prob",
    "cut": "crop_prob",
    "shortest": "min_crop_seconds",
}
"""Keys of the table [exposure] in release 0.1; they work for one release, with a warning."""


@dataclass(frozen=True)
class Masking:
    """How training conditions are made out of fully known records.

    Attributes:
        shown: Weight of each choice of seen leads: lead names apart by blanks ("II V1 V5"), or "one" (any one
            lead), "some" (any number of leads, any of them), "limb" (any two or more limb leads), "none".
        dropped: Chance that a channel ("ppg", "text", "age", …) is hidden where a lead is seen.
        pulse: Chance that a record without a PPG gets one that is simulated from its R peaks.
        beside_ppg: As ``lead_masks``, for records of which a PPG is seen.
        dropped_alone: As ``condition_dropout``, where no lead is seen: words and facts then say most, for a PPG tells the rhythm
            only, and whoever asks in words gets one that is drawn (``ecggen.conditioning.rhythm_prior``).
        silent: Chance that words and facts are hidden together (the other half of guidance).
        cut: Chance that a record is seen only up to a random moment, as a short recording is.
        shortest: Shortest part that is seen of a cut record, in seconds.
    """

    lead_masks: Mapping[str, float] = field(default_factory=lambda: {"one": 0.5, "some": 0.45, "none": 0.05})
    condition_dropout: Mapping[str, float] = field(
        default_factory=lambda: {"text": 0.8, "age": 0.5, "sex": 0.5, "heart_rate": 0.7, "ppg": 0.1}
    )
    simulated_ppg_prob: float = 0.0
    lead_masks_with_ppg: Mapping[str, float] = field(default_factory=lambda: {"none": 0.8, "one": 0.15, "some": 0.05})
    condition_dropout_alone: Mapping[str, float] = field(
        default_factory=lambda: {"text": 0.2, "age": 0.4, "sex": 0.4, "heart_rate": 0.5}
    )
    uncond_prob: float = 0.0
    crop_prob: float = 0.1
    min_crop_seconds: float = 2.0

    def __post_init__(self):
        for name in (*self.lead_masks, *self.lead_masks_with_ppg):
            if name not in ("one", "some", "limb", "none"):
                check_leads(name.split())
        for name in (*self.condition_dropout, *self.condition_dropout_alone):
            if name not in CHANNELS:
                raise InputError(f"masking drops {name!r}", f"one of {', '.join(CHANNELS)} was expected")

    def __call__(
        self,
        condition: Condition,
        rng: np.random.Generator,
        beats: Sequence[np.ndarray] = (),
        preprocessor: Preprocessor | None = None,
    ) -> Condition:
        """``condition`` with parts hidden.

        Args:
            condition: All that is known, at the model's rate and length.
            rng: Chooses.
            beats: Times of each record's R peaks in s, for simulated PPGs.
            preprocessor: The model's, for the same.
        """
        if self.simulated_ppg_prob and preprocessor is not None:
            condition = self._with_pulse(condition, rng, beats, preprocessor)
        condition = condition.drop({"ppg": self.condition_dropout.get("ppg", 0.0)}, rng)
        with_ppg = condition.ppg_mask.any(-1)[:, 0].tolist()
        keep = np.stack(
            [_leads(_choice(self.lead_masks_with_ppg if ppg else self.lead_masks, rng), rng) for ppg in with_ppg]
        )
        part = self._part(condition, rng)
        condition = condition.mask_leads(torch.from_numpy(keep).to(condition.leads.device)[..., None] & part)
        alone = ~keep.any(1)
        unconditional = rng.random(len(condition)) < self.uncond_prob
        chances = {}
        for name in WORDS:
            chance = np.where(alone, self.condition_dropout_alone.get(name, 0.0), self.condition_dropout.get(name, 0.0))
            chances[name] = np.where(unconditional, 1.0, chance)
        return condition.drop(chances, rng)

    def _with_pulse(self, condition: Condition, rng, beats: Sequence[np.ndarray], preprocessor) -> Condition:
        """``condition`` with a simulated PPG in some of the records that have none."""
        lacks = ~condition.ppg_mask.any(-1)[:, 0].cpu().numpy()
        wanted = np.flatnonzero(lacks & (rng.random(len(condition)) < self.simulated_ppg_prob)).tolist()
        chosen = [i for i in wanted if len(beats[i]) > 1]
        if not chosen:
            return condition
        waves = np.stack([simulate_ppg(beats[i], condition.seconds, condition.fs, rng) for i in chosen])
        return preprocessor.beating(condition, chosen, waves)

    def _part(self, condition: Condition, rng: np.random.Generator) -> Tensor:
        """(batch, 1, time): True up to the moment at which a record is cut."""
        ends = rng.uniform(self.min_crop_seconds, condition.seconds, len(condition))
        ends[rng.random(len(condition)) >= self.crop_prob] = condition.seconds
        time = torch.arange(condition.samples) / condition.fs
        return (time < torch.from_numpy(ends)[:, None])[:, None].to(condition.leads.device)


def _choice(weights: Mapping[str, float], rng: np.random.Generator) -> str:
    """One of the names, by their weights."""
    shares = np.array(list(weights.values()), float)
    return list(weights)[rng.choice(len(shares), p=shares / shares.sum())]


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
