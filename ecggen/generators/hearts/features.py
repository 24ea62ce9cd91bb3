"""Features of text and metadata for the models of rhythm, median beats and residual.

A text is described by the statements that it affirms and negates, with their probabilities from the pretrained text
encoder, and by the encoder's summary. Its weights are not trained further, so that a negation keeps its meaning.
A text that only denies findings counts as no text: training texts never do so, and the models would draw what is named.
Generators then draw a patient without these findings (``ecggen.conditioning.patient_prior``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from ecggen.conditioning import negation, statements, text_encoder
from ecggen.conditioning.condition import METADATA, Condition

CERTAIN = 0.5
"""Probability from which on a statement counts as affirmed or negated."""
USED = ("age", "sex")
"""Metadata among the features; the heart rate determines the rhythm."""


class ConditionFeatures(nn.Module):
    """Features (batch, ``size``) of text, age and sex; zero where masked.

    Args:
        text: Checkpoint of the text encoder, which is read at the first text and is not among the weights.
        width: Its width.
    """

    def __init__(self, text: str = "text_encoder", width: int = 128):
        super().__init__()
        self.text = text
        self.text_size = width + 2 * len(statements.codes()) + 1
        self.size = self.text_size + 2 * len(USED)

    @torch.no_grad()
    def of_texts(self, texts: Sequence[str]) -> Tensor:
        """(text, text_size): summary, probabilities of affirmed and of negated statements, and a constant."""
        summary, said, denied = negation.read(_reader(self.text), texts)
        found = torch.cat([summary, said, denied, torch.ones_like(said[:, :1])], 1).clone()
        normal = statements.codes().index("NORM")
        denied = torch.cat([denied[:, :normal], denied[:, normal + 1 :]], 1)
        only_denied = (denied.amax(1) >= CERTAIN) & (said.amax(1) < CERTAIN)
        return torch.where(only_denied[:, None], torch.zeros(()), found)

    def denied_only(self, texts: Sequence[str]) -> list[frozenset[str]]:
        """Codes of the statements that each text denies; empty if it affirms any.

        Example:
            >>> texts = ["no atrial fibrillation", "sinus rhythm, no atrial fibrillation", "abnormal ECG"]
            >>> [sorted(codes) for codes in ConditionFeatures().denied_only(texts)]
            [['AFIB'], [], ['NORM']]
        """
        return [frozenset() if said else denied for said, denied in map(self.statements, texts)]

    def affirmed(self, text: str) -> frozenset[str]:
        """Codes of the statements that a text affirms."""
        return self.statements(text)[0]

    def statements(self, text: str) -> tuple[frozenset[str], frozenset[str]]:
        """Codes of the statements that a text affirms, and of those that it denies."""
        return _statements(self.text, text)

    def affirms(self, features: Tensor, code: str) -> Tensor:
        """(batch,) whether a statement is affirmed, from features (batch, ``size``)."""
        first = self.text_size - 2 * len(statements.codes()) - 1
        return features[:, first + statements.codes().index(code)] >= CERTAIN

    def forward(self, condition: Condition) -> Tensor:
        text = torch.zeros(len(condition), self.text_size, device=condition.metadata.device)
        given = condition.text_mask.nonzero()[:, 0].tolist()
        if given:
            text[given] = self.of_texts([condition.text[row] for row in given]).to(text)
        places = [list(METADATA).index(name) for name in USED]
        return torch.cat([text, scaled(condition.metadata[:, places], condition.metadata_mask[:, places])], 1)


@lru_cache(2)
def _reader(name: str) -> text_encoder.Reader:
    return text_encoder.load(name).requires_grad_(False)


@lru_cache(4096)
def _statements(name: str, text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Codes of the statements that a text affirms, and of those that it denies, as a text encoder reads it."""
    _, said, denied = negation.read(_reader(name), [text])
    codes = statements.codes()
    found = ((part[0] >= CERTAIN).nonzero()[:, 0].tolist() for part in (said, denied))
    said, denied = (frozenset(codes[at] for at in places) for places in found)
    return said, denied


def scaled(metadata: Tensor, mask: Tensor) -> Tensor:
    """Age and sex (batch, 2) scaled to [−1, 1], zero where masked, and their masks: (batch, 4)."""
    low, high = torch.tensor([METADATA[name] for name in USED], dtype=torch.float32, device=metadata.device).T
    known = mask.float()
    return torch.cat([(metadata.float() - (low + high) / 2) / ((high - low) / 2) * known, known], 1)
