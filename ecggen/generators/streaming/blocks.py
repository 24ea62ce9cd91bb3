"""Long recordings: twelve leads in blocks, in memory that does not depend on the duration.

A long recording is divided into blocks on a fixed grid. Each block is filtered, generated and cross-faded with enough
signal on either side, so that it equals the same part of ``Generator.reconstruct`` for the whole recording within
rounding. A block depends on nothing but the recording and its number, so that a job can be interrupted and continued.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor

from ecggen.conditioning import pulse_beats
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.gaps import LONGEST, filled
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.core.gaps import runs
from ecggen.generators.intervals import by_observed, plotting_positions, point_and_interval
from ecggen.generators.reconstruction import Reconstruction
from ecggen.generators.trust.widening import Trust, Window, summarised
from ecggen.generators.windows import fade

Generator = Any
"""``ecggen.generators.base.Generator``, which imports this module."""

T = TypeVar("T")

WINDOWS = 32
"""Windows of a block. They are drawn together in any case, so that the result does not depend on it."""
SETTLED = 16.0
"""Seconds of signal on either side after which the filter no longer depends on what is beyond them."""
BORDER = 0.5
"""Seconds on either side that resampling needs."""
NUM_DRAWS = 20
"""Default number of draws for long recordings: the fewest pairs whose 90 % interval needs no extrapolation."""


class LeadRecording:
    """Leads of a long recording, read in parts.

    Args:
        read: Returns the leads of a range of samples (first, last + 1); missing samples are NaN.
        samples: Number of samples of the recording.
        fs: Sampling rate in Hz.
        known: Condition of one record with text and metadata, of any length.
        preprocessor: The model's.

    Raises:
        InputError: If the rate is no simple ratio of the model's.
    """

    def __init__(
        self,
        read: Callable[[int, int], ECG],
        samples: int,
        fs: float,
        known: Condition,
        preprocessor: Preprocessor,
    ):
        self.read, self.samples, self.fs, self.known, self.preprocessor = read, samples, fs, known, preprocessor
        self.ratio = ratio_of(fs, preprocessor.fs)

    def own(self, first: int, last: int) -> Condition:
        """Condition of a range of samples at the rate of the recording; short gaps are interpolated."""
        margin = round(self.fs)
        begin = max(0, first - margin)
        ecg, _ = filled(self.read(begin, min(self.samples, last + margin)))
        part = replace(ecg, signal=ecg.signal[..., first - begin : last - begin])
        return with_known(Condition(part, n=1), self.known)

    def prepared(self, first: int, last: int) -> Condition:
        """Condition of a range of the model's samples, filtered."""
        up, down = self.ratio.numerator, self.ratio.denominator  # up samples of the recording are down of the model
        margin = round(SETTLED * self.preprocessor.fs)
        start = max(0, (first - margin) // down)
        end = min(self.samples, -(-(last + margin) // down) * up)
        part = self.preprocessor.condition(self.own(start * up, end))
        return part.during(first - start * down, last - start * down)


class PulseRecording:
    """A PPG of a long recording. Its beats are kept, as pulses at the model's rate.

    Args:
        wave: (time,) PPG, NaN in gaps.
        fs: Its sampling rate in Hz.
        known: Condition of one record with text and metadata, of any length.
        preprocessor: The model's.
        refused: Start and end in s of parts in which nothing is generated.

    Attributes:
        beats: Its beats (``ecggen.conditioning.pulse_beats``).
    """

    def __init__(
        self,
        wave: Tensor,
        fs: float,
        known: Condition,
        preprocessor: Preprocessor,
        refused: Sequence[tuple[float, float]] = (),
    ):
        present = torch.isfinite(wave)[None]
        clean = torch.where(present, wave, 0.0)
        (self.beats,) = pulse_beats.read(clean, present, fs)
        self.wave, self.mask = preprocessor.ppg(clean[None], present[None], fs)
        self.samples, self.fs, self.known = self.wave.shape[-1], preprocessor.fs, known
        if len(self.beats):
            times = pulse_beats.continued(self.beats.times)
            pulses = torch.from_numpy(pulse_beats.pulse_train(times, self.samples, self.fs)).float()
            self.wave, _ = preprocessor.ppg(pulses[None, None], torch.ones_like(self.mask), self.fs)
        for start, end in refused:
            self.mask[..., round(start * self.fs) : round(end * self.fs)] = False
        self.ratio = Fraction(1)

    def own(self, first: int, last: int) -> Condition:
        """Condition of a range of samples at the model's rate."""
        none = Condition.none(1, (last - first) / self.fs, self.fs)
        part = none.replace(ppg=self.wave[..., first:last], ppg_mask=self.mask[..., first:last])
        return with_known(part, self.known)

    def prepared(self, first: int, last: int) -> Condition:
        """The same for the model, with pulses in gaps as well if there are beats."""
        part = self.own(first, last)
        return part.replace(ppg_mask=torch.ones_like(part.ppg_mask)) if len(self.beats) else part


Recording = LeadRecording | PulseRecording


@dataclass(frozen=True)
class Options:
    """Options of ``Generator.reconstruct`` and ``Generator.sample`` for a long recording.

    Attributes:
        num_draws: Number of draws; 1 for a single draw without an interval.
        level: Level of the prediction interval.
        seed: Random seed.

    Raises:
        InputError: If a value is out of range.
    """

    num_draws: int = NUM_DRAWS
    level: float = 0.9
    seed: int = 0

    def __post_init__(self):
        if self.num_draws < 1 or not 0 < self.level < 1:
            found = f"{self.num_draws} draws at level {self.level:g}"
            raise InputError(found, "at least 1 draw and a level between 0 and 1 were expected")


class Blocks:
    """The blocks of a long recording.

    Args:
        generator: The model.
        recording: The recording.
        options: Sampling options.
        windows: Number of windows of a block.

    Attributes:
        bounds: First and last + 1 sample of each block, at the rate of the recording.
    """

    def __init__(
        self, generator: Generator, recording: Recording, options: Options | None = None, windows: int = WINDOWS
    ):
        self.generator, self.recording, self.options = generator, recording, options or Options()
        model = generator.preprocessor
        hop = model.samples - round(model.overlap * model.fs)
        ratio, self.all = (
            recording.ratio,
            -(-recording.samples * recording.ratio.denominator // recording.ratio.numerator),
        )
        # Borders lie on samples of both rates.
        step = -(-windows * hop // ratio.denominator) * ratio.numerator
        cuts = [*range(0, recording.samples, step), recording.samples]
        if len(cuts) > 2 and cuts[-1] - cuts[-2] < model.seconds * recording.fs:
            del cuts[-2]
        self.bounds = list(pairwise(cuts))

    def __len__(self) -> int:
        return len(self.bounds)

    @torch.no_grad()
    def __getitem__(self, number: int) -> Reconstruction | ECG:
        """One block: a reconstruction, or an ECG for a single draw.

        Samples during which no lead and no PPG was recorded for more than ``LONGEST`` seconds are NaN.
        """
        first, last = self.bounds[number]
        recording, ratio = self.recording, self.recording.ratio
        up, down = ratio.numerator, ratio.denominator
        border = -(-round(BORDER * self.generator.preprocessor.fs) // down)
        begin = max(0, first // up - border)
        end = min(recording.samples, (-(-last // up) + border) * up)
        model_end = min(self.all, -(-end * down // up))
        summary, trust = self._joined(begin * down, model_end)
        own = recording.own(begin * up, end)
        generator, options = self.generator, self.options
        cut = slice(first - begin * up, last - begin * up)
        if options.num_draws == 1:
            found = generator._twelve_leads(summary[0], own, options.seed)
            return _cut(found, cut, _unknown(own))
        found = generator._summarised(summary, own, options.num_draws, options.level, options.seed, False, trust)
        parts = {name: _cut(getattr(found, name), cut, _unknown(own)) for name in ("mean", "lower", "upper")}
        return replace(found, **parts)

    def _joined(self, begin: int, end: int) -> tuple[list[Tensor], tuple[Trust, ...]]:
        """Point estimate and interval, or the draw, of a range of the model's samples, and how much to trust it."""
        model = self.generator.preprocessor
        near = [window for window in model.windows(self.all) if window[0] < end and window[1] > begin]
        first, last = near[0][0], near[-1][1]
        prepared = self.recording.prepared(first, last)
        stacked = Condition.cat([prepared.during(start - first, stop - first) for start, stop in near])
        weights, sums = torch.zeros(last - first), []
        weight = fade(near[0][1] - near[0][0], round(model.overlap * model.fs))
        found, unlike = summarise(self.generator, stacked, self.options)
        for row, values in enumerate(zip(*found, strict=True)):
            at = slice(near[row][0] - first, near[row][1] - first)
            for i, piece in enumerate(values):
                if len(sums) <= i:
                    sums.append(piece.new_zeros(*piece.shape[:-1], last - first))
                sums[i][..., at] += piece * weight
            weights[at] += weight
        joined = [(total / weights)[None, ..., begin - first : end - first] for total in sums]
        return joined, summarised(unlike.windows()) if unlike else ()

    def each(self, start: int, workers: int, then: Callable[[int, Reconstruction | ECG], T]) -> Iterator[tuple[int, T]]:
        """Number of each block and what becomes of it, in order.

        Args:
            start: Number of the first block.
            workers: Number of blocks that are computed at the same time, each on one thread.
            then: Called with the number and the block, on the same thread.
        """

        def made(number: int) -> T:
            return then(number, self[number])

        threads = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                numbers = iter(range(start, len(self)))
                waiting = [pool.submit(made, number) for number in islice(numbers, workers + 1)]
                for number in range(start, len(self)):
                    found = waiting.pop(0).result()
                    waiting += [pool.submit(made, following) for following in islice(numbers, 1)]
                    yield number, found
        finally:
            torch.set_num_threads(threads)


def summarise(generator: Generator, windows: Condition, options: Options) -> tuple[list[Tensor], Window | None]:
    """Point estimate and both ends of the interval of each window, or one draw of each, and how unlike they are.

    All windows use the same random numbers, as those of ``Generator.reconstruct`` for one recording.
    """
    indices = list(range(options.num_draws)) * len(windows)
    if options.num_draws == 1:
        pulses = pulse_beats.rows_of(windows)
        return [generator._draw_with_beats(windows, options.seed, indices, pulses)], None
    quantiles = plotting_positions(options.level, options.num_draws)
    scale = by_observed(generator.interval_scale, windows)[:, None]
    weights, parts, done = by_observed(generator.mean_weight, windows), [], 0
    for part in generator._draw_window(windows, options.seed, indices, mirrored=True):
        eight = part.draws.unflatten(0, (-1, options.num_draws))
        own = slice(done, done := done + len(eight))
        parts.append(point_and_interval(eight, part.deterministic, weights[own], scale[own], quantiles))
    mean, below, above = (torch.cat(part) for part in zip(*parts, strict=True))
    below, above, unlike = generator._widened(below, above, windows, options.level)
    return [mean, below, above], unlike


def ratio_of(fs: float, model_fs: float) -> Fraction:
    """Samples of a recording per sample of the model, as a ratio of integers of at most 1000.

    Raises:
        InputError: If there is none.
    """
    ratio = Fraction(fs / model_fs).limit_denominator(1000)
    if 1 / ratio != Fraction(model_fs / fs).limit_denominator(1000) or abs(ratio * model_fs / fs - 1) > 1e-6:
        found = f"the sampling rate is {fs:g} Hz"
        raise InputError(found, f"a simple ratio to {model_fs:g} Hz was expected for a long recording", "resample it")
    return ratio


def with_known(condition: Condition, known: Condition) -> Condition:
    """``condition`` with the text and the metadata of ``known``."""
    return condition.replace(
        text=known.text, text_mask=known.text_mask, metadata=known.metadata, metadata_mask=known.metadata_mask
    )


def _unknown(own: Condition) -> Tensor:
    """Samples (time,) in which nothing was recorded for more than ``LONGEST`` seconds."""
    recorded = own.lead_mask[0].any(0)
    if own.ppg.shape[-1] == own.samples and bool(own.ppg_mask.any()):
        recorded = recorded | own.ppg_mask[0, 0]
    missing = torch.zeros_like(recorded)
    for first, last in runs(~recorded.numpy()):
        missing[first:last] = last - first > LONGEST * own.fs
    return missing


def _cut(ecg: ECG, part: slice, unknown: Tensor) -> ECG:
    """A range of samples, NaN where nothing is known."""
    origin = ecg.provenance and ecg.provenance.during(part.start / ecg.fs, (part.stop - part.start) / ecg.fs)
    signal = ecg.signal.masked_fill(unknown, torch.nan) if bool(unknown.any()) else ecg.signal
    return replace(ecg, signal=signal[..., part], provenance=origin)
