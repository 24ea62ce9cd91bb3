"""``ecggen translate``: a PPG in, an ECG with the same beats out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.jobs.results import describe, mean_of, rounded, store
from ecggen.cli.options import (
    Age,
    Forms,
    Guidance,
    HeartRate,
    Json,
    Level,
    Model,
    Overwrite,
    Picture,
    Rate,
    Record,
    Seconds,
    Seed,
    Sex,
    Start,
    Steps,
    Text,
    open_recording,
    suffixes_of,
)

if TYPE_CHECKING:
    from ecggen.conditioning.preprocessing import Preprocessor
    from ecggen.core.ecg import ECG

LEAD = "II"
LEADS = (
    "lead II is the one that was learnt from PPG and ECG recorded together; all other leads were learnt from pulses "
    "simulated on PTB-XL's ECGs, or from leads that another model drew: they show a heart with these beats, not this "
    "person's"
)
"""What the leads of a translated ECG can stand for."""
TIMING = (
    "timing carries an unknown constant delay, of the recorder and of the pulse's way: the model answers as if it were "
    "0.25 s from R peak to steepest rise"
)
"""What its timing can stand for; 0.25 s is ``simulate.PULSE_DELAY``."""


def translate(
    file: Annotated[
        Path, Argument(help="The PPG: WFDB (.hea), CSV, npz, or an Empatica E4 BVP.csv.", show_default=False)
    ],
    out: Annotated[Path, Option(help="Folder for the results; it must not exist.")],
    channel: Annotated[
        str | None, Option(help="The PPG's name in the file (default: PLETH, PPG or BVP), or its number from 1.")
    ] = None,
    record: Record = None,
    model: Model = "flow",
    num_draws: Annotated[int, Option(help="1 gives one heart that fits; more, the mean of so many with a band.")] = 1,
    level: Level = 0.9,
    seed: Seed = 0,
    num_steps: Steps = None,
    guidance_scale: Guidance = None,
    fs: Rate = None,
    start: Start = 0.0,
    seconds: Seconds = None,
    text: Text = None,
    age: Age = None,
    sex: Sex = None,
    heart_rate: HeartRate = None,
    truth: Annotated[Path | None, Option(help="A file with the true lead II, to say how near the ECG came.")] = None,
    unit: Annotated[str | None, Option(help="mV, uV or V of the true lead, where its file does not say.")] = None,
    plot_format: Picture = "png",
    format_: Forms = "wfdb,csv",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Translate a PPG into an ECG that beats as it does.

    A PPG shows when the heart beats and hardly how: the beats follow the pulses, the shape of the waves is drawn. OUT
    gets twelve leads as WFDB and CSV (or in other --forms), a picture, and a text that says what they can stand for.
    Not for diagnosis.
    """
    from ecggen.benchmark.translation import against_truth
    from ecggen.conditioning.condition import Condition
    from ecggen.conditioning.consistency import follow_measured_rate
    from ecggen.core import rhythm
    from ecggen.core.errors import InputError
    from ecggen.generators.checkpoint import load
    from ecggen.io.ppg import read_ppg

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists", "a new folder was expected", "choose another, or pass --overwrite")
    if num_draws < 1:
        raise InputError(f"{num_draws} draws", "at least 1 was expected")
    suffixes = suffixes_of(format_)
    ppg = read_ppg(file, record=record, fs=fs, channel=channel, start=start, seconds=seconds)
    true = None if truth is None else open_recording(truth, LEAD, None, unit, start, seconds, check=False)
    generator = load(model).with_sampling(num_steps, guidance_scale)
    fs_model = generator.preprocessor.fs
    condition = Condition(ppg=ppg, text=text, age=age, sex=sex, heart_rate=heart_rate, fs=fs_model)
    condition, notes = follow_measured_rate(condition, generator.preprocessor)
    with console.progress("drawing", quiet=as_json) as share:
        if num_draws == 1:
            answer = generator.sample(condition, seed)
        else:
            answer = generator.reconstruct(
                condition, num_draws=num_draws, level=level, seed=seed, keep_draws=False, progress=share
            )
    drawn = mean_of(answer)
    about = describe(answer) | {"ppg": ppg.origin, "ppg_fs": ppg.fs}
    measured = rhythm.heart_rate(rhythm.pulse_rises(ppg.wave.numpy(), ppg.fs))
    rates = {"ppg": rounded(measured), "requested": heart_rate}
    about["heart_rate"] = rates | {"drawn": rounded(_rate(drawn, generator.preprocessor))}
    about["notes"] = [*ppg.notes, *notes, *_doubts(about["heart_rate"])]
    about["leads"], about["timing"] = LEADS, TIMING
    if true is not None:
        about["against_truth"] = against_truth(drawn, true, generator.preprocessor)
    names = store(answer, file.stem, about, in_words(about), out, plot_format, suffixes)
    if as_json:
        console.print_json(about | {"folder": str(out)})
    else:
        console.print_text(in_words(about))
        console.print_text(f"plot: {out / f'{file.stem}.{plot_format}'}\ntwelve leads: {', '.join(names)}")


def in_words(about: dict) -> str:
    """The same for a person."""
    rates = about["heart_rate"]
    one = "1 draw from the posterior distribution given the PPG"
    count = one if about["num_draws"] == 1 else f"the mean of {about['num_draws']} draws"
    requested = "" if rates["requested"] is None else f", requested {rates['requested']:g}"
    lines = [
        "SYNTHETIC; not for diagnosis",
        f"recorded:  PPG ({about['ppg']}, {about['seconds']:.2f} s at {about['ppg_fs']:g} Hz)",
        f"generated: {', '.join(about['generated'])}",
        f"model {about['model']}, {count}, seed {about['seed']}; condition: {about['condition']}",
        f"heart rate per minute: PPG {_shown(rates['ppg'])}, ECG {_shown(rates['drawn'])}{requested}",
        *(f"note: {note}" for note in about["notes"]),
        f"leads: {about['leads']}",
        f"timing: {about['timing']}",
    ]
    if "against_truth" in about:
        lines.append(_against(about["against_truth"]))
    return "\n".join(lines)


def _against(true: dict) -> str:
    """The comparison with the true lead in words."""
    if true["delay"] is None:
        return "against the true lead II: no R peaks to compare"
    side = "late" if true["delay"] > 0 else "early"
    before, after = true["f1_50_as_drawn"], true["f1_50_delay_removed"]
    return (
        f"against the true lead II: drawn beats {abs(true['delay']):.2f} s too {side} throughout; "
        f"R peaks within 50 ms: F1 {before:.2f} as drawn, {after:.2f} after that delay is removed"
    )


def _doubts(rates: dict[str, float | None]) -> list[str]:
    """A note where the drawn ECG does not beat as the PPG does."""
    from ecggen.core.rhythm import contradiction

    if rates["drawn"] is None:
        return ["no beats are found in the drawn lead II"]
    if not contradiction(rates["drawn"], rates["ppg"]):
        return []
    return [f"the drawn heart rate, {rates['drawn']:.0f}, is not the PPG's, {rates['ppg']:.0f}: do not trust this ECG"]


def _rate(ecg: ECG, preprocessor: Preprocessor) -> float | None:
    """Heart rate of lead II."""
    from ecggen.core.rhythm import heart_rate, r_peaks

    return heart_rate(r_peaks(preprocessor.ecg(ecg.pick(LEAD)))[0])


def _shown(value: float | None) -> str:
    return "not found" if value is None else f"{value:.0f}"
