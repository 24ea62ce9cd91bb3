"""The tab Reconstruct: some leads of a recording become twelve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from nicegui import ui

from ecggen.core.errors import InputError
from ecggen.generators.base import Generator
from ecggen.generators.reconstruction import LeadInterval, Reconstruction
from ecggen.generators.trust.margin import Margin
from ecggen.generators.trust.widening import LEVEL, Trust
from ecggen.io import read
from ecggen.page.controls import message
from ecggen.page.examples import ECGS
from ecggen.page.jobs import Job
from ecggen.page.session import Session
from ecggen.page.tabs.form import LONGEST, Form, Given, trust_card, warn_of_rest
from ecggen.page.viewer import Shown, Viewer
from ecggen.viz.ecg import abbreviated, in_ink

LIMIT = (
    "Blue leads are synthetic: they show what usually accompanies the recorded leads, not what these leads would have "
    "measured. A finding that only other leads show, such as an infarction that lead I cannot see, is not recovered. "
    "Not for diagnosis."
)
WORDS = ((0.10, "narrow"), (0.20, "moderate"), (float("inf"), "wide: do not read details"))
"""Words for half the width of an interval, relative to the peak-to-peak amplitude of its lead: up to each number."""


def tab(session: Session, limit: int, margin: Margin | None = None) -> None:
    """Build the tab; ``margin`` is one of the user's own for prediction intervals."""
    form = Form(
        session,
        limit,
        ECGS,
        channels="Leads to reconstruct from (all if empty)",
        placeholder="I, II or II=ECG 1",
        num_draws=32,
        button="Reconstruct twelve leads",
    )
    form.on_submit("reconstructing", partial(_reconstruct, margin=margin), partial(_show, session))


def _reconstruct(job: Job, given: Given, margin: Margin | None = None) -> Reconstruction:
    """Read the recording and reconstruct its leads."""
    ecg = read(given.path, leads=given.channels, unit=given.unit, gaps=True, **given.options)
    if len(ecg) != 1:
        raise InputError(f"{given.path.name} holds {len(ecg)} records", "one was expected", "name one")
    if ecg.seconds > LONGEST:
        ecg = ecg.crop(0, LONGEST)
        warn_of_rest("reconstruct")
    generator, notes = with_own_margin(given.model(), ecg.leads, margin)
    found = generator.reconstruct(
        ecg, **given.condition, num_draws=given.num_draws, seed=given.seed, progress=job.progress
    )
    return replace(found, notes=(*found.notes, *notes))


def with_own_margin(
    generator: Generator, leads: Sequence[str], margin: Margin | None
) -> tuple[Generator, tuple[str, ...]]:
    """The generator with the margin of the user's own, if it was calibrated for it and the leads; and what to say."""
    if margin is None:
        return generator, ()
    try:
        own = generator.with_margin(margin)
        own.check_margin(leads, LEVEL)
    except InputError as error:
        return generator, (f"the interval is not calibrated on your own records: {error.found}",)
    return own, (margin.sentence(),)


def _show(session: Session, found: Reconstruction, given: Given) -> None:
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
    Viewer(session, Shown.of(given.path.stem, found, given.about), layout)
    with trust_card(found):
        ui.label(LIMIT)
        if not origin.generated:
            return
        ui.label(unlikeness(found.trust))
        ui.label(
            f"The shaded interval is meant to hold {100 * found.level:g} % of the true samples. Half of its mean "
            "width, and the peak-to-peak amplitude of the lead:"
        )
        with ui.row().classes("gap-2"):
            for lead, width in found.intervals().items():
                text = f"{lead} ±{width.half_width:.2f} of {width.peak_to_peak:.1f} mV: {in_words(width)}"
                ui.label(text).classes("chip")


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
