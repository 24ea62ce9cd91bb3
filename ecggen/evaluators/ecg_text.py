"""ECG–text encoder: a shared embedding of ECGs and reports, in which cosine similarity measures agreement.

Two encoders are trained contrastively, so that an ECG is more similar to its own report than to the others of the batch
(Radford et al., CLIP, ICML 2021; for ECGs: Liu et al., MERL, ICML 2024). Records with the same statements are not used
as negatives of each other. The ECG encoder is initialised from the classifier, the text encoder from the shipped one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.conditioning import statements
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.data import Batch
from ecggen.evaluators.classifier import SIZE_MV, check, cut
from ecggen.networks.classifier import Look
from ecggen.networks.text import WordEncoder


class ECGTextEncoder(nn.Module):
    """An ECG encoder and a text encoder with a shared embedding space.

    Args:
        widths: Channels of the ECG encoder's stages.
        features: Width of the ECG encoder's features.
        blocks: Residual blocks in a stage.
        kernel: Kernel size of the convolutions, odd.
        width: Width of a word embedding.
        shared: Width of the shared embedding.
        statement_text_prob: Probability that a training text is composed from the record's statements instead of
            taken from its report.
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 96, 160, 256),
        features: int = 128,
        blocks: int = 2,
        kernel: int = 5,
        width: int = 128,
        shared: int = 64,
        statement_text_prob: float = 0.5,
    ):
        super().__init__()
        self.preprocessor = Preprocessor()
        self.config: dict[str, Any] = {}
        self.name, self.statement_text_prob = "ecg_text", statement_text_prob
        self.look = Look(len(INDEPENDENT_LEADS), tuple(widths), features, blocks, kernel)
        self.text = WordEncoder(width)
        self.of_ecg = nn.Sequential(
            nn.SiLU(), nn.Linear(features, 2 * shared), nn.SiLU(), nn.Linear(2 * shared, shared)
        )
        self.of_text = nn.Sequential(nn.Linear(width, 2 * shared), nn.SiLU(), nn.Linear(2 * shared, shared))
        self.heat = nn.Parameter(torch.tensor(math.log(0.07)))

    def loss(self, batch: Batch, rng: np.random.Generator) -> dict[str, Tensor]:
        """InfoNCE both ways (van den Oord et al. 2018) between the batch's ECGs and texts."""
        texts = list(batch.condition.text)
        for row, codes in enumerate(batch.codes):
            known = [code for code in codes.split() if code in statements.codes()]
            if known and rng.random() < self.statement_text_prob:
                texts[row] = statements.write(known, rng=rng)
        embedded = self._look(cut(batch.ecg.signal, rng))
        logits = embedded @ self.read(texts).T / self.heat.exp().clamp(0.02, 1.0)
        same = torch.tensor([[a == b for b in batch.codes] for a in batch.codes], device=logits.device)
        same.fill_diagonal_(False)
        logits = logits.masked_fill(same, -math.inf)
        own = torch.arange(len(logits), device=logits.device)
        return {"to_text": F.cross_entropy(logits, own) / 2, "to_ecg": F.cross_entropy(logits.T, own) / 2}

    def read(self, texts: Sequence[str]) -> Tensor:
        """Texts → unit vectors (text, shared)."""
        tokens, _ = self.text(texts, torch.ones(len(texts), dtype=torch.bool, device=self.heat.device))
        return F.normalize(self.of_text(tokens[:, 0]), dim=-1)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str], batch: int = 256) -> np.ndarray:
        """Unit vectors (text, shared) float64."""
        parts = [self.read(texts[start : start + batch]) for start in range(0, len(texts), batch)]
        return torch.cat(parts).double().numpy()

    @torch.inference_mode()
    def ecgs(self, ecg: ECG, batch: int = 64) -> np.ndarray:
        """Unit vectors (record, shared) float64; the mean over windows for longer records."""
        check(ecg)
        parts = []
        for start in range(0, len(ecg), batch):
            eight = self.preprocessor.ecg(ecg[start : start + batch].standard().pick(*INDEPENDENT_LEADS)).signal
            windows = [self._look(eight[..., first:last]) for first, last in self.preprocessor.windows(eight.shape[-1])]
            parts.append(F.normalize(torch.stack(windows).mean(0), dim=-1))
        return torch.cat(parts).double().numpy()

    def similarity(self, ecg: ECG, texts: Sequence[str]) -> np.ndarray:
        """Cosine similarity (record,) between each ECG and its text."""
        return (self.ecgs(ecg) * self.texts(texts)).sum(-1)

    def _look(self, signal: Tensor) -> Tensor:
        """Waveforms in mV → unit vectors (record, shared)."""
        return F.normalize(self.of_ecg(self.look(signal / SIZE_MV)), dim=-1)
