"""Embedding of a condition for networks: aligned channels, a global vector, and tokens.

A condition reaches a network by three routes. *Aligned* channels share the time axis of the ECG (leads and PPG, each
with its mask). The *vector* is global (age, sex, heart rate). *Tokens* are used by cross-attention (the words of a
text). ``ConditionEncoder`` computes all three and is part of every generator.
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
    """Embedding of a condition.

    Attributes:
        aligned: (batch, ``ALIGNED``, time).
        vector: (batch, width).
        tokens: (batch, token, width).
        token_mask: (batch, token) bool; the first token, a summary of the text, is never masked.
    """

    aligned: Tensor
    vector: Tensor
    tokens: Tensor
    token_mask: Tensor

    def __getitem__(self, part: slice) -> Context:
        return Context(self.aligned[part], self.vector[part], self.tokens[part], self.token_mask[part])

    def repeat(self, n: int) -> Context:
        """Repeat each record ``n`` times; copies of one record are consecutive."""
        parts = (self.aligned, self.vector, self.tokens, self.token_mask)
        return Context(*(part.repeat_interleave(n, 0) for part in parts))


class ConditionEncoder(nn.Module):
    """Embeds a condition. Masked inputs are set to zero before any weight is applied.

    Args:
        width: Width of the vector and of the tokens.
        words: Maximum number of words of a text; the rest is ignored.
        vocabulary: Rows of the hashed embedding table.
        text: Local folder of a transformers language model used as text encoder; "" for ``WordEncoder``.
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
        # Linear regression of the rhythm on text and metadata: see ecggen.conditioning.rhythm_prior.
        self.register_buffer("beats", torch.zeros(3, width + 2 * len(METADATA) + 2))
        self.register_buffer("beats_spread", torch.tensor([-3.5, 0.4, -1.5, 0.4]))
        self.beats[:, -1] = torch.tensor([-0.19, 0.16, 0.1])
        self.register_buffer("center", (low + high) / 2, persistent=False)
        self.register_buffer("scale", (high - low) / 2, persistent=False)

    def forward(self, condition: Condition) -> Context:
        """Embed a condition that is at the model's rate."""
        lead_mask, ppg_mask = condition.lead_mask.float(), condition.ppg_mask.float()
        aligned = [condition.leads * lead_mask, lead_mask, condition.ppg * ppg_mask, ppg_mask]
        tokens, token_mask = self.text(condition.text, condition.text_mask)
        return Context(torch.cat(aligned, 1), self.facts(self.numbers(condition)), tokens, token_mask)

    def condition_features(self, condition: Condition) -> Tensor:
        """Features of text and metadata for linear regression, zero where masked, the last one constant.

        Returns:
            (batch, width + 8).
        """
        tokens, _ = self.text(condition.text, condition.text_mask)
        mask, metadata = condition.text_mask.float()[:, None], self.numbers(condition)
        return torch.cat([tokens[:, 0] * mask, mask, metadata, torch.ones_like(mask)], 1)

    def numbers(self, condition: Condition) -> Tensor:
        """Metadata scaled to [−1, 1], zero where masked, and their masks: (batch, 6)."""
        mask = condition.metadata_mask.float()
        return torch.cat([(condition.metadata - self.center) / self.scale * mask, mask], 1)
