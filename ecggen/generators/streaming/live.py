"""Live recordings: leads arrive in chunks of any size, and twelve leads follow with a fixed latency.

Every ``HOP`` seconds the model reconstructs the last window. A part shortly before its end is returned, cross-faded
with what follows the part before, so that there is no step. Nothing depends on the size of the chunks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.generators.reconstruction import Reconstruction
from ecggen.generators.streaming.blocks import Options, ratio_of, summarise, with_known
from ecggen.generators.trust.widening import summarised

Generator = Any
"""``ecggen.generators.base.Generator``, which imports this module."""

HOP, CROSS_FADE, AHEAD = 1.0, 0.5, 0.5
"""Seconds between windows, of their cross-fade, and of signal after what is returned."""
LATENCY = HOP + CROSS_FADE + AHEAD
"""Longest time in seconds from a sample to its twelve leads, to which the computing time of one window is added."""
SETTLED = 8.0
"""Seconds of signal before a window after which the filter no longer depends on what was before."""
SHORTEST = 2.0
"""Seconds of signal before the first window."""
ENDS = ("mean", "lower", "upper")


class Live:
    """State of a live reconstruction.

    Args:
        generator: The model.
        leads: Names of the leads that arrive.
        fs: Their sampling rate in Hz.
        known: Condition of one record with text and metadata.
        options: Sampling options, with at least two draws.
    """

    def __init__(self, generator: Generator, leads: tuple[str, ...], fs: float, known: Condition, options: Options):
        self.generator, self.leads, self.fs, self.known, self.options = generator, leads, fs, known, options
        unit = ratio_of(fs, generator.preprocessor.fs).numerator  # samples of both rates coincide at its multiples
        self.hop, self.settled = (max(1, round(seconds * fs / unit)) * unit for seconds in (HOP, SETTLED))
        self.window = round(generator.preprocessor.seconds * fs)
        self.fade, self.ahead = round(CROSS_FADE * fs), round(AHEAD * fs)
        self.signal = torch.zeros(1, len(leads), 0)
        self.begins = 0  # sample of the recording at which ``signal`` begins
        self.at = self.hop * -(-round(SHORTEST * fs) // self.hop)  # end of the next window
        self.returned = 0
        self.previous: Reconstruction | None = None  # what follows the part that was returned last

    @property
    def arrived(self) -> int:
        """Number of samples that have arrived."""
        return self.begins + self.signal.shape[-1]

    def add(self, chunk: ECG) -> Iterator[Reconstruction]:
        """Add a chunk of any length, and return the parts that are complete."""
        if (chunk.leads, chunk.fs, len(chunk)) != (self.leads, self.fs, 1):
            found = f"a chunk of {len(chunk)} records with {', '.join(chunk.leads)} at {chunk.fs:g} Hz"
            raise InputError(found, f"one record with {', '.join(self.leads)} at {self.fs:g} Hz was expected")
        self.signal = torch.cat([self.signal, chunk.signal], -1)
        while self.arrived >= self.at:
            yield self._part(self.at, self.at - self.ahead - self.fade)
            self.at += self.hop

    def end(self) -> Iterator[Reconstruction]:
        """Return the rest of the recording."""
        if self.arrived < round(SHORTEST * self.fs):
            found = f"the recording lasts {self.arrived / self.fs:.2f} s"
            raise InputError(found, f"at least {SHORTEST:g} s were expected")
        if self.returned < self.arrived:
            yield self._part(self.arrived, self.arrived)

    def _part(self, end: int, stop: int) -> Reconstruction:
        """Twelve leads from what was returned last to ``stop``, from the window that ends at ``end``."""
        start = max(0, end - self.window)
        found = self._reconstruct(start, end)
        values = {name: getattr(found, name).signal[..., self.returned - start :] for name in ENDS}
        if self.previous is not None:
            values = {name: _faded(getattr(self.previous, name).signal, value) for name, value in values.items()}
        count, fade = stop - self.returned, min(self.fade, end - stop)
        part = _with(found, {name: value[..., :count] for name, value in values.items()})
        self.previous = _with(found, {name: value[..., count : count + fade] for name, value in values.items()})
        self.returned = stop
        keep = max(0, end - self.window - self.settled - self.hop) // self.hop * self.hop
        self.signal, self.begins = self.signal[..., keep - self.begins :], keep
        return part

    @torch.no_grad()
    def _reconstruct(self, start: int, end: int) -> Reconstruction:
        """The window of samples ``start`` to ``end``."""
        model = self.generator.preprocessor
        heard = self.signal[..., : end - self.begins]
        whole = with_known(Condition(ECG(heard, self.leads, self.fs), n=1), self.known)
        prepared = model.condition(whole)
        window = prepared.during(max(0, prepared.samples - model.samples), prepared.samples)
        own = with_known(Condition(ECG(heard[..., start - self.begins :], self.leads, self.fs), n=1), self.known)
        options = self.options
        summary, unlike = summarise(self.generator, window, options)
        trust = summarised([unlike]) if unlike else ()
        return self.generator._summarised(summary, own, options.num_draws, options.level, options.seed, False, trust)


def reconstruct(
    generator: Generator, chunks: Iterable[ECG], known: Condition, options: Options
) -> Iterator[Reconstruction]:
    """Twelve leads of a live recording; see ``Generator.stream``."""
    state: Live | None = None
    for chunk in chunks:
        if state is None:
            generator.check_margin(chunk.leads, options.level)
            state = Live(generator, chunk.leads, chunk.fs, known, options)
        yield from state.add(chunk)
    if state is not None:
        yield from state.end()


def _faded(old: Tensor, new: Tensor) -> Tensor:
    """``new`` with its beginning cross-faded from ``old``."""
    samples = old.shape[-1]
    weight = (torch.arange(samples) + 1) / (samples + 1)
    return torch.cat([torch.lerp(old, new[..., :samples], weight), new[..., samples:]], -1)


def _with(found: Reconstruction, values: dict[str, Tensor]) -> Reconstruction:
    """A reconstruction with other signals."""
    return replace(found, **{name: replace(getattr(found, name), signal=value) for name, value in values.items()})
