"""The tab Reader study: one ECG at a time, real or synthetic, with confidence and time; readers can resume."""

from __future__ import annotations

import time
from functools import partial

from nicegui import ui

from ecggen.benchmark.reader_study.answers import Answer, Sheet, Study
from ecggen.benchmark.reader_study.pack import ANSWERS
from ecggen.core.errors import InputError
from ecggen.page.controls import message

CONFIDENCE = {1: "1 (a guess)", 2: "2", 3: "3", 4: "4", 5: "5 (certain)"}
FASTEST = 0.5
"""Seconds before which no answer is taken: it would be the second click of a double click on the ECG before."""
HOW = """
A reader study shows real and synthetic ECGs in random order and asks which are real.

1. Make one: `ecggen turing SYNTHETIC --real REAL -n 20 --out study`
2. Keep `study/key.json` away from the readers, and start this page with `ecggen serve --study study`
3. Score it: `ecggen turing --score study/answers/NAME.csv --key key.json`
"""


def tab(study: Study | None) -> None:
    """Build the tab."""
    if study is None:
        with ui.column().classes("card w-full"):
            ui.markdown(HOW)
        return
    place = ui.column().classes("w-full gap-2")
    with place:
        _welcome(study, place)


def _welcome(study: Study, place: ui.column) -> None:
    """Ask for the name of the reader."""
    with ui.column().classes("card w-full max-w-xl"):
        ui.label("Which of these ECGs are real?").classes("head").props('role="heading" aria-level="2"')
        ui.label(
            f"You see {len(study.drawings)} ECGs, one at a time. Some are recordings of patients, some were made by a "
            "computer. Decide for each; guess if necessary. Every answer is stored at once: you can stop, and resume "
            "with the same name. None of these ECGs is for diagnosis."
        )
        name = ui.input("Name or pseudonym").classes("w-full")
        problem = ui.column().classes("w-full")

        def begin() -> None:
            problem.clear()
            try:
                sheet = Sheet.open(study, name.value or "")
            except InputError as error:
                with problem:
                    message(str(error), wrong=True)
                return
            _show(sheet, place)

        name.on("keydown.enter", begin)
        ui.button("Begin or resume", on_click=begin).props("no-caps")


def _show(sheet: Sheet, place: ui.column) -> None:
    """Show the next ECG, or the end."""
    place.clear()
    number, total = sheet.next, len(sheet.study.drawings)
    with place:
        if number is None:
            _end(sheet)
            return
        began = time.monotonic()
        with ui.row().classes("w-full items-center no-wrap"):
            ui.label(f"ECG {number} of {total}").classes("head whitespace-nowrap").props(
                'role="heading" aria-level="2" aria-live="polite"'
            )
            done = ui.linear_progress((number - 1) / total, show_value=False)
            done.props('aria-label="progress of the study"')
        paper = ui.element("div").classes("paper w-full").props('tabindex=0 role="group" aria-label="ECG on paper"')
        with paper:
            # The drawing was made by ecggen; as in print, it does not tell where the ECG is from.
            ui.html(sheet.study.drawings[number - 1], sanitize=False).classes("reading-page")
        ui.label("25 mm/s · 10 mm/mV · 0.5–40 Hz").classes("small")
        with ui.row().classes("card w-full items-center gap-6"):
            with ui.column().classes("gap-0"):
                ui.label("How certain are you?").classes("small")
                confidence = ui.radio(CONFIDENCE, value=3).props("inline")

            def given(answer: str) -> None:
                seconds = time.monotonic() - began
                if seconds < FASTEST:
                    return
                try:
                    sheet.give(number, Answer(answer, int(confidence.value), seconds))
                except (InputError, OSError) as error:
                    message(f"the answer could not be stored: {error}", wrong=True)
                    return
                _show(sheet, place)

            for answer in ANSWERS:
                ui.button(answer.capitalize(), on_click=partial(given, answer)).props("no-caps size=lg")
        # The button that had the focus is gone; a keyboard would otherwise begin again at the top of the page.
        ui.run_javascript(f"getHtmlElement({paper.id}).focus()")


def _end(sheet: Sheet) -> None:
    with ui.column().classes("card w-full max-w-xl"):
        ui.label("Thank you: all ECGs are answered.").classes("head")
        ui.label(
            f"The answers of {sheet.reader} are stored in {sheet.path.name}. Please do not tell others what you saw."
        )
        ui.button("Download my answers", on_click=lambda: ui.download.content(sheet.text(), sheet.path.name)).props(
            "no-caps outline"
        )
