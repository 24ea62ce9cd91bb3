"""The tab Teach: a quiz with callipers and explanations, and a worksheet for printing."""

from __future__ import annotations

from nicegui import ui

from ecggen.page.controls import model, run_job
from ecggen.page.jobs import Job
from ecggen.page.session import Session
from ecggen.page.tabs.generate import measurements
from ecggen.page.tabs.quiz import LEVELS, Question, question, worksheet
from ecggen.page.viewer import Shown, Viewer

SHEET_QUESTIONS = 6
"""Questions of a worksheet."""


class Quiz:
    """The tab.

    Args:
        session: The visitor.
        level: Level at the beginning.
        seed: Number of the first question.
    """

    def __init__(self, session: Session, level: str = "rhythm", seed: int = 0):
        self.session, self.right, self.answered = session, 0, 0
        with ui.element("div").classes("two"):
            with ui.column().classes("card gap-2"):
                self.level = ui.select({name: name.capitalize() for name in LEVELS}, label="Level", value=level)
                self.level.classes("w-full")
                self.seed = ui.number("Question", value=seed, min=0, precision=0).classes("w-full")
                ui.button("Show", on_click=self.show).classes("w-full").props("no-caps")
                ui.button("Next question", on_click=self.next).classes("w-full").props("no-caps outline")
                ui.button("Worksheet for printing", on_click=self.sheet).classes("w-full").props("no-caps outline")
                self.score = ui.label().props('aria-live="polite"')
                self.link = ui.link("Link to this question", "").classes("small")
            with ui.column().classes("gap-2 w-full min-w-0"):
                self.area, self.place = ui.column().classes("w-full"), ui.column().classes("w-full gap-2")
        with self.place:
            text = "Choose a level and press Show. Level and number make a question: share both, or the link."
            ui.label(text).classes("small")
        self._linked()

    def _linked(self) -> None:
        self.link.props(f'href="/?tab=Teach&level={self.level.value}&question={int(self.seed.value or 0)}"')

    async def next(self) -> None:
        """Show the next question."""
        self.seed.set_value(int(self.seed.value or 0) + 1)
        await self.show()

    async def show(self) -> None:
        """Show the chosen question."""
        self._linked()
        self.place.clear()
        level, seed = self.level.value, int(self.seed.value or 0)

        def work(job: Job) -> Question:
            generator = model("flow")
            job.stages("drawing an ECG", 0.3)
            return question(level, seed, generator)

        found = await run_job(self.session, self.area, work, "drawing an ECG")
        if found is not None:
            with self.place:
                self._ask(found)

    def _ask(self, one: Question) -> None:
        made = "a patient's recording" if one.source else "a synthetic ECG"
        ui.label(f"What does this ECG show? ({made})").classes("head").props('role="heading" aria-level="2"')
        viewer = Viewer(self.session, Shown(f"{one.level.capitalize()}, question {one.seed}", one.ecg))
        with ui.column().classes("card w-full gap-2"):
            choice = ui.radio(one.options).props("inline")
            button = ui.button("Answer").props("no-caps")
            below = ui.column().classes("w-full gap-1")

        def answer() -> None:
            if choice.value is None:
                ui.notify("Choose an answer first.")
                return
            button.disable()
            choice.disable()
            right = choice.value == one.code
            self.right, self.answered = self.right + right, self.answered + 1
            self.score.set_text(f"{self.right} of {self.answered} right")
            with below:
                word = "Right" if right else f"Not quite: it is {one.options[one.code]}"
                ui.label(word).classes(f"chip {'yes' if right else 'no'}").props('role="status"')
                ui.label(f"Criterion of {one.explanation}")
                with ui.row().classes("gap-1"):
                    ui.label("Measured:")
                    for text in measurements(one.measured, 0):
                        ui.label(text).classes("chip")
                ui.label("P, QRS and T of every beat are now marked on the page.").classes("small")
                if one.source:
                    ui.label(f"Source: {one.source}").classes("small")
            viewer.mark()

        button.on_click(answer)

    async def sheet(self) -> None:
        """Make a worksheet and hand it over as a file."""
        level, seed = self.level.value, int(self.seed.value or 0)

        def work(job: Job) -> str:
            found = []
            for number in range(SHEET_QUESTIONS):
                job.stages("drawing ECGs", number / SHEET_QUESTIONS)
                found.append(question(level, seed + number, model("flow")))
            return worksheet(found, f"{level}, questions {seed} to {seed + SHEET_QUESTIONS - 1}")

        text = await run_job(self.session, self.area, work, "drawing ECGs")
        if text is not None:
            ui.download.content(text, f"worksheet_{level}_{seed}.html")
