"""The tab Generate: a sentence becomes ECGs, with what was understood, what was requested and what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from nicegui import run, ui

from ecggen.conditioning import condition as conditions
from ecggen.conditioning import statements, text_encoder
from ecggen.conditioning.understanding import Understanding, out_of_range, understand
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data.prompts import Prompt, parse_prompt
from ecggen.generators.hearts.variation import Keep
from ecggen.io import write
from ecggen.io.metadata import About
from ecggen.metrics.criteria.measurements import Measurements, measure
from ecggen.metrics.criteria.rules import CODES, CRITERIA, criteria_met
from ecggen.page.controls import MODELS, Condition, columns, message, model, run_job
from ecggen.page.jobs import Job
from ecggen.page.session import Session, as_one_file
from ecggen.page.viewer import Shown, Viewer
from ecggen.report.render.ecg_svg import tracing

EXAMPLE = "atrial fibrillation, 74-year-old woman, 130 bpm"
MOST = 24
"""Most ECGs of a grid."""
MORE = 4
"""ECGs that "more like this one" draws."""
LIKE: dict[Keep, str] = {"heart": "same heart, other rhythm", "rhythm": "same rhythm, other heart"}
"""What they can have in common with it, see ``Generator.vary``."""
MEASURED = {
    "rate": ("rate", "per minute"),
    "pr_ms": ("PR", "ms"),
    "qrs_ms": ("QRS", "ms"),
    "qtc_ms": ("QTc", "ms"),
    "axis_deg": ("axis", "°"),
}
"""Name and unit of the measurements that are shown."""
RULES = {one.code: one.rule for one in CRITERIA}


@dataclass(frozen=True)
class Made:
    """Generated ECGs with what was requested and what is measured.

    Attributes:
        ecgs: The records.
        prompt: The request; age, sex and heart rate in its text are read.
        understood: What the model reads in the text; None without one.
        measured: Measurements of the records.
        met: Whether each record meets the criterion of each requested statement that has one.
        warnings: What the model cannot follow.
    """

    ecgs: ECG
    prompt: Prompt
    understood: Understanding | None
    measured: Measurements
    met: dict[str, np.ndarray]
    warnings: Sequence[str] = ()

    @property
    def about(self) -> About:
        """Age and sex for files."""
        return About(age=self.prompt.age, sex=self.prompt.sex)


def described(ecgs: ECG, prompt: Prompt, notes: Sequence[str] = ()) -> Made:
    """Measure ECGs and compare them with the request; ``notes`` are on how the request was read.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> made = described(simulate(2, fs=250, heart_rate=50), Prompt("sinus bradycardia"))
        >>> made.met["SBRAD"].tolist()
        [True, True]
    """
    understood = understand([prompt.text], text_encoder.load())[0] if prompt.text else None
    sex = {"M": 0.0, "F": 1.0}.get(prompt.sex or "", np.nan)
    measured = measure(ecgs, sex=np.full(len(ecgs), sex))
    every = criteria_met(measured)
    requested = [code for code in (understood.present if understood else ()) if code in CODES]
    doubts = [*notes, *(understood.warnings if understood else ()), *out_of_range(prompt.age, prompt.heart_rate)]
    return Made(ecgs, prompt, understood, measured, {code: every[code] for code in requested}, doubts)


def tab(session: Session) -> None:
    """Build the tab."""
    card, area, result = columns("Write a sentence, then press the button.")
    with card:
        condition = Condition(text=True, example=EXAMPLE)
        with ui.row().classes("w-full gap-3 no-wrap"):
            count = ui.number("ECGs", value=6, min=1, max=MOST, precision=0).classes("w-1/2")
            seed = ui.number("Seed", value=0, precision=0).classes("w-1/2")
        name = ui.select(MODELS, label="Model", value="flow").classes("w-full")
        button = ui.button("Generate").classes("w-full").props("no-caps")

    async def generate() -> None:
        result.clear()
        values, number = condition.values(), int(count.value or 1)

        def work(job: Job) -> Made:
            if not 1 <= number <= MOST:
                raise InputError(f"{number} ECGs were requested", f"1 to {MOST} were expected in the page")
            prompt, notes = parse_prompt(Prompt(**values))
            generator = model(name.value)
            job.stages("generating", 0.2)
            known = {"age": prompt.age, "sex": prompt.sex, "heart_rate": prompt.heart_rate}
            ecgs = generator.generate(prompt.text, number, **known, seed=int(seed.value or 0))
            job.stages("measuring", 0.7)
            return described(ecgs, prompt, notes)

        made = await run_job(session, area, work, "generating", button)
        if made is not None:
            with result:
                show(session, made, name.value, "ECG")

    button.on_click(generate)


def show(session: Session, made: Made, name: str, title: str) -> None:
    """A grid of ECGs below a summary."""
    with ui.column().classes("card w-full gap-1"):
        if made.prompt.text:
            ui.label(f"Understood: {made.understood or 'no finding'}").classes("head")
        ui.label(_heart_rates(made))
        for code, met in made.met.items():
            rule = f"{met.sum()} of {len(met)} meet it ({RULES[code]})"
            ui.label(f"Criterion of {statements.describe(code)}: {rule}")
        for warning in made.warnings:
            message(warning)
        origin = made.ecgs.provenance
        ui.label(f"Model {origin.model if origin else name}, seed {origin.seed if origin else ''}.").classes("small")

        async def save() -> None:
            path = await run.io_bound(save_all, session.new_folder(), made)
            if path is not None:  # None if the server is being stopped
                ui.download.content(path.read_bytes(), path.name)

        ui.button("Download all (WFDB)", on_click=save).props("flat dense no-caps")
    below = []
    with ui.element("div").classes("grid"):
        for row in range(len(made.ecgs)):
            _card(session, made, row, name, f"{title} {row + 1}", below)
    below.append(ui.column().classes("w-full"))


def save_all(folder: Path, made: Made) -> Path:
    """Write all ECGs as WFDB records into one zip archive."""
    paths = [write(made.ecgs[row], folder / f"ECG_{row + 1}.hea", about=made.about) for row in range(len(made.ecgs))]
    return as_one_file([path for both in paths for path in both], "ECGs")


def _card(session: Session, made: Made, row: int, name: str, title: str, below: list[ui.column]) -> None:
    """One ECG of the grid."""
    with ui.column().classes("card gap-2"):
        ui.html(tracing(made.ecgs, row, "SYNTHETIC", label=f"{title}, synthetic"), sanitize=False).classes("w-full")
        with ui.row().classes("gap-1"):
            ui.label(title).classes("head")
            for text in measurements(made.measured, row):
                ui.label(text).classes("chip")
            for code, met in made.met.items():
                word = "criterion met" if met[row] else "criterion not met"
                ui.label(f"{code}: {word}").classes(f"chip {'yes' if met[row] else 'no'}").tooltip(RULES[code])
        with ui.row().classes("gap-2"):
            ui.button("Look closer", on_click=lambda: closer(session, made, row, title)).props("flat dense no-caps")

            async def more(keep: Keep) -> None:
                await more_like(session, made, row, name, title, keep, below[0])

            with ui.dropdown_button("More like this one", auto_close=True).props("flat dense no-caps"):
                for keep, what in LIKE.items():
                    ui.item(what.capitalize(), on_click=partial(more, keep))


def closer(session: Session, made: Made, row: int, title: str) -> None:
    """Open an ECG with callipers and downloads."""
    with ui.dialog().props("maximized") as dialog, ui.card().classes("w-full"):
        with ui.row().classes("w-full justify-between"):
            ui.label(made.prompt.describe() if made.prompt.text else "").classes("head")
            ui.button("Close", on_click=dialog.close).props("no-caps outline")
        Viewer(session, Shown(title, made.ecgs[row], about=made.about))
    dialog.on("hide", dialog.delete)
    dialog.open()


async def more_like(session: Session, made: Made, row: int, name: str, title: str, keep: Keep, area: ui.column) -> None:
    """Draw ECGs with the heart or the rhythm of one, below the grid."""

    def work(job: Job) -> Made:
        job.stages("varying", 0.2)
        origin, prompt = made.ecgs, made.prompt
        wanted = conditions.Condition(
            text=prompt.text,
            age=prompt.age,
            sex=prompt.sex,
            heart_rate=prompt.heart_rate,
            n=MORE,
            seconds=origin.seconds,
            fs=origin.fs,
        )
        ecgs = model(name).vary(origin[row], wanted, keep=keep)
        job.stages("measuring", 0.7)
        return described(ecgs, prompt)

    with area:
        place = ui.column().classes("w-full")
    found = await run_job(session, place, work, "varying")
    if found is not None:
        with place:
            ui.label(f"{MORE} like {title}: {LIKE[keep]}").classes("head")
            show(session, found, name, f"Like {title}:")


def measurements(measured: Measurements, row: int) -> list[str]:
    """Rate, intervals and axis of a record; what could not be measured is left out.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> measurements(measure(simulate(1, fs=250, heart_rate=60)), 0)[0]
        'rate 60 per minute'
    """
    values = {key: float(measured.of_record[key][row]) for key in MEASURED}
    return [
        f"{MEASURED[key][0]} {value:.0f}".replace("-", "−") + f"{'' if key == 'axis_deg' else ' '}{MEASURED[key][1]}"
        for key, value in values.items()
        if np.isfinite(value)
    ]


def _heart_rates(made: Made) -> str:
    rates = made.measured.of_record["rate"]
    known = rates[np.isfinite(rates)]
    found = f"{np.median(known):.0f} (median of {len(known)})" if len(known) else "none"
    wanted = "" if made.prompt.heart_rate is None else f"requested {made.prompt.heart_rate:g}, "
    return f"Heart rate per minute: {wanted}measured {found}"
