"""``ecggen translate``: a PPG in, an ECG with the same beats out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.jobs.results import center_of, describe, rounded, store
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
    forms_of,
    open_recording,
    with_known,
)

if TYPE_CHECKING:
    from ecggen.conditioning.condition import Condition
    from ecggen.conditioning.preprocessing import Preprocessor
    from ecggen.core.ecg import ECG
    from ecggen.io.ppg import PPG

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
    draws: Annotated[int, Option(help="1 gives one heart that fits; more, the mean of so many with a band.")] = 1,
    level: Level = 0.9,
    seed: Seed = 0,
    steps: Steps = None,
    guidance: Guidance = None,
    fs: Rate = None,
    start: Start = 0.0,
    seconds: Seconds = None,
    text: Text = None,
    age: Age = None,
    sex: Sex = None,
    heart_rate: HeartRate = None,
    truth: Annotated[Path | None, Option(help="A file with the true lead II, to say how near the ECG came.")] = None,
    unit: Annotated[str | None, Option(help="mV, uV or V of the true lead, where its file does not say.")] = None,
    picture: Picture = "png",
    forms: Forms = "wfdb,csv",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Translate a PPG into an ECG that beats as it does.

    A PPG shows when the heart beats and hardly how: the beats follow the pulses, the shape of the waves is drawn. OUT
    gets twelve leads as WFDB and CSV (or in other --forms), a picture, and a text that says what they can stand for.
    Not for diagnosis.
    """
    from ecggen.core.errors import InputError
    from ecggen.generators.checkpoint import load
    from ecggen.io.ppg import read_ppg

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists", "a new folder was expected", "choose another, or pass --overwrite")
    if draws < 1:
        raise InputError(f"{draws} draws", "at least 1 was expected")
    suffixes = forms_of(forms)
    ppg = read_ppg(file, record=record, fs=fs, channel=channel, start=start, seconds=seconds)
    true = None if truth is None else open_recording(truth, LEAD, None, unit, start, seconds, check=False)
    generator = load(model)
    generator = generator.with_sampling(steps, guidance)
    known, rates, notes = condition(ppg, generator.preprocessor, text, age, sex, heart_rate)
    with console.progress("drawing", quiet=as_json) as share:
        answer = (
            generator.sample(known, seed)
            if draws == 1
            else generator.reconstruct(known, num_draws=draws, level=level, seed=seed, keep_draws=False, progress=share)
        )
    drawn = center_of(answer)
    about = describe(answer) | {"ppg": ppg.origin, "ppg_fs": ppg.fs}
    about["heart_rate"] = rates | {"drawn": rounded(_rate(drawn, generator.preprocessor))}
    about["notes"] = notes + _doubts(about["heart_rate"])
    about["leads"], about["timing"] = LEADS, TIMING
    if true is not None:
        about["against_truth"] = compare(drawn, true, generator.preprocessor)
    names = store(answer, file.stem, about, in_words(about), out, picture, suffixes)
    if as_json:
        console.tell_json(about | {"folder": str(out)})
    else:
        console.tell(in_words(about))
        console.tell(f"picture: {out / f'{file.stem}.{picture}'}\ntwelve leads: {', '.join(names)}")


def condition(
    ppg: PPG,
    preprocessor: Preprocessor,
    text: str | None = None,
    age: float | None = None,
    sex: str | None = None,
    heart_rate: float | None = None,
) -> tuple[Condition, dict[str, float | None], list[str]]:
    """What the model is told, the heart rates told and measured, and what a person should know of it."""
    from ecggen.conditioning.condition import Condition
    from ecggen.core import rhythm

    measured = rhythm.heart_rate(rhythm.pulse_rises(ppg.wave.numpy(), ppg.fs))
    known = Condition.none(1, ppg.seconds, preprocessor.fs).with_ppg(ppg.wave, ppg.fs)
    known, notes = with_known(known, text, age, sex, heart_rate, measured)
    return known, {"ppg": rounded(measured), "told": heart_rate}, [*ppg.notes, *notes]


def compare(drawn: ECG, true: ECG, preprocessor: Preprocessor) -> dict:
    """How the drawn R peaks of lead II lie to the true ones, before and after one constant delay is removed."""
    from ecggen.benchmark.translation import MARGIN, TOLERANCES, beat_counts, constant_delay, f1
    from ecggen.core.errors import InputError
    from ecggen.core.rhythm import DETECTOR, heart_rate, r_peaks

    if abs(drawn.seconds - true.seconds) > 0.1:
        found = f"the truth lasts {true.seconds:.2f} s, the PPG {drawn.seconds:.2f} s"
        raise InputError(found, "the same was expected", "choose the same part of both with --start and --seconds")
    (peaks,), (known,) = (r_peaks(preprocessor.ecg(ecg.pick(LEAD))) for ecg in (drawn, true))
    delay = constant_delay([peaks], [known])
    scores = []
    for moved in (0.0, delay or 0.0):
        part = (max(0.0, -moved) + MARGIN, true.seconds - max(0.0, moved) - MARGIN)
        scores.append(round(float(f1(beat_counts(peaks - moved, known, TOLERANCES[0], part))), 3))
    return {
        "delay": None if delay is None else round(delay, 3),
        "f1_50_as_drawn": scores[0],
        "f1_50_delay_removed": scores[1],
        "heart_rate": rounded(heart_rate(known)),
        "by": DETECTOR,
    }


def in_words(about: dict) -> str:
    """The same for a person."""
    rates = about["heart_rate"]
    count = "1 draw: one heart that fits" if about["draws"] == 1 else f"the mean of {about['draws']} draws"
    told = "" if rates["told"] is None else f", told {rates['told']:g}"
    lines = [
        "SYNTHETIC; not for diagnosis",
        f"measured:  PPG ({about['ppg']}, {about['seconds']:.2f} s at {about['ppg_fs']:g} Hz)",
        f"generated: {', '.join(about['generated'])}",
        f"model {about['model']}, {count}, seed {about['seed']}; told: {about['condition']}",
        f"heart rate per minute: PPG {_shown(rates['ppg'])}, drawn {_shown(rates['drawn'])}{told}",
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
