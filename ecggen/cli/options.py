"""What several commands are given: a recording, what is known of the heart besides, and how to draw.

What a file leaves open comes from options, and leads are chosen by name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.core.ecg import ECG

File = Annotated[
    Path,
    Argument(
        help="The recording: WFDB (.hea), EDF, DICOM, CSV, a watch's export … (README: Formats).", show_default=False
    ),
]
Record = Annotated[
    str | None, Option(help="Which recording, where the file holds several: its name, or its number from 1.")
]
Leads = Annotated[
    str | None,
    Option(
        help="The leads to use, as I or II,V1,V5 (default: all in the file). "
        "Where the file does not name its columns: their names."
    ),
]
Rate = Annotated[float | None, Option("--fs", help="Sampling rate in Hz, where the file does not say.")]
Unit = Annotated[str | None, Option(help="mV, uV or V, where the file does not say.")]
Start = Annotated[float, Option(help="Where to begin, in seconds.")]
Seconds = Annotated[float | None, Option(help="How much to read, in seconds (default: to the end).")]
Contradiction = Annotated[
    bool, Option("--allow-contradiction", help="Go on where the leads break Einthoven's law (III = II − I).")
]
Text = Annotated[str | None, Option(help="What the ECG is to show, in words.")]
Age = Annotated[float | None, Option(help="Age in years.")]
Sex = Annotated[str | None, Option(help="M or F.")]
HeartRate = Annotated[
    float | None, Option(help="Heart rate in beats per minute; where a recording is given, what it shows wins.")
]
Model = Annotated[str, Option(help="A shipped checkpoint's name, or a checkpoint folder.")]
Steps = Annotated[int | None, Option(help="Steps of the sampler (default: the checkpoint's).")]
Guidance = Annotated[
    float | None, Option(help="How strongly text and metadata are followed: 1 as learnt (default: the checkpoint's).")
]
Level = Annotated[float, Option(help="Share of true samples that the prediction interval is to hold.")]
Seed = Annotated[int, Option(help="The same seed gives the same ECG.")]
Picture = Annotated[str, Option(help="Format of the plot: png, svg or pdf.")]
Personal = Annotated[
    bool, Option("--personal", help="Keep what tells who the patient is: names, birth dates, numbers, free text.")
]
Forms = Annotated[
    str,
    Option("--format", help="File formats of the twelve leads, separated by commas: wfdb, csv, npz, edf, dicom, aecg."),
]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace files that exist.")]
Json = Annotated[bool, Option("--json", help="Print JSON for a program.")]


def open_recording(
    file: Path,
    leads: str | None = None,
    fs: float | None = None,
    unit: str | None = None,
    start: float = 0.0,
    seconds: float | None = None,
    allow_contradiction: bool = False,
    check: bool = True,
    record: str | None = None,
) -> ECG:
    """The recording in ``file``, with only the leads that are asked for; its quality is judged on those."""
    from ecggen.io import read

    ecg = read(
        file,
        record=record,
        fs=fs,
        unit=unit,
        leads=named_leads(leads),
        start=start,
        seconds=seconds,
        check=check,
        allow_contradiction=allow_contradiction,
    )
    if len(ecg) != 1:
        raise InputError(f"{file} holds {len(ecg)} records", "one was expected", "write one of them to a file first")
    return ecg


def suffixes_of(names: str) -> list[str]:
    """The suffixes of the forms in an option.

    Raises:
        InputError: Where one is none that ecggen writes.
    """
    from ecggen.io.formats import FORMS

    found = [name.strip() for name in names.split(",") if name.strip()]
    if not found or not set(found) <= FORMS.keys():
        raise InputError(f"the forms are {names!r}", f"some of {', '.join(FORMS)} were expected")
    if {"wfdb", "challenge"} <= set(found):
        raise InputError("the forms are wfdb and challenge", "one of them was expected: both write a .hea")
    return list(dict.fromkeys(FORMS[name] for name in found))


def named_leads(leads: str | None) -> tuple[str, ...] | None:
    """The names in an option, apart by commas or blanks."""
    return None if leads is None else tuple(name for name in re.split(r"[,\s]+", leads) if name)
