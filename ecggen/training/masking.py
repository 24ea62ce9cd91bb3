"""Masking of training conditions: which leads, which part of them, and which of text, metadata and PPG are given.

The masks differ from record to record, so that one model is trained for all tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ecggen.conditioning.condition import CHANNELS, TEXT_AND_METADATA, Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import STANDARD_LEADS, check_leads
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate_ppg

POOLS = {"limb": STANDARD_LEADS[:6], "chest": STANDARD_LEADS[6:]}
"""Leads of which two or more are chosen, by the name of the choice."""
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
    """Random masks of the conditions of complete records.

    Attributes:
        lead_masks: Weights of sets of observed leads: lead names separated by spaces ("II V1 V5"), "one" (any single
            lead), "some" (any 1 to 11 leads), "limb" or "chest" (two or more of these leads), or "none".
        condition_dropout: Probability by channel ("ppg", "text", "age", …) that it is masked if a lead is observed.
        simulated_ppg_prob: Probability that a record without a PPG gets one simulated from its R peaks.
        lead_masks_with_ppg: As ``lead_masks``, for records with an observed PPG.
        condition_dropout_alone: As ``condition_dropout``, if no lead is observed. Then text and metadata contain most
            of the information, because a PPG determines the rhythm only, and for generation from text a rhythm is
            sampled (``ecggen.conditioning.rhythm_prior``).
        uncond_prob: Probability that text and all metadata are masked, for classifier-free guidance.
        crop_prob: Probability that leads are masked after a random time, as in a short recording.
        min_crop_seconds: Minimum duration of the observed part in s.

    Example:
        >>> masking = Masking(lead_masks={"II V1 V5": 1.0}, crop_prob=0.0)
        >>> from ecggen.core.simulate import simulate
        >>> masking(Condition(simulate(2)), np.random.default_rng(0)).observed_leads()
        ('II', 'V1', 'V5')
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
            if name not in ("one", "some", "none", *POOLS):
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
        """Mask a condition at random.

        Args:
            condition: Complete condition at the model's rate and length.
            rng: Random number generator.
            beats: Times of the R peaks of each record in s, for simulated PPGs.
            preprocessor: Preprocessing of the model, for simulated PPGs.
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
        probabilities = {}
        for name in TEXT_AND_METADATA:
            p = np.where(alone, self.condition_dropout_alone.get(name, 0.0), self.condition_dropout.get(name, 0.0))
            probabilities[name] = np.where(unconditional, 1.0, p)
        return condition.drop(probabilities, rng)

    def _with_pulse(self, condition: Condition, rng, beats: Sequence[np.ndarray], preprocessor) -> Condition:
        """Add a simulated PPG to a random part of the records without one."""
        missing = ~condition.ppg_mask.any(-1)[:, 0].cpu().numpy()
        wanted = np.flatnonzero(missing & (rng.random(len(condition)) < self.simulated_ppg_prob)).tolist()
        chosen = [i for i in wanted if len(beats[i]) > 1]
        if not chosen:
            return condition
        waves = np.stack([simulate_ppg(beats[i], condition.seconds, condition.fs, rng) for i in chosen])
        return preprocessor.with_simulated_ppg(condition, chosen, waves)

    def _part(self, condition: Condition, rng: np.random.Generator) -> Tensor:
        """Mask (batch, 1, time) that is True up to the end of the observed part."""
        ends = rng.uniform(self.min_crop_seconds, condition.seconds, len(condition))
        ends[rng.random(len(condition)) >= self.crop_prob] = condition.seconds
        time = torch.arange(condition.samples) / condition.fs
        return (time < torch.from_numpy(ends)[:, None])[:, None].to(condition.leads.device)


def _choice(weights: Mapping[str, float], rng: np.random.Generator) -> str:
    """A random name, sampled by weight."""
    shares = np.array(list(weights.values()), float)
    return list(weights)[rng.choice(len(shares), p=shares / shares.sum())]


def _leads(choice: str, rng: np.random.Generator) -> np.ndarray:
    """Mask (12,) of a random set of observed leads."""
    pool = POOLS.get(choice, STANDARD_LEADS)
    count = {"one": 1, "none": 0}.get(choice)
    if choice == "some":
        count = int(rng.integers(1, len(pool)))
    elif choice in POOLS:
        count = int(rng.integers(2, len(pool) + 1))
    chosen = choice.split() if count is None else rng.choice(pool, count, replace=False)
    return np.isin(STANDARD_LEADS, chosen)
