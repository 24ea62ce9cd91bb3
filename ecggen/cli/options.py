"""Options that several commands share: the recording, text and metadata of the condition, sampling and output.

Options supply what a file does not state, such as its sampling rate. Leads are selected by name.
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
        help="The recording: WFDB (.hea), EDF, DICOM, CSV, the export of a watch and others (see docs/guides/formats).",
        show_default=False,
    ),
]
Record = Annotated[
    str | None, Option(help="Recording to use if the file holds several: its name, or its number from 1.")
]
Leads = Annotated[
    str | None,
    Option(
        help="Leads to use, e.g. I or II,V1,V5 (default: all in the file). "
        "If the file does not name its channels: their names."
    ),
]
Rate = Annotated[float | None, Option("--fs", help="Sampling rate in Hz, if the file does not state it.")]
Unit = Annotated[str | None, Option(help="mV, uV or V, if the file does not state it.")]
Start = Annotated[float, Option(help="Start of the part to use, in seconds.")]
Seconds = Annotated[float | None, Option(help="Duration of the part to use, in seconds (default: to the end).")]
Contradiction = Annotated[
    bool, Option("--allow-contradiction", help="Continue if the leads violate Einthoven's law (III = II − I).")
]
Text = Annotated[str | None, Option(help="Findings in words, e.g. 'atrial fibrillation, 74-year-old woman, 130 bpm'.")]
Age = Annotated[float | None, Option(help="Age in years.")]
Sex = Annotated[str | None, Option(help="M or F.")]
HeartRate = Annotated[
    float | None, Option(help="Heart rate in beats per minute. A contradicting rate of the recording takes precedence.")
]
Model = Annotated[str, Option(help="Generator: gan, vae, flow, diffusion, or a checkpoint folder.")]
NumSteps = Annotated[int | None, Option(help="Number of sampler steps (default: the checkpoint's).")]
GuidanceScale = Annotated[
    float | None,
    Option(help="Guidance scale for text and metadata; 1 is no guidance (default: the checkpoint's)."),
]
Level = Annotated[float, Option(help="Nominal coverage of the prediction interval.")]
Seed = Annotated[int, Option(help="Random seed; the same seed gives the same output.")]
PlotFormat = Annotated[str, Option(help="Format of the plot: png, svg or pdf.")]
Personal = Annotated[
    bool,
    Option("--personal", help="Keep identifying metadata: names, birth dates, numbers, dates and free text."),
]
Formats = Annotated[
    str,
    Option(
        "--format",
        help="File formats of the twelve leads, separated by commas: wfdb, challenge, csv, npz, edf, dicom, aecg.",
    ),
]
Shard = Annotated[
    str | None,
    Option(help="Write only one part of the job, e.g. 2/4 for the second of four; parts may run in parallel."),
]
Resume = Annotated[bool, Option("--resume", help="Continue an interrupted job.")]
Cache = Annotated[Path | None, Option(help="Folder of packed data sets (default: ~/.cache/ecggen).")]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace existing files.")]
Json = Annotated[bool, Option("--json", help="Print the result as JSON.")]
Set = Annotated[
    list[str] | None, Option("--set", help="Override a value of the config, e.g. --set training.epochs=3; repeatable.")
]


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
    """Read the only recording in ``file``, with the selected leads; the quality check covers these leads only."""
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
        raise InputError(f"{file} holds {len(ecg)} records", "one was expected", "select one with --record")
    return ecg


def suffixes_of(names: str) -> list[str]:
    """File suffixes of the formats in an option, separated by commas.

    Raises:
        InputError: If ecggen does not write one of the formats.

    Example:
        >>> suffixes_of("wfdb,csv")
        ['.hea', '.csv']
    """
    from ecggen.io.formats import FORMS

    found = [name.strip() for name in names.split(",") if name.strip()]
    if not found or not set(found) <= FORMS.keys():
        raise InputError(f"the formats are {names!r}", f"some of {', '.join(FORMS)} were expected")
    if {"wfdb", "challenge"} <= set(found):
        raise InputError("the formats are wfdb and challenge", "one of them was expected: both write a .hea")
    return list(dict.fromkeys(FORMS[name] for name in found))


def named_leads(leads: str | None) -> tuple[str, ...] | None:
    """Lead names in an option, separated by commas or spaces.

    Example:
        >>> named_leads("II, V1")
        ('II', 'V1')
    """
    return None if leads is None else tuple(name for name in re.split(r"[,\s]+", leads) if name)
