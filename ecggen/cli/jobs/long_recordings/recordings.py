"""Which recordings are long, and their blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecggen.cli.options import amplitude_notes
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.conditioning.condition import Condition
    from ecggen.core.ecg import ECG
    from ecggen.generators.base import Generator
    from ecggen.generators.streaming.blocks import Blocks, Options
    from ecggen.io.ppg import PPG

LONG = 1800.0
"""Duration in seconds from which a recording is processed in blocks."""
SMALL = {".hea": 0, ".dat": 2**18, ".edf": 2**18, ".bdf": 2**18}
"""Smallest size in bytes of a file that may be long, by suffix; a header says nothing about the size."""
SMALL_OTHER = 2**22
"""The same for other formats, which are decoded as a whole to learn their duration."""
OPENING = 300.0
"""Seconds at the beginning of a recording in which beats are looked for."""
RATE = "the heart rate was not used: over a long recording it changes, and each part follows its own beats"
"""Note on a heart rate that was given."""


def duration(file: Path, **options: Any) -> float | None:
    """Duration in seconds of a recording that is processed in blocks; None for a shorter one.

    Args:
        file: The recording.
        options: Options of ``ecggen.io.reading``.
    """
    from ecggen.io import reading

    if not file.is_file() or file.stat().st_size < SMALL.get(file.suffix.lower(), SMALL_OTHER):
        return None
    start, seconds = options.pop("start", 0.0), options.pop("seconds", None)
    try:
        lasts = reading(file, start=start, seconds=1.0, check=False, gaps=True, **options).lasts
    except InputError:
        return None  # read as usual, with the message for that case
    whole = lasts - start if seconds is None else min(seconds, lasts - start)
    return whole if is_long(whole) else None


def is_long(seconds: float) -> bool:
    """Whether a recording of this duration is processed in blocks."""
    return seconds > LONG


def refuse_truth(truth: Path | None) -> None:
    """Raise InputError if a truth is given for a long recording."""
    if truth is not None:
        found = f"the recording lasts more than {LONG / 60:g} min"
        raise InputError(found, "a shorter part was expected for --truth", "select one, e.g. --seconds 600")


def reader(file: Path, rate: float, start: float, **options: Any) -> Callable[[int, int], ECG]:
    """A function that reads a range of samples of a recording at ``rate`` Hz."""
    from ecggen.io import read

    def part(first: int, last: int) -> ECG:
        ecg = read(file, start=start + first / rate, seconds=(last - first) / rate, check=False, gaps=True, **options)
        if ecg.samples != last - first:
            found = f"{file.name} gave {ecg.samples} samples"
            raise InputError(found, f"{last - first} were expected", "convert it: ecggen convert IN OUT.hea")
        return ecg

    return part


def of_leads(
    file: Path,
    generator: Generator,
    condition: Condition,
    options: Options,
    start: float,
    seconds: float,
    allow_noise: bool,
    **reading: Any,
) -> tuple[Blocks, list[str]]:
    """Blocks of a recording with leads, and doubts about it.

    Args:
        file: The recording.
        generator: The model.
        condition: Text and metadata.
        options: Sampling options.
        start: Start in seconds.
        seconds: Duration in seconds.
        allow_noise: Whether to continue if no beats are certain in its first ``OPENING`` seconds.
        reading: Further options of ``ecggen.io.read``.

    Raises:
        InputError: If it cannot be read, or is no ECG.
    """
    from ecggen.conditioning.gaps import filled
    from ecggen.generators.streaming.blocks import Blocks, LeadRecording
    from ecggen.io import read
    from ecggen.io.files import naming_file
    from ecggen.io.inspection import refuse_noise

    if options.num_draws < 2:
        raise InputError(f"{options.num_draws} draws", "at least 2 were expected for an interval")
    opening = read(file, start=start, seconds=min(OPENING, seconds), gaps=True, **reading)
    with naming_file(file):
        doubts = refuse_noise(filled(opening)[0], allow_noise)
    generator.check_margin(opening.leads, options.level)
    samples, fs = round(seconds * opening.fs), opening.fs
    reading.pop("allow_contradiction", None)
    doubts += amplitude_notes(opening, file, start=start, seconds=min(OPENING, seconds), **reading)
    recording = LeadRecording(reader(file, fs, start, **reading), samples, fs, condition, generator.preprocessor)
    return Blocks(generator, recording, options), [f"in its first {OPENING / 60:g} min: {doubt}" for doubt in doubts]


def of_pulses(
    generator: Generator, condition: Condition, options: Options, ppg: PPG, refused: Sequence[dict[str, Any]]
) -> Blocks:
    """Blocks of a recording with a PPG, without its refused parts."""
    from ecggen.generators.streaming.blocks import Blocks, PulseRecording

    parts = [(part["start"], part["end"]) for part in refused]
    return Blocks(generator, PulseRecording(ppg.wave, ppg.fs, condition, generator.preprocessor, parts), options)
