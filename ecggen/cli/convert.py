"""``ecggen convert``: one file form to another, with names, units and order put right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.opening import (
    Contradiction,
    File,
    Json,
    Leads,
    Overwrite,
    Rate,
    Seconds,
    Start,
    Unit,
    open_recording,
)


def convert(
    file: File,
    out: Annotated[Path, Argument(help="The new file: .hea (WFDB), .csv or .npz.", show_default=False)],
    leads: Leads = None,
    fs: Rate = None,
    unit: Unit = None,
    start: Start = 0.0,
    seconds: Seconds = None,
    resample: Annotated[float | None, Option(help="Bring it to another rate in Hz (anti-aliased).")] = None,
    allow_contradiction: Contradiction = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Convert a recording. Leads get their standard names, the unit becomes mV; names and birth dates stay behind."""
    from ecggen.io import write

    ecg = open_recording(file, leads, fs, unit, start, seconds, allow_contradiction, check=False)
    if resample is not None:
        ecg = ecg.resample(resample)
    written = [str(path) for path in write(ecg, out, overwrite=overwrite)]
    if as_json:
        console.tell_json({"written": written, "leads": ecg.leads, "fs": ecg.fs, "seconds": ecg.seconds})
    else:
        console.tell(f"{', '.join(ecg.leads)}; {ecg.seconds:g} s at {ecg.fs:g} Hz\nwritten: {', '.join(written)}")
