"""``ecggen plot``: plot an ECG on standard paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from ecggen.cli import console
from ecggen.cli.options import Contradiction, File, Leads, Overwrite, Rate, Record, Start, Unit, open_recording


def plot(
    file: File,
    out: Annotated[Path, Option(help="Output file: .png, .svg or .pdf.")],
    record: Record = None,
    leads: Leads = None,
    fs: Rate = None,
    unit: Unit = None,
    start: Start = 0.0,
    layout: Annotated[str, Option(help="3x4 (with a rhythm strip) or 12x1.")] = "3x4",
    cabrera: Annotated[bool, Option("--cabrera", help="Limb leads in Cabrera's order.")] = False,
    speed: Annotated[float, Option(help="Paper speed in mm/s.")] = 25,
    paper_gain: Annotated[float, Option("--gain", help="Gain in mm/mV.")] = 10,
    raw: Annotated[bool, Option("--raw", help="Plot without the 0.5–40 Hz filter.")] = False,
    allow_contradiction: Contradiction = False,
    overwrite: Overwrite = False,
) -> None:
    """Plot a recording at 25 mm/s and 10 mm/mV. Generated leads are plotted in a different colour and labelled."""
    from ecggen import viz

    ecg = open_recording(file, leads, fs, unit, 0.0, None, allow_contradiction, False, record)
    display_filter = None if raw else (0.5, 40.0)
    figure = viz.draw(
        ecg,
        start=start,
        layout=layout,
        cabrera=cabrera,
        speed=speed,
        gain=paper_gain,
        title=file.stem,
        display_filter=display_filter,
    )
    console.print_text(f"plot: {viz.save(figure, out, overwrite)}")
