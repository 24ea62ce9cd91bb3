"""Options that several commands share: the recording, text and metadata of the condition, sampling and output.

Options supply what a file does not state, such as its sampling rate. Leads are selected by name. Messages name an
argument as an option of the running command (``--fs 500`` instead of ``fs=500``), so that they never name one that it
lacks: for such an option they name a command that has it, because a recording can be converted first.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from ecggen.core.errors import InputError, argument

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
        help="Leads to use, e.g. I or II,V1,V5 (default: all in the file). II=ECG or II=2 is the channel of that name "
        "or number, read as lead II. If the file does not name its channels: their names in order, - to omit one."
    ),
]
TruthLeads = Annotated[
    str | None,
    Option(help="Leads to use of the recording in --truth; II=ECG or II=2 is the channel of that name or number."),
]
Rate = Annotated[float | None, Option("--fs", help="Sampling rate in Hz, if the file does not state it.")]
Unit = Annotated[str | None, Option(help="mV, uV or V, if the file does not state it.")]
Gain = Annotated[
    float | None, Option(help="Counts per mV (or per --unit), if the values are counts of a converter, e.g. 200.")
]
Baseline = Annotated[float | None, Option(help="Count at 0 mV, with --gain (default: 0).")]
Start = Annotated[float, Option(help="Start of the part to use, in seconds.")]
Seconds = Annotated[float | None, Option(help="Duration of the part to use, in seconds (default: to the end).")]
Contradiction = Annotated[
    bool, Option("--allow-contradiction", help="Continue if the leads violate Einthoven's law (III = II − I).")
]
Noise = Annotated[
    bool, Option("--allow-noise", help="Continue if no lead shows certain heartbeats (noise, or not an ECG).")
]
Text = Annotated[str | None, Option(help="Findings in words, e.g. 'atrial fibrillation, 74-year-old woman, 130 bpm'.")]
Age = Annotated[float | None, Option(help="Age in years.")]
Sex = Annotated[str | None, Option(help="M or F.")]
HeartRate = Annotated[
    float | None, Option(help="Heart rate in beats per minute. A contradicting rate of the recording takes precedence.")
]
Model = Annotated[str, Option(help="Generator: gan, vae, flow, diffusion, or a checkpoint folder.")]
DEFAULT_MODEL, PULSE_MODEL, LONG_MODEL = "flow", "diffusion", "vae"
"""Generators of ``reconstruct``, of ``translate``, and of both for recordings that are processed in blocks."""
LongModel = Annotated[
    str | None,
    Option(
        help="Generator: gan, vae, flow, diffusion, or a checkpoint folder "
        f"(default: {DEFAULT_MODEL}; {LONG_MODEL} for more than 30 minutes)."
    ),
]
PulseModel = Annotated[
    str | None,
    Option(
        help="Generator: gan, vae, flow, diffusion, or a checkpoint folder "
        f"(default: {PULSE_MODEL}; {LONG_MODEL} for more than 30 minutes)."
    ),
]
NumSteps = Annotated[int | None, Option(help="Number of sampler steps (default: the checkpoint's).")]
GuidanceScale = Annotated[
    float | None,
    Option(
        help="Guidance scale for text and metadata, without leads and PPG for a given text only; 1 is no guidance "
        "(default: the checkpoint's)."
    ),
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
LongFormats = Annotated[
    str | None,
    Option(
        "--format",
        help="File formats of the twelve leads, separated by commas: wfdb, challenge, csv, npz, edf, dicom, aecg "
        "(default: wfdb,csv; wfdb for more than 30 minutes, for which wfdb, edf and csv are possible).",
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

ELSEWHERE = {"convert": "ecggen convert IN OUT.hea", "translate": "ecggen translate FILE --out OUT"}
"""Commands whose options are named if the running command lacks an option, as they are typed."""


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
    gain: float | None = None,
    baseline: float | None = None,
    gaps: bool = False,
) -> ECG:
    """Read the only recording in ``file``, with the selected leads; the quality check covers these leads only."""
    from ecggen.io import read

    ecg = read(
        file,
        record=record,
        fs=fs,
        unit=unit,
        leads=named_leads(leads),
        gain=gain,
        baseline=baseline,
        start=start,
        seconds=seconds,
        check=check,
        allow_contradiction=allow_contradiction,
        gaps=gaps,
    )
    if len(ecg) != 1:
        do = f"select one, e.g. {argument(record='1')}"
        raise InputError(f"{file} holds {len(ecg)} records", "one was expected", do)
    return ecg


def amplitude_notes(used: ECG, file: Path, leads: Sequence[str] | None, **reading: Any) -> list[str]:
    """Doubts about gains, offsets and unit of a recording, as ``ecggen info`` has them, one sentence each.

    All leads of the file are looked at, because those that are not used may show that the gains are wrong. If they
    cannot be read without naming them, the used ones are.

    Args:
        used: The used leads, which may have gaps (NaN).
        file: The recording.
        leads: Selected leads; None for all.
        reading: Further options of ``ecggen.io.read``.
    """
    from ecggen.io import read
    from ecggen.io.inspection import amplitude_doubts

    if leads is None:
        return amplitude_doubts(used)
    try:
        every = read(file, **reading, check=False, gaps=True)
    except InputError:
        return amplitude_doubts(used)
    return [f"among all leads of {file.name}: {doubt}" for doubt in amplitude_doubts(every)]


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
    """Lead names in an option, separated by commas or spaces; names of channels may hold spaces.

    Example:
        >>> named_leads("II, V1"), named_leads("II=ECG 1, V1")
        (('II', 'V1'), ('II=ECG 1', 'V1'))
    """
    separator = r"\s*,\s*" if "=" in (leads or "") else r"[,\s]+"
    return None if leads is None else tuple(name for name in re.split(separator, leads.strip()) if name)


def of_command(context: Context) -> Callable[[Mapping[str, object]], str]:
    """The spelling of arguments for the command that ``context``, that of the whole command line, has invoked."""
    options = {name: options_of(context.command, name) for name in (context.invoked_subcommand or "", *ELSEWHERE)}
    return lambda values: spell(values, options)


def of_truth(context: Context, **options: str) -> Callable[[Mapping[str, object]], str]:
    """The spelling of arguments for the recording in ``--truth`` of a command, which has ``options`` of its own."""
    every = {"": options, "convert": options_of(context.find_root().command, "convert")}
    return lambda values: spell(values, every)


def spell(values: Mapping[str, object], options: Mapping[str, Mapping[str, str]]) -> str:
    """Arguments as options.

    Args:
        values: Value of each argument; None for the option without a value.
        options: Option of each argument, for the running command and then for others that may be named.

    Returns:
        "" if no command has all of the options.

    Example:
        >>> options = {"plot": {"fs": "--fs"}, "convert": {"fs": "--fs", "seconds": "--seconds"}}
        >>> spell({"fs": 500.0}, options), spell({"seconds": 10}, options)
        ('--fs 500', 'ecggen convert IN OUT.hea --seconds 10')
    """
    for at, (command, known) in enumerate(options.items()):
        if values.keys() <= known.keys():
            words = " ".join(_words(known[name], value) for name, value in values.items())
            return f"{ELSEWHERE[command]} {words}" if at else words
    return ""


def options_of(commands: object, name: str) -> dict[str, str]:
    """Option of each argument of a command in the group ``commands``."""
    found = getattr(commands, "commands", {}).get(name)
    parameters = found.params if found else []
    return {one.name: one.opts[0] for one in parameters if one.name and one.opts and one.opts[0].startswith("-")}


def _words(option: str, value: object) -> str:
    if value is None or value is True:
        return option
    text = shlex.quote(f"{value:.10g}" if isinstance(value, float) else str(value))
    return f"{option}={text}" if text.startswith("-") else f"{option} {text}"
