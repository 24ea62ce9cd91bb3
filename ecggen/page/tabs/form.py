"""What Reconstruct and Translate share: the form of a recording, and a card on how far a result can be trusted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nicegui import ui

from ecggen.core.errors import InputError, InputWarning
from ecggen.generators.base import Generator
from ecggen.generators.reconstruction import Reconstruction
from ecggen.io.metadata import About
from ecggen.page.controls import MODELS, Condition, Recording, columns, message, model, run_job
from ecggen.page.examples import Example
from ecggen.page.jobs import Job
from ecggen.page.session import Session

T = TypeVar("T")

LONGEST = 60.0
"""Seconds of a recording that the page takes."""


@dataclass(frozen=True)
class Given:
    """What a form held when its button was pressed; later changes do not affect a job that waits.

    Attributes:
        path: The recording.
        options: Arguments of the reader for what the file does not state.
        unit: Unit of the file, if it was given.
        channels: Leads, or the channel; None if the field is empty.
        condition: Text, age, sex and heart rate.
        model_name: Name of the generator.
        num_draws: Number of draws.
        seed: Seed of the draws.
    """

    path: Path
    options: dict[str, Any]
    unit: str | None
    channels: str | None
    condition: dict[str, Any]
    model_name: str
    num_draws: int
    seed: int

    @property
    def about(self) -> About:
        """Age and sex for files."""
        return About(age=self.condition["age"], sex=self.condition["sex"])

    def model(self) -> Generator:
        """The generator."""
        return model(self.model_name)


class Form:
    """Fields of a recording beside the place of the result.

    Args:
        session: The visitor.
        limit: Largest upload in MB.
        examples: Recordings to choose from.
        channels: Label of the field that names leads or a channel.
        placeholder: Shown in that field while it is empty.
        num_draws: Number of draws at the beginning.
        button: What the button says.
    """

    def __init__(
        self,
        session: Session,
        limit: int,
        examples: Sequence[Example],
        *,
        channels: str,
        placeholder: str = "",
        num_draws: int,
        button: str,
    ):
        self.session, self._fewest = session, num_draws
        card, self.area, self.result = columns("Choose an example or drop a file, then press the button.")
        with card:
            self.recording = Recording(session, examples, self._example_chosen, limit)
            self.channels = ui.input(channels, placeholder=placeholder).classes("w-full")
            self.condition = Condition()
            with ui.expansion("Settings").classes("w-full"):
                self.name = ui.select(MODELS, label="Model", value="flow").classes("w-full")
                self.num_draws = ui.number("Draws", value=num_draws, min=2, max=64, precision=0).classes("w-full")
                self.seed = ui.number("Seed", value=0, precision=0).classes("w-full")
            self.button = ui.button(button).classes("w-full").props("no-caps")

    def _example_chosen(self, example: Example) -> None:
        self.channels.set_value(example.leads)

    def given(self) -> Given:
        """The values of the fields.

        Raises:
            InputError: If no recording was chosen, or several.
        """
        return Given(
            self.recording.path(),
            self.recording.options(),
            self.recording.unit.value,
            (self.channels.value or "").strip() or None,
            self.condition.values(),
            self.name.value,
            int(self.num_draws.value or self._fewest),
            int(self.seed.value or 0),
        )

    def on_submit(self, what: str, work: Callable[[Job, Given], T], show: Callable[[T, Given], None]) -> None:
        """Run ``work`` in the queue when the button is pressed, and show its result."""

        async def submitted() -> None:
            self.result.clear()
            self.area.clear()
            try:
                given = self.given()
            except InputError as error:
                with self.area:
                    message(str(error), wrong=True)
                return
            made = await run_job(self.session, self.area, lambda job: work(job, given), what, self.button)
            if made is not None:
                with self.result:
                    show(made, given)

        self.button.on_click(submitted)


def warn_of_rest(command: str) -> None:
    """Warn that the rest of a longer recording is not used; ``command`` takes all of it."""
    text = f"the page takes the first {LONGEST:g} s; ecggen {command} takes all"
    warnings.warn(text, InputWarning, stacklevel=2)


@contextmanager
def trust_card(found: Reconstruction) -> Iterator[None]:
    """A card on how far a result can be trusted, which ends with the model."""
    origin = found.mean.provenance
    with ui.column().classes("card w-full"):
        ui.label("How far can this be trusted?").classes("head").props('role="heading" aria-level="2"')
        yield
        made = f"Model {origin.model}, {found.num_draws} draws, seed {origin.seed}." if origin else ""
        ui.label(made).classes("small")
