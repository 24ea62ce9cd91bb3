"""Beats of a PPG: R peaks with the uncertainty of their times, found by the pulse network.

The network (``ecggen.networks.pulse``) predicts how many R peaks are expected in each sample. A beat is where this
intensity is concentrated. Its integral over 50 ms on either side is the probability that an R peak lies there, and its
width the uncertainty of the time. What is left between two beats is the expected number of missed beats; beats
are inserted where it is large, so that the rate is right where times are not.

Times assume that a pulse rises ``simulate.PULSE_DELAY`` after its R peak, because the delay is not contained in a PPG.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks
from torch import Tensor
from torch.nn import functional as F

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import resample
from ecggen.core.errors import InputError
from ecggen.core.filters import band_pass
from ecggen.core.simulate import PLAIN, PULSE_DELAY, simulate_ppg
from ecggen.networks import storage
from ecggen.networks.pulse import PulseNetwork, intensities

FORMAT = 1
"""Version of the checkpoint folder's format."""
CHECKPOINT = "pulse"
"""Name of the shipped checkpoint."""
RATE = 100.0
"""Sampling rate of the network's input in Hz."""
BAND = (0.4, 10.0)
"""Pass band of the network's input in Hz."""
NEAR, WIDE = 2.5, 10.0
"""Seconds over which the level of a PPG is measured."""
LEAST = 0.1
"""Smallest near level relative to the wide one, so that a pause is not magnified."""
PIECE, CONTEXT = 60.0, 12.0
"""Seconds of a long PPG that are read at a time, and of the context on either side."""
TOLERANCE = 0.05
"""Seconds on either side of a beat that are counted as its own."""
LIKELY = 0.35
"""Smallest probability of a beat that stands on its own."""
LEFT = 0.8
"""Expected number of missed beats from which one is inserted."""
SPREAD, FAINTEST = 2.5 * TOLERANCE, 0.05
"""Seconds on either side over which the intensity of a missed beat is summed, and the smallest sum that is one."""
REFRACTORY = 0.28
"""Shortest interval between beats in s."""
REACH = 0.25
"""Largest distance to a beat in s within which the intensity counts for the uncertainty of its time."""


@dataclass(frozen=True)
class PulseBeats:
    """Beats of one PPG.

    Attributes:
        times: (beat,) R peaks in s from the start of the PPG.
        deviations: (beat,) standard deviation of each time in s.
        probabilities: (beat,) probability that an R peak lies within ``TOLERANCE`` of the time.
        missed: (beat,) probability that a beat was missed between the beat before and this one.
    """

    times: np.ndarray
    deviations: np.ndarray
    probabilities: np.ndarray
    missed: np.ndarray

    def __len__(self) -> int:
        return len(self.times)


def prepare(ppg: Tensor, observed: Tensor) -> Tensor:
    """The network's input (batch, 3, time) of PPGs (batch, time) at ``RATE`` Hz; see ``levelled``."""
    return levelled(band_pass(ppg, RATE, *BAND, least=0.0), observed)


def levelled(filtered: Tensor, observed: Tensor) -> Tensor:
    """The network's input (batch, 3, time) of filtered PPGs (batch, time).

    The channels are the PPG over its level in the surrounding ten seconds, compressed; the PPG over its level in the
    surrounding seconds; and whether it is observed.
    """
    wave = filtered * observed
    wide, near = _level(wave, observed, WIDE), _level(wave, observed, NEAR)
    flat = wide <= 1e-6 * wide.amax(-1, keepdim=True).clamp(min=1e-12)
    relative = torch.where(flat, 0.0, wave / wide.clamp(min=1e-12))
    local = torch.where(flat, 0.0, wave / torch.maximum(near, LEAST * wide).clamp(min=1e-12))
    return torch.stack([torch.asinh(relative), local.clamp(-4, 4), observed.float()], 1)


def read(ppg: Tensor, observed: Tensor, fs: float, network: PulseNetwork | None = None) -> list[PulseBeats]:
    """Beats of PPGs.

    Args:
        ppg: (batch, time) in any unit, with upright pulses; any value where it is not observed.
        observed: (batch, time) bool.
        fs: Sampling rate in Hz.
        network: As returned by ``load``; the shipped one by default.

    Example:
        >>> from ecggen.core.simulate import simulate_ppg
        >>> wave = simulate_ppg(np.arange(0.5, 10, 0.8), 10, 125, np.random.default_rng(0))[None]
        >>> (found,) = read(torch.from_numpy(wave), torch.ones(1, 1250, dtype=torch.bool), 125)
        >>> len(found), bool(np.abs(found.times[2:10] - np.arange(0.5, 10, 0.8)[2:10]).max() < 0.05)
        (12, True)
    """
    return [beats_of(rate) for rate in intensity(ppg, observed, fs, network).numpy()]


def intensity(ppg: Tensor, observed: Tensor, fs: float, network: PulseNetwork | None = None) -> Tensor:
    """Expected number of R peaks in each sample, (batch, time) at ``RATE`` Hz, of PPGs as in ``read``."""
    network = network or load()
    filled = torch.where(observed, ppg, 0.0).float().cpu()
    wave = resample(filled, fs, RATE)
    nearest = (torch.arange(wave.shape[-1]) * fs / RATE).round().long().clamp(max=ppg.shape[-1] - 1)
    here = observed.cpu()[..., nearest]
    size, margin = round(PIECE * RATE), round(CONTEXT * RATE)
    rates = []
    for first in range(0, max(1, wave.shape[-1] - margin), size):
        begin = max(0, first - margin)
        last = wave.shape[-1] if first + size + margin >= wave.shape[-1] else first + size
        part = slice(begin, min(wave.shape[-1], last + margin))
        cut = slice(first - begin, last - begin)
        rates.append(intensities(network, prepare(wave[..., part], here[..., part]))[..., cut])
    return torch.cat(rates, -1)


def beats_of(rate: np.ndarray) -> PulseBeats:
    """Beats where the intensity (time,) at ``RATE`` Hz is concentrated."""
    near, apart = round(TOLERANCE * RATE), round(REFRACTORY * RATE)
    mass = _box(rate, near)
    at, _ = find_peaks(np.r_[0, mass, 0], height=LIKELY, distance=apart)
    at = np.unique(np.r_[at - 1, _inserted(rate, at - 1, apart)]).astype(int)
    if not len(at):
        return PulseBeats(*(np.zeros(0) for _ in range(4)))
    middle = (at[1:] + at[:-1]) / 2
    low = np.maximum(np.r_[0, np.ceil(middle)], at - round(REACH * RATE)).astype(int)
    high = np.minimum(np.r_[np.floor(middle), len(rate) - 1], at + round(REACH * RATE)).astype(int)
    times, deviations, own = (np.zeros(len(at)) for _ in range(3))
    for beat, (here, first, last) in enumerate(zip(at, low, high, strict=True)):
        times[beat], _ = _moments(rate, max(first, here - near), min(last, here + near))
        _, deviations[beat] = _moments(rate, first, last)
        own[beat] = rate[max(first, here - near) : min(last, here + near) + 1].sum()
    total = np.r_[0.0, np.cumsum(rate)]
    left = np.maximum(total[low] - total[np.r_[0, high[:-1] + 1]], 0.0)
    return PulseBeats(times, deviations, np.minimum(own, 1.0), 1 - np.exp(-left))


def _moments(rate: np.ndarray, first: int, last: int) -> tuple[float, float]:
    """Mean and standard deviation in s of the time under the intensity between two samples."""
    at = np.arange(first, last + 1)
    weight = rate[first : last + 1] + 1e-12
    mean = np.average(at, weights=weight)
    return float(mean / RATE), float(np.sqrt(np.average((at - mean) ** 2, weights=weight) + 1 / 12) / RATE)


def _inserted(rate: np.ndarray, at: np.ndarray, apart: int) -> np.ndarray:
    """Samples of beats that are missing between those at ``at``, by the intensity that is left there."""
    rest = rate.copy()
    for here in at:
        rest[max(0, here - apart // 2) : here + apart // 2 + 1] = 0.0
    total, wide = np.r_[0.0, np.cumsum(rest)], _box(rest, round(SPREAD * RATE))
    ends = np.r_[-apart, at, len(rate) + apart]
    found = []
    for before, after in pairwise(ends):
        low, high = max(0, before + apart), min(len(rate), after - apart)
        count = int(total[min(max(after, 0), len(rate))] - total[max(before, 0)] + 1 - LEFT)
        part = wide[low : max(low, high)].copy()
        for _ in range(count):
            if not len(part) or part.max() <= FAINTEST:
                break
            top = int(part.argmax())
            found.append(low + top)
            part[max(0, top - apart) : top + apart + 1] = 0.0
    return np.array(found, int)


def _box(rate: np.ndarray, reach: int) -> np.ndarray:
    """Sum over ``reach`` samples on either side."""
    return uniform_filter1d(rate.astype(float), 2 * reach + 1, mode="constant") * (2 * reach + 1)


def follow(
    condition: Condition, prepared: Condition, preprocessor: Preprocessor, network: PulseNetwork | None = None
) -> Condition:
    """Replace PPGs that are observed without leads by identical pulses at the beats that the network finds in them.

    Args:
        condition: As recorded.
        prepared: The same at the rate of the model.
        preprocessor: Preprocessing of the model.
        network: As returned by ``load``; the shipped one by default.

    Returns:
        The condition at the rate of the model. A PPG without beats is kept.
    """
    found = read_rows(condition, network)
    times = {row: beats.times for row, beats in found.items() if len(beats)}
    if not times:
        return prepared
    waves = [pulse_train(continued(peaks), prepared.samples, prepared.fs) for peaks in times.values()]
    return preprocessor.with_simulated_ppg(prepared, list(times), np.stack(waves))


def rows_of(condition: Condition) -> list[int]:
    """Records of a condition with a PPG and without leads."""
    return (condition.ppg_mask.flatten(1).any(1) & ~condition.lead_mask.flatten(1).any(1)).nonzero()[:, 0].tolist()


def read_rows(condition: Condition, network: PulseNetwork | None = None) -> dict[int, PulseBeats]:
    """Beats of the records of a condition with a PPG and without leads, by row of the batch."""
    rows = rows_of(condition)
    if not rows:
        return {}
    # Draws of one record have the same PPG, which is read once.
    waves, which = torch.unique(condition.ppg[rows, 0], dim=0, return_inverse=True)
    first = [which.tolist().index(number) for number in range(len(waves))]
    own = read(waves, condition.ppg_mask[[rows[at] for at in first], 0], condition.ppg_fs, network)
    return {row: own[number] for row, number in zip(rows, which.tolist(), strict=True)}


def continued(times: np.ndarray) -> np.ndarray:
    """R peaks with one more on either side, whose pulse or waves may reach into the recording.

    Example:
        >>> continued(np.array([0.5, 1.5, 2.25])).tolist()
        [-0.5, 0.5, 1.5, 2.25, 3.0]
    """
    return np.r_[2 * times[0] - times[1], times, 2 * times[-1] - times[-2]] if len(times) > 1 else times


def pulse_train(times: Sequence[float] | np.ndarray, samples: int, fs: float) -> np.ndarray:
    """A PPG (time,) of identical pulses without noise, as ``simulate_ppg(…, plain=True)``, for any duration.

    Example:
        >>> from ecggen.core.simulate import simulate_ppg
        >>> beats = np.array([0.5, 1.3, 2.2])
        >>> plain = simulate_ppg(beats, 4, 100, np.random.default_rng(0), plain=True)
        >>> bool(np.allclose(pulse_train(beats, 400, 100), plain, atol=1e-5))
        True
    """
    wave, reach = np.zeros(samples), 6 * PLAIN
    for beat in times:
        top = beat + PULSE_DELAY + PLAIN
        first, last = max(0, round((top - reach) * fs)), min(samples, round((top + reach) * fs) + 1)
        if first < last:
            wave[first:last] += np.exp(-0.5 * ((np.arange(first, last) / fs - top) / PLAIN) ** 2)
    return wave


def times_of_train(wave: np.ndarray, fs: float) -> np.ndarray:
    """R peaks in s of identical pulses (time,), filtered as by ``Preprocessor.ppg``.

    Example:
        >>> times_of_train(pulse_train([0.5, 1.3, 2.2], 400, 100), 100).round(2).tolist()
        [0.5, 1.3, 2.2]
    """
    tops, _ = find_peaks(wave, height=0.3 * max(float(wave.max()), 1e-9), distance=max(1, round(REFRACTORY * fs / 2)))
    left, top, right = wave[tops - 1], wave[tops], wave[tops + 1]
    between = 0.5 * (left - right) / np.minimum(left - 2 * top + right, -1e-12)
    return (tops + between) / fs - PULSE_DELAY - PLAIN


def _level(wave: Tensor, observed: Tensor, seconds: float) -> Tensor:
    """Root mean square of the observed samples within ``seconds``, (batch, time)."""
    reach = round(seconds * RATE / 2)
    squares, count = (_moving(one, reach) for one in (wave.square(), observed.float()))
    return (squares / count.clamp(min=1e-3)).clamp(min=0).sqrt()


def _moving(x: Tensor, reach: int) -> Tensor:
    """Sum over ``reach`` samples on either side, (batch, time)."""
    sums = F.pad(x.double().cumsum(-1), (1, 0))
    at = torch.arange(x.shape[-1])
    return (sums[..., (at + reach + 1).clamp(max=x.shape[-1])] - sums[..., (at - reach).clamp(min=0)]).float()


def save(network: PulseNetwork, folder: Path | str) -> Path:
    """Write a network to a folder: config.json and model.safetensors (16 bit)."""
    about = {"format": FORMAT, "kind": "pulse", "sizes": network.sizes, "fs": RATE, "band": BAND}
    return storage.store(network, Path(folder), {"config.json": about}, half=True)


@lru_cache(maxsize=4)
def load(name: Path | str = CHECKPOINT) -> PulseNetwork:
    """The network in a folder, or the shipped one by its name, in evaluation mode.

    Raises:
        InputError: If the folder is missing, of another kind or format, or cannot be loaded.
    """
    folder = storage.find(name)
    about = storage.read_json(folder / "config.json")
    if about.get("format") != FORMAT or about.get("kind") != "pulse":
        raise InputError(f"{folder} holds no pulse network of format {FORMAT}", "the shipped one was expected")
    network = storage.made_of(PulseNetwork, about.get("sizes"), folder)
    storage.fill(network, folder)
    return network.eval()


@lru_cache(maxsize=4)
def name_of(name: Path | str = CHECKPOINT) -> str:
    """Name and hash of the weights of a network, for provenance."""
    folder = storage.find(name)
    return f"{folder.name}@{storage.weights_hash(folder)}"


def golden_beats(network: PulseNetwork, golden: dict) -> dict[str, list[float]]:
    """Times in s and probabilities of the beats of the simulated PPG of a golden file."""
    seconds, fs = golden["seconds"], golden["fs"]
    beats = np.cumsum(np.random.default_rng(golden["seed"]).uniform(0.5, 1.1, 12))
    wave = simulate_ppg(beats[beats < seconds], seconds, fs, np.random.default_rng(golden["seed"]))
    (found,) = read(torch.from_numpy(wave)[None], torch.ones(1, len(wave), dtype=torch.bool), fs, network)
    return {"times_s": found.times.round(4).tolist(), "probabilities": found.probabilities.round(3).tolist()}


def write_golden(folder: Path | str) -> Path:
    """Write the present beats of the network in ``folder`` to its ``golden_beats.json``."""
    golden = {"seed": 5, "fs": 125, "seconds": 8, "tolerance_s": 0.002}
    file = Path(folder) / "golden_beats.json"
    storage.write_json(file, golden | golden_beats(load(folder), golden))
    return file
