"""An ECG on paper in the page: layouts, leads, single draws, zoom, callipers, marked waves, and downloads."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nicegui import events, run, ui

from ecggen import viz
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.generators.reconstruction import Reconstruction
from ecggen.io import write
from ecggen.io.metadata import About
from ecggen.metrics.certain_intervals import measure
from ecggen.page import marks
from ecggen.page.callipers import PIXELS_PER_MM, Callipers, moved
from ecggen.page.session import Session, as_one_file
from ecggen.viz.ecg import PAGE_SECONDS
from ecggen.viz.paper import FOOT, HEAD, MM_PER_INCH

LAYOUTS = {"3x4": "3 × 4 and rhythm strip", "12x1": "12 × 1"}
FILES = {
    "PDF": ".pdf",
    "PNG": ".png",
    "WFDB": ".hea",
    "EDF": ".edf",
    "DICOM": ".dcm",
    "CSV": ".csv",
}
"""Formats of downloads."""
TOGETHER = 0.04
"""Seconds in which changes are drawn together."""
HELP = (
    "Callipers: click or tap two points. Keyboard: focus the page, arrow keys move the point (with shift in small "
    "steps), Enter sets it, Escape removes the callipers."
)


@dataclass(frozen=True)
class Shown:
    """What a viewer shows.

    Attributes:
        name: Title, and name of downloaded files.
        ecg: One record.
        lower: Lower bound of its prediction interval.
        upper: Upper bound.
        level: Level of the interval.
        draws: Single draws of the record.
        about: Age and sex for the files.
        bands: Marks, if they are not those of the waves.
    """

    name: str
    ecg: ECG
    lower: ECG | None = None
    upper: ECG | None = None
    level: float | None = None
    draws: ECG | None = None
    about: About | None = None
    bands: Sequence[marks.Band] | None = None

    @staticmethod
    def of(name: str, found: Reconstruction, about: About, bands: Sequence[marks.Band] | None = None) -> Shown:
        """A reconstruction with its interval and draws."""
        return Shown(name, found.mean, found.lower, found.upper, found.level, found.draws, about, bands)


class Viewer:
    """An ECG on paper with its controls, built where it is created."""

    def __init__(self, session: Session, shown: Shown, layout: str = "3x4"):
        self.session, self.shown = session, shown
        self.leads, self.draw, self.start = set(shown.ecg.leads), 0, 0.0
        self.layout, self.cabrera, self.marked, self.zoom = layout, False, shown.bands is not None, 100
        self.cursor: tuple[float, float] | None = None
        self.points: list[tuple[float, float]] = []
        self.height = 0.0
        self._waiting = False
        self._waves: dict[int, list[marks.Band]] = {}
        with ui.column().classes("w-full gap-1 viewer"):
            self._controls()
            with ui.element("div").classes("paper w-full").props('tabindex=0 role="group"') as frame:
                frame.props(f'aria-label="ECG on paper: {_plain(shown.name)}. {HELP}"')
                frame.on("keydown", self._key, args=["key", "shiftKey"], js_handler=KEYS)
                self.image = ui.interactive_image(on_mouse=self._mouse, events=["click", "mousemove"], sanitize=False)
                self.image.style("width:100%;min-width:720px")
            self.reading = ui.label(HELP).classes("reading").props('aria-live="polite"')
        self.refresh()

    @property
    def ecg(self) -> ECG:
        """The record or the draw that is shown, with all leads."""
        return self.shown.ecg if self.draw == 0 or self.shown.draws is None else self.shown.draws[self.draw - 1]

    def figure(self):
        """The page as it is shown."""
        leads = [lead for lead in self.shown.ecg.leads if lead in self.leads]
        lower = upper = None
        if self.draw == 0 and self.shown.lower is not None and self.shown.upper is not None:
            lower, upper = self.shown.lower.pick(*leads), self.shown.upper.pick(*leads)
        title = self.shown.name if self.draw == 0 else f"{self.shown.name}, draw {self.draw}"
        return viz.draw(
            self.ecg.pick(*leads),
            lower=lower,
            upper=upper,
            level=None if lower is None else self.shown.level,
            layout=self.layout,
            cabrera=self.cabrera,
            start=self.start,
            title=title,
        )

    def mark(self) -> None:
        """Mark the waves of every beat."""
        self.marking.set_value(True)

    def refresh(self) -> None:
        """Draw the page again."""
        figure = self.figure()
        self.height = float(figure.get_size_inches()[1]) * MM_PER_INCH
        path = viz.save(figure, self.session.new_folder() / "page.svg")
        self.image.set_source("data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode())
        path.unlink()
        self._overlay()

    def _overlay(self) -> None:
        parts = [marks.as_svg(self._bands(), self.height - HEAD - FOOT, self.start)] if self.marked else []
        ends = [*self.points, *([self.cursor] if len(self.points) == 1 and self.cursor else [])]
        if len(ends) == 2:
            callipers = Callipers(ends[0], ends[1])
            parts.append(callipers.svg())
            self.reading.set_text(callipers.text())
        elif self.cursor and not self.points:
            x, y = (value * PIXELS_PER_MM for value in self.cursor)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="none" stroke="#9c2f00" stroke-width="2"/>')
        self.image.set_content("".join(parts))

    def _bands(self) -> Sequence[marks.Band]:
        if self.shown.bands is not None:
            return self.shown.bands
        if self.draw not in self._waves:
            self._waves[self.draw] = marks.waves(self.ecg.crop(self.start))
        return [marks.Band(b.first + self.start, b.last + self.start, b.colour, b.name) for b in self._waves[self.draw]]

    def _mouse(self, event: events.MouseEventArguments) -> None:
        at = event.image_x / PIXELS_PER_MM, event.image_y / PIXELS_PER_MM
        if event.type == "click":
            self._set(at)
        elif len(self.points) == 1:
            self.cursor = at
            self._overlay()

    def _set(self, at: tuple[float, float]) -> None:
        self.points = [at] if len(self.points) != 1 else [*self.points, at]
        self.cursor = at
        self._overlay()

    def _key(self, event: events.GenericEventArguments) -> None:
        key = event.args["key"]
        if key == "Escape":
            self.points, self.cursor = [], None
            self.reading.set_text(HELP)
            self._overlay()
        elif key == "Enter":
            self._set(self.cursor or (60.0, 60.0))
        elif (to := moved(self.cursor or (60.0, 60.0), key, bool(event.args["shiftKey"]))) is not None:
            self.cursor = to
            if len(self.points) == 2:
                self.points[1] = to
            self._overlay()

    def _controls(self) -> None:
        shown = self.shown
        with ui.row().classes("items-center w-full controls"):
            ui.select(LAYOUTS, label="Layout", value=self.layout, on_change=self._changed("layout")).classes("w-48")
            ui.switch("Cabrera", on_change=self._changed("cabrera"))
            self.marking = ui.switch("Mark waves" if shown.bands is None else "Mark beats", value=self.marked)
            self.marking.on_value_change(self._changed("marked"))
            if shown.draws is not None:
                with ui.column().classes("gap-0 w-64"):
                    label = ui.label("Point estimate with interval")
                    slider = ui.slider(min=0, max=len(shown.draws), value=0, step=1)
                    slider.props('aria-label="Point estimate, or a single draw"').on_value_change(self._changed("draw"))
                    label.bind_text_from(slider, "value", backward=_draw_name)
            if shown.ecg.seconds > PAGE_SECONDS + 0.5:
                with ui.column().classes("gap-0 w-48"):
                    begin = ui.label("From 0 s")
                    slider = ui.slider(min=0, max=int(shown.ecg.seconds - 5), value=0, step=5)
                    slider.props('aria-label="Start of the page in seconds"').on_value_change(self._started)
                    begin.bind_text_from(slider, "value", backward=lambda value: f"From {value:g} s")
            with ui.column().classes("gap-0 w-40"):
                size = ui.label("Zoom 100 %")
                slider = ui.slider(min=100, max=400, value=100, step=25).props('aria-label="Zoom in percent"')
                slider.on_value_change(self._zoomed)
                size.bind_text_from(slider, "value", backward=lambda value: f"Zoom {value:g} %")
            with (
                ui.dropdown_button("Leads", auto_close=False).props("outline no-caps"),
                ui.column().classes("p-3 gap-0"),
            ):
                for lead in shown.ecg.leads:
                    box = ui.checkbox(lead, value=True).props("dense").classes("py-1")
                    box.on_value_change(self._toggled(lead, box))
            with ui.dropdown_button("Download", auto_close=True).props("no-caps"):
                for name in FILES:
                    ui.item(name, on_click=self._saved(name))

    async def _redraw(self) -> None:
        """Draw the page again, once for all changes that arrive meanwhile, as those of a slider that is dragged."""
        if self._waiting:
            return
        self._waiting = True
        await asyncio.sleep(TOGETHER)
        self._waiting = False
        if not self.image.is_deleted:
            self.refresh()

    def _changed(self, attribute: str):
        async def change(event: events.ValueChangeEventArguments) -> None:
            setattr(self, attribute, event.value)
            await self._redraw()

        return change

    async def _started(self, event: events.ValueChangeEventArguments) -> None:
        self.start = float(event.value)
        self._waves.clear()
        await self._redraw()

    def _zoomed(self, event: events.ValueChangeEventArguments) -> None:
        self.image.style(f"width:{event.value:g}%")

    def _toggled(self, lead: str, box: ui.checkbox):
        async def change(event: events.ValueChangeEventArguments) -> None:
            if event.value:
                self.leads.add(lead)
            elif self.leads == {lead}:
                ui.notify("At least one lead is shown.")
                box.set_value(True)
                return
            else:
                self.leads.discard(lead)
            await self._redraw()

        return change

    def _saved(self, name: str):
        async def save() -> None:
            busy = ui.notification(f"writing {name}", spinner=True, timeout=None)
            try:
                path = await run.io_bound(self.save, FILES[name])
            except InputError as error:
                ui.notify(str(error), type="negative", multi_line=True, timeout=0, close_button="Close")
            else:
                if path is not None:  # None if the server is being stopped
                    ui.download.content(path.read_bytes(), path.name)
            finally:
                busy.dismiss()

        return save

    def save(self, suffix: str) -> Path:
        """Write the shown page (.pdf, .png) or the shown ECG with all leads; several files become one zip.

        Raises:
            InputError: If the format cannot hold this ECG.
        """
        path = self.session.new_folder() / f"{_plain(self.shown.name).replace(' ', '_')}{suffix}"
        if suffix in (".pdf", ".png"):
            return viz.save(self.figure(), path)
        about = replace(self.shown.about or About(), measured=measure(self.ecg, suffix))
        return as_one_file(write(self.ecg, path, about=about))


KEYS = """(event) => {
  if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Enter", "Escape"].includes(event.key)) {
    event.preventDefault();
    emit({key: event.key, shiftKey: event.shiftKey});
  }
}"""
"""Hands the keys of the callipers on, and keeps them from scrolling the page."""


def _draw_name(number: float) -> str:
    return "Point estimate with interval" if number == 0 else f"Draw {number:g}"


def _plain(text: str) -> str:
    """``text`` without what ends an attribute or names a folder."""
    return "".join(sign for sign in text if sign.isalnum() or sign in " .,-_")[:80].strip() or "ecg"
