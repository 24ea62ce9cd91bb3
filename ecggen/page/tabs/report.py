"""The tab Report: two sets of ECGs become the quality report, shown in the page."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nicegui import app, ui

from ecggen.core.errors import InputError
from ecggen.page.controls import columns, dropped, run_job, upload
from ecggen.page.jobs import Job
from ecggen.page.session import Session, safe_name
from ecggen.report.build import write
from ecggen.report.inputs.load import ReportRequest, load_cohorts
from ecggen.report.inputs.open import FileDefaults
from ecggen.report.render.document import Report

SETS = {"synthetic": "Synthetic ECGs", "real": "Real ECGs"}
LIMIT = 200
"""Most records of each set, by default."""


class Files:
    """Choice of one set: dropped files, or a folder of this computer if only this computer can open the page."""

    def __init__(self, session: Session, title: str, limit: int, *, local: bool):
        self.session, self.folder = session, session.new_folder()
        self.title = title
        with ui.column().classes("w-full gap-1"):
            ui.label(title).classes("head").props('role="heading" aria-level="2"')
            self.path = None
            if local:
                self.path = ui.input("Folder or file of this computer").classes("w-full")
                self.path.props(f'aria-label="{title}: folder or file of this computer"')
            upload("or drop files" if local else "Drop files", self._received, limit, of=title)
            self.source = ui.label().classes("small")

    async def _received(self, files: Sequence[Any]) -> None:
        self.folder = self.session.new_folder()
        for file in files:
            await file.save(self.folder / safe_name(file.name))
        self.source.set_text(dropped(files))

    def chosen(self) -> Path:
        """The folder or file.

        Raises:
            InputError: If nothing was chosen.
        """
        typed = (self.path.value or "").strip() if self.path else ""
        if typed:
            return Path(typed).expanduser()
        dropped = list(self.folder.iterdir())
        if not dropped:
            raise InputError(
                f"{self.title[0].lower()}{self.title[1:]} were not given",
                "files were expected",
                "drop them, or name a folder",
            )
        return dropped[0] if len(dropped) == 1 else self.folder


def tab(session: Session, limit: int, *, local: bool) -> None:
    """Build the tab."""
    hint = "The report compares two sets of any origin in fourteen sections. 200 records take some minutes."
    card, area, result = columns(hint)
    with card:
        sets = {name: Files(session, title, limit, local=local) for name, title in SETS.items()}
        with ui.expansion("If the files do not state it").classes("w-full"):
            fs = ui.number("Sampling rate in Hz", min=1).classes("w-full")
            unit = ui.select({None: "–", "mV": "mV", "uV": "µV", "V": "V"}, label="Unit", value=None)
            unit.classes("w-full")
            leads = ui.input("Leads").classes("w-full")
        most = ui.number("Most records of each set", value=LIMIT, min=2, precision=0).classes("w-full")
        button = ui.button("Write the report").classes("w-full").props("no-caps")

    async def report() -> None:
        result.clear()

        def work(job: Job) -> tuple[Path, Report]:
            defaults = FileDefaults.of(fs.value, unit.value, (leads.value or "").strip() or None)
            request = ReportRequest(
                sets["synthetic"].chosen(), sets["real"].chosen(), defaults=defaults, limit=int(most.value or LIMIT)
            )
            out = session.new_folder() / "report.html"
            # Reading takes the first half of the progress, measuring the second.
            cohorts = load_cohorts(request, lambda what, share: job.stages(what, share / 2))
            return out, write(cohorts, out, progress=lambda what, share: job.stages(what, 0.5 + share / 2))

        made = await run_job(session, area, work, "reading", button)
        if made is not None:
            with result:
                show(session, *made)

    button.on_click(report)


def show(session: Session, path: Path, made: Report) -> None:
    """The report in the page, which cannot run programs or reach beyond its frame."""
    url = f"/report/{secrets.token_urlsafe(16)}.html"
    app.add_static_file(local_file=path, url_path=url)
    session.at_end(lambda: app.remove_route(url))
    with ui.row().classes("items-center w-full gap-3"):
        ui.label(made.summary).classes("head")
        ui.button("Download the report", on_click=lambda: ui.download.file(path)).props("no-caps outline")
        numbers = path.with_suffix(".json")
        ui.button("Download all numbers", on_click=lambda: ui.download.file(numbers)).props("no-caps outline")
    frame = ui.element("iframe").classes("w-full report")
    frame.props(f'src="{url}" sandbox="" title="Quality report"')
