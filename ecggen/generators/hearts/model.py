"""Heart-first model: draws a rhythm, the median beats, and the residual of a record, and renders them.

Each step is conditioned on what was drawn before it, so that an irregular rhythm has beats without P waves, and noise
follows the beats. The beats of a record resemble each other because they are copies of one median beat. A record of any
length has one rhythm and one pair of median beats; only the residual is drawn in windows, which are cross-faded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from ecggen.conditioning.condition import METADATA, Condition
from ecggen.conditioning.rhythm_prior import own_numbers
from ecggen.core.beats import BEFORE, CORE, LARGEST_GAIN, REACH, Beats, correlations, rendered
from ecggen.core.beats import ECTOPIC as FOUND_ECTOPIC
from ecggen.generators.hearts.bursts import Bursts
from ecggen.generators.hearts.code import HeartCode
from ecggen.generators.hearts.features import ConditionFeatures
from ecggen.generators.hearts.flutter import conducted, flutter_cycle
from ecggen.generators.hearts.heart_model import CHANGES, HeartModel
from ecggen.generators.hearts.quantiles import QuantileMap
from ecggen.generators.hearts.rectified_flow import RectifiedHearts, integrate
from ecggen.generators.hearts.residual import (
    CHANNELS,
    FOLDED,
    LEADS,
    LEVELS,
    LOCAL,
    Levels,
    Whitening,
    beat_channels,
    envelope,
    folded,
    nearest_beat,
    unexplained,
    unfolded,
)
from ecggen.generators.hearts.rhythm import ECTOPIC as HAS_ECTOPIC
from ecggen.generators.hearts.rhythm import NUMBERS, Rhythm, RhythmModel, rhythm_numbers
from ecggen.networks.adaptive import AdaptiveConvolutions, AdaptiveMLP

HEART_RATE = list(METADATA).index("heart_rate")
BURSTS, RHYTHM, HEART, ECTOPIC, LEVEL, SEQUENCE = range(9, 15)
"""Random streams of a record; windows of the residual use the streams from ``SEQUENCE`` on."""
ATTEMPTS = 4
"""Largest number of draws of an ectopic beat."""
LARGEST = 3.5
"""Largest number of a code; 99 % of recorded beats lie within, and guidance would go further."""
LARGEST_BEAT = 5.0
"""Largest voltage in mV of a median beat; 99 % of recorded ones have less than 4.3 mV, 99.9 % less than 6.1 mV."""
OVERLAP = 200
"""Samples in which windows of the residual are cross-faded."""


@dataclass(frozen=True)
class Hearts:
    """Median beats of a batch: (batch, 8, time) in mV, normal and ectopic."""

    normal: Tensor
    ectopic: Tensor


@dataclass(frozen=True)
class Given:
    """What a step of drawing is conditioned on.

    Attributes:
        features: (batch, feature) text and metadata.
        numbers: (batch, ``NUMBERS``) numbers of the rhythm.
        seed: Random seed.
        indices: Index of each record.
    """

    features: Tensor
    numbers: Tensor
    seed: int
    indices: Sequence[int]

    def normal(self, stream: int, *shape: int) -> Tensor:
        """Standard normal numbers (batch, *shape) of one random stream of each record."""
        drawn = [own_numbers(self.seed, index, stream).standard_normal(shape, np.float32) for index in self.indices]
        return torch.from_numpy(np.stack(drawn)).to(self.features)

    def __getitem__(self, mask: Tensor) -> Given:
        rows = mask.nonzero()[:, 0].tolist()
        return Given(self.features[rows], self.numbers[rows], self.seed, [self.indices[row] for row in rows])


@dataclass(frozen=True)
class HeartSizes:
    """Sizes of a heart-first model.

    Attributes:
        samples: Length of a residual that is drawn at once; a multiple of ``FOLDED``.
        fs: Sampling rate in Hz.
        components: Principal components of a median beat.
        latents: Latents of its autoencoder.
        code_width: Units of the autoencoder.
        width: Units of the network of median beats.
        blocks: Its residual blocks.
        rhythm_width: Units of the rhythm model.
        levels_width: Units of the network of levels.
        residual_width: Channels of the residual's network.
        dilations: Dilation of each of its blocks.
        text: Checkpoint of the text encoder.
    """

    samples: int = 1000
    fs: float = 100.0
    components: int = 192
    latents: int = 64
    code_width: int = 384
    width: int = 384
    blocks: int = 4
    rhythm_width: int = 96
    levels_width: int = 256
    residual_width: int = 160
    dilations: Sequence[int] = (1, 2, 4, 8, 16, 32, 1, 2, 4, 8, 16, 32)
    text: str = "text_encoder"


class HeartFirst(nn.Module):
    """Models of rhythm, median beats, levels and residual.

    Args:
        sizes: Sizes of the networks, and length and rate of a window.
        kind: Makes the model of median beats from the sizes of code, condition and layers, and the number of blocks.
    """

    level_bias: Tensor

    def __init__(self, sizes: HeartSizes, kind: Callable[[int, int, int, int], HeartModel] = RectifiedHearts):
        super().__init__()
        self.samples, self.fs = sizes.samples, sizes.fs
        self.features = ConditionFeatures(sizes.text)
        size = self.features.size
        self.rhythm = RhythmModel(size, sizes.rhythm_width)
        self.code = HeartCode(sizes.components, sizes.latents, sizes.code_width, sizes.fs)
        known = size + NUMBERS
        self.heart = kind(self.code.size, known + CHANGES + 1 + self.code.size, sizes.width, sizes.blocks)
        self.level_map = QuantileMap(LEVELS)
        self.register_buffer("level_bias", torch.zeros(LEVELS))
        self.levels = AdaptiveMLP(LEVELS, known + LEADS, sizes.levels_width, dropout=0.1)
        self.whitening = Whitening(sizes.samples, sizes.fs)
        self.bursts = Bursts(sizes.fs)
        self.residual = AdaptiveConvolutions(
            CHANNELS, LOCAL, known + LEADS + LEVELS, sizes.residual_width, sizes.dilations
        )

    def amplitudes(self, hearts: Tensor) -> Tensor:
        """Logarithm of the root mean square of each lead around the R peak, (batch, 8), of median beats."""
        return (hearts[..., self.code.around].square().mean(-1).sqrt() + 0.01).log()

    @torch.no_grad()
    def draw(
        self,
        condition: Condition,
        seed: int,
        indices: Sequence[int],
        guidance_scale: float = 1.0,
        num_steps: int = 8,
        clean: bool = False,
    ) -> Tensor:
        """Eight leads (batch, 8, time) in mV of a condition without leads and PPG.

        Args:
            condition: Text and metadata, at the rate of the model and of any length.
            seed: Random seed.
            indices: Index of each record; it depends on the seed and the index only.
            guidance_scale: Scale of classifier-free guidance of the median beats.
            num_steps: Steps of Heun's method for the median beats; half of them for the residual, of which more steps
                only cost time.
            clean: Leave the residual out: no noise, and no waves that are independent of the beats.
        """
        seconds, features = condition.samples / self.fs, self.features(condition)
        rhythms = self.draw_rhythms(condition, features, seed, indices)
        given = self.given(features, rhythms, seconds, seed, indices)
        hearts = self.draw_hearts(given, guidance_scale, num_steps)
        rhythms = self.conducted(features, rhythms, hearts, seconds)
        return self.render(given, rhythms, hearts, condition.samples, num_steps, clean)

    def draw_rhythms(
        self,
        condition: Condition,
        features: Tensor,
        seed: int,
        indices: Sequence[int],
        details: Sequence[np.ndarray | None] | None = None,
    ) -> list[Rhythm]:
        """Rhythms of a condition with ``features``; with some ``rhythm_details`` where they are given."""
        known = condition.metadata_mask[:, HEART_RATE].tolist()
        rates = condition.metadata[:, HEART_RATE].tolist()
        return self.rhythm.draw(
            features,
            [rate if one else None for rate, one in zip(rates, known, strict=True)],
            condition.samples / self.fs,
            [own_numbers(seed, index, RHYTHM) for index in indices],
            details,
        )

    def given(
        self, features: Tensor, rhythms: Sequence[Rhythm], seconds: float, seed: int, indices: Sequence[int]
    ) -> Given:
        """What median beats and residuals are conditioned on, once the rhythms of ``seconds`` are known."""
        numbers = torch.from_numpy(np.stack([rhythm_numbers(one, seconds) for one in rhythms])).to(features)
        return Given(features, numbers, seed, indices)

    def conducted(
        self, features: Tensor, rhythms: Sequence[Rhythm], hearts: Hearts, seconds: float
    ) -> Sequence[Rhythm]:
        """Rhythms that conduct whole numbers of the flutter waves of their median beats, where flutter is asked for."""
        found, flutter = list(rhythms), self.features.affirms(features, "AFLT")
        for row in flutter.nonzero()[:, 0].tolist():
            cycle = flutter_cycle(hearts.normal[row].cpu().double().numpy(), found[row], self.fs)
            found[row] = found[row] if cycle is None else conducted(found[row], cycle, seconds)
        return found

    def draw_hearts(
        self, given: Given, guidance_scale: float = 1.0, num_steps: int = 8, recorded: Hearts | None = None
    ) -> Hearts:
        """Normal and ectopic median beats; ectopic ones are drawn where the rhythm has any, else they are zero.

        One that is too like the normal beat to be recognised as ectopic is drawn again, up to ``ATTEMPTS`` times.
        ``recorded`` beats are kept; ectopic ones are drawn where they lack any.
        """
        if recorded is None:
            code = self._code(given, None, HEART, guidance_scale, num_steps)
            normal, ectopic = self._beats(code), torch.zeros(len(code), *self.code.shape).to(code)
        else:
            normal, ectopic = recorded.normal.to(given.features), recorded.ectopic.to(given.features).clone()
            code = self.code.encode(normal).clamp(-LARGEST, LARGEST)
        wanted = (given.numbers[:, HAS_ECTOPIC] > 0) & (ectopic == 0).all(-1).all(-1)
        for attempt in range(ATTEMPTS):
            if not bool(wanted.any()):
                break
            drawn = self._code(given[wanted], code[wanted], ECTOPIC, guidance_scale, num_steps, attempt)
            ectopic[wanted] = self._beats(drawn)
            wanted = wanted & torch.tensor([_alike(*both, self.fs) for both in zip(ectopic, normal, strict=True)])
        return Hearts(normal, ectopic)

    def _beats(self, code: Tensor) -> Tensor:
        """Median beats (batch, 8, time) in mV of drawn codes, not larger than ``LARGEST_BEAT``."""
        beats = self.code.decode(code)
        return beats * (LARGEST_BEAT / beats.abs().amax((1, 2), keepdim=True)).clamp(max=1.0)

    def heart_condition(self, features: Tensor, numbers: Tensor, normal: Tensor | None) -> Tensor:
        """Condition of the code of a median beat; of an ectopic one if the code of the ``normal`` one is given."""
        kind = features.new_zeros(len(features), CHANGES + 1)
        kind[:, -1] = float(normal is not None)
        other = features.new_zeros(len(features), self.code.size) if normal is None else normal
        return torch.cat([features, numbers, kind, other], 1)

    def _code(
        self,
        given: Given,
        normal: Tensor | None,
        stream: int,
        guidance_scale: float,
        num_steps: int,
        attempt: int = 0,
    ) -> Tensor:
        known = self.heart_condition(given.features, given.numbers, normal)
        plain = self.heart_condition(torch.zeros_like(given.features), given.numbers, normal)
        noise = given.normal(stream, attempt + 1, self.heart.noise)[:, -1]
        return self.heart.sample(noise, known, plain, guidance_scale, num_steps).clamp(-LARGEST, LARGEST)

    def render(
        self,
        given: Given,
        rhythms: Sequence[Rhythm],
        hearts: Hearts,
        samples: int,
        num_steps: int = 8,
        clean: bool = False,
    ) -> Tensor:
        """Draw gains and residual of some hearts with their rhythms, and render (batch, 8, samples) in mV."""
        known = torch.cat([given.features, given.numbers, self.amplitudes(hearts.normal)], 1)
        code = integrate(lambda x, time: self.levels(x, time, known), given.normal(LEVEL, LEVELS), num_steps)
        beats, residual = self.draw_residual(given, rhythms, hearts, code, max(samples, self.samples), num_steps)
        wave = torch.from_numpy(np.stack([rendered(one, residual.shape[-1], self.fs) for one in beats])).float()
        whole = (wave if clean else wave + residual)[..., :samples]
        return whole - whole.mean(-1, keepdim=True)  # as in recordings, which have passed a high-pass filter

    def draw_residual(
        self,
        given: Given,
        rhythms: Sequence[Rhythm],
        hearts: Hearts,
        code: Tensor,
        samples: int,
        num_steps: int = 8,
    ) -> tuple[list[Beats], Tensor]:
        """The beats with their gains, and residuals (batch, 8, samples) in mV, of some levels (batch, ``LEVELS``)."""
        known = torch.cat([given.features, given.numbers, self.amplitudes(hearts.normal), code], 1)
        levels = Levels.of(self.level_map.decode(code) - self.level_bias)
        both = zip(hearts.normal.cpu().double().numpy(), hearts.ectopic.cpu().double().numpy(), rhythms, strict=True)
        beats = [
            Beats(normal, ectopic, rhythm.times, rhythm.types, np.zeros((len(rhythm.times), LEADS)))
            for normal, ectopic, rhythm in both
        ]
        plain = np.stack([rendered(one, samples, self.fs) for one in beats])
        total, weights = torch.zeros(len(beats), LEADS, samples), torch.zeros(samples)
        for window, first in enumerate(_starts(samples, self.samples)):
            part = slice(first, first + self.samples)
            moved = [replace(one, times=one.times - first / self.fs) for one in rhythms]
            noise = given.normal(SEQUENCE + window, CHANNELS, self.samples // FOLDED)
            steps = max(1, num_steps // 2)
            residual, gains = self._residual(plain[..., part], moved, levels, known, noise, steps)
            fade = _fade(self.samples, first == 0, first + self.samples == samples)
            total[..., part] += fade.sqrt() * residual  # powers add, because windows are independent
            weights[part] += fade
            for own, found, rhythm in zip(beats, gains, moved, strict=True):
                inside = (rhythm.times >= 0) & (rhythm.times < self.samples / self.fs)
                own.gains[inside] = found[inside]
        bursts = self.bursts(levels.bands, given.normal(BURSTS, self.bursts.numbers(samples)))
        whole = (total / weights.sqrt() * bursts.cpu()).double().numpy()
        left = [unexplained(one, own, self.fs) for one, own in zip(whole, beats, strict=True)]
        return beats, torch.from_numpy(np.stack(left)).float()

    def _residual(
        self, plain: np.ndarray, rhythms: Sequence[Rhythm], levels: Levels, known: Tensor, noise: Tensor, num_steps: int
    ) -> tuple[Tensor, list[np.ndarray]]:
        """Residual of one window (batch, 8, time) in mV, and the gains (beat, 8) of the beats of each record."""
        along = torch.from_numpy(np.stack([beat_channels(one, self.samples, self.fs) for one in rhythms]))
        white = self.whitening(torch.from_numpy(plain).to(noise), levels.bands)
        local = torch.cat([folded(white), along.to(noise)], 1)
        drawn = integrate(lambda x, time: self.residual(x, time, local, known), noise, num_steps)
        flat = self.whitening.restore(unfolded(drawn[:, :-LEADS]), levels.bands)
        residual = flat * envelope(levels.excess, [one.times for one in rhythms], self.samples, self.fs)
        steps = self.whitening.restore_gains(drawn[:, -LEADS:].transpose(1, 2)) * levels.gains[:, None]
        gains = steps.float().cpu().numpy().clip(-LARGEST_GAIN, LARGEST_GAIN)
        return residual.cpu(), [
            _of_beats(one, rhythm.times, self.samples, self.fs) for one, rhythm in zip(gains, rhythms, strict=True)
        ]


def _alike(ectopic: Tensor, normal: Tensor, fs: float) -> bool:
    """Whether an ectopic beat (8, time) correlates so well with the normal one that it would not be found ectopic."""
    first, last = (round((BEFORE + edge) * fs) for edge in CORE)
    reach = round(REACH * fs)
    beat, reference = (one.detach().cpu().double().numpy() for one in (ectopic, normal))
    moved = [beat[:, first + shift : last + shift] for shift in range(-reach, reach + 1)]
    return bool(correlations(np.stack(moved), reference[:, first:last]).max() >= FOUND_ECTOPIC)


def _of_beats(steps: np.ndarray, times: np.ndarray, samples: int, fs: float) -> np.ndarray:
    """Mean of (step, channel) over the steps nearest to each beat, (beat, channel); zero where there are none."""
    owner = np.eye(len(times))[nearest_beat(times, samples, fs)]
    return (owner.T @ steps) / np.maximum(owner.sum(0), 1)[:, None]


def _starts(whole: int, samples: int) -> list[int]:
    """First samples of windows that cover ``whole`` samples and overlap by ``OVERLAP`` or more."""
    return sorted({*range(0, whole - samples, samples - OVERLAP), whole - samples})


def _fade(samples: int, at_start: bool, at_end: bool) -> Tensor:
    """Weights of a window: linear ramps over ``OVERLAP``, none at the ends of the record."""
    rise = ((torch.arange(samples) + 0.5) / OVERLAP).clamp(max=1)
    one = torch.ones(samples)
    return (one if at_start else rise) * (one if at_end else rise.flip(0))
