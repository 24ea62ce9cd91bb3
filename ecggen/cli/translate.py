"""``ecggen translate``: translate a PPG into a twelve-lead ECG with the same beats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from ecggen.cli import console
from ecggen.cli.jobs import long_recordings, pulse_report
from ecggen.cli.jobs.results import describe, mean_of, rounded, store
from ecggen.cli.options import (
    DEFAULT_MODEL,
    LONG_MODEL,
    Age,
    GuidanceScale,
    HeartRate,
    Json,
    Level,
    LongFormats,
    LongModel,
    NumSteps,
    Overwrite,
    PlotFormat,
    Rate,
    Record,
    Resume,
    Seconds,
    Seed,
    Sex,
    Start,
    Text,
    TruthLeads,
    of_truth,
    open_recording,
    suffixes_of,
)

if TYPE_CHECKING:
    from ecggen.conditioning.preprocessing import Preprocessor
    from ecggen.core.ecg import ECG
    from ecggen.io.ppg import PPG

LEAD = "II"
LEADS = (
    "only the times of the beats follow this patient; the waves of all leads are typical only. Lead II was learnt from "
    "simultaneous PPG and ECG, the other leads from simulated pulses and from generated leads"
)
"""Note on the leads of a translated ECG."""
TIMING = (
    "the ECG has an unknown constant delay, because the delay from R peak to pulse in the PPG is unknown; the model "
    "assumes 0.25 s from R peak to steepest rise"
)
"""Note on the timing of a translated ECG; 0.25 s is ``simulate.PULSE_DELAY``."""


def translate(
    context: Context,
    file: Annotated[
        Path, Argument(help="The PPG: WFDB (.hea), CSV, npz, or an Empatica E4 BVP.csv.", show_default=False)
    ],
    out: Annotated[Path, Option(help="Output folder; it must not exist.")],
    channel: Annotated[
        str | None, Option(help="Name of the PPG channel (default: PLETH, PPG or BVP), or its number from 1.")
    ] = None,
    record: Record = None,
    model: LongModel = None,
    num_draws: Annotated[
        int, Option(help="Number of draws. 1 gives a single draw; more give their mean with a prediction interval.")
    ] = 1,
    level: Level = 0.9,
    seed: Seed = 0,
    num_steps: NumSteps = None,
    guidance_scale: GuidanceScale = None,
    fs: Rate = None,
    start: Start = 0.0,
    seconds: Seconds = None,
    text: Text = None,
    age: Age = None,
    sex: Sex = None,
    heart_rate: HeartRate = None,
    truth: Annotated[Path | None, Option(help="Recording with the true lead II, for a comparison.")] = None,
    unit: Annotated[str | None, Option(help="mV, uV or V of the true lead, if its file does not state it.")] = None,
    truth_leads: TruthLeads = None,
    plot_format: PlotFormat = "png",
    format_: LongFormats = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Translate a PPG into a twelve-lead ECG with the same beats.

    A PPG determines the times of the beats, but hardly the waveform: the beats follow the pulses, and the waveform is
    generated. The output folder holds the twelve leads (see --format), a plot, and a summary (txt, json) with the
    limitations. Not for diagnosis.

    A PPG of more than 30 minutes is translated in blocks, with --format wfdb by default. Its folder holds an overview
    page instead of the plot. --resume continues it after an interruption.
    """
    from ecggen.conditioning.condition import Condition
    from ecggen.conditioning.consistency import follow_measured_rate
    from ecggen.core.errors import InputError, spelled
    from ecggen.generators.base import load
    from ecggen.generators.streaming.blocks import Options
    from ecggen.io.ppg import read_ppg

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists", "a new folder was expected", "choose another, or pass --overwrite")
    if num_draws < 1:
        raise InputError(f"{num_draws} draws", "at least 1 was expected")
    suffixes = suffixes_of(format_ or "wfdb,csv")
    chosen = {"record": record, "channel": channel, "start": start, "seconds": seconds}
    ppg = read_ppg(file, fs=fs, heart_rate=heart_rate, **chosen)
    is_long = ppg.seconds > long_recordings.LONG
    generator = load(model or (LONG_MODEL if is_long else DEFAULT_MODEL)).with_sampling(num_steps, guidance_scale)
    if is_long:
        long_recordings.refuse_truth(truth)
        condition = Condition(text=text, age=age, sex=sex, n=1)
        _, found = pulse_report.pulse_report(ppg)
        _refuse_all(found["refused"], ppg)
        blocks = long_recordings.of_pulses(generator, condition, Options(num_draws, level, seed), ppg, found["refused"])
        notes = [*ppg.notes, *([] if heart_rate is None else [long_recordings.RATE]), LEADS, TIMING]
        notes += pulse_report.as_lines(found | {"refused": []}) + pulse_report.share_refused(found, ppg)
        job = long_recordings.job_of(context, blocks, file, notes, suffixes_of(format_ or "wfdb"), condition)
        long_recordings.report(job, as_json)
        return
    with spelled(of_truth(context, leads="--truth-leads", unit="--unit", start="--start", seconds="--seconds")):
        true = None if truth is None else _true(truth, truth_leads, unit, start, seconds)
    beats, found = pulse_report.pulse_report(ppg)
    _refuse_all(found["refused"], ppg)
    fs_model = generator.preprocessor.fs
    condition = Condition(ppg=ppg, text=text, age=age, sex=sex, heart_rate=heart_rate, fs=fs_model)
    condition, notes = follow_measured_rate(condition, generator.preprocessor)
    with console.progress("generating", quiet=as_json) as share:
        if num_draws == 1:
            result = generator.sample(condition, seed)
        else:
            result = generator.reconstruct(
                condition, num_draws=num_draws, level=level, seed=seed, keep_draws=False, progress=share
            )
    ecg = mean_of(result)
    result = pulse_report.without_refused(result, found["refused"])
    about = describe(result) | {"ppg": ppg.origin, "ppg_fs": ppg.fs}
    measured = found["rhythm"]["rate"]
    rates = {"ppg": rounded(measured), "requested": heart_rate}
    about["heart_rate"] = rates | {"drawn": rounded(_rate(ecg, generator.preprocessor))}
    about["notes"] = [*ppg.notes, *notes, *_contradictions(about["heart_rate"])]
    about["leads"], about["timing"] = LEADS, TIMING
    about |= found
    if true is not None:
        from ecggen.benchmark.translation import against_truth

        about["against_truth"] = against_truth(ecg, true, generator.preprocessor)
    del generator  # its memory is not needed together with that of the plot
    figures = {"_beats": pulse_report.picture(ppg, beats, found, file.stem)}
    names = store(result, file.stem, about, as_text(about), out, plot_format, suffixes, condition, figures)
    if as_json:
        console.print_json(about | {"folder": str(out)})
    else:
        console.print_text(as_text(about))
        plots = [str(out / f"{file.stem}{end}.{plot_format}") for end in ("", "_beats")]
        console.print_text(f"plots:     {', '.join(plots)}\nfiles:     {', '.join(names)}")


def _refuse_all(refused: Sequence[dict], ppg: PPG) -> None:
    """Raise InputError if the beats are certain in no part of a PPG."""
    from ecggen.core.errors import InputError

    if sum(part["end"] - part["start"] for part in refused) >= ppg.seconds - 1e-6:
        found = f"in no part of the PPG are the beats certain ({refused[0]['reason']})"
        do = "choose a part with less noise with --start and --seconds, or another channel"
        raise InputError(found, "pulses that a network recognises were expected", do)


def _true(file: Path, leads: str | None, unit: str | None, start: float, seconds: float | None) -> ECG:
    """The true lead II."""
    return open_recording(file, leads or LEAD, None, unit, start, seconds, check=False).pick(LEAD)


def as_text(about: dict) -> str:
    """The summary as text."""
    rates = about["heart_rate"]
    count = "1 draw" if about["num_draws"] == 1 else f"mean of {about['num_draws']} draws"
    requested = "" if rates["requested"] is None else f"requested {rates['requested']:g}, "
    lines = [
        "SYNTHETIC; not for diagnosis",
        f"recorded:  PPG ({about['ppg']}, {about['seconds']:.2f} s at {about['ppg_fs']:g} Hz)",
        f"generated: {', '.join(about['generated'])}",
        f"condition: {about['condition']}",
        f"model:     {about['model']}, {count}, seed {about['seed']}",
        f"heart rate: {requested}measured {_per_minute(rates['ppg'])} (PPG) and {_per_minute(rates['drawn'])} (ECG)",
        *pulse_report.as_lines(about),
        *(f"note:      {note}" for note in about["notes"]),
        f"leads:     {about['leads']}",
        f"timing:    {about['timing']}",
    ]
    if "against_truth" in about:
        lines.append(_against(about["against_truth"]))
    return "\n".join(lines)


def _against(true: dict) -> str:
    """The comparison with the true lead as text."""
    if true["delay"] is None:
        return "comparison with the true lead II: no R peaks to compare"
    side = "late" if true["delay"] > 0 else "early"
    before, after = true["f1_50_as_drawn"], true["f1_50_delay_removed"]
    return (
        f"comparison with the true lead II: generated beats are {abs(true['delay']):.2f} s {side} throughout; "
        f"F1 of R peaks within 50 ms: {before:.2f}, {after:.2f} after this delay is removed"
    )


def _contradictions(rates: dict[str, float | None]) -> list[str]:
    """A note if the heart rate of the generated ECG contradicts that of the PPG."""
    from ecggen.core.rhythm import contradiction

    if rates["drawn"] is None:
        return ["no beats were found in the generated lead II"]
    if not contradiction(rates["drawn"], rates["ppg"]):
        return []
    found = f"the heart rate of the generated ECG is {rates['drawn']:.0f} and that of the PPG is {rates['ppg']:.0f}"
    return [f"{found}: do not use this ECG"]


def _rate(ecg: ECG, preprocessor: Preprocessor) -> float | None:
    """Heart rate in lead II."""
    from ecggen.core.rhythm import heart_rate, r_peaks

    return heart_rate(r_peaks(preprocessor.ecg(ecg.pick(LEAD)))[0])


def _per_minute(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f}"
