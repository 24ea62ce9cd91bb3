"""Rhythm model: RR intervals and the type of each beat, given text, metadata and heart rate.

What sums a rhythm up is drawn first, one number after the other, each from a mixture of normal distributions: the mean
RR interval, whether there are ectopic beats, how many and how early they come, whether other beats are premature and
how many, the standard deviation of the intervals and that of their differences. A recurrent network then draws beat by
beat the type of the next beat and the interval to it, as a mixture of normal distributions of the logarithm of the
interval over the mean. It sees these numbers and all earlier beats, so that bigeminy, pauses after premature beats,
respiratory sinus arrhythmia and the irregularity of atrial fibrillation have the size that they have in records and
continue as they began.
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
STEADIEST = 0.005
"""Offset of the irregularity before its logarithm."""
RR_RANGE = (0.22, 3.5)
"""Shortest and longest RR interval in s."""
ATTEMPTS = 6
MARGIN = 0.25
"""Seconds at the ends of a record in which an ectopic beat does not count."""
MEAN_RANGE = (0.3, 2.0)
"""Shortest and longest mean RR interval in s that is drawn."""
NUMBERS = 5
"""Size of ``rhythm_numbers``."""
DETAILS = NUMBERS + 3
"""Size of ``rhythm_details``."""
SHARE, ECTOPIC = 2, 3
"""Places of the share of ectopic beats, and of whether there are any."""
PREMATURE, PREMATURE_SHARE, COUPLING = 5, 6, 7
"""Places of whether there are premature beats that are not ectopic, of their share, and of the coupling."""
COUNTED_IN = {SHARE: ECTOPIC, COUPLING: ECTOPIC, PREMATURE_SHARE: PREMATURE}
"""For each number that only some rhythms have, the place of whether they have it."""
EARLY, LATE = 0.86, 0.95
"""A beat is premature if the interval before it is shorter than ``EARLY`` times the median and the next one longer than
``LATE`` times the median."""
NARROWEST_NUMBERS = (0.02, 0.05, 0.02, 0.0, 0.05, 0.0, 0.02, 0.02)
"""Smallest standard deviation with which each number is drawn."""


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
    """Logarithm of the mean RR interval in s, that of the irregularity, share of ectopic beats, whether there are any,
    and logarithm of the standard deviation of the intervals.

    The irregularity is the root mean square of successive differences; it and the deviation are relative to the mean.

    Example:
        >>> regular = Rhythm(np.arange(10.0), np.zeros(10, int))
        >>> rhythm_numbers(regular, 10.0).round(2).tolist()
        [0.0, -5.3, 0.0, 0.0, -5.3]
    """
    inside = (rhythm.times >= 0) & (rhythm.times < seconds)
    times, types = rhythm.times[inside], rhythm.types[inside]
    if len(times) < 3:
        times, types = rhythm.times, rhythm.types
    gaps = np.diff(times)
    if len(gaps) < 2:
        return np.array([np.log(0.8), np.log(0.03), 0.0, 0.0, np.log(0.03)])
    irregularity = np.sqrt(np.mean(np.diff(gaps) ** 2)) / gaps.mean()
    share, spread = np.mean(types == ABNORMAL), gaps.std() / gaps.mean()
    logs = np.log(gaps.mean()), np.log(irregularity + STEADIEST), np.log(spread + STEADIEST)
    return np.array([logs[0], logs[1], share, float(share > 0), logs[2]])


def rhythm_details(rhythm: Rhythm, seconds: float) -> np.ndarray:
    """``rhythm_numbers``, and what tells premature beats apart.

    These are: whether normal beats are premature, their share, and the mean logarithm of the interval that ends with an
    ectopic beat over the mean interval (0 if there is none).

    Example:
        >>> times = np.array([0.0, 1.0, 1.6, 3.0, 4.0, 5.0])
        >>> rhythm_details(Rhythm(times, np.array([0, 0, 1, 0, 0, 0])), 6.0)[NUMBERS:].round(2).tolist()
        [0.0, 0.0, -0.51]
        >>> rhythm_details(Rhythm(times, np.zeros(6, int)), 6.0)[NUMBERS:].round(2).tolist()
        [1.0, 0.17, 0.0]
    """
    inside = (rhythm.times >= 0) & (rhythm.times < seconds)
    gaps, types = np.diff(rhythm.times[inside]), rhythm.types[inside]
    share = np.mean(premature(gaps) & (types[1:-1] != ABNORMAL)) * (len(gaps) - 1) / len(types) if len(gaps) > 2 else 0
    early = gaps[types[1:] == ABNORMAL] if len(gaps) else gaps
    coupling = np.log(early / gaps.mean()).mean() if len(early) else 0.0
    return np.concatenate([rhythm_numbers(rhythm, seconds), [float(share > 0), share, coupling]])


def premature(gaps: np.ndarray) -> np.ndarray:
    """(gap − 1,) whether the beat between two intervals is premature."""
    usual = np.median(gaps)
    return (gaps[:-1] < EARLY * usual) & (gaps[1:] > LATE * usual)


def has_ectopic(rhythm: Rhythm, seconds: float) -> bool:
    """Whether an ectopic beat lies inside of a record, and not at its ends, where it would not be recognised.

    Example:
        >>> has_ectopic(Rhythm(np.array([0.1, 1.0, 2.0]), np.array([1, 0, 0])), 3.0)
        False
    """
    inside = (rhythm.times >= MARGIN) & (rhythm.times < seconds - MARGIN)
    return bool((rhythm.types[inside] == ABNORMAL).any())


class RhythmModel(nn.Module):
    """Mixture density networks of the numbers of a rhythm and of each beat.

    Args:
        features: Size of the features of text and metadata.
        width: Units of the recurrent network.
        dropout: Dropout probability of the features in training.
    """

    def __init__(self, features: int, width: int = 96, dropout: float = 0.2):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.numbers = nn.ModuleList(
            nn.Sequential(nn.Linear(features + DETAILS, width), nn.SiLU(), nn.Linear(width, 3 * MIXTURE))
            for _ in range(DETAILS)
        )
        self.embed = nn.Sequential(nn.Linear(features + DETAILS, width), nn.SiLU())
        self.recurrent = nn.GRU(width + 2 + TYPES, width, batch_first=True)
        self.kind = nn.Linear(width, TYPES)
        self.gap = nn.Sequential(nn.Linear(width + TYPES, width), nn.SiLU(), nn.Linear(width, 3 * MIXTURE))

    def loss(self, features: Tensor, numbers: Tensor, ratios: Tensor, types: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Negative log-likelihoods.

        Args:
            features: (batch, feature).
            numbers: (batch, ``DETAILS``) ``rhythm_details``.
            ratios: (batch, gap) logarithm of each interval over the mean.
            types: (batch, gap + 1) type of each beat.
            mask: (batch, gap) bool, False beyond the last interval.
        """
        features = self.dropout(features)
        hidden, _ = self.recurrent(self._inputs(features, numbers, ratios, types))
        weight = mask.float()
        first = F.cross_entropy(self.kind(hidden[:, 0]), types[:, 0])
        logits = self.kind(hidden[:, 1:]).transpose(1, 2)
        kind = (F.cross_entropy(logits, types[:, 1:], reduction="none") * weight).sum() / weight.sum()
        mixture = self.gap(torch.cat([hidden[:, 1:], F.one_hot(types[:, 1:], TYPES).to(hidden)], -1))
        gap = -(_log_density(mixture, ratios, NARROWEST) * weight).sum() / weight.sum()
        return {
            "numbers": torch.stack([self._number_loss(place, features, numbers) for place in ORDER]).sum(),
            "type": kind + first / mask.sum(1).float().mean(),
            "gap": gap,
        }

    def _number_loss(self, place: int, features: Tensor, numbers: Tensor) -> Tensor:
        """Negative log-likelihood of a number, given those before it in ``ORDER``."""
        found = self.numbers[place](torch.cat([features, numbers * _before(place).to(numbers)], 1))
        if place in COUNTED_IN.values():
            return F.binary_cross_entropy_with_logits(found[:, 0], numbers[:, place])
        value = _unbounded(numbers[:, place]) if place in SHARES else numbers[:, place]
        density = _log_density(found, value, NARROWEST_NUMBERS[place])
        has = numbers[:, COUNTED_IN[place]] if place in COUNTED_IN else torch.ones_like(density)
        return -(density * has).sum() / has.sum().clamp(min=1)

    def _inputs(self, features: Tensor, numbers: Tensor, ratios: Tensor, types: Tensor) -> Tensor:
        """(batch, gap + 1, …): a start, then for each beat the interval before it (0 for the first) and its type."""
        known = self.embed(torch.cat([features, numbers], 1))
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
        details: Sequence[np.ndarray | None] | None = None,
    ) -> list[Rhythm]:
        """Rhythms of ``seconds``, and of what reaches into them from outside.

        Args:
            features: (batch, feature).
            rates: Heart rate per minute of each record, or None to draw it.
            seconds: Duration of the records.
            rngs: Random number generator of each record.
            details: ``rhythm_details`` of each record, or None to draw them.
        """
        known = details or [None] * len(rngs)
        return [
            self._one(features[row : row + 1], rate, seconds, rng, own)
            for row, (rate, rng, own) in enumerate(zip(rates, rngs, known, strict=True))
        ]

    def draw_numbers(self, features: Tensor, rate: float | None, rng: np.random.Generator) -> Tensor:
        """``rhythm_details`` (1, ``DETAILS``) of a record with ``features`` (1, feature)."""
        numbers = features.new_zeros(1, DETAILS)
        for place in ORDER:
            found = self.numbers[place](torch.cat([features, numbers], 1))[0]
            if place in COUNTED_IN.values():
                numbers[0, place] = float(rng.random() < torch.sigmoid(found[0]))
                continue
            value = _mixture_draw(found, NARROWEST_NUMBERS[place], rng)
            if place in SHARES:
                value = float(torch.sigmoid(torch.tensor(value)))
            numbers[0, place] = value * (float(numbers[0, COUNTED_IN[place]]) if place in COUNTED_IN else 1.0)
            if place == 0:
                low, high = np.log(MEAN_RANGE)
                numbers[0, 0] = float(np.clip(value, low, high) if rate is None else np.log(60 / rate))
        return numbers

    def _one(
        self,
        features: Tensor,
        rate: float | None,
        seconds: float,
        rng: np.random.Generator,
        details: np.ndarray | None,
    ) -> Rhythm:
        """A rhythm; drawn again, up to ``ATTEMPTS`` times, if its numbers promise ectopic or premature beats and it has
        none, or the other way round. The one that agrees most with its numbers is taken."""
        found = []
        if details is None:
            numbers = self.draw_numbers(features, rate, rng)
        else:
            numbers = features.new_tensor(details)[None]
            numbers[0, 0] = numbers[0, 0] if rate is None else np.log(60 / rate)
        while len(found) < ATTEMPTS and (not found or found[-1][0] < BOTH):
            rhythm = self._sequence(features, numbers, rate, seconds, rng)
            found.append((_agreement(rhythm, numbers[0], seconds), rhythm))
        return max(found, key=lambda one: one[0])[1]

    def _sequence(
        self, features: Tensor, numbers: Tensor, rate: float | None, seconds: float, rng: np.random.Generator
    ) -> Rhythm:
        """Beats with some ``rhythm_details`` (1, ``DETAILS``)."""
        mean, known = float(numbers[0, 0].exp()), self.embed(torch.cat([features, numbers], 1))
        state, before, kind, types, gaps = None, 0.0, None, [], []
        while kind is None or sum(gaps) * mean < seconds + 2 * (BEFORE + AFTER) + 2 * mean:
            along = known.new_zeros(1, 2 + TYPES)
            along[0, 0], along[0, 1] = before, float(kind is None)
            if kind is not None:
                along[0, 2 + kind] = 1.0
            hidden, state = self.recurrent(torch.cat([along, known], 1)[:, None], state)
            shares = self.kind(hidden[0, 0]).softmax(-1).float().cpu().numpy()
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


ORDER = (0, ECTOPIC, SHARE, PREMATURE, PREMATURE_SHARE, COUPLING, 4, 1)
"""Places of ``rhythm_details`` in the order in which they are drawn."""
SHARES = (SHARE, PREMATURE_SHARE)
BOTH = 3
"""``_agreement`` in both."""


def _agreement(rhythm: Rhythm, numbers: Tensor, seconds: float) -> int:
    """Agreement with ``rhythm_details`` (``DETAILS``,): 2 if it has ectopic beats or none as they say, and 1 more if it
    has premature beats or none as they say."""
    ectopic = has_ectopic(rhythm, seconds) == bool(numbers[ECTOPIC])
    early = bool(rhythm_details(rhythm, seconds)[PREMATURE]) == bool(numbers[PREMATURE])
    return 2 * ectopic + early


def _before(place: int) -> Tensor:
    """(``DETAILS``,) one for the numbers that are drawn before ``place``."""
    known = torch.zeros(DETAILS)
    known[list(ORDER[: ORDER.index(place)])] = 1.0
    return known


def _unbounded(share: Tensor) -> Tensor:
    return torch.logit(share.clamp(0.01, 0.99))


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
    weights, means, scales = mixture.float().chunk(3)
    place = int(np.searchsorted(np.cumsum(weights.softmax(-1).cpu().numpy())[:-1], rng.random()))
    scale = float(F.softplus(scales[place])) * 0.2 + narrowest
    return float(means[place]) + scale * float(rng.standard_normal())
