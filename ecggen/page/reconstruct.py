"""The tab Reconstruct: some leads of a recording become twelve."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from nicegui import ui

from ecggen.core.errors import InputError, InputWarning
from ecggen.generators.reconstruction import LeadInterval, Reconstruction
from ecggen.generators.trust.widening import Trust
from ecggen.io import read
from ecggen.io.metadata import About
from ecggen.page.controls import MODELS, Condition, Recording, message, model, run_job
from ecggen.page.examples import ECGS, Example
from ecggen.page.jobs import Job
from ecggen.page.session import Session
from ecggen.page.viewer import Shown, Viewer
from ecggen.viz.ecg import abbreviated, in_ink

LIMIT = (
    "Blue leads are synthetic: they show what usually accompanies the recorded leads, not what these leads would have "
    "measured. A finding that only other leads show, such as an infarction that lead I cannot see, is not recovered. "
    "Not for diagnosis."
)
LONGEST = 60.0
"""Seconds of a recording that the page reconstructs."""
WORDS = ((0.10, "narrow"), (0.20, "moderate"), (float("inf"), "wide: do not read details"))
"""Words for half the width of an interval, relative to the peak-to-peak amplitude of its lead: up to each number."""


def tab(session: Session, limit: int) -> None:
    """Build the tab."""
    with ui.element("div").classes("two"):
        with ui.column().classes("card gap-2"):

            def example_chosen(example: Example) -> None:
                leads.set_value(example.leads)

            recording = Recording(session, ECGS, example_chosen, limit)
            leads = ui.input("Leads to reconstruct from (all if empty)", placeholder="I, II or II=ECG 1")
            leads.classes("w-full")
            condition = Condition()
            with ui.expansion("Settings").classes("w-full"):
                name = ui.select(MODELS, label="Model", value="flow").classes("w-full")
                num_draws = ui.number("Draws", value=32, min=2, max=64, precision=0).classes("w-full")
                seed = ui.number("Seed", value=0, precision=0).classes("w-full")
            button = ui.button("Reconstruct twelve leads").classes("w-full").props("no-caps")
        with ui.column().classes("gap-2 w-full min-w-0"):
            area, result = ui.column().classes("w-full"), ui.column().classes("w-full")
            with result:
                ui.label("Choose an example or drop a file, then press the button.").classes("small")

    async def reconstruct() -> None:
        result.clear()
        given = condition.values()

        def work(job: Job) -> tuple[str, Reconstruction]:
            path = recording.path()
            chosen = (leads.value or "").strip() or None
            ecg = read(path, leads=chosen, unit=recording.unit.value, gaps=True, **recording.options())
            if len(ecg) != 1:
                raise InputError(f"{path.name} holds {len(ecg)} records", "one was expected", "name one")
            if ecg.seconds > LONGEST:
                ecg = ecg.crop(0, LONGEST)
                warnings.warn(
                    f"the page takes the first {LONGEST:g} s; ecggen reconstruct takes all", InputWarning, stacklevel=2
                )
            draws, number = int(num_draws.value or 32), int(seed.value or 0)
            found = model(name.value).reconstruct(ecg, **given, num_draws=draws, seed=number, progress=job.progress)
            return path.stem, found

        button.disable()
        try:
            made = await run_job(session, area, work, "reconstructing")
        finally:
            button.enable()
        if made is not None:
            with result:
                show(session, *made, About(age=given["age"], sex=given["sex"]))

    button.on_click(reconstruct)


def show(session: Session, name: str, found: Reconstruction, about: About) -> None:
    """A reconstruction with what is recorded, what is generated, and how far it can be trusted."""
    origin = found.mean.provenance
    assert origin is not None
    ink = in_ink(found.mean.leads, origin)
    groups = {
        "recorded": tuple(lead for lead in ink if lead in origin.recorded),
        "derived exactly": tuple(lead for lead in ink if lead not in origin.recorded),
        "generated": origin.generated,
    }
    with ui.row().classes("gap-2"):
        for kind, leads in groups.items():
            if leads:
                ui.label(f"{kind}: {abbreviated(leads)}").classes("made" if kind == "generated" else "recorded")
    for note in found.notes:
        message(note)
    # Columns of 2.5 s would hide the generated parts of paper strips.
    layout = "12x1" if origin.parts else "3x4"
    shown = Shown(name, found.mean, found.lower, found.upper, found.level, found.draws, about)
    Viewer(session, shown, layout)
    with ui.column().classes("card w-full"):
        ui.label("How far can this be trusted?").classes("head").props('role="heading" aria-level="2"')
        ui.label(LIMIT)
        if origin.generated:
            ui.label(unlikeness(found.trust))
            ui.label(
                f"The shaded interval is meant to hold {100 * found.level:g} % of the true samples. Half of its mean "
                "width, and the peak-to-peak amplitude of the lead:"
            )
            with ui.row().classes("gap-2"):
                for lead, width in found.intervals().items():
                    ui.label(
                        f"{lead} ±{width.half_width:.2f} of {width.peak_to_peak:.1f} mV: {in_words(width)}"
                    ).classes("chip")
        ui.label(f"Model {origin.model}, {found.num_draws} draws, seed {origin.seed}.").classes("small")


def unlikeness(trust: Sequence[Trust]) -> str:
    """How unlike the training data the recording is, in a sentence.

    Example:
        >>> unlikeness([Trust(0.4, 0.0, 1.02, ())])
        'The recording is like the training data (40 % of its records lie nearer to their mean).'
        >>> unlikeness([Trust(0.99, 1.0, 1.3, ("more noise",))])
        'This recording is unlike the training data (more noise); the interval is widened by 30%.'
    """
    if not trust:
        return "How unlike the training data the recording is, this model does not measure."
    said, near = trust[0].sentence(), f"{100 * trust[0].nearer:.0f} % of its records lie nearer to their mean"
    return f"{said[0].upper()}{said[1:]}." if said else f"The recording is like the training data ({near})."


def in_words(width: LeadInterval) -> str:
    """The width of an interval in a word.

    Example:
        >>> in_words(LeadInterval(0.05, 1.0)), in_words(LeadInterval(0.3, 1.0))
        ('narrow', 'wide: do not read details')
    """
    share = width.half_width / width.peak_to_peak if width.peak_to_peak else float("inf")
    return next(word for most, word in WORDS if share <= most)
