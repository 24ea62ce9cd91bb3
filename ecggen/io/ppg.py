"""Reading of PPGs: selection of the channel, sampling rate, polarity and quality checks.

A PPG has no physical unit and is standardised to mean 0 and standard deviation 1. Recordings in which beats cannot be
detected are rejected: flat or mostly clipped signals, long gaps, no pulse, an implausible pulse rate. An inverted PPG
is corrected, with a note. Irregular rhythms are accepted, because pulses are also recognised by their shape.
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
from ecggen.io.files import naming_file
from ecggen.io.formats import npz
from ecggen.io.formats.csv.empatica import RATES, without_stamp
from ecggen.io.normalise import Found, agreed, find_lead, is_other, listed, shown
from ecggen.io.source import Source

SHORTEST = 2.0
"""Shortest PPG in seconds."""
LONGEST_GAP = 0.2
"""Longest gap in seconds that is filled by linear interpolation."""
LARGEST = 1e12
"""Largest accepted absolute value; the counts of a 32-bit converter end at 4e9."""
CLIPPED = (0.02, 0.3)
"""Fractions of samples at the highest or lowest value from which a PPG is reported as clipped, and rejected."""
PULSES = (25.0, 300.0)
"""Range of plausible pulse rates in beats per minute."""
UPSIDE_DOWN = -0.5
"""Skewness of the slope below which a PPG is inverted.

A pulse rises faster than it falls: the slope's skewness is 0.25 to 1.95 in the first four minutes of BIDMC's 43
recordings, and above 0.27 in 99 % of their windows of 10 s.
"""
SIMILAR = 0.83
"""Smallest median correlation of the rises of an irregular PPG with their mean.

98 % of BIDMC's windows of 10 s have more than 0.95, simulated atrial fibrillation of 30 s more than 0.84; band-passed
noise of 10 s has 0.63 to 0.87, with a median of 0.77.
"""
PERIODIC = 0.6
"""Autocorrelation from which a PPG counts as periodic; in atrial fibrillation it is not."""

_PPG = re.compile(r"(?:.*[^a-z])?(?:pleth|ppg|bvp)(?:[^a-z].*|[a-z]{0,8})", re.IGNORECASE)
# BIDMC's WFDB headers have a comma after each name.
_ROUND_A_NAME = " \t,;:'\""


@dataclass(frozen=True)
class PPG:
    """A photoplethysmogram.

    Attributes:
        wave: (time,) float32 with mean 0 and standard deviation 1, rising with each pulse.
        fs: Sampling rate in Hz.
        origin: File and channel from which it was read.
        notes: Corrections and doubts, one sentence each.
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
    """Read a PPG; the format is detected from the content of the file.

    Formats that hold PPGs are WFDB, CSV, npz, HDF5, and those of Empatica (E4: the zip or its ``BVP.csv``;
    EmbracePlus: Avro).

    Args:
        path: The file. The PPG is the channel named PLETH, PPG or BVP, or the only channel.
        record: Which recording, if the file holds several: its name, or its number from 1.
        fs: Sampling rate in Hz, if the file does not state it.
        channel: Name of the channel in the file, or its number from 1 if the channels have no names.
        start: Start in seconds.
        seconds: Duration in seconds; everything by default.

    Returns:
        The PPG, standardised and with upright pulses.

    Raises:
        InputError: If the file cannot be read, or holds no usable PPG. No other exception is raised.

    Example:
        >>> import tempfile
        >>> from ecggen.core.simulate import simulate_ppg, simulated_peaks
        >>> wave = simulate_ppg(simulated_peaks(10, 72), 10, 125, np.random.default_rng(0))
        >>> folder = tempfile.TemporaryDirectory()
        >>> np.savez(Path(folder.name) / "finger.npz", PLETH=wave, fs=125)
        >>> ppg = read_ppg(Path(folder.name) / "finger.npz", seconds=8)
        >>> ppg.origin, ppg.fs, ppg.seconds
        ('finger.npz, PLETH', 125.0, 8.0)
        >>> folder.cleanup()
    """
    path = Path(path)
    with naming_file(path):
        found = without_stamp(decode(path, record))
        row = _row(found, channel)
        rate = agreed("its sampling rate", "fs", found.fs, fs, check_rate)
        if not RATES[0] <= rate <= RATES[1]:
            expected = f"{RATES[0]:g} to {RATES[1]:g} Hz were expected for a PPG"
            raise InputError(
                f"the sampling rate is {rate:g} Hz", expected, "correct the rate, or use another recording"
            )
        wave = _checked(_part(np.asarray(found.values[row], np.float64), rate, start, seconds), rate)
        notes = _clipped(wave)
        wave, inverted = _upright(wave, rate)
        _refuse_no_pulse(wave, rate)
        name = (found.names[row] or f"channel {row + 1}").strip(_ROUND_A_NAME)
        return PPG(torch.from_numpy(_scaled(wave)), rate, f"{path.name}, {name}", (*notes, *inverted))


def decode(path: Path, record: str | None = None) -> Found:
    """Decode a file of any format without conversion of names and units.

    Args:
        path: The file.
        record: Which recording, if the file holds several.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        with np.errstate(all="ignore"):  # an invalid gain may overflow; the result is rejected later
            if record is None and path.is_file() and npz.looks_like(Source(path)):
                return _archive(path)
            return files.decode(path, record)
    except OSError as error:
        raise InputError(f"it cannot be read ({error.strerror})", "a readable file was expected") from error


def ppg_rows(found: Found) -> list[int]:
    """Rows of the channels whose name is that of a PPG."""
    return [row for row, name in enumerate(found.names) if name and _PPG.fullmatch(name.strip(_ROUND_A_NAME))]


def lead_rows(found: Found, lead: str) -> list[int]:
    """Rows of the channels whose name is that of ``lead``."""
    return [row for row, name in enumerate(found.names) if name and find_lead(name.strip(_ROUND_A_NAME)) == lead]


def fill_gaps(waves: np.ndarray, fs: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Fill short gaps in ``waves`` (channel, time) by linear interpolation.

    A gap is filled if it is at most ``LONGEST_GAP`` seconds long and has a sample on either side.

    Returns:
        The filled waves, and the range (first, last + 1) of the longest segment without gaps.
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
    """Decode an npz file in which each one-dimensional array is a channel; ``fs`` may be among the arrays."""
    arrays = npz.load(path)
    waves = {name: np.squeeze(array) for name, array in arrays.items() if array.dtype.kind != "U" and array.size > 1}
    lengths = {wave.shape for wave in waves.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1:
        here = listed(f"{name} {array.shape}" for name, array in arrays.items()) or "no array of numbers"
        raise InputError(f"it holds {here}", "arrays (time,) of equal length, and fs, were expected")
    fs = npz.scalar(arrays, "fs")
    values = np.stack([wave.astype(np.float64) for wave in waves.values()])
    return Found(values, tuple(waves), (None,) * len(waves), None if isinstance(fs, str) else fs)


def _row(found: Found, channel: str | None) -> int:
    """Row of the PPG."""
    names, here = found.names, listed(found.names) or f"{len(found.names)} without names"
    if found.values.ndim != 2:
        do = "write one record to a file first"
        raise InputError("the file holds a batch of records", "one recording was expected", do)
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
        "one named PLETH, PPG or BVP was expected",
        "select it with channel" + ("" if any(names) else ", by its number from 1"),
    )


def _named(names: Sequence[str | None], channel: str, here: str) -> int:
    """Row of the channel that the user gives by name or number."""
    known = [(name or "").strip(_ROUND_A_NAME).casefold() for name in names]
    rows = [row for row, name in enumerate(known) if name and name == channel.casefold()]
    if not rows and channel.isdecimal() and not any(names) and 1 <= int(channel) <= len(names):
        rows = [int(channel) - 1]
    if len(rows) != 1:
        count = f"{len(rows)} times" if rows else "not"
        raise InputError(f"channel {shown(channel)} is {count} among the channels {here}", "one of them was expected")
    return rows[0]


def _is_something_else(name: str | None) -> bool:
    """Whether a name is known to belong to another signal: an ECG lead, respiration, a pressure …"""
    bare = (name or "").strip(_ROUND_A_NAME)
    return bool(bare) and (find_lead(bare) is not None or is_other(bare))


def _part(wave: np.ndarray, fs: float, start: float, seconds: float | None) -> np.ndarray:
    """The requested segment."""
    if not np.isfinite([start, seconds or 0.0]).all():
        raise InputError(f"start is {start:g} s, duration {seconds} s", "finite numbers were expected")
    first = round(start * fs)
    last = len(wave) if seconds is None else first + round(seconds * fs)
    if not 0 <= first < last <= len(wave):
        raise InputError(
            f"the recording lasts {len(wave) / fs:.3f} s",
            f"a segment from {start:g} to {last / fs:.3f} s was requested",
            "request a segment inside the recording",
        )
    return wave[first:last]


def _checked(wave: np.ndarray, fs: float) -> np.ndarray:
    """``wave`` with short gaps filled; InputError if it is too short, has long gaps, is flat or implausibly large."""
    if len(wave) < SHORTEST * fs:
        raise InputError(f"the PPG lasts {len(wave) / fs:.3g} s", f"at least {SHORTEST:g} s were expected")
    lacking = ~np.isfinite(wave)
    (wave,), (first, last) = fill_gaps(wave[None], fs)
    if last - first < len(wave):
        part = f"read the longest complete segment: start={first / fs:.4f}, seconds={(last - first) / fs:.4f}"
        raise InputError(
            f"the PPG lacks {lacking.sum()} of {len(wave)} samples, the first at {lacking.argmax() / fs:.3f} s",
            f"gaps of at most {LONGEST_GAP:g} s were expected",
            part if last - first >= SHORTEST * fs else "use another recording",
        )
    if np.abs(wave).max() > LARGEST:
        raise InputError(f"the PPG reaches {np.abs(wave).max():.3g}", f"less than {LARGEST:g} was expected")
    if np.ptp(wave) == 0:
        raise InputError(
            f"the PPG is flat at {wave[0]:.6g}", "pulses were expected", "check whether the sensor was worn"
        )
    return wave


def _clipped(wave: np.ndarray) -> list[str]:
    """A note if a PPG is clipped; InputError if most of it is."""
    share = max(
        sum(last - first for first, last in _runs(np.asarray(wave == end)) if last - first >= 3) / len(wave)
        for end in (wave.min(), wave.max())
    )
    if share >= CLIPPED[1]:
        found = f"the PPG is clipped: {share:.0%} of it has one value"
        do = "reduce the gain of the sensor, or choose another segment"
        raise InputError(found, f"less than {CLIPPED[1]:.0%} was expected", do)
    return [f"{share:.0%} of the PPG is clipped"] if share >= CLIPPED[0] else []


def _upright(wave: np.ndarray, fs: float) -> tuple[np.ndarray, list[str]]:
    """``wave`` with upright pulses, and a note if it was inverted or its polarity is unclear."""
    skewness = lean(wave, fs)
    if skewness < UPSIDE_DOWN:
        return -wave, ["the PPG was upside down (it fell faster than it rose) and has been inverted"]
    unclear = "the polarity of the PPG is unclear (it rises as fast as it falls); it was not inverted"
    return wave, [unclear] if skewness < 0 else []


def lean(wave: np.ndarray, fs: float) -> float:
    """Skewness of the slope of a PPG (time,): positive if it rises faster than it falls, as pulses do."""
    slope = pulse_slope(wave, fs)
    return float((slope**3).mean())


def _refuse_no_pulse(wave: np.ndarray, fs: float) -> None:
    """Raise InputError if no pulse is detected, or the pulse rate is implausible."""
    slope = pulse_slope(wave, fs)
    period, periodicity = _period(slope, fs)
    rate, counted = (60 / period if period else 0.0), 60 * fs * len(_rises(slope, fs)) / len(slope)
    # An irregular rhythm can have a long period by chance, so a low rate must be confirmed by the number of pulses.
    slow, fast = rate < PULSES[0] and counted < 1.5 * PULSES[0], rate > PULSES[1]
    if periodicity >= PERIODIC and (slow or fast):
        raise InputError(
            f"at {fs:g} Hz the pulse rate would be {rate:.0f} per minute",
            f"{PULSES[0]:g} to {PULSES[1]:g} were expected",
            "correct the sampling rate (fs), or check whether this is a PPG",
        )
    if periodicity < PERIODIC and _similarity(slope, fs) < SIMILAR:
        found = "no pulse is detected: the waves are neither regular nor of similar shape"
        raise InputError(found, "a PPG was expected", "choose a segment with less noise, or another channel")


def _period(slope: np.ndarray, fs: float) -> tuple[float | None, float]:
    """Period of a wave in s, between 0.1 and 6 s, and the autocorrelation there; (None, 0) if there is none."""
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


def _similarity(slope: np.ndarray, fs: float) -> float:
    """Median correlation of the steepest rises, ±0.2 s, with their mean; 0 for fewer than two rises."""
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
    """Positions of the steepest rises in samples."""
    return find_peaks(slope, height=0.35 * np.quantile(slope, 0.98), distance=max(1, round(0.22 * fs)))[0]


def _scaled(wave: np.ndarray) -> np.ndarray:
    """``wave`` as float32 with mean 0 and standard deviation 1."""
    return ((wave - wave.mean()) / wave.std()).astype(np.float32)


def _runs(true: np.ndarray) -> list[tuple[int, int]]:
    """Range (first, last + 1) of each run of true values."""
    edges = np.flatnonzero(np.diff(np.r_[False, true, False].astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
