"""Reading a PPG: its channel found, its rate known, its pulses the right way up.

A PPG has no unit, so none is asked for: the wave comes back with mean 0 and deviation 1. What makes it useless for
telling beats is refused (flat, mostly clipped, gaps, no pulse, a rate at which no heart beats); what can be mended
is mended and said (upside down). No rhythm is refused for being irregular: a pulse is known by its shape as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.signal import find_peaks
from torch import Tensor

from ecggen.core.ecg import check_rate
from ecggen.core.errors import InputError
from ecggen.core.rhythm import pulse_slope
from ecggen.io import files
from ecggen.io.files import telling_of
from ecggen.io.formats import npz
from ecggen.io.formats.csv.empatica import RATES, without_stamp
from ecggen.io.normalise import Found, agreed, find_lead, is_other, listed, shown
from ecggen.io.source import Source

SHORTEST = 2.0
"""Seconds."""
LONGEST_GAP = 0.2
"""Seconds up to which missing samples are drawn straight from one neighbour to the other."""
LARGEST = 1e12
"""Of no use to any converter; the counts of a 32-bit one end at 4e9."""
CLIPPED = (0.02, 0.3)
"""Share of a PPG that stands at its highest or lowest value: from the first on it is said, from the second refused."""
PULSES = (25.0, 300.0)
"""Beats per minute that a heart can have."""
UPSIDE_DOWN = -0.5
"""Skewness of the slope below which a PPG is turned over.

A pulse rises faster than it falls: the slope's skewness is 0.25 to 1.95 in the first four minutes of BIDMC's 43
recordings, and above 0.27 in 99 % of their windows of 10 s.
"""
ALIKE = 0.83
"""Median correlation of the rises of a PPG with their mean.

98 % of BIDMC's windows of 10 s have more than 0.95, simulated atrial fibrillation of 30 s more than 0.84; band-passed
noise of 10 s has 0.63 to 0.87, 0.77 in the median.
"""
PERIODIC = 0.6
"""Autocorrelation from which a period is clear; in atrial fibrillation there is none."""

_PPG = re.compile(r"(?:.*[^a-z])?(?:pleth|ppg|bvp)(?:[^a-z].*|[a-z]{0,8})", re.IGNORECASE)
# BIDMC's WFDB headers write a comma behind each name.
_ROUND_A_NAME = " \t,;:'\""


@dataclass(frozen=True)
class PPG:
    """A photoplethysmogram.

    Attributes:
        wave: (time,) float32, mean 0, deviation 1, rising with each pulse.
        fs: Sampling rate in Hz.
        origin: The file and the channel it was read from.
        notes: What was doubtful or mended, a sentence each.
    """

    wave: Tensor
    fs: float
    origin: str
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.wave.shape[-1] / self.fs


def read_ppg(
    path: str | Path,
    *,
    record: str | None = None,
    fs: float | None = None,
    channel: str | None = None,
    start: float = 0.0,
    seconds: float | None = None,
) -> PPG:
    """The PPG in a file: WFDB, CSV, npz, HDF5, Empatica's (E4: the zip or its ``BVP.csv``; EmbracePlus: Avro).

    Args:
        path: The file. Its PPG is known by its name (PLETH, PPG, BVP), or by being the only channel.
        record: Which recording, where the file holds several: its name, or its number from 1.
        fs: Sampling rate in Hz, where the file does not say.
        channel: The channel meant, by its name in the file, or by its number from 1 where channels have no names.
        start: Where to begin, in seconds.
        seconds: How much to read; everything by default.

    Raises:
        InputError: Whatever else is in the file; nothing else is raised.
    """
    path = Path(path)
    with telling_of(path):
        found = without_stamp(decode(path, record))
        row = _row(found, channel)
        rate = agreed("its sampling rate", "fs", found.fs, fs, check_rate)
        if not RATES[0] <= rate <= RATES[1]:
            expected = f"{RATES[0]:g} to {RATES[1]:g} Hz were expected of a PPG"
            raise InputError(
                f"the sampling rate is {rate:g} Hz", expected, "correct the rate, or use another recording"
            )
        wave = _whole(_part(np.asarray(found.values[row], np.float64), rate, start, seconds), rate)
        notes = _clipped(wave)
        wave, turned = _upright(wave, rate)
        _refuse_no_pulse(wave, rate)
        name = (found.names[row] or f"channel {row + 1}").strip(_ROUND_A_NAME)
        return PPG(torch.from_numpy(_scaled(wave)), rate, f"{path.name}, {name}", (*notes, *turned))


def decode(path: Path, record: str | None = None) -> Found:
    """What a file says, whatever its format, in its own words.

    Args:
        path: The file.
        record: Which recording, where the file holds several.

    Raises:
        InputError: Where it cannot be read.
    """
    try:
        with np.errstate(all="ignore"):  # an absurd gain overflows, and what it gives is refused
            if record is None and path.is_file() and npz.looks_like(Source(path)):
                return _archive(path)
            return files.decode(path, record)
    except OSError as error:
        raise InputError(f"it cannot be read ({error.strerror})", "a readable file was expected") from error


def ppg_rows(found: Found) -> list[int]:
    """The channels whose name says that they hold a PPG."""
    return [row for row, name in enumerate(found.names) if name and _PPG.fullmatch(name.strip(_ROUND_A_NAME))]


def lead_rows(found: Found, lead: str) -> list[int]:
    """The channels whose name says that they hold this lead."""
    return [row for row, name in enumerate(found.names) if name and find_lead(name.strip(_ROUND_A_NAME)) == lead]


def mend(waves: np.ndarray, fs: float) -> tuple[np.ndarray, tuple[int, int]]:
    """``waves`` (channel, time) with short gaps bridged, and the longest part (first, last) without a gap.

    A gap is bridged, by a straight line, where it is at most ``LONGEST_GAP`` long and has both neighbours.
    """
    waves = np.array(waves, np.float64)
    waves[~np.isfinite(waves)] = np.nan
    for wave in waves:
        for first, last in _runs(np.isnan(wave)):
            if last - first <= LONGEST_GAP * fs and first > 0 and last < len(wave):
                wave[first:last] = np.interp(np.arange(first, last), (first - 1, last), (wave[first - 1], wave[last]))
    here: np.ndarray = np.all(np.isfinite(waves), axis=0)
    whole = max(_runs(here), key=lambda run: run[1] - run[0], default=(0, 0))
    return waves, whole


def _archive(path: Path) -> Found:
    """An npz file: each array of one dimension is a channel; ``fs`` may be among them."""
    arrays = npz.load(path)
    waves = {name: np.squeeze(array) for name, array in arrays.items() if array.dtype.kind != "U" and array.size > 1}
    lengths = {wave.shape for wave in waves.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1:
        here = listed(f"{name} {array.shape}" for name, array in arrays.items()) or "no array of numbers"
        raise InputError(f"it holds {here}", "arrays (time,) of one length, and fs, were expected")
    fs = npz.scalar(arrays, "fs")
    values = np.stack([wave.astype(np.float64) for wave in waves.values()])
    return Found(values, tuple(waves), (None,) * len(waves), None if isinstance(fs, str) else fs)


def _row(found: Found, channel: str | None) -> int:
    """The channel that is meant."""
    names, here = found.names, listed(found.names) or f"{len(found.names)} without names"
    if found.values.ndim != 2:
        raise InputError("the file holds a batch of records", "one recording was expected", "write one to a file first")
    if channel is not None:
        return _named(names, channel.strip(), here)
    if len(rows := ppg_rows(found)) == 1:
        return rows[0]
    if not rows and len(names) == 1 and not _is_something_else(names[0]):
        return 0
    what = "several channels may be the PPG" if rows else "no channel is known to be a PPG"
    named = [names[row] for row in rows] or names
    raise InputError(
        f"{what} ({listed(named) or here})",
        "one called PLETH, PPG or BVP was expected",
        "name the one that is meant with channel" + ("" if any(names) else ", by its number from 1"),
    )


def _named(names: Sequence[str | None], channel: str, here: str) -> int:
    """The row that the user's name, or number, means."""
    known = [(name or "").strip(_ROUND_A_NAME).casefold() for name in names]
    rows = [row for row, name in enumerate(known) if name and name == channel.casefold()]
    if not rows and channel.isdecimal() and not any(names) and 1 <= int(channel) <= len(names):
        rows = [int(channel) - 1]
    if len(rows) != 1:
        raise InputError(f"channel {shown(channel)} is {len(rows) or 'not'} among the channels {here}", "one of them")
    return rows[0]


def _is_something_else(name: str | None) -> bool:
    """Whether a name is known to be no PPG: a lead of an ECG, breathing, a pressure …"""
    bare = (name or "").strip(_ROUND_A_NAME)
    return bool(bare) and (find_lead(bare) is not None or is_other(bare))


def _part(wave: np.ndarray, fs: float, start: float, seconds: float | None) -> np.ndarray:
    """The part that is asked for."""
    if not np.isfinite([start, seconds or 0.0]).all():
        raise InputError(f"start is {start:g} s, duration {seconds} s", "finite numbers were expected")
    first = round(start * fs)
    last = len(wave) if seconds is None else first + round(seconds * fs)
    if not 0 <= first < last <= len(wave):
        raise InputError(
            f"the recording lasts {len(wave) / fs:.3f} s",
            f"at least {last / fs:.3f} s were asked for, from {start:g} s on",
            "ask for a part that lies inside it",
        )
    return wave[first:last]


def _whole(wave: np.ndarray, fs: float) -> np.ndarray:
    """``wave`` without short gaps; an InputError where it is too short, has long gaps, is flat or absurd."""
    if len(wave) < SHORTEST * fs:
        raise InputError(f"the PPG lasts {len(wave) / fs:.3g} s", f"at least {SHORTEST:g} s were expected")
    lacking = ~np.isfinite(wave)
    (wave,), (first, last) = mend(wave[None], fs)
    if last - first < len(wave):
        part = f"read the longest whole part: start={first / fs:.4f}, seconds={(last - first) / fs:.4f}"
        raise InputError(
            f"the PPG lacks {lacking.sum()} of {len(wave)} samples, the first at {lacking.argmax() / fs:.3f} s",
            f"gaps of at most {LONGEST_GAP:g} s were expected",
            part if last - first >= SHORTEST * fs else "use another recording",
        )
    if np.abs(wave).max() > LARGEST:
        raise InputError(f"the PPG reaches {np.abs(wave).max():.3g}", f"less than {LARGEST:g} was expected")
    if np.ptp(wave) == 0:
        raise InputError(
            f"the PPG is flat at {wave[0]:.6g}", "pulses were expected", "look whether the sensor was worn"
        )
    return wave


def _clipped(wave: np.ndarray) -> list[str]:
    """A note where a PPG stands at its end values for long; an InputError where little else is left of it."""
    share = max(
        sum(last - first for first, last in _runs(np.asarray(wave == end)) if last - first >= 3) / len(wave)
        for end in (wave.min(), wave.max())
    )
    if share >= CLIPPED[1]:
        found = f"the PPG is clipped: {share:.0%} of it stands at one value"
        raise InputError(found, f"less than {CLIPPED[1]:.0%} was expected", "lower the sensor's gain, or choose a part")
    return [f"{share:.0%} of the PPG is clipped"] if share >= CLIPPED[0] else []


def _upright(wave: np.ndarray, fs: float) -> tuple[np.ndarray, list[str]]:
    """``wave`` with its pulses upwards, and what is to be said about that."""
    skewness = lean(wave, fs)
    if skewness < UPSIDE_DOWN:
        return -wave, ["the PPG was upside down (it fell faster than it rose) and has been turned over"]
    unsure = "whether the PPG is upside down cannot be told (it rises as fast as it falls); it was taken as it is"
    return wave, [unsure] if skewness < 0 else []


def lean(wave: np.ndarray, fs: float) -> float:
    """Skewness of the slope of a PPG (time,): above 0 where it rises faster than it falls, as pulses do."""
    slope = pulse_slope(wave, fs)
    return float((slope**3).mean())


def _refuse_no_pulse(wave: np.ndarray, fs: float) -> None:
    """An InputError where no pulse is seen, or a heart that beats so is impossible."""
    slope = pulse_slope(wave, fs)
    period, clear = _period(slope, fs)
    rate, counted = (60 / period if period else 0.0), 60 * fs * len(_rises(slope, fs)) / len(slope)
    # An irregular rhythm repeats itself by chance after a while: too slow is only what has too few pulses as well.
    slow, fast = rate < PULSES[0] and counted < 1.5 * PULSES[0], rate > PULSES[1]
    if clear >= PERIODIC and (slow or fast):
        raise InputError(
            f"at {fs:g} Hz the PPG's pulse would be {rate:.0f} a minute",
            f"{PULSES[0]:g} to {PULSES[1]:g} were expected",
            "correct the sampling rate (fs), or look whether this is a PPG",
        )
    if clear < PERIODIC and _alikeness(slope, fs) < ALIKE:
        found = "no pulse is seen in it: its waves are neither regular nor of one shape"
        raise InputError(found, "a PPG was expected", "choose a quieter part, or another channel")


def _period(slope: np.ndarray, fs: float) -> tuple[float | None, float]:
    """The period of a wave in s, between 0.1 and 6 s, and the autocorrelation there; (None, 0) without any."""
    size = len(slope)
    power = np.abs(np.fft.rfft(slope, 2 * size)) ** 2
    correlation = np.fft.irfft(power)[:size] / (size - np.arange(size))  # of unit deviation
    reach = min(round(6 * fs), round(0.6 * size))
    tops, _ = find_peaks(correlation[: reach + 1])
    tops = tops[tops >= 0.1 * fs]
    if not len(tops):
        return None, 0.0
    first = next(top for top in tops if correlation[top] >= 0.9 * correlation[tops].max())
    return first / fs, float(correlation[first])


def _alikeness(slope: np.ndarray, fs: float) -> float:
    """Median correlation of the steepest rises, ±0.2 s, with their mean; 0 for fewer than two."""
    reach = round(0.2 * fs)
    at = _rises(slope, fs)
    at = at[(at >= reach) & (at < len(slope) - reach)]
    if len(at) < 2:
        return 0.0
    rises = slope[at[:, None] + np.arange(-reach, reach + 1)]
    rises = rises - rises.mean(1, keepdims=True)
    mean = rises.mean(0)
    return float(np.median(rises @ mean / np.linalg.norm(rises, axis=1) / np.linalg.norm(mean)))


def _rises(slope: np.ndarray, fs: float) -> np.ndarray:
    """Samples of the steepest rises."""
    return find_peaks(slope, height=0.35 * np.quantile(slope, 0.98), distance=max(1, round(0.22 * fs)))[0]


def _scaled(wave: np.ndarray) -> np.ndarray:
    """``wave`` as float32 with mean 0 and deviation 1."""
    return ((wave - wave.mean()) / wave.std()).astype(np.float32)


def _runs(true: np.ndarray) -> list[tuple[int, int]]:
    """First sample of each run of true values, and the one after its last."""
    edges = np.flatnonzero(np.diff(np.r_[False, true, False].astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
