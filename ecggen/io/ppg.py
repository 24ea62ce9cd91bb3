"""Reading of PPGs: selection of the channel, sampling rate, polarity and quality checks.

A channel is a PPG by its name, or because the user selects it, or by its waveform if it is the only channel. A PPG has
no physical unit and is standardised to mean 0 and standard deviation 1. Recordings in which beats cannot be detected
are rejected: flat or mostly clipped signals, long gaps, no pulse, an implausible pulse rate. An inverted PPG is
corrected, and dicrotic waves that are as large as beats are levelled, with a note. Irregular rhythms are accepted,
because pulses are also recognised by their shape.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ecggen.core.ecg import check_rate
from ecggen.core.errors import InputError, after, argument
from ecggen.core.gaps import longest_run, runs, with_levels
from ecggen.core.waveform import looks_like_ecg, looks_like_ppg
from ecggen.io import files
from ecggen.io.acceleration import movement
from ecggen.io.files import naming_file
from ecggen.io.formats import npz
from ecggen.io.formats.csv.empatica import RATES, without_stamp
from ecggen.io.normalise import Found, agreed, called, find_lead, is_other, listed, shown
from ecggen.io.pulse_checks import UPSIDE_DOWN, clipped, lean, one_rise_per_beat, refuse_no_pulse, upright
from ecggen.io.source import Source

SHORTEST = 2.0
"""Shortest PPG in seconds."""
LONGEST_GAP = 0.2
"""Longest gap in seconds that is filled by linear interpolation."""
LONGEST_MASKED = 1.0
"""Longest gap in seconds that is left for a generator to fill.

In simulated PPGs with a gap of 1 s, ``flow`` places 61 % of the beats in and next to the gap within 0.1 s of where it
places them without the gap; with a gap of 2 s, 48 %.
"""
JUDGED = 300.0
"""Seconds in the middle of a channel by which it is recognised as a PPG or an ECG."""
LARGEST = 1e12
"""Largest accepted absolute value; the counts of a 32-bit converter end at 4e9."""

_PPG = re.compile(r"(?:.*[^a-z])?(?:pleth|ppg|bvp)(?:[^a-z].*|[a-z]{0,8})", re.IGNORECASE)
# BIDMC's WFDB headers have a comma after each name.
_ROUND_A_NAME = " \t,;:'\""


@dataclass(frozen=True)
class PPG:
    """A photoplethysmogram.

    Attributes:
        wave: (time,) float32 with mean 0 and standard deviation 1, rising with each pulse; NaN in gaps.
        fs: Sampling rate in Hz.
        origin: File and channel from which it was read.
        notes: Corrections and doubts, one sentence each.
        moved: Whether the recorder was moved in each second, by its acceleration; empty if that is not known.
    """

    wave: Tensor
    fs: float
    origin: str
    notes: tuple[str, ...] = ()
    moved: tuple[bool, ...] = ()

    @property
    def longest_part(self) -> Tensor:
        """The longest part of ``wave`` without gaps."""
        first, last = longest_run(torch.isfinite(self.wave).numpy())
        return self.wave[first:last]

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
    heart_rate: float | None = None,
) -> PPG:
    """Read a PPG; the format is detected from the content of the file.

    Formats that hold PPGs are WFDB, CSV, npz, HDF5, and those of Empatica (E4: the zip or its ``BVP.csv``;
    EmbracePlus: Avro).

    Args:
        path: The file. The PPG is the channel named PLETH, PPG or BVP, or the only channel if its waveform is that of
            a PPG (``ecggen.core.waveform``).
        record: Which recording, if the file holds several: its name, or its number from 1.
        fs: Sampling rate in Hz, if the file does not state it.
        channel: Name of the channel in the file, or its number from 1.
        start: Start in seconds.
        seconds: Duration in seconds; everything by default.
        heart_rate: Beats per minute, if known. It decides whether a second wave in each beat is a dicrotic wave.

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
        found = without_stamp(decode(path, record, start=start, seconds=seconds, fs=fs))
        row, selected = _row(found, channel)
        if row in found.unusable:
            raise found.unusable[row]
        rate = agreed("its sampling rate", "fs", found.fs, fs, check_rate)
        if not RATES[0] <= rate <= RATES[1]:
            expected = f"{RATES[0]:g} to {RATES[1]:g} Hz were expected for a PPG"
            raise InputError(
                f"the sampling rate is {rate:g} Hz", expected, "correct the rate, or use another recording"
            )
        with after(start):
            part = _part(np.asarray(found.values[row], np.float64), rate, start - found.begins, seconds)
            wave, missing, gaps = _checked(part, rate)
        notes = [*gaps, *clipped(wave)]
        notes += _other_waveform(wave, rate, found, row, selected)
        wave, inverted = upright(wave, rate)
        name = (found.names[row] or f"channel {found.number(row)}").strip(_ROUND_A_NAME)
        refuse_no_pulse(wave, rate)
        wave, levelled = one_rise_per_beat(wave, rate, heart_rate)
        scaled = torch.from_numpy(np.where(missing, np.float32(np.nan), _scaled(wave)))
        moved = movement(path, record, found, rate, start, len(wave) / rate)
        return PPG(scaled, rate, f"{path.name}, {name}", (*notes, *inverted, *levelled), moved)


def decode(
    path: Path,
    record: str | None = None,
    *,
    start: float = 0.0,
    seconds: float | None = None,
    fs: float | None = None,
) -> Found:
    """Decode a file of any format without conversion of names and units.

    Args:
        path: The file.
        record: Which recording, if the file holds several.
        start: Start in seconds; a format may decode the segment only (``Found.begins``).
        seconds: Duration of the segment.
        fs: Sampling rate in Hz, if the file does not state it.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        with np.errstate(all="ignore"):  # an invalid gain may overflow; the result is rejected later
            if record is None and path.is_file() and npz.looks_like(Source(path)):
                return _archive(path)
            return files.decode(path, record, start=start, seconds=seconds, fs=fs)
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
        for first, last in runs(np.isnan(wave)):
            if last - first <= LONGEST_GAP * fs and first > 0 and last < len(wave):
                wave[first:last] = np.interp(np.arange(first, last), (first - 1, last), (wave[first - 1], wave[last]))
    here: np.ndarray = np.all(np.isfinite(waves), axis=0)
    whole = max(runs(here), key=lambda run: run[1] - run[0], default=(0, 0))
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


def _row(found: Found, channel: str | None) -> tuple[int, bool]:
    """Row of the PPG, and whether its name or the user says that it is one."""
    names, here = found.names, listed(found.names) or f"{len(found.names)} without names"
    if found.values.ndim != 2:
        do = "write one record to a file first"
        raise InputError("the file holds a batch of records", "one recording was expected", do)
    if channel is not None:
        return _named(found, channel.strip(), here), True
    if len(rows := ppg_rows(found)) == 1:
        return rows[0], True
    if not rows and len(names) == 1 and not _is_something_else(names[0]):
        return 0, False
    what = "several channels may be the PPG" if rows else "no channel is known to be a PPG"
    named = [names[row] for row in rows] or names
    raise InputError(
        f"{what} ({listed(named) or here})",
        "one named PLETH, PPG or BVP was expected",
        f"select it, e.g. {argument(channel=(named[0] or '').strip(_ROUND_A_NAME) if any(named) else '1')}",
    )


def _named(found: Found, channel: str, here: str) -> int:
    """Row of the channel that the user gives by name or number; a name takes precedence."""
    known = [(name or "").strip(_ROUND_A_NAME).casefold() for name in found.names]
    rows = [row for row, name in enumerate(known) if name and name == channel.casefold()]
    if not rows and channel.isdecimal():
        rows = [row for row in range(len(known)) if str(found.number(row)) == channel]
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


def _checked(wave: np.ndarray, fs: float) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """``wave`` without gaps; which samples of it are missing; and notes on the gaps.

    Short gaps are interpolated. In longer ones, ``wave`` has the level on either side, and the samples are missing.

    Raises:
        InputError: If the PPG is too short, has gaps that are too long, is flat or implausibly large.
    """
    if len(wave) < SHORTEST * fs:
        raise InputError(f"the PPG lasts {len(wave) / fs:.3g} s", f"at least {SHORTEST:g} s were expected")
    lacking = ~np.isfinite(wave)
    (wave,), (first, last) = fill_gaps(wave[None], fs)
    missing = ~np.isfinite(wave)
    if max((end - begin for begin, end in runs(missing)), default=0) > LONGEST_MASKED * fs or missing.all():
        part = argument(start=round(first / fs, 4), seconds=round((last - first) / fs, 4))
        raise InputError(
            f"the PPG lacks {lacking.sum()} of {len(wave)} samples, the first at {lacking.argmax() / fs:.3f} s",
            f"gaps of at most {LONGEST_MASKED:g} s were expected",
            f"read the longest complete segment: {part}" if last - first >= SHORTEST * fs else "use another recording",
        )
    if missing.any():
        wave = with_levels(wave, ~missing, fs)
    if np.abs(wave).max() > LARGEST:
        raise InputError(f"the PPG reaches {np.abs(wave).max():.3g}", f"less than {LARGEST:g} was expected")
    if np.ptp(wave) == 0:
        raise InputError(
            f"the PPG is flat at {wave[0]:.6g}", "pulses were expected", "check whether the sensor was worn"
        )
    return wave, missing, _gap_notes(lacking, missing, fs)


def _gap_notes(lacking: np.ndarray, masked: np.ndarray, fs: float) -> list[str]:
    """Notes on gaps that were bridged, and on gaps that are left to a generator."""
    notes = []
    for at, what in ((lacking & ~masked, "bridged"), (masked, "are missing: beats there are generated")):
        parts = runs(at)
        if parts:
            first, last = parts[0]
            gap = f"{(last - first) / fs:.3f} s at {first / fs:.3f} s"
            where = gap if len(parts) == 1 else f"{len(parts)} gaps, the first at {first / fs:.3f} s"
            notes.append(f"PPG: {at.sum()} samples {what} ({where})")
    return notes


def _other_waveform(wave: np.ndarray, fs: float, found: Found, row: int, selected: bool) -> list[str]:
    """A note if a selected channel looks like an ECG; InputError if another one does not look like a PPG."""
    channel = (found.names[row] or "").strip(_ROUND_A_NAME)
    named = f"channel {called(channel) if channel else found.number(row)}"
    middle = max(0, len(wave) - round(JUDGED * fs)) // 2
    wave = wave[middle : len(wave) - middle]
    is_ecg = looks_like_ecg(wave, fs)
    if selected:
        return [f"{named} looks like an ECG and not like a PPG"] if is_ecg else []
    inverted = lean(wave, fs) < UPSIDE_DOWN
    if looks_like_ppg(-wave if inverted else wave, fs, regular=inverted):
        return []
    expected = "a channel named PLETH, PPG or BVP, or one with the waveform of a PPG, was expected"
    either = argument(channel=channel or str(found.number(row)))
    if is_ecg:
        what = f"this looks like an ECG whose lead is not named: {named}"
        raise InputError(what, expected, f"name its lead with {argument(leads='I')}, or, if it is a PPG, pass {either}")
    what = f"{named} has the waveform neither of a PPG nor of an ECG"
    raise InputError(what, expected, f"if it is a PPG, pass {either}")


def _scaled(wave: np.ndarray) -> np.ndarray:
    """``wave`` as float32 with mean 0 and standard deviation 1."""
    return ((wave - wave.mean()) / wave.std()).astype(np.float32)
