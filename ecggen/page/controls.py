"""Parts that several tabs share: choice of a recording, fields of a condition, running a job, messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nicegui import events, ui

from ecggen.core.errors import InputError
from ecggen.page.examples import Example, path_of
from ecggen.page.jobs import CancelledError, Job, Queue
from ecggen.page.session import LARGEST_UPLOAD, MEGABYTE, Session, recording_in, safe_name

if TYPE_CHECKING:
    from ecggen.generators.base import Generator

T = TypeVar("T")

MODELS = {"flow": "flow (default)", "diffusion": "diffusion", "vae": "vae", "gan": "gan"}
MOST_FILES = 500
"""Most files of one upload."""
UPLOAD = """
<div class="row no-wrap items-center q-pa-sm q-gutter-sm">
  <div class="col"><b>{label}</b><br><span class="text-caption">at most {limit} MB</span></div>
  <q-spinner v-if="props.isUploading" size="24px"></q-spinner>
  <q-btn v-else type="a" outline dense no-caps class="q-px-sm" label="Browse" aria-label="{of}: browse for files"
         @click="props.pickFiles"><q-uploader-add-trigger></q-uploader-add-trigger></q-btn>
</div>
"""
"""The head of a place to drop files: its button has a name for screen readers."""
QUEUE = Queue()
"""The jobs of all visitors."""


@lru_cache(2)
def model(name: str) -> Generator:
    """A shipped generator."""
    from ecggen.generators.base import load

    return load(name)


class Condition:
    """Fields for text, age, sex and heart rate.

    Args:
        text: Whether the text is the main field.
        example: Text that the field begins with.
    """

    def __init__(self, text: bool = False, example: str = ""):
        if text:
            self.text = ui.textarea("Sentence", value=example).props("autogrow outlined").classes("w-full")
            self._numbers()
        else:
            with ui.expansion("What else is known (optional)").classes("w-full"):
                self.text = ui.input("Report or diagnosis").classes("w-full")
                self._numbers()

    def _numbers(self) -> None:
        with ui.row().classes("w-full gap-3 no-wrap"):
            self.age = ui.number("Age", min=0, max=120).classes("w-1/3")
            self.sex = ui.select({None: "–", "F": "female", "M": "male"}, label="Sex", value=None).classes("w-1/3")
            self.heart_rate = ui.number("Heart rate", min=20, max=300).classes("w-1/3")

    def values(self) -> dict[str, Any]:
        """The arguments that were given."""
        found = {"text": (self.text.value or "").strip() or None, "sex": self.sex.value}
        found |= {"age": self.age.value, "heart_rate": self.heart_rate.value}
        return found


class Recording:
    """Choice of an example or of a file of one's own, and what a file may not state.

    Args:
        session: Keeps the uploaded files.
        examples: The first one is chosen at the beginning.
        on_example: Called with an example when it is chosen.
        limit: Largest upload in MB.
    """

    def __init__(
        self,
        session: Session,
        examples: Sequence[Example],
        on_example: Callable[[Example], None] | None = None,
        limit: int = LARGEST_UPLOAD,
    ):
        self.session, self.examples = session, examples
        self.folder: Path | None = None
        titles = {number: one.title for number, one in enumerate(examples)}
        self.example = ui.select(titles, label="Example", value=0, clearable=True).classes("w-full")
        self.source = ui.label(examples[0].source).classes("small")

        def chosen(event: events.ValueChangeEventArguments) -> None:
            one = None if event.value is None else examples[event.value]
            self.source.set_text("" if one is None else one.source)
            if one is not None:
                self.folder = None
                self.upload.reset()
                self.problem.clear()
                if on_example:
                    on_example(one)

        self.example.on_value_change(chosen)
        self.upload, self.problem = upload("or drop a file of your own", self._received, limit)
        with ui.expansion("If the file does not state it").classes("w-full"):
            self.fs = ui.number("Sampling rate in Hz", min=1).classes("w-full")
            self.unit = ui.select({None: "–", "mV": "mV", "uV": "µV", "V": "V"}, label="Unit", value=None)
            self.unit.classes("w-full")
            self.record = ui.input("Recording, if the file holds several (name or number)").classes("w-full")

    async def _received(self, files: Sequence[Any]) -> None:
        folder = self.session.new_folder()
        for file in files:
            await file.save(folder / safe_name(file.name))
        self.example.set_value(None)
        self.folder = folder
        self.source.set_text(dropped(files))

    def path(self) -> Path:
        """The file to read.

        Raises:
            InputError: If none was chosen, or several.
        """
        if self.example.value is not None:
            return path_of(self.examples[self.example.value])
        if self.folder is None:
            raise InputError("no file was chosen", "a recording was expected", "drop a file, or choose an example")
        return recording_in(self.folder)

    def options(self) -> dict[str, Any]:
        """Arguments of ``read`` for what the file does not state."""
        return {"fs": self.fs.value, "record": (self.record.value or "").strip() or None}


def dropped(files: Sequence[Any]) -> str:
    """Which files were dropped, as a sentence."""
    names = [safe_name(file.name) for file in files]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"dropped: {', '.join(names[:3])}{more}"


def upload(
    label: str, received: Callable[[Sequence[Any]], Awaitable[None]], limit: int = LARGEST_UPLOAD, of: str = "Recording"
) -> tuple[ui.upload, ui.column]:
    """A place to drop files of what ``of`` names, and the place below it where refused files are reported; ``received``
    gets the files that are dropped together.
    """

    async def checked(event: events.MultiUploadEventArguments) -> None:
        problem.clear()
        if sum(file.size() for file in event.files) > limit * MEGABYTE:
            refused()
        else:
            await received(event.files)
        element.reset()  # otherwise the limits count the files of all drops together

    def refused() -> None:
        problem.clear()
        with problem:
            message(
                f"the files are larger than {limit} MB or more than {MOST_FILES}; fewer or smaller ones were expected; "
                "cut them with ecggen convert, or start ecggen serve with --max-upload",
                wrong=True,
            )

    element = ui.upload(
        multiple=True,
        auto_upload=True,
        max_total_size=limit * MEGABYTE,
        max_files=MOST_FILES,
        on_multi_upload=checked,
        on_rejected=refused,
    )
    problem = ui.column().classes("w-full")
    element.add_slot("header", UPLOAD.format(label=label, of=of, limit=limit))
    return element.classes("w-full").props("flat bordered"), problem


def message(text: str, *, wrong: bool = False) -> None:
    """A sentence of the page; errors are read out by screen readers."""
    with ui.element("div").classes("wrong" if wrong else "note").props(f'role="{"alert" if wrong else "note"}"'):
        ui.label(text)


def columns(hint: str) -> tuple[ui.column, ui.column, ui.column]:
    """The layout of a tab: a card for its fields, and beside it (on a phone below it) the places of the progress and of
    the result, which begins with ``hint``.
    """
    with ui.element("div").classes("two"):
        card = ui.column().classes("card gap-2")
        with ui.column().classes("gap-2 w-full min-w-0"):
            area, result = ui.column().classes("w-full"), ui.column().classes("w-full gap-2")
            with result:
                ui.label(hint).classes("small")
    return card, area, result


def into_view(element: ui.element) -> None:
    """Scroll to an element that begins in the lower part of the window or below it, as on a phone."""
    ui.run_javascript(
        f"const one = getHtmlElement({element.id});"
        "if (one && one.getBoundingClientRect().top > 0.6 * innerHeight) one.scrollIntoView({block: 'start'});"
    )


async def run_job(
    session: Session, area: ui.element, work: Callable[[Job[T]], T], what: str, button: ui.button | None = None
) -> T | None:
    """Run a call in the queue and show its progress in ``area``, which is emptied before.

    Args:
        session: The visitor.
        area: Where progress, notes and errors are shown.
        work: The call.
        what: What is done, such as "reconstructing".
        button: Cannot be pressed until the job has ended.

    Returns:
        The result; None after an error, which is shown, or if the job was cancelled.
    """
    area.clear()
    try:
        job = QUEUE.submit(work)
    except InputError as error:
        with area:
            message(str(error), wrong=True)
        return None
    session.jobs.append(job)
    if button:
        button.disable()
    with area, ui.row().classes("items-center w-full no-wrap progress") as row:
        label = ui.label(what).classes("whitespace-nowrap").props('aria-live="polite"')
        bar = ui.linear_progress(0, show_value=False).props(f'aria-label="progress of {what}"')
        ui.button("Cancel", on_click=job.cancel).props("flat no-caps")
        into_view(area)
    while not job.future.done() and not session.closed:
        ahead = QUEUE.ahead(job)
        waiting = f"waiting for {ahead} other {'job' if ahead == 1 else 'jobs'}"
        label.set_text(waiting if ahead else f"{job.stage or what} {100 * job.share:.0f} %")
        bar.set_value(job.share)
        await asyncio.sleep(0.1)
    session.jobs.remove(job)
    if session.closed:
        return None
    if button:
        button.enable()
    row.delete()
    with area:
        into_view(area)
        try:
            result = job.future.result()
        except CancelledError:
            message("cancelled")
        except InputError as error:
            message(str(error), wrong=True)
        except OSError as error:
            message(f"{error.strerror or error}; the file could not be read or written", wrong=True)
        except Exception:
            message("the program failed; its terminal has the details", wrong=True)
            raise
        else:
            for note in job.notes:
                message(note)
            return result
    return None
