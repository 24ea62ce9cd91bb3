"""A recording from the command line: what the file leaves open comes from options, and leads are chosen by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ecggen.errors import InputError

if TYPE_CHECKING:
    from ecggen.ecg import ECG

File = Annotated[
    Path, Argument(help="The recording: WFDB (.hea), CSV, npz, or an Apple Watch CSV.", show_default=False)
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
) -> ECG:
    """The recording in ``file``, with only the leads that are asked for; its quality is judged on those."""
    from ecggen.io import read

    ecg = read(
        file,
        fs=fs,
        unit=unit,
        leads=None if leads is None else [name for name in re.split(r"[,\s]+", leads) if name],
        start=start,
        seconds=seconds,
        check=check,
        allow_contradiction=allow_contradiction,
    )
    if len(ecg) != 1:
        raise InputError(f"{file} holds {len(ecg)} records", "one was expected", "write one of them to a file first")
    return ecg
