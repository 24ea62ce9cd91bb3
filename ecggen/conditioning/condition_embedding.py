"""What networks eat: a condition turned into channels along time, one vector, and tokens.

There are three routes by which a condition reaches a network. *Aligned* channels run along the ECG's own time
axis (leads, PPG, each with its mask). The *vector* is global (age, sex, heart rate). *Tokens* are attended to
(the words of a report). ``ConditionEncoder`` is the one conditioning module that every generator owns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecggen.conditioning.condition import METADATA, Condition
from ecggen.core.ecg import STANDARD_LEADS
from ecggen.networks.text import FolderEncoder, WordEncoder

ALIGNED = 2 * (len(STANDARD_LEADS) + 1)
"""Aligned channels: 12 leads, their 12 masks, the PPG and its mask."""


@dataclass(frozen=True)
class Context:
    """A condition in the form that networks read.

    Attributes:
        aligned: (batch, ``ALIGNED``, time).
        vector: (batch, width).
        tokens: (batch, token, width).
        tokens_seen: (batch, token) bool; the first token is always seen and stands for "no words".
    """

    aligned: Tensor
    vector: Tensor
    tokens: Tensor
    token_mask: Tensor

    def __getitem__(self, part: slice) -> Context:
        return Context(self.aligned[part], self.vector[part], self.tokens[part], self.token_mask[part])

    def repeat(self, n: int) -> Context:
        """Each record ``n`` times, one copy after the other."""
        parts = (self.aligned, self.vector, self.tokens, self.token_mask)
        return Context(*(part.repeat_interleave(n, 0) for part in parts))


class ConditionEncoder(nn.Module):
    """Condition → Context. What is unseen is zero before any weight touches it.

    Args:
        width: Width of the vector and of the tokens.
        words: Most words of a report that are read.
        vocabulary: Number of embedding rows the words are hashed into.
        text: A local folder with a language model (transformers) to read with instead; "" for ``WordEncoder``.
    """

    center: Tensor
    scale: Tensor
    beats: Tensor
    beats_spread: Tensor

    def __init__(self, width: int = 128, words: int = 48, vocabulary: int = 8192, text: str = ""):
        super().__init__()
        self.facts = nn.Sequential(nn.Linear(2 * len(METADATA), width), nn.SiLU(), nn.Linear(width, width))
        self.text: nn.Module = FolderEncoder(width, text, words) if text else WordEncoder(width, words, vocabulary)
        low, high = torch.tensor(list(METADATA.values())).T
        # What words and facts tell of the beats, by linear regression: see ecggen.conditioning.rhythm_prior.
        self.register_buffer("beats", torch.zeros(3, width + 2 * len(METADATA) + 2))
        self.register_buffer("beats_spread", torch.tensor([-3.5, 0.4, -1.5, 0.4]))
        self.beats[:, -1] = torch.tensor([-0.19, 0.16, 0.1])
        self.register_buffer("center", (low + high) / 2, persistent=False)
        self.register_buffer("scale", (high - low) / 2, persistent=False)

    def forward(self, condition: Condition) -> Context:
        """The context of a condition that is already at the model's rate."""
        lead_mask, ppg_mask = condition.lead_mask.float(), condition.ppg_mask.float()
        aligned = [condition.leads * lead_mask, lead_mask, condition.ppg * ppg_mask, ppg_mask]
        tokens, token_mask = self.text(condition.text, condition.text_mask)
        return Context(torch.cat(aligned, 1), self.facts(self.numbers(condition)), tokens, token_mask)

    def condition_features(self, condition: Condition) -> Tensor:
        """Words and facts as one row of numbers, zero where unseen, the last of them 1: (batch, width + 8)."""
        tokens, _ = self.text(condition.text, condition.text_mask)
        seen, facts = condition.text_mask.float()[:, None], self.numbers(condition)
        return torch.cat([tokens[:, 0] * seen, seen, facts, torch.ones_like(seen)], 1)

    def numbers(self, condition: Condition) -> Tensor:
        """(batch, 6): facts between −1 and 1, zero where unseen, and their masks."""
        seen = condition.metadata_mask.float()
        return torch.cat([(condition.metadata - self.center) / self.scale * seen, seen], 1)
