"""Beats of a PPG as one graph: from a PPG at its own rate to R peaks with the uncertainty of their times.

The graph computes what ``ecggen.conditioning.pulse_beats.read`` does for one window without gaps: resampling and
filter, levels, pulse network, and the beats where its intensity is concentrated. The number of beats is that which
fits into the window; places without a beat are marked.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import ecggen
from ecggen.conditioning import pulse_beats
from ecggen.conditioning.pulse_beats import (
    BAND,
    FAINTEST,
    LEFT,
    LIKELY,
    RATE,
    REACH,
    REFRACTORY,
    SPREAD,
    TOLERANCE,
)
from ecggen.core.ecg import check_rate, resample
from ecggen.core.errors import InputError
from ecggen.core.filters import band_pass
from ecggen.core.simulate import simulate_ppg
from ecggen.networks.onnx.graph import Graph
from ecggen.networks.onnx.linear import FixedLength
from ecggen.networks.pulse import PulseNetwork

FORMAT = 1
"""Version of inputs, outputs and metadata of the file."""
MEMORY = 10.0
"""Seconds after which the response of the filter to an impulse is negligible."""
RATES = (20.0, 1000.0)
"""Accepted sampling rates of a PPG in Hz."""
SECONDS = (5.0, 60.0)
"""Accepted durations of a window in s."""
MOST_SAMPLES = 15_000
"""Largest accepted number of samples of a window; to measure the filter takes memory for its square."""
ROUNDS = 6
"""Rounds in which the highest samples are found; at most five were needed, for noise."""
ACCEPTED = {"intensity": 1e-3, "time": 1e-3, "deviation": 1e-3, "probability": 1e-3, "missed": 1e-3, "found": 0.0}
"""Largest accepted difference of each output from ``pulse_beats``, in its unit."""


class PulseBeatsGraph(nn.Module):
    """Beats of PPGs of one duration.

    Args:
        network: The pulse network.
        fs: Sampling rate of the PPGs in Hz.
        seconds: Their duration.

    Raises:
        InputError: If a value is out of range.
    """

    around: Tensor
    index: Tensor

    def __init__(self, network: PulseNetwork, fs: float, seconds: float):
        super().__init__()
        fs = check_rate(fs)
        accepted = RATES[0] <= fs <= RATES[1] and SECONDS[0] <= seconds <= SECONDS[1] and seconds * fs <= MOST_SAMPLES
        if not accepted:
            allowed = f"{SECONDS[0]:g} to {SECONDS[1]:g} s at {RATES[0]:g} to {RATES[1]:g} Hz"
            raise InputError(
                f"the window lasts {seconds:g} s at {fs:g} Hz",
                f"{allowed}, at most {MOST_SAMPLES:,} samples, were expected",
                "choose another window, or resample the PPG first",
            )
        self.network, self.fs, self.samples = network, fs, round(seconds * fs)
        ratio = Fraction(RATE / fs).limit_denominator(1000)

        def prepare(wave: Tensor) -> Tensor:
            return band_pass(resample(wave, fs, RATE), RATE, *BAND, least=0.0)

        self.prepare = FixedLength(prepare, self.samples, ratio, round(MEMORY * fs))
        self.outputs = self.prepare.outputs
        self.near, self.apart = round(TOLERANCE * RATE), round(REFRACTORY * RATE)
        self.beats = -(-self.outputs // self.apart)
        reach = round(REACH * RATE)
        self.register_buffer("around", torch.arange(-reach, reach + 1))
        self.register_buffer("index", torch.arange(self.outputs))

    def forward(self, ppg: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Find the beats.

        Args:
            ppg: (batch, samples) in any unit, with upright pulses.

        Returns:
            Intensity (batch, time) at ``RATE`` Hz, and for each beat (batch, beat) as in ``PulseBeats``: time and
            standard deviation in s, probability, probability of a missed beat before it, and 1 if there is a beat. In
            the places that are left after the last beat all are 0.
        """
        centered = ppg - ppg.mean(-1, keepdim=True)  # counts of a converter exceed what 32 bits resolve in a filter
        scaled = centered / centered.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-12)
        wave = self.prepare(scaled)
        x = pulse_beats.levelled(wave, torch.ones_like(wave))
        rate = self.network(F.pad(x, (0, -self.outputs % self.network.step)))[..., : self.outputs].exp()
        at, found = self._places(rate)
        return (rate, *self._described(rate, at, found), found)

    def _places(self, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Samples of the beats in their order, and 1 where there is one: (batch, beat)."""
        mass = _box(rate, self.near)
        before, after = F.pad(mass, (1, 0))[..., :-1], F.pad(mass, (0, 1))[..., 1:]
        top = (mass > before) & (mass >= after) & (mass >= LIKELY)
        at, height = self._highest(torch.where(top, mass, torch.zeros_like(mass)), self.apart - 1)
        rest, segment, room = self._left(rate, at, height > 0)
        score = torch.where(room, _box(rest, round(SPREAD * RATE)), torch.zeros_like(rest))
        more, value = self._highest(score, self.apart)
        wanted = self._wanted(rest, segment, more) & (value > FAINTEST)
        every, there = torch.cat([at, more], -1), torch.cat([height > 0, wanted], -1)
        ordered, order = torch.where(there, every, torch.full_like(every, self.outputs)).sort(-1)
        found = there.gather(-1, order)[..., : self.beats]
        return torch.where(found, ordered[..., : self.beats], 0), found.to(rate)

    def _highest(self, score: Tensor, reach: int) -> tuple[Tensor, Tensor]:
        """The highest samples (batch, beat) further apart than ``reach``, highest first, and their scores.

        The highest sample is taken, those within ``reach`` of it are left out, and so on. In one round this is done at
        once for each sample that is the highest within ``reach``.
        """
        kept = torch.zeros_like(score)
        for _ in range(ROUNDS):
            top = ((score > 0) & (score >= _most(score, reach))).to(score)
            top = top * (1 - F.max_pool1d(F.pad(top, (reach, 0))[:, None, :-1], reach, 1)[:, 0])  # the first of equals
            kept = kept + top * score
            score = score * (1 - _most(top, reach))
        height, at = kept.topk(self.beats, -1)
        return at, height

    def _left(self, rate: Tensor, at: Tensor, found: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Intensity away from the beats; number of beats before each sample; and where there is room for a beat."""
        distance = self.index - at[..., None]  # (batch, beat, time)
        there = found[..., None]
        near = (there & (distance.abs() <= self.apart // 2)).any(1)
        close = (there & (distance < self.apart) & (distance >= -self.apart)).any(1)
        segment = (there & (distance >= 0)).sum(1)
        return torch.where(near, torch.zeros_like(rate), rate), segment, ~close

    def _wanted(self, rest: Tensor, segment: Tensor, more: Tensor) -> Tensor:
        """Which of the places ``more``, highest first, are wanted by the intensity left between two beats."""
        own = segment.gather(-1, more)
        mass = (rest[:, None] * (segment[:, None] == own[..., None])).sum(-1)
        same = own[..., None] == own[:, None]  # (batch, beat, other beat)
        earlier = torch.ones_like(same[0], dtype=torch.float32).tril(-1)
        rank = (same.to(rest) * earlier).sum(-1)
        return rank < (mass + 1 - LEFT).floor()

    def _described(self, rate: Tensor, at: Tensor, found: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Time, standard deviation, probability, and probability of a missed beat before, as in ``beats_of``."""
        middle = (at[..., 1:] + at[..., :-1]).to(rate) / 2
        next_found = found[..., 1:] > 0
        reach = self.around[-1]
        low = torch.maximum(F.pad(middle.ceil(), (1, 0)).long(), at - reach)
        end = F.pad(torch.where(next_found, middle.floor().long(), self.outputs - 1), (0, 1), value=self.outputs - 1)
        high = torch.minimum(end, at + reach)
        places = at[..., None] + self.around
        inside = (places >= low[..., None]) & (places <= high[..., None])
        near = inside & (self.around.abs() <= self.near)
        part = rate[:, None].expand(-1, self.beats, -1).gather(-1, places.clamp(0, self.outputs - 1))
        offset, _ = self._moments(part, near)
        _, deviation = self._moments(part, inside)
        total = F.pad(rate.cumsum(-1), (1, 0))
        start = total.gather(-1, low.clamp(0, self.outputs))
        ended = F.pad(total.gather(-1, high + 1)[..., :-1], (1, 0))
        missed = 1 - (-(start - ended).clamp(min=0)).exp()
        probability = (part * near).sum(-1).clamp(max=1)
        return ((at + offset) / RATE) * found, deviation / RATE * found, probability * found, missed * found

    def _moments(self, part: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation in samples from the place of a beat, under the intensity ``inside``."""
        weight = (part + 1e-12) * inside
        total = weight.sum(-1).clamp(min=1e-20)  # nothing is inside where there is no beat
        mean = (weight * self.around).sum(-1) / total
        square = (weight * (self.around - mean[..., None]).square()).sum(-1) / total
        return mean, (square + 1 / 12).sqrt()


def pulse_beats_graph(
    model: str | Path = pulse_beats.CHECKPOINT, fs: float = 125, seconds: float = 30, licence: str = ""
) -> Graph:
    """Beats of a PPG as a graph with an example of its input and its facts.

    Args:
        model: Folder of the pulse network, or the name of the shipped one.
        fs: Sampling rate of the PPG in Hz.
        seconds: Duration of a window.
        licence: Licence of the weights.

    Raises:
        InputError: If the network cannot be loaded, or a value is out of range.
    """
    network = pulse_beats.load(model)
    module = PulseBeatsGraph(network, fs, seconds)
    peaks = np.cumsum(np.random.default_rng(0).uniform(0.5, 1.1, round(2 * seconds) + 1))
    wave = simulate_ppg(peaks[peaks < seconds], seconds, module.fs, np.random.default_rng(0))
    ppg = torch.from_numpy(wave).float()[None, : module.samples]
    each = f"(1, {module.beats}) float32"
    about = {
        "format": FORMAT,
        "task": "beats of a PPG",
        "notice": "beats estimated from a PPG, not measured in an ECG; not for diagnosis",
        "fs": module.fs,
        "seconds": seconds,
        "intensity_fs": RATE,
        "model": pulse_beats.name_of(model),
        "band_hz": list(BAND),
        "timing": f"times assume that a pulse rises {pulse_beats.PULSE_DELAY:g} s after its R peak",
        "inputs": {
            "ppg": f"(1, {module.samples}) float32, any unit, rising with each pulse, without gaps, at {module.fs:g} Hz"
        },
        "outputs": {
            "intensity": f"(1, {module.outputs}) float32; expected number of R peaks in each sample at {RATE:g} Hz",
            "time": f"{each}, s from the start; R peaks in their order",
            "deviation": f"{each}, s; standard deviation of each time",
            "probability": f"{each}; that an R peak lies within {1000 * TOLERANCE:g} ms of the time",
            "missed": f"{each}; that a beat was missed between the beat before and this one",
            "found": f"{each}; 1 where there is a beat; places after the last beat are 0 in all outputs",
        },
        "licence": licence,
        "weights": "32 bits",
        "made_by": f"ecggen {ecggen.__version__}",
    }
    outputs = _expected(ppg, module)
    return Graph(module, {"ppg": ppg}, dict(zip(about["outputs"], outputs, strict=True)), about, ACCEPTED)


def _expected(ppg: Tensor, module: PulseBeatsGraph) -> list[Tensor]:
    """Outputs of the graph as ``pulse_beats`` computes them."""
    rate = pulse_beats.intensity(ppg, torch.ones_like(ppg, dtype=torch.bool), module.fs, module.network)
    beats = pulse_beats.beats_of(rate[0].numpy())
    values = (beats.times, beats.deviations, beats.probabilities, beats.missed, np.ones(len(beats)))
    lacking = module.beats - len(beats)
    return [rate, *(torch.from_numpy(np.pad(value, (0, lacking))).float()[None] for value in values)]


def _box(rate: Tensor, reach: int) -> Tensor:
    """Sum over ``reach`` samples on either side, (batch, time)."""
    return F.avg_pool1d(rate[:, None], 2 * reach + 1, 1, reach)[:, 0] * (2 * reach + 1)


def _most(score: Tensor, reach: int) -> Tensor:
    """Largest value within ``reach`` samples, (batch, time)."""
    return F.max_pool1d(score[:, None], 2 * reach + 1, 1, reach)[:, 0]
