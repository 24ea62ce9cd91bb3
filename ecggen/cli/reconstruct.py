"""``ecggen reconstruct``: a recording of few leads in, twelve leads out, drawn as on paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from ecggen.cli import console
from ecggen.cli.jobs.results import describe, store
from ecggen.cli.options import (
    Age,
    Contradiction,
    File,
    Forms,
    Guidance,
    HeartRate,
    Json,
    Leads,
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
    Unit,
    forms_of,
    open_recording,
    with_known,
)

if TYPE_CHECKING:
    from ecggen.conditioning.condition import Condition
    from ecggen.conditioning.preprocessing import Preprocessor
    from ecggen.core.ecg import ECG


def reconstruct(
    file: File,
    out: Annotated[Path, Option(help="Folder for the results; it must not exist.")],
    record: Record = None,
    leads: Leads = None,
    model: Model = "flow",
    draws: Annotated[int, Option(help="Draws from the model; the answer is their mean.")] = 32,
    level: Level = 0.9,
    seed: Seed = 0,
    steps: Steps = None,
    guidance: Guidance = None,
    fs: Rate = None,
    unit: Unit = None,
    start: Start = 0.0,
    seconds: Seconds = None,
    text: Text = None,
    age: Age = None,
    sex: Sex = None,
    heart_rate: HeartRate = None,
    truth: Annotated[Path | None, Option(help="The true leads, to say how near the reconstruction came.")] = None,
    picture: Picture = "png",
    forms: Forms = "wfdb,csv",
    allow_contradiction: Contradiction = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Reconstruct twelve leads from the leads of a recording, and from what else is known of the heart.

    What was measured stays as it was recorded, in its own rate; what follows from it by Einthoven's law is derived;
    the rest is generated, with a band that tells how much is really known. OUT gets the twelve leads as WFDB and
    CSV (or in other --forms), the band as npz, a picture, and a text of what was measured and what was generated.
    Not for diagnosis.
    """
    from ecggen.core.errors import InputError
    from ecggen.generators.checkpoint import load

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists", "a new folder was expected", "choose another, or pass --overwrite")
    suffixes = forms_of(forms)
    given = open_recording(file, leads, fs, unit, start, seconds, allow_contradiction, record=record)
    true = None if truth is None else open_recording(truth, start=start, seconds=seconds, check=False)
    generator = load(model)
    generator = generator.with_sampling(steps, guidance)
    known, notes = condition(given, generator.preprocessor, text, age, sex, heart_rate)
    with console.progress("drawing", quiet=as_json) as share:
        estimate = generator.reconstruct(
            known, num_draws=draws, level=level, seed=seed, keep_draws=False, progress=share
        )
    about = describe(estimate) | {"notes": notes}
    if true is not None:
        about["against_truth"] = compare(estimate.mean, true, generator.preprocessor)
    names = store(estimate, file.stem, about, in_words(about), out, picture, suffixes)
    if as_json:
        console.tell_json(about | {"folder": str(out)})
    else:
        console.tell(in_words(about))
        console.tell(f"picture: {out / f'{file.stem}.{picture}'}\ntwelve leads: {', '.join(names)}")


def condition(
    given: ECG,
    preprocessor: Preprocessor,
    text: str | None = None,
    age: float | None = None,
    sex: str | None = None,
    heart_rate: float | None = None,
) -> tuple[Condition, list[str]]:
    """What the model is told, and what a person should know of it; the R peaks win over a told heart rate."""
    from ecggen.conditioning.condition import Condition
    from ecggen.core import rhythm

    measured = None
    if heart_rate is not None:
        measured = rhythm.heart_rate(rhythm.r_peaks(preprocessor.ecg(given))[0])
    known = Condition.none(1, given.seconds, given.fs).with_leads(given)
    return with_known(known, text, age, sex, heart_rate, measured)


def compare(center: ECG, true: ECG, preprocessor: Preprocessor) -> dict:
    """r and RMSE of each generated lead against the truth, in the model's band and at its rate."""
    from ecggen.core.errors import InputError
    from ecggen.metrics.functional.waveform import pearson, root_mean_squared_error

    assert center.provenance is not None
    if abs(center.seconds - true.seconds) > 0.1:
        raise InputError(
            f"the truth lasts {true.seconds:.2f} s, the recording {center.seconds:.2f} s",
            "the same was expected",
        )
    leads = [lead for lead in center.provenance.generated if lead in true.leads]
    drawn, known = (preprocessor.ecg(ecg.pick(*leads)).signal[0] for ecg in (center, true))
    samples = min(drawn.shape[-1], known.shape[-1])
    r = pearson(drawn[:, :samples], known[:, :samples])
    error = root_mean_squared_error(drawn[:, :samples], known[:, :samples])
    per_lead = {
        lead: {"r": round(float(a), 3), "rmse_mv": round(float(b), 3)}
        for lead, a, b in zip(leads, r, error, strict=True)
    }
    return {"r": round(float(r.mean()), 3), "rmse_mv": round(float(error.mean()), 3), "per_lead": per_lead}


def in_words(about: dict) -> str:
    """The same for a person."""
    lines = [
        "SYNTHETIC leads; not for diagnosis",
        f"measured:  {', '.join(about['measured']) or 'nothing'}",
        *(
            [f"derived:   {', '.join(about['derived'])} (exact, by Einthoven and Goldberger)"]
            if about["derived"]
            else []
        ),
        f"generated: {', '.join(about['generated']) or 'nothing'}",
        f"model {about['model']}, {about['draws']} draws, seed {about['seed']}; told: {about['condition']}",
        *(f"note: {note}" for note in about["notes"]),
        f"the {about['level']:.0%} band, as half its mean width beside the lead's span from peak to peak:",
    ]
    true = about.get("against_truth", {}).get("per_lead", {})
    for lead, band in about["band_mv"].items():
        against = (
            f"   against the truth: r {true[lead]['r']:.2f}, RMSE {true[lead]['rmse_mv']:.3f} mV"
            if lead in true
            else ""
        )
        lines.append(f"  {lead:4} ±{band['half_width']:.3f} mV of {band['span_of_lead']:.2f} mV{against}")
    if "against_truth" in about:
        whole = about["against_truth"]
        lines.append(
            f"against the truth, mean of the generated leads: r {whole['r']:.3f}, RMSE {whole['rmse_mv']:.3f} mV"
        )
    return "\n".join(lines)
