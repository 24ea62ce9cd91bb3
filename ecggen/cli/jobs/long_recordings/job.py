"""The job of a long recording: blocks are computed one after the other, and an interrupted job continues."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecggen.cli import console
from ecggen.cli.jobs.long_recordings import recordings
from ecggen.cli.jobs.long_recordings.moments import PART, choose, moments
from ecggen.cli.jobs.long_recordings.provenance import joined
from ecggen.cli.jobs.long_recordings.summary import as_text, clock, page, picture_of, summarise
from ecggen.cli.jobs.results import mean_of, requested
from ecggen.cli.jobs.resuming import same_job
from ecggen.cli.options import suffixes_of
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from typer import Context

    from ecggen.conditioning.condition import Condition
    from ecggen.core.ecg import ECG, Provenance
    from ecggen.generators.reconstruction import Reconstruction
    from ecggen.generators.streaming.blocks import Blocks
    from ecggen.io.long_files import LongFile
    from ecggen.viz.overview import Moment

WORKERS = 2
"""Blocks that are computed at the same time."""
JOB, PROGRESS, MOMENTS = "job.json", "progress.json", "moments.jsonl"
BOUNDS = ("mean", "lower", "upper")


def process(context: Context, blocks: Blocks, file: Path, notes: Sequence[str], condition: Condition) -> None:
    """Process a long recording, and print its summary.

    Args:
        context: Of the running command, whose options say where the result goes, and whether to continue it.
        blocks: The blocks.
        file: The recording.
        notes: Doubts and limitations.
        condition: Text and metadata.
    """
    about = {"model": blocks.generator.name, "requested": settings(context), "notes": list(notes)}
    out, resume, overwrite, as_json = (context.params[name] for name in ("out", "resume", "overwrite", "as_json"))
    suffixes = suffixes_of(context.params["format_"] or "wfdb")
    job = Job(blocks, file.stem, out, about, suffixes, condition, resume, overwrite)
    with console.progress("generating", quiet=as_json) as share:
        about = job.run(share)
    if as_json:
        console.print_json(about | {"folder": str(out)})
        return
    console.print_text(as_text(about))
    files = ", ".join(str(out / f"{job.name}{suffix}") for suffix in suffixes)
    console.print_text(f"overview:  {out / f'{job.name}.html'}\nfiles:     {files}")


def settings(context: Context) -> dict[str, Any]:
    """Options of the running command that change the result."""
    left_out = {"out", "resume", "overwrite", "as_json", "context", "plot_format"}
    return {name: str(value) for name, value in context.params.items() if name not in left_out and value is not None}


class Job:
    """A long recording that is being processed, in a folder of its own until it is finished.

    Args:
        blocks: The blocks.
        name: Name of the files, without suffix.
        out: Output folder.
        about: ``model`` and ``requested``, which must agree when the job is resumed.
        suffixes: Formats of the leads.
        condition: What the leads are generated from; its age and sex are written to the files.
        resume: Whether to continue an unfinished job.
        overwrite: Whether to replace an existing folder, or an unfinished job.

    Raises:
        InputError: If the folder exists, or an unfinished job is there and is neither resumed nor replaced.
    """

    def __init__(
        self,
        blocks: Blocks,
        name: str,
        out: Path,
        about: dict[str, Any],
        suffixes: Sequence[str],
        condition: Condition,
        resume: bool,
        overwrite: bool,
    ):
        from ecggen.io.long_files import SUFFIXES

        others = [suffix for suffix in suffixes if suffix not in SUFFIXES]
        if others:
            found = f"a recording of more than {recordings.LONG / 60:g} min was to be written as {', '.join(others)}"
            raise InputError(found, "wfdb, edf or csv was expected", "choose --format wfdb, or give --seconds")
        self.blocks, self.name, self.out, self.about, self.suffixes = blocks, name, out, about, suffixes
        self.patient = requested(condition)
        self.folder = out.with_name(f".{out.name}.unfinished")
        if self.folder.exists() and overwrite and not resume:
            shutil.rmtree(self.folder)
        if self.folder.exists():
            if not resume:
                do = "continue it with --resume, or replace it with --overwrite"
                raise InputError(f"an unfinished job for {out} exists", do=do)
            same_job(out, self.folder / JOB, about, "reconstruct or translate")
        else:
            self.folder.mkdir(parents=True)
            _write(self.folder / JOB, about)

    def run(self, progress: Callable[[float], None]) -> dict[str, Any]:
        """Process the remaining blocks, and write all other files.

        Args:
            progress: Receives the share that is done.

        Returns:
            The summary.
        """
        done = json.loads((self.folder / PROGRESS).read_text()) if (self.folder / PROGRESS).is_file() else {}
        start, lines = int(done.get("blocks", 0)), self.folder / MOMENTS
        kept = lines.read_text().splitlines()[:start] if lines.is_file() else []
        lines.write_text("".join(f"{line}\n" for line in kept))
        files: dict[str, LongFile] = {}
        samples = self.blocks.bounds[start - 1][1] if start else 0
        progress(start / len(self.blocks))
        for number, (found, measured) in self.blocks.each(start, WORKERS, self._measured):
            files = files or self._files(found, samples)
            for kind, file in files.items():
                file.append(mean_of(found) if kind == "mean" else getattr(found, kind))
            with lines.open("a") as file:
                file.write(json.dumps(measured) + "\n")
            _write(self.folder / PROGRESS, {"blocks": number + 1})
            progress((number + 1) / len(self.blocks))
        measured = [json.loads(line) for line in lines.read_text().splitlines()]
        files = files or self._files(self.blocks[len(self.blocks) - 1], samples)
        return self._finish(files, measured)

    def _measured(self, number: int, found: Reconstruction | ECG) -> tuple[Reconstruction | ECG, dict[str, Any]]:
        """A block, and what is kept of it: its moments and its provenance."""
        first = self.blocks.bounds[number][0] / mean_of(found).fs
        origin = mean_of(found).provenance
        assert origin is not None
        parts = [(lead, begin + first, end + first) for lead, begin, end in origin.parts]
        kept = asdict(replace(origin, parts=tuple(parts)))
        trust = None if mean_of(found) is found or not found.trust else found.trust[0].as_dict()  # type: ignore[union-attr]
        return found, {"moments": [asdict(one) for one in moments(found, first)], "origin": kept, "trust": trust}

    def _files(self, found: Reconstruction | ECG, samples: int) -> dict[str, LongFile]:
        """Files of the leads, and of the interval if there is one."""
        from ecggen.io.long_files import LongFile

        mean = mean_of(found)
        names = {"mean": self.name} if mean is found else {kind: _of(self.name, kind) for kind in BOUNDS}
        return {
            kind: LongFile(self.folder / f"{name}.hea", mean.leads, mean.fs, samples) for kind, name in names.items()
        }

    def _finish(self, files: dict[str, LongFile], measured: list[dict[str, Any]]) -> dict[str, Any]:
        """Write headers, other formats, pictures and summary, and move all files to their place."""
        from ecggen.viz.overview import Moment

        origin = joined([one["origin"] for one in measured])
        for file in files.values():
            file.finish(origin, self.patient)
        every = [Moment(**moment) for one in measured for moment in one["moments"]]
        chosen = choose(every)
        trust = [one["trust"] for one in measured if one["trust"]]
        about = summarise(
            origin, files["mean"], self.blocks.options, every, trust, self.about["notes"], self.blocks.generator.margin
        )
        about["moments"] = {what: moment.start for what, moment in chosen.items()}
        self._draw(files, every, chosen, origin)
        self._convert(files, origin)
        text = as_text(about)
        (self.folder / f"{self.name}.html").write_text(page(self.name, text, list(chosen)), encoding="utf-8")
        (self.folder / f"{self.name}.txt").write_text(text + "\n", encoding="utf-8")
        _write(self.folder / f"{self.name}.json", about)
        _write(self.folder / f"{self.name}_moments.json", [asdict(moment) for moment in every])
        self._move()
        return about

    def _convert(self, files: dict[str, LongFile], origin: Provenance) -> None:
        """Write the formats other than WFDB, and remove WFDB if it is not wanted."""
        for suffix in self.suffixes:
            if suffix != ".hea":
                for file in files.values():
                    file.convert(suffix, origin, self.patient)
        if ".hea" not in self.suffixes:
            for file in files.values():
                file.path.unlink()
                file.data.unlink()

    def _move(self) -> None:
        """Move the finished files to their place."""
        for file in (JOB, PROGRESS, MOMENTS):
            (self.folder / file).unlink(missing_ok=True)
        self.out.mkdir(parents=True, exist_ok=True)
        for file in self.folder.iterdir():
            file.replace(self.out / file.name)
        self.folder.rmdir()

    def _draw(
        self, files: dict[str, LongFile], every: Sequence[Moment], chosen: dict[str, Moment], origin: Provenance
    ) -> None:
        """The overview, and a picture of each chosen moment."""
        from ecggen import viz
        from ecggen.viz.overview import draw_overview

        figure = draw_overview(every, self.name, [moment.start for moment in chosen.values()])
        figure.savefig(self.folder / f"{self.name}_overview.png")
        margin = self.blocks.generator.margin
        for what, moment in chosen.items():
            first = round(moment.start * files["mean"].fs)
            last = min(first + round(PART * files["mean"].fs), files["mean"].samples)
            here = origin.during(moment.start, PART)
            mean, *bounds = (replace(files[kind].part(first, last), provenance=here) for kind in files)
            interval = {}
            if bounds:
                interval = {"lower": bounds[0], "upper": bounds[1], "level": self.blocks.options.level}
                interval |= {"caption": margin.sentence()} if margin else {}
            title = f"{self.name}, {what}, {clock(moment.start)}"
            layout = "12x1" if here.parts else "3x4"
            viz.save(
                viz.draw(mean, **interval, layout=layout, title=title), self.folder / picture_of(self.name, what), True
            )


def _of(name: str, kind: str) -> str:
    return name if kind == "mean" else f"{name}_{kind}"


def _write(path: Path, value: Any) -> None:
    """Write JSON atomically."""
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path)
