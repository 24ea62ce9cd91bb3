"""Rhythm model: RR intervals and the type of each beat, given text, metadata and heart rate.

The mean RR interval is drawn from a mixture of log-normal distributions. A recurrent network then draws beat by beat
the type of the next beat and the interval to it, as a mixture of normal distributions of the logarithm of the interval
over the mean. It sees all earlier beats, so that bigeminy, pauses after premature beats, respiratory sinus arrhythmia
and the irregularity of atrial fibrillation continue as they began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.core.beats import ABNORMAL, AFTER, BEFORE

TYPES = 2
MIXTURE = 5
NARROWEST = 0.003
"""Smallest standard deviation of the logarithm of an interval: the resolution of R peaks."""
NARROWEST_MEAN = 0.02
STEADIEST = 0.005
"""Offset of the irregularity before its logarithm."""
RR_RANGE = (0.22, 3.5)
"""Shortest and longest RR interval in s."""
NUMBERS = 4
"""Size of ``rhythm_numbers``."""


@dataclass(frozen=True)
class Rhythm:
    """Beats of one record.

    Attributes:
        times: (beat,) R peaks in s, from before the start to after the end of the record.
        types: (beat,) ``NORMAL`` or ``ABNORMAL``.
    """

    times: np.ndarray
    types: np.ndarray


def rhythm_numbers(rhythm: Rhythm, seconds: float) -> np.ndarray:
    """Logarithms of mean RR interval in s and irregularity, share of ectopic beats, and whether there are any.

    The irregularity is the root mean square of successive differences over the mean.

    Example:
        >>> regular = Rhythm(np.arange(10.0), np.zeros(10, int))
        >>> rhythm_numbers(regular, 10.0).round(2).tolist()
        [0.0, -5.3, 0.0, 0.0]
    """
    inside = (rhythm.times >= 0) & (rhythm.times < seconds)
    times, types = rhythm.times[inside], rhythm.types[inside]
    if len(times) < 3:
        times, types = rhythm.times, rhythm.types
    gaps = np.diff(times)
    if len(gaps) < 2:
        return np.array([np.log(0.8), np.log(0.03), 0.0, 0.0])
    irregularity = np.sqrt(np.mean(np.diff(gaps) ** 2)) / gaps.mean()
    share = np.mean(types == ABNORMAL)
    return np.array([np.log(gaps.mean()), np.log(irregularity + STEADIEST), share, float(share > 0)])


class RhythmModel(nn.Module):
    """Mixture density networks of the mean RR interval and of each beat.

    Args:
        features: Size of the features of text and metadata.
        width: Units of the recurrent network.
        dropout: Dropout probability of the features in training.
    """

    def __init__(self, features: int, width: int = 96, dropout: float = 0.2):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.mean = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, 3 * MIXTURE))
        self.embed = nn.Sequential(nn.Linear(features + 1, width), nn.SiLU())
        self.recurrent = nn.GRU(width + 2 + TYPES, width, batch_first=True)
        self.kind = nn.Linear(width, TYPES)
        self.gap = nn.Sequential(nn.Linear(width + TYPES, width), nn.SiLU(), nn.Linear(width, 3 * MIXTURE))

    def loss(
        self, features: Tensor, log_mean: Tensor, ratios: Tensor, types: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """Negative log-likelihoods.

        Args:
            features: (batch, feature).
            log_mean: (batch,) logarithm of the mean RR interval in s.
            ratios: (batch, gap) logarithm of each interval over the mean.
            types: (batch, gap + 1) type of each beat.
            mask: (batch, gap) bool, False beyond the last interval.
        """
        features = self.dropout(features)
        hidden, _ = self.recurrent(self._inputs(features, log_mean, ratios, types))
        weight = mask.float()
        first = F.cross_entropy(self.kind(hidden[:, 0]), types[:, 0])
        logits = self.kind(hidden[:, 1:]).transpose(1, 2)
        kind = (F.cross_entropy(logits, types[:, 1:], reduction="none") * weight).sum() / weight.sum()
        mixture = self.gap(torch.cat([hidden[:, 1:], F.one_hot(types[:, 1:], TYPES).to(hidden)], -1))
        gap = -(_log_density(mixture, ratios, NARROWEST) * weight).sum() / weight.sum()
        return {
            "mean": -_log_density(self.mean(features), log_mean, NARROWEST_MEAN).mean(),
            "type": kind + first / mask.sum(1).float().mean(),
            "gap": gap,
        }

    def _inputs(self, features: Tensor, log_mean: Tensor, ratios: Tensor, types: Tensor) -> Tensor:
        """(batch, gap + 1, …): a start, then for each beat the interval before it (0 for the first) and its type."""
        known = self.embed(torch.cat([features, log_mean[:, None]], 1))
        before = F.pad(ratios, (2, 0))[:, : types.shape[1]]  # start, first beat, then intervals
        kinds = F.pad(F.one_hot(types, TYPES).to(known), (0, 0, 1, 0))[:, : types.shape[1]]
        start = torch.zeros_like(before)
        start[:, 0] = 1.0
        along = torch.cat([before[..., None], start[..., None], kinds], -1)
        return torch.cat([along, known[:, None].expand(-1, along.shape[1], -1)], -1)

    @torch.no_grad()
    def draw(
        self,
        features: Tensor,
        rates: Sequence[float | None],
        seconds: float,
        rngs: Sequence[np.random.Generator],
    ) -> list[Rhythm]:
        """Rhythms of ``seconds``, and of what reaches into them from outside.

        Args:
            features: (batch, feature).
            rates: Heart rate per minute of each record, or None to draw it.
            seconds: Duration of the records.
            rngs: Random number generator of each record.
        """
        return [
            self._one(features[row : row + 1], rate, seconds, rng)
            for row, (rate, rng) in enumerate(zip(rates, rngs, strict=True))
        ]

    def _one(self, features: Tensor, rate: float | None, seconds: float, rng: np.random.Generator) -> Rhythm:
        log_mean = _mixture_draw(self.mean(features)[0], NARROWEST_MEAN, rng)
        if rate is not None:
            log_mean = float(np.log(60 / rate))
        mean = float(np.clip(np.exp(log_mean), *RR_RANGE))
        known = self.embed(torch.cat([features, features.new_full((1, 1), np.log(mean))], 1))
        state, before, kind, types, gaps = None, 0.0, None, [], []
        while kind is None or sum(gaps) * mean < seconds + 2 * (BEFORE + AFTER) + 2 * mean:
            along = known.new_zeros(1, 2 + TYPES)
            along[0, 0], along[0, 1] = before, float(kind is None)
            if kind is not None:
                along[0, 2 + kind] = 1.0
            hidden, state = self.recurrent(torch.cat([along, known], 1)[:, None], state)
            shares = self.kind(hidden[0, 0]).softmax(-1).cpu().numpy()
            following = int(rng.random() > shares[0])
            if kind is not None:
                one_hot = known.new_zeros(TYPES)
                one_hot[following] = 1.0
                before = _mixture_draw(self.gap(torch.cat([hidden[0, 0], one_hot])), NARROWEST, rng)
                before = float(np.clip(before, np.log(RR_RANGE[0] / mean), np.log(RR_RANGE[1] / mean)))
                gaps.append(np.exp(before))
            types.append(following)
            kind = following
        return _placed(np.array(gaps) * mean, np.array(types), None if rate is None else mean, seconds, rng)


def _placed(gaps: np.ndarray, types: np.ndarray, mean: float | None, seconds: float, rng) -> Rhythm:
    """Beats from their intervals, at a random phase; with a given mean, the intervals inside the record have it."""
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    start = AFTER + rng.random() * gaps[0]
    if mean is not None:
        inside = times[(times >= start) & (times < start + seconds)]
        factor = mean / np.mean(np.diff(inside)) if len(inside) > 1 else 1.0
        times = start + (times - start) * factor
    return Rhythm(times - start, types)


def _log_density(mixture: Tensor, value: Tensor, narrowest: float) -> Tensor:
    """Logarithm of the density of a mixture (…, 3 · ``MIXTURE``) at ``value`` (…)."""
    weights, means, scales = mixture.chunk(3, -1)
    scales = F.softplus(scales) * 0.2 + narrowest
    parts = -0.5 * ((value[..., None] - means) / scales).square() - scales.log() - 0.5 * np.log(2 * np.pi)
    return torch.logsumexp(weights.log_softmax(-1) + parts, -1)


def _mixture_draw(mixture: Tensor, narrowest: float, rng: np.random.Generator) -> float:
    """A draw from one mixture (3 · ``MIXTURE``,)."""
    weights, means, scales = mixture.chunk(3)
    place = int(np.searchsorted(np.cumsum(weights.softmax(-1).cpu().numpy())[:-1], rng.random()))
    scale = float(F.softplus(scales[place])) * 0.2 + narrowest
    return float(means[place]) + scale * float(rng.standard_normal())
