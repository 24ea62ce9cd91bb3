"""``ecggen reconstruct``: reconstruct twelve leads from a recording with fewer leads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Context, Option

from ecggen.cli import console
from ecggen.cli.jobs import long_recordings
from ecggen.cli.jobs.results import describe, origins_as_text, store, trust_as_text
from ecggen.cli.options import (
    DEFAULT_MODEL,
    LONG_MODEL,
    Age,
    Baseline,
    Contradiction,
    File,
    Gain,
    GuidanceScale,
    HeartRate,
    Json,
    Leads,
    Level,
    LongFormats,
    LongModel,
    Noise,
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
    Unit,
    named_leads,
    of_truth,
    open_recording,
    suffixes_of,
)


def reconstruct(
    context: Context,
    file: File,
    out: Annotated[Path, Option(help="Output folder; it must not exist.")],
    record: Record = None,
    leads: Leads = None,
    model: LongModel = None,
    num_draws: Annotated[
        int | None,
        Option(
            help="Number of draws that the point estimate and the prediction interval use "
            "(default: 32; 20 for more than 30 minutes)."
        ),
    ] = None,
    level: Level = 0.9,
    seed: Seed = 0,
    num_steps: NumSteps = None,
    guidance_scale: GuidanceScale = None,
    fs: Rate = None,
    unit: Unit = None,
    gain: Gain = None,
    baseline: Baseline = None,
    start: Start = 0.0,
    seconds: Seconds = None,
    text: Text = None,
    age: Age = None,
    sex: Sex = None,
    heart_rate: HeartRate = None,
    truth: Annotated[Path | None, Option(help="Recording with the true leads, for a comparison.")] = None,
    truth_leads: TruthLeads = None,
    plot_format: PlotFormat = "png",
    format_: LongFormats = None,
    allow_contradiction: Contradiction = False,
    allow_noise: Noise = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Reconstruct twelve leads from some leads of a recording.

    Recorded leads are returned unchanged, at their own sampling rate. Leads that follow from them by Einthoven's and
    Goldberger's laws are derived. The other leads, and parts of a lead without samples, are generated, with a
    prediction interval. Text, age, sex and heart rate refine the condition. The output folder holds the twelve leads
    (see --format), the prediction interval (npz), a plot, and a summary (txt, json) that lists recorded and generated
    leads. Not for diagnosis.

    A recording of more than 30 minutes is read and written in blocks, with --format wfdb by default. Its folder holds
    the ends of the interval as files of their own, and an overview page instead of the plot. --resume continues it
    after an interruption.
    """
    from ecggen.conditioning.condition import Condition
    from ecggen.conditioning.consistency import follow_measured_rate
    from ecggen.conditioning.gaps import bridged
    from ecggen.core.errors import InputError, after, spelled
    from ecggen.generators.base import load
    from ecggen.generators.streaming.blocks import NUM_DRAWS, Options
    from ecggen.io.files import naming_file
    from ecggen.io.inspection import refuse_noise

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists", "a new folder was expected", "choose another, or pass --overwrite")
    suffixes = suffixes_of(format_ or "wfdb,csv")
    reading = {"record": record, "leads": named_leads(leads), "fs": fs, "unit": unit, "gain": gain}
    reading |= {"baseline": baseline}
    lasts = long_recordings.duration(file, start=start, seconds=seconds, **reading)
    if lasts is not None:
        long_recordings.refuse_truth(truth)
        generator = load(model or LONG_MODEL).with_sampling(num_steps, guidance_scale)
        options = Options(NUM_DRAWS if num_draws is None else num_draws, level, seed)
        condition = Condition(text=text, age=age, sex=sex, n=1)
        reading |= {"allow_contradiction": allow_contradiction}
        blocks, doubts = long_recordings.of_leads(
            file, generator, condition, options, start, lasts, allow_noise, **reading
        )
        notes = doubts if heart_rate is None else [*doubts, long_recordings.RATE]
        job = long_recordings.job_of(context, blocks, file, notes, suffixes_of(format_ or "wfdb"), condition)
        long_recordings.report(job, as_json)
        return
    num_draws = 32 if num_draws is None else num_draws
    recording = open_recording(
        file, leads, fs, unit, start, seconds, allow_contradiction, True, record, gain, baseline, gaps=True
    )
    with naming_file(file), after(start):
        recording, gaps = bridged(recording)
        doubts = refuse_noise(recording, allow_noise)
    with spelled(of_truth(context, leads="--truth-leads", start="--start", seconds="--seconds")):
        true = None if truth is None else open_recording(truth, truth_leads, None, None, start, seconds, check=False)
    generator = load(model or DEFAULT_MODEL).with_sampling(num_steps, guidance_scale)
    condition = Condition(recording, text=text, age=age, sex=sex, heart_rate=heart_rate)
    condition, notes = follow_measured_rate(condition, generator.preprocessor)
    with console.progress("generating", quiet=as_json) as share:
        found = generator.reconstruct(
            condition, num_draws=num_draws, level=level, seed=seed, keep_draws=False, progress=share
        )
    about = describe(found) | {"notes": [*gaps, *doubts, *notes]}
    if true is not None:
        from ecggen.benchmark.reconstruction import against_truth

        about["against_truth"] = against_truth(found.mean, true, generator.preprocessor)
    del generator  # its memory is not needed together with that of the plot
    summary = as_text(about, trust_as_text(found.trust[0] if found.trust else None))
    names = store(found, file.stem, about, summary, out, plot_format, suffixes, condition)
    if as_json:
        console.print_json(about | {"folder": str(out)})
    else:
        console.print_text(summary)
        console.print_text(f"plot:      {out / f'{file.stem}.{plot_format}'}\nfiles:     {', '.join(names)}")


def as_text(about: dict, trust: str = "") -> str:
    """The summary as text; ``trust`` is a line on how unlike the training data the recording is."""
    lines = [
        "SYNTHETIC leads; not for diagnosis",
        *origins_as_text(about),
        f"condition: {about['condition']}",
        f"model:     {about['model']}, {about['num_draws']} draws, seed {about['seed']}",
        *(f"note:      {note}" for note in about["notes"]),
        *([trust] if trust else []),
        f"{about['level']:.0%} prediction interval (mean half-width; peak-to-peak amplitude of the lead):",
    ]
    true = about.get("against_truth", {}).get("per_lead", {})
    for lead, width in about["interval_mv"].items():
        against = ""
        if lead in true:
            against = f"   truth: r {true[lead]['r']:.2f}, RMSE {true[lead]['rmse_mv']:.3f} mV"
        lines.append(f"  {lead:4} ±{width['half_width']:.3f} mV; {width['peak_to_peak']:.2f} mV{against}")
    if "against_truth" in about:
        whole = about["against_truth"]
        lines.append(f"comparison with the truth, mean over leads: r {whole['r']:.3f}, RMSE {whole['rmse_mv']:.3f} mV")
    return "\n".join(lines)
