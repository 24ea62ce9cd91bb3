"""``ecggen reconstruct``: reconstruct twelve leads from a recording with fewer leads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Context, Option

from ecggen.cli import console
from ecggen.cli.jobs.long_recordings import recordings
from ecggen.cli.jobs.long_recordings.job import process
from ecggen.cli.jobs.results import (
    describe,
    margin_as_text,
    origins_as_text,
    refuse_existing,
    store_and_print,
    trust_as_text,
)
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
    amplitude_notes,
    named_leads,
    of_truth,
    open_recording,
    suffixes_of,
)

if TYPE_CHECKING:
    from ecggen.core.ecg import ECG


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
    margin: Annotated[
        Path | None,
        Option(help="Margin of the prediction interval for records like yours: a file of `ecggen calibrate`."),
    ] = None,
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
    refuse_existing(out, overwrite)
    suffixes_of(format_ or "wfdb")  # a wrong format is refused before anything is computed
    reading = {"record": record, "fs": fs, "unit": unit, "gain": gain, "baseline": baseline}
    lasts = recordings.duration(file, start=start, seconds=seconds, leads=named_leads(leads), **reading)
    if lasts is None:
        _reconstruct(context, file, reading | {"start": start, "seconds": seconds})
    else:
        _reconstruct_long(context, file, lasts, reading)


def _reconstruct(context: Context, file: Path, reading: dict[str, Any]) -> None:
    """Reconstruct a recording as a whole."""
    from ecggen.conditioning.condition import Condition
    from ecggen.conditioning.consistency import follow_measured_rate
    from ecggen.generators.base import load

    options = context.params
    recording, doubts = _opened(file, options, reading)
    true, doubts_of_truth = _true(context, file)
    generator = load(options["model"] or DEFAULT_MODEL)
    generator = generator.with_sampling(options["num_steps"], options["guidance_scale"]).with_margin(options["margin"])
    known = {name: options[name] for name in ("text", "age", "sex", "heart_rate")}
    condition, notes = follow_measured_rate(Condition(recording, **known), generator.preprocessor)
    sampling = {"level": options["level"], "seed": options["seed"], "keep_draws": False}
    sampling |= {"num_draws": 32 if options["num_draws"] is None else options["num_draws"]}
    with console.progress("generating", quiet=options["as_json"]) as share:
        found = generator.reconstruct(condition, **sampling, progress=share)
    about = describe(found) | {"notes": [*doubts, *doubts_of_truth, *notes]}
    if true is not None:
        from ecggen.benchmark.reconstruction import against_truth

        about["against_truth"] = against_truth(found.mean, true, generator.preprocessor)
    del generator  # its memory is not needed together with that of the plot
    summary = as_text(about, trust_as_text(found.trust[0] if found.trust else None), margin_as_text(found.margin))
    store_and_print(found, file, about, summary, condition, context)


def _opened(file: Path, options: dict[str, Any], reading: dict[str, Any]) -> tuple[ECG, list[str]]:
    """The recording, and notes on its gaps and doubts about it."""
    from ecggen.conditioning.gaps import bridged
    from ecggen.core.errors import after
    from ecggen.io.files import naming_file
    from ecggen.io.inspection import refuse_noise

    allowed = options["allow_contradiction"]
    recording = open_recording(file, options["leads"], allow_contradiction=allowed, gaps=True, **reading)
    amplitudes = amplitude_notes(recording, file, named_leads(options["leads"]), **reading)
    with naming_file(file), after(reading["start"]):
        recording, gaps = bridged(recording)
        return recording, [*amplitudes, *gaps, *refuse_noise(recording, options["allow_noise"])]


def _true(context: Context, file: Path) -> tuple[ECG | None, list[str]]:
    """The true leads, if they are given, and doubts about their amplitude unless they are of the same file."""
    from ecggen.core.errors import spelled

    options, truth = context.params, context.params["truth"]
    if truth is None:
        return None, []
    part = {name: options[name] for name in ("start", "seconds")}
    with spelled(of_truth(context, leads="--truth-leads", start="--start", seconds="--seconds")):
        true = open_recording(truth, options["truth_leads"], check=False, **part)
        doubts = amplitude_notes(true, truth, named_leads(options["truth_leads"]), **part)
    return true, [f"truth: {doubt}" for doubt in doubts if truth != file]


def _reconstruct_long(context: Context, file: Path, lasts: float, reading: dict[str, Any]) -> None:
    """Reconstruct a recording of ``lasts`` seconds in blocks."""
    from ecggen.conditioning.condition import Condition
    from ecggen.generators.base import load
    from ecggen.generators.streaming.blocks import NUM_DRAWS, Options

    options = context.params
    recordings.refuse_truth(options["truth"])
    generator = load(options["model"] or LONG_MODEL)
    generator = generator.with_sampling(options["num_steps"], options["guidance_scale"]).with_margin(options["margin"])
    num_draws = NUM_DRAWS if options["num_draws"] is None else options["num_draws"]
    sampling = Options(num_draws, options["level"], options["seed"])
    condition = Condition(text=options["text"], age=options["age"], sex=options["sex"], n=1)
    reading |= {"leads": named_leads(options["leads"]), "allow_contradiction": options["allow_contradiction"]}
    blocks, doubts = recordings.of_leads(
        file, generator, condition, sampling, options["start"], lasts, options["allow_noise"], **reading
    )
    notes = doubts if options["heart_rate"] is None else [*doubts, recordings.RATE]
    process(context, blocks, file, notes, condition)


def as_text(about: dict, *of_interval: str) -> str:
    """The summary as text; ``of_interval`` are lines on what the prediction interval depends on, "" for none."""
    lines = [
        "SYNTHETIC leads; not for diagnosis",
        *origins_as_text(about),
        f"condition: {about['condition']}",
        f"model:     {about['model']}, {about['num_draws']} draws, seed {about['seed']}",
        *(f"note:      {note}" for note in about["notes"]),
        *filter(None, of_interval),
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
