"""``ecggen translate``: translate a PPG into a twelve-lead ECG with the same beats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from ecggen.cli import console
from ecggen.cli.jobs import pulse_report
from ecggen.cli.jobs.long_recordings import recordings
from ecggen.cli.jobs.long_recordings.job import process
from ecggen.cli.jobs.results import describe, mean_of, refuse_existing, rounded, store_and_print
from ecggen.cli.options import (
    LONG_MODEL,
    PULSE_MODEL,
    Age,
    GuidanceScale,
    HeartRate,
    Json,
    Level,
    LongFormats,
    NumSteps,
    Overwrite,
    PlotFormat,
    PulseModel,
    Rate,
    Record,
    Resume,
    Seconds,
    Seed,
    Sex,
    Start,
    Text,
    TruthLeads,
    amplitude_notes,
    of_truth,
    open_recording,
    suffixes_of,
)

if TYPE_CHECKING:
    from ecggen.conditioning.condition import Condition
    from ecggen.conditioning.preprocessing import Preprocessor
    from ecggen.core.ecg import ECG
    from ecggen.generators.base import Generator
    from ecggen.generators.reconstruction import Reconstruction
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
    model: PulseModel = None,
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
    from ecggen.core.errors import InputError
    from ecggen.io.ppg import read_ppg

    refuse_existing(out, overwrite)
    if num_draws < 1:
        raise InputError(f"{num_draws} draws", "at least 1 was expected")
    suffixes_of(format_ or "wfdb")  # a wrong format is refused before anything is computed
    part = {"start": start, "seconds": seconds}
    ppg = read_ppg(file, record=record, channel=channel, fs=fs, heart_rate=heart_rate, **part)
    if recordings.is_long(ppg.seconds):
        _translate_long(context, file, ppg)
    else:
        _translate(context, file, ppg)


def _translate(context: Context, file: Path, ppg: PPG) -> None:
    """Translate a PPG as a whole."""
    from ecggen.conditioning.condition import Condition
    from ecggen.conditioning.consistency import follow_measured_rate
    from ecggen.generators.base import load

    options = context.params
    generator = load(options["model"] or PULSE_MODEL)
    generator = generator.with_sampling(options["num_steps"], options["guidance_scale"])
    true, doubts = _true(context)
    beats, found = pulse_report.pulse_report(ppg)
    _refuse_all(found["refused"], ppg)
    known = {name: options[name] for name in ("text", "age", "sex", "heart_rate")}
    condition = Condition(ppg=ppg, **known, fs=generator.preprocessor.fs)
    condition, notes = follow_measured_rate(condition, generator.preprocessor)
    result = _drawn(generator, condition, options)
    ecg = mean_of(result)
    result = pulse_report.without_refused(result, found["refused"])
    about = describe(result) | {"ppg": ppg.origin, "ppg_fs": ppg.fs}
    rhythm = found["rhythm"]
    rates = {
        "ppg": rounded(rhythm["rate"]),
        "ppg_interval": rhythm["rate_interval"],
        "requested": options["heart_rate"],
    }
    about["heart_rate"] = rates | {"drawn": rounded(_rate(ecg, generator.preprocessor))}
    about["notes"] = [*ppg.notes, *notes, *doubts, *_contradictions(about["heart_rate"])]
    about |= {"leads": LEADS, "timing": TIMING} | found
    if true is not None:
        from ecggen.benchmark.translation import against_truth

        about["against_truth"] = against_truth(ecg, true, generator.preprocessor)
    del generator  # its memory is not needed together with that of the plot
    figures = {"_beats": pulse_report.picture(ppg, beats, found, file.stem)}
    store_and_print(result, file, about, as_text(about), condition, context, figures)


def _drawn(generator: Generator, condition: Condition, options: dict[str, Any]) -> ECG | Reconstruction:
    """One draw, or the mean of several with a prediction interval."""
    num_draws, level, seed = (options[name] for name in ("num_draws", "level", "seed"))
    with console.progress("generating", quiet=options["as_json"]) as share:
        if num_draws == 1:
            return generator.sample(condition, seed)
        return generator.reconstruct(
            condition, num_draws=num_draws, level=level, seed=seed, keep_draws=False, progress=share
        )


def _translate_long(context: Context, file: Path, ppg: PPG) -> None:
    """Translate a long PPG in blocks."""
    from ecggen.conditioning.condition import Condition
    from ecggen.generators.base import load
    from ecggen.generators.streaming.blocks import Options

    options = context.params
    generator = load(options["model"] or LONG_MODEL)
    generator = generator.with_sampling(options["num_steps"], options["guidance_scale"])
    recordings.refuse_truth(options["truth"])
    condition = Condition(text=options["text"], age=options["age"], sex=options["sex"], n=1)
    _, found = pulse_report.pulse_report(ppg)
    _refuse_all(found["refused"], ppg)
    sampling = Options(options["num_draws"], options["level"], options["seed"])
    blocks = recordings.of_pulses(generator, condition, sampling, ppg, found["refused"])
    notes = [*ppg.notes, *([] if options["heart_rate"] is None else [recordings.RATE]), LEADS, TIMING]
    notes += [pulse_report.rate_line(found["rhythm"])]
    notes += pulse_report.as_lines(found | {"refused": []}) + pulse_report.share_refused(found, ppg)
    process(context, blocks, file, notes, condition)


def _refuse_all(refused: Sequence[dict], ppg: PPG) -> None:
    """Raise InputError if the beats are certain in no part of a PPG."""
    from ecggen.core.errors import InputError

    if sum(part["end"] - part["start"] for part in refused) >= ppg.seconds - 1e-6:
        found = f"in no part of the PPG are the beats certain ({refused[0]['reason']})"
        do = "choose a part with less noise with --start and --seconds, or another channel"
        raise InputError(found, "pulses that a network recognises were expected", do)


def _true(context: Context) -> tuple[ECG | None, list[str]]:
    """The true lead II, if it is given, and doubts about its amplitude."""
    from ecggen.core.errors import spelled

    options, truth = context.params, context.params["truth"]
    if truth is None:
        return None, []
    part = {name: options[name] for name in ("unit", "start", "seconds")}
    with spelled(of_truth(context, leads="--truth-leads", unit="--unit", start="--start", seconds="--seconds")):
        true = open_recording(truth, options["truth_leads"] or LEAD, check=False, **part).pick(LEAD)
        doubts = amplitude_notes(true, truth, (LEAD,), **part)
    return true, [f"truth: {doubt}" for doubt in doubts]


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
        f"heart rate: {requested}measured {pulse_report.rate_text(rates['ppg'], rates['ppg_interval'])} and "
        f"{_per_minute(rates['drawn'])} (ECG)",
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
